"""What the texts of visits are filled with.

An infusion is given at the clinic, so its day and clock are those of the location, wherever the patient's own clocks
stand (a patient of another zone comes to the location's door); ``until`` of an offer is on the patient's clocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from clinic.models import Location
from clinic.pure.dates import say_clock, say_day, say_moment
from patients.models import Message


def language_of(message: Message) -> str:
    """That in which the message goes out; before that is known, the patient's."""
    return message.language or (message.patient.language if message.patient is not None else "") or "en"


def visit_values(start: datetime, place: Location, language: str) -> dict[str, str]:
    """``when``, ``day``, ``time`` and ``where`` of a visit at this location."""
    local = place.local(start)
    return {
        "when": say_moment(local, language),
        "day": say_day(local, language),
        "time": say_clock(local, language),
        "where": place.address or place.name,
    }


def moment_of(facts: Mapping[str, Any], name: str) -> datetime | None:
    """The moment that ``patients.services.messages.visits.stamp`` wrote; None where there is none."""
    said = facts.get(name)
    return datetime.fromisoformat(said) if said else None


def ids_of(messages: Iterable[Message], kind: str) -> dict[int, int]:
    """Message id -> the number behind ``about`` ("offer:17"), for those that are about such a thing."""
    found = {}
    for message in messages:
        what, _, number = message.about.partition(":")
        if what == kind and number.isdecimal():
            found[message.pk] = int(number)
    return found
