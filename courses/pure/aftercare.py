"""What a patient takes home: the usual text by route, and until when nobody drives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from clinic.pure.words import translatable

NO_DRIVING = timedelta(hours=24)
"""Elapsed hours, also across a change of the clocks. Source: clinical.md D7, case 24."""

DRIVING = translatable(
    "Do not drive or use machinery until tomorrow, after a full night's sleep, and at least 24 hours."
)
"""Source: clinical.md D7 (default [D]: the two published rules together, so whichever is later)."""
DRIVING_NASAL = translatable(
    "Do not drive or use machinery until tomorrow, after a restful night's sleep, and at least 24 hours."
)
"""Source: clinical.md B3 (L1: the next day after a restful sleep) and D7."""

_LINES = (
    translatable("Make no important decisions for 24 hours."),  # D7 [X]
    translatable("Go home with the person who came for you. You may be drowsy or disoriented."),  # A 110, A 125
    translatable("Drink enough and rest. Feeling dizzy or tired today is common."),  # A 115
    translatable("No alcohol today and for 24 hours."),  # C2 [X2]
    translatable("Tell us what you notice, good or bad: your next treatment is planned by it."),  # A 140
    translatable("Call us if something worries you."),
)


def driving_line(*, is_nasal: bool) -> str:
    return DRIVING_NASAL if is_nasal else DRIVING


def usual_text(*, is_nasal: bool) -> str:
    """One sentence or two a line; used where the protocol has no text of its own."""
    return "\n".join((driving_line(is_nasal=is_nasal), *_LINES))


def no_driving_until(ended_at: datetime) -> datetime:
    """24 hours on the clock of the universe after the end, in UTC. The text still says: tomorrow, after sleep.

    Source: clinical.md case 24 (Sat 13:40 in New York: Sun 14:40 EDT in March 2027, Sun 12:40 EST in November 2027).
    """
    return ended_at.astimezone(UTC) + NO_DRIVING
