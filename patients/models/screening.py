"""Screening: the answers that raise findings, and the signed decision."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q

from clinic.models.history import track
from patients.models.background import INDICATION_CHOICES
from patients.models.consultations import Consultation, YesNo
from patients.models.registry import Patient


@track()
class ScreeningAnswer(models.Model):
    """The answer to one question of the screening. ``code`` is a question of ``patients.pure.screening``."""

    consultation = models.ForeignKey(Consultation, on_delete=models.CASCADE, related_name="screening_answers")
    code = models.SlugField(max_length=40)
    answer = models.CharField(max_length=3, choices=YesNo.choices, blank=True, default=YesNo.UNKNOWN)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["consultation", "code"]
        constraints = [
            models.UniqueConstraint(fields=["consultation", "code"], name="screeninganswer_once_per_question")
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.answer or 'not asked'}"


class DecisionOutcome(models.TextChoices):
    FIT = "fit", "Fit to start"
    CONDITIONS = "conditions", "Fit with conditions"
    NOT_NOW = "not_now", "Not now"
    NO = "no", "No"


class ScreeningDecision(models.Model):
    """A clinician's signed decision about starting a course. The latest for a condition counts; nothing is edited.

    ``findings`` keeps what the rules said at that moment and what the clinician decided about each:
    ``[{"code", "severity", "title", "reason", "source", "raised_by", "verdict", "note"}]``.
    """

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="screening_decisions")
    consultation = models.ForeignKey(
        Consultation, null=True, blank=True, on_delete=models.PROTECT, related_name="decisions"
    )
    indication = models.CharField(max_length=8, choices=INDICATION_CHOICES)
    outcome = models.CharField(max_length=10, choices=DecisionOutcome.choices)
    conditions = models.TextField(blank=True)
    reason = models.TextField(blank=True)
    pressure_profile = models.SlugField(max_length=20, help_text="The blood-pressure profile that was applied.")
    findings = models.JSONField(default=list)
    signed_at = models.DateTimeField()
    signed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    expires_on = models.DateField(null=True, blank=True, help_text="The last day on which a series may start by it.")

    class Meta:
        ordering = ["-signed_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(outcome="conditions") | ~Q(conditions=""),
                name="screeningdecision_conditions_are_named",
                violation_error_message="Say which conditions.",
            ),
            models.CheckConstraint(
                condition=~Q(outcome__in=["not_now", "no"]) | ~Q(reason=""),
                name="screeningdecision_refusal_has_reason",
                violation_error_message="Say why.",
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=["fit", "conditions"], expires_on__isnull=False)
                | Q(outcome__in=["not_now", "no"], expires_on__isnull=True),
                name="screeningdecision_fit_expires",
            ),
        ]
        indexes = [models.Index(fields=["patient", "indication", "-signed_at"], name="decision_by_patient")]
        triggers = [
            pgtrigger.Protect(
                name="signed_stays_as_it_is",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "((to_jsonb(OLD) - 'patient_id') IS DISTINCT FROM (to_jsonb(NEW) - 'patient_id'))"
                ),
            ),
            pgtrigger.Protect(name="signed_is_kept", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return self.get_outcome_display()

    @property
    def opens_the_way(self) -> bool:
        return self.outcome in (DecisionOutcome.FIT, DecisionOutcome.CONDITIONS)
