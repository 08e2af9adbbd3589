"""Plans of maintenance whose review is due: every plan has its date (clinical.md A 33, C5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from courses.models import MaintenancePlan, Task, TaskKind
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.planning.words import say_day
from courses.services.worklists.engine import Wanted

FARTHEST_EAST = timedelta(hours=14)  # where a date begins first; each location's own clocks then decide


def wanted(now: datetime, course_id: int | None) -> Iterable[Wanted]:
    """Every plan in force whose day of review has come."""
    plans = MaintenancePlan.objects.filter(
        ended_at__isnull=True, review_on__lte=(now + FARTHEST_EAST).date(), course__status__in=OPEN_COURSE_STATUSES
    ).select_related("course__location")
    if course_id is not None:
        plans = plans.filter(course=course_id)
    for plan in plans:
        if plan.review_on <= plan.course.location.local(now).date():
            yield Wanted(
                kind=TaskKind.MAINTENANCE_REVIEW,
                key=key_of(plan),
                location_id=plan.course.location_id,
                text=f"The maintenance plan was to be reviewed on {say_day(plan.review_on)}.",
                due_on=plan.review_on,
                patient_id=plan.course.patient_id,
                course_id=plan.course_id,
                facts={"way": plan.get_way_display(), "reason": plan.reason},
            )


def key_of(plan: MaintenancePlan) -> str:
    """One task for each date of a plan."""
    return f"maint-review:{plan.pk}:{plan.review_on.isoformat()}"


def settled(tasks: Sequence[Task], now: datetime) -> Mapping[int, str]:  # noqa: ARG001 (what each kind takes)
    """The date was moved, or the plan ended."""
    ids = [int(task.key.split(":")[1]) for task in tasks]
    plans = MaintenancePlan.objects.in_bulk(ids)
    said = {}
    for task, pk in zip(tasks, ids, strict=True):
        plan = plans.get(pk)
        if plan is None or plan.ended_at is not None:
            said[task.pk] = "The plan ended."
        elif key_of(plan) != task.key:
            said[task.pk] = f"The review was moved to {say_day(plan.review_on)}."
    return said
