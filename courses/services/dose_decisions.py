"""Doses that a review decided, read beside the infusion day on which they are ordered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, OuterRef
from django.db.models.functions import JSONObject
from django.utils.dateparse import parse_datetime

from courses.models import Revision, RevisionKind


@dataclass(frozen=True, slots=True)
class Decided:
    """The dose that a prescriber decided on, with its unit (``courses.pure.doses.Basis``), and why."""

    basis: str
    amount: Decimal
    why: str
    at: datetime


def latest_dose_decision(course: str) -> ArraySubquery:
    """An annotation: the latest decision on a dose of the course that ``course`` leads to."""
    rows = Revision.objects.filter(course=OuterRef(course), kind=RevisionKind.DOSE).order_by("-at", "-pk")
    return ArraySubquery(rows.values(whole=JSONObject(at=F("at"), after=F("after")))[:1])


def decided_from(rows: Sequence[Mapping[str, Any]]) -> Decided | None:
    """What the annotation holds."""
    for row in rows:
        dose, at = row["after"].get("dose"), parse_datetime(row["at"])
        if dose and at is not None:
            return Decided(dose["basis"], Decimal(dose["amount"]), dose["why"], at)
    return None
