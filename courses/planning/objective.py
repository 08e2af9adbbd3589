"""What makes one legal plan better than another: the exact definition, free of any solver.

Lexicographic, smaller is better. The planner optimises exactly this tuple; property tests compare it with brute force.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import NamedTuple

from courses.planning.dates import gap_days
from courses.planning.rules import gap_limits
from courses.planning.types import FreeStarts, Instance, Placed

LEFTOVER_STEPS = 100  # the load is compared in hundredths


class Score(NamedTuple):
    """A plan's cost, most important first.

    missing: infusions without a legal free start (only where a partial answer is allowed).
    breach_days: days by which gaps exceed their maximum (only where an override is considered).
    date_distance: sum of |day - reference day| over the infusions that are planned here, in days.
    time_spread: sum of |start - anchor| in minutes; the anchor is the wished time, else the best common start.
    switches: visits not with the main clinician, plus not in the main chair, plus not with the main nurse.
    last_day: ordinal of the last infusion's date.
    leftovers: hundredths of unused chairs around the chosen starts; busy times first keeps quiet hours in one piece.
    """

    missing: int
    breach_days: int
    date_distance: int
    time_spread: int
    switches: int
    last_day: int
    leftovers: int


def score_of(
    instance: Instance,
    placed: Sequence[Placed],
    reference: Mapping[int, date],
    missing: Mapping[int, date] | None = None,
) -> Score:
    """The cost of a plan by definition.

    Args:
        instance: the question.
        placed: fixed and planned infusions with their starts and people.
        reference: number -> reference date.
        missing: number -> the day on which an infusion without a free start should have been.
    """
    holes = dict(missing or {})
    planned = [one for one in placed if one.number not in instance.fixed]
    days = {one.number: one.day for one in placed} | holes
    wishes, free = instance.wishes, instance.free
    moved = [abs(gap_days(reference[number], days[number])) for number in days if number not in instance.fixed]
    switches = (
        _switches([one.clinician_id for one in placed], wishes.clinician_id, free.clinician_ids)
        + _switches([one.chair_id for one in placed], wishes.chair_id, free.chair_ids)
        + _switches([one.nurse_id for one in placed], wishes.nurse_id, free.nurse_ids)
    )
    return Score(
        missing=len(holes),
        breach_days=_breach_days(instance, days),
        date_distance=sum(moved),
        time_spread=_time_spread([one.start_min for one in placed if one.start_min is not None], wishes.preferred_min),
        switches=switches,
        last_day=days[instance.rule.count].toordinal() if instance.rule.count in days else 0,
        leftovers=sum(_leftover(free, one) for one in planned),
    )


def _breach_days(instance: Instance, days: Mapping[int, date]) -> int:
    numbers = sorted(days)
    pairs = [(a, b, days[a]) for a, b in pairwise(numbers)]
    if instance.before is not None and instance.rule.entry is not None and numbers:
        pairs.append((0, numbers[0], instance.before))
    total = 0
    for earlier, later, from_day in pairs:
        if later in instance.fixed and (earlier in instance.fixed or earlier == 0):
            continue
        _, largest = gap_limits(earlier, later, instance.rule)
        actual = gap_days(from_day, days[later])
        total += max(actual - largest, 0)
    return total


def _time_spread(starts: Sequence[int], preferred_min: int | None) -> int:
    if not starts:
        return 0
    anchors = [preferred_min] if preferred_min is not None else starts
    return min(sum(abs(start - anchor) for start in starts) for anchor in anchors)


def _switches(used: Iterable[int | None], wished: int | None, known: Sequence[int]) -> int:
    """Visits that are not with the main one; a wish counts only for somebody who is in the calendar at all."""
    named = [one for one in used if one is not None]
    if not named or not known:
        return 0
    if wished is not None and wished in known:
        return sum(one != wished for one in named)
    usual = Counter(one for one in named if one in known)
    return len(named) - max(usual.values(), default=0)


def _leftover(free: FreeStarts, one: Placed) -> int:
    if one.start_min is None or one.day not in free.days:
        return 0
    return leftover_of(float(free.load[free.days.index(one.day), free.minutes.index(one.start_min)]))


def leftover_of(load: float) -> int:
    """Hundredths of the chairs that stay unused around a start."""
    return round(LEFTOVER_STEPS * (1 - min(max(load, 0.0), 1.0)))
