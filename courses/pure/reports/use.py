"""How much of the time at hand is used, by hour and weekday on a location's clocks.

Time is laid out minute by minute from the first midnight to the last, so that a night on which clocks change has the
23 or 25 hours that it really had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from clinic.pure.walltime import DAY_MIN, IntArray, MinuteSpan, epoch_minutes

HOURS = 24
CELLS = 7 * HOURS
STEP_MIN = 15  # every zone's clocks change at a multiple of it
Cells = npt.NDArray[np.int64]
"""Minutes for each of the 168 hours of a week, from Monday 00:00 on."""
Work = Mapping[date, Sequence[tuple[MinuteSpan, int]]]
"""By day: from when to when (minutes after midnight), and how much there is of it (chairs, lanes)."""


@dataclass(frozen=True, slots=True)
class Use:
    """Minutes that were there and minutes of them that were booked, by hour of the week."""

    there: Cells
    booked: Cells

    def __add__(self, other: Use) -> Use:
        return Use(self.there + other.there, self.booked + other.booked)

    @property
    def minutes(self) -> tuple[int, int]:
        """Booked and there, in all."""
        return int(self.booked.sum()), int(self.there.sum())

    def share(self, weekday: int, hour: int) -> Decimal | None:
        """Percent of the minutes that were there; None where there were none."""
        there = int(self.there[weekday * HOURS + hour])
        if not there:
            return None
        return Decimal(int(self.booked[weekday * HOURS + hour])) / there * 100

    @property
    def weekdays(self) -> list[int]:
        return [day for day in range(7) if self.there[day * HOURS : (day + 1) * HOURS].any()]

    @property
    def hours(self) -> range:
        """From the first to the last hour of a day at which there is anything."""
        used = np.flatnonzero(self.there.reshape(7, HOURS).any(axis=0))
        return range(int(used[0]), int(used[-1]) + 1) if used.size else range(0)


NOTHING = Use(np.zeros(CELLS, dtype=np.int64), np.zeros(CELLS, dtype=np.int64))


class Minutes:
    """The minutes from ``first`` to ``last``, both included, on the clocks of ``tz``: laid out once for several."""

    def __init__(self, first: date, last: date, tz: tzinfo) -> None:
        self.tz = tz
        self.days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        midnights = epoch_minutes([*self.days, last + timedelta(days=1)], [0], tz)[0][:, 0]
        self.start = int(midnights[0])
        self.size = int(midnights[-1] - midnights[0]) if self.days else 0
        self.cells = _cells(self.days, midnights, tz) if self.days else np.zeros(0, dtype=np.int64)

    def use(self, work: Work, booked: IntArray) -> Use:
        """The use of what was there. What is booked beyond it (outside the hours, or more at once) is left out.

        Args:
            work: what was there.
            booked: rows (start, end, how many), in minutes since the epoch.
        """
        there = _counted(_instants(work, self.days, self.tz), self.start, self.size)
        taken = np.minimum(_counted(booked, self.start, self.size), there)
        return Use(self._by_hour(there), self._by_hour(taken))

    def _by_hour(self, counts: IntArray) -> Cells:
        return np.bincount(self.cells, weights=counts, minlength=CELLS).astype(np.int64)


def use_of(work: Work, booked: IntArray, *, first: date, last: date, tz: tzinfo) -> Use:
    """The use of one thing; see ``Minutes``. Nothing where the last day is before the first."""
    return Minutes(first, last, tz).use(work, booked) if first <= last else NOTHING


def _instants(work: Work, days: Sequence[date], tz: tzinfo) -> IntArray:
    """Rows (start, end, how many) in minutes since the epoch."""
    rows = [(number, lo, hi, n) for number, day in enumerate(days) for (lo, hi), n in work.get(day, ())]
    found = np.asarray(rows, dtype=np.int64).reshape(-1, 4)
    clocks = sorted({int(one) for one in found[:, 1:3].ravel()} | {0, DAY_MIN})
    instants, _ = epoch_minutes(days, clocks, tz)
    place = np.searchsorted(clocks, found[:, 1:3])
    return np.column_stack([instants[found[:, 0], place[:, 0]], instants[found[:, 0], place[:, 1]], found[:, 3]])


def _counted(spans: IntArray, start: int, size: int) -> IntArray:
    """How many there are at each minute."""
    rows = spans.reshape(-1, 3)
    begun, ended = (
        np.bincount(np.clip(rows[:, column] - start, 0, size), weights=rows[:, 2], minlength=size + 1)
        for column in (0, 1)
    )
    return (begun - ended)[:-1].cumsum().astype(np.int64)


def _cells(days: Sequence[date], midnights: IntArray, tz: tzinfo) -> IntArray:
    """The hour of the week of each minute."""
    usual = np.repeat(np.arange(HOURS, dtype=np.int64), 60)
    parts = []
    for day, lo, hi in zip(days, midnights, midnights[1:], strict=False):
        hours = usual if hi - lo == DAY_MIN else _odd_hours(int(lo), int(hi), tz)
        parts.append(day.weekday() * HOURS + hours)
    return np.concatenate(parts)


def _odd_hours(lo: int, hi: int, tz: tzinfo) -> IntArray:
    """What the clocks show at each minute of a day that is not 24 hours long."""
    steps = range(lo, hi, STEP_MIN)
    shown = [datetime.fromtimestamp(minute * 60, UTC).astimezone(tz).hour for minute in steps]
    return np.repeat(np.asarray(shown, dtype=np.int64), STEP_MIN)[: hi - lo]
