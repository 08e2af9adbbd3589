"""Writing to the record of an infusion day: one door for all of its topics.

Order of locks, here and in whatever calls this: booking, record, lot. Every write of a visit's record goes through
`changing`, so two people at one chair wait for each other, and each sees what the other wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.db.models import F

from clinic.models import Booking, BookingKind, BookingStatus, User
from clinic.models.bookings import RELEASED_STATUSES, UPCOMING_STATUSES
from clinic.pure.roles import Can
from clinic.services.bookings import StepRefusedError
from clinic.services.recorded import recorded
from courses.models import Discharge, InfusionRecord, InfusionVisit, RunEvent, RunKind


class DayRefusedError(Exception):
    """A rule of the infusion day speaks against it; the text says what, why and what to do. Nothing was saved."""


class RecordSignedError(DayRefusedError):
    """The record is signed: what is to be added is an amendment."""

    def __init__(self) -> None:
        super().__init__("This record is signed and does not change any more. Add an amendment instead.")


class ChangedMeanwhileError(DayRefusedError):
    """Somebody else wrote meanwhile; the person has to look again. Nothing was overwritten."""


@contextmanager
def changing(booking_id: int, *, by: User, now: datetime, needs: Can = Can.RUN_INFUSION) -> Iterator[InfusionRecord]:
    """The record of this visit, locked; it is opened with its first entry, and its version grows by one.

    Everything written inside is saved as a whole or not at all, under ``by``.

    Raises:
        PermissionDenied: the person may not do this.
        DayRefusedError: nobody has arrived, or the visit was cancelled, missed or withheld.
        RecordSignedError: it is signed.
        Booking.DoesNotExist: no such infusion visit.
    """
    if not by.can(needs):
        raise PermissionDenied("Your role does not include this.")
    with recorded(by=by, now=now):
        booking = Booking.objects.select_for_update(no_key=True).get(pk=booking_id, kind=BookingKind.INFUSION)
        if booking.status in UPCOMING_STATUSES:
            raise DayRefusedError("The patient has not arrived yet. Record the arrival first.")
        if booking.status in RELEASED_STATUSES:
            raise DayRefusedError(f"This visit is {booking.get_status_display().lower()}: nothing more is recorded.")
        visit = InfusionVisit.objects.get(booking=booking)
        record, _ = InfusionRecord.objects.select_for_update(no_key=True).get_or_create(
            visit=visit, defaults={"opened_at": now, "opened_by": by, "version": 0}
        )
        if record.is_signed:
            raise RecordSignedError
        yield record
        InfusionRecord.objects.filter(pk=record.pk).update(version=F("version") + 1)


def follow_visits(bookings: Sequence[Booking], *, by: User | None, now: datetime) -> None:
    """What becomes of a visit fits its record; ``clinic.services.bookings`` calls this after each change.

    A step back from "done" strikes the discharge. A visit at which something was given is neither released nor taken
    back before its infusion.

    Raises:
        StepRefusedError: the infusion has begun, or the record is signed.
    """
    by_visit = {booking.pk: booking for booking in bookings}
    records = InfusionRecord.objects.filter(visit__booking__in=by_visit).select_related("visit")
    started = set(
        RunEvent.objects.valid()
        .filter(record__in=[record.pk for record in records], kind=RunKind.START)
        .values_list("record_id", flat=True)
    )
    for record in records:
        booking = by_visit[record.visit.booking_id]
        was_given = record.pk in started
        if was_given and booking.status in RELEASED_STATUSES:
            raise StepRefusedError("The infusion was started, so the visit cannot end as if nothing had been given.")
        if was_given and booking.status in (BookingStatus.ARRIVED, *UPCOMING_STATUSES):
            raise StepRefusedError("The infusion was started. Correct the start on the infusion's page first.")
        if booking.status != BookingStatus.DONE:
            left = Discharge.objects.valid().filter(record=record)
            if record.is_signed and booking.status not in RELEASED_STATUSES:
                raise StepRefusedError("The infusion record is signed. Add an amendment instead.")
            left.update(struck_at=now, struck_by=by, struck_reason="The last step of the visit was undone")
