"""Everything that the results of many courses rest on, read in a constant number of queries.

Rows come as plain values, not as models: a clinic's twenty thousand courses have a hundred thousand infusions and four
times as many scores. What they mean is said by the same pure functions that judge the course's own page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import cached_property, lru_cache
from typing import Any, TypeVar

from clinic.models import Location
from courses.models import (
    AdverseEvent,
    ClinicalEvent,
    ClinicalEventKind,
    Course,
    Infusion,
    InfusionStatus,
    InfusionVisit,
    OutcomeDefinition,
    Phase,
    PhaseKind,
    PhaseStep,
    RunEvent,
    RunKind,
    VisitOutcome,
)
from courses.planning.protocols import FirstGap, Step, expand
from courses.planning.types import SeriesRule
from courses.pure.doses_given import Order, given_from
from courses.pure.outcomes.judging import Event, Given, Score
from courses.pure.outcomes.leading import ALL_LEADING
from courses.pure.outcomes.series import given_at
from courses.pure.outcomes.terms import Terms
from courses.pure.reports.results import DoseGiven, InfusionGiven, Pause, failed_treatments
from courses.services.outcomes import terms_of
from courses.services.pauses import allowed_days, continued_at
from patients.models import Assessment, ConsultationRequest, PatientStatus, PreviousTreatment
from patients.pure.measures import MEASURES

K = TypeVar("K")
DANGER_ITEMS = {code: str(MEASURES[code].danger_item) for code in ALL_LEADING}
NOON = time(12)
"""Of an infusion that was given and has no visit only the day is known."""


@dataclass(frozen=True, slots=True)
class CourseRow:
    """One course with what stands in its own row and in its patient's."""

    pk: int
    patient_id: int
    indication: str
    location: Location
    prescriber_id: int
    status: str
    definition_id: int | None
    died_on: date | None
    has_died: bool
    referrer: str


@dataclass(slots=True)
class PhaseRow:
    """One phase, with its infusions: those given, and how many are still planned or owed."""

    pk: int
    kind: str
    position: int
    version_id: int
    n_planned: int
    steps: tuple[Step, ...] = ()
    n_open: int = 0
    given: list[tuple[int, int, date]] = field(default_factory=list)  # id, number, local day

    @property
    def rule(self) -> SeriesRule:
        """Long enough for every infusion given, also where fewer are planned by now."""
        most = max((number for _, number, _ in self.given), default=1)
        return _rule_of(self.steps, max(self.n_planned, most))


@dataclass(frozen=True, slots=True)
class Reading:
    """A score with the band that was stored with it."""

    score: Score
    band: str


@dataclass(frozen=True)
class Basis:
    """What was read about a number of patients."""

    courses: list[CourseRow]
    phases: Mapping[int, list[PhaseRow]]  # by course, by position
    ended: Mapping[int, tuple[datetime, int, int, datetime | None]]  # by infusion: start, minutes, observing
    doses: Mapping[int, DoseGiven]  # by infusion
    stopped: frozenset[int]  # infusions
    effects: Mapping[int, list[bool]]  # by infusion: whether each is serious
    readings: Mapping[tuple[int, str], list[tuple[Any, ...]]]  # by patient and measure
    events: Mapping[int, list[Event]]  # by course
    terms: Mapping[int | None, Terms]
    allowed: Mapping[int, date]
    continued: Mapping[int, datetime]
    failures: Mapping[int, int | None]  # by patient

    @cached_property
    def starts(self) -> dict[int, dict[int, date]]:
        """Patient -> course -> the day of the first infusion that was given in it."""
        found: dict[int, dict[int, date]] = defaultdict(dict)
        for course in self.courses:
            days = [day for phase in self.phases.get(course.pk, ()) for _, _, day in phase.given]
            if days:
                found[course.patient_id][course.pk] = min(days)
        return found

    def pause_of(self, course: CourseRow) -> Pause:
        continued = self.continued.get(course.pk)
        return Pause(
            booked_for=self.allowed.get(course.pk),
            continued_on=course.location.local(continued).date() if continued is not None else None,
        )

    def infusions_of(self, course: CourseRow) -> list[InfusionGiven]:
        """Everything that was given in the course."""
        series = series_of(self.phases[course.pk])
        return [
            InfusionGiven(
                number=number,
                day=day,
                is_in_series=phase is series,
                dose=self.doses.get(pk),
                effects=len(self.effects.get(pk, ())),
                serious=sum(self.effects.get(pk, ())),
                was_stopped=pk in self.stopped,
            )
            for phase in self.phases[course.pk]
            for pk, number, day in phase.given
        ]

    def moments_of(self, course: CourseRow, phase: PhaseRow) -> tuple[Given, ...]:
        """When each infusion of a phase was given."""
        found = [self._moment(course.location, *one) for one in phase.given]
        return tuple(sorted(found, key=lambda one: one.at))

    def _moment(self, place: Location, pk: int, number: int, day: date) -> Given:
        visit = self.ended.get(pk)
        if visit is None:
            return Given(number, day, place.at(day, NOON))
        start, preparation_min, infusion_min, observing = visit
        return given_at(
            number,
            day,
            start=start,
            preparation_min=preparation_min,
            infusion_min=infusion_min,
            observing_at=observing if observing is not None and place.local(observing).date() == day else None,
        )

    def readings_of(self, course: CourseRow) -> dict[str, tuple[Reading, ...]]:
        """Every valid score of the measures by which courses are judged, the earliest first."""
        tz = course.location.tz
        return {
            code: tuple(
                Reading(Score(at, at.astimezone(tz).date(), value, danger, pk), band)
                for at, value, danger, pk, band in self.readings.get((course.patient_id, code), ())
            )
            for code in ALL_LEADING
        }


