"""What somebody answers by text message: done at once where it is one of the agreed words, else kept for a person.

STOP ends the consent of everybody whose number it is, before anything is answered. A confirmation counts only where
exactly one visit can be meant; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils.translation import gettext as _
from phonenumber_field.phonenumber import to_python

from clinic.models import Booking, Location
from clinic.models.bookings import UPCOMING_STATUSES
from clinic.pure.dates import say_moment
from clinic.services.recorded import recorded
from patients.models import (
    Channel,
    ConsultationRequest,
    ContactConsent,
    IncomingMessage,
    Meaning,
    Message,
    Patient,
    PatientStatus,
    RequestStatus,
)
from patients.pure.messages.answers import Word, meaning_of
from patients.services.contact_consents import record_contact_consent
from patients.services.languages import speaking
from patients.services.messages.acts import BY_TEXT, ActRefusedError, confirm_visit
from patients.services.messages.addressing import zone_of
from patients.services.messages.wording import phone_of

SOURCE = "Text message"
"""``ContactConsent.source`` of what was said by an answer."""
ASKED_WITHIN = timedelta(days=14)
"""[D] An answer is to the last message of so many days."""
UNASKED_WITHIN = timedelta(days=7)
"""[D] Without a message that asked, only a visit so near can be meant."""
THANKED_AGAIN = timedelta(days=1)
"""Nobody is thanked more often by the machine: two machines would thank each other for ever."""
HAS_988 = ("US", "CA")
"""Countries with 911 and 988."""
NUMBER_MAX, TEXT_MAX, ID_MAX = 32, 1600, 80
MEANINGS = {
    Word.STOP: Meaning.STOP,
    Word.CANCEL: Meaning.STOP,
    Word.START: Meaning.START,
    Word.CONFIRM: Meaning.CONFIRM,
    Word.HELP: Meaning.HELP,
    Word.OTHER: Meaning.OTHER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One text message as the provider handed it over. ``word``: what the provider took it for, if it says so."""

    provider_id: str
    from_number: str
    to_number: str
    text: str
    word: Word | None = None


@dataclass(slots=True)
class Sender:
    """Who may have written from one number, and what we last wrote there."""

    number: str
    people: Sequence[Patient]
    requests: Sequence[ConsultationRequest]
    last: Message | None
    place: Location | None = None
    is_stopped: bool = False
    language: str = field(default="en")


@dataclass(frozen=True, slots=True)
class Done:
    """What was done; ``note`` says it to staff. Not handled: a person has to look. ``reply`` may be empty."""

    is_handled: bool
    note: str = ""
    reply: str = ""


def receive(answer: Answer, *, now: datetime) -> str:
    """The answer is on record and, where it is one of the agreed words, done; the same one again does nothing.

    Returns:
        What to answer, in the language of whoever wrote; empty for nothing.
    """
    number = same_number(answer.from_number)
    word = answer.word or meaning_of(answer.text)
    with recorded(by=None, now=now):
        row, is_new = IncomingMessage.objects.get_or_create(
            provider_id=_fit(answer.provider_id, ID_MAX),
            defaults={
                "from_number": number,
                "to_number": _fit(answer.to_number, NUMBER_MAX),
                "text": _fit(answer.text, TEXT_MAX),
                "received_at": now,
                "meaning": MEANINGS[word],
            },
        )
        if not is_new:
            return ""
        sender = _sender(number, now=now)
        row.patient = sender.people[0] if len(sender.people) == 1 else None
        row.location = sender.place
        with speaking(sender.language):
            done = _ACTS[word](sender, row, now=now)
        row.handled_at = now if done.is_handled else None
        row.handled_note = done.note[:200]
        row.save()
    if answer.word in {Word.STOP, Word.START, Word.HELP}:
        return ""  # the provider has answered already
    return done.reply


def people_of(number: str) -> list[Patient]:
    """Living patients who have this number on record, in a fixed order. One query."""
    return list(
        Patient.objects.current()
        .filter(phones__number=number)
        .exclude(status=PatientStatus.DECEASED)
        .select_related("home_location")
        .order_by("pk")
    )


