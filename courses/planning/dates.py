"""Reference dates: where the protocol, the closures and what has already happened put each infusion (R1-R6).

Source: clinical.md H0, worked cases H3. All rules are clinic settings [D]; the numbers live in the gap rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from courses.planning.types import GapRule, ReferenceDate, SeriesRule

IsOpen = Callable[[date], bool]

# How far a search for an open day may run before the calendar is considered closed for good.
SEARCH_DAYS = 400
ONE_DAY = timedelta(days=1)


class NoOpenDayError(ValueError):
    """No day is open within the search horizon, so no reference date exists."""


def gap_days(earlier: date, later: date) -> int:
    """The gap is the difference of local calendar dates, whatever the clock did in between (R1)."""
    return (later - earlier).days


def span_days(first: date, last: date) -> int:
    """The span counts both the first and the last day (R1)."""
    return (last - first).days + 1


def next_target(previous: date, gap: GapRule) -> date:
    """The next target is the first rhythm weekday with a gap of at least the minimum, or the interval (R2)."""
    if not gap.weekdays:
        return previous + timedelta(days=gap.target_days or gap.min_days)
    day = previous + timedelta(days=gap.min_days)
    while day.weekday() not in gap.weekdays:
        day += ONE_DAY
    return day


def reference_dates(  # noqa: PLR0913, PLR0917  (the six facts of a course that decide its dates)
    rule: SeriesRule,
    start: date,
    is_open: IsOpen,
    done: Mapping[int, date] | None = None,
    missed: Mapping[int, date] | None = None,
    before: date | None = None,
) -> tuple[ReferenceDate, ...]:
    """Every infusion of the series has a reference date, the ones already given their real one.

    Args:
        rule: number of infusions and the gap rule that leads into each.
        start: no infusion that is still to come lies before this day; without anything done it starts the series.
        is_open: whether the location can treat on a day.
        done: number -> date of infusions that were given, or are booked and stay where they are.
        missed: number -> the date on which that infusion was missed, cancelled or held (the latest one).
        before: the last infusion of an earlier phase, for ``rule.entry``.

    Raises:
        NoOpenDayError: no open day within ``SEARCH_DAYS``.

    Source: clinical.md H0 R1-R6.
    """
    walk = _Walk(rule=rule, start=start, is_open=is_open)
    settled, missed = done or {}, missed or {}
    found: list[ReferenceDate] = []
    previous = before if rule.entry is not None else None
    for number in range(1, rule.count + 1):
        gap = rule.into(number)
        if number in settled:
            reference = ReferenceDate(number, settled[number], settled[number], None, is_done=True)
        elif number in missed:
            reference = walk.again(number, previous, gap, missed[number])
        elif previous is None or gap is None:
            reference = walk.first(number)
        else:
            reference = walk.onward(number, previous, gap)
        found.append(_with_gap(reference, previous, gap, rule))
        previous = reference.day
    return tuple(found)


def _with_gap(reference: ReferenceDate, previous: date | None, gap: GapRule | None, rule: SeriesRule) -> ReferenceDate:
    if previous is None or gap is None:
        return reference
    actual = gap_days(previous, reference.day)
    return replace(reference, gap_days=actual, interrupted=is_interruption(actual, gap, rule))


def is_interruption(actual_days: int, gap: GapRule, rule: SeriesRule) -> bool:
    """A gap beyond 14 days interrupts the series, unless the step's own rhythm is that slow (R6)."""
    return actual_days > max(rule.interrupted_after_days, gap.max_days)


@dataclass(frozen=True, slots=True)
class _Walk:
    """One walk along the series; a day can be used when it is open and not before ``start``."""

    rule: SeriesRule
    start: date
    is_open: IsOpen

    def first(self, number: int) -> ReferenceDate:
        """The first infusion is on the first rhythm weekday from ``start``, or on the next open day after it."""
        target = self.start
        while self.rule.start_weekdays and target.weekday() not in self.rule.start_weekdays:
            target += ONE_DAY
        day = self._open_from(target)
        return ReferenceDate(number, day, target, None, moved=day != target)

    def onward(self, number: int, previous: date, gap: GapRule) -> ReferenceDate:
        """R2, and R3 where the target cannot be used."""
        target = next_target(previous, gap)
        latest = previous + timedelta(days=gap.max_days)
        day = self._usable_between(target, latest)  # R3a; the target itself is the first candidate
        if day is None:
            before_target = min(target - ONE_DAY, latest)  # a rhythm slower than the maximum must not win by R3b
            day = self._usable_back_to(before_target, previous + timedelta(days=gap.min_days))  # R3b
        if day is not None:
            return ReferenceDate(number, day, target, None, moved=day != target)
        day = self._open_from(max(target, latest + ONE_DAY))  # R3c
        return ReferenceDate(number, day, target, None, moved=True, is_breach=True)

    def again(self, number: int, previous: date | None, gap: GapRule | None, missed: date) -> ReferenceDate:
        """R5: the earliest usable day after the missed date inside the limits, else the next rhythm weekday."""
        after = missed + ONE_DAY
        if previous is None or gap is None:
            return ReferenceDate(number, self._open_from(after), missed, None, moved=True)
        earliest = previous + timedelta(days=gap.min_days)
        day = self._usable_between(max(after, earliest), previous + timedelta(days=gap.max_days))
        if day is not None:
            return ReferenceDate(number, day, missed, None, moved=True)
        day = self._rhythm_from(max(after, earliest, self.start), gap)
        return ReferenceDate(number, day, missed, None, moved=True, out_of_window=True)

    def _usable(self, day: date) -> bool:
        return day >= self.start and self.is_open(day)

    def _usable_between(self, first: date, last: date) -> date | None:
        day = first
        while day <= last:
            if self._usable(day):
                return day
            day += ONE_DAY
        return None

    def _usable_back_to(self, latest: date, earliest: date) -> date | None:
        day = latest
        while day >= earliest:
            if self._usable(day):
                return day
            day -= ONE_DAY
        return None

    def _open_from(self, first: date) -> date:
        begin = max(first, self.start)
        day = self._usable_between(begin, begin + timedelta(days=SEARCH_DAYS))
        if day is None:
            raise NoOpenDayError(f"no open day within {SEARCH_DAYS} days from {begin.isoformat()}")
        return day

    def _rhythm_from(self, first: date, gap: GapRule) -> date:
        """The next open weekday of the rhythm; without a rhythm, or when it is never open, the next open day."""
        for offset in range(SEARCH_DAYS if gap.weekdays else 0):
            day = first + timedelta(days=offset)
            if day.weekday() in gap.weekdays and self._usable(day):
                return day
        return self._open_from(first)
