"""When a place is open and a person works on a day: weekly patterns, closures, exceptions, in minutes of the day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, time
from typing import Protocol

from clinic.pure.walltime import DAY_MIN, MinuteSpan, closing_minute, cut_out, minute_of


class ShiftLike(Protocol):
    """A weekly working time from ``first_day`` on, and to ``last_day`` where given."""

    @property
    def weekday(self) -> int: ...
    @property
    def starts(self) -> time: ...
    @property
    def ends(self) -> time: ...
    @property
    def first_day(self) -> date: ...
    @property
    def last_day(self) -> date | None: ...


class ChangeLike(Protocol):
    """A day on which the weekly pattern does not hold: "off" or "extra", all day or between two times."""

    @property
    def kind(self) -> str: ...
    @property
    def starts(self) -> time | None: ...
    @property
    def ends(self) -> time | None: ...


class ClosureLike(Protocol):
    """Days on which a place is shut, all day or between two times."""

    @property
    def first_day(self) -> date: ...
    @property
    def last_day(self) -> date: ...
    @property
    def from_time(self) -> time | None: ...
    @property
    def until_time(self) -> time | None: ...


def working_spans(day: date, shifts: Iterable[ShiftLike], changes: Sequence[ChangeLike]) -> list[MinuteSpan]:
    """When a person works on ``day``: the pattern less absences, and extra work. ``changes``: those of that day."""
    spans = [
        (minute_of(one.starts), closing_minute(one.ends))
        for one in shifts
        if one.weekday == day.weekday() and one.first_day <= day and (one.last_day is None or day <= one.last_day)
    ]
    for change in changes:
        if change.kind == OFF:
            lo = minute_of(change.starts) if change.starts is not None else 0
            hi = closing_minute(change.ends) if change.ends is not None else DAY_MIN
            spans = cut_out(spans, lo, hi)
    return spans + [
        (minute_of(change.starts), closing_minute(change.ends))
        for change in changes
        if change.kind == EXTRA and change.starts is not None and change.ends is not None
    ]


OFF, EXTRA = "off", "extra"
"""The same values as ``ExceptionKind`` (a test compares them)."""


def without_closures(day: date, spans: Iterable[MinuteSpan], closures: Iterable[ClosureLike]) -> list[MinuteSpan]:
    """What is left of ``spans`` on ``day`` when the place is shut as ``closures`` say."""
    left = list(spans)
    for closure in closures:
        if not closure.first_day <= day <= closure.last_day:
            continue
        if closure.from_time is None or closure.until_time is None:
            return []
        left = cut_out(left, minute_of(closure.from_time), closing_minute(closure.until_time))
    return left