def stop(number: str, *, now: datetime, note: str) -> int:
    """Nobody with this number has agreed to text messages any more, whatever else they said before.

    Also who once agreed for it and does not have it on record now: were it written down again, the old yes would count.

    Returns:
        How many patients and open requests that was.
    """
    mine = Q(phones__number=number) | Q(contact_consents__value=number, contact_consents__channel=Channel.SMS)
    patients = list(Patient.objects.filter(mine).distinct().order_by("pk"))
    for patient in patients:
        record_contact_consent(
            patient=patient,
            channel=Channel.SMS,
            granted=False,
            source=SOURCE,
            note=note,
            value=number,
            by=None,
            now=now,
        )
    requests = ConsultationRequest.objects.filter(phone=number, may_sms=True).update(may_sms=False)
    return len(patients) + requests


# --- what is done for each word ---------------------------------------------------------------------------------------
def _stop(sender: Sender, row: IncomingMessage, *, now: datetime) -> Done:
    count = stop(sender.number, now=now, note=_said(row))
    note = f"Texts ended for {_people(count)}." if count else "Nobody here has this number; nothing goes to it."
    return Done(
        True, note, _reply(sender, _("you will get no more text messages from us. Reply START to get them again."))
    )


def _cancel(sender: Sender, row: IncomingMessage, *, now: datetime) -> Done:
    """The desk asks whether the visit was meant; until then no text goes out, as the law has it."""
    count = stop(sender.number, now=now, note=_said(row))
    note = f"Texts ended for {_people(count)}: CANCEL means that by law. Ask whether a visit was meant."
    words = _("you will get no more text messages. To cancel a visit, please call %(phone)s.")
    return Done(False, note, _reply(sender, words % {"phone": _phone(sender)}))


def _start(sender: Sender, row: IncomingMessage, *, now: datetime) -> Done:
    """Who had agreed before STOP agrees again. Who never did has said so to nobody: a person asks."""
    again = [patient for patient in sender.people if _had_agreed(patient, sender.number)]
    for patient in again:
        record_contact_consent(
            patient=patient,
            channel=Channel.SMS,
            granted=True,
            source=SOURCE,
            note=_said(row),
            value=sender.number,
            by=None,
            now=now,
        )
    if not again:
        return Done(False, "START, but texts were not ended by STOP: ask whether they want them.")
    words = _("you will get text messages about your visits again. Reply STOP to end them, HELP for help.")
    return Done(True, f"Texts go to {_people(len(again))} again.", _reply(sender, words))


def _confirm(sender: Sender, row: IncomingMessage, *, now: datetime) -> Done:
    booking, why_not = _meant(sender, now=now)
    if booking is None:
        return Done(False, why_not, _thanks(sender, row, now=now))
    asked = sender.last if sender.last and sender.last.booking_id == booking.pk else None
    try:
        is_confirmed = confirm_visit(booking, message=asked, said=BY_TEXT, now=now)
    except ActRefusedError:
        is_confirmed = False
    if not is_confirmed:
        return Done(False, "The visit was changed in the meantime.", _thanks(sender, row, now=now))
    row.patient = next(patient for patient in sender.people if patient.resource_id == booking.subject_id)
    when = say_moment(booking.start.astimezone(zone_of(row.patient, booking.location)), sender.language)
    here = say_moment(booking.location.local(booking.start), "en")
    return Done(
        True,
        f"The visit on {here} is confirmed.",
        _reply(sender, _("thank you. Your visit on %(when)s is confirmed.") % {"when": when}),
    )


def _help(sender: Sender, row: IncomingMessage, *, now: datetime) -> Done:  # noqa: ARG001 (as the others)
    words = _("we write about your visits. Questions: %(phone)s. Reply STOP to end text messages.")
    return Done(True, "Told whom to call.", _reply(sender, words % {"phone": _phone(sender)}))


def _other(sender: Sender, row: IncomingMessage, *, now: datetime) -> Done:
    several = len(sender.people) > 1
    note = f"{len(sender.people)} patients have this number." if several else ""
    return Done(False, note, _thanks(sender, row, now=now))


_ACTS = {
    Word.STOP: _stop,
    Word.CANCEL: _cancel,
    Word.START: _start,
    Word.CONFIRM: _confirm,
    Word.HELP: _help,
    Word.OTHER: _other,
}


