"""What tests of messages begin with: rules with short texts, somebody who agreed, a consultation, a message that is due.

Times are those of January 2027 in New York. Nothing here goes through the services that are tested, but the bookings do.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

from clinic.models import Booking, Location
from clinic.tests.bookings_kit import ny
from clinic.tests.factories import Clinic
from patients.models import (
    Channel,
    ContactConsent,
    Message,
    MessageEvent,
    MessageRule,
    MessageState,
    MessageText,
    Patient,
)
from patients.services.consultations import book_consultation
from patients.tests.factories import make_patient, make_phone

NUMBER, MAIL = "+12125550123", "ada@example.org"
NOW = ny("2027-01-04 09:00")  # a Monday
VISIT = ny("2027-01-07 14:00")
DAY_BEFORE = ny("2027-01-06 10:00")


def make_rule(location: Location, key: str = "day-before", **fields: Any) -> MessageRule:
    """A reminder of consultations on the day before at 10:00, of use for twelve hours, by text message, else e-mail."""
    values: dict[str, Any] = {
        "event": MessageEvent.CONSULTATION,
        "title": key.replace("-", " ").capitalize(),
        "channels": [Channel.SMS, Channel.EMAIL],
        "useful_min": 720,
    }
    if "minutes" not in fields:
        values |= {"days": -1, "at": time(10)}
    sms, email = fields.pop("sms", "{clinic}: {when}. {link} STOP"), fields.pop("email", "Hello {first_name}: {when}")
    rule = MessageRule.objects.create(location=location, key=key, **(values | fields))
    MessageText.objects.create(rule=rule, language="en", subject="From {clinic}", email_text=email, sms_text=sms)
    return rule


def notice(location: Location, event: MessageEvent, **fields: Any) -> MessageRule:
    """A rule that goes out at once."""
    return make_rule(location, event.value.replace("_", "-"), **({"event": event, "minutes": 0} | fields))


def agree(patient: Patient, channel: Channel, value: str = "", *, granted: bool = True, at: datetime = NOW) -> None:
    """The patient said so a week ago unless said otherwise."""
    ContactConsent.objects.create(
        patient=patient,
        channel=channel,
        granted=granted,
        value=value,
        source="On the phone",
        at=at - timedelta(days=7) if at == NOW else at,
    )


def make_reachable(given_name: str = "Ada", number: str = NUMBER, **fields: Any) -> Patient:
    """Somebody with a mobile number who agreed to text messages to it."""
    patient = make_patient(given_name, **fields)
    make_phone(patient, number)
    agree(patient, Channel.SMS, number)
    return patient


def consultation(clinic: Clinic, patient: Patient, start: datetime = VISIT, now: datetime = NOW) -> Booking:
    """An hour in the room with the clinician."""
    return book_consultation(
        patient=patient,
        location=clinic.location,
        start=start,
        length_min=60,
        clinician_id=clinic.clinician.resource_id or 0,
        room_id=clinic.room.pk,
        by=clinic.desk,
        now=now,
    )


def make_message(patient: Patient | None, location: Location, key: str = "", **fields: Any) -> Message:
    """A message of a kind without conditions, in somebody's words, due at NOW."""
    values: dict[str, Any] = {
        "key": f"manual {key or Message.objects.count() + 1}",
        "event": MessageEvent.MANUAL,
        "due_at": NOW,
        "useful_until": NOW + timedelta(hours=12),
        "state_at": NOW,
        "created_at": NOW,
        "text": "Hello {first_name}, please call {clinic}.",
        "subject": "Please call us",
    }
    if "created_by" not in fields and "rule" not in fields:
        fields["rule"] = manual_rule(location)
    return Message.objects.create(patient=patient, location=location, **(values | fields))


def manual_rule(location: Location) -> MessageRule:
    """One rule of staff's own kind at the location, for messages that need no person who wrote them."""
    found = MessageRule.objects.filter(location=location, key="plain").first()
    return found or make_rule(
        location, "plain", event=MessageEvent.MANUAL, minutes=0, sms="{clinic}: call us. STOP", email="Call {clinic}"
    )


def states(rows: Sequence[Message] | None = None) -> dict[str, int]:
    """State -> how many."""
    found: dict[str, int] = {}
    for state in Message.objects.values_list("state", flat=True) if rows is None else (row.state for row in rows):
        found[MessageState(state).value] = found.get(state, 0) + 1
    return found
