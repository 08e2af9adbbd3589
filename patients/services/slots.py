"""The slot finder: free consultations over clinicians, rooms and locations, read at once and booked safely.

Reading takes eight queries whatever the number of days, people and locations, and writes nothing. What is shown is a
promise only until somebody else takes it: booking asks again, and the allocations have the last word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
from django.db.models import Q

from clinic.models import AllocationRole, Booking, Location, Resource, ResourceKind, User
from clinic.models.bookings import RELEASED_STATUSES
from clinic.pure.roles import Role
from clinic.pure.walltime import BoolArray, closing_minute, epoch_minutes, minute_of
from clinic.services.bookings import BookingRefusedError, StaleBookingError, TimeTakenError
from clinic.services.freetime import Calendar, Need, calendars
from patients.models import (
    Consultation,
    ConsultationRequest,
    IntakeSettings,
    Patient,
    Unavailability,
    VisitMode,
)
from patients.pure.slots import Board, Help, Mode, Offer, SlotKey, Wish, offers, ways_out
from patients.services.consultations import book_consultation, move_consultation

OFFERED = 5
HORIZON_DAYS = 42
USUAL_MIN = IntakeSettings._meta.get_field("consultation_min").default


class SlotGoneError(BookingRefusedError):
    """The time is no longer free (or never was); nothing was booked."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One free consultation, as it is offered. ``room`` is None on video."""

    start: datetime
    end: datetime
    location: Location
    clinician: Resource
    room: Resource | None
    mode: VisitMode

    @property
    def key(self) -> str:
        """What stands for it in a form: the room is chosen again when it is booked."""
        return str(SlotKey(self.start, self.location.pk, self.clinician.pk))


@dataclass(frozen=True, slots=True)
class Way:
    """What would help when nothing is free: the wish to ask instead, and its first free time."""

    help: Help
    wish: Wish
    slot: Slot


@dataclass(frozen=True, slots=True)
class Answer:
    """The next free consultations; where there are none, what would help."""

    slots: tuple[Slot, ...]
    ways: tuple[Way, ...]
    first_day: date
    last_day: date

    @property
    def next_day(self) -> date:
        """From where the finder goes on: the day after the last one that was offered, or looked at."""
        last = self.slots[-1] if self.slots else None
        return (last.location.local(last.start).date() if last else self.last_day) + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Patience:
    """How far somebody looks ahead: from a day on, so many days."""

    from_day: date
    days: int = HORIZON_DAYS

    @property
    def dates(self) -> tuple[date, ...]:
        return tuple(self.from_day + timedelta(days=number) for number in range(self.days))


