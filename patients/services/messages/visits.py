"""Messages about visits of any kind: when they take place, whether that still holds, what their words are filled with.

A visit is one occasion for as long as it keeps its time: its reminders carry the start in their key, and the start
that a message speaks of stands in its facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from clinic.models import Booking, BookingKind, BookingStatus, Location, User
from clinic.models.bookings import UPCOMING_STATUSES
from clinic.pure.dates import say_clock, say_day, say_moment
from patients.models import Message, MessageEvent, MessageState, Patient
from patients.models.messages import GONE_OUT
from patients.pure.messages.forbidden import without_telling_words
from patients.services.messages.addressing import zone_of
from patients.services.messages.kinds import Occasion, Scope
from patients.services.messages.planning import announce, sweep_after
from patients.services.messages.wording import clinic_name

START = "start"
WAS = "was"
PLACEHOLDERS = ("when", "day", "time", "where")
MISSED_IS_NEWS = timedelta(days=2)
"""So long after a missed visit it is of use to be told how to get another."""

CANCELLED = "The visit was cancelled."
MOVED = "The visit was moved."
MISSED = "The patient missed the visit."
WITHHELD = "The visit was withheld."
BEGUN = "The patient is here already, or was."
ON_AGAIN = "The visit takes place after all."
NOT_MISSED = "The visit was not missed after all."
GONE = {
    BookingStatus.CANCELLED: CANCELLED,
    BookingStatus.MISSED: MISSED,
    BookingStatus.WITHHELD: WITHHELD,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitEvents:
    """The events of one kind of visit."""

    standing: MessageEvent
    booked: MessageEvent
    moved: MessageEvent
    cancelled: MessageEvent
    missed: MessageEvent


# --- standing ---------------------------------------------------------------------------------------------------------
def upcoming_visits(
    kind: BookingKind, event: MessageEvent, scope: Scope, *, since: datetime, until: datetime
) -> Iterable[Occasion]:
    """Visits of the kind that are booked or confirmed and begin in ``[since, until)``, each an occasion. One query."""
    rows = Booking.objects.filter(
        kind=kind,
        status__in=UPCOMING_STATUSES,
        location__in=Location.objects.active(),
        span__startswith__gte=since,
        span__startswith__lt=until,
        subject__patient__isnull=False,
    )
    if scope.patient_ids is not None:
        rows = rows.filter(subject__patient__in=scope.patient_ids)
    if scope.booking_ids is not None:
        rows = rows.filter(pk__in=scope.booking_ids)
    for pk, location_id, span, patient_id in rows.values_list("pk", "location_id", "span", "subject__patient").iterator(
        chunk_size=5000
    ):
        yield Occasion(
            event=event,
            key=f"booking {pk} {stamp(span.lower)}",
            location_id=location_id,
            anchor=span.lower,
            ends_at=span.lower,
            patient_id=patient_id,
            booking_id=pk,
            facts={START: stamp(span.lower)},
        )


def stamp(instant: datetime) -> str:
    """As keys and facts have it: "2027-01-10T15:00Z"."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


