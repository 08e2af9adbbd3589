"""Records of another location, opened with a reason, and what a manager says to that."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q, QuerySet

from clinic.models import AccessLog, Opening, OpeningReason, User
from clinic.pure.reach import OPEN_FOR, REASON_AT_LEAST
from clinic.services.access import record_reading
from clinic.services.recorded import recorded

PAGE = "Opened with a reason"


class LookedAtError(Exception):
    """Another manager has looked at it already."""


def open_record(
    *,
    by: User,
    subject_id: int,
    location_id: int | None,
    kind: OpeningReason,
    reason: str,
    path: str,
    now: datetime,
) -> Opening:
    """The record is open for this person for ``OPEN_FOR``; a second press meets the opening of the first.

    Args:
        subject_id: the patient's resource id.
        location_id: where the patient belongs, for the manager's list.
        reason: in the person's words, at least ``REASON_AT_LEAST`` letters.
        path: the page that was to be opened, for the read log.

    Raises:
        ValidationError: there is hardly a reason.
    """
    if len(reason) < REASON_AT_LEAST:
        raise ValidationError({"reason": f"Say a little more: at least {REASON_AT_LEAST} letters."})
    with recorded(by=by, now=now):
        User.objects.select_for_update().get(pk=by.pk)  # a double click waits here and finds what the first one wrote
        standing = Opening.objects.standing(now).filter(user=by, subject_id=subject_id).first()
        if standing is not None:
            return standing
        opening = Opening.objects.create(
            user=by,
            subject_id=subject_id,
            location_id=location_id,
            kind=kind,
            reason=reason,
            at=now,
            until=now + OPEN_FOR,
        )
        record_reading(by=by, subject_id=subject_id, page=PAGE, path=path, now=now, reason=opening.words)
    return opening


def close_record(*, by: User, opening_id: int, now: datetime) -> None:
    """The person's own opening ends now; one that is over already stays as it is."""
    with recorded(by=by, now=now):
        Opening.objects.filter(pk=opening_id, user=by, closed_at__isnull=True, until__gt=now).update(closed_at=now)


def look_at(*, opening_id: int, note: str, by: User, now: datetime) -> Opening:
    """A manager has looked at the opening.

    Raises:
        Opening.DoesNotExist: there is none with this id.
        ValidationError: it is their own; somebody else has to look at it.
        LookedAtError: another manager has.
    """
    with recorded(by=by, now=now):
        row = Opening.objects.select_for_update(of=("self",)).select_related("user", "seen_by").get(pk=opening_id)
        if row.user_id == by.pk:
            raise ValidationError("You opened this record yourself, so another manager has to look at it.")
        if row.seen_at is not None:
            raise LookedAtError(f"{row.seen_by} has looked at it already.")
        row.seen_at, row.seen_by, row.seen_note = now, by, note
        row.save(update_fields=["seen_at", "seen_by", "seen_note"])
    return row


def openings(
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    user_id: int | None = None,
    location_id: int | None = None,
    only_new: bool = False,
) -> QuerySet[Opening]:
    """Openings that began in the half-open span ``[since, until)``, with names and whether anything was read."""
    read = AccessLog.objects.filter(user=OuterRef("user"), subject=OuterRef("subject"), at__gte=OuterRef("at"))
    rows = Opening.objects.select_related("user", "subject__patient", "location", "seen_by")
    wanted = Q()
    if since is not None:
        wanted &= Q(at__gte=since)
    if until is not None:
        wanted &= Q(at__lt=until)
    if user_id is not None:
        wanted &= Q(user_id=user_id)
    if location_id is not None:
        wanted &= Q(location_id=location_id)
    if only_new:
        wanted &= Q(seen_at__isnull=True)
    return rows.filter(wanted).annotate(
        was_read=Exists(read.exclude(page=PAGE).filter(at__lt=OuterRef("until"))),
    )


def count_to_look_at() -> int:
    """How many openings no manager has looked at."""
    return Opening.objects.to_look_at().count()
