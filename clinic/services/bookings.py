"""Everything that writes a booking or an allocation. No other module does (a test reads the sources for that).

How two writers stay out of each other's way:

* A writer locks every resource that its request involves, in one query, in the order of their ids (bookings that are
  moved are locked before that, in the order of theirs). Two writers who share a resource wait for each other, and since
  everybody asks in the same order nobody waits in a circle. The lock is FOR NO KEY UPDATE, which gets along with the
  key-share lock that each foreign key to the resource takes.
* Only then the calendar is read, so what was free stays free until the commit.
* The exclusion constraint on allocations is the last guard, for whoever writes without the lock. A row that it refuses
  is looked up and named, like any other clash.
* Giving time back needs no lock: nobody is hurt by a slot that becomes free a moment later.

A deadlock or serialization failure (possible only with writers outside this module) makes PostgreSQL roll everything
back; the call is then repeated, a bounded number of times, and only when it is itself the outermost transaction. Inside
somebody else's ``atomic()`` the error goes up, because what came before it in that transaction is gone as well; the
whole request is then run again (``clinic/edge/retry.py``), or the whole task (``clinic/adapters/repeated.py``).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Case, F, OuterRef, Subquery, Value, When
from django.utils.module_loading import import_string

from clinic.models.bookings import (
    ATTENTION_LANE,
    UPCOMING_STATUSES,
    Allocation,
    AllocationRole,
    Booking,
    BookingKind,
    BookingStatus,
)
from clinic.models.places import Location, Resource
from clinic.pure.sqlstates import EXCLUSION_VIOLATION, is_passing, sqlstate
from clinic.pure.visits import STAMPS, Step, is_over, label, refused_ending, refused_step, standing, step_before
from clinic.services.claims import (
    BookingRefusedError,
    Claim,
    Clash,
    Move,
    StaleBookingError,
    StepRefusedError,
    TimeTakenError,
    Wanted,
    check_request,
    check_resources,
)
from clinic.services.room import Room, find_room

if TYPE_CHECKING:
    from clinic.models.users import User

__all__ = [
    "BookingRefusedError",
    "Claim",
    "Clash",
    "GivenBack",
    "Move",
    "StaleBookingError",
    "StepRefusedError",
    "TimeTakenError",
    "Wanted",
    "advance",
    "book",
    "follow",
    "follow_booked",
    "follow_freed",
    "reassign_subject",
    "rebook",
    "release",
    "undo",
]

T = TypeVar("T")
Follower = Callable[..., None]
_followers: dict[BookingKind, list[str | Follower]] = {}
_booked_followers: dict[BookingKind, list[str | Follower]] = {}
_freed_followers: dict[BookingKind, list[str | Follower]] = {}
ATTEMPTS = 3
LONGEST_REASON = 200  # Booking.ended_reason
OUT_OF_THE_WAY = 1000  # added to lanes while rows swap them, far above any real one
MOVED_FIELDS = ("location", "span", "title", "note", "status", "version", "confirmed_at", "ended_at", "ended_reason")


def follow(kind: BookingKind, function: str | Follower) -> None:
    """After each change of a visit of that kind ``function(bookings, by=…, now=…)`` is called, in its transaction.

    For packages above this one, which keep something beside the visit that must stand as the visit stands, whichever
    page changed it: steps, endings, moves and what is taken back; ``moved_from`` of a booking says when and where it
    stood before a move. New visits are told by ``follow_booked``. What the function raises undoes the change.

    Args:
        kind: whose changes.
        function: or its dotted name, which is imported when first needed; a name given again counts once.
    """
    known = _followers.setdefault(kind, [])
    if function not in known:
        known.append(function)


def follow_booked(kind: BookingKind, function: str | Follower) -> None:
    """After new visits of that kind were booked ``function(bookings, by=…, now=…)`` is called, in their transaction.

    Whatever the booking belongs to (a course, a consultation's record) may not be there yet. What the function raises
    undoes the booking. Arguments as for ``follow``.
    """
    known = _booked_followers.setdefault(kind, [])
    if function not in known:
        known.append(function)


@dataclass(frozen=True, slots=True)
class GivenBack:
    """A chair or room that a visit held until now, and when; nothing else of the same request takes that time."""

    booking_id: int
    kind: str
    location: Location
    station_id: int
    station_name: str
    start: datetime
    end: datetime


def follow_freed(kind: BookingKind, function: str | Follower) -> None:
    """After a visit of that kind gave a time back ``function(given_back, by=…, now=…)`` is called, in its transaction.

    It was released, or moved away; ``given_back`` says where and when it stood. Costs no query of its own. What the
    function raises undoes the change.

    Args:
        kind: whose times.
        function: or its dotted name, as for ``follow``.
    """
    known = _freed_followers.setdefault(kind, [])
    if function not in known:
        known.append(function)


def _tell(
    bookings: Sequence[Booking],
    *,
    by: User | None,
    now: datetime,
    followers: dict[BookingKind, list[str | Follower]] = _followers,
) -> None:
    for kind, functions in followers.items():
        mine = [booking for booking in bookings if booking.kind == kind]
        _call(functions if mine else (), mine, by=by, now=now)


def _tell_freed(stood: Iterable[Booking], taken: Sequence[Claim] = (), *, by: User | None, now: datetime) -> None:
    """``stood``: the bookings as they were locked; ``taken``: what the same request holds from now on."""
    freed = [one for booking in stood if (one := _given_back(booking, taken)) is not None]
    for kind, functions in _freed_followers.items():
        mine = [one for one in freed if one.kind == kind]
        _call(functions if mine else (), mine, by=by, now=now)


def _given_back(stood: Booking, taken: Sequence[Claim]) -> GivenBack | None:
    station_id, name = getattr(stood, "station_id", None), getattr(stood, "station_name", "")
    if station_id is None or any(
        claim.resource_id == station_id and claim.start < stood.end and stood.start < claim.end for claim in taken
    ):
        return None
    return GivenBack(stood.pk, stood.kind, stood.location, station_id, name, stood.start, stood.end)


def _call(functions: Iterable[str | Follower], told: Sequence[object], *, by: User | None, now: datetime) -> None:
    for function in functions:
        (import_string(function) if isinstance(function, str) else function)(told, by=by, now=now)


def book(wanted: Sequence[Wanted], *, by: User | None, now: datetime) -> list[Booking]:
    """All of ``wanted`` is booked, in that order, or none of it.

    Args:
        wanted: may hold the same resource several times; its parts must not clash with each other either.

    Raises:
        TimeTakenError: something is in the way; ``clashes`` names all of it.
        BookingRefusedError: the request itself is impossible (an inactive chair, an end before the start).
    """
    check_request(wanted)

    def work() -> list[Booking]:
        bookings = _take(wanted, moved=(), by=by, now=now)
        _tell(bookings, by=by, now=now, followers=_booked_followers)
        return bookings

    return _whole(work)


def rebook(moves: Sequence[Move], *, by: User | None, now: datetime, also: Sequence[Wanted] = ()) -> list[Booking]:
    """The moved bookings stand where they were wanted, and ``also`` is booked; all of it or nothing.

    Rows are moved in place, with their version one higher. Bookings of one call may trade places. A patient who had
    confirmed is asked again when the time or the location has changed; after the arrival only chair and people can.

    Returns:
        The moved bookings in the order of ``moves``, then the new ones.

    Raises:
        StaleBookingError: a booking is no longer at the version that the person saw.
        StepRefusedError: a visit is over, or has begun and would get another start.
        TimeTakenError, BookingRefusedError: as for ``book``; clashes count ``moves`` first, then ``also``.
    """
    ids = [move.booking_id for move in moves]
    if len(set(ids)) != len(ids):
        raise ValueError("a booking can be moved only once in one request")
    check_request([*(move.wanted for move in moves), *also])

    def work() -> list[Booking]:
        current = _locked(ids)
        for move in moves:
            _check_version(current[move.booking_id], move.expected_version)
        moved = [_moved(current[move.booking_id], move.wanted) for move in moves]
        wanted = [*(move.wanted for move in moves), *also]
        bookings = _take(wanted, moved=moved, by=by, now=now)
        _tell(bookings[: len(moved)], by=by, now=now)
        _tell(bookings[len(moved) :], by=by, now=now, followers=_booked_followers)
        _tell_freed(current.values(), [claim for one in wanted for claim in one.claims], by=by, now=now)
        return bookings

    return _whole(work)


def release(
    booking_ids: Sequence[int],
    *,
    status: BookingStatus,
    reason: str,
    by: User | None,
    now: datetime,
    expected_version: int | None = None,
) -> list[Booking]:
    """The visits are missed, cancelled or withheld, and everything that they held is free again; all of them or none.

    Args:
        reason: at most 200 characters, shown wherever the visit is.
        expected_version: only with a single booking.

    Raises:
        StepRefusedError: a visit has been released before, or is too far on, or the no-show is still to come.
        StaleBookingError: the booking has changed meanwhile.
    """
    if expected_version is not None and len(booking_ids) != 1:
        raise ValueError("expected_version belongs to a single booking")
    _check_reason(reason)

    def work() -> list[Booking]:
        current = _locked(booking_ids)
        for booking in current.values():
            _check_version(booking, expected_version)
            refusal = refused_ending(booking.kind, booking.status, status, has_begun=booking.start <= now)
            if refusal:
                raise StepRefusedError(refusal)
        Booking.objects.filter(pk__in=current).update(
            status=status, ended_at=now, ended_reason=reason, version=F("version") + 1
        )
        Allocation.objects.held().filter(booking__in=current).update(released=True)
        for booking in current.values():
            booking.status, booking.ended_at, booking.ended_reason = status, now, reason
            booking.version += 1
        released = [current[booking_id] for booking_id in booking_ids]
        _tell(released, by=by, now=now)
        _tell_freed(released, by=by, now=now)
        return released

    return _whole(work)


def advance(
    booking_id: int,
    *,
    to: BookingStatus,
    by: User | None,
    now: datetime,
    expected_version: int | None = None,
) -> Booking:
    """The visit has taken the step, and the time of it is on record.

    Raises:
        StepRefusedError: the step does not follow the one that the visit stands at (``clinic.pure.visits``).
        StaleBookingError: the booking has changed meanwhile.
    """

    def work() -> Booking:
        booking = _locked([booking_id])[booking_id]
        _check_version(booking, expected_version)
        refusal = refused_step(booking.kind, booking.status, to)
        if refusal:
            raise StepRefusedError(refusal)
        setattr(booking, STAMPS[Step(to)], now)
        booking.status = to
        booking.version += 1
        booking.save(update_fields=["status", "version", STAMPS[Step(to)]])
        _tell([booking], by=by, now=now)
        return booking

    return _whole(work)


def undo(booking_id: int, *, by: User | None, now: datetime, expected_version: int | None = None) -> Booking:
    """The visit stands one step before the one it stood at; a released one holds its time again.

    Raises:
        StepRefusedError: nothing has happened yet that could be undone.
        TimeTakenError: the visit had been released, and something else has its place by now.
        StaleBookingError: the booking has changed meanwhile.
    """

    def work() -> Booking:
        booking = _locked([booking_id])[booking_id]
        _check_version(booking, expected_version)
        before = step_before(booking.kind, booking.status, lambda step: bool(getattr(booking, STAMPS[step])))
        if before is None:
            raise StepRefusedError("This visit is booked and nothing more, so there is nothing to undo.")
        was_released = booking.is_released
        stamp = STAMPS[Step(booking.status)]
        setattr(booking, stamp, None)
        booking.status, booking.ended_reason = BookingStatus(before), ""
        booking.version += 1
        if was_released:
            booking = _take([_wanted_again(booking)], moved=[booking], by=by, now=now)[0]
        else:
            booking.save(update_fields=["status", "version", stamp])
        _tell([booking], by=by, now=now)
        return booking

    return _whole(work)


def reassign_subject(
    *,
    from_resource_id: int,
    to_resource_id: int,
    by: User | None,  # noqa: ARG001 (every service says who acts; the history triggers write it down)
    now: datetime,  # noqa: ARG001
    booking_ids: Sequence[int] | None = None,
) -> list[int]:
    """The visits of one patient's record belong to another record of the same person; returns the ids of those that do.

    Args:
        booking_ids: only these of the first record's visits; None means all, released ones included.

    Raises:
        TimeTakenError: both records hold the same time. Nothing is moved; ``clashes`` count the visits by their start.
    """

    def work() -> list[int]:
        visits = Booking.objects.filter(subject_id=from_resource_id)
        if booking_ids is not None:
            visits = visits.filter(pk__in=booking_ids)
        ids = list(visits.order_by("span", "pk").values_list("pk", flat=True))
        _locked(ids)
        both = Resource.objects.filter(pk__in=[from_resource_id, to_resource_id])
        list(both.select_for_update(no_key=True).order_by("pk"))
        if list(visits.order_by("span", "pk").values_list("pk", flat=True)) != ids:
            raise BookingRefusedError("The visits of this patient are changing at this very moment. Please try again.")
        clashes = _same_time(ids, from_resource_id, to_resource_id)
        if clashes:
            raise TimeTakenError(clashes)
        Allocation.objects.filter(booking__in=ids, resource_id=from_resource_id).update(resource_id=to_resource_id)
        Booking.objects.filter(pk__in=ids).update(subject_id=to_resource_id, version=F("version") + 1)
        return ids

    return _whole(work)


def _same_time(ids: Sequence[int], from_resource_id: int, to_resource_id: int) -> list[Clash]:
    """Where visits that would come along meet visits of the record that they would come to."""
    held = Allocation.objects.held().select_related("booking__location")
    taken = list(held.filter(resource_id=to_resource_id))
    return [
        Clash(
            index=ids.index(row.booking_id),
            claim=Claim(to_resource_id, AllocationRole(row.role), row.span.lower, row.span.upper),
            resource_name="The patient",
            booking_id=other.booking_id,
            message=f"Two visits at the same time: {row.booking.location.local(row.booking.start):%a %d %b %Y, %H:%M}"
            f" and {other.booking.location.local(other.booking.start):%a %d %b %Y, %H:%M}.",
            booking_ids=(other.booking_id,),
        )
        for row in held.filter(resource_id=from_resource_id, booking__in=ids).order_by("span", "pk")
        for other in taken
        if row.lane == other.lane and row.span.lower < other.span.upper and other.span.lower < row.span.upper
    ]


# --- one transaction --------------------------------------------------------------------------------------------------
def _whole(work: Callable[[], T]) -> T:
    """``work`` has run in one transaction, repeated where PostgreSQL chose it as the victim of a deadlock."""
    attempts = 1 if connection.in_atomic_block else ATTEMPTS
    for attempt in range(1, attempts + 1):
        try:
            with transaction.atomic():
                return work()
        except OperationalError as error:
            if attempt == attempts or not is_passing(error):
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def _locked(ids: Iterable[int]) -> dict[int, Booking]:
    """The bookings by id with the station that each holds, locked until the end of the transaction."""
    wanted = set(ids)
    station = Allocation.objects.held().filter(booking=OuterRef("pk"), role=AllocationRole.STATION).order_by("pk")
    rows = Booking.objects.filter(pk__in=wanted).select_related("location").order_by("pk")
    rows = rows.annotate(
        station_id=Subquery(station.values("resource")[:1]), station_name=Subquery(station.values("resource__name")[:1])
    )
    rows = rows.select_for_update(no_key=True, of=("self",))
    found: dict[int, Booking] = {booking.pk: booking for booking in rows}
    if len(found) != len(wanted):
        raise BookingRefusedError("This visit no longer exists. Reload the page.")
    return found


def _check_version(booking: Booking, expected: int | None) -> None:
    if expected is not None and booking.version != expected:
        raise StaleBookingError(booking.pk)


def _check_reason(reason: str) -> None:
    if len(reason) > LONGEST_REASON:
        raise BookingRefusedError(
            f"The reason is {len(reason)} characters long; at most {LONGEST_REASON} fit. Shorten it."
        )


# --- taking time ------------------------------------------------------------------------------------------------------
def _take(wanted: Sequence[Wanted], *, moved: Sequence[Booking], by: User | None, now: datetime) -> list[Booking]:
    """The first of ``wanted`` are where ``moved`` now stands, the others are new bookings."""
    involved = {claim.resource_id for one in wanted for claim in one.claims}
    locked = Resource.objects.filter(pk__in=involved).select_for_update(no_key=True).order_by("pk")
    resources = {resource.pk: resource for resource in locked}
    locations = Location.objects.in_bulk({one.location_id for one in wanted})
    check_resources(wanted, resources, locations)
    for _ in range(ATTEMPTS):
        room = find_room(wanted, resources, locations, moving=[booking.pk for booking in moved])
        if room.clashes:
            raise TimeTakenError(room.clashes)
        try:
            with transaction.atomic():
                return _store(room, wanted, moved, by=by, now=now)
        except IntegrityError as error:
            if sqlstate(error) != EXCLUSION_VIOLATION:
                raise
    raise BookingRefusedError("The calendar is changing at this very moment. Nothing was booked; please try again.")


def _store(
    room: Room, wanted: Sequence[Wanted], moved: Sequence[Booking], *, by: User | None, now: datetime
) -> list[Booking]:
    if moved:
        Allocation.objects.filter(booking__in=[booking.pk for booking in moved]).delete()
        Booking.objects.bulk_update(moved, MOVED_FIELDS)
    if room.relaned:
        _relane(room.relaned)
    fresh = Booking.objects.bulk_create(
        [
            Booking(
                kind=one.kind,
                location_id=one.location_id,
                subject_id=one.subject_id,
                span=DateTimeTZRange(one.start, one.end),
                title=one.title,
                note=one.note,
                created_at=now,
                created_by=by,
            )
            for one in wanted[len(moved) :]
        ]
    )
    bookings = [*moved, *fresh]
    Allocation.objects.bulk_create(
        [
            Allocation(
                booking=bookings[place.index],
                resource_id=place.claim.resource_id,
                role=place.claim.role,
                lane=place.lane,
                span=DateTimeTZRange(place.claim.start, place.claim.end),
            )
            for place in room.places
        ]
    )
    return bookings


def _relane(lanes: dict[int, int]) -> None:
    """Existing rows are in other lanes; all step aside first, because the constraint is checked row by row."""
    rows = Allocation.objects.filter(pk__in=lanes)
    rows.update(lane=F("lane") + OUT_OF_THE_WAY)
    rows.update(lane=Case(*[When(pk=pk, then=Value(lane)) for pk, lane in lanes.items()]))


def _moved(booking: Booking, wanted: Wanted) -> Booking:
    """The booking as it shall stand; nothing is written yet."""
    if (booking.kind, booking.subject_id) != (wanted.kind, wanted.subject_id):
        raise BookingRefusedError("A move cannot turn a visit into another kind, or into another patient's.")
    if is_over(booking.status):
        raise StepRefusedError(
            f"This visit is {standing(booking.kind, booking.status)}, so it cannot be moved. Book a new one instead."
        )
    elsewhere = (booking.start, booking.location_id) != (wanted.start, wanted.location_id)
    if elsewhere and booking.status not in UPCOMING_STATUSES:
        raise StepRefusedError(
            f"This visit has begun ({label(booking.kind, booking.status)}): its start cannot be moved, "
            "only the chair and the people can change."
        )
    target = copy.copy(booking)
    target.span = DateTimeTZRange(wanted.start, wanted.end)
    target.location_id = wanted.location_id
    target.title, target.note = wanted.title or booking.title, wanted.note or booking.note
    if elsewhere and booking.status == BookingStatus.CONFIRMED:
        target.status, target.confirmed_at = BookingStatus.BOOKED, None
    target.version += 1
    target.moved_from = (booking.start, booking.location_id) if elsewhere else None
    return target


def _wanted_again(booking: Booking) -> Wanted:
    """What a released booking had held, as a request; ordinary lanes may come out differently."""
    rows = booking.allocations.order_by("pk")
    claims = [
        Claim(
            resource_id=row.resource_id,
            role=AllocationRole(row.role),
            start=row.span.lower,
            end=row.span.upper,
            lane=ATTENTION_LANE if row.lane == ATTENTION_LANE else None,
        )
        for row in rows
    ]
    return Wanted(
        kind=BookingKind(booking.kind),
        location_id=booking.location_id,
        start=booking.start,
        end=booking.end,
        claims=tuple(claims),
        subject_id=booking.subject_id,
    )
