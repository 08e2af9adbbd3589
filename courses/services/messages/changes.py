"""Booked, moved, cancelled, missed: one notice for each change of a course, however many infusions it moved.

What changed is read from the revision that the change wrote (``courses.services.revisions``): every change of a course
writes exactly one, with the times before and after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from clinic.models import Booking, Location, User
from clinic.models.bookings import UPCOMING_STATUSES
from clinic.pure.dates import say_day, say_moment
from courses.models import Course, Infusion, InfusionVisit, Revision, RevisionKind, VisitOutcome
from courses.services.messages.said import language_of, moment_of, visit_values
from courses.services.messages.visits import booked_visits, read_bookings, visits_still
from patients.models import Message, MessageEvent
from patients.models.messages import GONE_OUT
from patients.services.messages.kinds import Occasion
from patients.services.messages.planning import announce
from patients.services.messages.visits import MISSED_IS_NEWS, START, WAS, stamp, why_not_cancelled, why_not_missed

SILENT = frozenset(
    {
        *(RevisionKind.PENCILLED, RevisionKind.RELEASED, RevisionKind.WITHHELD, RevisionKind.RENUMBERED),
        *(RevisionKind.CONTINUED, RevisionKind.REVIEWED, RevisionKind.DOSE, RevisionKind.TREATMENT),
        RevisionKind.BOOSTER,  # its booking has written a revision of its own
    }
)
"""Nothing that a patient was told has changed: they are there, were never told of the times, or no time moved."""
NEW_TIME = "A new time was found meanwhile, and is told by itself."


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change did to visits that are still to come; each start is an instant, by the infusion's number."""

    moved: Mapping[int, tuple[datetime, datetime]]
    added: Mapping[int, datetime]
    gone: Mapping[int, datetime]

    @property
    def count(self) -> int:
        return len(self.moved) + len(self.added) + len(self.gone)

    @property
    def event(self) -> MessageEvent | None:
        if not self.count:
            return None
        if self.count == len(self.added):
            return MessageEvent.INFUSION_BOOKED if self.count == 1 else MessageEvent.SERIES_BOOKED
        if self.count > 1:
            return MessageEvent.SERIES_CHANGED
        return MessageEvent.INFUSION_MOVED if self.moved else MessageEvent.INFUSION_CANCELLED


# -- announcing --------------------------------------------------------------------------------------------------------


def announce_change(revision: Revision, *, by: User | None, now: datetime) -> list[Message]:
    """The patient is told once what this revision changed; in its transaction. Nothing to tell: nothing is written."""
    kind = RevisionKind(revision.kind)
    if kind in SILENT or _was_never_told(revision):
        return []
    changed = _of_confirmed(revision, now) if kind is RevisionKind.CONFIRMED else changed_by(revision, now)
    event = changed.event
    if event is MessageEvent.INFUSION_CANCELLED and kind is RevisionKind.MISSED:
        event = MessageEvent.INFUSION_MISSED
    if event is None:
        return []
    return announce([_occasion(revision, event, changed, now)], now=now, by=by)


def _was_never_told(revision: Revision) -> bool:
    """A series that is only pencilled, or was closed while it was; a query only for what is closed."""
    kind = RevisionKind(revision.kind)
    if kind is RevisionKind.CONFIRMED:
        return False
    if kind not in (RevisionKind.CLOSED, RevisionKind.RESTARTED):
        return revision.course.pencilled_until is not None
    firm = Revision.objects.filter(course=revision.course_id, kind__in=[RevisionKind.PENCILLED, RevisionKind.CONFIRMED])
    return firm.order_by("-pk").values_list("kind", flat=True).first() == RevisionKind.PENCILLED


