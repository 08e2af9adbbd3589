"""Long-term checks: memory, bladder and cravings that are due, and the number of infusions given in a year.

Source: clinical.md E4, A 128-131 (C10: the cautious articles are followed).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

from courses.models import Course, FollowUpSettings, Infusion, InfusionStatus, Task, TaskKind
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.planning.words import say_count, say_day
from courses.pure.follow_up import many_given
from courses.services.follow_up import OPEN, followed_courses
from courses.services.worklists.engine import Wanted
from courses.services.worklists.measures import (
    LOOK_BACK,
    base_of,
    once_more,
    schedules_now,
    settled_items,
    task_of,
)

MANY = "many"


def wanted(now: datetime, course_id: int | None) -> Iterable[Wanted]:
    found = []
    for schedule in schedules_now(now, course_id):
        for item in schedule.items:
            if item.due.is_long_term and item.is_open:
                text = f"Long-term check due by {say_day(item.due.last_day)}: {item.due.label.lower()}."
                found.append(task_of(TaskKind.LONG_TERM, schedule, item, text))
    return [*once_more(found), *_many(now, course_id)]


def settled(tasks: Sequence[Task], now: datetime) -> Mapping[int, str]:
    counts = [task for task in tasks if _is_count(task)]
    checks = [task for task in tasks if not _is_count(task)]
    return settled_items(checks, now, still=OPEN) | _settled_counts(counts)


# -- the number of infusions (A 131) -----------------------------------------------------------------------------------


def _many(now: datetime, course_id: int | None) -> Iterable[Wanted]:
    """A task each time that so many more infusions were given to a patient within so many months, in all courses."""
    courses = Course.objects.all() if course_id is None else Course.objects.filter(pk=course_id)
    followed = list(followed_courses(courses, since=now.date() - LOOK_BACK).select_related("location").order_by("pk"))
    given, settings = _given_to({one.patient_id for one in followed}), _settings_of(followed)
    for course in followed:
        rule = settings.get(course.location_id) or FollowUpSettings(location_id=course.location_id)
        days = given[course.patient_id]
        today = course.location.local(now).date()
        for number in many_given(days, many=rule.many_infusions, months=rule.many_months):
            if days[number - 1] < today - LOOK_BACK:
                continue
            counted = say_count(rule.many_infusions, "infusion")
            said = f"{counted} given within {say_count(rule.many_months, 'month')}, {number} in all"
            yield Wanted(
                kind=TaskKind.LONG_TERM,
                key=f"{MANY}:{course.patient_id}:{number}",
                location_id=course.location_id,
                text=f"{said}: look at the number of treatments.",
                due_on=days[number - 1] + timedelta(days=rule.grace_days),
                patient_id=course.patient_id,
                course_id=course.pk,
                facts={"given": number, "many": rule.many_infusions, "months": rule.many_months},
            )


def _given_to(patient_ids: Iterable[int]) -> dict[int, list[date]]:
    rows = Infusion.objects.filter(phase__course__patient__in=set(patient_ids), status=InfusionStatus.GIVEN)
    found: dict[int, list[date]] = defaultdict(list)
    for patient_id, day in rows.order_by("day", "id").values_list("phase__course__patient_id", "day"):
        if day is not None:
            found[patient_id].append(day)
    return found


def _settings_of(courses: Iterable[Course]) -> dict[int, FollowUpSettings]:
    rows = FollowUpSettings.objects.filter(location__in={course.location_id for course in courses})
    return {one.location_id: one for one in rows}


def _is_count(task: Task) -> bool:
    return task.key.startswith(f"{MANY}:")


def _settled_counts(tasks: Sequence[Task]) -> dict[int, str]:
    """The number stays given: only a person ends such a task, or the end of the course."""
    rows = Course.objects.filter(pk__in={task.course_id for task in tasks}) if tasks else ()
    by_id = {course.pk: course for course in rows}
    given = _given_to(task.patient_id or 0 for task in tasks) if tasks else {}
    said = {}
    for task in tasks:
        course = by_id.get(task.course_id or 0)
        if course is not None and course.status not in OPEN_COURSE_STATUSES:
            said[task.pk] = f"The course was closed: {course.get_status_display().lower()}."
        elif len(given[task.patient_id or 0]) < int(base_of(task.key).rsplit(":", 1)[1]):
            said[task.pk] = "An infusion was undone: fewer were given."
    return said
