"""One infusion of a running series: moved, alone or with the rest, or given a new time (R5).

Moves are previewed first (``open_move``) and saved by ``move_infusion`` exactly as previewed. What becomes of a visit
stands in ``endings``; its names are passed on here, where pages and other services look for them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from clinic.models import User
from clinic.services.freetime import Calendar
from courses.models import Course, CourseStatus, PhaseKind, RevisionKind
from courses.planning.moves import drop_zones, nearest, only_this, shift_rest
from courses.planning.proposals import answer
from courses.planning.question import Demand
from courses.planning.solver import Solution, solve
from courses.planning.types import Instance, Placed, Zone
from courses.services.endings import (
    cancel_by_patient,
    cancel_infusion,
    record_given,
    record_given_late,
    record_no_show,
    undo_visit,
    withhold_infusion,
)
from courses.services.planning_input import Team, build_instance, team_at
from courses.services.series_changes import (
    ChangedMeanwhileError,
    ChangeRefusedError,
    Preview,
    Proposed,
    ReasonNeededError,
    preview,
)
from courses.services.series_commit import commit
from courses.services.series_state import Row, Series, read_series_of

__all__ = [
    "ChangeRefusedError",
    "ChangedMeanwhileError",
    "Mode",
    "MoveDesk",
    "Preview",
    "ReasonNeededError",
    "Target",
    "cancel_by_patient",
    "cancel_infusion",
    "move_by_patient",
    "move_infusion",
    "open_move",
    "preview_move",
    "preview_reslot",
    "record_given",
    "record_given_late",
    "record_no_show",
    "undo_visit",
    "withhold_infusion",
]

BEYOND_DAYS = 28  # the calendar is read so far beyond a wished day


class Mode(StrEnum):
    """What a move does to the infusions after it."""

    ONLY = "only"
    SHIFT = "shift"


@dataclass(frozen=True, slots=True)
class Target:
    """Where somebody would like an infusion to be; without a start the nearest free one to the old time is taken."""

    day: date
    start_min: int | None = None
    chair_id: int | None = None
    nurse_id: int | None = None
    clinician_id: int | None = None


@dataclass(frozen=True, slots=True)
class MoveDesk:
    """One reading of the calendar for one question: where could this infusion go, and what would that do?"""

    series: Series
    row: Row
    mode: Mode
    instance: Instance
    team: Team

    @property
    def names(self) -> dict[int, str]:
        """Resource id -> name."""
        return self.team.names()

    @property
    def asked(self) -> frozenset[int]:
        """The numbers that have a time afterwards: of a maintenance only this one and what is booked, else all.

        Infusions of a maintenance wait for their windows, which move along by themselves; nobody asked to book them.
        """
        if _waits_for_windows(self.series):
            return frozenset({self.row.number, *(row.number for row in self.series.booked), *self.series.given})
        return frozenset(row.number for row in self.series.rows)

    def zones(self) -> tuple[Zone, ...]:
        """Every day with its free starts, and what the judge says of it."""
        shifts = self.mode is Mode.SHIFT
        return drop_zones(self.instance, self.series.plan, self.row.number, shift_rest=shifts)

    def preview(self, target: Target) -> Preview:
        """What moving it there does to the series."""
        instance, number = _without_hours(self.instance), self.row.number
        moved = _land(instance, self.series, self.row, target)
        if self.mode is Mode.ONLY:
            replan = only_this(instance, self.series.plan, moved)
        else:
            replan = shift_rest(self.instance, self.series.plan, moved)
        missing = tuple(one for one in replan.missing if one in self.asked)
        proposed = Proposed(
            kind=_kind(self.row, self.mode),
            series=self.series,
            settings=self.series.settings,
            placed=self._asked_for(replan.placed),
            number=number,
            by_hand=True,
            missing=missing,
            explanation=replan.explanation if missing else "",
        )
        return preview(proposed, self.instance)

    def _asked_for(self, placed: tuple[Placed, ...]) -> tuple[Placed, ...]:
        return tuple(one for one in placed if one.number in self.asked)

    def suggestion(self) -> Preview:
        """The new time that R5 gives a missed, cancelled or withheld infusion; the rest follows by R2-R4."""
        if self.mode is Mode.ONLY:
            return self._alone()
        found = answer(self._after_the_miss)
        if not found.proposals:
            numbers = tuple(sorted(self.asked - self.instance.fixed.keys()))
            return self._proposal(tuple(self.instance.fixed.values()), numbers, found.explanation)
        # A whole series that a clinician may allow helps more than a legal one with a hole in it (R5: out of window).
        best = max(found.proposals, key=lambda proposal: len(proposal.placed))
        placed = self._asked_for(best.placed)
        missing = tuple(sorted(self.asked - {one.number for one in placed}))
        return self._proposal(placed, missing, found.explanation)

    @property
    def _after_the_miss(self) -> Instance:
        """The question of R5: no new time on the day that came to nothing, nor before it."""
        days = [day for row in self.series.waiting if (day := self.series.missed_on(row.number)) is not None]
        if not days:
            return self.instance
        return replace(self.instance, not_before=max(self.instance.not_before, min(days) + timedelta(days=1)))

    def _alone(self) -> Preview:
        """Only this infusion gets a time; the others stay, and those that wait go on waiting."""
        found: Solution | None = None
        for demand in (None, Demand(allow_longer=True), Demand(allow_missing=True)):
            found = solve(self._after_the_miss, demand)
            if found is not None:
                break
        keep = {one.number for one in self.series.plan} | {self.row.number}
        placed = tuple(one for one in (found.placed if found else self.series.plan) if one.number in keep)
        is_there = any(one.number == self.row.number for one in placed)
        if is_there:
            return self._proposal(placed, (), "")
        number = self.row.number
        text = f"There is no legal free time for infusion {number} between its neighbours. Shift the rest instead."
        return self._proposal(placed, (number,), text)

    def _proposal(self, placed: tuple[Placed, ...], missing: tuple[int, ...], text: str) -> Preview:
        proposed = Proposed(
            kind=_kind(self.row, self.mode),
            series=self.series,
            settings=self.series.settings,
            placed=placed,
            number=self.row.number,
            missing=missing,
            explanation=text if missing else "",
        )
        return preview(proposed, self.instance)


def open_move(infusion_id: int, *, mode: Mode | None, now: datetime, towards: date | None = None) -> MoveDesk:
    """The calendar is read for moving (or giving a new time to) one infusion.

    Args:
        infusion_id: the infusion.
        mode: whether the later ones follow; when absent, a new time for a missed one takes the rest along (R5) and a
            booked one moves alone.
        now: nothing may start before it.
        towards: the wished day, so that the calendar reaches there.

    Raises:
        Phase.DoesNotExist: there is no such infusion.
        ChangeRefusedError: it was given already, is no longer planned, or its course does not change any more.
    """
    series = read_series_of(infusion_id)
    _check_course(series)
    row = _movable(series, infusion_id)
    return _desk(series, row, mode or (Mode.ONLY if row.is_booked else Mode.SHIFT), now, towards)


def _desk(series: Series, row: Row, mode: Mode, now: datetime, towards: date | None) -> MoveDesk:
    later = {one.number for one in series.booked if one.number > row.number}
    gives_up = {row.number} | (later if mode is Mode.SHIFT else set())
    fixed = {one.number: one for one in series.plan if one.number not in gives_up}
    missed = {one.number: day for one in series.waiting if (day := series.missed_on(one.number)) is not None}
    team = team_at(series.location)
    calendar = Calendar(series.location, known=(*team.everything, series.patient.resource))
    today = series.today(now)
    question = replace(series.question, not_before=today)
    if _waits_for_windows(series):  # the question ends with the last infusion that has or gets a time
        until = max([row.number, *(one.number for one in series.plan)])
        question = question.adapted(n=until)
        missed = {number: day for number, day in missed.items() if number <= until}

    def read(horizon_days: int | None = None) -> Instance:
        return build_instance(
            question,
            patient=series.patient,
            now=now,
            location=series.location,
            team=team,
            calendar=calendar,
            away=series.away,
            fixed=fixed,
            missed=missed,
            ignoring=series.booking_ids(gives_up),
            before=series.before,
            horizon_days=horizon_days,
        )

    instance = read()
    if towards is not None and instance.free.days and towards > instance.free.days[-1]:
        instance = read(min(365, (towards - today).days + BEYOND_DAYS))
    return MoveDesk(series, row, mode, instance, team)


def preview_move(infusion_id: int, *, target: Target, mode: Mode, now: datetime) -> Preview:
    """What moving one infusion does to the series; nothing is saved."""
    return open_move(infusion_id, mode=mode, now=now, towards=target.day).preview(target)


def preview_reslot(infusion_id: int, *, mode: Mode = Mode.SHIFT, now: datetime) -> Preview:
    """The new time that R5 gives an infusion without one; nothing is saved."""
    return open_move(infusion_id, mode=mode, now=now).suggestion()


def move_infusion(token: str, *, reason: str = "", by: User, now: datetime) -> Course:
    """Exactly what was previewed is saved; see ``series_commit.commit`` for what it refuses."""
    return commit(token, reason=reason, by=by, now=now)


def move_by_patient(desk: MoveDesk, target: Target, *, reason: str, now: datetime) -> Course:
    """The patient picked the time behind a link: it is previewed and saved at once, alone and inside every rule.

    Args:
        desk: opened with ``Mode.ONLY``.

    Raises:
        ChangedMeanwhileError: the time is not free or not legal (any more).
        ChangeRefusedError: the course does not change any more.
    """
    found = desk.preview(target)
    if not found.is_possible or found.breaches:
        raise ChangedMeanwhileError("This time is not free any more.")
    return commit(found.token, reason=reason, by=None, now=now)


def _waits_for_windows(series: Series) -> bool:
    return series.phase.kind == PhaseKind.MAINTENANCE


def _movable(series: Series, infusion_id: int) -> Row:
    row = next((one for one in series.rows if one.infusion.pk == infusion_id), None)
    if row is None:
        raise ChangeRefusedError("This infusion is no longer planned. Load the course again.")
    if row.is_given:
        raise ChangeRefusedError(f"Infusion {row.number} was given already, so it does not move any more.")
    return row


def _check_course(series: Series) -> None:
    status = series.course.status
    if status == CourseStatus.INTERRUPTED:
        raise ChangeRefusedError("This course is interrupted: first the prescriber continues, restarts or closes it.")
    if status not in (CourseStatus.PLANNED, CourseStatus.ACTIVE):
        raise ChangeRefusedError("This course is closed, so its infusions do not move any more.")


def _kind(row: Row, mode: Mode) -> RevisionKind:
    if not row.is_booked:
        return RevisionKind.RESLOTTED
    return RevisionKind.MOVED if mode is Mode.ONLY else RevisionKind.SHIFTED


def _without_hours(instance: Instance) -> Instance:
    """The person at the telephone may choose any time of the day."""
    return replace(instance, wishes=replace(instance.wishes, earliest_min=None, latest_min=None))


def _land(instance: Instance, series: Series, row: Row, target: Target) -> Placed:
    """The wished place, filled up with the nearest free start and with the people of the old time where they can."""
    old = row.placed
    minute = target.start_min if target.start_min is not None else (old.start_min if old is not None else None)
    found = nearest(instance, row.number, target.day, minute, [old] if old is not None else series.plan)
    wished = Placed(row.number, target.day, target.start_min, target.chair_id, target.nurse_id, target.clinician_id)
    if found is None or (target.start_min is not None and found.start_min != target.start_min):
        return wished  # not free: the judge says so
    return replace(
        found,
        chair_id=target.chair_id or found.chair_id,
        nurse_id=target.nurse_id or found.nurse_id,
        clinician_id=target.clinician_id or found.clinician_id,
    )
