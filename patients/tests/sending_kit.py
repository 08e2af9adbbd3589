"""What tests of sending share: a provider in this process, and one batch of a worker."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from clinic.models import Booking
from clinic.tests.factories import Clinic
from patients.adapters.providers import Receipt
from patients.models import Message, Patient
from patients.services.messages.planning import sweep
from patients.services.messages.sending import (
    Sent,
    claim_due,
    send_claimed,
)
from patients.tests.messages_kit import (
    NOW,
    consultation,
    make_rule,
)


class Carrier:
    """A provider in this process: remembers what it was asked, and answers as it is told."""

    def __init__(self, *, gives_idempotency: bool = False) -> None:
        self.name, self.gives_idempotency = "carrier", gives_idempotency
        self.asked: list[dict[str, str]] = []
        self.answers: list[Exception] = []

    def send(self, **asked: str) -> Receipt:
        self.asked.append(asked)
        if self.answers:
            raise self.answers.pop(0)
        return Receipt(f"no-{len(self.asked)}")


def go(now: datetime = NOW) -> Sent:
    """What a worker does with one batch."""
    return send_claimed(claim_due(now=now), now=now)


def only() -> Message:
    return Message.objects.get()


def due_visit(clinic: Clinic, ada: Patient, **rule: Any) -> Booking:
    make_rule(clinic.location, **rule)
    visit = consultation(clinic, ada)
    sweep(now=NOW)
    return visit
