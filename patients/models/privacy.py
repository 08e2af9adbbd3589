"""How long records are kept, who was given one, what 42 CFR Part 2 protects, and what was erased."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from clinic.models import Location
from clinic.models.history import track
from patients.models.registry import Patient
from patients.pure.privacy import AUDIENCE_LABELS, BASIS_LABELS, TERMS

if TYPE_CHECKING:
    from datetime import date

AUDIENCES = [(one.value, label) for one, label in AUDIENCE_LABELS.items()]
BASES = [(one.value, label) for one, label in BASIS_LABELS.items()]


def _stays(*but: str) -> pgtrigger.Condition:
    """Something else than these columns is about to change."""
    columns = "'{" + ",".join(("patient_id", *but)) + "}'::text[]"
    return pgtrigger.Condition(f"((to_jsonb(OLD) - {columns}) IS DISTINCT FROM (to_jsonb(NEW) - {columns}))")


@track()
class PrivacySettings(models.Model):
    """What a location is in the eyes of privacy law; without a row: no Part 2 program [D]."""

    location = models.OneToOneField(Location, on_delete=models.PROTECT, related_name="privacy_settings")
    is_part_2_program = models.BooleanField("is (part of) a Part 2 program", default=False)

    class Meta:
        verbose_name_plural = "privacy settings"

    def __str__(self) -> str:
        return f"Privacy at {self.location}"


@track()
class RetentionTerm(models.Model):
    """How long the clinic keeps a class of records; without a row the shipped figure holds."""

    kept = models.CharField(max_length=12, unique=True, choices=[(one.kept.value, one.title) for one in TERMS])
    amount = models.PositiveSmallIntegerField(help_text="In the unit of its class.")

    def __str__(self) -> str:
        return f"{self.get_kept_display()}: {self.amount}"


@track()
class LegalHold(models.Model):
    """A record that must not be erased, whatever its age, until the hold is lifted."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="legal_holds")
    reason = models.CharField(max_length=300)
    placed_at = models.DateTimeField()
    placed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    lifted_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-placed_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["patient"],
                condition=Q(lifted_at__isnull=True),
                name="legalhold_one_at_a_time",
                violation_error_message="There is a legal hold already.",
            ),
            models.CheckConstraint(
                condition=Q(lifted_at__isnull=True, lifted_by__isnull=True, lifted_reason="")
                | Q(lifted_at__isnull=False, lifted_by__isnull=False) & ~Q(lifted_reason=""),
                name="legalhold_lifted_with_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"Legal hold of {self.placed_at:%Y-%m-%d}"


@track()
class PartTwoMark(models.Model):
    """Somebody said that the record holds (or no longer holds) what 42 CFR Part 2 protects. The latest counts."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="part_two_marks")
    is_protected = models.BooleanField()
    reason = models.CharField(max_length=300)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name = "mark of 42 CFR Part 2"
        indexes = [models.Index(fields=["patient", "-at"], name="parttwomark_latest")]
        triggers = [
            pgtrigger.Protect(name="stays_as_it_is", operation=pgtrigger.Update, condition=_stays()),
            pgtrigger.Protect(name="is_kept", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return "Protected" if self.is_protected else "Not protected"


@track()
class DisclosureConsent(models.Model):
    """A patient's consent that substance use disorder records are disclosed (42 CFR 2.31); it can be revoked."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="disclosure_consents")
    is_for_tpo = models.BooleanField(
        "for treatment, payment and health care operations",
        default=True,
        help_text="One consent for all future uses of these kinds. Else only for the recipient that is named.",
    )
    recipient = models.CharField(max_length=160, help_text="A name, or a class: “my treating providers, my insurer”.")
    what = models.CharField("what may be disclosed", max_length=200)
    signed_on = models.DateField()
    expires_on = models.DateField(null=True, blank=True, help_text="Empty: it holds until it is revoked.")
    signer_name = models.CharField(max_length=160)
    signer_relation = models.CharField(max_length=80, blank=True)
    recorded_at = models.DateTimeField()
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    revoked_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-signed_on", "-id"]
        verbose_name = "consent to disclosure"
        verbose_name_plural = "consents to disclosure"
        indexes = [models.Index(fields=["patient", "-signed_on"], name="disclosureconsent_by_patient")]
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_on__isnull=True) | Q(expires_on__gte=F("signed_on")),
                name="disclosureconsent_expires_after_signing",
                violation_error_message="It would end before it was signed.",
            ),
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True, revoked_by__isnull=True, revoked_reason="")
                | Q(revoked_at__isnull=False, revoked_by__isnull=False) & ~Q(revoked_reason=""),
                name="disclosureconsent_revoked_with_reason",
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="signed_stays_as_it_is",
                operation=pgtrigger.Update,
                condition=_stays("revoked_at", "revoked_by_id", "revoked_reason"),
            ),
            pgtrigger.Protect(name="signed_is_kept", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"Consent to disclosure of {self.signed_on}"

    def is_valid_on(self, day: date) -> bool:
        return self.revoked_at is None and self.signed_on <= day and (self.expires_on is None or day <= self.expires_on)


class DisclosureTaken(models.Model):
    """A record that was given to somebody, as a file. Append-only: the accounting of disclosures (45 CFR 164.528)."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="disclosures")
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    what = models.CharField(max_length=120, help_text="The file in words: Everything, PDF, with history.")
    audience = models.CharField(max_length=8, choices=AUDIENCES)
    recipient = models.CharField(max_length=160)
    reason = models.CharField(max_length=300)
    is_part_two = models.BooleanField("holds records that 42 CFR Part 2 protects", default=False)
    consent = models.ForeignKey(
        DisclosureConsent, null=True, blank=True, on_delete=models.PROTECT, related_name="disclosures"
    )
    override_reason = models.CharField(max_length=300, blank=True, help_text="Why without a consent: an emergency.")
    sha256 = models.CharField(max_length=64)
    size = models.PositiveIntegerField(help_text="Bytes.")

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name = "disclosure"
        indexes = [
            models.Index(fields=["patient", "-at"], name="disclosuretaken_by_patient"),
            models.Index(fields=["-at", "-id"], name="disclosuretaken_by_time"),
        ]
        triggers = [
            pgtrigger.Protect(name="stays_as_it_is", operation=pgtrigger.Update, condition=_stays()),
            pgtrigger.Protect(name="is_kept", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.what}"


@track()
class ErasureProposal(models.Model):
    """One person asks that a record be erased; another one confirms it, or it is taken back."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="erasure_proposals")
    basis = models.CharField(max_length=4, choices=BASES)
    reason = models.CharField("reason, with the rule of law", max_length=300)
    proposed_at = models.DateTimeField()
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    is_confirmed = models.BooleanField(default=False)

    class Meta:
        ordering = ["-proposed_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["patient"],
                condition=Q(closed_at__isnull=True),
                name="erasureproposal_one_at_a_time",
                violation_error_message="Somebody has proposed this already.",
            ),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, closed_by__isnull=True)
                | Q(closed_at__isnull=False, closed_by__isnull=False),
                name="erasureproposal_closed_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(is_confirmed=False) | Q(closed_by__isnull=False) & ~Q(closed_by=F("proposed_by")),
                name="erasureproposal_two_people",
                violation_error_message="Two different people are needed.",
            ),
        ]

    def __str__(self) -> str:
        return f"Erasure proposed {self.proposed_at:%Y-%m-%d}"


class Erasure(models.Model):
    """A record whose contents were erased: who asked, who confirmed, why, and how much. Append-only."""

    uid = models.UUIDField(unique=True)
    number = models.PositiveIntegerField(unique=True, help_text="What stands for the person: erased record no. 3.")
    patient = models.OneToOneField(Patient, on_delete=models.PROTECT, related_name="erasure")
    basis = models.CharField(max_length=4, choices=BASES)
    reason = models.CharField(max_length=300)
    proposed_at = models.DateTimeField()
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Empty: after a restore, where that person is not among the staff.",
    )
    at = models.DateTimeField()
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", verbose_name="confirmed by"
    )
    again_at = models.DateTimeField(null=True, blank=True, help_text="Done again after a restore of an older backup.")
    counts = models.JSONField(help_text="Rows removed and emptied by table, and rows of their history.")
    digest = models.CharField(
        max_length=64, help_text="SHA-256 of the facts of this row, as the list outside has them."
    )

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(proposed_by=F("by")),
                name="erasure_two_people",
                violation_error_message="Two different people are needed.",
            )
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"Erased record no. {self.number}"
