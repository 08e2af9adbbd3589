"""A weekly pattern of clock times: opening hours of a location, shifts of a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from itertools import pairwise

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WORKDAYS = range(5)


@dataclass(frozen=True, slots=True, order=True)
class Stretch:
    """A half-open piece of a day, ``[start, end)`` in local clock time."""

    start: time
    end: time

    def __str__(self) -> str:
        return f"{self.start:%H:%M}–{self.end:%H:%M}"

    def overlaps(self, other: Stretch) -> bool:
        return self.start < other.end and other.start < self.end

    def covers(self, start: time, end: time) -> bool:
        return self.start <= start and end <= self.end


Week = Mapping[int, tuple[Stretch, ...]]
"""Weekday (0 = Monday) -> stretches in order. A day that is missing has none."""


def day_problem(stretches: Sequence[Stretch]) -> str:
    """What is wrong with the stretches of one day, as a sentence; empty when nothing is."""
    for stretch in stretches:
        if stretch.end <= stretch.start:
            return f"{stretch}: the end must be after the start."
    ordered = sorted(stretches)
    for before, after in pairwise(ordered):
        if before.overlaps(after):
            return f"{before} and {after} overlap. Leave a break between them, or write one stretch."
    return ""


def joined(stretches: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """The same time in as few stretches as possible, in order: 8–12 and 12–18 are one stretch 8–18."""
    result: list[Stretch] = []
    for stretch in sorted(stretches):
        if result and stretch.start <= result[-1].end:
            result[-1] = Stretch(result[-1].start, max(result[-1].end, stretch.end))
        else:
            result.append(stretch)
    return tuple(result)


def without(stretches: Sequence[Stretch], gap: Stretch) -> tuple[Stretch, ...]:
    """What is left of ``stretches`` when ``gap`` is cut out of them."""
    left: list[Stretch] = []
    for stretch in stretches:
        if not stretch.overlaps(gap):
            left.append(stretch)
            continue
        if stretch.start < gap.start:
            left.append(Stretch(stretch.start, gap.start))
        if gap.end < stretch.end:
            left.append(Stretch(gap.end, stretch.end))
    return tuple(left)


def week_in_words(week: Week, *, none: str = "closed") -> list[str]:
    """The week as a sign on a door says it: ["Mon–Fri 08:00–18:00", "Sat–Sun closed"].

    Neighbouring days with the same hours are said together. ``none`` is the word for a day without any.
    """
    groups: list[tuple[int, int, tuple[Stretch, ...]]] = []
    for day in range(7):
        hours = tuple(week.get(day, ()))
        if groups and groups[-1][2] == hours:
            groups[-1] = (groups[-1][0], day, hours)
        else:
            groups.append((day, day, hours))
    said = [(first, last, ", ".join(str(stretch) for stretch in hours) or none) for first, last, hours in groups]
    return [f"{_days(first, last)} {hours}" for first, last, hours in said]


def _days(first: int, last: int) -> str:
    return DAYS[first][:3] if first == last else f"{DAYS[first][:3]}–{DAYS[last][:3]}"
