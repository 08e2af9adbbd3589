"""The call list: whom a person calls because no message may go out, and what came of each call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import groupby

from django.db import models
from django.db.models import QuerySet

from clinic.models import Booking, Location, User
from clinic.models.bookings import UPCOMING_STATUSES
from patients.models import Channel, Message, MessageState, MessageStep
from patients.pure.messages.sheets import Part, Sheet
from patients.pure.messages.spoken import spoken
from patients.pure.messages.timing import is_quiet, wall
from patients.services.contact_consents import on_record
from patients.services.languages import ENGLISH, known, languages
from patients.services.messages import acts
from patients.services.messages.addressing import Contacts, contacts_of
from patients.services.messages.clocks import Clocks
from patients.services.messages.kinds import kind_of
from patients.services.messages.links import Purpose
from patients.services.messages.outbox import READ, Group, OutboxFilter, clocks_for, name_of, outbox
from patients.services.messages.rendering import KEPT_LINK
from patients.services.messages.sending import locked_in

CALLED_SHOWN = 20


class CallOutcome(models.TextChoices):
    """How a call went."""

    REACHED = "reached", "Reached"
    VOICEMAIL = "voicemail", "Left a voicemail"
    NO_ANSWER = "no_answer", "No answer"
    WRONG_NUMBER = "wrong_number", "Wrong number"


ICONS = {
    CallOutcome.REACHED: "phone-check",
    CallOutcome.VOICEMAIL: "record-mail",
    CallOutcome.NO_ANSWER: "phone-off",
    CallOutcome.WRONG_NUMBER: "phone-x",
}
"""Names of Tabler icons."""
AFTER = {
    CallOutcome.REACHED: MessageState.CALLED,
    CallOutcome.VOICEMAIL: MessageState.CALLED,
    CallOutcome.NO_ANSWER: MessageState.TO_CALL,
    CallOutcome.WRONG_NUMBER: MessageState.FAILED,
}
"""Nobody was told where the number was wrong: that is a failure, which a person settles."""
WRONG_NUMBER = "Wrong number: nobody was told. Ask for the right one, then try again."


URGENT = timedelta(hours=4)
"""[D] Whoever has to hear of something within so long is called first."""
MUST_GO = {
    Purpose.VISIT: "Ask whether they are coming. Confirm, move or cancel it in the visit.",
    Purpose.COURSE: "Read the dates to them and ask whether each of them suits.",
    Purpose.QUESTIONNAIRE: "Offer to send the questions, or to answer them here before the next visit.",
    Purpose.OFFER: "Ask whether they want the time, and note it in the worklists under freed times.",
    Purpose.SHEET: "Read the sheet to take home to them, or send it by letter. It stands in the visit.",
}
"""What whoever calls does in the place of the link that the message would have had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to make. ``numbers`` in E.164, the one to try first at the beginning; empty when none is on record.

    Attributes:
        say: what to say, paragraph by paragraph, in the patient's language.
        prepare: what stands behind the link that the message would have had: how to prepare for the visit.
        dates: the same where the link would have shown all visits that are booked.
        must_go: what to do in the place of the link; for staff.
        tried: how often nobody answered.
        said_no: the patient does not want to be called either.
        is_night: it is between 21:00 and 08:00 on the patient's clocks.
    """

    message: Message
    name: str
    numbers: tuple[str, ...]
    clocks: Clocks
    say: tuple[str, ...]
    prepare: tuple[Part, ...]
    dates: tuple[datetime, ...]
    must_go: str
    tried: int
    said_no: bool
    is_night: bool

    @property
    def ends_elsewhere(self) -> bool:
        return self.clocks.differ(self.message.useful_until)

    @property
    def language(self) -> str:
        return known(self.message.language)

    @property
    def language_name(self) -> str:
        """Said where it is not English: whoever calls has to speak it, or to find somebody who does."""
        return "" if self.language == ENGLISH else languages()[self.language]


def calls_waiting(wanted: OutboxFilter, *, location: Location, by: User, today: date) -> QuerySet[Message]:
    """Messages that wait for a call at the location, as the filter asks for; order them by ``useful_until``."""
    return outbox(replace(wanted, group=Group.CALL, channel=""), location=location, by=by, today=today)


def calls_of(messages: Sequence[Message], *, by: User, now: datetime) -> list[Call]:
    """What whoever calls needs to know, in the same order. Up to five queries, however many calls there are."""
    contacts = contacts_of({one.patient_id for one in messages if one.patient_id is not None})
    linked = {one.pk: _purpose(one) for one in messages}
    visits = [one.booking for one in messages if linked[one.pk] is Purpose.VISIT and _is_ahead(one.booking, now)]
    sheets = acts.sheets_of([one for one in visits if one is not None])
    dates = _dates([one for one in messages if linked[one.pk] is Purpose.COURSE], now)
    return [
        _call(one, contacts, by=by, now=now, purpose=linked[one.pk], sheets=sheets, dates=dates.get(one.pk, ()))
        for one in messages
    ]


def words_to_say(message: Message) -> str:
    """What somebody who calls says of the message: its words without the link."""
    return "\n\n".join(spoken(message.text, link=KEPT_LINK))


def by_urgency(calls: Iterable[Call], *, location: Location, now: datetime) -> list[tuple[str, list[Call]]]:
    """The calls under headings, in their order: at once, today, then by the day until which they are of use."""
    today = location.local(now).date()

    def heading(call: Call) -> str:
        until = call.message.useful_until
        if until - now < URGENT:
            return "Call first: of use for less than 4 hours"
        day = location.local(until).date()
        return "Of use until tonight" if day <= today else f"Of use until {day:%A %-d %B}"

    return [(said, list(some)) for said, some in groupby(calls, key=heading)]


def _purpose(one: Message) -> Purpose | None:
    """What the link would have opened; None where the words have no link."""
    try:
        purpose = kind_of(one.event).purpose
    except KeyError:
        return None
    return Purpose(purpose) if purpose and KEPT_LINK in one.text else None


def _is_ahead(booking: Booking | None, now: datetime) -> bool:
    return booking is not None and booking.status in UPCOMING_STATUSES and now < booking.start


def _dates(messages: Sequence[Message], now: datetime) -> dict[int, tuple[datetime, ...]]:
    """Message -> the visits that are booked for its patient; one query, none without messages."""
    whose = {one.pk: one.patient.resource_id for one in messages if one.patient is not None}
    if not whose:
        return {}
    starts = defaultdict[int | None, list[datetime]](list)
    for booking in Booking.objects.upcoming(now).filter(subject__in=whose.values()).order_by("span"):
        starts[booking.subject_id].append(booking.start)
    return {pk: tuple(starts[subject]) for pk, subject in whose.items()}


def calls_made(location: Location, *, day: date, by: User) -> list[tuple[Message, str]]:
    """What was called on that day, the latest first, with the names. One query."""
    begins, ends = _bounds(location, day)
    rows = Message.objects.filter(
        location=location, state=MessageState.CALLED, state_at__gte=begins, state_at__lt=ends
    ).select_related(*READ)
    return [(one, name_of(one, by)) for one in rows.order_by("-state_at")[:CALLED_SHOWN]]


def _call(
    one: Message,
    known_of: dict[int, Contacts],
    *,
    by: User,
    now: datetime,
    purpose: Purpose | None,
    sheets: Mapping[int, Sheet],
    dates: tuple[datetime, ...],
) -> Call:
    name, clocks = name_of(one, by), clocks_for(one)
    contacts = known_of[one.patient_id] if one.patient_id is not None else Contacts()
    said = contacts.said.get(Channel.PHONE)
    sheet = sheets.get(one.booking_id or 0) if purpose is Purpose.VISIT else None
    return Call(
        message=one,
        name=name,
        numbers=_numbers(one, contacts) if name else (),
        clocks=clocks,
        say=spoken(one.text, link=KEPT_LINK),
        prepare=sheet.parts if sheet is not None else (),
        dates=dates,
        must_go=MUST_GO.get(purpose, "") if purpose is not None else "",
        tried=one.attempts,
        said_no=said is not None and not said.granted,
        is_night=is_quiet(now, clocks.zone),
    )


def _numbers(one: Message, contacts: Contacts) -> tuple[str, ...]:
    """Those on record now: the number that the message kept may have been corrected since."""
    if one.patient is not None:
        phones = [{"number": row.number, "kind": row.kind, "is_primary": row.is_primary} for row in contacts.phones]
        return tuple(dict.fromkeys(on_record(one.patient, phones)[Channel.PHONE]))
    phone = one.request.phone if one.request is not None else None
    return (str(phone.as_e164),) if phone else ()


def _bounds(location: Location, day: date) -> Sequence[datetime]:
    return [wall(one, time(0), location.tz) for one in (day, day + timedelta(days=1))]


def record_call(
    message: Message,
    *,
    outcome: CallOutcome,
    by: User,
    now: datetime,
    among: Sequence[MessageState] = (MessageState.TO_CALL,),
    said: str = "",
) -> Message:
    """What came of a call stands with the message: told (CALLED), still to call, or failed as the number is wrong.

    Args:
        among: the states in which a call settles it; usually only that of the call list.
        said: what its history says, where that is more than the outcome.

    Raises:
        MessageRefusedError: it does not wait for a call any more, for example because somebody called before.
    """
    with locked_in(message, among) as one:
        one.state, one.attempts = AFTER[outcome], one.attempts + 1
        if one.state != MessageState.TO_CALL:  # else it waits as long as before
            one.state_at = now
        if outcome is CallOutcome.WRONG_NUMBER:
            one.error = WRONG_NUMBER
        one.save(update_fields=["state", "state_at", "attempts", "error"])
        text = said or f"Called: {CallOutcome(outcome).label.lower()}."
        MessageStep.objects.create(message=one, at=now, state=one.state, text=text, by=by)
    return one
