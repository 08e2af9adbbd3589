"""Infusions of a maintenance plan: booked one or several ahead, and set on another gap, through the judge.

Everything is previewed (``series_changes``) and committed as it was seen (``series_commit``), whole or not at all.
Source: clinical.md A 9, 24, 26, 33; P9 (one step back on relapse); H0 R1-R6.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from clinic.models import User
from clinic.models.bookings import UPCOMING_STATUSES
from clinic.services.recorded import recorded
from courses.models import Course, CourseStatus, Phase, RevisionKind
from courses.planning.proposals import answer
from courses.planning.protocols import Step
from courses.planning.settings import PlanSettings
from courses.planning.types import Answer, GapRule, Instance, Placed
from courses.planning.words import say_numbers
from courses.pure.maintenance import StepsRefusedError, stepped_back, with_gap
from courses.services.maintenance import Maintenance, plan_in_force
from courses.services.maintenance_plan import owe
from courses.services.planning_input import Team, build_instance
from courses.services.series_changes import (
    ChangedMeanwhileError,
    ChangeRefusedError,
    Preview,
    Proposed,
    preview,
    read_token,
)
from courses.services.series_commit import commit
from courses.services.series_state import Series
from courses.services.worklists.engine import sweep_after

MOST_AHEAD = 4
KINDS = (RevisionKind.BOOKED, RevisionKind.INTERVAL, RevisionKind.STEPPED_BACK)


@dataclass(frozen=True, slots=True)
class Offer:
    """One legal way to book what is next."""

    label: str  # "Best fit", "Same nurse at every visit"
    costs: tuple[str, ...]
    preview: Preview
    placed: tuple[Placed, ...]  # the infusions that would be booked


@dataclass(frozen=True, slots=True)
class Offers:
    """What the calendar answers to "book the next ones"."""

    numbers: tuple[int, ...]
    found: tuple[Offer, ...]
    explanation: str = ""


# -- booking ahead -----------------------------------------------------------------------------------------------------


def offers(found: Maintenance, *, count: int, now: datetime, team: Team) -> Offers:
    """Legal times for the next infusions of the plan that wait for one, as whole proposals.

    Args:
        count: how many, 1 to ``MOST_AHEAD``; fewer where fewer wait.

    Raises:
        ChangeRefusedError: nothing waits, or the course does not change now.
    """
    series = _changeable(found)
    numbers = tuple(row.number for row in found.waiting[: max(1, min(count, MOST_AHEAD))])
    if not numbers:
        raise ChangeRefusedError("Every infusion of this plan is given or booked: there is nothing to book ahead.")
    instance, reply = _ask(series, series.settings, numbers, now=now, team=team, not_before=_rested(found, now))
    made = []
    for proposal in reply.proposals:
        placed = _only(proposal.placed, series, numbers)
        fresh = tuple(one for one in placed if one.number in numbers)
        if len(fresh) < len(numbers):
            continue  # booked whole, or not at all
        proposed = Proposed(RevisionKind.BOOKED, series, series.settings, placed, number=numbers[0])
        made.append(Offer(proposal.label, proposal.costs, preview(proposed, instance), fresh))
    text = "" if made else reply.explanation or f"There is no free time for {say_numbers(numbers)}."
    return Offers(numbers, tuple(made), text)


def _rested(found: Maintenance, now: datetime) -> date:
    """The first day for the next infusion: today, or the smallest gap after a booster that was given in between."""
    series, today = found.series, found.course.location.local(now).date()
    number, last = found.next_number, found.last_given
    if series is None or number is None or last is None:
        return today
    gap = series.rule.into(number)
    own = max([one.day for one in series.plan] + ([series.before] if series.before else []), default=last)
    return max(today, last + timedelta(days=gap.min_days)) if gap is not None and last > own else today


# -- another gap -------------------------------------------------------------------------------------------------------


def preview_interval(
    found: Maintenance,
    gap: GapRule,
    *,
    throughout: bool,
    replan: bool,
    now: datetime,
    team: Team,
) -> Preview:
    """The plan with another gap from the next infusion on; booked ones get new times where that is wanted.

    Raises:
        ChangeRefusedError: nothing is left to change.
    """
    series = _changeable(found)
    number = _next_of(found)
    try:
        steps = with_gap(series.settings.steps, series.settings.n, number, gap, throughout=throughout)
    except StepsRefusedError as refusal:
        raise ChangeRefusedError(str(refusal)) from refusal
    return _changed(found, series, RevisionKind.INTERVAL, steps, replan=replan, now=now, team=team)


def preview_step_back(found: Maintenance, *, replan: bool, now: datetime, team: Team) -> Preview:
    """The step before the present one once more, from the next infusion on (P9).

    Raises:
        ChangeRefusedError: there is no step to go back to, or nothing is left to change.
    """
    series = _changeable(found)
    steps = back_steps(found)
    return _changed(found, series, RevisionKind.STEPPED_BACK, steps, replan=replan, now=now, team=team)


def back_steps(found: Maintenance) -> tuple[Step, ...]:
    """The steps of the plan after a step back.

    Raises:
        ChangeRefusedError: there is no step to go back to, or nothing is left to change.
    """
    series = _changeable(found)
    try:
        return stepped_back(series.settings.steps, series.settings.n, _next_of(found))
    except StepsRefusedError as refusal:
        raise ChangeRefusedError(str(refusal)) from refusal


def can_step_back(found: Maintenance) -> bool:
    """There is a step before the present one."""
    try:
        return bool(back_steps(found))
    except ChangeRefusedError:
        return False


def _changed(
    found: Maintenance,
    series: Series,
    kind: RevisionKind,
    steps: Sequence[Step],
    *,
    replan: bool,
    now: datetime,
    team: Team,
) -> Preview:
    settings = replace(series.settings, steps=tuple(steps), n=sum(step.count for step in steps))
    first = _next_of(found)
    coming = tuple(
        row.number
        for row in series.booked
        if row.number >= first and row.booking is not None and row.booking.status in UPCOMING_STATUSES
    )
    if not (replan and coming):
        return preview(Proposed(kind, series, settings, series.plan, number=first), None)
    instance, reply = _ask(series, settings, coming, now=now, team=team, not_before=_rested(found, now))
    best = max(reply.proposals, key=lambda one: len(one.placed), default=None)
    placed = _only(best.placed, series, coming) if best is not None else _only(series.plan, series, ())
    there = {one.number for one in placed}
    missing = tuple(number for number in coming if number not in there)
    text = reply.explanation or f"There is no free time for {say_numbers(missing)}." if missing else ""
    proposed = Proposed(kind, series, settings, placed, number=first, missing=missing, explanation=text)
    return preview(proposed, instance)


# -- saving ------------------------------------------------------------------------------------------------------------


def save_change(course_id: int, token: str, *, reason: str = "", by: User, now: datetime) -> Course:
    """Exactly what was previewed is saved; see ``series_commit.commit`` for what it refuses.

    Raises:
        ChangedMeanwhileError: another plan is in force by now.
    """
    plain = read_token(token)
    plan = plan_in_force(course_id)
    if (
        plan is None
        or plan.phase_id is None
        or plan.phase_id != plain["phase"]
        or RevisionKind(plain["kind"]) not in KINDS
    ):
        raise ChangedMeanwhileError("The plan ended meanwhile, so nothing was changed. Look at the plan in force.")
    with recorded(by=by, now=now):
        course = commit(token, reason=reason, by=by, now=now)
        phase = Phase.objects.get(pk=plan.phase_id)
        if plain["settings"] is not None:
            owe(phase, phase.n_planned)  # a step back plans more infusions than there were
        sweep_after(course.pk, now)
        return course


# -- the question ------------------------------------------------------------------------------------------------------


def _changeable(found: Maintenance) -> Series:
    series = found.series
    if found.plan is None or series is None:
        raise ChangeRefusedError("There is no plan with steps in force. Decide how the course goes on first.")
    if series.course.status == CourseStatus.INTERRUPTED:
        raise ChangeRefusedError("This course is interrupted: first the prescriber continues, restarts or closes it.")
    if series.course.status not in (CourseStatus.PLANNED, CourseStatus.ACTIVE):
        raise ChangeRefusedError("This course is closed, so its infusions do not move any more.")
    if found.problem:
        raise ChangeRefusedError(found.problem)
    return series


def _next_of(found: Maintenance) -> int:
    number = found.next_number
    if number is None:
        raise ChangeRefusedError("Every infusion of this plan was given. Decide how the course goes on.")
    return number


def _only(placed: Sequence[Placed], series: Series, numbers: Collection[int]) -> tuple[Placed, ...]:
    """The places that are asked for, and those of the plan that stay."""
    stays = {one.number: one for one in series.plan if one.number not in numbers}
    asked = {one.number: one for one in placed if one.number in numbers}
    return tuple(one for _number, one in sorted((stays | asked).items()))


def _ask(
    series: Series,
    settings: PlanSettings,
    numbers: Sequence[int],
    *,
    now: datetime,
    team: Team,
    not_before: date,
) -> tuple[Instance, Answer]:
    """The calendar's answer for some infusions; the question ends with the last one that has or gets a day."""
    fixed = {one.number: one for one in series.plan if one.number not in numbers}
    until = max([*numbers, *fixed])
    missed = {row.number: day for row in series.waiting if (day := series.missed_on(row.number)) is not None}
    instance = build_instance(
        replace(settings.adapted(n=until), not_before=not_before),
        patient=series.patient,
        now=now,
        location=series.location,
        team=team,
        away=series.away,
        fixed=fixed,
        missed={number: day for number, day in missed.items() if number <= until},
        ignoring=series.booking_ids(numbers),
        before=series.before,
    )
    return instance, answer(instance)
