"""Locations, and everything that can be in only one place at a time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from phonenumber_field.modelfields import PhoneNumberField

from clinic.models.history import track

if TYPE_CHECKING:
    from clinic.models.users import User


def validate_time_zone(value: str) -> None:
    """Raises ValidationError unless ``value`` is an IANA time zone name."""
    if value not in available_timezones():
        raise ValidationError("“%(value)s” is not a time zone, for example America/New_York.", params={"value": value})


class LocationQuerySet(models.QuerySet["Location"]):
    def active(self) -> LocationQuerySet:
        return self.filter(is_active=True)


@track()
class Location(models.Model):
    """A site of the clinic, with its own time zone, hours and chairs."""

    name = models.CharField(max_length=80, unique=True)
    short_name = models.CharField(max_length=12, help_text="Shown where space is short, for example in the top bar.")
    address = models.CharField(max_length=200, blank=True)
    phone = PhoneNumberField(blank=True)
    time_zone = models.CharField(max_length=64, default="America/New_York", validators=[validate_time_zone])
    holiday_country = models.CharField(max_length=2, default="US", help_text="Whose public holidays are proposed.")
    holiday_region = models.CharField(max_length=8, blank=True, help_text="State or province, for example NY.")
    start_step_min = models.PositiveSmallIntegerField(
        default=15, verbose_name="Visits start every (minutes)", help_text="Clinic setting: 5, 10, 15, 20, 30 or 60."
    )
    is_active = models.BooleanField(default=True)

    objects = LocationQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(start_step_min__in=[5, 10, 15, 20, 30, 60]), name="location_start_step_divides_the_hour"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def tz(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def at(self, day: date, clock: time) -> datetime:
        """The instant, in UTC, when this location's clocks show ``clock`` on ``day``.

        A wall time that the spring change skips becomes the instant an hour later on the clock; one that the autumn
        change repeats means its first occurrence.
        """
        # UTC at once: two times of the same zone are compared and added by their clocks, not by what lies between them.
        return datetime.combine(day, clock, tzinfo=self.tz).astimezone(UTC)

    def local(self, instant: datetime) -> datetime:
        return instant.astimezone(self.tz)


class ResourceKind(models.TextChoices):
    CHAIR = "chair", "Chair"
    ROOM = "room", "Room"
    PERSON = "person", "Staff member"
    PATIENT = "patient", "Patient"


class ResourceQuerySet(models.QuerySet["Resource"]):
    def stations(self, location: Location) -> ResourceQuerySet:
        """Active chairs and rooms of a location, in the order in which the clinic shows them."""
        return self.filter(location=location, is_active=True, kind__in=[ResourceKind.CHAIR, ResourceKind.ROOM])

    def chairs(self, location: Location) -> ResourceQuerySet:
        return self.filter(location=location, is_active=True, kind=ResourceKind.CHAIR)

    def rooms(self, location: Location) -> ResourceQuerySet:
        return self.filter(location=location, is_active=True, kind=ResourceKind.ROOM)


@track()
class Resource(models.Model):
    """Something that a booking can take: a chair, a room, a member of staff, a patient.

    ``lanes`` is how many bookings it serves at the same time: 1 for everything but a nurse who watches several chairs.
    """

    kind = models.CharField(max_length=8, choices=ResourceKind.choices)
    name = models.CharField(max_length=80)
    location = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.PROTECT, related_name="resources", editable=False
    )
    lanes = models.PositiveSmallIntegerField(default=1)
    position = models.PositiveSmallIntegerField(default=0, help_text="Order on the calendar, smallest first.")
    is_active = models.BooleanField(default=True)
    note = models.CharField(max_length=200, blank=True)

    objects = ResourceQuerySet.as_manager()

    if TYPE_CHECKING:
        user: User

    class Meta:
        ordering = ["kind", "position", "name", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["chair", "room"], location__isnull=False)
                | Q(kind__in=["person", "patient"], location__isnull=True),
                name="resource_only_stations_have_a_location",
            ),
            models.CheckConstraint(
                condition=Q(lanes=1) | Q(kind="person", lanes__gte=1, lanes__lte=9),
                name="resource_only_people_have_lanes",
            ),
            models.UniqueConstraint(
                F("location"),
                F("kind"),
                F("name"),
                condition=Q(is_active=True),
                name="resource_name_unique_at_location",
            ),
        ]
        indexes = [
            models.Index(fields=["location", "kind"], name="resource_by_location"),
            # Patients are resources too, and in time all but a few hundred of them.
            models.Index(fields=["kind"], condition=~Q(kind="patient"), name="resource_of_the_house"),
        ]

    def __str__(self) -> str:
        return self.name