# --- who wrote, and what they can mean --------------------------------------------------------------------------------
def _sender(number: str, *, now: datetime) -> Sender:
    people = people_of(number)
    asked = ConsultationRequest.objects.filter(phone=number, patient__isnull=True).exclude(status=RequestStatus.CLOSED)
    requests = list(asked.select_related("location").order_by("-received_at")[:2])
    last = (
        Message.objects.filter(Q(patient__in=people) | Q(request__in=requests))
        .filter(channel=Channel.SMS, to=number, sent_at__gt=now - ASKED_WITHIN)
        .select_related("location", "booking")
        .order_by("-sent_at", "-pk")
        .first()
    )
    places = [one.location for one in (last, *requests) if one is not None]
    places += [patient.home_location for patient in people if patient.home_location]
    languages = {patient.language or "en" for patient in people} | {one.language or "en" for one in requests}
    return Sender(
        number=number,
        people=people,
        requests=requests,
        last=last,
        place=places[0] if places else _only_location(),
        is_stopped=any(_is_stopped(patient) for patient in people),
        language=(last.language if last and last.language else "")
        or (languages.pop() if len(languages) == 1 else "en"),
    )


def _meant(sender: Sender, *, now: datetime) -> tuple[Booking | None, str]:
    """The one visit that a yes can mean, or why it cannot be told."""
    subjects = [patient.resource_id for patient in sender.people]
    coming = list(
        Booking.objects.filter(subject__in=subjects, status__in=UPCOMING_STATUSES, span__startswith__gt=now)
        .select_related("location")
        .order_by("span", "pk")
    )
    if not coming:
        return None, "No visit is booked that this could confirm."
    if len({booking.subject_id for booking in coming}) > 1:
        return None, "Several patients with this number have visits booked."
    asked = sender.last.booking_id if sender.last else None
    if asked is not None:
        is_next = coming[0].pk == asked
        return (coming[0], "") if is_next else (None, "The last message was about another visit than the next one.")
    near = [booking for booking in coming if booking.start <= now + UNASKED_WITHIN]
    return (near[0], "") if len(near) == 1 else (None, "Nothing was asked, and it cannot be told which visit is meant.")


def _latest(patient: Patient) -> list[ContactConsent]:
    return list(ContactConsent.objects.filter(patient=patient, channel=Channel.SMS)[:20])


def _is_stopped(patient: Patient) -> bool:
    said = _latest(patient)[:1]
    return bool(said) and not said[0].granted


def _had_agreed(patient: Patient, number: str) -> bool:
    """True when it was an answer from this number that ended texts, after they had been agreed to."""
    said = _latest(patient)
    if not said or said[0].granted or said[0].source != SOURCE or same_number(said[0].value) != number:
        return False
    before = next((row for row in said if row.source != SOURCE or row.granted), None)
    return before is not None and before.granted


def same_number(text: str) -> str:
    """+12125550123, however it is written; what is no number as it is (a short code)."""
    number = to_python(text)
    return str(number.as_e164) if number and number.is_valid() else _fit(text, NUMBER_MAX)


def _only_location() -> Location | None:
    places = list(Location.objects.active()[:2])
    return places[0] if len(places) == 1 else None


# --- what is answered -------------------------------------------------------------------------------------------------
def _reply(sender: Sender, words: str) -> str:
    """Signed with the name of the place; nothing where that is not known."""
    if sender.place is None:
        return ""
    return f"{sender.place.name}: {words}"


def _thanks(sender: Sender, row: IncomingMessage, *, now: datetime) -> str:
    """That a person will read it, but not at once, and whom to call in danger; once a day.

    Nothing to strangers and to those who asked for silence. Source: clinical.md G, "Safety replies".
    """
    if sender.is_stopped or not (sender.people or sender.requests):
        return ""
    before = IncomingMessage.objects.filter(
        from_number=sender.number, received_at__gt=now - THANKED_AGAIN, handled_note__isnull=False
    ).exclude(pk=row.pk)
    if before.filter(meaning__in=[Meaning.OTHER, Meaning.CONFIRM]).exists():
        return ""
    words = _("thank you. Texts are not read around the clock. Questions: %(phone)s.") % {"phone": _phone(sender)}
    if sender.place is not None and sender.place.holiday_country in HAS_988:
        words = f"{words} {_('In danger call 911, or call or text 988.')}"
    return _reply(sender, words)


def _phone(sender: Sender) -> str:
    return phone_of(sender.place) if sender.place else ""


def _said(row: IncomingMessage) -> str:
    return f"“{row.text[:100]}”"


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"


def _fit(text: str, longest: int) -> str:
    """Without what PostgreSQL does not keep."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")[:longest].strip()
