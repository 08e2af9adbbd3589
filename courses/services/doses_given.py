"""What was ordered and given at each infusion of a course, read with the infusions themselves.

Only the visit that counts is looked at. What was given is what the taps add up to (R8), of what the measured volume
really contained (R7): actual milligrams, not planned ones (clinical.md case 29).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, OuterRef, TextField
from django.db.models.functions import Cast, JSONObject
from django.utils.dateparse import parse_datetime

from courses.models import Course, Infusion, RunEvent, VisitOutcome
from courses.pure.doses_given import Given, Order, given_from


def with_doses() -> dict[str, ArraySubquery]:
    """An annotation for infusions: the valid taps of the visit that counts, each with what its order says."""
    taps = RunEvent.objects.valid().filter(
        record__visit__infusion=OuterRef("pk"),
        record__visit__outcome__in=[VisitOutcome.OPEN, VisitOutcome.GIVEN],
    )
    facts = {
        "kind": F("kind"),
        "at": F("at"),
        "booking": F("record__visit__booking"),
        "infusion_min": F("order__infusion_min"),
    } | {name: Cast(F(f"order__{name}"), TextField()) for name in ("dose_mg", "contains_mg", "weight_kg")}
    return {"dose_taps": ArraySubquery(taps.order_by("at", "pk").values(whole=JSONObject(**facts)))}


def dose_of(infusion: Infusion, now: datetime) -> Given | None:
    """What was given at an infusion that was read ``with_doses``; None when no start is on record."""
    rows: list[Mapping[str, Any]] = infusion.dose_taps  # type: ignore[attr-defined]
    ordered = next((row for row in rows if row["dose_mg"] is not None), None)
    if ordered is None:
        return None
    weight = ordered["weight_kg"]
    order = Order(
        dose_mg=Decimal(ordered["dose_mg"]),
        contains_mg=Decimal(ordered["contains_mg"]),
        weight_kg=Decimal(weight) if weight is not None else None,
        infusion_min=ordered["infusion_min"],
    )
    taps = [(row["kind"], at) for row in rows if (at := parse_datetime(row["at"])) is not None]
    return given_from(order, taps, now=now, booking_id=ordered["booking"])


def doses_of(course: Course, now: datetime) -> dict[int, Given]:
    """What was given at each infusion of a course, by the id of the infusion. One query."""
    rows = Infusion.objects.filter(phase__course=course).annotate(**with_doses()).order_by("pk")
    return {row.pk: given for row in rows if (given := dose_of(row, now)) is not None}
