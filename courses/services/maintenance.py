"""How a course goes on after its series: the plan of maintenance as it is read, with the windows of its infusions.

A plan by steps is a phase whose infusions wait for a time. What decides the plan stands in ``maintenance_plan``, what
books its infusions and changes their gaps in ``maintenance_next``. Source: clinical.md A 19, 23-30, 33, C5 (an interval
per patient, a review date always).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from clinic.models import Location
from clinic.services.freetime import Calendar
from courses.models import (
    Course,
    CourseStatus,
    FollowUpSettings,
    MaintenancePlan,
    Phase,
    PhaseKind,
)
from courses.planning.dates import NoOpenDayError
from courses.planning.protocols import Step, expand
from courses.pure.maintenance import Window, windows
from courses.services.series_state import PHASES_IN_TWO, Row, Series, read_in_two, series_of
from courses.services.together import rows_as_json, rows_from_json
from patients.models import Assessment
from patients.pure.measures import MEASURES

LEADING = ("phq9", "qids", "madrs", "pcl5")
"""Shown first where the interval is decided."""
CALENDAR_DAYS = 550
"""So far ahead the open days are looked at; beyond, the usual weekdays count as open."""


# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One infusion of the plan: its window, and where it is booked."""

    window: Window
    row: Row

    def is_due_on(self, today: date, *, ahead: int = 0) -> bool:
        """It has no booking, and its window has begun (or begins in so many days)."""
        return not self.window.is_settled and today >= self.window.earliest - timedelta(days=ahead)


@dataclass(frozen=True, slots=True)
class StepLines:
    """One step of the plan with its infusions."""

    position: int
    step: Step
    lines: tuple[Line, ...]

    @property
    def given(self) -> int:
        return sum(line.row.is_given for line in self.lines)


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A course with its phases and the plan in force."""

    course: Course
    phases: tuple[Series, ...]  # the first one first
    plans: tuple[MaintenancePlan, ...]  # ended ones too
    lines: tuple[Line, ...] = ()  # of the infusions of the plan in force; none without steps, or where nobody asked
    scores: tuple[Assessment, ...] = ()  # the earliest first
    settings: FollowUpSettings | None = None  # of the location; None: the defaults
    problem: str = ""  # why there are no windows

    @property
    def plan(self) -> MaintenancePlan | None:
        """The plan in force."""
        return in_force(self.plans)

    @property
    def series(self) -> Series | None:
        """The infusions of the plan in force."""
        return phase_with(self.phases, self.plan)

    @property
    def running(self) -> Series | None:
        """The maintenance that goes on: of the plan in force, or one that was booked as a series without a plan."""
        if self.plan is not None:
            return self.series
        rows = [one for one in self.phases if one.phase.kind == PhaseKind.MAINTENANCE and (one.booked or one.waiting)]
        return rows[-1] if rows else None

    @property
    def adoptable(self) -> Series | None:
        """A running maintenance that was booked as a series and can become the plan."""
        series, known = self.running, {plan.phase_id for plan in self.plans}
        return series if series is not None and series.phase.pk not in known else None

    @property
    def waiting(self) -> tuple[Row, ...]:
        """The plan's infusions without a time, in order."""
        return self.series.waiting if self.series is not None else ()

    @property
    def coming(self) -> tuple[Row, ...]:
        """The plan's infusions that are booked and not given."""
        return self.series.booked if self.series is not None else ()

    @property
    def next_number(self) -> int | None:
        """The first infusion that was not given: what a change of the gap begins with."""
        rows = self.series.rows if self.series is not None else ()
        return next((row.number for row in rows if not row.is_given), None)

    @property
    def steps(self) -> tuple[StepLines, ...]:
        """The lines by their steps; a step of which nothing is planned any more is left out."""
        series = self.series
        if series is None:
            return ()
        found = []
        for position, step in enumerate(series.settings.steps, 1):
            mine = tuple(line for line in self.lines if line.window.step == position)
            if mine:
                found.append(StepLines(position, step, mine))
        return tuple(found)

    @property
    def last_given(self) -> date | None:
        """The last infusion of the whole course that was really given, boosters too."""
        return max((day for one in self.phases if (day := one.last_given) is not None), default=None)

    @property
    def unsettled_series(self) -> tuple[Row, ...]:
        """Infusions of the initial series that wait for a time: before maintenance they are given, or dropped."""
        return tuple(row for one in self.phases if one.phase.kind == PhaseKind.INITIAL for row in one.waiting)

    @property
    def is_not_planned(self) -> bool:
        """Everything that was planned is given, the course goes on, and nobody has decided how."""
        if self.plan is not None or not self.phases or self.course.status not in OPEN_FOR_CHANGE:
            return False
        return bool(self.last_given) and not any(row for one in self.phases for row in (*one.waiting, *one.booked))


OPEN_FOR_CHANGE = (CourseStatus.PLANNED, CourseStatus.ACTIVE)


def phase_with(phases: Sequence[Series], plan: MaintenancePlan | None) -> Series | None:
    """The series of a plan's phase among those of its course."""
    wanted = plan.phase_id if plan is not None else None
    return next((one for one in phases if one.phase.pk == wanted), None)


def phases_in_order(phases: Iterable[Phase]) -> tuple[Series, ...]:
    """Each phase of a course as a series that knows the last infusion before it; no query for ``PHASES``."""
    found: list[Series] = []
    before: date | None = None
    for phase in phases:
        series = series_of(phase, before=before)
        before = max([one.day for one in series.plan] + ([before] if before else []), default=None)
        found.append(series)
    return tuple(found)