class SlotDesk:
    """The calendars of some locations, read once: every question after that costs no query."""

    def __init__(self, team: Team, ahead: Patience, boards: Sequence[Board], rooms: dict[int, BoolArray]) -> None:
        self.team, self.ahead = team, ahead
        self._boards, self._rooms = boards, rooms
        self._board = {board.location_id: board for board in boards}

    def find(self, wish: Wish, *, count: int = OFFERED) -> Answer:
        """The next ``count`` free consultations that fit, else what would help."""
        found = tuple(self._slot(offer, wish.mode) for offer in offers(self._boards, wish, count))
        ways = () if found else ways_out(self._boards, wish)
        return Answer(
            slots=found,
            ways=tuple(Way(one.help, one.wish, self._slot(one.first, one.wish.mode)) for one in ways),
            first_day=self.ahead.from_day,
            last_day=self.ahead.dates[-1],
        )

    def exactly(self, key: SlotKey, mode: Mode) -> tuple[Offer, tuple[Resource | None, ...]] | None:
        """The offer of that very start with that clinician, and the rooms that are free for it; None when taken."""
        board = self._board.get(key.location_id)
        if board is None or key.clinician_id not in board.clinician_ids:
            return None
        places = np.argwhere(board.starts == int(key.start.timestamp()) // 60)
        if not len(places):
            return None
        day, minute = (int(one) for one in places[0])
        clinician = board.clinician_ids.index(key.clinician_id)
        if not (board.clinicians[day, minute, clinician] and board.patient[day, minute]):
            return None
        rooms = self._free_rooms(board, day, minute) if mode is Mode.IN_PERSON else (None,)
        offer = Offer(int(board.starts[day, minute]), board.location_id, key.clinician_id, day, minute)
        return (offer, rooms) if rooms else None

    def _free_rooms(self, board: Board, day: int, minute: int) -> tuple[Resource, ...]:
        rooms = self.team.rooms[board.location_id]
        return tuple(rooms[index] for index in np.flatnonzero(self._rooms[board.location_id][day, minute]).tolist())

    def _slot(self, offer: Offer, mode: Mode) -> Slot:
        board = self._board[offer.location_id]
        start = datetime.fromtimestamp(offer.start_min * 60, tz=UTC)
        rooms = self._free_rooms(board, offer.day_index, offer.minute_index) if mode is Mode.IN_PERSON else ()
        return Slot(
            start=start,
            end=start + timedelta(minutes=self.team.minutes[offer.location_id]),
            location=self.team.locations[offer.location_id],
            clinician=self.team.clinicians[offer.clinician_id],
            room=rooms[0] if rooms else None,
            mode=VisitMode(mode),
        )


@dataclass(frozen=True, slots=True)
class Team:
    """Who and what a consultation can take, by location: two queries."""

    locations: dict[int, Location]
    clinicians: dict[int, Resource]  # by resource, in the order of names
    rooms: dict[int, tuple[Resource, ...]]  # by location
    minutes: dict[int, int]  # how long a consultation takes there


def read_team(locations: Iterable[Location]) -> Team:
    """Active clinicians and rooms, and each location's length of a consultation."""
    places = {place.pk: place for place in locations}
    clinicians = User.objects.with_role(Role.CLINICIAN).filter(is_active=True)
    rows = Resource.objects.filter(
        Q(kind=ResourceKind.ROOM, location__in=places) | Q(kind=ResourceKind.PERSON, user__in=clinicians),
        is_active=True,
    )
    everything = list(rows.select_related("user").order_by("position", "name", "id"))
    minutes = dict(IntakeSettings.objects.filter(location__in=places).values_list("location", "consultation_min"))
    return Team(
        locations=places,
        clinicians={one.pk: one for one in everything if one.kind == ResourceKind.PERSON},
        rooms={
            pk: tuple(one for one in everything if one.kind == ResourceKind.ROOM and one.location_id == pk)
            for pk in places
        },
        minutes={pk: minutes.get(pk, USUAL_MIN) for pk in places},
    )


def read_desk(
    *,
    locations: Iterable[Location],
    ahead: Patience,
    now: datetime,
    patient: Patient | None = None,
    moving: Booking | None = None,
) -> SlotDesk:
    """Everything that is needed to find free consultations at ``locations``, in eight queries.

    Args:
        locations: active ones, in any zones.
        ahead: the days to look at, on the clocks of each location. Nothing before ``now`` is offered.
        now: the present.
        patient: whose own visits and absences are left free; None while nobody knows them.
        moving: a visit that shall be elsewhere: its own time counts as free, and it keeps its length.
    """
    team = read_team(locations)
    if moving is not None:
        length = (moving.end - moving.start) // timedelta(minutes=1)
        team = replace(team, minutes=dict.fromkeys(team.minutes, length))
    people = [*team.clinicians.values(), *([patient.resource] if patient else [])]
    known = [*people, *(room for rooms in team.rooms.values() for room in rooms)]
    away = list(Unavailability.objects.filter(patient=patient, last_day__gte=ahead.from_day)) if patient else []
    days = ahead.dates
    read = calendars(
        list(team.locations.values()), days[0], days[-1], known=known, ignoring=[moving.pk] if moving else []
    )
    boards, rooms = [], {}
    for calendar in read:
        board, free_rooms = _board(calendar, team, days, now, patient, away)
        boards.append(board)
        rooms[board.location_id] = free_rooms
    return SlotDesk(team, ahead, boards, rooms)


def _board(  # noqa: PLR0917 (the parts of one reading)
    calendar: Calendar,
    team: Team,
    days: Sequence[date],
    now: datetime,
    patient: Patient | None,
    away: Sequence[Unavailability],
) -> tuple[Board, BoolArray]:
    place = calendar.location
    length, clinicians = team.minutes[place.pk], tuple(team.clinicians)
    room_ids = tuple(room.pk for room in team.rooms[place.pk])
    minutes = calendar.starts_minutes(days)
    starts, _ = epoch_minutes(days, minutes, calendar.tz)
    needs = [Need(clinicians, 0, length), Need(room_ids, 0, length)]
    if patient is not None:
        needs.append(Need((patient.resource_id,), 0, length))
    free = calendar.free_matrix(days, minutes, needs)
    now_min = -int(-now.timestamp() // 60)  # a start in the minute that has begun is over
    whole = _open_all_along(calendar, days, minutes, length) & (starts >= now_min)
    present = free[2][:, :, 0] if patient is not None else np.ones_like(whole)
    board = Board(
        location_id=place.pk,
        days=tuple(days),
        minutes=tuple(minutes),
        clinician_ids=clinicians,
        starts=starts,
        clinicians=free[0] & whole[:, :, None],
        rooms=np.asarray(free[1].any(axis=2), dtype=bool),
        patient=present & ~_away(days, minutes, length, away),
    )
    return board, free[1]


def _open_all_along(calendar: Calendar, days: Sequence[date], minutes: Sequence[int], length: int) -> BoolArray:
    """``[day, minute]``: the door is open from there for the whole length. People's shifts know nothing of it."""
    axis = np.asarray(minutes, dtype=np.int64)
    found = np.zeros((len(days), len(axis)), dtype=bool)
    for number, day in enumerate(days):
        for lo, hi in calendar.open_spans(day):
            found[number] |= (lo <= axis) & (axis + length <= hi)
    return found


def _away(days: Sequence[date], minutes: Sequence[int], length: int, rows: Iterable[Unavailability]) -> BoolArray:
    """``[day, minute]``: a consultation from there touches a time in which the patient cannot come."""
    axis = np.asarray(minutes, dtype=np.int64)
    found = np.zeros((len(days), len(axis)), dtype=bool)
    for row in rows:
        on = np.asarray([row.first_day <= day <= row.last_day for day in days], dtype=bool)
        lo = minute_of(row.from_time) if row.from_time else 0
        hi = closing_minute(row.until_time) if row.until_time else 24 * 60
        found |= on[:, None] & ((axis < hi) & (axis + length > lo))[None, :]
    return found


# --- booking ----------------------------------------------------------------------------------------------------------


def book_slot(
    *,
    key: SlotKey,
    mode: VisitMode,
    patient: Patient,
    location: Location,
    by: User,
    now: datetime,
    request: ConsultationRequest | None = None,
) -> Consultation:
    """The consultation is booked as it was offered, in the first of the rooms that are free for it.

    Asked for again (a double click, Back and once more), it is the same consultation and no second one.

    Raises:
        SlotGoneError: somebody was faster, or the time was never on offer.
        RequestBookedError, BookingRefusedError: see ``book_consultation``.
    """
    there = _already_booked(key, patient)
    if there is not None:
        return there
    try:
        rooms, length_min = _rooms_for(key, mode, patient=patient, location=location, now=now)
        for room in rooms:
            try:
                booking = book_consultation(
                    patient=patient,
                    location=location,
                    start=key.start,
                    length_min=length_min,
                    clinician_id=key.clinician_id,
                    room_id=room.pk if room else None,
                    mode=mode,
                    request=request,
                    by=by,
                    now=now,
                )
            except TimeTakenError as refusal:
                if not _only_the_room(refusal):
                    raise
            else:
                return booking.consultation
    except BookingRefusedError:
        there = _already_booked(key, patient)  # the other half of a double click was faster
        if there is not None:
            return there
        raise
    raise SlotGoneError(GONE)


def move_to_slot(
    *,
    key: SlotKey,
    mode: VisitMode,
    booking: Booking,
    patient: Patient,
    location: Location,
    expected_version: int,
    by: User | None,
    now: datetime,
) -> Booking:
    """The consultation stands at the offered time, with its length.

    Raises:
        SlotGoneError: somebody was faster, or the time was never on offer.
        StaleBookingError, StepRefusedError: the visit changed meanwhile, or is over.
    """
    if booking.version != expected_version:
        raise StaleBookingError(booking.pk)
    rooms, _ = _rooms_for(key, mode, patient=patient, location=location, now=now, moving=booking)
    for room in rooms:
        try:
            return move_consultation(
                booking,
                location=location,
                start=key.start,
                clinician_id=key.clinician_id,
                room_id=room.pk if room else None,
                mode=mode,
                expected_version=expected_version,
                by=by,
                now=now,
            )
        except TimeTakenError as refusal:
            if not _only_the_room(refusal):
                raise
    raise SlotGoneError(GONE)


GONE = "This time is no longer free: somebody was faster. Choose another one."


def _rooms_for(
    key: SlotKey,
    mode: VisitMode,
    *,
    patient: Patient,
    location: Location,
    now: datetime,
    moving: Booking | None = None,
) -> tuple[tuple[Resource | None, ...], int]:
    """The rooms in which it could be (None on video) and its length, asked of the calendar of that day.

    Raises:
        SlotGoneError: it could not be at all.
    """
    day = Patience(location.local(key.start).date(), days=1)
    desk = read_desk(locations=[location], ahead=day, now=now, patient=patient, moving=moving)
    found = desk.exactly(key, Mode(mode))
    if found is None:
        raise SlotGoneError(GONE)
    return found[1], desk.team.minutes[location.pk]


def _only_the_room(refusal: TimeTakenError) -> bool:
    return all(clash.claim.role == AllocationRole.STATION for clash in refusal.clashes)


def _already_booked(key: SlotKey, patient: Patient) -> Consultation | None:
    rows = Consultation.objects.filter(
        patient=patient,
        clinician__resource=key.clinician_id,
        location=key.location_id,
        booking__span__startswith=key.start,
    )
    return rows.exclude(booking__status__in=RELEASED_STATUSES).first()
