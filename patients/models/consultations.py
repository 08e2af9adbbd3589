"""Consultations: what was asked, found and agreed before a course."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from clinic.models import Booking, Location
from clinic.models.history import track
from patients.models.background import INDICATION_CHOICES
from patients.models.registry import Patient
from patients.models.requests import ConsultationRequest, VisitMode

if TYPE_CHECKING:
    from datetime import datetime

    from patients.models.screening import ScreeningAnswer


class YesNo(models.TextChoices):
    UNKNOWN = "", "Not asked"
    YES = "yes", "Yes"
    NO = "no", "No"


class ConditionSeverity(models.TextChoices):
    MILD = "mild", "Mild"
    MODERATE = "moderate", "Moderate"
    SEVERE = "severe", "Severe"
    VERY_SEVERE = "very_severe", "Very severe"


@track()
class Consultation(models.Model):
    """One consultation, from its booking to the signed record. ``version`` grows with each saved field.

    The rows about the patient (previous treatments, medicines, allergies, vital signs …) stand in tables of their own
    and outlive the consultation. A signed record is not edited (a trigger keeps that): `ConsultationAmendment`.
    """

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="consultations")
    request = models.ForeignKey(
        ConsultationRequest, null=True, blank=True, on_delete=models.PROTECT, related_name="consultations"
    )
    booking = models.OneToOneField(
        Booking, null=True, blank=True, on_delete=models.PROTECT, related_name="consultation"
    )
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="consultations")
    clinician = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="consultations")
    mode = models.CharField(max_length=9, choices=VisitMode.choices, default=VisitMode.IN_PERSON)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    # Condition (clinical.md A 92, 80)
    indication = models.CharField("condition", max_length=8, choices=INDICATION_CHOICES, blank=True)
    severity = models.CharField(max_length=12, choices=ConditionSeverity.choices, blank=True)
    condition_since = models.CharField("since when", max_length=120, blank=True)
    condition_history = models.TextField("history of the condition", blank=True)
    # What was tried (A 93), medical history (A 94), family (A 88, 102), substances (A 97-99)
    treatment_note = models.TextField("previous treatment, in words", blank=True)
    medical_history = models.TextField(blank=True)
    family_history = models.TextField(blank=True)
    substance_use = models.TextField(blank=True)
    can_be_pregnant = models.CharField(max_length=3, choices=YesNo.choices, blank=True, default=YesNo.UNKNOWN)
    # Talked about (A 95, 96, 103, 105, 106, 110, 117)
    preferences = models.TextField(blank=True)
    concerns = models.TextField("questions and concerns", blank=True)
    infusions_discussed = models.PositiveSmallIntegerField("number of infusions discussed", null=True, blank=True)
    expectations_explained = models.BooleanField(default=False)
    long_term_discussed = models.BooleanField("duration of effect and maintenance discussed", default=False)
    escort_understood = models.BooleanField("needs somebody to take them home, and knows it", default=False)
    psychotherapy = models.TextField(blank=True)
    other_care = models.TextField(blank=True)
    safety_plan = models.TextField(blank=True)
    insurance_note = models.TextField(blank=True)
    open_questions = models.TextField("questions left open", blank=True)
    summary = models.TextField("assessment and plan", blank=True)
    signed_at = models.DateTimeField(null=True, blank=True)
    signed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    version = models.PositiveIntegerField(default=1)

    if TYPE_CHECKING:
        screening_answers: models.QuerySet[ScreeningAnswer]
        amendments: models.QuerySet[ConsultationAmendment]

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(signed_at__isnull=True, signed_by__isnull=True)
                | Q(signed_at__isnull=False, signed_by__isnull=False),
                name="consultation_signed_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(infusions_discussed__isnull=True)
                | Q(infusions_discussed__gte=1, infusions_discussed__lte=60),
                name="consultation_infusions_plausible",
                violation_error_message="Between 1 and 60 infusions.",
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="signed_stays_as_it_is",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.signed_at IS NOT NULL AND (to_jsonb(OLD) - 'patient_id') "
                    "IS DISTINCT FROM (to_jsonb(NEW) - 'patient_id')"
                ),
            ),
            pgtrigger.Protect(
                name="signed_is_kept", operation=pgtrigger.Delete, condition=pgtrigger.Q(old__signed_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"Consultation {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("intake:consultation", args=[self.pk])

    @property
    def is_signed(self) -> bool:
        return self.signed_at is not None

    @property
    def held_at(self) -> datetime:
        """When it takes or took place: the beginning of its visit, or of the record where there was no booking."""
        return self.booking.start if self.booking else self.created_at


class ConsultationAmendment(models.Model):
    """What is added to a signed consultation. Append-only."""

    consultation = models.ForeignKey(Consultation, on_delete=models.PROTECT, related_name="amendments")
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=200)
    text = models.TextField()

    class Meta:
        ordering = ["at", "id"]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.reason


class TreatmentMethod(models.TextChoices):
    MEDICINE = "medicine", "Medicine"
    PSYCHOTHERAPY = "psychotherapy", "Psychotherapy"
    TMS = "tms", "Magnetic stimulation (TMS)"
    ECT = "ect", "Electroconvulsive therapy (ECT)"
    KETAMINE = "ketamine", "Ketamine"
    ESKETAMINE = "esketamine", "Esketamine"
    OTHER = "other", "Other"


class TreatmentOutcome(models.TextChoices):
    UNKNOWN = "", "Not known"
    NONE = "none", "No effect"
    PARTIAL = "partial", "Some effect"
    GOOD = "good", "Good effect"
    LOST = "lost", "Effect lost again"
    WORSE = "worse", "Got worse"
    NOT_TOLERATED = "not_tolerated", "Not tolerated"


@track()
class PreviousTreatment(models.Model):
    """Something that was tried before, and what came of it."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="previous_treatments")
    method = models.CharField(max_length=14, choices=TreatmentMethod.choices, default=TreatmentMethod.MEDICINE)
    name = models.CharField("drug or method", max_length=120)
    dose = models.CharField(max_length=80, blank=True)
    duration_weeks = models.PositiveSmallIntegerField("weeks", null=True, blank=True)
    adequate = models.CharField(
        "adequate in dose and time", max_length=3, choices=YesNo.choices, blank=True, default=""
    )
    outcome = models.CharField(max_length=13, choices=TreatmentOutcome.choices, blank=True, default="")
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name
