"""How the machinery runs: mail caught instead of sent, the heart of the scheduler, tasks that failed."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class CaughtMail(models.Model):
    """A message that this installation would have sent. Written only where no provider is set (development)."""

    channel = models.CharField(max_length=6)
    to = models.CharField(max_length=254)
    subject = models.CharField(max_length=200, blank=True)
    text = models.TextField()
    html = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["-at", "-id"], name="caught_by_time")]

    def __str__(self) -> str:
        return f"{self.channel} to {self.to}"


class Beat(models.Model):
    """When something that happens by itself last did: ``name`` is the scheduled task."""

    name = models.CharField(max_length=60, primary_key=True)
    at = models.DateTimeField()
    took_ms = models.PositiveIntegerField(default=0)
    said = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class TaskFailure(models.Model):
    """A background task that ended with an error. No arguments: they may name patients."""

    task = models.CharField(max_length=120)
    task_id = models.CharField(max_length=80)
    error = models.CharField(max_length=300)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["-at"], name="taskfailure_by_time")]

    def __str__(self) -> str:
        return f"{self.task}: {self.error}"


class BackupState(models.TextChoices):
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class BackupRunQuerySet(models.QuerySet["BackupRun"]):
    def latest_done(self) -> BackupRun | None:
        """The last one that was written whole."""
        return self.filter(state=BackupState.DONE).order_by("-started_at", "-id").first()


class BackupRun(models.Model):
    """One attempt at a backup. ``error`` is a sentence for staff; ``name`` the file in the folder of backups."""

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=7, choices=BackupState.choices, default=BackupState.RUNNING)
    kind = models.CharField(max_length=8, default="full")
    name = models.CharField(max_length=80, blank=True)
    bytes = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    version = models.CharField(max_length=20)

    objects = BackupRunQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="running", finished_at__isnull=True)
                | ~Q(state="running") & Q(finished_at__isnull=False),
                name="backuprun_ends_once",
            ),
        ]
        indexes = [models.Index(fields=["-started_at"], name="backuprun_by_time")]

    def __str__(self) -> str:
        return f"{self.name or self.kind} ({self.get_state_display()})"


class Restoration(models.Model):
    """These records came out of a backup. What was due until ``messages_held_until`` may have gone out before."""

    at = models.DateTimeField()
    backup_at = models.DateTimeField()
    backup_name = models.CharField(max_length=255)
    backup_version = models.CharField(max_length=20)
    messages_held_until = models.DateTimeField(
        null=True, blank=True, help_text="Empty: nothing went out between backup and restore (a move)."
    )

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.backup_name}, {self.at:%Y-%m-%d %H:%M}"


class Release(models.Model):
    """A version of the product that this database was migrated by, and when it came. Newest first."""

    version = models.CharField(max_length=20, unique=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return self.version
