"""Demands for genuinely different plans: one time of day, one clinician or nurse, first to finish, first to start.

Each is found with the dates alone, for all minutes or people at once; the exact planner then fills in the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from courses.planning.day_costs import INF, IntArray
from courses.planning.problem import Problem
from courses.planning.question import Demand
from courses.planning.solver import Solution, costs_after, costs_up_to
from courses.planning.types import BoolArray, Placed
from courses.planning.words import say_minute

NOON_MIN = 12 * 60


@dataclass(frozen=True, slots=True)
class Alternative:
    """A demand with the name that a proposal gets from it."""

    key: str
    label: str
    demand: Demand


def alternatives(problem: Problem, best: Solution) -> Iterator[Alternative]:
    """What is worth proposing beside the best plan, most wanted first."""
    planned = [one for one in best.placed if one.number not in problem.instance.fixed]
    if len(planned) > 1:
        yield from _same_time(problem, planned)
        yield from _same_people(problem, planned)
    yield from _finishes_first(problem, best.placed[-1])
    yield from _starts_earliest(problem, planned)


def other_half_of_day(problem: Problem, best: Solution) -> Iterator[Alternative]:
    """Afternoons instead of mornings or the reverse, for a patient who named no time at all."""
    starts = sorted(
        one.start_min for one in best.placed if one.number not in problem.instance.fixed and one.start_min is not None
    )
    wishes = problem.instance.wishes
    named = (wishes.preferred_min, wishes.earliest_min, wishes.latest_min)
    if not starts or any(minute is not None for minute in named):
        return
    if starts[len(starts) // 2] < NOON_MIN:
        yield Alternative("other_half", "Afternoons instead", Demand(from_min=NOON_MIN))
    else:
        yield Alternative("other_half", "Mornings instead", Demand(before_min=NOON_MIN))


def _same_time(problem: Problem, planned: Sequence[Placed]) -> Iterator[Alternative]:
    used = sorted(one.start_min for one in planned if one.start_min is not None)
    if not used or used[0] == used[-1]:
        return
    wished = problem.instance.wishes.preferred_min
    near = used[len(used) // 2] if wished is None else wished
    costs = _cheapest_dates(problem, problem.starts.T)
    best = min(range(len(costs)), key=lambda t: (costs[t], abs(int(problem.minutes[t]) - near), t))
    if costs[best] < INF:
        minute = int(problem.minutes[best])
        yield Alternative("same_time", f"Always {say_minute(minute)}", Demand(minute=minute))


def _same_people(problem: Problem, planned: Sequence[Placed]) -> Iterator[Alternative]:
    free = problem.instance.free
    inside = problem.calendar >= 0
    rest = "from here on" if problem.instance.fixed else "throughout"
    for role, ids, who in (("clinician", free.clinician_ids, free.clinicians), ("nurse", free.nurse_ids, free.nurses)):
        used = [one.clinician_id if role == "clinician" else one.nurse_id for one in planned]
        if len(set(used)) == 1:
            continue
        able = np.zeros((len(ids), problem.size), dtype=bool)
        with_start = problem.starts[inside][:, :, None] & who[problem.calendar[inside]]
        able[:, inside] = np.logical_or.reduce(with_start, axis=1).T
        costs = _cheapest_dates(problem, able)
        best = min(range(len(ids)), key=lambda i: (costs[i], -used.count(ids[i]), i))
        if costs[best] < INF:
            demand = Demand(clinician_id=ids[best]) if role == "clinician" else Demand(nurse_id=ids[best])
            yield Alternative(f"same_{role}", f"Same {role} {rest}", demand)


def _cheapest_dates(problem: Problem, able: BoolArray) -> IntArray:
    """[option]: the smallest sum of distances when every planned visit is on a day where the option is possible."""
    total = np.zeros((len(able), problem.size), dtype=np.int64)
    for k, number in enumerate(problem.numbers):
        cost = problem.day_costs[k][None, :]
        if number not in problem.instance.fixed:
            cost = np.where(able, cost, INF)
        total = np.minimum(INF, cost + (_carried(problem, total, k) if k else 0))
    cheapest: IntArray = np.asarray(total.min(axis=1), dtype=np.int64)
    return cheapest


def _carried(problem: Problem, total: IntArray, k: int) -> IntArray:
    """[option, day]: the cheapest legal day before, looked up gap by gap instead of day by day."""
    number, fixed = problem.numbers[k], problem.instance.fixed
    gap = problem.instance.rule.into(number)
    if gap is None or (number in fixed and number - 1 in fixed):
        return np.repeat(total.min(axis=1)[:, None], problem.size, axis=1)
    best = np.full_like(total, INF)
    for days in range(gap.min_days, min(gap.max_days, problem.size - 1) + 1):
        best[:, days:] = np.minimum(best[:, days:], total[:, : problem.size - days])
    return best


def _finishes_first(problem: Problem, last: Placed) -> Iterator[Alternative]:
    reachable = np.flatnonzero(costs_up_to(problem)[-1] < INF)
    if len(reachable) and problem.day_at(int(reachable[0])) < last.day:
        day = problem.day_at(int(reachable[0]))
        yield Alternative("finishes_first", "Finishes first", Demand(last_day=day))


def _starts_earliest(problem: Problem, planned: Sequence[Placed]) -> Iterator[Alternative]:
    first = planned[0]
    k = problem.numbers.index(first.number)
    possible = (costs_up_to(problem)[k] < INF) & (costs_after(problem)[k] < INF)
    earliest = np.flatnonzero(possible)
    if len(earliest) and problem.day_at(int(earliest[0])) < first.day:
        label = "Starts earliest" if first.number == 1 else "Goes on soonest"
        yield Alternative("starts_earliest", label, Demand(first_day=problem.day_at(int(earliest[0]))))
