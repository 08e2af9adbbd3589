"""Assessments: questionnaires that were filled in, and the links by which patients fill them in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from clinic.models import Location
from clinic.models.history import track
from patients.models.observations import Strikeable, StrikeableQuerySet
from patients.models.registry import Patient

if TYPE_CHECKING:
    from datetime import datetime


class LinkKind(models.TextChoices):
    PHONE = "phone", "On the patient's own device"
    TABLET = "tablet", "On a tablet of the clinic"


@track(exclude=["token_hash", "draft"])
class MeasureLink(models.Model):
    """A one-use way for one patient to fill in measures without signing in. Only a hash of its secret is kept.

    ``draft`` holds the answers so far, by measure: {"phq9": {"1": 2}}; it is emptied when the link is finished.
    """

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="measure_links")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    measures = ArrayField(models.SlugField(max_length=20))
    kind = models.CharField(max_length=6, choices=LinkKind.choices)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    expires_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    draft = models.JSONField(default=dict, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=~Q(measures=[]), name="measurelink_asks_for_something"),
        ]
        indexes = [models.Index(fields=["patient", "-created_at"], name="measurelink_by_patient")]

    def __str__(self) -> str:
        return f"{', '.join(self.measures)} ({self.get_kind_display()})"

    def is_open(self, now: datetime) -> bool:
        return self.finished_at is None and self.revoked_at is None and now < self.expires_at


class AssessmentSource(models.TextChoices):
    STAFF = "staff", "Entered by staff"
    TABLET = "tablet", "By the patient on a tablet"
    LINK = "link", "By the patient on their own device"
    IMPORTED = "imported", "Imported"


@track()
class Assessment(Strikeable):
    """One measure filled in once. Never edited: what is wrong is struck with a reason and entered anew.

    ``answers`` holds the items by their number, ``{"1": 2, "9": null}``; empty where only a total was entered.
    ``score`` is None where the rules of the measure give none (too many items missing). ``detail`` keeps what the
    scoring says beyond the number (domains, clusters, triage, flags).
    """

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="assessments")
    measure = models.SlugField(max_length=20)
    measure_version = models.CharField(max_length=20, blank=True, help_text="Version of the wording that was shown.")
    taken_at = models.DateTimeField()
    source = models.CharField(max_length=8, choices=AssessmentSource.choices)
    answers = models.JSONField(default=dict)
    score = models.DecimalField(max_digits=5, decimal_places=1, null=True, blank=True)
    is_prorated = models.BooleanField(default=False)
    band = models.CharField(max_length=40, blank=True)
    detail = models.JSONField(default=dict)
    note = models.CharField(max_length=300, blank=True)
    recorded_at = models.DateTimeField()
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    link = models.ForeignKey(MeasureLink, null=True, blank=True, on_delete=models.PROTECT, related_name="assessments")

    objects = StrikeableQuerySet.as_manager()

    class Meta:
        ordering = ["-taken_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["link", "measure"], condition=Q(link__isnull=False), name="assessment_once_per_link"
            )
        ]
        indexes = [models.Index(fields=["patient", "measure", "-taken_at"], name="assessment_by_patient")]
        triggers = [
            pgtrigger.Protect(
                name="stays_as_it_is",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "((to_jsonb(OLD) - '{patient_id,struck_at,struck_by_id,struck_reason}'::text[]) IS DISTINCT FROM "
                    "(to_jsonb(NEW) - '{patient_id,struck_at,struck_by_id,struck_reason}'::text[]))"
                ),
            ),
            pgtrigger.Protect(name="is_kept", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.measure} {self.score if self.score is not None else '–'}"
