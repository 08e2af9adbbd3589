"""Planned pauses: what makes a long gap in a series something other than a drop-out (clinical.md F1)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from django.db.models import F, Max

from courses.models import InfusionStatus, Revision, RevisionKind, RuleOverride
from courses.services.series_state import Row


def is_allowed(row: Row) -> bool:
    """A clinician let this infusion stand beyond the gap, with a reason."""
    return any(one.day == row.infusion.day for one in row.overrides)


def allowed_days(courses: Iterable[int]) -> dict[int, date]:
    """By course: the last day for which an infusion is booked and stands as ``is_allowed`` says. One query."""
    rows = RuleOverride.objects.filter(
        infusion__phase__course__in=list(courses), infusion__status=InfusionStatus.BOOKED, day=F("infusion__day")
    ).order_by()
    found = rows.values("infusion__phase__course").annotate(last=Max("day"))
    return {row["infusion__phase__course"]: row["last"] for row in found}


def continued_at(courses: Iterable[int]) -> dict[int, datetime]:
    """When each course was last continued after an interruption. One query."""
    rows = Revision.objects.filter(course__in=list(courses), kind=RevisionKind.CONTINUED).order_by()
    return {row["course"]: row["last"] for row in rows.values("course").annotate(last=Max("at"))}
