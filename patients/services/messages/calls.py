"""The call list: whom a person calls because no message may go out, and what came of each call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db import models
from django.db.models import Q, QuerySet

from clinic.models import Location, User
from patients.models import Channel, Message, MessageState, MessageStep
from patients.pure.messages.timing import is_quiet, wall
from patients.services.contact_consents import on_record
from patients.services.messages.addressing import Contacts, contacts_of
from patients.services.messages.clocks import Clocks
from patients.services.messages.outbox import READ, clocks_for, name_of
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to make. ``numbers`` in E.164, the one to try first at the beginning; empty when none is on record.

    Attributes:
        tried: how often nobody answered.
        said_no: the patient does not want to be called either.
        is_night: it is between 21:00 and 08:00 on the patient's clocks.
    """

    message: Message
    name: str
    numbers: tuple[str, ...]
    clocks: Clocks
    tried: int
    said_no: bool
    is_night: bool

    @property
    def ends_elsewhere(self) -> bool:
        return self.clocks.differ(self.message.useful_until)


def calls_to_make(location: Location, *, day: date | None, by: User, now: datetime) -> list[Call]:
    """Calls that wait at the location, the longest waiting first; with ``day`` those due on it. Two queries."""
    rows = Message.objects.filter(location=location, state=MessageState.TO_CALL).select_related(*READ)
    messages = list(_on_day(rows, location, day).order_by("due_at", "pk"))
    known = contacts_of({one.patient_id for one in messages if one.patient_id is not None})
    return [_call(one, known, by, now) for one in messages]


def calls_made(location: Location, *, day: date, by: User) -> list[tuple[Message, str]]:
    """What was called on that day, the latest first, with the names. One query."""
    begins, ends = _bounds(location, day)
    rows = Message.objects.filter(
        location=location, state=MessageState.CALLED, state_at__gte=begins, state_at__lt=ends
    ).select_related(*READ)
    return [(one, name_of(one, by)) for one in rows.order_by("-state_at")[:CALLED_SHOWN]]


def _call(one: Message, known: dict[int, Contacts], by: User, now: datetime) -> Call:
    name, clocks = name_of(one, by), clocks_for(one)
    contacts = known[one.patient_id] if one.patient_id is not None else Contacts()
    said = contacts.said.get(Channel.PHONE)
    return Call(
        message=one,
        name=name,
        numbers=_numbers(one, contacts) if name else (),
        clocks=clocks,
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


def _on_day(rows: QuerySet[Message], location: Location, day: date | None) -> QuerySet[Message]:
    if day is None:
        return rows
    begins, ends = _bounds(location, day)
    return rows.filter(Q(due_at__gte=begins) & Q(due_at__lt=ends))


def _bounds(location: Location, day: date) -> Sequence[datetime]:
    return [wall(one, time(0), location.tz) for one in (day, day + timedelta(days=1))]


def record_call(message: Message, *, outcome: CallOutcome, by: User, now: datetime) -> Message:
    """What came of a call stands with the message: told (CALLED), still to call, or failed as the number is wrong.

    Raises:
        MessageRefusedError: it does not wait for a call any more, for example because somebody called before.
    """
    with locked_in(message, (MessageState.TO_CALL,)) as one:
        one.state, one.attempts = AFTER[outcome], one.attempts + 1
        if one.state != MessageState.TO_CALL:  # else it waits as long as before
            one.state_at = now
        if outcome is CallOutcome.WRONG_NUMBER:
            one.error = WRONG_NUMBER
        one.save(update_fields=["state", "state_at", "attempts", "error"])
        text = f"Called: {CallOutcome(outcome).label.lower()}."
        MessageStep.objects.create(message=one, at=now, state=one.state, text=text, by=by)
    return one