def series_of(phases: Sequence[PhaseRow]) -> PhaseRow | None:
    """The phase by which a course is judged: its series, or the first one where it has none."""
    return next((one for one in phases if one.kind == PhaseKind.INITIAL), phases[0] if phases else None)


def read_basis(patient_ids: Iterable[int], now: datetime) -> Basis:
    """Fourteen queries, however many patients."""
    courses = _courses(list(patient_ids))
    ids = [one.pk for one in courses]
    patients = list({one.patient_id for one in courses})
    doses, stopped = _doses(ids, now)
    return Basis(
        courses=courses,
        phases=_phases(ids),
        ended=_visits(ids),
        doses=doses,
        stopped=stopped,
        effects=_effects(ids),
        readings=_readings(patients),
        events=_events(ids),
        terms={None: terms_of(None)} | {one.pk: terms_of(one) for one in OutcomeDefinition.objects.all()},
        allowed=allowed_days(ids),
        continued=continued_at(ids),
        failures=_failures(patients),
    )


# -- the queries -------------------------------------------------------------------------------------------------------
IS_GIVEN = {"outcome": VisitOutcome.GIVEN, "infusion__status": InfusionStatus.GIVEN}


def _courses(patients: Sequence[int]) -> list[CourseRow]:
    places = {one.pk: one for one in Location.objects.all()}
    named = dict(
        ConsultationRequest.objects.filter(patient__in=patients)
        .exclude(referrer="")
        .order_by("received_at", "pk")
        .values_list("patient", "referrer")
    )
    columns = ("pk", "patient", "indication", "location", "prescriber", "status", "outcome_definition")
    theirs = ("patient__deceased_on", "patient__status", "patient__referrer")
    rows = Course.objects.filter(patient__in=patients).order_by("pk").values_list(*columns, *theirs)
    return [
        CourseRow(
            pk,
            patient,
            indication,
            places[location],
            prescriber,
            status,
            definition,
            died_on,
            patient_status == PatientStatus.DECEASED,
            referrer or named.get(patient, ""),
        )
        for (
            pk,
            patient,
            indication,
            location,
            prescriber,
            status,
            definition,
            died_on,
            patient_status,
            referrer,
        ) in rows
    ]


def _phases(courses: Sequence[int]) -> dict[int, list[PhaseRow]]:
    """By course; two queries more for steps and infusions."""
    found: dict[int, list[PhaseRow]] = defaultdict(list)
    by_id: dict[int, PhaseRow] = {}
    rows = Phase.objects.filter(course__in=courses).order_by("course", "position")
    columns = ("course", "pk", "kind", "position", "protocol_version", "n_planned")
    for course, pk, kind, position, version, n_planned in rows.values_list(*columns):
        by_id[pk] = PhaseRow(pk, kind, position, version, n_planned)
        found[course].append(by_id[pk])
    steps = PhaseStep.objects.filter(phase__course__in=courses).order_by("phase", "position")
    rhythm = ("count", "min_gap_days", "max_gap_days", "weekdays", "target_gap_days", "first_gap")
    for pk, *values in steps.values_list("phase", *rhythm):
        by_id[pk].steps += (_step(*values),)
    infusions = Infusion.objects.filter(phase__course__in=courses).exclude(status=InfusionStatus.DROPPED)
    for phase_id, pk, number, status, day in infusions.order_by().values_list("phase", "pk", "number", "status", "day"):
        if status == InfusionStatus.GIVEN and day is not None:
            by_id[phase_id].given.append((pk, number, day))
        else:
            by_id[phase_id].n_open += 1
    return found


