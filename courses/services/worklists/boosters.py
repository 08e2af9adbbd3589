"""Boosters proposed by the scores: see the package.

A task opens when the rule of the course or its location asks (``courses.pure.boosters``). It is settled when a booster
or an infusion of the maintenance was given or booked since, and when a score behind it turns out to be wrong; closing
the course settles it too (``engine``). Otherwise a person decides on the course's page of boosters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from clinic.models import Location
from courses.models import (
    Course,
    CourseStatus,
    Infusion,
    InfusionStatus,
    InfusionVisit,
    PhaseKind,
    Task,
    TaskEnd,
    TaskKind,
    VisitOutcome,
)
from courses.models.infusions import UNSETTLED_STATUSES
from courses.planning.words import say_day
from courses.pure.boosters import Because, BoosterRule, Gain, Reading, Run, Since, Trigger, trigger_of
from courses.services.booster_rules import rules_of_many
from courses.services.outcomes import CourseOutcome, outcomes_of_many
from courses.services.worklists.engine import Wanted
from courses.services.worklists.glance import glance_at, is_worth_it
from courses.services.worklists.once import once
from patients.models import Assessment
from patients.pure.measures import MEASURES

TEXT = "Booster proposed: a time to find"
PHQ9 = "phq9"
NOON = time(12)


@dataclass(slots=True)
class _Given:
    """What was given in one course, and whether its series is over."""

    first: datetime | None = None  # of the series
    over: datetime | None = None  # the series' last infusion
    is_owed: bool = False  # something of the series is still to come
    boosters: list[datetime] = field(default_factory=list)
    answers: list[datetime] = field(default_factory=list)


def wanted(now: datetime, course_id: int | None) -> Iterable[Wanted]:  # noqa: ARG001 (every kind is asked so)
    courses = Course.objects.open().exclude(status=CourseStatus.PLANNED).select_related("location")
    if course_id is not None:
        courses = courses.filter(pk=course_id)
    by_id = {one.pk: one for one in courses}
    if is_worth_it(list(by_id.values())):
        by_id = _rising(by_id)
    given = _given(by_id)
    ready = [by_id[pk] for pk, one in given.items() if one.over is not None and not one.is_owed]
    if not ready:
        return
    for task in Task.objects.filter(kind=TaskKind.BOOSTER, course__in=ready, closed_at__isnull=False):
        if task.closed_how != TaskEnd.SETTLED and task.course_id and task.closed_at:
            given[task.course_id].answers.append(task.closed_at)
    outcomes = outcomes_of_many([one.pk for one in ready])
    readings = _readings(ready, outcomes)
    rules = rules_of_many(ready)
    for course in ready:
        rule, is_own = rules[course.pk]
        found = _trigger(rule, given[course.pk], outcomes.get(course.pk), readings[course.patient_id], course.location)
        if found is not None:
            yield _task(course, found, rule, outcomes.get(course.pk), is_own=is_own)


def _rising(courses: Mapping[int, Course]) -> dict[int, Course]:
    """Those whose scores went up again at all: an effect that holds asks for nothing."""
    glances = once("glances", lambda: glance_at(list(courses.values())))
    return {pk: one for pk, one in courses.items() if pk in glances and glances[pk].is_rising}


def _given(courses: Mapping[int, Course]) -> dict[int, _Given]:
    """What was given in these courses; two queries."""
    found: dict[int, _Given] = {pk: _Given() for pk in courses}
    visits = InfusionVisit.objects.filter(infusion__phase__course__in=courses, outcome=VisitOutcome.GIVEN)
    ends: dict[int, datetime] = dict(visits.order_by().values_list("infusion_id", "booking__span__endswith"))
    rows = Infusion.objects.filter(phase__course__in=courses).exclude(status=InfusionStatus.DROPPED)
    columns = ("pk", "status", "day", "phase__course_id", "phase__kind")
    for pk, status, day, course_id, kind in rows.order_by("phase__position", "number").values_list(*columns):
        one, course = found[course_id], courses[course_id]
        if status != InfusionStatus.GIVEN or day is None:
            one.is_owed |= kind == PhaseKind.INITIAL and status in (*UNSETTLED_STATUSES, InfusionStatus.BOOKED)
            continue
        at = ends.get(pk) or course.location.at(day, NOON)
        if kind == PhaseKind.INITIAL:
            one.first, one.over = min(one.first or at, at), max(one.over or at, at)
        else:
            (one.boosters if kind == PhaseKind.BOOSTER else one.answers).append(at)
    return found


def _readings(courses: Sequence[Course], outcomes: Mapping[int, CourseOutcome]) -> dict[int, list[Assessment]]:
    """The patients' valid scores of the measures that count, ascending, by patient; one query."""
    measures = {PHQ9, *(one.measure for one in outcomes.values())}
    found: dict[int, list[Assessment]] = defaultdict(list)
    rows = Assessment.objects.valid().filter(
        patient__in=[one.patient_id for one in courses], measure__in=measures, score__isnull=False
    )
    for row in rows.order_by("taken_at", "pk"):
        found[row.patient_id].append(row)
    return found


def _trigger(
    rule: BoosterRule, given: _Given, outcome: CourseOutcome | None, scores: Sequence[Assessment], place: Location
) -> Trigger | None:
    first, over = given.first, given.over
    if first is None or over is None:
        return None
    end = _end_of(outcome)

    def of(measure: str) -> list[Reading]:
        return [
            Reading(one.pk, one.taken_at, place.local(one.taken_at).date(), one.score)
            for one in scores
            if one.measure == measure and one.taken_at > first and one.score is not None
        ]

    return trigger_of(
        rule,
        phq9=of(PHQ9),
        leading=of(outcome.measure) if outcome is not None else [],
        gain=_gain_of(outcome),
        since=Since(max(over, end.at) if end is not None else over, tuple(given.boosters), tuple(given.answers)),
    )


