"""What ends together with a course: its open tasks, the plan of maintenance, the place on the waiting list, offers."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F

from clinic.models import User
from courses.models import (
    Course,
    MaintenancePlan,
    OfferState,
    Revision,
    SlotOffer,
    Task,
    TaskEnd,
    TaskKind,
    WaitingEntry,
)

OUTLIVE = (TaskKind.WORSE, TaskKind.FREED_SLOT)
"""A danger signal waits for somebody to look, whatever became of the course; a freed time is not the course's own."""


def end_what_follows(course: Course, *, how: str, reason: str, revision: Revision, by: User, now: datetime) -> None:
    """Nothing waits for this course any more, and what waited says why. Belongs into the closing's transaction.

    Args:
        course: closed in this transaction, its patient locked.
        how: how the course ended, in words that the front desk may read ("lost to follow-up").
        reason: why, for the plan of maintenance; those read it who read clinical notes.
        revision: the closing itself.
        by: who closed it.
        now: the moment.
    """
    said = f"Course closed: {how}"[:200]
    theirs = Task.objects.open().filter(course=course).exclude(kind__in=OUTLIVE)
    # Locked in the order in which a sweep locks them, so that neither dies of the other.
    tasks = Task.objects.filter(
        pk__in=list(theirs.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    )
    plans = MaintenancePlan.objects.filter(course=course, ended_at__isnull=True)
    entries = WaitingEntry.objects.filter(course=course, closed_at__isnull=True)
    offers = SlotOffer.objects.filter(infusion__phase__course=course, state=OfferState.OPEN)
    tasks.update(closed_at=now, closed_by=by, closed_how=TaskEnd.DECIDED, closed_text=said, revision=revision)
    plans.update(ended_at=now, ended_by=by, ended_reason=f"{said}. {reason}".strip()[:300])
    entries.update(closed_at=now, closed_by=by, closed_reason=said)
    offers.update(state=OfferState.WITHDRAWN, answered_at=now)


def latest_closed_course(patient_id: int, indication: str) -> Course | None:
    """The course before a new one: the latest closed one of the same patient and condition. One query."""
    closed = Course.objects.filter(patient=patient_id, indication=indication, closed_on__isnull=False)
    return closed.order_by(F("closed_on").desc(), "-pk").first()
