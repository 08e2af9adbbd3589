"""Moving one infusion of a series: only this one, or the rest with it; and where it may be dropped.

``free`` must show the course's own infusions that may move as free: they give up their places in the same transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from courses.planning.day_costs import INF
from courses.planning.problem import Problem
from courses.planning.proposals import verdict_of
from courses.planning.question import Demand, allowed_starts, open_on, reference_for
from courses.planning.rules import judge
from courses.planning.solver import costs_after, solve
from courses.planning.types import Change, Finding, Instance, Placed, Replan, Severity, Zone
from courses.planning.words import ordinal, say_day, say_list

ORDER = {Severity.BLOCK: 3, Severity.BREACH: 2, Severity.NOTE: 1}


def only_this(instance: Instance, plan: Sequence[Placed], moved: Placed) -> Replan:
    """One infusion is elsewhere, every other stays where it is, and the judge has spoken.

    Args:
        instance: rule, calendar and wishes; ``fixed`` holds at least what was given.
        plan: the whole series as it stands.
        moved: the infusion where it should go; without a start it takes the nearest free one to its old time.
    """
    landed = _land(instance, plan, moved)
    placed = _sorted([landed, *(one for one in plan if one.number != moved.number)])
    verdict = verdict_of(instance, placed, done=frozenset(one.number for one in plan) - {moved.number})
    return Replan("only_this", "Only this one", placed, verdict, changes_between(plan, placed))


def shift_rest(instance: Instance, plan: Sequence[Placed], moved: Placed) -> Replan:
    """One infusion is elsewhere and all later ones that are not given follow by R2-R4 from the new date.

    Infusions that find no legal free time are in ``missing``; the plan then has as few of them as possible.
    """
    landed = _land(instance, plan, moved)
    stays = [one for one in plan if one.number < moved.number or one.number in instance.fixed]
    fixed = {one.number: one for one in stays} | {moved.number: landed}
    asked = replace(instance, fixed=fixed)
    dates = {one.number: one.day for one in reference_for(asked)}
    found = solve(asked, None, dates) or solve(asked, Demand(allow_missing=True), dates)
    placed = found.placed if found is not None else _sorted(fixed.values())
    missing = tuple(number for number in range(1, instance.rule.count + 1) if number not in {p.number for p in placed})
    verdict = verdict_of(asked, placed, done=frozenset(fixed) - {moved.number})
    text = f"The {say_list([ordinal(number) for number in missing])} would have no legal free time." if missing else ""
    return Replan(
        "shift_rest", "Shift the rest", placed, verdict, changes_between(plan, placed), missing, explanation=text
    )


def changes_between(before: Iterable[Placed], after: Iterable[Placed]) -> tuple[Change, ...]:
    """Each infusion that is not exactly where and with whom it was, by number."""
    was, now = {one.number: one for one in before}, {one.number: one for one in after}
    numbers = sorted(was.keys() | now.keys())
    return tuple(Change(n, was.get(n), now.get(n)) for n in numbers if was.get(n) != now.get(n))


def nearest(
    instance: Instance, number: int, day: date, minute: int | None = None, like: Sequence[Placed] = ()
) -> Placed | None:
    """The free start of a day nearest to a minute, with the wished or the usual people where they are free.

    Args:
        instance: calendar and wishes.
        number: the infusion.
        day: the local date.
        minute: minute of the day to be near; the wished or the usual time when absent.
        like: the series whose usual time, chair and people are preferred.
    """
    free, wishes = instance.free, instance.wishes
    if day not in free.days:
        return None
    d = free.days.index(day)
    times = np.flatnonzero(allowed_starts(instance)[d])
    if len(times) == 0:
        return None
    wanted = next(
        (one for one in (minute, wishes.preferred_min, _usual([p.start_min for p in like])) if one is not None), 0
    )
    t = min((int(one) for one in times), key=lambda one: (abs(free.minutes[one] - wanted), one))

    def pick(ids: tuple[int, ...], row: Iterable[bool], *preferred: int | None) -> int | None:
        able = [one for one, ok in zip(ids, row, strict=True) if ok]
        return next((one for one in preferred if one in able), able[0] if able else None)

    return Placed(
        number=number,
        day=day,
        start_min=free.minutes[t],
        chair_id=pick(free.chair_ids, free.chairs[d, t], wishes.chair_id, _usual([p.chair_id for p in like])),
        nurse_id=pick(free.nurse_ids, free.nurses[d, t], wishes.nurse_id, _usual([p.nurse_id for p in like])),
        clinician_id=pick(
            free.clinician_ids, free.clinicians[d, t], wishes.clinician_id, _usual([p.clinician_id for p in like])
        ),
    )


def drop_zones(
    instance: Instance, plan: Sequence[Placed], number: int, *, shift_rest: bool = False
) -> tuple[Zone, ...]:
    """Every day of the calendar from the first possible one, with its free starts and what the judge says of it.

    Args:
        instance: rule, calendar and wishes; ``fixed`` holds at least what was given.
        plan: the whole series as it stands.
        number: the infusion that is dragged.
        shift_rest: the later ones follow it; else every other one stays.
    """
    stays = [one for one in plan if one.number != number and not (shift_rest and _follows(one, number, instance))]
    starts = allowed_starts(instance)
    dead_ends = _dead_ends(instance, stays, number) if shift_rest else {}
    zones = []
    for d, day in enumerate(instance.free.days):
        if day < instance.not_before:
            continue
        minutes = tuple(instance.free.minutes[t] for t in np.flatnonzero(starts[d]))
        worst = _worst(_about_day(instance, stays, Placed(number, day)))
        if worst is not None and worst.severity is Severity.BLOCK:
            zones.append(Zone(day, (), Severity.BLOCK, worst.message))
        elif not minutes:
            zones.append(Zone(day, (), Severity.BLOCK, f"{say_day(day)} has no free start for this visit."))
        elif dead_ends.get(day):
            message = f"After {say_day(day)} the rest of the series has no legal free time."
            zones.append(Zone(day, (), Severity.BLOCK, message))
        elif worst is not None:
            zones.append(Zone(day, minutes, worst.severity, worst.message))
        else:
            zones.append(Zone(day, minutes))
    return tuple(zones)


def _land(instance: Instance, plan: Sequence[Placed], moved: Placed) -> Placed:
    """The moved infusion with a start and people; what was named stays named."""
    if moved.start_min is not None and moved.chair_id is not None and moved.nurse_id is not None:
        return moved
    old = next((one for one in plan if one.number == moved.number), None)
    minute = moved.start_min if moved.start_min is not None else (old.start_min if old else None)
    like = [old] if old is not None else list(plan)
    found = nearest(instance, moved.number, moved.day, minute, like)
    if found is None or (moved.start_min is not None and found.start_min != moved.start_min):
        return moved  # not free: the judge will say so
    named = {
        field: getattr(moved, field)
        for field in ("chair_id", "nurse_id", "clinician_id")
        if getattr(moved, field) is not None
    }
    return replace(found, **named)


def _follows(one: Placed, number: int, instance: Instance) -> bool:
    return one.number > number and one.number not in instance.fixed


def _about_day(instance: Instance, stays: Sequence[Placed], moved: Placed) -> tuple[Finding, ...]:
    """What the judge says of a day for the moved infusion: about itself and about the gaps on both sides."""
    verdict = judge(
        [*stays, moved],
        instance.rule,
        today=instance.not_before,
        is_open=open_on(instance),
        wishes=instance.wishes,
        before=instance.before,
        done=frozenset(one.number for one in stays),
    )
    around = {moved.number, min((one.number for one in stays if one.number > moved.number), default=0)} - {0}
    return tuple(finding for finding in verdict.findings if finding.number in around)


def _worst(findings: Sequence[Finding]) -> Finding | None:
    return max(findings, key=lambda finding: ORDER[finding.severity], default=None)


def _dead_ends(instance: Instance, stays: Sequence[Placed], number: int) -> Mapping[date, bool]:
    """Day -> true when the later infusions could not all follow legally after the moved one on that day."""
    asked = replace(instance, fixed={one.number: one for one in stays})
    dates = {one.number: one.day for one in reference_for(asked)}
    problem = Problem.build(asked, Demand(), dates)
    if number not in problem.numbers:
        return {}
    behind = costs_after(problem)[problem.numbers.index(number)]
    return {problem.day_at(node): bool(behind[node] >= INF) for node in range(problem.size)}


def _usual(values: Iterable[int | None]) -> int | None:
    known = Counter(value for value in values if value is not None)
    return known.most_common(1)[0][0] if known else None


def _sorted(placed: Iterable[Placed]) -> tuple[Placed, ...]:
    return tuple(sorted(placed, key=lambda one: one.number))
