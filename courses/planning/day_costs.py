"""Stage one's numbers: what each day costs each infusion, and what each step from day to day costs.

The day axis is contiguous calendar days; index 0 is the last infusion before the open ones, or the first possible day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from courses.planning.question import Demand
from courses.planning.types import BoolArray, GapRule, Instance

IntArray = npt.NDArray[np.int64]
INF = np.int64(1 << 56)  # sums of a few stay far from overflow
BREACH_DAY = 1_000_000  # one day outside the limits outweighs any sum of distances
MISSING_ONE = BREACH_DAY * 10_000  # one missing infusion outweighs any breach


@lru_cache(maxsize=8)
def _distances(size: int) -> IntArray:
    axis = np.arange(size, dtype=np.int64)
    return axis[None, :] - axis[:, None]


@lru_cache(maxsize=32)  # one answer asks the same few gaps of the same axis again and again
def _step_costs(gap: GapRule | None, size: int, *, allow_longer: bool) -> IntArray:
    """``[from, to]``: 0 for a legal gap, else impossible, or a price per day beyond the maximum. Never written to."""
    distance = _distances(size)
    if gap is None:
        return np.zeros((size, size), dtype=np.int64)
    excess = np.maximum(distance - gap.max_days, 0)
    price = excess * BREACH_DAY if allow_longer else np.where(excess > 0, INF, 0)
    return np.where(distance < gap.min_days, INF, price)


def axis_of(instance: Instance, demand: Demand, numbers: Sequence[int], previous: date | None) -> tuple[int, int]:
    anyway = [instance.not_before, *([previous] if previous else []), *_open_fixed(instance, numbers)]
    first = min(anyway)
    last = max([*instance.free.days, *anyway])
    size = (last - first).days + 1
    if demand.allow_missing:  # an infusion without a start may also lie beyond the calendar
        size += sum(gap.max_days for gap in map(instance.rule.into, numbers) if gap is not None)
    return first.toordinal(), size


def _open_fixed(instance: Instance, numbers: Sequence[int]) -> list[date]:
    return [instance.fixed[number].day for number in numbers if number in instance.fixed]


@dataclass(frozen=True, slots=True)
class DayCosts:
    """Costs of days and steps for the dynamic program over dates."""

    instance: Instance
    demand: Demand
    reference: Mapping[int, date]
    origin: int
    size: int
    has_start: BoolArray  # [axis]

    def costs(self, numbers: Sequence[int], previous: date | None) -> list[IntArray]:
        """Per open number, per day: distance to its reference date, or impossible."""
        found = [self._of(number) for number in numbers]
        if found and previous is not None and numbers[0] not in self.instance.fixed:
            gap = self.instance.rule.into(numbers[0])
            step = _step_costs(gap, self.size, allow_longer=self.demand.allow_longer)
            found[0] = np.minimum(INF, found[0] + step[previous.toordinal() - self.origin])
        return found

    def _of(self, number: int) -> IntArray:
        fixed = self.instance.fixed.get(number)
        axis = np.arange(self.size, dtype=np.int64)
        if fixed is not None:
            return np.where(axis == fixed.day.toordinal() - self.origin, 0, INF)
        distance = np.abs(axis - (self.reference[number].toordinal() - self.origin))
        allowed = self._in_demand(number, axis)
        cost = np.where(self.has_start & allowed, distance, INF)
        if self.demand.allow_missing:
            can_miss = axis >= self.instance.not_before.toordinal() - self.origin
            cost = np.where((cost >= INF) & can_miss, distance + MISSING_ONE, cost)
        return cost

    def _in_demand(self, number: int, axis: IntArray) -> BoolArray:
        allowed = np.ones(self.size, dtype=bool)
        first_open = min(n for n in range(1, self.instance.rule.count + 1) if n not in self.instance.fixed)
        if self.demand.first_day is not None and number == first_open:
            allowed &= axis == self.demand.first_day.toordinal() - self.origin
        if self.demand.last_day is not None and number == self.instance.rule.count:
            allowed &= axis <= self.demand.last_day.toordinal() - self.origin
        return allowed

    def steps(self, numbers: Sequence[int]) -> list[IntArray]:
        """Per open number, what the step from the number before costs; between two fixed ones nothing."""
        made: dict[GapRule | None, IntArray] = {}
        found = []
        for number in numbers:
            both_fixed = number in self.instance.fixed and number - 1 in self.instance.fixed
            gap = None if both_fixed else self.instance.rule.into(number)
            if gap not in made:
                made[gap] = _step_costs(gap, self.size, allow_longer=self.demand.allow_longer)
            found.append(made[gap])
        return found
