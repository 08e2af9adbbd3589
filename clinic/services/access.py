"""The read log: who opened a patient's record, when, and from which page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from clinic.models import AccessLog, User

if TYPE_CHECKING:
    from django.db.models import QuerySet

QUIET = timedelta(minutes=5)
"""The same person on the same page again within this time is one reading: a page that refreshes itself is not news."""


def record_reading(
    *, by: User, subject_id: int, page: str, path: str, now: datetime, reason: str = ""
) -> AccessLog | None:
    """The reading stands in the log, and the row is returned; None when the same one was logged within ``QUIET``.

    Args:
        by: who looked.
        subject_id: the patient's ``Resource`` id (``patient.resource_id``).
        page: what was looked at, in words: "Patient record", "Course", "Planner".
        path: the address that was opened (``request.path``).
        reason: why, where a page asks for it (opening a name from a report); such a reading is always logged. Without
            one it is that of the opening by which a person of another location reads.
    """
    facts = {"user": by, "subject_id": subject_id, "page": page[:80], "path": path[:300]}
    reason = reason or by.opened_because.get(subject_id, "")
    if not reason and AccessLog.objects.filter(**facts, at__gt=now - QUIET, at__lte=now).exists():
        return None
    return AccessLog.objects.create(at=now, reason=reason[:200], **facts)


def record_readings(
    *, by: User, subject_ids: Iterable[int], page: str, path: str, now: datetime, reason: str
) -> list[AccessLog]:
    """A reading of each of these patients stands in the log, whatever was logged before; one query.

    Args:
        subject_ids: of the patients whose names were shown together (``patient.resource_id``).
        reason: why their names were opened; other arguments as for ``record_reading``.
    """
    told = {"user": by, "page": page[:80], "path": path[:300], "at": now, "reason": reason[:200]}
    return AccessLog.objects.bulk_create(AccessLog(subject_id=one, **told) for one in sorted(set(subject_ids)))


def readings(
    *, since: datetime, until: datetime, user_id: int | None = None, subject_ids: list[int] | None = None
) -> QuerySet[AccessLog]:
    """Readings in the half-open span ``[since, until)``, with the names that a list shows."""
    rows = AccessLog.objects.filter(at__gte=since, at__lt=until).select_related("user", "subject__patient")
    if user_id is not None:
        rows = rows.filter(user_id=user_id)
    if subject_ids is not None:
        rows = rows.filter(subject_id__in=subject_ids)
    return rows
