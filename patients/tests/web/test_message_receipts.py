"""Receipts: what became of text messages and e-mails at the provider, in whatever order it tells."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from clinic.tests.factories import Clinic, make_clinic
from patients.models import (
    Channel,
    Message,
    MessageState,
    Patient,
)
from patients.services.contact_consents import contact_consents_of
from patients.tests.factories import make_patient
from patients.tests.hooks_kit import (
    BASE,
    MAIL,
    NOW,
    agree,
    make_message,
    make_texted,
    may_text,
    receipt,
)
from patients.tests.providers_kit import ACCOUNT, SENDER, TOKEN


@pytest.fixture(autouse=True)
def _now(settings: Settings):
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN, settings.TWILIO_FROM = ACCOUNT, TOKEN, SENDER
    settings.CADENCE_BASE_URL = BASE
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic(db: None) -> Clinic:
    return make_clinic("Maple Clinic", phone="+12125550100")


@pytest.fixture
def ada(clinic: Clinic) -> Patient:
    return make_texted("Ada", clinic.location)


# --- receipts of text messages ----------------------------------------------------------------------------------------
def test_a_receipt_makes_sent_delivered_and_says_so_in_the_history(client: Client, ada: Patient) -> None:
    message = make_message(ada, ada.home_location)
    assert receipt(client, message.uid, "delivered").status_code == 204
    message.refresh_from_db()
    assert (message.state, message.delivered_at) == (MessageState.DELIVERED, NOW)
    assert [step.text for step in message.steps.all()] == ["Delivered."]


@pytest.mark.parametrize(("status", "code"), [("undelivered", "30005"), ("failed", "30006"), ("undelivered", "")])
def test_a_message_that_did_not_arrive_is_a_failure_with_its_reason(
    client: Client, ada: Patient, status: str, code: str
) -> None:
    message = make_message(ada, ada.home_location)
    receipt(client, message.uid, status, ErrorCode=code)
    message.refresh_from_db()
    assert message.state == MessageState.FAILED
    assert message.error == {"30005": "The number does not exist or is not in use.", "": "It did not arrive."}.get(
        code, "The number cannot get text messages (a landline, perhaps)."
    )
    assert may_text(ada)


@pytest.mark.parametrize(
    "order",
    [
        ["delivered", "sent", "sending", "queued"],
        ["delivered", "delivered", "delivered"],
        ["delivered", "undelivered", "failed"],
        ["sent", "delivered", "sent"],
        ["undelivered", "delivered"],
        ["queued", "unheard-of", "delivered"],
    ],
)
def test_receipts_in_any_order_and_number_end_at_delivered(client: Client, ada: Patient, order: list[str]) -> None:
    message = make_message(ada, ada.home_location)
    assert {receipt(client, message.uid, status).status_code for status in order} == {204}
    message.refresh_from_db()
    assert message.state == MessageState.DELIVERED
    assert message.steps.filter(text="Delivered.").count() == 1


def test_a_late_sent_does_not_raise_what_failed(client: Client, ada: Patient) -> None:
    message = make_message(ada, ada.home_location)
    for status in ("failed", "sent", "failed"):
        receipt(client, message.uid, status)
    message.refresh_from_db()
    assert (message.state, message.steps.count()) == (MessageState.FAILED, 1)


def test_a_failure_of_another_attempt_says_nothing_about_this_one(client: Client, ada: Patient) -> None:
    message = make_message(ada, ada.home_location)
    receipt(client, message.uid, "failed", sid="SM-another")
    message.refresh_from_db()
    assert message.state == MessageState.SENT


def test_a_receipt_that_overtakes_the_worker_leaves_the_message_with_nobody(client: Client, ada: Patient) -> None:
    unsent = {"sent_at": None, "provider_id": "", "provider": ""}
    message = make_message(ada, ada.home_location, state=MessageState.SENDING, claim=uuid4(), claimed_at=NOW, **unsent)
    receipt(client, message.uid, "delivered", sid="SM44")
    message.refresh_from_db()
    assert (message.state, message.claim, message.provider_id) == (MessageState.DELIVERED, None, "SM44")


def test_a_receipt_resolves_a_failure_of_which_nobody_knew_whether_it_went(client: Client, ada: Patient) -> None:
    message = make_message(
        ada, ada.home_location, state=MessageState.FAILED, sent_at=None, provider_id="", error="did not answer"
    )
    receipt(client, message.uid, "sent", sid="SM45")
    message.refresh_from_db()
    assert (message.state, message.provider_id, message.error, message.sent_at) == (MessageState.SENT, "SM45", "", NOW)


def test_nothing_is_believed_of_a_message_that_was_never_tried(client: Client, ada: Patient) -> None:
    message = make_message(
        ada, ada.home_location, state=MessageState.PLANNED, attempted_at=None, sent_at=None, provider_id=""
    )
    receipt(client, message.uid, "delivered")
    message.refresh_from_db()
    assert message.state == MessageState.PLANNED


def test_a_provider_that_says_stopped_ends_the_consent(client: Client, ada: Patient) -> None:
    message = make_message(ada, ada.home_location)
    receipt(client, message.uid, "failed", ErrorCode="21610")
    assert not may_text(ada)


@pytest.mark.django_db
def test_a_receipt_of_nothing_we_have_is_taken_note_of_by_nobody(client: Client) -> None:
    assert receipt(client, uuid4(), "delivered").status_code == 204
    assert client.post(f"/hooks/twilio/status/{uuid4()}/", {"MessageStatus": "sent"}).status_code == 403
    assert client.post("/hooks/twilio/status/none/").status_code == 404


# --- receipts of e-mail -----------------------------------------------------------------------------------------------
SECRET = "hook:0123456789abcdef"


@pytest.fixture
def _postmark(settings: Settings) -> None:
    settings.EMAIL_PROVIDER = "postmark"
    settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": "t", "WEBHOOK_SECRET": SECRET}


def mail_event(client: Client, event: dict[str, Any] | bytes, *, secret: str = SECRET) -> Any:
    body = event if isinstance(event, bytes) else json.dumps(event)
    headers = {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
    return client.post(MAIL, body, content_type="application/json", headers=headers)


@pytest.fixture
def mailed(clinic: Clinic) -> Message:
    patient = make_patient("Ada", email="ada@example.org", home_location=clinic.location)
    agree(patient, "ada@example.org", channel=Channel.EMAIL)
    return make_message(
        patient, clinic.location, channel=Channel.EMAIL, to="ada@example.org", provider="postmark", provider_id="m-1"
    )


def may_write(message: Message) -> bool:
    said = contact_consents_of(message.patient)[Channel.EMAIL]
    return said is not None and said.granted


BOUNCE = {
    "RecordType": "Bounce",
    "Type": "HardBounce",
    "MessageID": "m-1",
    "Email": "ada@example.org",
    "ID": 1,
    "BouncedAt": "2027-01-11T15:59:00Z",
    "Description": "The server was unable to deliver to ada@example.org.",
}
COMPLAINT = BOUNCE | {"RecordType": "SpamComplaint", "Type": "SpamComplaint"}
DELIVERY = {
    "RecordType": "Delivery",
    "MessageID": "m-1",
    "Recipient": "ada@example.org",
    "DeliveredAt": "2027-01-11T15:59:00Z",
}


@pytest.mark.usefixtures("_postmark")
def test_an_address_that_bounces_is_a_failure_also_after_a_server_took_it(client: Client, mailed: Message) -> None:
    assert mail_event(client, DELIVERY).status_code == 200
    mailed.refresh_from_db()
    assert mailed.state == MessageState.DELIVERED
    assert mail_event(client, BOUNCE).status_code == 200
    mailed.refresh_from_db()
    assert (mailed.state, mailed.error) == (MessageState.FAILED, "The address does not take mail.")
    assert may_write(mailed)


@pytest.mark.usefixtures("_postmark")
def test_a_reader_who_complains_is_not_written_to_again(client: Client, mailed: Message) -> None:
    assert mail_event(client, COMPLAINT).status_code == 200
    mailed.refresh_from_db()
    assert mailed.state == MessageState.FAILED
    assert not may_write(mailed)
    mail_event(client, COMPLAINT)
    assert mailed.steps.count() == 1


@pytest.mark.usefixtures("_postmark")
@pytest.mark.parametrize("secret", ["", "hook:wrong", "nobody:0123456789abcdef"])
def test_without_the_secret_no_mail_event_is_read(client: Client, mailed: Message, secret: str) -> None:
    assert mail_event(client, BOUNCE, secret=secret).status_code == 403
    mailed.refresh_from_db()
    assert mailed.state == MessageState.SENT


def test_a_provider_without_a_secret_has_no_address_that_anybody_could_use(
    client: Client, mailed: Message, settings: Settings
) -> None:
    settings.EMAIL_PROVIDER, settings.ANYMAIL = "postmark", {"POSTMARK_SERVER_TOKEN": "t"}
    assert mail_event(client, BOUNCE).status_code == 404
    settings.EMAIL_PROVIDER = ""
    assert mail_event(client, BOUNCE).status_code == 404


@pytest.mark.usefixtures("_postmark")
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b"{}", b"\xff", b'{"RecordType": [1]}', b'{"RecordType": "Bounce"}']
)
def test_junk_from_a_mail_provider_is_never_an_error_of_ours(client: Client, mailed: Message, body: bytes) -> None:
    assert mail_event(client, body).status_code in {200, 400}
    mailed.refresh_from_db()
    assert mailed.state == MessageState.SENT


@pytest.mark.usefixtures("_postmark")
def test_mail_that_is_not_in_the_outbox_is_none_of_it(client: Client, mailed: Message) -> None:
    assert mail_event(client, BOUNCE | {"MessageID": "m-of-staff"}).status_code == 200
    mailed.refresh_from_db()
    assert mailed.state == MessageState.SENT
