"""Courses, their phases, and the reasoned changes to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from clinic.models import Location, Resource
from clinic.models.history import track
from courses.models.protocols import PhaseKind, ProtocolVersion, StepFields
from patients.models import Patient
from patients.models.background import INDICATION_CHOICES

if TYPE_CHECKING:
    from datetime import datetime

    from courses.models.infusions import Infusion

__all__ = ["Course", "CourseStatus", "Phase", "PhaseKind", "PhaseStep", "ReadinessOverride", "Revision", "RevisionKind"]


class CourseStatus(models.TextChoices):
    PLANNED = "planned", "Planned"
    ACTIVE = "active", "In treatment"
    INTERRUPTED = "interrupted", "Interrupted"
    COMPLETED = "completed", "Completed"
    STOPPED = "stopped", "Stopped"
    TRANSFERRED = "transferred", "Transferred"
    LOST = "lost", "Lost to follow-up"


OPEN_COURSE_STATUSES = (CourseStatus.PLANNED, CourseStatus.ACTIVE, CourseStatus.INTERRUPTED)


class CourseQuerySet(models.QuerySet["Course"]):
    def open(self) -> CourseQuerySet:
        return self.filter(status__in=OPEN_COURSE_STATUSES)


@track()
class Course(models.Model):
    """One patient treated for one indication. Its phases say by which protocol versions."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="courses")
    indication = models.CharField(max_length=8, choices=INDICATION_CHOICES)
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="courses")
    prescriber = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="courses")
    status = models.CharField(max_length=12, choices=CourseStatus.choices, default=CourseStatus.PLANNED)
    previous = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="following")
    pencilled_until = models.DateTimeField(
        null=True, blank=True, help_text="Held, not yet ready to start: released then unless it is confirmed before."
    )
    closed_on = models.DateField(null=True, blank=True)
    closed_reason = models.CharField(max_length=200, blank=True)
    closed_to = models.CharField("transferred to", max_length=120, blank=True)
    outcome_definition = models.ForeignKey(
        "courses.OutcomeDefinition",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="courses",
        help_text="By which version of the clinic's outcome terms it is judged. Empty: the shipped one.",
    )
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    version = models.PositiveIntegerField(default=1)

    objects = CourseQuerySet.as_manager()

    if TYPE_CHECKING:
        phases: models.QuerySet[Phase]
        revisions: models.QuerySet[Revision]
        readiness_overrides: models.QuerySet[ReadinessOverride]

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["patient", "indication"],
                condition=Q(status__in=["planned", "active", "interrupted"]),
                name="course_one_open_per_indication",
                violation_error_message="This patient already has an open course for this condition.",
            )
        ]
        indexes = [
            models.Index(fields=["status", "location"], name="course_by_status"),
            models.Index(
                fields=["pencilled_until"], condition=Q(pencilled_until__isnull=False), name="course_pencilled"
            ),
        ]

    def __str__(self) -> str:
        return f"Course {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("courses:course", args=[self.pk])

    def is_pencilled_at(self, now: datetime) -> bool:
        """The times are held, not yet firm. An expired pencil holds nothing, also before it has been swept away."""
        return self.pencilled_until is not None and now < self.pencilled_until

    def has_lapsed_at(self, now: datetime) -> bool:
        """The pencil has expired, and its times are about to be released."""
        return self.pencilled_until is not None and now >= self.pencilled_until