def _step(  # noqa: PLR0917 (the columns in the order in which they are read)
    count: int, smallest: int, largest: int, weekdays: Sequence[int], target: int | None, first_gap: str
) -> Step:
    return Step(
        count=count,
        min_gap_days=smallest,
        max_gap_days=largest,
        weekdays=frozenset(weekdays),
        target_gap_days=target,
        first_gap=FirstGap(first_gap),
    )


@lru_cache(maxsize=512)
def _rule_of(steps: tuple[Step, ...], n: int) -> SeriesRule:
    """Most courses of a protocol have the same steps."""
    return expand(steps, n)


def _visits(courses: Sequence[int]) -> dict[int, tuple[datetime, int, int, datetime | None]]:
    rows = InfusionVisit.objects.filter(infusion__phase__course__in=courses, **IS_GIVEN).order_by("-pk")
    columns = ("infusion", "booking__span__startswith", "preparation_min", "infusion_min", "booking__observing_at")
    return {pk: (start, preparation, length, at) for pk, start, preparation, length, at in rows.values_list(*columns)}


def _doses(courses: Sequence[int], now: datetime) -> tuple[dict[int, DoseGiven], frozenset[int]]:
    """What went in at each infusion by its taps (R8), and which were stopped early for a side effect (F1)."""
    where = {f"record__visit__{name}": value for name, value in IS_GIVEN.items()}
    rows = RunEvent.objects.valid().filter(record__visit__infusion__phase__course__in=courses, **where)
    order = ("order__dose_mg", "order__contains_mg", "order__weight_kg", "order__infusion_min")
    columns = ("record__visit__infusion", "kind", "at", "is_for_adverse_event", *order)
    taps: dict[int, list[tuple[str, datetime]]] = defaultdict(list)
    orders: dict[int, Order] = {}
    stopped = set()
    for pk, kind, at, is_for_effect, dose, contains, weight, minutes in rows.order_by("at", "pk").values_list(*columns):
        taps[pk].append((kind, at))
        if dose is not None and pk not in orders:
            orders[pk] = Order(dose_mg=dose, contains_mg=contains, weight_kg=weight, infusion_min=minutes)
        if kind == RunKind.STOP and is_for_effect:
            stopped.add(pk)
    given = {pk: given_from(order, taps[pk], now=now) for pk, order in orders.items()}
    doses = {pk: DoseGiven(one.delivered_mg, one.weight_kg) for pk, one in given.items() if not one.is_going_on}
    return doses, frozenset(stopped)


def _effects(courses: Sequence[int]) -> dict[int, list[bool]]:
    where = {f"record__visit__{name}": value for name, value in IS_GIVEN.items()}
    rows = AdverseEvent.objects.valid().filter(record__visit__infusion__phase__course__in=courses, **where)
    return _grouped(rows.order_by().values_list("record__visit__infusion", "is_serious"))


def _readings(patients: Sequence[int]) -> dict[tuple[int, str], list[tuple[Any, ...]]]:
    """By patient and measure: instant, score, answer to the item about suicide, id, band."""
    rows = Assessment.objects.valid().filter(patient__in=patients, measure__in=ALL_LEADING, score__isnull=False)
    columns = ("patient", "measure", "taken_at", "score", "answers", "pk", "band")
    found: dict[tuple[int, str], list[tuple[Any, ...]]] = defaultdict(list)
    for patient, measure, at, score, answers, pk, band in rows.order_by("taken_at", "pk").values_list(*columns):
        found[patient, measure].append((at, score, answers.get(DANGER_ITEMS[measure]), pk, band))
    return found


def _events(courses: Sequence[int]) -> dict[int, list[Event]]:
    rows = ClinicalEvent.objects.valid().filter(course__in=courses).order_by("day", "pk")
    return _grouped(
        (course, Event(day, ClinicalEventKind(kind).label.lower()))
        for course, kind, day in rows.values_list("course", "kind", "day")
    )


def _failures(patients: Sequence[int]) -> dict[int, int | None]:
    rows = PreviousTreatment.objects.filter(patient__in=patients).values_list("patient", "adequate", "outcome")
    by_patient = _grouped((patient, (adequate, outcome)) for patient, adequate, outcome in rows)
    return {patient: failed_treatments(found) for patient, found in by_patient.items()}


def _grouped(pairs: Iterable[tuple[K, Any]]) -> dict[K, list[Any]]:
    found: dict[K, list[Any]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return found