def in_force(plans: Iterable[MaintenancePlan]) -> MaintenancePlan | None:
    """The one plan that has not ended."""
    return next((plan for plan in plans if plan.ended_at is None), None)


# What a page of maintenance shows beside the infusions comes with the phases: no query more.
PHASES_WITH_PLANS = PHASES_IN_TWO.annotate(
    its_plans=rows_as_json(MaintenancePlan, "course__phases", "-decided_at", "-id"),
    its_scores=rows_as_json(Assessment, "patient__courses__phases", "taken_at", "id"),
    its_settings=rows_as_json(FollowUpSettings, "location__courses__phases", "id"),
)


def read_maintenance(course_id: int, now: datetime, *, dated: bool = True) -> Maintenance:
    """The plan in force and what it hangs on; its windows count from the days really given or booked.

    Args:
        dated: with the windows, for which the location's open days are read.

    Raises:
        Course.DoesNotExist: there is no such course, or nothing was ever planned in it.
    """
    rows: list[Any] = read_in_two(PHASES_WITH_PLANS.filter(course=course_id).order_by("position"))
    if not rows:
        raise Course.DoesNotExist(f"course {course_id} has no phase")
    plans = rows_from_json(MaintenancePlan, rows[0].its_plans)
    scores = tuple(one for one in rows_from_json(Assessment, rows[0].its_scores) if one.struck_at is None)
    settings = next(iter(rows_from_json(FollowUpSettings, rows[0].its_settings)), None)
    phases = phases_in_order(rows)
    found = Maintenance(rows[0].course, phases, plans, scores=scores, settings=settings)
    series = found.series
    if series is None or not dated:
        return found
    try:
        lines = lines_of_plan(series, now, is_open_at(series.location, series.today(now)))
    except NoOpenDayError:
        return replace(found, problem="No day is open in the calendar; check opening hours and closures.")
    return replace(found, lines=lines)


class OpenDays:
    """Whether a location treats on a day, from its opening hours and closures; read once."""

    def __init__(self, location: Location, first: date) -> None:
        self.days = Calendar(location).open_days(first, first + timedelta(days=CALENDAR_DAYS))
        self.last = first + timedelta(days=CALENDAR_DAYS)
        self.usual = {day.weekday() for day in self.days}

    def __call__(self, day: date) -> bool:
        return day in self.days or (day > self.last and day.weekday() in self.usual)


def is_open_at(location: Location, first: date) -> OpenDays:
    """The open days of a location from a day on."""
    return OpenDays(location, first)


def lines_of_plan(series: Series, now: datetime, is_open: OpenDays | None = None) -> tuple[Line, ...]:
    """Every infusion of a plan with its window; without ``is_open`` every day counts as open.

    Raises:
        NoOpenDayError: the location has no open day.
    """
    found = windows(
        series.rule,
        series.settings.adapted(n=series.settings.n).steps,
        today=series.today(now),
        settled={one.number: one.day for one in series.plan},
        before=series.before,
        is_open=is_open or (lambda _day: True),
        missed={row.number: day for row in series.waiting if (day := series.missed_on(row.number)) is not None},
    )
    rows = {row.number: row for row in series.rows}
    return tuple(Line(window, rows[window.number]) for window in found if window.number in rows)


def plan_in_force(course_id: int) -> MaintenancePlan | None:
    """The plan by which a course goes on now."""
    return MaintenancePlan.objects.filter(course=course_id, ended_at__isnull=True).first()


def sketch(steps: Sequence[Step], *, found: Maintenance, now: datetime) -> tuple[Window, ...]:
    """Where a plan that nobody has decided yet would put its infusions; reads the location's open days.

    Raises:
        NoOpenDayError: the location has no open day.
        ValueError: the steps contradict themselves.
    """
    place = found.course.location
    today = place.local(now).date()
    before = max((one.day for series in found.phases for one in series.plan), default=None)
    is_open = is_open_at(place, today)
    rule = expand(steps, continues=True)
    return windows(rule, steps, today=today, settled={}, before=before, is_open=is_open)


@dataclass(frozen=True, slots=True)
class Reading:
    """The latest score of one measure, and the one before it."""

    name: str
    latest: Assessment
    before: Assessment | None

    @property
    def change(self) -> Decimal | None:
        """Points since the reading before; positive is a higher score."""
        if self.before is None or self.before.score is None or self.latest.score is None:
            return None
        return self.latest.score - self.before.score


def latest_scores(scores: Iterable[Assessment]) -> tuple[Reading, ...]:
    """One line for each measure that was ever scored, the leading ones first; ``scores`` come the earliest first.

    Source: clinical.md A 24, 33 (evaluations guide the interval).
    """
    by_measure: dict[str, list[Assessment]] = {}
    for one in scores:
        if one.score is not None and one.measure in MEASURES:
            by_measure.setdefault(one.measure, []).append(one)
    order = sorted(by_measure, key=lambda code: (code not in LEADING, code))
    return tuple(
        Reading(MEASURES[code].short_name, by_measure[code][-1], by_measure[code][-2] if by_measure[code][1:] else None)
        for code in order
    )


def at_a_glance(course: Course, phases: Iterable[Series], plans: Iterable[MaintenancePlan]) -> Maintenance:
    """For the course page: whether anybody decided how it goes on. ``phases`` in any order; no query."""
    return Maintenance(course, tuple(sorted(phases, key=lambda one: one.phase.position)), tuple(plans))
