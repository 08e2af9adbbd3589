"""Whether a patient is ready to start a series: everything that is asked for, read in one query, with what mends it.

All pages and the gate of booking ask here. Where a page reads the patient anyway it annotates that query with
``readiness_facts`` and needs none of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.db.models.functions import JSONObject
from django.urls import NoReverseMatch, reverse

from clinic.models import Location, User
from clinic.models.bookings import RELEASED_STATUSES
from clinic.pure.roles import Can
from patients.models import (
    Assessment,
    Consent,
    Consultation,
    IntakeSettings,
    Patient,
    PregnancyTest,
    ScreeningDecision,
    VitalSigns,
)
from patients.pure import readiness as pure
from patients.pure.pressure import Verdict, judge_pressure, profile_of
from patients.pure.readiness import BASELINES, NOT_ASKED, Facts, Item, Limits, Need, State

CONSENTS_READ = 5
"""The latest consents that are looked at; an earlier one is never the one that counts."""


@dataclass(frozen=True, slots=True)
class Line:
    """One item as one person sees it: no clinical text and no address that they may not open."""

    need: Need
    state: State
    label: str
    word: str
    text: str
    url: str
    action: str

    @property
    def is_missing(self) -> bool:
        return self.state is State.MISSING


@dataclass(frozen=True, slots=True)
class Seen:
    """The checklist as one person sees it; a manager sees whether it is complete, and no lines."""

    is_ready: bool
    lines: tuple[Line, ...]

    @property
    def missing(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.is_missing)

    @property
    def expiring(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.state is State.EXPIRING)


@dataclass(frozen=True, slots=True)
class Readiness:
    """The checklist of one patient for one condition at one location."""

    patient_id: int
    items: tuple[Item, ...]
    first_day: date | None
    consultation_id: int | None = None
    pencil_hours: int = 0  # for how long the location holds a series that is not ready; 0: not at all

    @property
    def is_ready(self) -> bool:
        return pure.is_ready(self.items)

    @property
    def missing(self) -> tuple[Item, ...]:
        return pure.missing(self.items)

    @property
    def expiring(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.state is State.EXPIRING)

    @property
    def names(self) -> str:
        """What is missing, by name only: "baseline score, blood pressure"."""
        return ", ".join(item.label.lower() for item in self.missing)

    @property
    def sentences(self) -> list[str]:
        """What is missing, one sentence each, as an override keeps it."""
        return [f"{item.label}: {item.text}" for item in self.missing]

    def seen_by(self, user: User) -> Seen:
        """The lines as ``user`` may see them: the front desk complete or missing, a manager nothing (design.md)."""
        may_read = user.can(Can.VIEW_CLINICAL)
        if not may_read and not user.can(Can.EDIT_BOOKING):
            return Seen(self.is_ready, ())
        return Seen(self.is_ready, tuple(self._line(item, user, may_read=may_read) for item in self.items))

    def _line(self, item: Item, user: User, *, may_read: bool) -> Line:
        url, action = "", ""
        if item.state is not State.OK and user.can(MENDED_BY[item.need]):
            url, action = _way(self, item)
        state = item.state if may_read or item.state is State.MISSING else State.OK
        return Line(item.need, state, item.label, item.word, item.text if may_read else "", url, action)


# -- asking ------------------------------------------------------------------------------------------------------------


def readiness_of(
    patient: Patient, *, indication: str, location: Location, now: datetime, first_day: date | None = None
) -> Readiness:
    """The checklist of ``patient``; one query, none where the patient was read with ``readiness_facts``.

    Args:
        indication: what the series is for.
        location: where it is given; its settings say how old each thing may be.
        first_day: of the series, on the clocks of the location; None: not known yet.

    Source: design.md invariant 4; see ``patients.pure.readiness``.
    """
    row = _read(patient)
    return readiness_in(row, patient=patient, indication=indication, location=location, now=now, first_day=first_day)


def readiness_in(
    row: Any,  # noqa: ANN401 -- a row with annotations
    *,
    patient: Patient,
    indication: str,
    location: Location,
    now: datetime,
    first_day: date | None = None,
) -> Readiness:
    """The checklist from a row that was read with ``readiness_facts``: no query."""
    known = facts_in(row, patient=patient, indication=indication, location=location, now=now)
    today = location.local(now).date()
    items = pure.judge_readiness(
        known.facts, indication=indication, limits=known.limits, today=today, first_day=first_day
    )
    return Readiness(patient.pk, items, first_day, known.consultation_id, known.pencil_hours)


def readiness_for_phase(
    patient: Patient,
    *,
    indication: str,
    location: Location,
    now: datetime,
    first_day: date,
    is_maintenance: bool,
    since: date | None,
) -> Readiness:
    """What a further phase of a running course asks for: consent, and no later decision against it.

    Args:
        since: the first infusion of the course.
    """
    known = facts_in(_read(patient), patient=patient, indication=indication, location=location, now=now)
    today = location.local(now).date()
    items = pure.judge_phase(known.facts, is_maintenance=is_maintenance, since=since, today=today, first_day=first_day)
    return Readiness(patient.pk, items, first_day, known.consultation_id)


def _read(patient: Patient) -> Any:  # noqa: ANN401 (a row with annotations)
    if hasattr(patient, "ready_consents"):
        return patient
    return Patient.objects.annotate(**readiness_facts("pk")).get(pk=patient.pk)


# -- reading -----------------------------------------------------------------------------------------------------------


def readiness_facts(patient: str) -> dict[str, ArraySubquery]:
    """Annotations that bring along everything the checklist needs.

    Args:
        patient: how the annotated rows name the patient: "pk" on patients, "patient_id" on courses.
    """
    mine = {"patient": OuterRef(patient)}
    signer = {"first": "signed_by__first_name", "last": "signed_by__last_name", "user": "signed_by__username"}
    decisions = ScreeningDecision.objects.filter(**mine).order_by("indication", "-signed_at", "-id")
    scores = Assessment.objects.valid().filter(**mine, score__isnull=False, measure__in=_MEASURES)
    pressures = VitalSigns.objects.valid().filter(**mine, systolic_mmhg__isnull=False, diastolic_mmhg__isnull=False)
    tests = PregnancyTest.objects.valid().filter(**mine).order_by("-tested_on", "-id")
    held = Consultation.objects.filter(**mine).exclude(booking__status__in=RELEASED_STATUSES)
    return {
        "ready_consents": ArraySubquery(
            Consent.objects.filter(**mine)
            .order_by("-signed_on", "-id")
            .values(
                row=_json("signed_on", "expires_on", "withdrawn_at", location="text__location_id"),
            )[:CONSENTS_READ]
        ),
        "ready_decisions": ArraySubquery(
            decisions.distinct("indication").values(
                row=_json(
                    *("indication", "outcome", "conditions", "reason", "signed_at", "expires_on", "pressure_profile"),
                    **signer,
                )
            )
        ),
        "ready_scores": ArraySubquery(
            scores.order_by("measure", "-taken_at", "-id")
            .distinct("measure")
            .values(row=_json("measure", "score", "taken_at"))
        ),
        "ready_pressures": ArraySubquery(
            pressures.order_by("-measured_at", "-id").values(
                row=_json("systolic_mmhg", "diastolic_mmhg", "heart_rate_bpm", "measured_at")
            )[:1]
        ),
        "ready_tests": ArraySubquery(tests.values(row=_json("result", "tested_on"))[:1]),
        "ready_consultations": ArraySubquery(
            held.order_by("-created_at", "-id").values(
                row=_json("pk", "created_at", "escort_understood", "can_be_pregnant", span="booking__span")
            )[:CONSENTS_READ]
        ),
        "ready_settings": ArraySubquery(
            IntakeSettings.objects.order_by("pk").values(
                row=_json(
                    *("location_id", "pressure_profile", "pencil_hours"),
                    *("baseline_max_age_days", "pressure_max_age_days", "pregnancy_test_max_age_days"),
                )
            )
        ),
    }


_MEASURES = tuple(sorted({measure for measures in BASELINES.values() for measure in measures}))


def _json(*names: str, **more: str) -> JSONObject:
    return JSONObject(**{name: name for name in names}, **more)


@dataclass(frozen=True, slots=True)
class Known:
    """What was read, for one condition at one location."""

    facts: Facts
    limits: Limits
    consultation_id: int | None
    pencil_hours: int


def facts_in(row: Any, *, patient: Patient, indication: str, location: Location, now: datetime) -> Known:  # noqa: ANN401
    """What ``readiness_facts`` brought along, on the clocks of ``location``.

    Args:
        row: the row that was read with ``readiness_facts`` of this patient.
    """
    settings = _settings(row.ready_settings, location)
    decisions = {one["indication"]: one for one in row.ready_decisions}
    decision = decisions.get(indication)
    profile = (decision or {}).get("pressure_profile") or settings.pressure_profile
    consultation = _latest_held(row.ready_consultations, now)
    facts = Facts(
        consents=tuple(_consent(one, location) for one in row.ready_consents if one["location"] == location.pk),
        decision=_decision(decision, location) if decision else None,
        scores=tuple(
            pure.ScoreFact(one["measure"], float(one["score"]), _day(one["taken_at"], location))
            for one in row.ready_scores
        ),
        pressure=next((_pressure(one, profile, location) for one in row.ready_pressures), None),
        pregnancy=next(
            (pure.PregnancyFact(one["result"], date.fromisoformat(one["tested_on"])) for one in row.ready_tests), None
        ),
        consulted_on=_day(consultation["created_at"], location) if consultation else None,
        escort_understood=bool(consultation and consultation["escort_understood"]),
        can_be_pregnant=consultation["can_be_pregnant"] if consultation else "",
        sex=patient.sex,
        age=patient.age_on(location.local(now).date()),
    )
    limits = Limits(
        baseline_days=settings.baseline_max_age_days,
        pressure_days=settings.pressure_max_age_days,
        pregnancy_days=settings.pregnancy_test_max_age_days,
    )
    return Known(facts, limits, consultation["pk"] if consultation else None, settings.pencil_hours)


def _settings(rows: Iterable[Mapping[str, Any]], location: Location) -> IntakeSettings:
    mine = next((row for row in rows if row["location_id"] == location.pk), {})
    return IntakeSettings(**{**mine, "location_id": location.pk})


def _latest_held(rows: Iterable[Mapping[str, Any]], now: datetime) -> Mapping[str, Any] | None:
    """The latest consultation that is not still to come."""
    return next((row for row in rows if row["span"] is None or _begins(row["span"]) <= now), None)


def _begins(span: str) -> datetime:
    """The lower end of a range as PostgreSQL writes it into JSON: ["2027-01-04 15:00:00+00","…")."""
    return datetime.fromisoformat(span.lstrip("[(").split(",")[0].strip('"'))


def _day(instant: str, location: Location) -> date:
    return location.local(datetime.fromisoformat(instant)).date()


def _consent(row: Mapping[str, Any], location: Location) -> pure.ConsentFact:
    return pure.ConsentFact(
        signed_on=date.fromisoformat(row["signed_on"]),
        expires_on=date.fromisoformat(row["expires_on"]),
        withdrawn_on=_day(row["withdrawn_at"], location) if row["withdrawn_at"] else None,
    )


def _decision(row: Mapping[str, Any], location: Location) -> pure.DecisionFact:
    return pure.DecisionFact(
        outcome=row["outcome"],
        signed_on=_day(row["signed_at"], location),
        signed_by=f"{row['first']} {row['last']}".strip() or row["user"],
        expires_on=date.fromisoformat(row["expires_on"]) if row["expires_on"] else None,
        conditions=row["conditions"],
        reason=row["reason"],
    )


def _pressure(row: Mapping[str, Any], profile_code: str, location: Location) -> pure.PressureFact:
    profile = profile_of(profile_code)
    reading = {name: row[name] for name in ("systolic_mmhg", "diastolic_mmhg", "heart_rate_bpm")}
    judged = judge_pressure(profile, *reading.values())
    return pure.PressureFact(
        **reading,
        measured_on=_day(row["measured_at"], location),
        is_hard=judged.verdict is Verdict.HARD,
        profile=profile.title,
    )


# -- what mends it -----------------------------------------------------------------------------------------------------

MENDED_BY = {
    Need.CONSENT: Can.RECORD_CONSENT,
    Need.DECISION: Can.SIGN_DECISION,
    Need.BASELINE: Can.RECORD_MEASURE,
    Need.PRESSURE: Can.RECORD_VITALS,
    Need.PREGNANCY: Can.RECORD_VITALS,
    Need.ESCORT: Can.EDIT_CLINICAL,
}
ACTIONS = {
    Need.CONSENT: "Record consent",
    Need.DECISION: "Decide",
    Need.BASELINE: "Enter a score",
    Need.PRESSURE: "Record vital signs",
    Need.PREGNANCY: "Record a test",
    Need.ESCORT: "Open the consultation",
}


def _way(readiness: Readiness, item: Item) -> tuple[str, str]:
    """The address that mends an item, and the words of its link; empty where there is none."""
    patient, consultation = readiness.patient_id, readiness.consultation_id
    asked = item.about != NOT_ASKED
    ways: dict[Need, tuple[str, list[Any]]] = {
        Need.CONSENT: ("consents:patient", [patient]),
        Need.BASELINE: ("measures:entry", [patient, item.about]),
        Need.DECISION: ("intake:screening", [consultation]),
        Need.PRESSURE: ("intake:vitals_add", [patient]),
        Need.PREGNANCY: ("intake:pregnancy_add", [patient]) if asked else ("intake:consultation", [consultation]),
        Need.ESCORT: ("intake:consultation", [consultation]),
    }
    name, args = ways[item.need]
    if args == [None]:
        found = _address("intake:slots", [])
        return (f"{found}?patient={patient}", "Book a consultation") if found else ("", "")
    found = _address(name, args)
    return (found, ACTIONS[item.need]) if found else ("", "")


def _address(name: str, args: list[Any]) -> str:
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""
