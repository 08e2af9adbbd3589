"""Protocols: templates of treatment, versioned, and frozen from the moment of publishing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from clinic.models.history import track
from clinic.models.hours import Weekday
from patients.models.background import INDICATION_CHOICES


class PhaseKind(models.TextChoices):
    INITIAL = "initial", "Initial series"
    MAINTENANCE = "maintenance", "Maintenance"
    BOOSTER = "booster", "Booster"


class Route(models.TextChoices):
    IV = "iv", "Intravenous ketamine"
    NASAL = "nasal", "Esketamine nasal spray"


class DoseBasis(models.TextChoices):
    MG_PER_KG = "mg_per_kg", "mg/kg"
    MG_PER_KG_H = "mg_per_kg_h", "mg/kg per hour"
    TOTAL_MG = "total_mg", "mg in total"
    LAST = "last", "as last given"


class FirstGap(models.TextChoices):
    """Which rhythm leads into the first infusion of a step."""

    OWN = "own", "This step's own gap"
    PREVIOUS = "previous", "The gap of the step before"


@track()
class Protocol(models.Model):
    """A named way of treating. What it says stands in its versions."""

    slug = models.SlugField(max_length=24, unique=True, help_text="Short code, for example T-MWF6.")
    phase_kind = models.CharField(max_length=12, choices=PhaseKind.choices, default=PhaseKind.INITIAL)
    route = models.CharField(max_length=8, choices=Route.choices, default=Route.IV)
    is_active = models.BooleanField(default=True)

    if TYPE_CHECKING:
        versions: models.QuerySet[ProtocolVersion]

    class Meta:
        ordering = ["phase_kind", "slug"]

    def __str__(self) -> str:
        return self.slug


class VersionStatus(models.TextChoices):
    DRAFT = "draft", "Draft"
    PUBLISHED = "published", "Published"
    RETIRED = "retired", "Retired"


@track()
class ProtocolVersion(models.Model):
    """What a protocol says at one time. Published by a clinician, then never changed: editing makes the next one.

    Source of the shipped values: clinical.md B5. ``clinic_settings`` names the fields that are clinic settings [D], not
    published values.
    """

    protocol = models.ForeignKey(Protocol, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveSmallIntegerField(default=1)
    status = models.CharField(max_length=9, choices=VersionStatus.choices, default=VersionStatus.DRAFT)
    title = models.CharField(max_length=100)
    indications = ArrayField(models.CharField(max_length=8, choices=INDICATION_CHOICES), default=list, blank=True)
    n_min = models.PositiveSmallIntegerField("fewest infusions")
    n_default = models.PositiveSmallIntegerField("usual number of infusions")
    n_max = models.PositiveSmallIntegerField("most infusions")
    span_warn_days = models.PositiveSmallIntegerField(
        "warn when longer than (days)", null=True, blank=True, help_text="Empty: no warning."
    )
    preparation_min = models.PositiveSmallIntegerField("preparation (min)", default=20)
    infusion_min = models.PositiveSmallIntegerField("infusion (min)", default=40)
    infusion_max_min = models.PositiveSmallIntegerField(
        "infusion, at most (min)", null=True, blank=True, help_text="Empty: no remark on longer ones."
    )
    observation_min = models.PositiveSmallIntegerField("observation, at least (min)", default=60)
    turnaround_min = models.PositiveSmallIntegerField("turnaround of the chair (min)", default=15)
    clinician_min = models.PositiveSmallIntegerField(
        "clinician attends at the start (min)", default=15, help_text="0: no clinician is booked."
    )
    attention_min = models.PositiveSmallIntegerField(
        "nurse's full attention at the start (min)", default=15, help_text="0: starting needs no full attention."
    )
    vitals_during_min = models.PositiveSmallIntegerField(
        "vital signs during, every (min)", default=10
    )  # clinical.md D3
    vitals_after_min = models.PositiveSmallIntegerField("vital signs afterwards, every (min)", default=15)
    aftercare = models.TextField("what the patient takes home", blank=True, help_text="Empty: the usual text.")
    dose_basis = models.CharField(max_length=12, choices=DoseBasis.choices, default=DoseBasis.MG_PER_KG)
    dose_start = models.DecimalField("starting dose", max_digits=7, decimal_places=2, null=True, blank=True)
    dose_min = models.DecimalField("lowest dose", max_digits=7, decimal_places=2, null=True, blank=True)
    dose_max = models.DecimalField("highest dose", max_digits=7, decimal_places=2, null=True, blank=True)
    decision_points = ArrayField(
        models.PositiveSmallIntegerField(), default=list, blank=True, help_text="Review after these infusions."
    )
    assess_note = models.TextField("assessment points", blank=True)
    maintenance_note = models.TextField("what follows", blank=True)
    evidence_note = models.TextField(blank=True)
    source = models.CharField(max_length=300, blank=True)
    clinic_settings = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    published_at = models.DateTimeField(null=True, blank=True)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    if TYPE_CHECKING:
        steps: models.QuerySet[ProtocolStep]

    class Meta:
        ordering = ["protocol__phase_kind", "protocol__slug", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["protocol", "number"], name="protocolversion_number_once"),
            models.UniqueConstraint(
                fields=["protocol"], condition=Q(status="published"), name="protocolversion_one_published"
            ),
            models.UniqueConstraint(fields=["protocol"], condition=Q(status="draft"), name="protocolversion_one_draft"),
            models.CheckConstraint(
                condition=Q(n_min__gte=1, n_min__lte=F("n_default"), n_default__lte=F("n_max"), n_max__lte=60),
                name="protocolversion_numbers_in_order",
                violation_error_message="Fewest, usual and most infusions must be in this order, from 1 to 60.",
            ),
            models.CheckConstraint(
                condition=Q(
                    preparation_min__lte=240, infusion_min__lte=5760, observation_min__lte=480, turnaround_min__lte=240
                )
                & Q(infusion_min__gte=1),
                name="protocolversion_minutes_plausible",
                violation_error_message="These minutes are not plausible.",
            ),
            models.CheckConstraint(
                condition=Q(infusion_max_min__isnull=True)
                | Q(infusion_max_min__gte=F("infusion_min"), infusion_max_min__lte=5760),
                name="protocolversion_infusion_in_order",
                violation_error_message="The longest infusion must not be below the usual one.",
            ),
            models.CheckConstraint(
                condition=Q(
                    vitals_during_min__gte=1,
                    vitals_during_min__lte=60,
                    vitals_after_min__gte=1,
                    vitals_after_min__lte=60,
                ),
                name="protocolversion_vitals_plausible",
                violation_error_message="Vital signs every 1 to 60 minutes.",
            ),
            models.CheckConstraint(
                condition=(Q(dose_min__isnull=True) | Q(dose_start__isnull=True) | Q(dose_min__lte=F("dose_start")))
                & (Q(dose_max__isnull=True) | Q(dose_start__isnull=True) | Q(dose_start__lte=F("dose_max"))),
                name="protocolversion_doses_in_order",
                violation_error_message="Lowest, starting and highest dose must be in this order.",
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="frozen_once_published",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.status <> 'draft' AND (to_jsonb(OLD) - 'status') IS DISTINCT FROM (to_jsonb(NEW) - 'status')"
                ),
            ),
            pgtrigger.Protect(
                name="kept_once_published",
                operation=pgtrigger.Delete,
                condition=pgtrigger.Q(old__status__in=["published", "retired"]),
            ),
            pgtrigger.FSM(
                name="status_goes_forward",
                field="status",
                transitions=[("draft", "published"), ("published", "retired")],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} (v{self.number})"

    @property
    def visit_min(self) -> int:
        """Minutes for which the chair is taken."""
        return self.preparation_min + self.infusion_min + self.observation_min + self.turnaround_min


class StepFields(models.Model):
    """A stretch of infusions with one rhythm."""

    position = models.PositiveSmallIntegerField(default=1)
    label = models.CharField(max_length=60, blank=True)
    count = models.PositiveSmallIntegerField("infusions")
    weekdays = ArrayField(
        models.PositiveSmallIntegerField(choices=Weekday.choices), default=list, blank=True, help_text="The rhythm."
    )
    target_gap_days = models.PositiveSmallIntegerField("usual gap (days)", null=True, blank=True)
    min_gap_days = models.PositiveSmallIntegerField("smallest gap (days)")
    max_gap_days = models.PositiveSmallIntegerField("largest gap (days)")
    first_gap = models.CharField(max_length=8, choices=FirstGap.choices, default=FirstGap.OWN)

    class Meta:
        abstract = True
        ordering = ["position"]
        constraints = [
            models.CheckConstraint(
                condition=Q(min_gap_days__gte=1, min_gap_days__lte=F("max_gap_days")),
                name="%(class)s_gaps_in_order",
                violation_error_message="The smallest gap must be at least 1 day and not above the largest.",
            ),
            models.CheckConstraint(
                condition=Q(target_gap_days__isnull=False) | Q(weekdays__len__gt=0),
                name="%(class)s_has_a_rhythm",
                violation_error_message="Give weekdays or a usual gap.",
            ),
            models.CheckConstraint(
                condition=Q(weekdays__contained_by=[0, 1, 2, 3, 4, 5, 6]),
                name="%(class)s_weekdays_exist",
                violation_error_message="Weekdays are Monday to Sunday.",
            ),
            models.CheckConstraint(condition=Q(count__gte=1), name="%(class)s_has_infusions"),
        ]

    def __str__(self) -> str:
        return self.label or f"{self.count} infusions"


STEP_OF_A_FROZEN_VERSION = """
    IF EXISTS (SELECT 1 FROM courses_protocolversion
               WHERE id = COALESCE({row}.version_id, -1) AND status <> 'draft') THEN
        RAISE EXCEPTION 'pgtrigger: a published protocol version does not change';
    END IF;
    RETURN {result};
"""


@track()
class ProtocolStep(StepFields):
    """One step of a protocol version."""

    version = models.ForeignKey(ProtocolVersion, on_delete=models.CASCADE, related_name="steps")

    class Meta(StepFields.Meta):
        constraints = [
            *StepFields.Meta.constraints,
            models.UniqueConstraint(fields=["version", "position"], name="protocolstep_position_once"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="steps_frozen_write",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update,
                func=STEP_OF_A_FROZEN_VERSION.format(row="NEW", result="NEW"),
            ),
            pgtrigger.Trigger(
                name="steps_frozen_delete",
                when=pgtrigger.Before,
                operation=pgtrigger.Delete,
                func=STEP_OF_A_FROZEN_VERSION.format(row="OLD", result="OLD"),
            ),
        ]
