"""An infusion from its start to the way home: events, vital signs, alarms, side effects, discharge, amendments, REMS.

Rows of an `InfusionRecord`, added and never changed, as described in `courses.models.infusion_day`.
"""

from __future__ import annotations

import uuid

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from clinic.models.history import track
from courses.models.infusion_day import DissociationScale, DoseOrder, InfusionRecord, frozen_when_signed
from patients.models.observations import Strikeable, StrikeableQuerySet


class RunKind(models.TextChoices):
    START = "start", "Started"
    PAUSE = "pause", "Paused"
    RESUME = "resume", "Resumed"
    STOP = "stop", "Stopped early"
    END = "end", "Ended"
    DEVICE = "device", "Device used"


@track()
class RunEvent(Strikeable):
    """A tap: started, paused, resumed, stopped early, ended, or one nasal device used.

    ``uid`` comes from the device, so that a tap that is sent twice is stored once. A correction strikes the old event
    and adds a new one that ``corrects`` it, with the reason.
    """

    record = models.ForeignKey(InfusionRecord, on_delete=models.CASCADE, related_name="run_events")
    uid = models.UUIDField(unique=True, default=uuid.uuid4)
    kind = models.CharField(max_length=6, choices=RunKind.choices)
    at = models.DateTimeField(help_text="When it happened, by the device.")
    reason = models.CharField(max_length=300, blank=True)
    is_for_adverse_event = models.BooleanField(default=False, help_text="A stop because of an effect (F1).")
    order = models.ForeignKey(DoseOrder, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    corrects = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    received_at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    objects = StrikeableQuerySet.as_manager()

    class Meta:
        ordering = ["at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["record"], condition=Q(kind="start", struck_at__isnull=True), name="runevent_one_start"
            ),
            models.UniqueConstraint(
                fields=["record"],
                condition=Q(kind__in=["stop", "end"], struck_at__isnull=True),
                name="runevent_one_finish",
            ),
            models.CheckConstraint(
                condition=~Q(kind="stop") | ~Q(reason=""),
                name="runevent_stop_has_a_reason",
                violation_error_message="Say why it was stopped.",
            ),
            models.CheckConstraint(
                condition=~Q(kind="start") | Q(order__isnull=False), name="runevent_start_has_an_order"
            ),
        ]
        triggers = frozen_when_signed("run")

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.at:%H:%M}"


@track()
class FlowsheetRow(Strikeable):
    """One look at the patient during the visit. Whether it is baseline, during or after follows from its time.

    ``uid`` comes from the device: a row that is sent twice is stored once. Empty: not measured, never a default.
    """

    record = models.ForeignKey(InfusionRecord, on_delete=models.CASCADE, related_name="rows")
    uid = models.UUIDField(unique=True, default=uuid.uuid4)
    at = models.DateTimeField(help_text="When it was measured, by the device.")
    systolic_mmhg = models.PositiveSmallIntegerField(null=True, blank=True)
    diastolic_mmhg = models.PositiveSmallIntegerField(null=True, blank=True)
    heart_rate_bpm = models.PositiveSmallIntegerField(null=True, blank=True)
    spo2_percent = models.PositiveSmallIntegerField(null=True, blank=True)
    respiratory_rate = models.PositiveSmallIntegerField(null=True, blank=True)
    moaas = models.PositiveSmallIntegerField("MOAA/S", null=True, blank=True)
    dissociation = models.PositiveSmallIntegerField(null=True, blank=True)
    dissociation_scale = models.CharField(max_length=6, choices=DissociationScale.choices, blank=True)
    nausea = models.PositiveSmallIntegerField(null=True, blank=True)
    note = models.CharField(max_length=500, blank=True)
    was_confirmed = models.BooleanField(default=False, help_text="Unusual values were asked twice.")
    received_at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    objects = StrikeableQuerySet.as_manager()

    class Meta:
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["record", "at"], name="flowsheetrow_by_record")]
        constraints = [
            models.CheckConstraint(
                condition=Q(systolic_mmhg__isnull=True, diastolic_mmhg__isnull=True)
                | Q(systolic_mmhg__isnull=False, diastolic_mmhg__isnull=False, systolic_mmhg__gt=F("diastolic_mmhg")),
                name="flowsheetrow_pressure_in_order",
                violation_error_message="Give both pressures, the systolic above the diastolic.",
            ),
            models.CheckConstraint(
                condition=(Q(systolic_mmhg__isnull=True) | Q(systolic_mmhg__gte=40, systolic_mmhg__lte=300))
                & (Q(diastolic_mmhg__isnull=True) | Q(diastolic_mmhg__gte=20, diastolic_mmhg__lte=200))
                & (Q(heart_rate_bpm__isnull=True) | Q(heart_rate_bpm__gte=20, heart_rate_bpm__lte=300))
                & (Q(spo2_percent__isnull=True) | Q(spo2_percent__gte=40, spo2_percent__lte=100))
                & (Q(respiratory_rate__isnull=True) | Q(respiratory_rate__gte=2, respiratory_rate__lte=80))
                & (Q(moaas__isnull=True) | Q(moaas__lte=5))
                & (Q(nausea__isnull=True) | Q(nausea__lte=3))
                & (
                    Q(dissociation__isnull=True, dissociation_scale="")
                    | Q(dissociation__lte=92, dissociation_scale="cadss")
                    | Q(dissociation__lte=24, dissociation_scale="cadss6")
                ),
                name="flowsheetrow_possible",
                violation_error_message="This value is not possible.",
            ),
            models.CheckConstraint(
                condition=Q(systolic_mmhg__isnull=False)
                | Q(heart_rate_bpm__isnull=False)
                | Q(spo2_percent__isnull=False)
                | Q(respiratory_rate__isnull=False)
                | Q(moaas__isnull=False)
                | Q(dissociation__isnull=False)
                | Q(nausea__isnull=False)
                | ~Q(note=""),
                name="flowsheetrow_says_something",
                violation_error_message="Enter at least one value or a note.",
            ),
        ]
        triggers = frozen_when_signed("row")

    def __str__(self) -> str:
        return f"{self.at:%H:%M}"


