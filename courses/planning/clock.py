"""Local clock times and minutes after midnight, each from the other."""

from __future__ import annotations

from datetime import time


def minute_of(clock: time | None) -> int | None:
    """A clock time as minutes after midnight; nothing stays nothing."""
    return None if clock is None else clock.hour * 60 + clock.minute


def clock_of(minute: int | None) -> time | None:
    """Minutes after midnight as a clock time; nothing stays nothing."""
    return None if minute is None else time(minute // 60, minute % 60)