def changed_by(revision: Revision, now: datetime) -> Changed:
    """Times before and after, without what was over by then. A chair or a nurse is no other time. No query."""
    place = revision.course.location
    was, becomes = (_starts(facts, place) for facts in (revision.before, revision.after))
    earliest = now - MISSED_IS_NEWS if revision.kind == RevisionKind.MISSED else now
    return Changed(
        moved={n: (was[n], at) for n, at in becomes.items() if n in was and at != was[n] and at > now},
        added={n: at for n, at in becomes.items() if n not in was and at > now},
        gone={n: at for n, at in was.items() if n not in becomes and at > earliest},
    )


def announce_given_back(
    course: Course, bookings: Sequence[Booking], *, by: User | None, now: datetime
) -> list[Message]:
    """Visits that a plan gave up when it ended, where the revision names no times; in its transaction."""
    ahead = sorted((one for one in bookings if one.start > now), key=lambda one: one.start)
    if not ahead:
        return []
    event = MessageEvent.INFUSION_CANCELLED if len(ahead) == 1 else MessageEvent.SERIES_CHANGED
    first = ahead[0]
    occasion = Occasion(
        event=event,
        key=f"given back {first.pk} v{first.version}",
        location_id=first.location_id,
        anchor=now,
        ends_at=first.start,
        patient_id=course.patient_id,
        booking_id=first.pk if len(ahead) == 1 else None,
        about=f"course:{course.pk}",
        facts={START: stamp(first.start), "count": len(ahead)},
    )
    return announce([occasion], now=now, by=by)


def announce_back(visit: InfusionVisit, booking: Booking, *, by: User | None, now: datetime) -> list[Message]:
    """A visit that was cancelled stands again: told where the cancellation was told; in its transaction."""
    told = Message.objects.filter(booking=booking, event=MessageEvent.INFUSION_CANCELLED, state__in=GONE_OUT)
    if booking.start <= now or not told.exists():
        return []
    course = visit.infusion.phase.course
    occasion = Occasion(
        event=MessageEvent.INFUSION_BOOKED,
        key=f"back {booking.pk} v{booking.version}",
        location_id=booking.location_id,
        anchor=now,
        ends_at=booking.start,
        patient_id=course.patient_id,
        booking_id=booking.pk,
        about=f"course:{course.pk}",
        facts={START: stamp(booking.start)},
    )
    return announce([occasion], now=now, by=by)


def _starts(facts: Mapping[str, Any], place: Location) -> dict[int, datetime]:
    return {
        one["number"]: place.at(date.fromisoformat(one["day"]), time.fromisoformat(one["start"]))
        for one in facts.get("infusions", ())
        if one.get("start")
    }


def _of_confirmed(revision: Revision, now: datetime) -> Changed:
    """A pencilled series that became firm is told as a series that was booked; one query."""
    rows = booked_visits([revision.course_id], now).values_list("infusion__number", "booking__span")
    return Changed({}, {number: span.lower for number, span in rows}, {})


def _occasion(revision: Revision, event: MessageEvent, changed: Changed, now: datetime) -> Occasion:
    course = revision.course
    ahead = {number: at for number, (_, at) in changed.moved.items()} | dict(changed.added)
    first = min(ahead or changed.gone, key=lambda number: (ahead or changed.gone)[number])
    start = (ahead or changed.gone)[first]
    facts: dict[str, Any] = {START: stamp(start), "count": changed.count}
    if first in changed.moved:
        facts[WAS] = stamp(changed.moved[first][0])
    is_over = not ahead and start <= now
    return Occasion(
        event=event,
        key=f"change {revision.pk}",
        location_id=course.location_id,
        anchor=now,
        ends_at=None if is_over else start,
        patient_id=course.patient_id,
        booking_id=_booking_of(revision, first, start),
        about=f"course:{course.pk}",
        facts=facts,
    )


def _booking_of(revision: Revision, number: int, start: datetime) -> int | None:
    """The visit that stands (or stood) there; one query."""
    rows = InfusionVisit.objects.filter(
        infusion__phase__course=revision.course_id, infusion__number=number, booking__span__startswith=start
    )
    if revision.phase_id is not None and revision.kind != RevisionKind.CONFIRMED:
        rows = rows.filter(infusion__phase=revision.phase_id)
    return rows.order_by("-pk").values_list("booking_id", flat=True).first()


