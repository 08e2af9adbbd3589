"""How long something lasts, with whom it is still unknown: Kaplan and Meier's estimate, its band, its numbers at risk.

Source: clinical.md F1 (survival estimate, median = first t with S(t) ≤ 0.5). The band is 95 %, by log(−log S), which
stays between 0 and 100 %.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from scipy.stats import CensoredData, ecdf

from courses.pure.reports.rates import HUNDRED, percent_of

HALF = Decimal(50)


@dataclass(frozen=True, slots=True)
class Step:
    """From this day on so many percent still hold; ``at_risk`` were still followed just before it."""

    day: int
    estimate: Decimal
    low: Decimal | None  # None: nothing can be said of the band there
    high: Decimal | None
    at_risk: int


@dataclass(frozen=True, slots=True)
class Survival:
    """The whole curve; its first step is day 0."""

    n: int
    events: int
    steps: tuple[Step, ...]

    @property
    def last_day(self) -> int:
        return self.steps[-1].day if self.steps else 0

    @property
    def median(self) -> int | None:
        """The first day on which no more than half still hold; None: it is not reached."""
        return _first_day(self.steps, lambda step: step.estimate)

    @property
    def median_low(self) -> int | None:
        return _first_day(self.steps, lambda step: step.low)

    @property
    def median_high(self) -> int | None:
        return _first_day(self.steps, lambda step: step.high)

    def on(self, day: int) -> Step | None:
        """What holds on a day; None after the last day on which somebody was followed, unless nobody is left."""
        found = [step for step in self.steps if step.day <= day]
        if not found or (day > self.last_day and found[-1].estimate > 0):
            return None
        return found[-1]

    def at_risk(self, day: int) -> int:
        """How many are followed at least until the day."""
        return next((step.at_risk for step in self.steps if step.day >= day), 0)


def survival_of(times: Iterable[tuple[int, bool]]) -> Survival:
    """The curve of (days, whether it ended then); False: followed until then and still holding.

    An end and a censoring on one day: the end comes first, so who is censored that day was at risk.
    """
    rows = list(times)
    if not rows:
        return Survival(0, 0, ())
    ended = [days for days, is_event in rows if is_event]
    followed = [days for days, is_event in rows if not is_event]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # log(0) where all or none hold; the band is None there
        found = ecdf(CensoredData(uncensored=ended, right=followed)).sf
        band = found.confidence_interval(confidence_level=0.95, method="log-log")
    at_risk = _at_risk([days for days, _ in rows])
    steps = [
        _step(int(day), float(estimate), float(low), float(high), at_risk[int(day)])
        for day, estimate, low, high in zip(
            found.quantiles, found.probabilities, band.low.probabilities, band.high.probabilities, strict=True
        )
    ]
    if steps[0].day > 0:
        steps.insert(0, Step(0, HUNDRED, HUNDRED, HUNDRED, len(rows)))
    return Survival(len(rows), len(ended), tuple(steps))


def _at_risk(days: list[int]) -> dict[int, int]:
    ordered = sorted(days)
    found: dict[int, int] = {}
    for index, day in enumerate(ordered):
        found.setdefault(day, len(ordered) - index)
    return found


def _step(day: int, estimate: float, low: float, high: float, at_risk: int) -> Step:
    if estimate == 1:  # nobody lost it yet
        return Step(day, HUNDRED, HUNDRED, HUNDRED, at_risk)
    return Step(day, percent_of(estimate), _bound(low), _bound(high), at_risk)


def _bound(value: float) -> Decimal | None:
    return None if math.isnan(value) else percent_of(value)


def _first_day(steps: Iterable[Step], read: Callable[[Step], Decimal | None]) -> int | None:
    return next((step.day for step in steps if (value := read(step)) is not None and value <= HALF), None)
