"""What was measured on the body: vital signs and pregnancy tests."""

from __future__ import annotations

from typing import Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from clinic.models.history import track
from patients.models.registry import Patient

Struck = TypeVar("Struck", bound="Strikeable")


class StrikeableQuerySet(models.QuerySet[Struck]):
    def valid(self) -> Self:
        """Without what was entered in error."""
        return self.filter(struck_at__isnull=True)


class Strikeable(models.Model):
    """A record that is never removed: what was entered in error is struck, with a reason, and counts no more."""

    struck_at = models.DateTimeField(null=True, blank=True, editable=False)
    struck_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    struck_reason = models.CharField(max_length=200, blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def is_struck(self) -> bool:
        return self.struck_at is not None


@track()
class VitalSigns(Strikeable):
    """One reading: weight, blood pressure, heart rate; any of them may be missing, not all."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="vital_signs")
    measured_at = models.DateTimeField()
    weight_kg = models.DecimalField("weight (kg)", max_digits=4, decimal_places=1, null=True, blank=True)
    systolic_mmhg = models.PositiveSmallIntegerField("systolic (mmHg)", null=True, blank=True)
    diastolic_mmhg = models.PositiveSmallIntegerField("diastolic (mmHg)", null=True, blank=True)
    heart_rate_bpm = models.PositiveSmallIntegerField("heart rate (/min)", null=True, blank=True)
    note = models.CharField(max_length=200, blank=True)
    recorded_at = models.DateTimeField()
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    objects = StrikeableQuerySet.as_manager()

    class Meta:
        ordering = ["-measured_at", "-id"]
        verbose_name_plural = "vital signs"
        constraints = [
            models.CheckConstraint(
                condition=Q(systolic_mmhg__isnull=True, diastolic_mmhg__isnull=True)
                # Both are named: a comparison with nothing is neither true nor false, and a check lets that pass.
                | Q(systolic_mmhg__isnull=False, diastolic_mmhg__isnull=False, systolic_mmhg__gt=F("diastolic_mmhg")),
                name="vitalsigns_pressure_in_order",
                violation_error_message="Give both pressures, the systolic above the diastolic.",
            ),
            models.CheckConstraint(
                condition=Q(weight_kg__isnull=False) | Q(systolic_mmhg__isnull=False) | Q(heart_rate_bpm__isnull=False),
                name="vitalsigns_say_something",
                violation_error_message="Give a weight, a blood pressure or a heart rate.",
            ),
            models.CheckConstraint(
                condition=(Q(weight_kg__isnull=True) | Q(weight_kg__gte=20, weight_kg__lte=400))
                & (Q(systolic_mmhg__isnull=True) | Q(systolic_mmhg__gte=40, systolic_mmhg__lte=300))
                & (Q(diastolic_mmhg__isnull=True) | Q(diastolic_mmhg__gte=20, diastolic_mmhg__lte=200))
                & (Q(heart_rate_bpm__isnull=True) | Q(heart_rate_bpm__gte=20, heart_rate_bpm__lte=300)),
                name="vitalsigns_possible",
                violation_error_message="This value is not possible.",
            ),
        ]
        indexes = [models.Index(fields=["patient", "-measured_at"], name="vitalsigns_by_patient")]

    def __str__(self) -> str:
        pressure = f"{self.systolic_mmhg}/{self.diastolic_mmhg}" if self.systolic_mmhg else ""
        return pressure or f"{self.weight_kg or self.heart_rate_bpm}"


class PregnancyResult(models.TextChoices):
    NEGATIVE = "negative", "Negative"
    POSITIVE = "positive", "Positive"
    UNCLEAR = "unclear", "Not clear"


@track()
class PregnancyTest(Strikeable):
    """A pregnancy test with its date (clinical.md C1)."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="pregnancy_tests")
    tested_on = models.DateField()
    result = models.CharField(max_length=8, choices=PregnancyResult.choices)
    note = models.CharField(max_length=200, blank=True)
    recorded_at = models.DateTimeField()
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    objects = StrikeableQuerySet.as_manager()

    class Meta:
        ordering = ["-tested_on", "-id"]

    def __str__(self) -> str:
        return f"{self.get_result_display()}, {self.tested_on}"
