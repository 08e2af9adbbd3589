"""The outcome of a course's initial series, from what is on record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal

from django.db.models import Min, Prefetch

from clinic.models import Location
from courses.models import (
    ClinicalEvent,
    Course,
    Infusion,
    InfusionStatus,
    InfusionVisit,
    OutcomeDefinition,
    Phase,
    PhaseKind,
    VisitOutcome,
)
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.pure.outcomes.judging import Event, Given, Outcome, Score
from courses.pure.outcomes.leading import ALL_LEADING, judge_by_leading
from courses.pure.outcomes.series import given_at, is_series_over
from courses.pure.outcomes.terms import SHIPPED, Terms
from courses.services.course_summary import Summary
from courses.services.following import Following
from courses.services.together import rows_as_json, rows_from_json
from patients.models import Assessment
from patients.pure.measures import MEASURES

NOON = time(12)
"""Of an infusion that was given and has no visit only the day is known."""
OTHER_NAMES = {"qids": "qids16"}
"""What a version may call a measure besides its code."""


@dataclass(frozen=True, slots=True)
class CourseOutcome:
    """The outcome by the leading measure, and what stands beside it."""

    measure: str
    outcome: Outcome
    others: tuple[Outcome, ...] = ()  # by the other measures that have a score since the baseline
    planned: int = 0  # infusions of the series
    is_over: bool = False
    phase_id: int | None = None  # of the series that was judged


def terms_of(definition: OutcomeDefinition | None) -> Terms:
    """The version of the terms by which a course is judged."""
    if definition is None:
        return SHIPPED
    return Terms(
        number=definition.number,
        baseline_days=definition.baseline_days,
        after_hours=definition.after_hours,
        last_days=definition.last_days,
        improvement_percent=definition.improvement_percent,
        partial_percent=definition.partial_percent,
        response_percent=definition.response_percent,
        remission_max=_by_measure(definition.remission_max),
        evaluable_min=_by_measure(definition.evaluable_min),
        worsening_points=_by_measure(definition.worsening_points),
        early_last=definition.early_last,
        gradual_last=definition.gradual_last,
        relapse_readings=definition.relapse_readings,
        relapse_apart_days=definition.relapse_apart_days,
        relapse_scores=_by_measure(definition.relapse_scores),
        review_after=definition.review_after,
    )


def outcome_of(
    course: Course, summaries: Sequence[Summary], following: Following, *, until: date | None = None
) -> CourseOutcome:
    """No query: judged from ``read_summaries`` (every phase, the latest first) and ``read_following``.

    Args:
        until: the first infusion of a later course, where the patient has one: what comes after belongs to that.
    """
    phases = [one.series.phase for one in reversed(summaries)]
    terms, events = terms_of(following.definition), following.events
    return judge_course(course, phases, following.scores, terms, events=events, until=until)


def judge_course(
    course: Course,
    phases: Sequence[Phase],
    rows: Sequence[Assessment],
    terms: Terms,
    *,
    events: Iterable[ClinicalEvent],
    until: date | None,
) -> CourseOutcome:
    """No query: from the phases, the earliest first, with infusions, their visits and bookings prefetched."""
    happened = tuple(_event(one) for one in events if not one.is_struck)
    phase = next((one for one in phases if one.kind == PhaseKind.INITIAL), phases[0] if phases else None)
    infusions = _given_in(phase, course.location) if phase is not None else ()
    is_over = phase is not None and _is_over(course, phase, phases)
    scores = {code: _scores(code, rows, course.location) for code in ALL_LEADING}
    judged = judge_by_leading(
        course.indication, scores, infusions, is_over=is_over, events=happened, until=until, terms=terms
    )
    return CourseOutcome(
        judged.outcome.measure,
        judged.outcome,
        judged.others,
        phase.n_planned if phase else 0,
        is_over,
        phase.pk if phase else None,
    )


def outcomes_of_many(course_ids: Sequence[int]) -> dict[int, CourseOutcome]:
    """For worklists and reports: judged by course id, in a constant number of queries (six)."""
    visits = InfusionVisit.objects.filter(outcome=VisitOutcome.GIVEN).select_related("booking").order_by("id")
    infusions = Infusion.objects.exclude(status=InfusionStatus.DROPPED).order_by("number")
    courses = list(
        Course.objects.filter(pk__in=course_ids)
        .select_related("location", "outcome_definition")
        .annotate(its_events=rows_as_json(ClinicalEvent, "course", "day", "pk"))
        .prefetch_related(
            Prefetch("phases", queryset=Phase.objects.order_by("position")),
            Prefetch("phases__infusions", queryset=infusions),
            Prefetch("phases__infusions__visits", queryset=visits),
        )
    )
    patients = {course.patient_id for course in courses}
    scores: dict[int, list[Assessment]] = defaultdict(list)
    rows = Assessment.objects.valid().filter(patient__in=patients, measure__in=ALL_LEADING, score__isnull=False)
    for row in rows.order_by("taken_at", "id"):
        scores[row.patient_id].append(row)
    starts = _starts_of_series(patients)
    return {
        course.pk: judge_course(
            course,
            list(course.phases.all()),
            scores[course.patient_id],
            terms_of(course.outcome_definition),
            events=rows_from_json(ClinicalEvent, course.its_events),
            until=next_start(course.pk, starts.get(course.patient_id, {})),
        )
        for course in courses
    }


def next_series_of(course: Course) -> date | None:
    """The first infusion of the patient's next course: what comes after it is no longer followed here. One query."""
    return next_start(course.pk, _starts_of_series([course.patient_id]).get(course.patient_id, {}))