def _end_of(outcome: CourseOutcome | None) -> Any:  # noqa: ANN401 (a score of the pure core, or nothing)
    """The score after the last infusion of the series that has one."""
    after = outcome.outcome.after if outcome is not None else {}
    return after[max(after)] if after else None


def _gain_of(outcome: CourseOutcome | None) -> Gain | None:
    """The gain of the series where the clinic's terms call it an improvement: half of one point is no relapse."""
    end = _end_of(outcome)
    if outcome is None or end is None or outcome.outcome.baseline is None:
        return None
    found = outcome.outcome
    improvement = found.improvement.get(max(found.after))
    if improvement is None or improvement < found.terms.improvement_percent:
        return None
    return Gain(outcome.outcome.baseline.value, end.value)


# -- the task ----------------------------------------------------------------------------------------------------------


def _task(
    course: Course, trigger: Trigger, rule: BoosterRule, outcome: CourseOutcome | None, *, is_own: bool
) -> Wanted:
    """The task, with "why now" for those who may read clinical notes."""
    gain, leading = _gain_of(outcome), outcome.measure if outcome is not None else PHQ9
    why = [_said(run, rule, gain, PHQ9 if run.because is Because.SCORE else leading) for run in trigger.runs]
    return Wanted(
        kind=TaskKind.BOOSTER,
        key=f"booster:{course.pk}:{trigger.first.pk}",
        location_id=course.location_id,
        patient_id=course.patient_id,
        course_id=course.pk,
        text=TEXT,
        due_on=trigger.confirmed.day,
        facts={
            "by": "rule",
            "why": why,
            "rule": rule.said,
            "source": "this course’s own rule" if is_own else "clinic setting",
            "readings": [
                {"id": one.pk, "day": one.day.isoformat(), "score": say_score(one.value)}
                for one in trigger.runs[0].readings
            ],
            "measure": PHQ9 if trigger.runs[0].because is Because.SCORE else leading,
        },
    )


def _said(run: Run, rule: BoosterRule, gain: Gain | None, measure: str) -> str:
    """One rule that asks, with the numbers: kept as it was on the day."""
    name = MEASURES[measure].short_name if measure in MEASURES else measure
    places = ", ".join(f"{say_score(one.value)} on {say_day(one.day)}" for one in run.readings)
    if run.because is Because.SCORE:
        return f"{name} back at {rule.score_from} or more: {places}."
    if gain is None:
        return f"{rule.gain_lost_percent} % of the gain lost: {name} {places}."
    lost = gain.lost_percent(run.readings[-1].value)
    lately = f"; now {lost:.1f} %" if lost is not None else ""
    return (
        f"{rule.gain_lost_percent} % of the gain lost ({name} from {say_score(gain.baseline)} to "
        f"{say_score(gain.end)} in the series): {places}{lately}."
    )


def say_score(value: Decimal) -> str:
    """Without zeros behind the point."""
    return f"{value.normalize():f}"


# -- what settles it ---------------------------------------------------------------------------------------------------


def settled(tasks: Sequence[Task], now: datetime) -> Mapping[int, str]:  # noqa: ARG001 (every kind is asked so)
    courses = {task.course_id for task in tasks if task.course_id is not None}
    if not courses:
        return {}
    visits: dict[int, list[InfusionVisit]] = defaultdict(list)
    for visit in (
        InfusionVisit.objects.filter(
            infusion__phase__course__in=courses,
            infusion__phase__kind__in=[PhaseKind.BOOSTER, PhaseKind.MAINTENANCE],
            outcome__in=[VisitOutcome.OPEN, VisitOutcome.GIVEN],
        )
        .select_related("infusion__phase__course__location", "booking")
        .order_by("pk")
    ):
        visits[visit.infusion.phase.course_id].append(visit)
    struck = _struck(tasks)
    found: dict[int, str] = {}
    for task in tasks:
        if struck & set(reading_ids(task)):
            text = "A score behind it was struck as entered in error."
        else:
            text = next((said for one in visits[task.course_id or 0] if (said := _answer(one, task))), "")
        if text:
            found[task.pk] = text
    return found


def reading_ids(task: Task) -> list[int]:
    """The assessments behind a task."""
    return [int(one["id"]) for one in task.facts.get("readings", [])]


def _struck(tasks: Sequence[Task]) -> set[int]:
    ids = {pk for task in tasks for pk in reading_ids(task)}
    return set(Assessment.objects.filter(pk__in=ids, struck_at__isnull=False).values_list("pk", flat=True))


def _answer(visit: InfusionVisit, task: Task) -> str:
    """What this visit did about it, where it was given or booked after the task was opened."""
    kind, booking = PhaseKind(visit.infusion.phase.kind), visit.booking
    what = "A booster" if kind is PhaseKind.BOOSTER else "An infusion of the maintenance"
    local = visit.infusion.phase.course.location.local
    if visit.outcome == VisitOutcome.GIVEN and booking.end > task.opened_at:
        return f"{what} was given on {say_day(local(booking.start).date())}."
    if visit.outcome == VisitOutcome.OPEN and booking.created_at > task.opened_at:
        return f"{what} was booked for {say_day(local(booking.start).date())}."
    return ""
