"""What tests of the addresses share that providers call: somebody who may be texted, their answers, receipts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.test import Client

from clinic.models import Booking, BookingKind, BookingStatus, Location
from patients.models import (
    Channel,
    Message,
    MessageEvent,
    MessageState,
    Patient,
)
from patients.services.contact_consents import contact_consents_of, record_contact_consent
from patients.tests.factories import make_patient
from patients.tests.providers_kit import SENDER, signed

NOW = datetime(2027, 1, 11, 16, 0, tzinfo=UTC)  # a Monday, 11:00 in New York
BASE = "https://cadence.example.org"
NUMBER, OTHER_NUMBER = "+12125550123", "+12125550199"
INCOMING, MAIL = "/hooks/twilio/incoming/", "/hooks/mail/"


def make_texted(given_name: str, location: Location, *, number: str = NUMBER, **fields: Any) -> Patient:
    """Somebody who agreed to text messages."""
    patient = make_patient(given_name, phones=[number], home_location=location, **fields)
    agree(patient, number)
    return patient


def agree(patient: Patient, number: str = NUMBER, *, granted: bool = True, channel: Channel = Channel.SMS) -> None:
    record_contact_consent(
        patient=patient,
        channel=channel,
        granted=granted,
        source="On the phone",
        value=number,
        by=None,
        now=NOW - timedelta(days=30),
    )


def make_visit(patient: Patient, location: Location, *, days: int = 2, **fields: Any) -> Booking:
    start = NOW + timedelta(days=days, hours=2)
    values = {"status": BookingStatus.BOOKED, "created_at": NOW - timedelta(days=9)} | fields
    return Booking.objects.create(
        kind=BookingKind.CONSULTATION,
        location=location,
        subject=patient.resource,
        span=(start, start + timedelta(hours=1)),
        **values,
    )


def make_message(patient: Patient, location: Location, **fields: Any) -> Message:
    """One that went out by text message an hour ago."""
    at = NOW - timedelta(hours=1)
    values: dict[str, Any] = {
        "key": f"test {uuid4()}",
        "event": MessageEvent.CONSULTATION,
        "due_at": at,
        "state_at": at,
        "useful_until": NOW + timedelta(days=1),
        "created_at": at,
        "attempted_at": at,
        "sent_at": at,
        "state": MessageState.SENT,
        "channel": Channel.SMS,
        "to": NUMBER,
        "language": "en",
        "provider": "twilio",
        "provider_id": "SM1",
    } | fields
    return Message.objects.create(patient=patient, location=location, **values)


def answer(
    client: Client,
    body: str,
    *,
    sid: str = "",
    number: str = NUMBER,
    headers: Mapping[str, str] | None = None,
    **more: str,
) -> Any:
    form = {"MessageSid": sid or f"SM{uuid4().hex}", "From": number, "To": SENDER, "Body": body, **more}
    return client.post(INCOMING, form, headers=signed(BASE + INCOMING, form) if headers is None else headers)


def receipt(client: Client, uid: UUID, status: str, *, sid: str = "SM1", **more: str) -> Any:
    path = f"/hooks/twilio/status/{uid}/"
    form = {"MessageSid": sid, "MessageStatus": status, "To": NUMBER, "From": SENDER, **more}
    return client.post(path, form, headers=signed(BASE + path, form))


def may_text(patient: Patient) -> bool:
    said = contact_consents_of(patient)[Channel.SMS]
    return said is not None and said.granted


def reply(response: Any) -> str:
    """The text of the answer, empty where there is none."""
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/xml")
    body = response.content.decode()
    return body.partition("<Message>")[2].partition("</Message>")[0]