class AlarmAct(models.TextChoices):
    NOTIFY = "notify", "Notify the prescriber"
    URGENT = "urgent", "Act now, notify the prescriber"
    PAUSE = "pause", "Pause, repeat in 5 minutes"
    STOP = "stop", "Stop the infusion"


@track()
class LimitAlarm(models.Model):
    """A limit of clinical.md D3 or D4 was reached. The software asks; people act and say what they did."""

    record = models.ForeignKey(InfusionRecord, on_delete=models.CASCADE, related_name="alarms")
    row = models.ForeignKey(FlowsheetRow, on_delete=models.CASCADE, related_name="alarms")
    rule = models.SlugField(max_length=32, help_text="A rule of courses.pure.limits.")
    act = models.CharField(max_length=6, choices=AlarmAct.choices)
    said = models.CharField(max_length=300)
    profile = models.SlugField(max_length=20)
    raised_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    what_was_done = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["raised_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["row", "rule"], name="limitalarm_once"),
            models.CheckConstraint(
                condition=Q(answered_at__isnull=True, answered_by__isnull=True)
                | (Q(answered_at__isnull=False, answered_by__isnull=False) & ~Q(what_was_done="")),
                name="limitalarm_answered_in_words",
                violation_error_message="Say what was done.",
            ),
        ]
        triggers = frozen_when_signed("alarm")

    def __str__(self) -> str:
        return self.said


class AdverseSeverity(models.TextChoices):
    MILD = "mild", "Mild"
    MODERATE = "moderate", "Moderate"
    SEVERE = "severe", "Severe"


class AdverseOutcome(models.TextChoices):
    RESOLVED = "resolved", "Resolved"
    IMPROVING = "improving", "Improving when they left"
    UNCHANGED = "unchanged", "Unchanged when they left"
    TRANSFERRED = "transferred", "Sent to hospital"
    UNKNOWN = "unknown", "Not known yet"


