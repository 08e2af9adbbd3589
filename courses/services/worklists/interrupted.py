"""Courses interrupted (R6): the prescriber continues, restarts or closes, and nobody else's act ends the waiting.

``courses.services.courses`` marks them; this list only makes sure that the decision is not forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

from django.db.models import OuterRef, Subquery

from courses.models import Course, CourseStatus, Phase, Revision, RevisionKind, Task, TaskKind
from courses.planning.words import say_day
from courses.services.series_state import PHASES, Series, series_of
from courses.services.worklists.engine import Wanted, fresh_keys

DECISIONS = (RevisionKind.CONTINUED, RevisionKind.RESTARTED, RevisionKind.CLOSED)


def wanted(now: datetime, course_id: int | None) -> Iterable[Wanted]:
    """One task for each course whose status is interrupted."""
    courses = Course.objects.filter(status=CourseStatus.INTERRUPTED)
    if course_id is not None:
        courses = courses.filter(pk=course_id)
    latest = Phase.objects.filter(course=OuterRef("pk")).order_by("-position").values("pk")[:1]
    rows = PHASES.filter(pk__in=list(courses.values_list(Subquery(latest), flat=True)))
    found = {phase.course_id: series_of(phase) for phase in rows}
    keys = fresh_keys(TaskKind.INTERRUPTED, {pk: _base(pk, series) for pk, series in found.items()})
    for pk, series in found.items():
        open_rows = [row for row in series.rows if not row.is_given]
        yield Wanted(
            kind=TaskKind.INTERRUPTED,
            key=keys[pk],
            location_id=series.course.location_id,
            text=_text(series),
            due_on=_since(series, now),
            patient_id=series.course.patient_id,
            course_id=pk,
            infusion_id=open_rows[0].infusion.pk if open_rows else None,
            facts={"said": _said(series), "given": len(series.given), "planned": series.phase.n_planned},
        )


def settled(tasks: Sequence[Task], now: datetime) -> Mapping[int, str]:  # noqa: ARG001 (every kind is asked so)
    """Continued, restarted or closed, by whom."""
    ids = {task.course_id for task in tasks if task.course_id is not None}
    over = dict(Course.objects.filter(pk__in=ids).exclude(status=CourseStatus.INTERRUPTED).values_list("pk", "status"))
    rows = Revision.objects.filter(course__in=over, kind__in=DECISIONS).select_related("by")
    decisions = {one.course_id: one for one in rows.order_by("course_id", "-at", "-id").distinct("course_id")}
    return {task.pk: _why(task, over, decisions) for task in tasks if task.course_id in over}


def _why(task: Task, over: Mapping[int, str], decisions: Mapping[int, Revision]) -> str:
    pk = task.course_id or 0
    one = decisions.get(pk)
    if one is not None:
        return f"{one.summary} {one.by} decided."
    return f"The course is not interrupted any more: {CourseStatus(over[pk]).label.lower()}."


def _base(course: int, series: Series) -> str:
    last = max(series.given, default=None)
    return f"interrupted:{course}:{series.row(last).infusion.pk if last is not None else 'first'}"


def _text(series: Series) -> str:
    number = next((row.number for row in series.rows if not row.is_given), None)
    at = f" at infusion {number} of {series.phase.n_planned}" if number is not None else ""
    return f"Interrupted{at}: the prescriber decides how it goes on."


def _said(series: Series) -> str:
    last = series.last_given
    since = f" since infusion {max(series.given)} on {say_day(last)}" if last is not None else ""
    return (
        f"Nothing was given{since}: {len(series.given)} of {series.phase.n_planned} so far. Continue, restart or close."
    )


def _since(series: Series, now: datetime) -> date:
    """The day on which it became an interruption: a decision is due from then on."""
    last = series.last_given
    if last is None:
        return series.today(now)
    number = max(series.given) + 1
    gap = series.rule.into(number) if number <= series.rule.count else None
    longest = max(series.rule.interrupted_after_days, gap.max_days if gap is not None else 0)
    return last + timedelta(days=longest + 1)
