"""Blocked time, and moving a visit that follows no rule but its own length (consultations, blocked time)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from clinic.models import AllocationRole, Booking, BookingKind, Location, User
from clinic.services.bookings import Claim, Move, Wanted, book, rebook


def block_time(
    *,
    location: Location,
    resource_ids: Sequence[int],
    start: datetime,
    end: datetime,
    title: str,
    by: User,
    now: datetime,
) -> Booking:
    """Nothing can be booked on these resources in ``[start, end)``.

    Raises:
        TimeTakenError: something is booked there already; nothing is saved.
    """
    claims = tuple(Claim(pk, AllocationRole.BLOCKED, start, end) for pk in resource_ids)
    wanted = Wanted(BookingKind.BLOCK, location.pk, start, end, claims, title=title)
    return book([wanted], by=by, now=now)[0]


def shift_visit(
    booking: Booking,
    *,
    start: datetime,
    instead: Mapping[int, int] | None = None,
    by: User,
    now: datetime,
    expected_version: int | None = None,
) -> Booking:
    """The visit begins at ``start``; everybody and everything in it comes along.

    Args:
        instead: resource held now -> resource to hold instead, for example another room.

    Raises:
        TimeTakenError, StaleBookingError, StepRefusedError: see ``clinic.services.bookings``; nothing is saved.
    """
    delta, other = start - booking.start, instead or {}
    claims = dict.fromkeys(
        Claim(
            other.get(held.resource_id, held.resource_id),
            AllocationRole(held.role),
            held.span.lower + delta,
            held.span.upper + delta,
        )
        for held in booking.allocations.filter(released=False).order_by("id")
    )
    wanted = Wanted(
        BookingKind(booking.kind),
        booking.location_id,
        start,
        booking.end + delta,
        tuple(claims),  # a nurse who is blocked holds each of their lanes in a row of its own: one claim
        subject_id=booking.subject_id,
        title=booking.title,
        note=booking.note,
    )
    return rebook([Move(booking.pk, wanted, expected_version)], by=by, now=now)[0]
