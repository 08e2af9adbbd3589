"""What tests of the messages of courses begin with: the shipped rules, and a patient who agreed to text messages."""

from __future__ import annotations

from datetime import datetime, timedelta

from clinic.tests.factories import Clinic, make_clinic
from courses.models import Revision
from courses.tests.series_kit import Booked, book
from patients.models import Channel, ContactConsent, Message, MessageEvent, MessageState, Patient
from patients.services.messages.kinds import kind_of
from patients.services.messages.rules import ensure_rules
from patients.tests.factories import make_patient

NUMBER = "+12125550123"


def agree(patient: Patient, when: datetime, *, channel: Channel = Channel.SMS, value: str = NUMBER) -> None:
    """The patient agreed a week before ``when``."""
    ContactConsent.objects.create(
        patient=patient, channel=channel, granted=True, value=value, source="Desk", at=when - timedelta(days=7)
    )


def refuse(patient: Patient, when: datetime) -> None:
    """The patient took the yes back."""
    ContactConsent.objects.create(
        patient=patient, channel=Channel.SMS, granted=False, value=NUMBER, source="Desk", at=when
    )


def told_clinic(now: datetime, **known: object) -> Clinic:
    """A clinic whose shipped rules are there."""
    clinic = make_clinic(phone="+12125550100", address="120 Madison Avenue", **known)
    ensure_rules(clinic.location, now=now)
    return clinic


def told_series(now: datetime, *, clinic: Clinic | None = None, slug: str = "T-MWF6", given: str = "Ada") -> Booked:
    """A booked series of somebody who agreed to text messages; infusion 1 on Mon 5 April 2027."""
    clinic = clinic or told_clinic(now)
    patient = make_patient(given, phones=[NUMBER], home_location=clinic.location)
    agree(patient, now)
    return book(clinic=clinic, patient=patient, slug=slug, now=now)


def notices(booked: Booked, *, since: int = 0) -> list[tuple[str, dict[str, object]]]:
    """Event and facts of the patient's notices, the earliest first; reminders are left out."""
    rows = Message.objects.filter(patient=booked.patient, pk__gt=since).order_by("pk")
    standing = [MessageEvent.INFUSION, MessageEvent.MEASURE_DUE, MessageEvent.AFTER_INFUSION]
    return [(row.event, row.facts) for row in rows.exclude(event__in=standing)]


def latest(booked: Booked) -> Message:
    return Message.objects.filter(patient=booked.patient).latest("pk")


def newest() -> int:
    """The id of the latest message: what comes after it is new."""
    return Message.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def said(message: Message, now: datetime) -> dict[str, str]:
    """What the kind fills in."""
    return dict(kind_of(message.event).fill_in([message], now=now)[message.pk])


def why_not(message: Message, now: datetime) -> str:
    """Why the kind would not send it; empty when it holds."""
    return kind_of(message.event).still_holds([message], now=now).get(message.pk, "")


def went_out(message: Message, now: datetime) -> Message:
    """As a provider's answer leaves it."""
    Message.objects.filter(pk=message.pk).update(
        state=MessageState.SENT, state_at=now, sent_at=now, to=NUMBER, channel=Channel.SMS
    )
    message.refresh_from_db()
    return message


def revisions(booked: Booked) -> list[str]:
    return list(Revision.objects.filter(course=booked.course).order_by("pk").values_list("kind", flat=True))
