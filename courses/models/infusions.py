"""Infusions (the n-th treatment of a phase) and their visits (each attempt at giving one)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q

from clinic.models import Booking
from clinic.models.history import track
from courses.models.courses import Phase


class InfusionStatus(models.TextChoices):
    """The latest that is true of an infusion. Missed, withheld and cancelled ones wait for a new time."""

    PLANNED = "planned", "Planned"
    BOOKED = "booked", "Booked"
    GIVEN = "given", "Given"
    MISSED = "missed", "No-show"
    WITHHELD = "withheld", "Withheld"
    CANCELLED = "cancelled", "Cancelled"
    DROPPED = "dropped", "No longer planned"


UNSETTLED_STATUSES = (
    InfusionStatus.PLANNED,
    InfusionStatus.MISSED,
    InfusionStatus.WITHHELD,
    InfusionStatus.CANCELLED,
)
"""Without a time, and still owed to the patient."""


@track()
class Infusion(models.Model):
    """The ``number``-th treatment of a phase. It keeps its number through no-shows and holds (clinical.md H0, R5)."""

    phase = models.ForeignKey(Phase, on_delete=models.CASCADE, related_name="infusions")
    number = models.PositiveSmallIntegerField()
    status = models.CharField(max_length=9, choices=InfusionStatus.choices, default=InfusionStatus.PLANNED)
    day = models.DateField(
        null=True, blank=True, help_text="Local date: planned, booked or given; empty while nothing is proposed."
    )

    if TYPE_CHECKING:
        visits: models.QuerySet[InfusionVisit]
        overrides: models.QuerySet[RuleOverride]

    class Meta:
        ordering = ["phase", "number"]
        constraints = [
            models.UniqueConstraint(fields=["phase", "number"], name="infusion_number_once"),
            models.CheckConstraint(condition=Q(number__gte=1), name="infusion_numbers_from_one"),
            models.CheckConstraint(
                condition=~Q(status__in=["booked", "given"]) | Q(day__isnull=False), name="infusion_booked_has_a_day"
            ),
        ]
        indexes = [models.Index(fields=["status", "day"], name="infusion_by_status_day")]

    def __str__(self) -> str:
        return f"infusion {self.number}"


class VisitOutcome(models.TextChoices):
    OPEN = "open", "Open"
    GIVEN = "given", "Given"
    MISSED = "missed", "No-show"
    WITHHELD = "withheld", "Withheld"
    CANCELLED = "cancelled", "Cancelled"


@track()
class InfusionVisit(models.Model):
    """One booked attempt at one infusion, with its own minutes."""

    infusion = models.ForeignKey(Infusion, on_delete=models.CASCADE, related_name="visits")
    booking = models.OneToOneField(Booking, on_delete=models.PROTECT, related_name="infusion_visit")
    preparation_min = models.PositiveSmallIntegerField()
    infusion_min = models.PositiveSmallIntegerField()
    observation_min = models.PositiveSmallIntegerField()
    turnaround_min = models.PositiveSmallIntegerField()
    outcome = models.CharField(max_length=9, choices=VisitOutcome.choices, default=VisitOutcome.OPEN)
    reason = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(null=True, blank=True, help_text="When the outcome was recorded.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["infusion", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["infusion"], condition=Q(outcome__in=["open", "given"]), name="infusionvisit_one_that_counts"
            )
        ]

    def __str__(self) -> str:
        return f"visit {self.pk}"


@track()
class RuleOverride(models.Model):
    """A clinician let an infusion stand against a rule of the protocol, and said why. Stays visible."""

    infusion = models.ForeignKey(Infusion, on_delete=models.CASCADE, related_name="overrides")
    rule = models.CharField(max_length=24, help_text="A value of courses.planning.types.Rule.")
    day = models.DateField(help_text="The local date for which it was allowed.")
    actual = models.SmallIntegerField(null=True, blank=True)
    limit = models.SmallIntegerField(null=True, blank=True)
    message = models.CharField(max_length=300)
    reason = models.CharField(max_length=300)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["infusion", "id"]
        constraints = [models.CheckConstraint(condition=~Q(reason=""), name="ruleoverride_has_a_reason")]

    def __str__(self) -> str:
        return self.message
