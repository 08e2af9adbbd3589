"""How a request for a consultation moves, and when somebody is tried again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from clinic.pure.words import translatable

STEPS = ("new", "contacted", "booked", "seen", "decided")
"""The way of a request, in order; the values of `patients.models.RequestStatus` without "closed"."""
CLOSED = "closed"
BACK = {"booked": ("contacted",), "seen": ("booked", "contacted")}
"""Steps back that really happen: a consultation is cancelled or missed, or "seen" was a slip."""
TRIES_PAUSE_DAYS = 2
"""Clinic setting [D]: open days until somebody who was written to is asked again; after a call it is one."""


def step_after(current: str, to: str) -> str:
    """Where a request stands after `to` happened to it.

    Forward by any number of steps. Back only where `BACK` says so: a follow-up that is cancelled does not undo a
    decision. What was closed and is booked, seen or decided nevertheless is open again, because it is going on.
    """
    if current == CLOSED:
        return to if STEPS.index(to) >= STEPS.index("booked") else current
    if STEPS.index(to) > STEPS.index(current) or to in BACK.get(current, ()):
        return to
    return current


def next_try(today: date, open_days: Iterable[date], *, pause: int = 1, urgent: bool = False) -> date:
    """The day to try again: the ``pause``-th open day after today; today itself when it is urgent.

    Args:
        open_days: days on which the location is open, in any order. When there are too few, the last of them counts;
            when there is none, today.
    """
    later = sorted(day for day in open_days if day > today)
    if urgent or not later:
        return today
    return later[min(pause, len(later)) - 1]


ASKED_ABOUT = {
    "mdd": translatable("Depression"),
    "trd": translatable("Depression that treatment has not helped so far"),
    "bipolar": translatable("Bipolar depression"),
    "anxiety": translatable("Anxiety"),
    "ptsd": translatable("Post-traumatic stress (PTSD)"),
    "pain": translatable("Long-lasting pain"),
    "other": translatable("Something else, or I am not sure"),
}
"""What people may say they seek help for, in their own words (clinical.md A, rows 73-79), by `Indication`. Thoughts of
suicide are not on this list: a question of their own asks about danger, and is answered at once."""

NEW_IS_LATE_AFTER_H = 24
"""Clinic setting [D]: hours until a request that nobody has answered stands out."""
DECIDED_SHOWN_DAYS = 14
"""Clinic setting [D]: decided requests stay on the board for so long."""


def waited(minutes: float) -> str:
    """How long something has waited, as the desk says it: "now", "12 min", "5 h", "3 days"."""
    if minutes < 1:
        return "now"
    if minutes < MINUTES_PER_HOUR:
        return f"{int(minutes)} min"
    hours = int(minutes // MINUTES_PER_HOUR)
    return f"{hours} h" if hours < HOURS_BEFORE_DAYS else f"{hours // 24} days"


MINUTES_PER_HOUR = 60
HOURS_BEFORE_DAYS = 48
