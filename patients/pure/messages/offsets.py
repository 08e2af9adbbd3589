"""When a rule's message goes out, as a manager says it: "2 days before, at 10:00", "2 hours before", "at once"."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from enum import StrEnum

from patients.pure.messages.timing import Offset

MINUTES_OF_HOUR = 60
MOST_DAYS, MOST_MINUTES = 400, 60 * 24 * 30
"""As ``messagerule_offset_plausible`` has them."""


class Unit(StrEnum):
    DAYS = "days"
    HOURS = "hours"
    MINUTES = "minutes"


class Side(StrEnum):
    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An offset as the form has it: ``amount`` of ``unit`` on that ``side``; ``clock`` only with days."""

    amount: int
    unit: Unit
    side: Side
    clock: time | None = None


def said_of(offset: Offset) -> Said:
    """Whole hours are said as hours; what is no distance at all is said as after."""
    number = offset.days if offset.at is not None else (offset.minutes or 0)
    side = Side.BEFORE if number < 0 else Side.AFTER
    if offset.at is not None:
        return Said(amount=abs(number), unit=Unit.DAYS, side=side, clock=offset.at)
    if number and number % MINUTES_OF_HOUR == 0:
        return Said(amount=abs(number) // MINUTES_OF_HOUR, unit=Unit.HOURS, side=side)
    return Said(amount=abs(number), unit=Unit.MINUTES, side=side)


def offset_of(said: Said) -> Offset:
    """Raises ValueError when days have no clock."""
    sign = -1 if said.side is Side.BEFORE else 1
    if said.unit is Unit.DAYS:
        if said.clock is None:
            raise ValueError("days need a time of day")
        return Offset(days=sign * said.amount, at=said.clock)
    factor = MINUTES_OF_HOUR if said.unit is Unit.HOURS else 1
    return Offset(minutes=sign * said.amount * factor)


def say_offset(offset: Offset) -> str:
    """Such as "2 days before, at 10:00", "The day after, at 10:00", "2 hours 30 minutes before", "At once"."""
    if offset.at is not None:
        return f"{_say_days(offset.days)}, at {offset.at:%H:%M}"
    minutes = offset.minutes or 0
    if not minutes:
        return "At once"
    hours, rest = divmod(abs(minutes), MINUTES_OF_HOUR)
    parts = [_count(hours, "hour")] * bool(hours) + [_count(rest, "minute")] * bool(rest)
    return f"{' '.join(parts)} {Side.BEFORE if minutes < 0 else Side.AFTER}"


def _say_days(days: int) -> str:
    if not days:
        return "On the day"
    side = Side.BEFORE if days < 0 else Side.AFTER
    return f"The day {side}" if abs(days) == 1 else f"{abs(days)} days {side}"


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}"
