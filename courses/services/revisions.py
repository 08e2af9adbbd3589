"""The one way to write down a reasoned change to a course."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from clinic.models import User
from courses.models import Course, Phase, Revision, RevisionKind
from courses.planning.types import Placed
from courses.planning.words import say_minute
from courses.services.messages.changes import announce_change


def write_revision(
    *,
    course: Course,
    kind: RevisionKind,
    summary: str,
    by: User | None,
    now: datetime,
    phase: Phase | None = None,
    reason: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> Revision:
    """The change stands in the course's history, with before and after. Belongs into the change's transaction.

    The patient is told once of the times that it changed (``courses.services.messages.changes``).

    Args:
        by: None for the patient, by a link.
    """
    revision = Revision.objects.create(
        course=course,
        phase=phase,
        kind=kind,
        summary=summary,
        reason=reason,
        before=dict(before or {}),
        after=dict(after or {}),
        at=now,
        by=by,
    )
    announce_change(revision, by=by, now=now)
    return revision


def placed_facts(placed: Iterable[Placed]) -> list[dict[str, Any]]:
    """Dates, times and resources of a series as a revision keeps them."""
    return [
        {
            "number": one.number,
            "day": one.day.isoformat(),
            "start": None if one.start_min is None else say_minute(one.start_min),
            "chair": one.chair_id,
            "nurse": one.nurse_id,
            "clinician": one.clinician_id,
        }
        for one in sorted(placed, key=lambda one: one.number)
    ]
