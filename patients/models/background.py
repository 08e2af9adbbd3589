"""What a patient is treated for and what must be known about them: conditions, problems, allergies, medicines."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from clinic.models.history import track
from patients.models.registry import Patient
from patients.pure.indications import INDICATION_LABELS

INDICATION_CHOICES = [(indication.value, label) for indication, label in INDICATION_LABELS.items()]


class CodeSystem(models.TextChoices):
    NONE = "", "No code"
    SNOMED = "snomed", "SNOMED CT"
    ICD10 = "icd10", "ICD-10"
    RXNORM = "rxnorm", "RxNorm"


@track()
class TreatedCondition(models.Model):
    """What this clinic treats a patient for."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="treated_conditions")
    indication = models.CharField(max_length=8, choices=INDICATION_CHOICES)
    note = models.CharField(max_length=200, blank=True)
    since = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["patient", "indication"], name="treatedcondition_once_per_patient")
        ]

    def __str__(self) -> str:
        return self.get_indication_display()


class CodedEntry(models.Model):
    """A described, perhaps coded, fact about a patient that begins and may end."""

    description = models.CharField(max_length=200)
    code_system = models.CharField(max_length=8, choices=CodeSystem.choices, blank=True, default=CodeSystem.NONE)
    code = models.CharField(max_length=32, blank=True)
    started_on = models.DateField(null=True, blank=True)
    ended_on = models.DateField(null=True, blank=True)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        abstract = True
        ordering = ["ended_on", "-started_on", "description", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ended_on__isnull=True) | Q(started_on__isnull=True) | Q(started_on__lte=F("ended_on")),
                name="%(class)s_start_before_end",
                violation_error_message="The end is before the start.",
            )
        ]

    def __str__(self) -> str:
        return self.description


@track()
class Problem(CodedEntry):
    """A diagnosis or problem, now or earlier."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="problems")


class AllergySeverity(models.TextChoices):
    MILD = "mild", "Mild"
    MODERATE = "moderate", "Moderate"
    SEVERE = "severe", "Severe"
    UNKNOWN = "unknown", "Not recorded"


@track()
class Allergy(CodedEntry):
    """An allergy or intolerance."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="allergies")
    reaction = models.CharField(max_length=120, blank=True)
    severity = models.CharField(max_length=8, choices=AllergySeverity.choices, default=AllergySeverity.UNKNOWN)

    class Meta(CodedEntry.Meta):
        verbose_name_plural = "allergies"


@track()
class Medicine(CodedEntry):
    """A medicine, over-the-counter product or supplement that a patient takes or took."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="medicines")
    dose = models.CharField(max_length=80, blank=True, help_text="For example 10 mg once a day.")
