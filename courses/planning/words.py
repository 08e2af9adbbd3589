"""Dates, times and small numbers as a clinic says them: "Thu 7 Jan", "09:30", "Mon-Wed-Fri", "1 day".

English on purpose and independent of the process locale: messages of the judge are compared in tests and stored with
overrides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WEEKDAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def say_day(day: date) -> str:
    """A date reads "Thu 7 Jan"."""
    return f"{WEEKDAYS[day.weekday()]} {day.day} {MONTHS[day.month - 1]}"


def say_moment(local: datetime) -> str:
    """A moment on the clocks of its location reads "Thu 7 Jan, 09:30"."""
    return f"{say_day(local.date())}, {local:%H:%M}"


def say_minute(minute_of_day: int) -> str:
    """Minutes after local midnight read "09:30"."""
    return f"{minute_of_day // 60:02d}:{minute_of_day % 60:02d}"


def say_days(days: int) -> str:
    """A number of days reads "1 day" or "3 days"."""
    return say_count(days, "day")


def say_count(number: int, noun: str) -> str:
    """A number and its noun agree: "1 visit", "2 visits"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def say_weekdays(weekdays: Iterable[int]) -> str:
    """A rhythm reads "Mon-Wed-Fri"."""
    return "-".join(WEEKDAYS[day] for day in sorted(weekdays))


def say_list(items: Sequence[str], last: str = "and") -> str:
    """Items read "a", "a and b" or "a, b and c"."""
    if len(items) <= 1:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def say_numbers(numbers: Sequence[int]) -> str:
    """Infusion numbers read "infusion 4" or "infusions 4 and 5"."""
    noun = "infusion" if len(numbers) == 1 else "infusions"
    return f"{noun} {say_list([str(number) for number in numbers])}"


def ordinal(number: int) -> str:
    """4 reads "4th"."""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
