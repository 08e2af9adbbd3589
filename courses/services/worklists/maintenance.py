"""Maintenance infusions whose window begins and that have no booking (clinical.md A 23, 33)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from courses.models import Infusion, InfusionStatus, MaintenancePlan, Phase, Task, TaskKind
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.models.infusions import UNSETTLED_STATUSES
from courses.planning.words import say_day
from courses.services.maintenance import lines_of_plan, phases_in_order
from courses.services.series_state import PHASES
from courses.services.worklists.engine import Wanted

AHEAD_DAYS = 7
"""[D] So long before its window begins an infusion without a booking is asked about: time enough to reach somebody."""


def wanted(now: datetime, course_id: int | None) -> Iterable[Wanted]:
    """The first infusion without a time of each plan in force, once its window is near."""
    plans = MaintenancePlan.objects.filter(
        ended_at__isnull=True,
        phase__isnull=False,
        course__status__in=OPEN_COURSE_STATUSES,
        phase__infusions__status__in=UNSETTLED_STATUSES,
    )
    if course_id is not None:
        plans = plans.filter(course=course_id)
    phase_of = dict(plans.values_list("course", "phase").distinct())
    by_course: dict[int, list[Phase]] = defaultdict(list)
    for phase in PHASES.filter(course__in=phase_of).order_by("course", "position"):
        by_course[phase.course_id].append(phase)
    for course, phases in by_course.items():
        series = next(one for one in phases_in_order(phases) if one.phase.pk == phase_of[course])
        line = next((one for one in lines_of_plan(series, now) if one.row.is_unsettled), None)
        if line is None or not line.is_due_on(series.today(now), ahead=AHEAD_DAYS):
            continue
        window, infusion = line.window, line.row.infusion
        # Each attempt that came to nothing asks anew: what was settled by a booking does not hide its cancellation.
        again = f":{len(line.row.attempts)}" if line.row.attempts else ""
        yield Wanted(
            kind=TaskKind.MAINTENANCE,
            key=f"maintenance:{infusion.pk}{again}",
            location_id=series.location.pk,
            text=(
                f"Maintenance infusion {window.number} has no booking: due {say_day(window.earliest)} "
                f"to {say_day(window.latest)}."
            ),
            due_on=window.earliest,
            patient_id=series.patient.pk,
            course_id=series.course.pk,
            infusion_id=infusion.pk,
        )


def settled(tasks: Sequence[Task], now: datetime) -> Mapping[int, str]:  # noqa: ARG001 (what each kind takes)
    """Booked or given since, or no longer planned because the plan ended."""
    rows = Infusion.objects.filter(pk__in=[task.infusion_id for task in tasks]).values_list("pk", "status", "day")
    found = {pk: (status, day) for pk, status, day in rows}
    said = {}
    for task in tasks:
        status, day = found.get(task.infusion_id or 0, (InfusionStatus.DROPPED, None))
        if day is not None and status in (InfusionStatus.BOOKED, InfusionStatus.GIVEN):
            said[task.pk] = f"{'Booked for' if status == InfusionStatus.BOOKED else 'Given on'} {say_day(day)}."
        elif status == InfusionStatus.DROPPED:
            said[task.pk] = "The plan ended: this infusion is no longer planned."
    return said
