"""What stands around a consultation: rows about the patient, the estimate; few queries whatever their number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, OuterRef, QuerySet
from django.db.models.functions import JSONObject

from patients.models import (
    Allergy,
    Consultation,
    ConsultationAmendment,
    IntakeSettings,
    Medicine,
    Patient,
    PregnancyResult,
    PregnancyTest,
    PreviousTreatment,
    PriceItem,
    Problem,
    TreatmentMethod,
    TreatmentOutcome,
    VitalSigns,
    YesNo,
)
from patients.models.background import AllergySeverity
from patients.pure.background import BackgroundKind, says_none
from patients.pure.consultation import Completeness, completeness_of
from patients.pure.interactions import Interaction, interactions_of
from patients.pure.prices import Estimate, Price, PriceUse, estimate, money
from patients.services.consultation_record import facts_of, with_facts

READINGS_SHOWN = 6
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Taking:
    """A medicine that the patient takes now, and what it means beside ketamine."""

    id: int
    description: str
    dose: str
    is_none: bool  # "takes no medicines"
    interactions: tuple[Interaction, ...] = ()


@dataclass(frozen=True, slots=True)
class Around:
    """The rows about the patient that a consultation shows, and what the record still lacks."""

    treatments: list[Row]
    medicines: list[Taking]
    allergies: list[Row]
    problems: list[Row]
    vitals: list[Row]
    tests: list[Row]
    amendments: list[Row]
    completeness: Completeness


def around(record: Consultation, settings: IntakeSettings) -> Around:
    """Everything around the record, in one query.

    Args:
        settings: the location's; its limit for benzodiazepines is used.
    """
    added = ConsultationAmendment.objects.filter(consultation=record.pk).order_by("at", "id")
    names = ("at", "reason", "text", "by__first_name", "by__last_name", "by__title")
    patient: Any = (
        _with_rows(Patient.objects.filter(pk=record.patient_id))
        .annotate(amendment_rows=ArraySubquery(added.values(row=JSONObject(**{name: name for name in names}))))
        .get()
    )
    return Around(
        treatments=[_treatment(row) for row in patient.treatment_rows],
        medicines=_takings(patient.medicine_rows, settings),
        allergies=[_allergy(row) for row in patient.allergy_rows],
        problems=[
            row | {"is_none": says_none(BackgroundKind.PROBLEM, row["description"])} for row in patient.problem_rows
        ],
        vitals=[_reading(row) for row in patient.vitals_rows],
        tests=[_test(row) for row in patient.test_rows],
        amendments=[_amendment(row) for row in patient.amendment_rows],
        completeness=completeness_of(facts_of(record, patient)),
    )


def settings_and_estimate(record: Consultation, infusions: int | None = None) -> tuple[IntakeSettings, EstimateWords]:
    """What the location decided about its intake, and what the planned series would cost by its price list.

    Args:
        infusions: how many to reckon with; those that were discussed unless said otherwise.
    """
    items = list(
        PriceItem.objects.filter(location=record.location_id, is_active=True).select_related(
            "location__intake_settings"
        )
    )
    settings = _settings(items[0].location if items else record.location)
    count = infusions or record.infusions_discussed or 0
    prices = [Price(PriceUse(item.kind), item.label, item.amount) for item in items]
    return settings, EstimateWords(estimate(prices, infusions=count), settings.currency, has_prices=bool(prices))


@dataclass(frozen=True, slots=True)
class EstimateWords:
    """An estimate with its amounts as people write them."""

    estimate: Estimate
    currency: str
    has_prices: bool

    @property
    def lines(self) -> list[tuple[str, int, str, str]]:
        """What, how many, each, together."""
        return [
            (line.label, line.count, money(line.each, self.currency), money(line.total, self.currency))
            for line in self.estimate.lines
        ]

    @property
    def total(self) -> str:
        return money(self.estimate.total, self.currency)


def _settings(location: Any) -> IntakeSettings:  # noqa: ANN401 (a reverse relation, which has no type)
    try:
        found: IntakeSettings = location.intake_settings
    except ObjectDoesNotExist:
        return IntakeSettings(location=location)
    return found


def _with_rows(patients: QuerySet[Patient]) -> QuerySet[Patient]:
    def rows(model: type[Model], *columns: str, order: tuple[str, ...] = ("id",), **where: Any) -> ArraySubquery:
        found = model._default_manager.filter(patient=OuterRef("pk"), **where).order_by(*order)
        many = found[:READINGS_SHOWN] if "struck_reason" in columns else found
        return ArraySubquery(many.values(row=JSONObject(**{name: name for name in ("id", *columns)})))

    struck = ("note", "struck_reason", "struck_at", "recorded_by__first_name", "recorded_by__last_name")
    current: Row = {"ended_on__isnull": True}
    values = ("measured_at", "weight_kg", "systolic_mmhg", "diastolic_mmhg", "heart_rate_bpm")
    tried = ("method", "name", "dose", "duration_weeks", "adequate", "outcome", "note")
    return with_facts(patients).annotate(
        treatment_rows=rows(PreviousTreatment, *tried),
        medicine_rows=rows(Medicine, "description", "dose", **current),
        allergy_rows=rows(Allergy, "description", "reaction", "severity", **current),
        problem_rows=rows(Problem, "description", "note", **current),
        vitals_rows=rows(VitalSigns, *values, *struck, order=("-measured_at", "-id")),
        test_rows=rows(PregnancyTest, "tested_on", "result", *struck, order=("-tested_on", "-id")),
    )


def _takings(rows: list[Row], settings: IntakeSettings) -> list[Taking]:
    takings = [
        Taking(row["id"], row["description"], row["dose"], says_none(BackgroundKind.MEDICINE, row["description"]))
        for row in rows
    ]
    found = interactions_of(takings, settings.benzodiazepine_limit_mg)
    return [
        Taking(
            one.id,
            one.description,
            one.dose,
            one.is_none,
            tuple(interaction for interaction in found if interaction.position == place),
        )
        for place, one in enumerate(takings)
    ]


def _treatment(row: Row) -> Row:
    return row | {
        "method": TreatmentMethod(row["method"]).label,
        "outcome": TreatmentOutcome(row["outcome"]).label,
        "adequate": YesNo(row["adequate"]).label,
    }


def _allergy(row: Row) -> Row:
    return row | {
        "severity": AllergySeverity(row["severity"]).label if row["severity"] != AllergySeverity.UNKNOWN else "",
        "is_severe": row["severity"] == AllergySeverity.SEVERE,
        "is_none": says_none(BackgroundKind.ALLERGY, row["description"]),
    }


def _reading(row: Row) -> Row:
    weight = row["weight_kg"]
    return row | {
        "measured_at": datetime.fromisoformat(row["measured_at"]),
        "weight_kg": None if weight is None else Decimal(str(weight)).quantize(Decimal("0.1")),
        "by": _by(row),
    }


def _test(row: Row) -> Row:
    return row | {
        "tested_on": date.fromisoformat(row["tested_on"]),
        "is_positive": row["result"] == PregnancyResult.POSITIVE,
        "result": PregnancyResult(row["result"]).label,
        "by": _by(row),
    }


def _amendment(row: Row) -> Row:
    name, title = f"{row['by__first_name']} {row['by__last_name']}".strip(), row["by__title"]
    return row | {"at": datetime.fromisoformat(row["at"]), "by": f"{name}, {title}" if title else name}


def _by(row: Row) -> str:
    return f"{row['recorded_by__first_name']} {row['recorded_by__last_name']}".strip()
