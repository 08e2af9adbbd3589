"""A protocol drawn on ideal weeks, without closures: which infusion falls on which weekday of which week."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from courses.planning.dates import gap_days, reference_dates
from courses.planning.protocols import MONDAY, Step, expand, ideal_span_days


@dataclass(frozen=True, slots=True)
class Week:
    """One week with at least one infusion: its number, from 1, and the infusion on each of its seven days."""

    number: int
    cells: tuple[int | None, ...]


def sketch_weeks(steps: Sequence[Step], n: int) -> tuple[Week, ...]:
    """The weeks of the shortest course through the steps, from the first weekday that gives it."""
    rule = expand(steps, n)
    shortest = ideal_span_days(rule)
    starts = [MONDAY + timedelta(days=offset) for offset in range(7)]
    usable = [day for day in starts if not rule.start_weekdays or day.weekday() in rule.start_weekdays]
    start = next(day for day in usable if ideal_span_days(rule, day) == shortest)
    weeks: dict[int, dict[int, int]] = {}
    for one in reference_dates(rule, start, lambda _day: True):
        week, weekday = divmod(gap_days(MONDAY, one.day), 7)
        weeks.setdefault(week + 1, {})[weekday] = one.number
    return tuple(Week(number, tuple(cells.get(day) for day in range(7))) for number, cells in weeks.items())
