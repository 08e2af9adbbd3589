"""The steps of a visit on the day: confirmed, arrived, in the chair, observing, done, and one step back."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.exceptions import PermissionDenied
from django.db import transaction

from clinic.models import Booking, BookingKind, BookingStatus, User
from clinic.pure.roles import Can
from clinic.pure.visits import next_steps, standing
from clinic.services import bookings
from courses.services import moves
from courses.services.pencils import check_may_arrive

# Who may take which step (design.md: the desk checks in and out, the nurse runs what lies between).
STEP_NEEDS: dict[BookingStatus, tuple[Can, ...]] = {
    BookingStatus.BOOKED: (Can.EDIT_BOOKING,),
    BookingStatus.CONFIRMED: (Can.EDIT_BOOKING,),
    BookingStatus.ARRIVED: (Can.EDIT_BOOKING, Can.RUN_INFUSION),
    BookingStatus.IN_CHAIR: (Can.RUN_INFUSION,),
    BookingStatus.OBSERVING: (Can.RUN_INFUSION,),
    BookingStatus.DONE: (Can.EDIT_BOOKING, Can.RUN_INFUSION),
    # Endings without a treatment are recorded elsewhere; here they only say who may take one back.
    BookingStatus.MISSED: (Can.EDIT_BOOKING, Can.RUN_INFUSION),
    BookingStatus.CANCELLED: (Can.EDIT_BOOKING,),
    BookingStatus.WITHHELD: (Can.RUN_INFUSION,),
}


def may_step(user: User, to: BookingStatus) -> bool:
    return any(user.can(capability) for capability in STEP_NEEDS.get(to, ()))


def is_of_a_later_day(booking: Booking, now: datetime) -> bool:
    """Whether the day of the visit, on the clocks of its location, is still to come."""
    place = booking.location
    return place.local(booking.start).date() > place.local(now).date()


BY_THE_RECORD: dict[BookingStatus, str] = {
    BookingStatus.OBSERVING: "end the infusion there",
    BookingStatus.DONE: "discharge the patient there",
}
"""The steps of an infusion that follow from its record (``courses.services``: running, discharge), and how."""


def step_visit(
    *, booking_id: int, to: BookingStatus, by: User, now: datetime, expected_version: int | None = None
) -> Booking:
    """The visit has reached ``to``.

    Raises:
        PermissionDenied: the person's role does not take this step.
        StepRefusedError: its day has not come, its series is only pencilled, or the record of the infusion takes this
            step; or see ``clinic.services.bookings``.
        StaleBookingError: see there.
    """
    if not may_step(by, to):
        raise PermissionDenied("Your role does not take this step.")
    if to in BY_THE_RECORD and Booking.objects.filter(pk=booking_id, kind=BookingKind.INFUSION).exists():
        raise bookings.StepRefusedError(f"The infusion's own page does this: {BY_THE_RECORD[to]}.")
    with transaction.atomic():
        booking = bookings.advance(booking_id, to=to, by=by, now=now, expected_version=expected_version)
        if to is not BookingStatus.CONFIRMED and is_of_a_later_day(booking, now):
            day = f"{booking.location.local(booking.start):%a %-d %b}"
            raise bookings.StepRefusedError(
                f"This visit is on {day}, so nobody has come for it yet. "
                "If the patient is here, move the visit to today first."
            )
        if to is BookingStatus.ARRIVED and booking.kind == BookingKind.INFUSION:
            check_may_arrive(booking, now=now)
        return booking


@transaction.atomic
def record_consultation_held(
    *, booking_id: int, by: User, now: datetime, expected_version: int | None = None
) -> Booking:
    """A consultation whose time is over is done, although nobody followed its steps.

    Raises:
        StepRefusedError: it is no consultation, its time is not over, or it has ended already.
        StaleBookingError: it has changed meanwhile.
    """
    booking = Booking.objects.get(pk=booking_id)
    if booking.kind != BookingKind.CONSULTATION or now < booking.end:
        raise bookings.StepRefusedError("Only a consultation whose time is over can be recorded as held.")
    if not next_steps(booking.kind, booking.status):
        raise bookings.StepRefusedError(f"This visit is {standing(booking.kind, booking.status)} already.")
    while steps := next_steps(booking.kind, booking.status):
        booking = bookings.advance(
            booking_id, to=BookingStatus(steps[0]), by=by, now=now, expected_version=expected_version
        )
        expected_version = booking.version
    return booking


UNDO_FOR = timedelta(minutes=5)
"""How long somebody is offered to take back what they just did (clinic setting)."""


def undo_step(*, booking_id: int, by: User, now: datetime, expected_version: int | None = None) -> Booking:
    """The visit stands one step before the one it stood at.

    Raises:
        PermissionDenied: the person's role could not have taken the step that would be undone.
        StepRefusedError, StaleBookingError, TimeTakenError: see ``clinic.services.bookings``.
        ChangeRefusedError: the infusion has a new time by now.
    """
    booking = Booking.objects.get(pk=booking_id)
    if expected_version is not None and booking.version != expected_version:
        raise bookings.StaleBookingError(booking_id)
    if not may_step(by, BookingStatus(booking.status)):
        raise PermissionDenied("Your role does not take this step back.")
    if booking.kind == BookingKind.INFUSION:
        moves.undo_visit(booking_id=booking_id, by=by, now=now, expected_version=expected_version)
        return Booking.objects.get(pk=booking_id)
    return bookings.undo(booking_id, by=by, now=now, expected_version=expected_version)
