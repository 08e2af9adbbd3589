"""Records of another location that somebody opened with a reason ("break glass": 45 CFR 164.312(a)(2)(ii))."""

from __future__ import annotations

from datetime import datetime

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from clinic.models.history import track
from clinic.models.places import Location, Resource

LATER = "'{closed_at,seen_at,seen_by_id,seen_note}'::text[]"
"""What is written after the opening itself."""


class OpeningReason(models.TextChoices):
    """Why somebody needs the record of a patient who belongs elsewhere."""

    HERE = "here", "The patient is here, or on the phone"
    EMERGENCY = "emergency", "An emergency"
    COVER = "cover", "I stand in for the other location"
    ASKED = "asked", "A clinician or manager asked me to"
    OTHER = "other", "Something else"


class OpeningQuerySet(models.QuerySet["Opening"]):
    def standing(self, now: datetime) -> OpeningQuerySet:
        """Those that open the record at this moment."""
        return self.filter(closed_at__isnull=True, at__lte=now, until__gt=now)

    def to_look_at(self) -> OpeningQuerySet:
        """Those that no manager has looked at yet."""
        return self.filter(seen_at__isnull=True)


@track()
class Opening(models.Model):
    """One person has one patient's record open in the half-open span ``[at, until)``, closed early at ``closed_at``.

    Who, whom, why and until when never change; a row is never deleted. Closing and a manager's look are each written
    once, the look by somebody else.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    subject = models.ForeignKey(Resource, on_delete=models.PROTECT, related_name="openings", help_text="The patient.")
    location = models.ForeignKey(
        Location, null=True, on_delete=models.PROTECT, related_name="+", help_text="Where the patient belonged to."
    )
    kind = models.CharField(max_length=10, choices=OpeningReason.choices)
    reason = models.CharField(max_length=150)
    at = models.DateTimeField()
    until = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    seen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    seen_note = models.CharField(max_length=300, blank=True)

    objects = OpeningQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(until__gt=F("at")), name="opening_ends_after_it_begins"),
            models.CheckConstraint(condition=~Q(reason=""), name="opening_has_a_reason"),
            models.CheckConstraint(
                condition=Q(seen_at__isnull=True, seen_by__isnull=True)
                | Q(seen_at__isnull=False, seen_by__isnull=False) & ~Q(seen_by=F("user")),
                name="opening_is_looked_at_by_somebody_else",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "subject", "-until"], name="opening_by_user"),
            models.Index(fields=["-at"], name="opening_by_time"),
        ]
        triggers = [
            pgtrigger.Protect(
                name="facts_stay",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    f"((to_jsonb(OLD) - {LATER} IS DISTINCT FROM to_jsonb(NEW) - {LATER})"
                    " OR (OLD.closed_at IS NOT NULL AND OLD.closed_at IS DISTINCT FROM NEW.closed_at)"
                    " OR (OLD.seen_at IS NOT NULL AND (OLD.seen_at, OLD.seen_by_id, OLD.seen_note)"
                    " IS DISTINCT FROM (NEW.seen_at, NEW.seen_by_id, NEW.seen_note)))"
                ),
            ),
            pgtrigger.Protect(name="is_kept", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.get_kind_display()}"

    @property
    def words(self) -> str:
        """The reason as it stands in the read log: "An emergency: collapsed in the waiting room"."""
        return f"{self.get_kind_display()}: {self.reason}"
