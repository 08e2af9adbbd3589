"""Consent to treatment, with the text that was agreed to, and consent to be contacted, by channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q

from clinic.models import Location
from clinic.models.history import track
from patients.models.registry import Channel, Patient

if TYPE_CHECKING:
    from datetime import date


@track()
class ConsentText(models.Model):
    """One version of what patients agree to at a location. Once published it stays; the next version replaces it."""

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="consent_texts")
    version = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=120)
    body = models.TextField(help_text="Paragraphs, headings with ##, lists with -.")
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["location", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["location", "version"], name="consenttext_version_once"),
            models.UniqueConstraint(
                fields=["location"], condition=Q(published_at__isnull=True), name="consenttext_one_draft"
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="frozen_once_published",
                operation=pgtrigger.Update | pgtrigger.Delete,
                condition=pgtrigger.Q(old__published_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.title}, version {self.version}"


class SigningMethod(models.TextChoices):
    SCREEN = "screen", "Signed on screen"
    SCAN = "scan", "Signed on paper, scanned"


@track(exclude=["signature"])
class Consent(models.Model):
    """A patient's consent to treatment. Valid until ``expires_on`` (its last day) unless withdrawn before."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="consents")
    text = models.ForeignKey(ConsentText, on_delete=models.PROTECT, related_name="consents")
    method = models.CharField(max_length=6, choices=SigningMethod.choices)
    signed_on = models.DateField()
    signer_name = models.CharField(max_length=160)
    signer_relation = models.CharField(
        max_length=80, blank=True, help_text="Empty: the patient. Else for example legal guardian."
    )
    signature = models.JSONField(default=list, blank=True, help_text="Strokes: lists of points from 0 to 1000.")
    recorded_at = models.DateTimeField()
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    expires_on = models.DateField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    withdrawn_reason = models.CharField(max_length=300, blank=True)

    if TYPE_CHECKING:
        scan: ConsentScan

    class Meta:
        ordering = ["-signed_on", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_on__gte=models.F("signed_on")), name="consent_expires_after_signing"
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_at__isnull=True, withdrawn_by__isnull=True, withdrawn_reason="")
                | Q(withdrawn_at__isnull=False, withdrawn_by__isnull=False) & ~Q(withdrawn_reason=""),
                name="consent_withdrawn_with_reason",
                violation_error_message="Say why it was withdrawn.",
            ),
        ]
        indexes = [models.Index(fields=["patient", "-signed_on"], name="consent_by_patient")]
        triggers = [
            pgtrigger.Protect(
                name="signed_stays_as_it_is",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "((to_jsonb(OLD) - '{patient_id,withdrawn_at,withdrawn_by_id,withdrawn_reason}'::text[]) "
                    "IS DISTINCT FROM "
                    "(to_jsonb(NEW) - '{patient_id,withdrawn_at,withdrawn_by_id,withdrawn_reason}'::text[]))"
                ),
            ),
            pgtrigger.Protect(name="signed_is_kept", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"Consent of {self.signed_on}"

    def is_valid_on(self, day: date) -> bool:
        return self.withdrawn_at is None and self.signed_on <= day <= self.expires_on


class ConsentScan(models.Model):
    """The scanned paper, kept in the database so that it is saved, backed up and guarded together with its consent."""

    consent = models.OneToOneField(Consent, on_delete=models.CASCADE, related_name="scan")
    filename = models.CharField(max_length=160)
    content_type = models.CharField(max_length=40)
    content = models.BinaryField()
    sha256 = models.CharField(max_length=64)

    class Meta:
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.filename


class ContactConsent(models.Model):
    """What a patient said about being contacted by one channel. Append-only; the latest of a channel counts."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="contact_consents")
    channel = models.CharField(max_length=6, choices=Channel.choices)
    granted = models.BooleanField()
    value = models.CharField("number or address", max_length=254, blank=True)
    scope = models.CharField(max_length=120, blank=True, help_text="For example appointments and questionnaires.")
    source = models.CharField(max_length=120, help_text="How it was said: on the phone, request page, STOP …")
    note = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["patient", "channel", "-at"], name="contactconsent_latest")]
        triggers = [
            pgtrigger.Protect(
                name="stays_as_it_is",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "((to_jsonb(OLD) - 'patient_id') IS DISTINCT FROM (to_jsonb(NEW) - 'patient_id'))"
                ),
            ),
            pgtrigger.Protect(name="is_kept", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {'yes' if self.granted else 'no'}"
