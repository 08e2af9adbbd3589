"""Measures overdue: one task a course and item of its follow-up schedule, settled when it is entered, waived or moved.

A task that was settled by a move and is overdue again gets a new one: its key then ends in "#2". One that a person has
set aside stays aside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef

from courses.models import Course, Infusion, Task, TaskEnd, TaskKind
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.planning.words import say_day, say_list
from courses.services.follow_up import Item, Schedule, State, followed_courses, read_schedules
from courses.services.worklists.engine import Wanted
from courses.services.worklists.once import once, read_before

LOOK_BACK = timedelta(days=120)
"""[D] Longer than the follow-up of a series (day 83); older gaps of a course that was taken over are left alone."""
AGAIN = "#"
A_DAY = timedelta(days=1)
AT_ONCE = 1000
"""So many courses are put together at a time: a schedule has many items, and few of them are open."""
OPEN_NOW = "schedules"


def wanted(now: datetime, course_id: int | None) -> Iterable[Wanted]:
    found = []
    for course in schedules_now(now, course_id):
        for item in course.items:
            if item.state is State.OVERDUE and not item.due.is_long_term:
                text = f"Questionnaires overdue since {say_day(item.due.last_day)}: {item.due.label.lower()}."
                found.append(task_of(TaskKind.MEASURE, course, item, text))
    return once_more(found)


def settled(tasks: Sequence[Task], now: datetime) -> Mapping[int, str]:
    return settled_items(tasks, now, still=(State.OVERDUE,))


# -- shared with the long-term checks ----------------------------------------------------------------------------------


def schedules_now(now: datetime, course_id: int | None) -> list[Schedule]:
    """What is open of all open courses that are followed, or of one; nothing that is older than ``LOOK_BACK``.

    Read once in a sweep: ``measures`` and ``long_term`` both ask.
    """
    return once(OPEN_NOW, lambda: _read_now(now, course_id))


def _read_now(now: datetime, course_id: int | None) -> list[Schedule]:
    courses = Course.objects.all() if course_id is None else Course.objects.filter(pk=course_id)
    since = now.date() - LOOK_BACK
    followed = followed_courses(courses, since=since)
    if course_id is None:  # before its first infusion nothing of a course is overdue or a long-term check
        begun = Infusion.objects.filter(phase__course=OuterRef("pk"), day__lte=now.date() + A_DAY)
        followed = followed.filter(Exists(begun))
    ids = list(followed.order_by("pk").values_list("pk", flat=True))
    return [
        replace(one, items=tuple(item for item in one.items if item.is_open))
        for first in range(0, len(ids), AT_ONCE)
        for one in read_schedules(Course.objects.filter(pk__in=ids[first : first + AT_ONCE]), now, since=since)
    ]


def task_of(kind: TaskKind, schedule: Schedule, item: Item, text: str) -> Wanted:
    course, due = schedule.course, item.due
    return Wanted(
        kind=kind,
        key=f"{kind.value}:{course.pk}:{due.key}",
        location_id=course.location_id,
        text=text,
        due_on=due.last_day,
        patient_id=course.patient_id,
        course_id=course.pk,
        infusion_id=due.anchor_id,
        facts={
            "item": due.key,
            "label": due.label,
            "measures": [line.measure.short_name for line in item.open_lines],
            "anchor": due.anchor,
        },
    )


def once_more(found: Sequence[Wanted]) -> list[Wanted]:
    """With a new key where the earlier task was settled by what happened, and the condition holds again. One query."""
    ended = Task.objects.filter(
        kind__in={one.kind for one in found},
        course__in={one.course_id for one in found},
        closed_how=TaskEnd.SETTLED,
    )
    times = Counter(base_of(key) for key in ended.values_list("key", flat=True))
    return [_again(one, times[one.key]) for one in found]


def base_of(key: str) -> str:
    return key.split(AGAIN, 1)[0]


def item_of(task: Task) -> str:
    """The key of the item of the schedule: "measure:7:day-14#2" -> "day-14"."""
    return base_of(task.key).split(":", 2)[2]


def settled_items(tasks: Sequence[Task], now: datetime, *, still: Sequence[State]) -> dict[int, str]:
    """Of tasks about items of schedules those whose item is in none of the states ``still``, and by which act.

    What this sweep has just seen in one of them is not read again.
    """
    seen: Sequence[Schedule] = read_before(OPEN_NOW) or ()
    holding = {(one.course.pk, item.key) for one in seen for item in one.items if item.state in still}
    tasks = [task for task in tasks if (task.course_id, item_of(task)) not in holding]
    if not tasks:
        return {}
    courses = Course.objects.filter(pk__in={task.course_id for task in tasks})
    by_course = {one.course.pk: one for one in read_schedules(courses, now)}
    said = {}
    for task in tasks:
        schedule = by_course.get(task.course_id or 0)
        text = _what_happened(schedule, item_of(task), still) if schedule is not None else ""
        if text:
            said[task.pk] = text
    return said


def _what_happened(schedule: Schedule, key: str, still: Sequence[State]) -> str:
    if schedule.course.status not in OPEN_COURSE_STATUSES:
        return f"The course was closed: {schedule.course.get_status_display().lower()}."
    item = schedule.item(key)
    if item is None:
        return "Its infusion has no time any more; it comes up again when there is one."
    if item.state in still:
        return ""
    if item.is_settled:
        return _acts(schedule, item)
    if item.state is State.PASSED:
        return "The check of a later visit has taken its place."
    return f"It moved with its infusion: in time until {say_day(item.due.last_day)} now."


def _acts(schedule: Schedule, item: Item) -> str:
    """By which acts: "PHQ-9 entered on Fri 23 Apr and C-SSRS waived". No scores or reasons: the front desk reads it."""
    place, said = schedule.course.location, []
    for line in item.lines:
        if line.assessment is not None:
            said.append(f"{line.name} entered on {say_day(place.local(line.assessment.taken_at).date())}")
        else:
            said.append(f"{line.name} waived")
    return f"{say_list(said)}."


def _again(one: Wanted, times: int) -> Wanted:
    return replace(one, key=f"{one.key}{AGAIN}{times + 1}") if times else one
