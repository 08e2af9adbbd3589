"""When a location is open and who works: weekly patterns, closures and exceptions. All clock times are local."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from clinic.models.history import track
from clinic.models.places import Location


class Weekday(models.IntegerChoices):
    MONDAY = 0, "Monday"
    TUESDAY = 1, "Tuesday"
    WEDNESDAY = 2, "Wednesday"
    THURSDAY = 3, "Thursday"
    FRIDAY = 4, "Friday"
    SATURDAY = 5, "Saturday"
    SUNDAY = 6, "Sunday"


@track()
class OpeningHours(models.Model):
    """One open stretch of a weekday; a lunch break makes two rows."""

    location = models.ForeignKey(Location, on_delete=models.CASCADE, related_name="opening_hours")
    weekday = models.PositiveSmallIntegerField(choices=Weekday.choices)
    opens = models.TimeField()
    closes = models.TimeField()

    class Meta:
        ordering = ["location", "weekday", "opens"]
        verbose_name_plural = "opening hours"
        constraints = [
            models.CheckConstraint(
                condition=Q(opens__lt=F("closes")),
                name="openinghours_open_before_close",
                violation_error_message="The closing time must be after the opening time.",
            ),
            models.CheckConstraint(condition=Q(weekday__lte=6), name="openinghours_weekday_exists"),
        ]

    def __str__(self) -> str:
        return f"{self.get_weekday_display()} {self.opens:%H:%M}–{self.closes:%H:%M}"


class ClosureKind(models.TextChoices):
    HOLIDAY = "holiday", "Public holiday"
    OTHER = "other", "Other"


@track()
class Closure(models.Model):
    """A location is shut on every day from ``first_day`` to ``last_day``, all day or between two clock times."""

    location = models.ForeignKey(Location, on_delete=models.CASCADE, related_name="closures")
    first_day = models.DateField()
    last_day = models.DateField()
    from_time = models.TimeField(null=True, blank=True, help_text="Empty: the whole day.")
    until_time = models.TimeField(null=True, blank=True)
    kind = models.CharField(max_length=8, choices=ClosureKind.choices, default=ClosureKind.OTHER)
    reason = models.CharField(max_length=120)

    class Meta:
        ordering = ["first_day", "from_time", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(first_day__lte=F("last_day")),
                name="closure_days_in_order",
                violation_error_message="The last day must not be before the first day.",
            ),
            models.CheckConstraint(
                # Both must be said to be there: a comparison with nothing is neither true nor false, and would pass.
                condition=Q(from_time__isnull=True, until_time__isnull=True)
                | Q(from_time__isnull=False, until_time__isnull=False, from_time__lt=F("until_time")),
                name="closure_times_in_order",
                violation_error_message="Give both times, the end after the start, or neither for the whole day.",
            ),
        ]
        indexes = [models.Index(fields=["location", "first_day", "last_day"], name="closure_by_day")]

    def __str__(self) -> str:
        return self.reason

    @property
    def is_whole_day(self) -> bool:
        return self.from_time is None


@track()
class Shift(models.Model):
    """A weekly working time of one person at one location, from ``first_day`` on (and to ``last_day``, where given)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="shifts")
    location = models.ForeignKey(Location, on_delete=models.CASCADE, related_name="shifts")
    weekday = models.PositiveSmallIntegerField(choices=Weekday.choices)
    starts = models.TimeField()
    ends = models.TimeField()
    first_day = models.DateField()
    last_day = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ["user", "weekday", "starts"]
        constraints = [
            models.CheckConstraint(
                condition=Q(starts__lt=F("ends")),
                name="shift_start_before_end",
                violation_error_message="The end of the shift must be after its start.",
            ),
            models.CheckConstraint(
                condition=Q(last_day__isnull=True) | Q(first_day__lte=F("last_day")),
                name="shift_days_in_order",
                violation_error_message="The last day must not be before the first day.",
            ),
            models.CheckConstraint(condition=Q(weekday__lte=6), name="shift_weekday_exists"),
        ]

    def __str__(self) -> str:
        return f"{self.get_weekday_display()} {self.starts:%H:%M}–{self.ends:%H:%M}"


class ExceptionKind(models.TextChoices):
    OFF = "off", "Not working"
    EXTRA = "extra", "Working in addition"


@track()
class ShiftException(models.Model):
    """A day on which the weekly pattern does not hold: off (all day or part of it), or working in addition."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="shift_exceptions")
    location = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.CASCADE, related_name="+", help_text="Needed for extra work."
    )
    day = models.DateField()
    kind = models.CharField(max_length=5, choices=ExceptionKind.choices)
    starts = models.TimeField(null=True, blank=True, help_text="Empty: the whole day.")
    ends = models.TimeField(null=True, blank=True)
    reason = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ["day", "starts", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="off", starts__isnull=True, ends__isnull=True)
                | Q(kind="off", starts__isnull=False, ends__isnull=False, starts__lt=F("ends"))
                | Q(
                    kind="extra", starts__isnull=False, ends__isnull=False, starts__lt=F("ends"), location__isnull=False
                ),
                name="shiftexception_is_complete",
                violation_error_message="Extra work needs a location, a start and a later end; time off, both or none.",
            )
        ]
        indexes = [models.Index(fields=["user", "day"], name="shiftexception_by_day")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.day:%a %d %b %Y}"
