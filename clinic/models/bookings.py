"""Bookings and the allocations that keep everything from being in two places at once.

Rows here are written by ``clinic.services.bookings`` and by nothing else (a test reads the sources for that).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import BigIntegerRangeField, DateTimeRangeField, IntegerRangeField, RangeOperators
from django.contrib.postgres.indexes import GistIndex
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.expressions import Combinable

from clinic.models.history import track
from clinic.models.places import Location, Resource

if TYPE_CHECKING:
    from django.db.backends.postgresql.psycopg_any import DateTimeTZRange


class BookingKind(models.TextChoices):
    CONSULTATION = "consultation", "Consultation"
    INFUSION = "infusion", "Infusion"
    BLOCK = "block", "Blocked time"


class BookingStatus(models.TextChoices):
    """Where a visit is. The last three release everything that the booking held."""

    BOOKED = "booked", "Booked"
    CONFIRMED = "confirmed", "Confirmed"
    ARRIVED = "arrived", "Arrived"
    IN_CHAIR = "in_chair", "In chair"
    OBSERVING = "observing", "Observing"
    DONE = "done", "Done"
    MISSED = "missed", "No-show"
    CANCELLED = "cancelled", "Cancelled"
    WITHHELD = "withheld", "Withheld"


RELEASED_STATUSES = (
    BookingStatus.MISSED,
    BookingStatus.CANCELLED,
    BookingStatus.WITHHELD,
)
UPCOMING_STATUSES = (BookingStatus.BOOKED, BookingStatus.CONFIRMED)
OPEN_STATUSES = (*UPCOMING_STATUSES, BookingStatus.ARRIVED, BookingStatus.IN_CHAIR, BookingStatus.OBSERVING)
"""Of visits that have no end yet, whether they are to come or somebody forgot to say how they ended."""


class BookingQuerySet(models.QuerySet["Booking"]):
    def overlapping(self, start: datetime, end: datetime) -> BookingQuerySet:
        """Bookings that touch the half-open span ``[start, end)``."""
        return self.filter(span__overlap=(start, end))

    def real(self) -> BookingQuerySet:
        """Without those that were cancelled, missed or withheld."""
        return self.exclude(status__in=RELEASED_STATUSES)

    def upcoming(self, now: datetime) -> BookingQuerySet:
        return self.filter(status__in=UPCOMING_STATUSES, span__startswith__gte=now)


@track()
class Booking(models.Model):
    """One visit (or one blocked stretch) at a location, for the half-open ``span``.

    ``span`` covers everything that is held, turnaround included; what each resource is held for is in its allocation.
    ``version`` grows by one with each change, so that a page can tell that it is stale.
    """

    kind = models.CharField(max_length=12, choices=BookingKind.choices)
    status = models.CharField(max_length=10, choices=BookingStatus.choices, default=BookingStatus.BOOKED)
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="bookings")
    subject = models.ForeignKey(
        Resource, null=True, blank=True, on_delete=models.PROTECT, related_name="visits", help_text="The patient."
    )
    span = DateTimeRangeField(default_bounds="[)")
    title = models.CharField(max_length=120, blank=True)
    note = models.TextField(blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    arrived_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    observing_at = models.DateTimeField(null=True, blank=True)
    left_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True, help_text="Cancelled, missed or withheld at.")
    ended_reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    version = models.PositiveIntegerField(default=1)

    objects = BookingQuerySet.as_manager()

    moved_from: tuple[datetime, int] | None = None
    """Start and location's id before the move that is going on; for those who follow it, not kept."""

    if TYPE_CHECKING:
        allocations: models.QuerySet[Allocation]

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(span__isempty=False, span__lower_inf=False, span__upper_inf=False),
                name="booking_span_is_bounded",
            ),
            models.CheckConstraint(
                condition=Q(kind="block", subject__isnull=True)
                | Q(kind__in=["consultation", "infusion"], subject__isnull=False),
                name="booking_visits_have_a_patient",
            ),
        ]
        indexes = [
            models.Index(F("location"), Func(F("span"), function="lower"), name="booking_by_location_start"),
            models.Index(F("subject"), Func(F("span"), function="lower"), name="booking_by_subject_start"),
            # For the days of Today, the calendar and the board: a beginning alone finds nothing that lasts into them.
            GistIndex(fields=["span"], name="booking_by_span"),
            # What is to come and what somebody forgot to end: some weeks of bookings among those of all years.
            models.Index(
                F("location"),
                Func(F("span"), function="lower"),
                condition=Q(status__in=["booked", "confirmed", "arrived", "in_chair", "observing"]),
                name="booking_still_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.start:%Y-%m-%d %H:%M}"

    @property
    def start(self) -> datetime:
        return _bound(self.span).lower

    @property
    def end(self) -> datetime:
        return _bound(self.span).upper

    @property
    def is_released(self) -> bool:
        return self.status in RELEASED_STATUSES


def _bound(span: DateTimeTZRange) -> DateTimeTZRange:
    return span


class AllocationRole(models.TextChoices):
    """What a resource does in a booking."""

    PATIENT = "patient", "Patient"
    STATION = "station", "Chair or room"
    NURSE = "nurse", "Nurse"
    ATTENTION = "attention", "Nurse, full attention"
    CLINICIAN = "clinician", "Clinician"
    BLOCKED = "blocked", "Blocked"


ATTENTION_LANE = 100
"""The lane that stands for a person's own two hands: whatever needs full attention takes it, one booking at a time."""


class AllocationQuerySet(models.QuerySet["Allocation"]):
    def held(self) -> AllocationQuerySet:
        return self.filter(released=False)

    def overlapping(self, start: datetime, end: datetime) -> AllocationQuerySet:
        return self.filter(span__overlap=(start, end))

    def of(self, resource: int | Combinable) -> AllocationQuerySet:
        """Those of one resource: its id, or an expression for it.

        Said as the exclusion constraint says it, whose index finds a day of one resource among five years of all; a
        plain comparison with the id reads either all of its years or that day of everybody.
        """
        return self.alias(whose=_resource_range(F("resource"))).filter(
            whose__overlap=_resource_range(Value(resource) if isinstance(resource, int) else resource)
        )


def _point(number: Combinable, function: str, output: models.Field) -> Func:
    """The one-element range of a number: a range type needs no extension to stand in a GiST constraint."""
    return Func(number, number, Value("[]"), function=function, output_field=output)


def _resource_range(number: Combinable) -> Func:
    return _point(number, "int8range", BigIntegerRangeField())


@track()
class Allocation(models.Model):
    """One resource (one lane of it) taken by a booking for the half-open ``span``."""

    booking = models.ForeignKey(Booking, on_delete=models.CASCADE, related_name="allocations")
    resource = models.ForeignKey(Resource, on_delete=models.PROTECT, related_name="allocations")
    role = models.CharField(max_length=10, choices=AllocationRole.choices)
    lane = models.PositiveSmallIntegerField(default=0)
    span = DateTimeRangeField(default_bounds="[)")
    released = models.BooleanField(default=False)

    objects = AllocationQuerySet.as_manager()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="allocation_never_in_two_places",
                expressions=[
                    (_resource_range(F("resource")), RangeOperators.OVERLAPS),
                    (_point(F("lane"), "int4range", IntegerRangeField()), RangeOperators.OVERLAPS),
                    ("span", RangeOperators.OVERLAPS),
                ],
                condition=Q(released=False),
                violation_error_message="This time is already taken.",
            ),
            models.CheckConstraint(
                condition=Q(span__isempty=False, span__lower_inf=False, span__upper_inf=False),
                name="allocation_span_is_bounded",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()} {self.resource_id} lane {self.lane}"
