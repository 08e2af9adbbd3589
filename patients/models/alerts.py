"""Danger alerts: a signal that a named clinician must acknowledge, with what was done."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from clinic.models import Location
from clinic.models.history import track
from patients.models.assessments import Assessment
from patients.models.registry import Patient
from patients.models.requests import ConsultationRequest


class AlertKind(models.TextChoices):
    PHQ9_ITEM9 = "phq9_item9", "PHQ-9 item 9"
    SUICIDE_ITEM = "suicide_item", "Suicide item of a measure"
    CSSRS_MODERATE = "cssrs_moderate", "C-SSRS moderate"
    CSSRS_HIGH = "cssrs_high", "C-SSRS high"
    URGENT_REQUEST = "urgent_request", "Urgent request"


class AlertQuerySet(models.QuerySet["DangerAlert"]):
    def waiting(self) -> AlertQuerySet:
        return self.filter(acknowledged_at__isnull=True)


@track()
class DangerAlert(models.Model):
    """A danger signal. It waits on top of Today until a clinician says what was done.

    ``detail`` is clinical: it is shown to those who may read clinical facts, and never leaves by e-mail or SMS.
    """

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    patient = models.ForeignKey(Patient, null=True, blank=True, on_delete=models.PROTECT, related_name="danger_alerts")
    request = models.ForeignKey(
        ConsultationRequest, null=True, blank=True, on_delete=models.PROTECT, related_name="danger_alerts"
    )
    assessment = models.ForeignKey(
        Assessment, null=True, blank=True, on_delete=models.PROTECT, related_name="danger_alerts"
    )
    kind = models.CharField(max_length=14, choices=AlertKind.choices)
    detail = models.CharField(max_length=300)
    raised_at = models.DateTimeField()
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    escalated_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True, help_text="When those who can act were written to.")
    told_again_at = models.DateTimeField(null=True, blank=True, help_text="The same, once it was escalated.")
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    what_was_done = models.TextField(blank=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ["-raised_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(patient__isnull=False) | Q(request__isnull=False), name="dangeralert_about_somebody"
            ),
            models.CheckConstraint(
                condition=Q(acknowledged_at__isnull=True, acknowledged_by__isnull=True, what_was_done="")
                | Q(acknowledged_at__isnull=False, acknowledged_by__isnull=False) & ~Q(what_was_done=""),
                name="dangeralert_acknowledged_with_deed",
                violation_error_message="Say what was done.",
            ),
            models.UniqueConstraint(
                fields=["assessment", "kind"],
                condition=Q(assessment__isnull=False),
                name="dangeralert_once_per_assessment",
            ),
            models.UniqueConstraint(
                fields=["request", "kind"], condition=Q(request__isnull=False), name="dangeralert_once_per_request"
            ),
        ]
        indexes = [
            models.Index(
                fields=["location", "raised_at"], condition=Q(acknowledged_at__isnull=True), name="dangeralert_waiting"
            )
        ]

    def __str__(self) -> str:
        return self.get_kind_display()

    def get_absolute_url(self) -> str:
        return reverse("alerts:alert", args=[self.pk])

    @property
    def who(self) -> str:
        """Whom the signal is about, as a list names them; the registered patient before the request."""
        about = self.patient or self.request
        return about.list_name if about is not None else ""
