"""Numbers out of addresses and hidden fields, where anybody can write anything."""

from __future__ import annotations

LONGEST = 9  # digits: every id and version is shorter, and Python refuses to read some thousands


def number_in(text: str | None) -> int | None:
    """The whole number that ``text`` is; None for anything else, also for a flood of digits."""
    return int(text) if text and text.isdecimal() and len(text) <= LONGEST else None
