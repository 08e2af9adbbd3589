"""What the patient's own record says that matters on the day of an infusion: one query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast, JSONObject

from courses.pure.checklist import Consented, LatestTest, Measured, say_date
from patients.models import AlertKind, Allergy, Assessment, Consent, Medicine, Patient, VitalSigns
from patients.pure.indications import Indication
from patients.pure.interactions import Drug
from patients.pure.measures import MEASURES
from patients.pure.readiness import ASKED_FROM_YEARS, ASKED_UNTIL_YEARS, BASELINES, MOOD
from patients.services.alerts import waiting_facts
from patients.services.readiness import facts_in, readiness_facts

if TYPE_CHECKING:
    from courses.services.infusion_desk import Desk

LONGEST_LIST = 100
TRIAGE = "cssrs"


@dataclass(frozen=True, slots=True)
class WaitingSignal:
    """A danger signal that nobody has acknowledged."""

    pk: int
    label: str


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """Read once for the whole page. ``weight_kg`` with the instant at which it was measured."""

    weight_kg: Decimal | None
    weighed_at: datetime | None
    weight_id: int | None = None
    medicines: tuple[Drug, ...] = ()
    allergies: tuple[str, ...] = ()
    consent: Consented | None = None
    alerts: tuple[WaitingSignal, ...] = ()
    measure: Measured | None = None  # of the day of the visit
    measure_code: str = "phq9"
    test: LatestTest | None = None
    asks_pregnancy: bool = False
    knows_pregnancy_is_possible: bool = False

    @property
    def measure_name(self) -> str:
        return MEASURES[self.measure_code].short_name


def read_person(desk: Desk) -> PersonFacts:
    """The facts as they stand at ``desk.now``: one query."""
    today, mine = _today(desk), {"patient": OuterRef("pk")}
    weights = VitalSigns.objects.valid().filter(**mine, weight_kg__isnull=False)
    still = Q(ended_on__isnull=True) | Q(ended_on__gte=today)
    wanted = BASELINES.get(Indication(desk.course.indication), MOOD)
    place = desk.place
    taken = Assessment.objects.valid().filter(
        **mine,
        measure__in=(*wanted, TRIAGE),
        taken_at__gte=place.at(today, time.min),
        taken_at__lt=place.at(today + timedelta(days=1), time.min),
    )
    consents = Consent.objects.filter(**mine, text__location=place).order_by("-signed_on", "-id")
    row: Any = Patient.objects.annotate(
        **readiness_facts("pk"),
        day_weights=_rows(
            weights.order_by("-measured_at", "-id"), "pk", "measured_at", kg=Cast("weight_kg", TextField())
        ),
        day_medicines=_rows(
            Medicine.objects.filter(still, **mine).order_by("description", "id"), "description", "dose"
        ),
        day_allergies=_rows(Allergy.objects.filter(still, **mine).order_by("description", "id"), "description"),
        day_consents=_rows(consents, "signed_on", "expires_on", "withdrawn_at", version=F("text__version")),
        day_measures=_rows(
            taken.order_by("-taken_at", "-id"),
            *("measure", "band", "answers", "recorded_at"),
            score=Cast("score", TextField()),
        ),
        day_alerts=ArraySubquery(waiting_facts("pk")),
    ).get(pk=desk.patient.pk)
    known = facts_in(row, patient=desk.patient, indication=desk.course.indication, location=place, now=desk.now).facts
    weight = next(iter(row.day_weights), None)
    is_asked = known.sex == "female" and ASKED_FROM_YEARS <= known.age < ASKED_UNTIL_YEARS
    return PersonFacts(
        weight_kg=Decimal(weight["kg"]) if weight else None,
        weighed_at=datetime.fromisoformat(weight["measured_at"]) if weight else None,
        weight_id=weight["pk"] if weight else None,
        medicines=tuple(Drug(one["description"], one["dose"]) for one in row.day_medicines),
        allergies=tuple(one["description"] for one in row.day_allergies),
        consent=_consent(row.day_consents, today),
        alerts=tuple(WaitingSignal(one["pk"], AlertKind(one["kind"]).label) for one in row.day_alerts),
        measure=_measure(row.day_measures),
        measure_code=wanted[0],
        test=LatestTest(known.pregnancy.result, known.pregnancy.tested_on) if known.pregnancy else None,
        asks_pregnancy=known.can_be_pregnant == "yes" or (known.can_be_pregnant != "no" and is_asked),
        knows_pregnancy_is_possible=known.can_be_pregnant == "yes",
    )


def _today(desk: Desk) -> date:
    return desk.place.local(desk.booking.start).date()


def _rows(rows: QuerySet[Any, Any], *names: str, **more: Any) -> ArraySubquery:
    return ArraySubquery(rows.values(row=JSONObject(**{name: name for name in names}, **more))[:LONGEST_LIST])


def _consent(rows: Sequence[Mapping[str, Any]], today: date) -> Consented | None:
    """What the latest consents say of the day; a withdrawal also ends what was signed before it."""
    for row in rows:
        signed, expires = date.fromisoformat(row["signed_on"]), date.fromisoformat(row["expires_on"])
        what = f"Consent of {say_date(signed)}, version {row['version']}"
        if row["withdrawn_at"]:
            return Consented(is_valid=False, said=f"{what}, was withdrawn.")
        if signed <= today <= expires:
            return Consented(is_valid=True, said=f"{what}, valid to {say_date(expires)}.")
        if expires < today:
            return Consented(is_valid=False, said=f"{what}, expired on {say_date(expires)}.")
    return None


def _measure(rows: Sequence[Mapping[str, Any]]) -> Measured | None:
    """Today's score, with what the suicide item was and the suicide screen where it was asked."""
    score = next((row for row in rows if row["measure"] != TRIAGE), None)
    if score is None:
        return None
    one = MEASURES[score["measure"]]
    said = [
        f"{one.short_name} {Decimal(score['score']).normalize():f}" if score["score"] else f"{one.short_name}: no score"
    ]
    if one.danger_item is not None and score["answers"]:
        answer = score["answers"].get(str(one.danger_item))
        said.append(f"item {one.danger_item}: {'not answered' if answer is None else answer}")
    screen = next((row for row in rows if row["measure"] == TRIAGE), None)
    if screen is not None:
        said.append(f"C-SSRS: {screen['band'] or 'no result'}")
    latest = max(datetime.fromisoformat(row["recorded_at"]) for row in (score, screen or score))
    return Measured(", ".join(said), latest)
