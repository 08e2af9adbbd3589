"""What a patient reads before a visit: a few headed paragraphs, some of them with an exact time.

The sentences are those of the catalog: whoever shows them translates them ({% translate line %}).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Until:
    """Something that may be done until an instant: "Food" until 04:00."""

    what: str
    at: datetime
    note: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One paragraph: its icon, title, times and sentences."""

    icon: str
    title: str
    lines: tuple[str, ...]
    times: tuple[Until, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Sheet:
    """The parts in the order in which they are read."""

    parts: tuple[Part, ...]