@track()
class Phase(models.Model):
    """A stretch of a course under one protocol version: the initial series, maintenance, or a booster.

    What a clinician adapts for this patient stands here; the protocol version stays as it is. Clock times are local.
    """

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="phases")
    kind = models.CharField(max_length=12, choices=PhaseKind.choices)
    position = models.PositiveSmallIntegerField(default=1)
    protocol_version = models.ForeignKey(ProtocolVersion, on_delete=models.PROTECT, related_name="phases")
    n_planned = models.PositiveSmallIntegerField("infusions planned")
    not_before = models.DateField(
        null=True, blank=True, help_text="The first infusion was looked for from this day on."
    )
    preparation_min = models.PositiveSmallIntegerField()
    infusion_min = models.PositiveSmallIntegerField()
    observation_min = models.PositiveSmallIntegerField()
    turnaround_min = models.PositiveSmallIntegerField()
    earliest_start = models.TimeField(null=True, blank=True)
    latest_start = models.TimeField(null=True, blank=True)
    preferred_start = models.TimeField(null=True, blank=True)
    preferred_clinician = models.ForeignKey(Resource, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    preferred_nurse = models.ForeignKey(Resource, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    preferred_chair = models.ForeignKey(Resource, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    if TYPE_CHECKING:
        steps: models.QuerySet[PhaseStep]
        infusions: models.QuerySet[Infusion]

    class Meta:
        ordering = ["course", "position"]
        constraints = [
            models.UniqueConstraint(fields=["course", "position"], name="phase_position_once"),
            models.CheckConstraint(condition=Q(n_planned__gte=1, n_planned__lte=60), name="phase_number_plausible"),
            models.CheckConstraint(
                condition=Q(earliest_start__isnull=True)
                | Q(latest_start__isnull=True)
                | Q(earliest_start__lte=F("latest_start")),
                name="phase_hours_in_order",
                violation_error_message="The earliest start must not be after the latest.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.n_planned}"


@track()
class PhaseStep(StepFields):
    """One step of a phase: copied from the protocol version, then adapted to the patient."""

    phase = models.ForeignKey(Phase, on_delete=models.CASCADE, related_name="steps")

    class Meta(StepFields.Meta):
        constraints = [
            *StepFields.Meta.constraints,
            models.UniqueConstraint(fields=["phase", "position"], name="phasestep_position_once"),
        ]


class RevisionKind(models.TextChoices):
    BOOKED = "booked", "Series booked"
    PENCILLED = "pencilled", "Series pencilled"
    CONFIRMED = "confirmed", "Pencilled series confirmed"
    RELEASED = "released", "Pencilled series released"
    MOVED = "moved", "Infusion moved"
    SHIFTED = "shifted", "Infusion moved, the rest shifted"
    CANCELLED = "cancelled", "Infusion cancelled"
    MISSED = "missed", "No-show"
    WITHHELD = "withheld", "Infusion withheld"
    RESLOTTED = "reslotted", "New time found"
    RENUMBERED = "renumbered", "Numbers follow the order given"
    NUMBER = "number", "Number of infusions changed"
    RHYTHM = "rhythm", "Rhythm or gaps changed"
    WISHES = "wishes", "Times or people changed"
    CONTINUED = "continued", "Continued after an interruption"
    RESTARTED = "restarted", "Restarted after an interruption"
    CLOSED = "closed", "Course closed"
    REVIEWED = "reviewed", "Reviewed: goes on as planned"
    DOSE = "dose", "Dose changed"
    TREATMENT = "treatment", "Other treatment changed"
    MAINTENANCE = "maintenance", "Maintenance decided"
    INTERVAL = "interval", "Interval changed"
    STEPPED_BACK = "stepped_back", "Stepped back after a relapse"
    BOOSTER = "booster", "Booster booked"
    OFFERED = "offered", "Moved to a freed time"


class Revision(models.Model):
    """A reasoned change to a course, with what stood before and after. Append-only."""

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="revisions")
    phase = models.ForeignKey(Phase, null=True, blank=True, on_delete=models.CASCADE, related_name="revisions")
    kind = models.CharField(max_length=12, choices=RevisionKind.choices)
    at = models.DateTimeField()
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="None: the patient, by a link.",
    )
    reason = models.CharField(max_length=300, blank=True)
    summary = models.CharField(max_length=300, help_text="What changed, in a sentence.")
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["course", "-at"], name="revision_by_course")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.summary


class ReadinessOverride(models.Model):
    """A clinician let a series start although something was missing, and said why. Append-only, stays visible."""

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="readiness_overrides")
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=300)
    missing = models.JSONField(help_text="What was missing: a list of sentences.")

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [models.CheckConstraint(condition=~Q(reason=""), name="readinessoverride_has_a_reason")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.reason
