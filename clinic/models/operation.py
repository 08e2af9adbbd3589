"""How the machinery runs: mail caught instead of sent, the heart of the scheduler, tasks that failed."""

from __future__ import annotations

from django.db import models


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
