"""Reports that somebody keeps under a name. They are their owner's alone and say nothing about a patient."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.db import transaction

from clinic.models import User
from courses.models import SavedReport


@transaction.atomic
def save_report(*, name: str, report: str, query: str, by: User, now: datetime) -> SavedReport:
    """The view stands in the list of its owner.

    Raises:
        ValidationError: the owner has one of this name already, or the name is empty.
    """
    row = SavedReport(owner=by, name=name.strip(), report=report, query=query, created_at=now)
    row.full_clean()
    row.save()
    return row


@transaction.atomic
def delete_report(row: SavedReport, *, by: User) -> None:
    """The view is gone from the list of its owner.

    Raises:
        PermissionDenied: it is somebody else's.
    """
    if row.owner_id != by.pk:
        raise PermissionDenied("This view belongs to somebody else.")
    row.delete()
