"""Wall time made instants in bulk: whole tables of days and clock times, with the nights when clocks change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
MinuteSpan = tuple[int, int]  # half-open, minutes after local midnight
YEARS = range(2000, 2200)
"""A calendar has neither the first nor the last day that a computer knows: sums with those overflow."""
DAY_MIN = 24 * 60
MIDNIGHT = time(0)


def minute_of(clock: time) -> int:
    """A clock time as minutes after midnight; seconds are dropped."""
    return clock.hour * 60 + clock.minute


def closing_minute(clock: time) -> int:
    """The same for an end; 23:59, the last time that can be entered, means midnight."""
    minute = minute_of(clock)
    return DAY_MIN if minute == DAY_MIN - 1 else minute


def epoch_minutes(days: Sequence[date], minutes: Sequence[int], tz: tzinfo) -> tuple[IntArray, BoolArray]:
    """When the clocks of ``tz`` show each of ``minutes`` on each of ``days``.

    Args:
        days: local dates, in any order.
        minutes: minutes after local midnight, 0 to 1440 (the next midnight).
        tz: the zone whose clocks are meant.

    Returns:
        ``[day, minute]`` in minutes since the epoch (UTC), and whether that wall time exists. One that the spring
        change skips becomes the instant an hour later on the clock and does not exist; one that the autumn change
        repeats is its first occurrence. (The same as ``Location.at``.)
    """
    found = np.empty((len(days), len(minutes)), dtype=np.int64)
    exists = np.ones((len(days), len(minutes)), dtype=bool)
    axis = np.asarray(minutes, dtype=np.int64)
    for row, day in enumerate(days):
        midnight = datetime.combine(day, MIDNIGHT, tzinfo=tz)
        if midnight.utcoffset() == datetime.combine(day + timedelta(days=1), MIDNIGHT, tzinfo=tz).utcoffset():
            found[row] = _epoch(midnight) + axis
            continue
        for column, minute in enumerate(minutes):
            wall = midnight + timedelta(minutes=minute)  # arithmetic on the clock, not on the time that passes
            instant = wall.astimezone(UTC)
            found[row, column] = _epoch(instant)
            exists[row, column] = instant.astimezone(tz).replace(tzinfo=None) == wall.replace(tzinfo=None)
    return found, exists


def _epoch(instant: datetime) -> int:
    return int(instant.timestamp()) // 60


def cut_out(spans: Iterable[MinuteSpan], lo: int, hi: int) -> list[MinuteSpan]:
    """What is left of ``spans`` without ``[lo, hi)``."""
    left = []
    for first, last in spans:
        left += [(first, min(last, lo)), (max(first, hi), last)] if first < hi and lo < last else [(first, last)]
    return [(first, last) for first, last in left if first < last]


def runs(days: Iterable[date], *, hole_days: int = 0) -> list[tuple[date, date]]:
    """The days as stretches, (first, last) inclusive, in order; holes of up to ``hole_days`` belong to a stretch."""
    found: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if found and (day - found[-1][1]).days <= hole_days + 1:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found
