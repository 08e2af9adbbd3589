"""Messages with a link, as they stand in the outbox after they went out, for tests of what lies behind it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse

from clinic.models import Booking, Location
from patients.models import Channel, Message, MessageEvent, MessageState, Patient
from patients.services.messages.links import Opened, Purpose, read, token


def make_message(
    patient: Patient,
    location: Location,
    *,
    now: datetime,
    booking: Booking | None = None,
    event: MessageEvent = MessageEvent.CONSULTATION,
    **more: Any,
) -> Message:
    """One that was sent by text a minute ago."""
    start = f"{booking.start:%Y-%m-%dT%H:%MZ}" if booking is not None else "none"
    sent = now - timedelta(minutes=1)
    values: dict[str, Any] = {
        "key": f"test {Message.objects.count()} booking {booking.pk if booking else 0} {start}",
        "event": event,
        "location": location,
        "patient": patient,
        "booking": booking,
        "due_at": sent,
        "useful_until": now + timedelta(hours=12),
        "state": MessageState.SENT,
        "state_at": sent,
        "sent_at": sent,
        "channel": Channel.SMS,
        "to": "+12125550123",
        "created_at": sent,
    }
    return Message.objects.create(**values | more)


def page_of(message: Message, name: str = "link", purpose: Purpose = Purpose.VISIT) -> str:
    """The address of a page behind the message's link."""
    return reverse(f"public:visit_{name}", args=[token(message, purpose)])


def opened(message: Message, now: datetime, purpose: Purpose = Purpose.VISIT) -> Opened:
    """What the link opens, read afresh."""
    return read(token(message, purpose), purpose=purpose, now=now)


def seen(booking: Booking) -> dict[str, str]:
    """What the form of a page that showed the visit sends along."""
    return {"seen": booking.start.isoformat()}


def words(answer: Any) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))