def next_start(course_id: int, starts: Mapping[int, date]) -> date | None:
    """The first infusion of a later course, from the first days of the patient's courses by their ids."""
    mine = starts.get(course_id)
    return min((day for pk, day in starts.items() if pk != course_id and mine and day > mine), default=None)


# -- parts -------------------------------------------------------------------------------------------------------------
def _by_measure(found: Mapping[str, int | float | str]) -> dict[str, Decimal]:
    return {OTHER_NAMES.get(code, code): Decimal(str(value)) for code, value in found.items()}


def _starts_of_series(patients: Iterable[int]) -> dict[int, dict[int, date]]:
    """Patient -> course -> the day of the first infusion that was given in it."""
    found: dict[int, dict[int, date]] = defaultdict(dict)
    rows = (
        Infusion.objects.filter(phase__course__patient__in=patients, status=InfusionStatus.GIVEN)
        .values("phase__course", "phase__course__patient")
        .annotate(first=Min("day"))
        .values_list("phase__course__patient", "phase__course", "first")
    )
    for patient, course, first in rows:
        found[patient][course] = first
    return found


def _is_over(course: Course, series: Phase, phases: Sequence[Phase]) -> bool:
    """Dropped infusions are not among those of a phase that was read for this."""
    rows = list(series.infusions.all())
    n_given = sum(one.status == InfusionStatus.GIVEN for one in rows)
    later = (one for phase in phases if phase.position > series.position for one in phase.infusions.all())
    return is_series_over(
        is_closed=course.status not in OPEN_COURSE_STATUSES,
        n_planned=series.n_planned,
        n_open=len(rows) - n_given,
        n_given=n_given,
        has_gone_on=any(one.status == InfusionStatus.GIVEN for one in later),
    )


def _given_in(phase: Phase, place: Location) -> tuple[Given, ...]:
    rows = phase.infusions.all()
    found = [_given(one, one.day, place) for one in rows if one.status == InfusionStatus.GIVEN and one.day is not None]
    return tuple(sorted(found, key=lambda one: one.at))


def _given(infusion: Infusion, day: date, place: Location) -> Given:
    visit = next((one for one in infusion.visits.all() if one.outcome == VisitOutcome.GIVEN), None)
    if visit is None:
        return Given(infusion.number, day, place.at(day, NOON))
    observing = visit.booking.observing_at
    return given_at(
        infusion.number,
        day,
        start=visit.booking.start,
        preparation_min=visit.preparation_min,
        infusion_min=visit.infusion_min,
        observing_at=observing if observing is not None and _day(observing, place) == day else None,
    )


def _scores(code: str, rows: Iterable[Assessment], place: Location) -> tuple[Score, ...]:
    item = str(MEASURES[code].danger_item)
    return tuple(
        Score(row.taken_at, _day(row.taken_at, place), row.score, row.answers.get(item), row.pk)
        for row in rows
        if row.measure == code and row.score is not None
    )


def _event(row: ClinicalEvent) -> Event:
    return Event(row.day, row.get_kind_display().lower())


def _day(instant: datetime, place: Location) -> date:
    return place.local(instant).date()
