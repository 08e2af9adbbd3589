"""The infusion day: what was asked, ordered, checked, given, measured and signed at one infusion visit.

Everything belongs to an `InfusionRecord`, which belongs to a visit. Rows are added, not changed: what was entered in
error is struck with a reason. After the prescriber has signed, triggers refuse every write; `InfusionAmendment` adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from clinic.models import Location
from clinic.models.history import track
from courses.models.infusions import InfusionVisit
from courses.models.protocols import DoseBasis

if TYPE_CHECKING:
    from courses.models.infusion_run import (
        AdverseEvent,
        Discharge,
        FlowsheetRow,
        InfusionAmendment,
        LimitAlarm,
        RemsForm,
        RunEvent,
    )
    from courses.models.ketamine import DrugDraw


class DissociationScale(models.TextChoices):
    """No cut-offs exist for either (clinical.md D5). Wording may not ship: staff enter the total."""

    CADSS = "cadss", "CADSS total (0–92)"
    CADSS_6 = "cadss6", "CADSS-6 total (0–24)"


def usual_concentrations() -> list[float]:
    return [10, 50, 100]


@track()
class InfusionDaySettings(models.Model):
    """What a location decides about its infusion days; one row each. Every number is a clinic setting ([D])."""

    location = models.OneToOneField(Location, on_delete=models.CASCADE, related_name="day_settings")
    fasting_profile = models.SlugField(max_length=20, default="default")
    limits_profile = models.SlugField("limits during the infusion", max_length=20, default="default")
    weight_max_age_days = models.PositiveSmallIntegerField("a weight counts for (days)", default=30)
    rest_min = models.PositiveSmallIntegerField("rest before pressure is repeated (min)", default=10)
    late_grace_min = models.PositiveSmallIntegerField("vital signs are late after (min)", default=2)
    checks_needed = models.PositiveSmallIntegerField("people who check the dose before the start", default=2)
    bag_ml = models.PositiveSmallIntegerField("usual bag (mL)", default=100)
    concentrations_mg_per_ml = ArrayField(
        models.DecimalField(max_digits=5, decimal_places=1), default=usual_concentrations
    )
    dissociation_scale = models.CharField(
        max_length=6, choices=DissociationScale.choices, default=DissociationScale.CADSS_6
    )
    rems_days = models.PositiveSmallIntegerField("days for the REMS form", default=7)  # clinical.md B3, L2

    class Meta:
        verbose_name_plural = "infusion day settings"
        constraints = [
            models.CheckConstraint(
                condition=Q(weight_max_age_days__gte=1, weight_max_age_days__lte=365)
                & Q(rest_min__gte=1, rest_min__lte=60, late_grace_min__lte=30)
                & Q(checks_needed__gte=1, checks_needed__lte=3, bag_ml__gte=10, bag_ml__lte=1000)
                & Q(rems_days__gte=1, rems_days__lte=7),
                name="daysettings_plausible",
                violation_error_message="One of these numbers is not plausible.",
            )
        ]

    def __str__(self) -> str:
        return f"Infusion days at {self.location}"


FROZEN = """
    IF EXISTS (SELECT 1 FROM courses_infusionrecord
               WHERE id = COALESCE({row}.record_id, -1) AND signed_at IS NOT NULL) THEN
        RAISE EXCEPTION 'pgtrigger: a signed infusion record does not change';
    END IF;
    RETURN {result};
