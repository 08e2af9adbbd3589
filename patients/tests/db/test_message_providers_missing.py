"""Where no provider is set up for a channel, the next one is taken, else a person calls: nothing fails for the lack of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine
from pytest_django import Settings

from clinic.tests.factories import Clinic, make_clinic
from patients.adapters.providers import can_send
from patients.models import Channel, Message, MessageState, Patient
from patients.services.messages.addressing import choose, choose_for
from patients.services.messages.sending import claim_due, send_claimed
from patients.tests.factories import make_patient, make_phone, make_request
from patients.tests.messages_kit import MAIL, NOW, NUMBER, agree, make_message

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _monday_at_nine() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture(autouse=True)
def _no_provider_of_texts(settings: Settings) -> None:
    """A production without Twilio; e-mail goes out."""
    settings.PRODUCTION = True
    assert (can_send(Channel.SMS), can_send(Channel.EMAIL)) == (False, True)


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def person(**fields: str) -> Patient:
    """Agreed to text messages; prefers them."""
    patient = make_patient("Ada", preferred_channel=Channel.SMS, **fields)
    make_phone(patient, NUMBER)
    agree(patient, Channel.SMS, NUMBER)
    return patient


def sent(message: Message) -> Message:
    send_claimed(claim_due(now=NOW), now=NOW)
    message.refresh_from_db()
    return message


def test_who_agreed_to_both_gets_an_e_mail(clinic: Clinic, mailoutbox: list[object]) -> None:
    patient = person(email=MAIL)
    agree(patient, Channel.EMAIL, MAIL)
    message = sent(make_message(patient, clinic.location))
    assert (message.state, message.channel, message.to) == (MessageState.SENT, Channel.EMAIL, MAIL)
    assert len(mailoutbox) == 1


def test_who_agreed_to_texts_only_is_called_and_the_list_says_why(clinic: Clinic) -> None:
    message = sent(make_message(person(), clinic.location))
    assert (message.state, message.channel, message.to) == (MessageState.TO_CALL, Channel.PHONE, NUMBER)
    assert message.error == "Text messages: agreed, but no provider is set up to send it."


def test_with_a_provider_the_same_person_is_texted(clinic: Clinic, settings: Settings) -> None:
    settings.PRODUCTION = False  # the catcher takes texts
    message = sent(make_message(person(), clinic.location))
    assert (message.state, message.channel) == (MessageState.SENT, Channel.SMS)


def test_who_agreed_to_nothing_reads_as_before(clinic: Clinic) -> None:
    patient = make_patient("Ben")
    make_phone(patient, NUMBER)
    assert choose_for(patient, clinic.location).why_not == "No consent to text or e-mail."


def test_a_request_that_may_only_be_texted_is_called_with_the_reason(clinic: Clinic) -> None:
    request = make_request(clinic.location, phone=NUMBER, may_sms=True, may_email=False)
    message = Message.objects.create(
        key="test request",
        event="request_received",
        location=clinic.location,
        request=request,
        due_at=NOW,
        useful_until=NOW,
        state_at=NOW,
        created_at=NOW,
    )
    address = choose([message])[message.pk]
    assert (address.channel, address.to) == (Channel.PHONE, NUMBER)
    assert address.why_not == "Text messages: agreed, but no provider is set up to send it."
