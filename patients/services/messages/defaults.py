"""The rules that a location begins with: when what goes out, and its words.

The words are message ids of gettext: what they are in other languages stands in ``locale/<language>/LC_MESSAGES`` and
nowhere else, so a language is added by a file. They say nothing of drug, condition, score or treatment, and name only
the clinic (clinical.md G, "PHI in messages"); what to eat, bring and take stands behind {link}.
Sources: reminders two days and one day before and directions on the day are a clinic setting [D] in the wall-clock days
of R11; the check-in A 50, 110, 115, 139 and H 24; questionnaires by E4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import time

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from patients.models import Channel, MessageEvent
from patients.pure.messages.timing import Offset

TEXT_FIRST = (Channel.SMS, Channel.EMAIL)
MAIL_FIRST = (Channel.EMAIL, Channel.SMS)
AT = time(10)
HOURS = 60
DAY = 24 * HOURS
AT_ONCE = Offset(minutes=0)

GREETING = _("Hello {first_name},")
QUESTIONS = _("Questions? Call {phone}.")
NOT_WATCHED = _(
    "Nobody watches messages around the clock. In an emergency call 911. In a crisis you can call or text 988 at any "
    "hour."
)
OPT_OUT = _("Reply STOP to opt out.")
"""What ends each text message: clinical.md G, "TCPA"."""


@dataclass(frozen=True, slots=True)
class Words:
    """One text in the language that is active when it is asked for."""

    subject: Promise
    paragraphs: tuple[Promise, ...]
    sms: Promise
    is_watched: bool = True

    def email_text(self) -> str:
        """Greeting, paragraphs, whom to call unless that is said already, who writes."""
        said = [str(one) for one in (GREETING, *self.paragraphs)]
        if not any("{phone}" in one for one in said):
            said.append(str(QUESTIONS))
        if not self.is_watched:
            said.append(str(NOT_WATCHED))
        return "\n\n".join([*said, "{clinic}"])

    def sms_text(self) -> str:
        return f"{self.sms} {OPT_OUT}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """One rule as it is delivered. ``key`` names it for ever: what a location made of it is found by that."""

    key: str
    event: MessageEvent
    title: str
    words: Words
    offset: Offset = AT_ONCE
    useful_min: int = DAY
    channels: tuple[Channel, ...] = TEXT_FIRST
    is_on: bool = True


_DETAILS = _("Directions, your calendar, and how to move or cancel it:\n{link}")
_CONFIRM = _("Please confirm it, or move or cancel it, here:\n{link}")
_WHERE = _("Where: {where}")
_RIDE = _("Please arrange for somebody to take you home.")
_PREPARE = _("How to prepare, directions, and how to confirm, move or cancel it:\n{link}")
_ON_THE_WAY = _("Directions, and what to bring:\n{link}")
_NEW_TIME = _("To find a new time, call {phone}.")

BOOKED = Words(
    _("Your appointment on {day}"),
    (_("Your appointment at {clinic} is booked for {when}."), _WHERE, _DETAILS),
    _("{clinic}: appointment booked for {when}. Details: {link}"),
)
REMINDER = Words(
    _("Your appointment on {day}"),
    (_("This is a reminder of your appointment at {clinic}: {when}."), _CONFIRM, _WHERE),
    _("{clinic}: appointment {when}. Confirm or move it: {link}"),
)
DIRECTIONS = Words(
    _("How to find us on {day}"),
    (_("We look forward to seeing you at {clinic}: {when}."), _WHERE, _ON_THE_WAY),
    _("{clinic}: see you {when}. Directions: {link}"),
)
MOVED = Words(
    _("Your appointment has a new time"),
    (_("Your appointment at {clinic} has moved. It was {old_when}. Now it is {when}."), _WHERE, _DETAILS),
    _("{clinic}: your appointment moved to {when}. Details: {link}"),
)
CANCELLED = Words(
    _("Your appointment on {day} is cancelled"),
    (_("Your appointment at {clinic} on {when} is cancelled."), _NEW_TIME),
    _("{clinic}: your appointment on {when} is cancelled. New time: {phone}."),
)
MISSED = Words(
    _("We missed you on {day}"),
    (
        _("You had an appointment at {clinic} on {when}, and we missed you."),
        _("To find a new time, call {phone}. If something made it hard to come, tell us: we may be able to help."),
    ),
    _("{clinic}: we missed you on {when}. Call {phone} to find a new time."),
)
VISIT_REMINDER = Words(
    _("Your visit on {day}"),
    (_("This is a reminder of your visit at {clinic}: {when}."), _RIDE, _PREPARE, _WHERE),
    _("{clinic}: visit {when}. Bring your driver. Prepare: {link}"),
)


def _of_consultations() -> Iterator[Shipped]:
    event = MessageEvent
    yield Shipped(
        key="consultation-booked",
        event=event.CONSULTATION_BOOKED,
        title="Consultation booked",
        words=BOOKED,
        channels=MAIL_FIRST,
    )
    yield from _reminders("consultation", event.CONSULTATION, "Consultation", REMINDER, DIRECTIONS)
    yield Shipped(key="consultation-moved", event=event.CONSULTATION_MOVED, title="Consultation moved", words=MOVED)
    yield Shipped(
        key="consultation-cancelled",
        event=event.CONSULTATION_CANCELLED,
        title="Consultation cancelled",
        words=CANCELLED,
    )
    yield Shipped(key="consultation-missed", event=event.CONSULTATION_MISSED, title="Consultation missed", words=MISSED)


def _reminders(key: str, event: MessageEvent, name: str, ahead: Words, on_the_way: Words) -> Iterator[Shipped]:
    for days, said in ((-2, "2 days before"), (-1, "the day before")):
        yield Shipped(
            key=f"{key}-{-days}-day{'s' if days < -1 else ''}",
            event=event,
            title=f"{name}: {said}",
            words=ahead,
            offset=Offset(days=days, at=AT),
            useful_min=12 * HOURS,
        )
    yield Shipped(
        key=f"{key}-directions",
        event=event,
        title=f"{name}: directions on the day",
        words=on_the_way,
        offset=Offset(minutes=-2 * HOURS),
        useful_min=75,
    )


def _of_infusions() -> Iterator[Shipped]:
    event = MessageEvent
    yield Shipped(
        key="series-booked",
        event=event.SERIES_BOOKED,
        title="Series booked",
        channels=MAIL_FIRST,
        words=Words(
            _("Your {count} visits"),
            (
                _("Your {count} visits at {clinic} are booked. The first is {when}, the last on {last_day}."),
                _("All dates, and how to prepare:\n{link}"),
                _RIDE,
                _WHERE,
            ),
            _("{clinic}: {count} visits booked, the first {when}. Dates: {link}"),
        ),
    )
    yield Shipped(
        key="series-changed",
        event=event.SERIES_CHANGED,
        title="Several infusions changed",
        words=Words(
            _("Your visits have changed"),
            (
                _("Some of your visits at {clinic} have changed. Please look at the dates as they stand now:\n{link}"),
                _WHERE,
            ),
            _("{clinic}: some of your visits have changed. Please look at the dates: {link}"),
        ),
    )
    yield Shipped(
        key="infusion-booked",
        event=event.INFUSION_BOOKED,
        title="Infusion booked",
        channels=MAIL_FIRST,
        words=Words(
            _("Your visit on {day}"),
            (_("Your visit at {clinic} is booked for {when}."), _RIDE, _PREPARE, _WHERE),
            _("{clinic}: your visit is booked for {when}. Details: {link}"),
        ),
    )
    yield from _reminders("infusion", event.INFUSION, "Infusion", VISIT_REMINDER, DIRECTIONS)
    yield Shipped(key="infusion-moved", event=event.INFUSION_MOVED, title="Infusion moved", words=MOVED)
    yield Shipped(key="infusion-cancelled", event=event.INFUSION_CANCELLED, title="Infusion cancelled", words=CANCELLED)
    yield Shipped(key="infusion-missed", event=event.INFUSION_MISSED, title="Infusion missed", words=MISSED)
    yield Shipped(
        key="after-infusion",
        event=event.AFTER_INFUSION,
        title="Check-in on the next day",
        offset=Offset(days=1, at=AT),
        useful_min=10 * HOURS,
        words=Words(
            _("How are you after your visit?"),
            (
                _("This is {clinic}, checking in after your visit. Rest, and drink enough water."),
                _("Do not drive until you have slept a full night and at least 24 hours have passed."),
                _("If you feel unwell, or anything worries you, call {phone}."),
            ),
            _("{clinic}: checking in after your visit. Rest and drink water. Unwell? Call {phone}; emergency: 911."),
            is_watched=False,
        ),
    )


def _of_the_course() -> Iterator[Shipped]:
    event = MessageEvent
    yield Shipped(
        key="measure-due",
        event=event.MEASURE_DUE,
        title="Questionnaire due",
        offset=Offset(days=0, at=AT),
        useful_min=2 * DAY,
        words=Words(
            _("A few questions for you"),
            (
                _("It is time for a few questions about how you are. They take some minutes:\n{link}"),
                _("Your answers go to your care team at {clinic}."),
            ),
            _("{clinic}: a few questions about how you are: {link}"),
            is_watched=False,
        ),
    )
    yield Shipped(
        key="maintenance-due",
        event=event.MAINTENANCE_DUE,
        title="Maintenance due",
        offset=Offset(days=0, at=AT),
        useful_min=3 * DAY,
        words=Words(
            _("Time for your next visit"),
            (_("It is time to plan your next visit at {clinic}. Please call {phone} to find a day that suits you."),),
            _("{clinic}: it is time to plan your next visit. Please call {phone}."),
        ),
    )
    yield Shipped(
        key="booster-due",
        event=event.BOOSTER_DUE,
        title="Booster proposed",
        offset=Offset(days=0, at=AT),
        useful_min=3 * DAY,
        words=Words(
            _("We would like to see you"),
            (_("Your care team at {clinic} would like to talk with you about your next visit. Please call {phone}."),),
            _("{clinic}: we would like to talk with you about your next visit. Please call {phone}."),
        ),
    )
    yield Shipped(
        key="review-due",
        event=event.REVIEW_DUE,
        title="Review due",
        is_on=False,  # a review is prepared by the clinic; whether the patient is to hear of it, the clinic decides
        offset=Offset(days=0, at=AT),
        useful_min=3 * DAY,
        words=Words(
            _("Time to talk about your plan"),
            (_("It is time to look at your plan together at {clinic}. Please call {phone} to find a time."),),
            _("{clinic}: it is time to look at your plan together. Please call {phone}."),
        ),
    )
    yield Shipped(
        key="consent-expiring",
        event=event.CONSENT_EXPIRING,
        title="Consent expires soon",
        offset=Offset(days=-14, at=AT),
        useful_min=7 * DAY,
        channels=MAIL_FIRST,
        words=Words(
            _("A form to sign again"),
            (
                _("A form that you signed at {clinic} holds until {until}."),
                _("We will go through it with you again at your next visit. You can also call {phone} before."),
            ),
            _("{clinic}: a form that you signed holds until {until}. Please call {phone}."),
        ),
    )


def _asked_and_sent() -> Iterator[Shipped]:
    event = MessageEvent
    yield Shipped(
        key="offer",
        event=event.OFFER,
        title="Freed time offered",
        useful_min=2 * HOURS,
        words=Words(
            _("An earlier time is free"),
            (
                _("A time is free at {clinic}: {when}. The first to accept gets it."),
                _("Take it or leave it until {until}:\n{link}"),
                _("If you do nothing, your own visit stays as it is."),
            ),
            _("{clinic}: free earlier: {when}. Take it or leave it: {link}"),
        ),
    )
    yield Shipped(
        key="offer-gone",
        event=event.OFFER_GONE,
        title="Offered time is gone",
        useful_min=6 * HOURS,
        words=Words(
            _("The free time is taken"),
            (_("The time that {clinic} offered you is taken. Your own visit stays as it is."),),
            _("{clinic}: the time that we offered is taken. Your own visit stays as it is."),
        ),
    )
    yield Shipped(
        key="questionnaire",
        event=event.QUESTIONNAIRE,
        title="Questionnaire sent by staff",
        channels=MAIL_FIRST,
        words=Words(
            _("Some questions before we meet"),
            (
                _("Please answer some questions for {clinic}. They take some minutes:\n{link}"),
                _("Your answers go to your care team."),
            ),
            _("{clinic}: please answer some questions: {link}"),
            is_watched=False,
        ),
    )
    yield Shipped(
        key="sheet",
        event=event.SHEET,
        title="Sheet for going home",
        channels=MAIL_FIRST,
        words=Words(
            _("For going home"),
            (_("Here is your sheet from {clinic}: what to do, what to leave, and when to call us.\n{link}"),),
            _("{clinic}: your sheet for going home: {link}"),
        ),
    )


REQUEST_RECEIVED = Shipped(
    key="request-received",
    event=MessageEvent.REQUEST_RECEIVED,
    title="Request received",
    channels=MAIL_FIRST,
    words=Words(
        _("We have your request"),
        (
            _("Thank you for writing to {clinic}. We have your request."),
            _("Somebody from our team will call or write to you, usually within one working day."),
        ),
        _("{clinic}: we have your request and will call or write to you soon. Questions: {phone}."),
    ),
)

SHIPPED: tuple[Shipped, ...] = (
    REQUEST_RECEIVED,
    *_of_consultations(),
    *_of_infusions(),
    *_of_the_course(),
    *_asked_and_sent(),
)
"""In the order in which a location's page lists them."""
BY_KEY = {one.key: one for one in SHIPPED}
