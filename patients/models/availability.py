"""When a patient cannot come."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from clinic.models.history import track
from patients.models.registry import Patient


@track()
class Unavailability(models.Model):
    """A patient cannot come from ``first_day`` to ``last_day``, all day or between two local clock times."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="unavailabilities")
    first_day = models.DateField()
    last_day = models.DateField()
    from_time = models.TimeField(null=True, blank=True, help_text="Empty: the whole day.")
    until_time = models.TimeField(null=True, blank=True)
    note = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ["first_day", "from_time", "id"]
        verbose_name_plural = "unavailabilities"
        constraints = [
            models.CheckConstraint(
                condition=Q(first_day__lte=F("last_day")),
                name="unavailability_days_in_order",
                violation_error_message="The last day must not be before the first day.",
            ),
            models.CheckConstraint(
                condition=Q(from_time__isnull=True, until_time__isnull=True) | Q(from_time__lt=F("until_time")),
                name="unavailability_times_in_order",
                violation_error_message="Give both times, the end after the start, or neither for the whole day.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.first_day:%d %b}–{self.last_day:%d %b %Y}"
