"""How the words of a rule would read: with sample values, with a real patient, and as a test in one's own letterbox."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from uuid import uuid4

from django.core.exceptions import ValidationError

from clinic.models import Location, User
from clinic.pure.dates import say_clock, say_day, say_moment
from patients.adapters.providers import provider_for
from patients.models import Channel, Message, MessageEvent, MessageRule, Patient
from patients.pure.messages import wording as pure
from patients.pure.messages.timing import Offset, due
from patients.services.messages.kinds import Occasion, Scope, kind_of
from patients.services.messages.rules import Words, words_of
from patients.services.messages.wording import common_values, placeholders_of, shown_link, sms_size

AHEAD = timedelta(days=60)
SAMPLE_IN, SAMPLE_AT = timedelta(days=2), time(13)
NOT_SAVED = 0
"""The number of a message that is only looked at."""
MISSING = "[{}]"


class NoAddressError(Exception):
    """The person who asks for a test has no e-mail address on record."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The words filled in. ``sampled``: what had to be made up because the patient has nothing of the kind ahead.

    Attributes:
        size: of the text message with the longest values, which is what counts.
    """

    subject: str
    email: str
    sms: str
    size: pure.SmsLength
    sampled: tuple[str, ...] = ()


def preview(
    words: Words, *, event: str, location: Location, language: str, patient: Patient | None, now: datetime
) -> Preview:
    """How it would read. The link in it opens nothing. Nothing is written.

    Args:
        patient: whose name and next visit are filled in; None: sample values.
    """
    real = _of_patient(patient, event=event, location=location, language=language, now=now) if patient else {}
    samples = _samples(location, language, now)
    known = {place.name for place in placeholders_of(event)}
    first_name = (patient.preferred_name or patient.given_name) if patient else pure.SAMPLE_NAME

    def read(text: str, channel: Channel) -> str:
        values = samples | real | common_values(location, first_name=first_name, channel=channel)
        names = pure.placeholders_in(text)
        return pure.fill(text, {name: values.get(name) or MISSING.format(name) for name in names})

    said = {name for text in (words.subject, words.email_text, words.sms_text) for name in pure.placeholders_in(text)}
    made_up = tuple(
        place.says
        for place in pure.OWN
        if patient is not None and place.name in said & known and place.name not in real
    )
    return Preview(
        subject=read(words.subject, Channel.EMAIL),
        email=read(words.email_text, Channel.EMAIL),
        sms=read(words.sms_text, Channel.SMS),
        size=sms_size(words.sms_text, location=location, language=language),
        sampled=made_up,
    )


def send_test(rule: MessageRule, *, language: str, by: User, now: datetime) -> str:
    """The saved words have gone to the e-mail address of ``by``, with sample values and marked as a test; the address.

    Staff have no telephone number in Cadence, so the text message stands in the same e-mail instead of being sent.

    Raises:
        NoAddressError: ``by`` has no address.
        ValidationError: the words do not exist in that language.
        ProviderError: the provider did not take it; its words are fit for staff.
    """
    if not by.email:
        raise NoAddressError("You have no e-mail address in Cadence. Somebody who edits staff can add it.")
    words = words_of(rule).get(language)
    if words is None:
        raise ValidationError("This rule has no words in that language yet.")
    shown = preview(words, event=rule.event, location=rule.location, language=language, patient=None, now=now)
    body = f"{shown.email}\n\n---\nAs a text message ({shown.size.units} characters at most):\n\n{shown.sms}\n"
    key = f"test-{uuid4().hex}"
    provider_for(Channel.EMAIL).send(
        to=by.email, subject=f"[Test] {shown.subject}", text=body, html="", key=key, reply_to=""
    )
    return by.email


def _samples(location: Location, language: str, now: datetime) -> dict[str, str]:
    """A visit in two days at 13:00 on the location's clocks."""
    day = location.local(now + SAMPLE_IN).date()
    visit = location.local(location.at(day, SAMPLE_AT))
    before = location.local(location.at(day - timedelta(days=1), SAMPLE_AT))
    last = location.local(location.at(day + timedelta(days=17), SAMPLE_AT))
    return {
        "when": say_moment(visit, language),
        "day": say_day(visit, language),
        "time": say_clock(visit, language),
        "old_when": say_moment(before, language),
        "until": say_moment(visit, language),
        "last_day": say_day(last, language),
        "count": "6",
        "where": location.address or pure.FALLBACK_ADDRESS,
        "link": shown_link(),
        "phone": pure.FALLBACK_PHONE,
    }


def _of_patient(patient: Patient, *, event: str, location: Location, language: str, now: datetime) -> dict[str, str]:
    """The values of the next occasion of that kind; nothing without one, or when it is told only as it happens."""
    try:
        kind = kind_of(event)
    except KeyError:
        return {}
    scope = Scope(patient_ids=frozenset({patient.pk}))
    found = kind.occasions(scope, since=now, until=now + AHEAD, now=now)
    ahead = sorted((one for one in found if one.location_id == location.pk), key=lambda one: one.anchor)
    if not ahead:
        return {}
    message = _as_message(ahead[0], patient=patient, location=location, language=language)
    return dict(kind.fill_in([message], now=now).get(NOT_SAVED, {}))


def _as_message(occasion: Occasion, *, patient: Patient, location: Location, language: str) -> Message:
    return Message(
        id=NOT_SAVED,
        key=occasion.key,
        event=MessageEvent(occasion.event),
        location=location,
        patient=patient,
        booking_id=occasion.booking_id,
        about=occasion.about,
        facts=dict(occasion.facts),
        due_at=occasion.anchor,
        useful_until=occasion.anchor,
        language=language,
    )


@dataclass(frozen=True, slots=True)
class Example:
    """For something at ``anchor`` the message goes out at ``goes_out``; both in words on the location's clocks."""

    anchor: str
    goes_out: str


def example_due(offset: Offset, *, useful_min: int, location: Location, now: datetime) -> Example | None:
    """What the offset comes to for a visit in two days' sample; None for what is told as it happens."""
    if offset.at is None and not offset.minutes:
        return None
    day = location.local(now + SAMPLE_IN).date()
    anchor = location.at(day, SAMPLE_AT)
    found = due(anchor, offset, zone=location.tz, useful=timedelta(minutes=useful_min), ends_at=None)
    return Example(say_moment(location.local(anchor), "en"), say_moment(location.local(found.at), "en"))