@track()
class AdverseEvent(Strikeable):
    """One side effect at one infusion (clinical.md A 118–130)."""

    record = models.ForeignKey(InfusionRecord, on_delete=models.CASCADE, related_name="adverse_events")
    code = models.SlugField(max_length=24, help_text="A code of courses.pure.adverse; “other” needs a text.")
    text = models.CharField("in words", max_length=300, blank=True)
    onset_at = models.DateTimeField()
    severity = models.CharField(max_length=8, choices=AdverseSeverity.choices)
    is_serious = models.BooleanField(default=False)
    action = models.CharField("what was done", max_length=300, blank=True)
    medicine = models.CharField(max_length=80, blank=True)
    medicine_dose = models.CharField(max_length=40, blank=True)
    medicine_at = models.DateTimeField(null=True, blank=True)
    medicine_effect = models.CharField(max_length=120, blank=True)
    outcome = models.CharField(max_length=11, choices=AdverseOutcome.choices)
    resolved_at = models.DateTimeField(null=True, blank=True)
    recorded_at = models.DateTimeField()
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    objects = StrikeableQuerySet.as_manager()

    class Meta:
        ordering = ["onset_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(code="other") | ~Q(text=""),
                name="adverseevent_other_in_words",
                violation_error_message="Say in words what it was.",
            ),
            models.CheckConstraint(
                condition=Q(medicine="", medicine_dose="", medicine_at__isnull=True)
                | (~Q(medicine="") & ~Q(medicine_dose="") & Q(medicine_at__isnull=False)),
                name="adverseevent_medicine_whole",
                violation_error_message="Give the medicine, its dose and the time.",
            ),
        ]
        triggers = frozen_when_signed("effect")

    def __str__(self) -> str:
        return self.code


class InstructionsWay(models.TextChoices):
    PRINTED = "printed", "Printed and explained"
    TOLD = "told", "Explained, sheet declined"
    SHOWN = "shown", "Read on the screen"
    SENT = "sent", "Explained, sheet sent as a message"


@track()
class Discharge(Strikeable):
    """The patient left, with all criteria met at that moment (clinical.md D7), and with whom; or against advice.

    ``criteria`` keeps each criterion with its value and where that came from. Undoing the last step strikes it.
    Only who left against advice may have left alone: that is no discharge by the clinic, but what happened.
    """

    record = models.ForeignKey(InfusionRecord, on_delete=models.CASCADE, related_name="discharges")
    criteria = models.JSONField()
    escort_name = models.CharField(max_length=120, blank=True, help_text="Empty: alone, against advice.")
    against_advice = models.CharField(
        max_length=300, blank=True, help_text="They left before they should: what they were told, and what they said."
    )
    instructions = models.TextField()
    instructions_way = models.CharField(max_length=7, choices=InstructionsWay.choices)
    no_driving_until = models.DateTimeField(help_text="24 hours after the end at the earliest (case 24).")
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    objects = StrikeableQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(escort_name="") | ~Q(against_advice=""), name="discharge_escort_or_against_advice"
            ),
            models.UniqueConstraint(
                fields=["record"], condition=Q(struck_at__isnull=True), name="discharge_one_that_counts"
            ),
        ]
        triggers = frozen_when_signed("discharge")

    def __str__(self) -> str:
        return f"Left {self.how}"

    @property
    def how(self) -> str:
        """“with Jordan”, “alone against advice”."""
        with_whom = f"with {self.escort_name}" if self.escort_name else "alone"
        return f"{with_whom} against advice" if self.against_advice else with_whom


class InfusionAmendment(models.Model):
    """What is added to a signed record. Append-only."""

    record = models.ForeignKey(InfusionRecord, on_delete=models.PROTECT, related_name="amendments")
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=200)
    text = models.TextField()

    class Meta:
        ordering = ["at", "id"]
        constraints = [models.CheckConstraint(condition=~Q(reason="") & ~Q(text=""), name="infusionamendment_in_words")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.reason


@track()
class RemsForm(models.Model):
    """The patient monitoring form that the esketamine REMS wants within seven days (clinical.md B3, case 27)."""

    record = models.OneToOneField(InfusionRecord, on_delete=models.PROTECT, related_name="rems_form")
    due_on = models.DateField()
    sent_at = models.DateTimeField(null=True, blank=True)
    sent_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reference = models.CharField(max_length=60, blank=True)

    class Meta:
        ordering = ["due_on", "id"]
        indexes = [models.Index(fields=["due_on"], condition=Q(sent_at__isnull=True), name="remsform_open")]
        constraints = [
            models.CheckConstraint(
                condition=Q(sent_at__isnull=True, sent_by__isnull=True)
                | Q(sent_at__isnull=False, sent_by__isnull=False),
                name="remsform_sent_by_somebody",
            )
        ]

    def __str__(self) -> str:
        return f"REMS form due {self.due_on}"