# --- still true? ------------------------------------------------------------------------------------------------------
def why_not_upcoming(messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:  # noqa: ARG001 (StillHolds)
    """Not to be sent: the visit is cancelled, missed, withheld, begun, or at another time than the message says."""
    return _judged(messages, _of_upcoming)


def why_not_cancelled(messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:  # noqa: ARG001
    return _judged(messages, lambda _, visit: "" if visit.status == BookingStatus.CANCELLED else ON_AGAIN)


def why_not_missed(messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:  # noqa: ARG001
    return _judged(messages, lambda _, visit: "" if visit.status == BookingStatus.MISSED else NOT_MISSED)


def _of_upcoming(message: Message, visit: Booking) -> str:
    if visit.status not in UPCOMING_STATUSES:
        return GONE.get(BookingStatus(visit.status), BEGUN)
    spoken_of = message.facts.get(START)
    return MOVED if spoken_of and spoken_of != stamp(visit.start) else ""


def _judged(messages: Sequence[Message], judge: Any) -> dict[int, str]:  # noqa: ANN401 (Message, Booking -> str)
    visits = Booking.objects.in_bulk([one.booking_id for one in messages if one.booking_id is not None])
    found = {one.pk: judge(one, visits[one.booking_id]) for one in messages if one.booking_id in visits}
    return {pk: why for pk, why in found.items() if why}


# --- words ------------------------------------------------------------------------------------------------------------
def values_of_visits(messages: Sequence[Message], *, now: datetime) -> Mapping[int, Mapping[str, str]]:  # noqa: ARG001
    """{when} {day} {time} {where}, and {old_when} of one that moved: the patient's clocks, the message's language."""
    return {one.pk: _values(one) for one in messages if one.booking is not None}


def _values(message: Message) -> dict[str, str]:
    zone, language = zone_of(message.patient, message.location), message.language or "en"
    start = message.booking.start.astimezone(zone) if message.booking else message.due_at
    was = message.facts.get(WAS)
    old = datetime.fromisoformat(was).astimezone(zone) if was else start
    return {
        "when": say_moment(start, language),
        "day": say_day(start, language),
        "time": say_clock(start, language),
        "where": without_telling_words(message.location.address) or clinic_name(message.location),
        "old_when": say_moment(old, language),
    }


# --- notices ----------------------------------------------------------------------------------------------------------
def tell_booked(bookings: Sequence[Booking], events: VisitEvents, *, by: User | None, now: datetime) -> None:
    """New visits are told, and their reminders planned once the booking is committed."""
    people = _people(bookings)
    ahead = [booking for booking in bookings if booking.start > now]
    announce([_notice(one, events.booked, people, now) for one in ahead], now=now, by=by)
    sweep_after(_scope(bookings), now=now)


def tell_changed(bookings: Sequence[Booking], events: VisitEvents, *, by: User | None, now: datetime) -> None:
    """Moves, cancellations and missed visits are told, each once; the reminders follow once the change is committed."""
    people, quiet = _people(bookings), []
    told: list[Occasion] = []
    for booking in bookings:
        if booking.moved_from is not None and booking.start > now:
            told.append(_notice(booking, events.moved, people, now, was=stamp(booking.moved_from[0])))
        elif booking.status == BookingStatus.CANCELLED and booking.start > now:
            told.append(_notice(booking, events.cancelled, people, now))
        elif booking.status == BookingStatus.MISSED and booking.start > now - MISSED_IS_NEWS:
            told.append(_notice(booking, events.missed, people, now, lasts=True))
        elif booking.status in UPCOMING_STATUSES and booking.start > now:
            quiet.append(booking)
    told += [_notice(one, events.booked, people, now) for one in _said_to_be_off(quiet, events)]
    announce(told, now=now, by=by)
    sweep_after(_scope(bookings), now=now)


def _said_to_be_off(bookings: Sequence[Booking], events: VisitEvents) -> list[Booking]:
    """Visits whose patient was last told that they are cancelled: it was taken back, so they are told of that too."""
    said = Message.objects.filter(
        booking__in=[one.pk for one in bookings],
        event__in=[events.booked, events.cancelled],
        state__in=[*GONE_OUT, MessageState.SENDING],
    )
    last = dict(said.order_by("created_at", "pk").values_list("booking_id", "event"))
    return [one for one in bookings if last.get(one.pk) == events.cancelled]


def _notice(
    booking: Booking,
    event: MessageEvent,
    people: Mapping[int, int],
    now: datetime,
    *,
    lasts: bool = False,
    was: str = "",
) -> Occasion:
    return Occasion(
        event=event,
        key=f"booking {booking.pk} {event.value} {booking.version}",
        location_id=booking.location_id,
        anchor=now,
        ends_at=None if lasts else booking.start,
        patient_id=people.get(booking.subject_id or 0),
        booking_id=booking.pk,
        facts={START: stamp(booking.start), **({WAS: was} if was else {})},
    )


def _people(bookings: Sequence[Booking]) -> dict[int, int]:
    """Resource id -> patient id."""
    ids = [booking.subject_id for booking in bookings if booking.subject_id is not None]
    return dict(Patient.objects.filter(resource__in=ids).values_list("resource_id", "pk"))


def _scope(bookings: Sequence[Booking]) -> Scope:
    return Scope(booking_ids=frozenset(booking.pk for booking in bookings))
