"""When a patient cannot come, as plans and courses need it: read along with the patient, and said in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, time
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.db.models.functions import JSONObject

from clinic.pure.walltime import minute_of
from courses.planning.words import say_day, say_minute
from patients.models import Unavailability


def absences_of(patient: OuterRef, *, since: date | None = None) -> ArraySubquery:
    """The patient's unavailable times as an annotation, for ``absences_from``."""
    rows = Unavailability.objects.filter(patient=patient)
    if since is not None:
        rows = rows.filter(last_day__gte=since)
    facts = JSONObject(first="first_day", last="last_day", start="from_time", end="until_time", note="note")
    return ArraySubquery(rows.order_by("first_day", "from_time", "pk").values(json=facts))


def absences_from(patient_id: int, rows: Iterable[Mapping[str, Any]]) -> tuple[Unavailability, ...]:
    """The unavailable times behind the annotation ``absences_of``."""
    return tuple(
        Unavailability(
            patient_id=patient_id,
            first_day=date.fromisoformat(row["first"]),
            last_day=date.fromisoformat(row["last"]),
            from_time=time.fromisoformat(row["start"]) if row["start"] else None,
            until_time=time.fromisoformat(row["end"]) if row["end"] else None,
            note=row["note"] or "",
        )
        for row in rows
    )


def why_away(away: Iterable[Unavailability], day: date, start_min: int | None, patient_min: int) -> str:
    """What the patient's own times say against a visit, for the end of a sentence; empty when nothing.

    Args:
        away: when the patient cannot come.
        day: the local date of the visit.
        start_min: its start in minutes after local midnight; absent while only the day is known.
        patient_min: how long the patient is there.
    """
    for one in away:
        if not one.first_day <= day <= one.last_day:
            continue
        if one.from_time is None or one.until_time is None:
            return f"the patient cannot come on {say_day(day)}"
        first, last = minute_of(one.from_time), minute_of(one.until_time)
        if start_min is not None and start_min < last and start_min + patient_min > first:
            return f"the patient cannot come from {say_minute(first)} to {say_minute(last)}"
    return ""
