"""Worse, or new thoughts of suicide, in a course that is open: see the package.

A waiting danger alert is a page of its own and stays there; here stands what it means for the course. A task is settled
only when the score behind it was struck: somebody who is better the week after is still somebody whom a clinician has
seen to, or has not. What a clinician ended begins anew with the next such answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import CharField, Exists, OuterRef, Value
from django.db.models.functions import Cast, Concat

from courses.models import ClinicalEvent, Course, CourseStatus, Discharge, Task, TaskEnd, TaskKind
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.planning.words import say_day
from courses.pure.outcomes.judging import Outcome
from courses.services.outcomes import CourseOutcome, outcomes_of_many
from courses.services.worklists.boosters import say_score
from courses.services.worklists.engine import Wanted
from courses.services.worklists.glance import glance_at, is_worth_it, with_danger
from courses.services.worklists.once import once
from courses.services.worklists.reviews import event_key
from patients.models import Assessment
from patients.pure.measures import MEASURES

TEXT = "A clinician looks at this course today"
LEFT_LATELY = timedelta(days=7)
"""[D] So long a departure against advice opens a task; after that only a task that is open still says so."""
DANGER_ITEMS = {code: str(one.danger_item) for code, one in MEASURES.items() if one.danger_item is not None}


class Flag(StrEnum):
    """Why somebody must look: F1 "worsening" and "new SI"."""

    SCORE = "score"
    DANGER = "danger"


def wanted(now: datetime, course_id: int | None) -> Iterable[Wanted]:
    courses = Course.objects.open().exclude(status=CourseStatus.PLANNED).select_related("location")
    if course_id is not None:
        courses = courses.filter(pk=course_id)
    yield from _events(course_id)
    yield from _left(course_id, now)
    found = list(courses)
    if is_worth_it(found):
        found = _in_question(found)
    if not found:
        return
    outcomes = outcomes_of_many([one.pk for one in found])
    measures = {*DANGER_ITEMS, *(one.measure for one in outcomes.values())}
    scores: dict[int, list[Assessment]] = defaultdict(list)
    rows = Assessment.objects.valid().filter(patient__in=[one.patient_id for one in found], measure__in=measures)
    for row in rows.order_by("taken_at", "pk"):
        scores[row.patient_id].append(row)
    seen = _seen_to(found)
    for course in found:
        outcome = outcomes.get(course.pk)
        if outcome is not None and outcome.outcome.infusions:
            yield from _tasks(course, outcome, scores[course.patient_id], seen[course.pk])


def _events(course_id: int | None) -> Iterable[Wanted]:
    """An admission or an attempt that was recorded after its course was closed: there is no review of it. One query."""
    rows = ClinicalEvent.objects.valid().exclude(course__status__in=OPEN_COURSE_STATUSES)
    rows = rows if course_id is None else rows.filter(course=course_id)
    reviewed = Task.objects.filter(key=Concat(Value(event_key("")), Cast(OuterRef("pk"), CharField())))
    for row in rows.filter(~Exists(reviewed)).select_related("course__location"):
        why = f"{row.get_kind_display()} ({say_day(row.day)}), after the course"
        yield _wanted(row.course, f"event:{row.pk}", row.at, {"event": row.pk, "why": [why]})


def _left(course_id: int | None, now: datetime) -> Iterable[Wanted]:
    """Somebody left an infusion against advice. One query."""
    rows = Discharge.objects.valid().exclude(against_advice="").filter(at__gt=now - LEFT_LATELY, at__lte=now)
    if course_id is not None:
        rows = rows.filter(record__visit__infusion__phase__course=course_id)
    for row in rows.select_related("record__visit__infusion__phase__course__location"):
        course = row.record.visit.infusion.phase.course
        why = f"Left an infusion {row.how} ({say_day(course.location.local(row.at).date())}): {row.against_advice}"
        yield _wanted(course, f"left:{row.pk}", row.at, {"left": row.pk, "why": [why]})


def _wanted(course: Course, key: str, at: datetime, facts: Mapping[str, Any]) -> Wanted:
    """A task of this list about the course, due on the local day of what raised it."""
    return Wanted(
        kind=TaskKind.WORSE,
        key=f"worse:{key}",
        location_id=course.location_id,
        patient_id=course.patient_id,
        course_id=course.pk,
        text=TEXT,
        due_on=course.location.local(at).date(),
        facts=facts,
    )


def _in_question(courses: Sequence[Course]) -> list[Course]:
    """Those whose answers may raise a flag at all."""
    glances, dangers = once("glances", lambda: glance_at(courses)), with_danger(courses, DANGER_ITEMS)
    return [one for one in courses if one.pk in glances and (one.patient_id in dangers or glances[one.pk].is_above)]


def _seen_to(courses: Sequence[Course]) -> dict[int, dict[Flag, datetime | None]]:
    """By course and flag: when a person last ended such a task; None while one is open. One query."""
    found: dict[int, dict[Flag, datetime | None]] = defaultdict(dict)
    rows = Task.objects.filter(kind=TaskKind.WORSE, course__in=courses).exclude(closed_how=TaskEnd.SETTLED)
    for task in rows.order_by("opened_at", "pk"):
        for flag in map(Flag, task.facts.get("flags", [])):
            here = found[task.course_id or 0]
            if task.closed_at is None or here.get(flag, task.closed_at) is None:
                here[flag] = None
            else:
                here[flag] = max(here.get(flag) or task.closed_at, task.closed_at)
    return found


def _tasks(
    course: Course, outcome: CourseOutcome, scores: Sequence[Assessment], seen: Mapping[Flag, datetime | None]
) -> Iterable[Wanted]:
    """For each flag the first answer that nobody has seen to; one task where it is the same answer."""
    first: dict[int, list[tuple[Flag, str]]] = defaultdict(list)
    by_id = {one.pk: one for one in scores}
    for flag, flagged in _flagged(outcome, scores).items():
        if flag in seen and seen[flag] is None:
            continue
        last = seen.get(flag)
        new = next((one for one in flagged if last is None or by_id[one[0]].recorded_at > last), None)
        if new is not None:
            first[new[0]].append((flag, new[1]))
    for pk, flags in first.items():
        one = by_id[pk]
        day = course.location.local(one.taken_at).date()
        facts = {
            "flags": [flag.value for flag, _ in flags],
            "why": [f"{said} ({say_day(day)})" for _, said in flags],
            "readings": [{"id": pk, "day": day.isoformat(), "score": _score(one)}],
            "measure": one.measure,
        }
        yield _wanted(course, str(pk), one.taken_at, facts)


def _flagged(outcome: CourseOutcome, scores: Sequence[Assessment]) -> dict[Flag, list[tuple[int, str]]]:
    """By flag: the answers since the first infusion that raise it, ascending, each with why."""
    judged = outcome.outcome
    return {Flag.DANGER: list(_dangers(judged, scores)), Flag.SCORE: list(_worse(outcome.measure, judged, scores))}


def _worse(measure: str, judged: Outcome, scores: Sequence[Assessment]) -> Iterable[tuple[int, str]]:
    """So many points above the baseline (M4: 5 for PHQ-9); nothing without a baseline or a published number."""
    baseline, points = judged.baseline, judged.terms.worsening_points.get(measure)
    if baseline is None or points is None:
        return
    for one in scores:
        is_later = one.measure == measure and one.taken_at > judged.infusions[0].start
        if is_later and one.score is not None and one.score - baseline.value >= points:
            more = f"{say_score(one.score - baseline.value)} above the baseline of {say_score(baseline.value)}"
            yield one.pk, f"{_name(measure)} {say_score(one.score)}: {more}"


def _dangers(judged: Outcome, scores: Sequence[Assessment]) -> Iterable[tuple[int, str]]:
    """The answer about suicide is above the one before the course, or above the last one.

    F1 compares with the baseline. Here the last answer counts too: who had come down and goes up again is in danger
    again. Where nothing is known from before, any answer above 0 is new.
    """
    before: dict[str, int] = {}
    last: dict[str, int] = {}
    for one in scores:
        answer = one.answers.get(DANGER_ITEMS.get(one.measure, ""))
        if not isinstance(answer, int):
            continue
        if one.taken_at <= judged.infusions[0].start:
            before[one.measure] = last[one.measure] = answer
            continue
        known = [group[one.measure] for group in (before, last) if one.measure in group]
        if answer > min(known, default=0):
            said = f"was {last[one.measure]}" if one.measure in last else "not known from before"
            yield one.pk, f"{_name(one.measure)}, question about suicide: {answer} ({said})"
        last[one.measure] = answer


def _score(one: Assessment) -> str:
    return say_score(one.score) if one.score is not None else ""


def _name(measure: str) -> str:
    return MEASURES[measure].short_name if measure in MEASURES else measure


def settled(tasks: Sequence[Task], now: datetime) -> Mapping[int, str]:  # noqa: ARG001 (every kind is asked so)
    """Only what was entered in error; never by a better score, by time, or by closing the course."""
    ids = {task.pk: [int(one["id"]) for one in task.facts.get("readings", [])] for task in tasks}
    wrong = set(
        Assessment.objects.filter(
            pk__in=[pk for group in ids.values() for pk in group], struck_at__isnull=False
        ).values_list("pk", flat=True)
    )
    said = {pk: "The answer behind it was struck as entered in error." for pk, group in ids.items() if wrong & {*group}}
    events = {task.facts["event"]: task.pk for task in tasks if "event" in task.facts}
    struck = ClinicalEvent.objects.filter(pk__in=events, struck_at__isnull=False) if events else ()
    said |= {events[one.pk]: "The event was struck as entered in error." for one in struck}
    gone = {task.facts["left"]: task.pk for task in tasks if "left" in task.facts}
    back = Discharge.objects.filter(pk__in=gone, struck_at__isnull=False) if gone else ()
    return said | {gone[one.pk]: "They had not left: it was taken back." for one in back}
