"""A plan that is not booked yet, as the address of a page carries it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, time

from clinic.pure.walltime import YEARS
from courses.planning.types import Placed

ONE = re.compile(
    r"(?P<number>\d{1,2})\.(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)\.(?P<hour>\d\d)(?P<minute>\d\d)"
    r"\.(?P<chair>\d{1,18})\.(?P<nurse>\d{1,18})\.(?P<clinician>\d{1,18})"
)


def encode(one: Placed) -> str:
    """Number, day, start, chair, nurse, clinician: "3.20270115.0930.12.7.9", with 0 for nobody.

    Raises:
        ValueError: the infusion has no start.
    """
    if one.start_min is None:
        raise ValueError(f"infusion {one.number} has no start")
    people = f"{one.chair_id or 0}.{one.nurse_id or 0}.{one.clinician_id or 0}"
    return f"{one.number}.{one.day:%Y%m%d}.{one.start_min // 60:02d}{one.start_min % 60:02d}.{people}"


def decode(texts: Iterable[str]) -> tuple[Placed, ...]:
    """The plan behind texts of ``encode``, by number.

    Raises:
        ValueError: a text that is none, a date or time that does not exist, or a number twice.
    """
    plan = sorted((_decoded(text) for text in texts), key=lambda one: one.number)
    if len({one.number for one in plan}) != len(plan):
        raise ValueError("an infusion number occurs twice")
    return tuple(plan)


def _decoded(text: str) -> Placed:
    found = ONE.fullmatch(text)
    if found is None:
        raise ValueError(f"not an infusion: {text!r}")
    part = {name: int(value) for name, value in found.groupdict().items()}
    clock = time(part["hour"], part["minute"])
    if part["year"] not in YEARS:
        raise ValueError(f"not a year of a calendar: {text!r}")
    return Placed(
        number=part["number"],
        day=date(part["year"], part["month"], part["day"]),
        start_min=clock.hour * 60 + clock.minute,
        chair_id=part["chair"] or None,
        nurse_id=part["nurse"] or None,
        clinician_id=part["clinician"] or None,
    )