"""


def frozen_when_signed(table: str) -> list[pgtrigger.Trigger]:
    """Triggers of a table whose rows belong to a record: nothing is written once that record is signed."""
    return [
        pgtrigger.Trigger(
            name=f"{table}_frozen_write",
            when=pgtrigger.Before,
            operation=pgtrigger.Insert | pgtrigger.Update,
            func=FROZEN.format(row="NEW", result="NEW"),
        ),
        pgtrigger.Trigger(
            name=f"{table}_frozen_delete",
            when=pgtrigger.Before,
            operation=pgtrigger.Delete,
            func=FROZEN.format(row="OLD", result="OLD"),
        ),
    ]


@track()
class InfusionRecord(models.Model):
    """The record of one infusion visit, from check-in to signature.

    Phases are not stored: they follow from the booking's steps, the run events and the discharge
    (``courses/pure/phases.py``). ``version`` grows by one with every write to the record or to a row of it.
    """

    visit = models.OneToOneField(InfusionVisit, on_delete=models.PROTECT, related_name="record")
    opened_at = models.DateTimeField()
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    # "None" is an answer of its own, never the lack of one (clinical.md A 127, C9).
    no_adverse_events_at = models.DateTimeField(null=True, blank=True)
    no_adverse_events_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    prophylaxis_note = models.CharField("for the next infusion", max_length=300, blank=True)
    session_note = models.TextField("how the session went", blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    completed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    signed_at = models.DateTimeField(null=True, blank=True)
    signed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    version = models.PositiveIntegerField(default=1)

    if TYPE_CHECKING:
        answers: models.QuerySet[CheckAnswer]
        gate_decisions: models.QuerySet[GateDecision]
        orders: models.QuerySet[DoseOrder]
        run_events: models.QuerySet[RunEvent]
        rows: models.QuerySet[FlowsheetRow]
        alarms: models.QuerySet[LimitAlarm]
        adverse_events: models.QuerySet[AdverseEvent]
        amendments: models.QuerySet[InfusionAmendment]
        draws: models.QuerySet[DrugDraw]
        discharge: Discharge
        rems_form: RemsForm

    class Meta:
        ordering = ["-opened_at", "-id"]
        indexes = [
            models.Index(
                fields=["completed_at"],
                condition=Q(signed_at__isnull=True),
                name="infusionrecord_unsigned",
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(completed_at__isnull=True, completed_by__isnull=True)
                | Q(completed_at__isnull=False, completed_by__isnull=False),
                name="infusionrecord_completed_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(signed_at__isnull=True, signed_by__isnull=True)
                | Q(signed_at__isnull=False, signed_by__isnull=False, completed_at__isnull=False),
                name="infusionrecord_signed_after_completion",
                violation_error_message="The nurse completes the record before a prescriber signs it.",
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="signed_stays_as_it_is",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.signed_at IS NOT NULL AND to_jsonb(OLD) IS DISTINCT FROM to_jsonb(NEW)"
                ),
            ),
            pgtrigger.Protect(name="record_is_kept", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"Infusion record {self.pk}"

    @property
    def is_signed(self) -> bool:
        return self.signed_at is not None


@track()
class CheckAnswer(models.Model):
    """The answer to one item of the pre-infusion or discharge checklist (``courses/pure/checklist.py``).

    ``value`` and ``detail`` are what the item's kind allows: yes/no, a time, a name, a list of medicines taken.
    """

    record = models.ForeignKey(InfusionRecord, on_delete=models.CASCADE, related_name="answers")
    item = models.SlugField(max_length=32)
    value = models.CharField(max_length=300, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["record", "item"]
        constraints = [models.UniqueConstraint(fields=["record", "item"], name="checkanswer_once")]
        triggers = frozen_when_signed("answer")

    def __str__(self) -> str:
        return f"{self.item}: {self.value}"


class GateSeverity(models.TextChoices):
    SOFT = "soft", "Acknowledged"
    HARD = "hard", "Overridden by a prescriber"


@track()
class GateDecision(models.Model):
    """Somebody let the infusion start although a rule spoke against it. Holds only for what was shown (``stamp``)."""

    record = models.ForeignKey(InfusionRecord, on_delete=models.CASCADE, related_name="gate_decisions")
    code = models.SlugField(max_length=32, help_text="The finding, for example pressure or fasting_solids.")
    severity = models.CharField(max_length=4, choices=GateSeverity.choices)
    said = models.CharField(max_length=300, help_text="What the rule said.")
    profile = models.SlugField(max_length=20, blank=True, help_text="The profile that it was judged by.")
    stamp = models.CharField(max_length=64, help_text="Fingerprint of the facts; new facts ask anew.")
    reason = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(severity="soft") | ~Q(reason=""), name="gatedecision_hard_has_a_reason"),
            models.UniqueConstraint(fields=["record", "code", "stamp"], name="gatedecision_once"),
        ]
        triggers = frozen_when_signed("gate")

    def __str__(self) -> str:
        return self.said


@track()
class DoseOrder(models.Model):
    """What a prescriber ordered for this infusion. Never changed: a new order takes its place (the latest counts).

    Arithmetic by R7 (``courses/pure/doses.py``): ``dose_mg`` rounded to 0.1, ``volume_ml`` to 0.01 from the unrounded
    mg, ``contains_mg`` what that volume really contains. Nasal orders have ``devices`` and no volume.
    """

    record = models.ForeignKey(InfusionRecord, on_delete=models.CASCADE, related_name="orders")
    basis = models.CharField(max_length=12, choices=[c for c in DoseBasis.choices if c[0] != DoseBasis.LAST])
    amount = models.DecimalField("dose as ordered", max_digits=7, decimal_places=2)
    weight_kg = models.DecimalField(max_digits=4, decimal_places=1, null=True, blank=True)
    weight_on = models.DateField(null=True, blank=True)
    infusion_min = models.PositiveSmallIntegerField()
    dose_mg = models.DecimalField(max_digits=7, decimal_places=1)
    concentration_mg_per_ml = models.DecimalField(max_digits=5, decimal_places=1, null=True, blank=True)
    volume_ml = models.DecimalField(max_digits=6, decimal_places=2, null=True, blank=True)
    contains_mg = models.DecimalField(max_digits=7, decimal_places=1)
    bag_ml = models.PositiveSmallIntegerField(null=True, blank=True)
    rate_ml_h = models.DecimalField(max_digits=6, decimal_places=1, null=True, blank=True)
    devices = models.PositiveSmallIntegerField(null=True, blank=True)
    change_reason = models.CharField("why the dose differs from the last one", max_length=300, blank=True)
    override_reason = models.CharField("why beyond the protocol's limits", max_length=300, blank=True)
    warnings = models.JSONField(default=list, help_text="Sentences that the prescriber was shown and accepted.")
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    if TYPE_CHECKING:
        checks: models.QuerySet[DoseCheck]

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0, dose_mg__gt=0, contains_mg__gt=0, infusion_min__gte=1),
                name="doseorder_positive",
            ),
            models.CheckConstraint(
                condition=Q(basis="total_mg") | Q(weight_kg__isnull=False, weight_on__isnull=False),
                name="doseorder_by_weight_has_one",
                violation_error_message="A dose by weight needs a weight and its date.",
            ),
            models.CheckConstraint(
                condition=Q(devices__isnull=False, volume_ml__isnull=True, concentration_mg_per_ml__isnull=True)
                | Q(devices__isnull=True, volume_ml__isnull=False, concentration_mg_per_ml__isnull=False),
                name="doseorder_volume_or_devices",
            ),
        ]
        triggers = [
            *frozen_when_signed("order"),
            pgtrigger.Protect(name="order_stays_as_it_is", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.dose_mg} mg"


@track()
class DoseCheck(models.Model):
    """One person checked drug, dose, concentration, volume and rate of this very order (clinical.md D1 10)."""

    record = models.ForeignKey(InfusionRecord, on_delete=models.CASCADE, related_name="dose_checks")
    order = models.ForeignKey(DoseOrder, on_delete=models.CASCADE, related_name="checks")
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["order", "by"],
                name="dosecheck_by_different_people",
                violation_error_message="The same person cannot check twice.",
            )
        ]
        triggers = frozen_when_signed("check")

    def __str__(self) -> str:
        return f"checked by {self.by_id}"
