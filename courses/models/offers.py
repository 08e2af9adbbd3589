"""The waiting list, times that became free, and whom they were offered to."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from clinic.models import Booking, Location, Resource
from clinic.models.history import track
from clinic.models.hours import Weekday
from courses.models.courses import Course
from courses.models.infusions import Infusion
from patients.models import Patient


@track()
class WaitingEntry(models.Model):
    """A patient who would come earlier if a time became free. Clock times are local to the course's location."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="waiting_entries")
    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="waiting_entries")
    weekdays = ArrayField(models.PositiveSmallIntegerField(choices=Weekday.choices), default=list, blank=True)
    from_time = models.TimeField("from", null=True, blank=True)
    to_time = models.TimeField("to", null=True, blank=True)
    notice_hours = models.PositiveSmallIntegerField("needs to know before (hours)", default=4)
    note = models.CharField(max_length=200, blank=True)
    opened_at = models.DateTimeField()
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    closed_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["opened_at", "id"]
        verbose_name_plural = "waiting entries"
        constraints = [
            models.UniqueConstraint(
                fields=["course"], condition=Q(closed_at__isnull=True), name="waitingentry_once_a_course"
            ),
            models.CheckConstraint(
                condition=Q(from_time__isnull=True) | Q(to_time__isnull=True) | Q(from_time__lt=F("to_time")),
                name="waitingentry_hours_in_order",
                violation_error_message="The earliest time must be before the latest.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.patient} waits"


@track()
class FreedSlot(models.Model):
    """A time at a chair that became free before it began: one for each time that a booking let go of it.

    While it is open there is no second one. A visit that came back and is let go once more leaves a new one, unless the
    first is open still.
    """

    booking = models.ForeignKey(Booking, on_delete=models.PROTECT, related_name="freed_slots")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    chair = models.ForeignKey(Resource, on_delete=models.PROTECT, related_name="+")
    start = models.DateTimeField()
    end = models.DateTimeField()
    freed_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_text = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["start", "id"]
        indexes = [models.Index(fields=["location", "start"], condition=Q(closed_at__isnull=True), name="freed_open")]
        constraints = [
            models.UniqueConstraint(
                fields=["booking", "chair", "start"], condition=Q(closed_at__isnull=True), name="freedslot_open_once"
            )
        ]

    def __str__(self) -> str:
        return f"free at {self.start}"


class OfferWay(models.TextChoices):
    CALL = "call", "By telephone"
    LINK = "link", "By a link"


class OfferState(models.TextChoices):
    OPEN = "open", "Open"
    ACCEPTED = "accepted", "Accepted"
    DECLINED = "declined", "Declined"
    GONE = "gone", "Somebody else took it"
    WITHDRAWN = "withdrawn", "Withdrawn"


@track(exclude=["token_hash"])
class SlotOffer(models.Model):
    """A freed time offered to one patient for one infusion. First to accept gets it; only a hash of a link is kept.

    ``plan`` is the judged preview's token (``courses.services.series_changes``): exactly what was offered is booked.
    """

    slot = models.ForeignKey(FreedSlot, on_delete=models.CASCADE, related_name="offers")
    infusion = models.ForeignKey(Infusion, on_delete=models.CASCADE, related_name="offers")
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="slot_offers")
    way = models.CharField(max_length=4, choices=OfferWay.choices)
    why = models.CharField(max_length=300, help_text="Why this patient, as it was said in the ranking.")
    plan = models.TextField(editable=False)
    token_hash = models.CharField(max_length=64, null=True, blank=True, unique=True, editable=False)  # NULLs differ
    offered_at = models.DateTimeField()
    offered_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=OfferState.choices, default=OfferState.OPEN)
    answered_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True, help_text="When the patient was told that it is gone.")

    class Meta:
        ordering = ["offered_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["slot"], condition=Q(state="accepted"), name="slotoffer_one_gets_it"),
            models.UniqueConstraint(fields=["slot", "infusion"], condition=Q(state="open"), name="slotoffer_open_once"),
        ]
        triggers = [
            pgtrigger.FSM(
                name="state_goes_forward",
                field="state",
                transitions=[
                    ("open", "accepted"),
                    ("open", "declined"),
                    ("open", "gone"),
                    ("open", "withdrawn"),
                ],
            ),
            pgtrigger.Protect(name="is_kept", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.slot} for {self.patient}"