# -- asked again at sending --------------------------------------------------------------------------------------------


def booked_still(messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:
    """The visit stands where the message says; two queries."""
    return visits_still(messages, now=now)


def cancelled_still(messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:
    """The visit has not come back, and the infusion has no new time that is told instead; two queries."""
    return _anew(messages, now) | dict(why_not_cancelled(messages, now=now))


def missed_still(messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:
    """The same for a visit that the patient missed; two queries."""
    return _anew(messages, now) | dict(why_not_missed(messages, now=now))


def _anew(messages: Sequence[Message], now: datetime) -> dict[int, str]:
    infusions = Infusion.objects.filter(
        visits__outcome=VisitOutcome.OPEN,
        visits__booking__status__in=UPCOMING_STATUSES,
        visits__booking__span__startswith__gt=now,
    )
    ids = [message.booking_id for message in messages if message.booking_id is not None]
    rows = InfusionVisit.objects.filter(booking__in=ids, infusion__in=infusions).exclude(outcome=VisitOutcome.OPEN)
    found = set(rows.values_list("booking_id", flat=True))
    return {message.pk: NEW_TIME for message in messages if message.booking_id in found}


def series_still(messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:
    """Something is still to come, or the message says that it was cancelled; one query."""
    visits = _visits_of(messages, now)
    return {
        message.pk: "Nothing of the series is to come any more."
        for message in messages
        if message.event == MessageEvent.SERIES_BOOKED and not visits.get(_course_of(message))
    }


# -- filled in ---------------------------------------------------------------------------------------------------------


def booked_values(messages: Sequence[Message], *, now: datetime) -> Mapping[int, Mapping[str, str]]:  # noqa: ARG001
    """The visit as it stands, and the time before a move; one query."""
    bookings, found = read_bookings(messages), {}
    for message in messages:
        booking = bookings.get(message.booking_id or 0)
        if booking is None:
            continue
        language = language_of(message)
        was = moment_of(message.facts, WAS)
        old = {"old_when": say_moment(booking.location.local(was), language)} if was is not None else {}
        found[message.pk] = visit_values(booking.start, booking.location, language) | old
    return found


def cancelled_values(messages: Sequence[Message], *, now: datetime) -> Mapping[int, Mapping[str, str]]:  # noqa: ARG001
    """The time that is given up. No query when the locations are read."""
    found = {}
    for message in messages:
        start = moment_of(message.facts, START)
        if start is not None:
            found[message.pk] = visit_values(start, message.location, language_of(message))
    return found


missed_values = cancelled_values


def series_values(messages: Sequence[Message], *, now: datetime) -> Mapping[int, Mapping[str, str]]:
    """The first and the last visit to come as they stand now, and how many were booked or changed; one query."""
    visits, found = _visits_of(messages, now), {}
    for message in messages:
        language, place = language_of(message), message.location
        starts = visits.get(_course_of(message)) or [one for one in [moment_of(message.facts, START)] if one]
        if starts:
            values = visit_values(starts[0], place, language)
            last = say_day(place.local(starts[-1]), language)
            found[message.pk] = values | {"count": str(message.facts.get("count", len(starts))), "last_day": last}
    return found


# -- parts -------------------------------------------------------------------------------------------------------------


def _course_of(message: Message) -> int:
    number = message.about.partition(":")[2]
    return int(number) if number.isdecimal() else 0


def _visits_of(messages: Sequence[Message], now: datetime) -> dict[int, list[datetime]]:
    """Course id -> the starts of its visits to come, the soonest first; one query."""
    found: dict[int, list[datetime]] = {}
    rows = booked_visits({_course_of(message) for message in messages}, now)
    for course_id, span in rows.values_list("infusion__phase__course_id", "booking__span"):
        found.setdefault(course_id, []).append(span.lower)
    return found
