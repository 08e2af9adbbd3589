"""Where providers call: answers by text message, receipts, bounces; and everybody else who tries."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from clinic.models import Booking, BookingKind, BookingStatus, Location
from clinic.tests.factories import Clinic, make_clinic, make_location
from clinic.tests.fixtures.parallel import Parallel
from patients.models import (
    Channel,
    ContactConsent,
    IncomingMessage,
    Meaning,
    Message,
    MessageEvent,
    MessageState,
    Patient,
)
from patients.services.contact_consents import contact_consents_of, record_contact_consent
from patients.tests.factories import make_patient, make_phone, make_request
from patients.tests.providers_kit import ACCOUNT, SENDER, TOKEN, signed

NOW = datetime(2027, 1, 11, 16, 0, tzinfo=UTC)  # a Monday, 11:00 in New York
BASE = "https://cadence.example.org"
NUMBER, OTHER_NUMBER = "+12125550123", "+12125550199"
INCOMING, MAIL = "/hooks/twilio/incoming/", "/hooks/mail/"


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


# --- who may call -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Twilio-Signature": ""}, {"X-Twilio-Signature": "Zm9yZ2Vk"}, {"X-Twilio-Signature": "ü" * 5000}],
)
def test_without_twilios_signature_nothing_is_read(client: Client, ada: Patient, headers: Mapping[str, str]) -> None:
    assert answer(client, "STOP", headers=headers).status_code == 403
    assert may_text(ada)
    assert answer(client, "STOP").status_code == 200
    assert not may_text(ada)


def test_a_signature_for_other_words_or_of_another_account_is_forged(client: Client, ada: Patient) -> None:
    form = {"MessageSid": "SM7", "From": NUMBER, "To": SENDER, "Body": "STOP"}
    others = signed(BASE + INCOMING, form | {"Body": "YES"})
    stolen = signed(BASE + INCOMING, form, token="of somebody else")
    elsewhere = signed("https://evil.example.org" + INCOMING, form)
    assert [client.post(INCOMING, form, headers=h).status_code for h in (others, stolen, elsewhere)] == [403] * 3
    assert not IncomingMessage.objects.exists()


def test_behind_our_proxy_the_address_that_was_called_counts_too(
    client: Client, ada: Patient, settings: Settings
) -> None:
    settings.SECURE_PROXY_SSL_HEADER, settings.ALLOWED_HOSTS = ("HTTP_X_FORWARDED_PROTO", "https"), ["sms.example.org"]
    form = {"MessageSid": "SM7", "From": NUMBER, "To": SENDER, "Body": "STOP"}
    through = {"Host": "sms.example.org", "X-Forwarded-Proto": "https"}
    headers = signed("https://sms.example.org" + INCOMING, form)
    assert client.post(INCOMING, form, headers=headers | through).status_code == 200
    assert client.post(INCOMING, form, headers=headers | through | {"X-Forwarded-Proto": "http"}).status_code == 403


def test_an_installation_without_twilio_has_no_such_address(client: Client, ada: Patient, settings: Settings) -> None:
    settings.TWILIO_ACCOUNT_SID = settings.TWILIO_AUTH_TOKEN = ""
    form = {"MessageSid": "SM7", "From": NUMBER, "To": SENDER, "Body": "STOP"}
    assert client.post(INCOMING, form, headers=signed(BASE + INCOMING, form, token="")).status_code == 404
    assert may_text(ada)


@pytest.mark.django_db
def test_who_forges_again_and_again_is_not_looked_at_for_a_while(client: Client) -> None:
    found = [answer(client, "STOP", headers={}).status_code for _ in range(31)]
    assert (found[:30], found[30]) == ([403] * 30, 429)
    assert answer(client, "STOP").status_code == 429
    elsewhere = Client(REMOTE_ADDR="203.0.113.9")
    assert answer(elsewhere, "STOP").status_code == 200


@pytest.mark.django_db
def test_no_cookie_is_set_no_csrf_token_needed_and_looking_is_not_calling() -> None:
    strict = Client(enforce_csrf_checks=True)
    response = answer(strict, "Hello")
    assert (response.status_code, response.cookies) == (200, {})
    assert strict.get(INCOMING).status_code == 405


@pytest.mark.django_db
@pytest.mark.parametrize(
    "form",
    [
        {},
        {"MessageSid": "SM1"},
        {"From": NUMBER, "Body": "STOP"},
        {"MessageSid": " ", "From": " "},
    ],
)
def test_a_signed_call_that_names_nobody_is_refused(client: Client, form: dict[str, str]) -> None:
    assert client.post(INCOMING, form, headers=signed(BASE + INCOMING, form)).status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"a" * 16_385, "application/x-www-form-urlencoded", 413),
        (b"\xff\xfe%zz=%", "application/x-www-form-urlencoded", 403),
        (b"{", "application/json", 403),
        (b"--x", "multipart/form-data; boundary=x", 403),
        (b"--x", "multipart/form-data", 400),
        (b"a=1", "application/x-www-form-urlencoded; charset=latin-1", 400),
        (b"&".join(b"a=1" for _ in range(3000)), "application/x-www-form-urlencoded", 400),
    ],
)
def test_junk_is_refused_and_never_an_error_of_ours(client: Client, body: bytes, kind: str, expected: int) -> None:
    response = client.post(INCOMING, body, content_type=kind, headers={"X-Twilio-Signature": "Zm9yZ2Vk"})
    assert response.status_code in {400, 403, 413}
    assert response.status_code == expected


@pytest.mark.django_db
@pytest.mark.parametrize("body", ["\x00\x01", "<script>alert(1)</script>", "Zoë 🙂", "", "a" * 1600, "१२३", "STOP\x00"])
def test_whatever_somebody_writes_is_kept(client: Client, body: str) -> None:
    make_clinic()
    assert answer(client, body, sid="SM9").status_code == 200
    assert IncomingMessage.objects.get().text == body.replace("\x00", "").strip()


# --- STOP, START, HELP ------------------------------------------------------------------------------------------------
STOPS = ["STOP", "stop", " Stop. ", "STOP!!", "stopall", "Unsubscribe", "END", "quit", "Opt-out", "revoke"]
PARAS = ["ALTO", "Parar", "PARE", "no más", "Baja", "detener"]


@pytest.mark.parametrize("word", [*STOPS, *PARAS])
def test_stop_ends_text_messages_at_once_and_is_answered_once(client: Client, ada: Patient, word: str) -> None:
    said = reply(answer(client, word))
    assert not may_text(ada)
    assert said.startswith("Maple Clinic: ")
    assert "no more text messages" in said
    assert len(said) <= 160
    row = IncomingMessage.objects.get()
    assert (row.meaning, row.patient, row.handled_at) == (Meaning.STOP, ada, NOW)


@pytest.mark.parametrize(
    "text", ["Stop by at three?", "Please don't stop my visits", "I end work at five", "stopp", "👍"]
)
def test_a_sentence_with_such_a_word_is_none(client: Client, ada: Patient, text: str) -> None:
    answer(client, text)
    assert may_text(ada)
    row = IncomingMessage.objects.get()
    assert (row.meaning, row.handled_at) == (Meaning.OTHER, None)


def test_stop_counts_for_everybody_with_that_number_and_nobody_else(
    client: Client, ada: Patient, clinic: Clinic
) -> None:
    son = make_texted("Ben", clinic.location)
    neighbour = make_texted("Cara", clinic.location, number=OTHER_NUMBER)
    answer(client, "STOP")
    assert [may_text(patient) for patient in (ada, son, neighbour)] == [False, False, True]


def test_a_number_that_comes_back_on_record_stays_stopped(client: Client, ada: Patient) -> None:
    ada.phones.all().delete()
    answer(client, "STOP")
    make_phone(ada, NUMBER)
    assert not may_text(ada)


def test_stop_counts_for_who_asked_for_a_consultation_and_is_no_patient_yet(client: Client, clinic: Clinic) -> None:
    request = make_request(clinic.location, phone=NUMBER, may_sms=True, may_phone=True)
    assert "no more text" in reply(answer(client, "STOP"))
    request.refresh_from_db()
    assert (request.may_sms, request.may_phone) == (False, True)


def test_the_same_answer_again_does_nothing_again(client: Client, ada: Patient) -> None:
    first, second = answer(client, "STOP", sid="SM5"), answer(client, "STOP", sid="SM5")
    assert (bool(reply(first)), reply(second)) == (True, "")
    assert IncomingMessage.objects.count() == 1
    assert ContactConsent.objects.filter(patient=ada, granted=False).count() == 1


def test_looking_first_whether_an_answer_is_there_would_do_it_twice(parallel: Parallel) -> None:
    """The race without the guard (the unique number of the answer)."""
    ada = make_texted("Ada", make_clinic("Maple Clinic").location)
    both_looked = Barrier(2)

    def naive(_index: int) -> None:
        if not IncomingMessage.objects.filter(provider_id="SM5").exists():
            both_looked.wait(30)
            agree(ada, granted=False)

    parallel(2, naive)
    assert ContactConsent.objects.filter(patient=ada, granted=False).count() == 2


def test_two_at_the_same_moment_are_one(parallel: Parallel) -> None:
    ada = make_texted("Ada", make_clinic("Maple Clinic", phone="+12125550100").location)
    found = parallel(4, lambda _index: bool(reply(answer(Client(), "STOP", sid="SM5"))))
    assert sorted(outcome.value for outcome in found) == [False, False, False, True]
    assert ContactConsent.objects.filter(patient=ada, granted=False).count() == 1


def test_cancel_ends_texts_by_law_and_waits_for_a_person_since_a_visit_may_be_meant(
    client: Client, ada: Patient
) -> None:
    visit = make_visit(ada, ada.home_location)
    said = reply(answer(client, "CANCEL"))
    visit.refresh_from_db()
    row = IncomingMessage.objects.get()
    assert not may_text(ada)
    assert "(212) 555-0100" in said
    assert (visit.status, row.meaning, row.handled_at) == (BookingStatus.BOOKED, Meaning.STOP, None)
    assert "visit was meant" in row.handled_note


def test_start_gives_back_what_stop_took_and_nothing_more(client: Client, ada: Patient, clinic: Clinic) -> None:
    never = make_patient("Dora", phones=[NUMBER], home_location=clinic.location)
    answer(client, "STOP")
    said = reply(answer(client, "START"))
    assert (may_text(ada), may_text(never)) == (True, False)
    assert contact_consents_of(ada)[Channel.SMS].value == NUMBER
    assert "STOP" in said


def test_start_of_somebody_whom_staff_had_crossed_off_waits_for_a_person(client: Client, ada: Patient) -> None:
    agree(ada, granted=False)
    answer(client, "START")
    assert not may_text(ada)
    assert IncomingMessage.objects.get().handled_at is None


def test_start_twice_and_stop_twice_end_where_the_last_word_was(client: Client, ada: Patient) -> None:
    for word in ("STOP", "STOP", "START", "START", "STOP", "START"):
        with time_machine.travel(NOW + timedelta(minutes=IncomingMessage.objects.count()), tick=False):
            answer(client, word)
    assert may_text(ada)


def test_help_says_who_we_are_and_whom_to_call(client: Client, ada: Patient) -> None:
    said = reply(answer(client, "help"))
    assert said.startswith("Maple Clinic: ")
    assert "(212) 555-0100" in said
    assert "STOP" in said
    assert len(said) <= 160


def test_a_provider_that_has_answered_itself_is_not_repeated(client: Client, ada: Patient) -> None:
    assert reply(answer(client, "whatever they set up", OptOutType="STOP")) == ""
    assert not may_text(ada)


def test_a_number_that_nobody_has_gets_no_answer_beyond_the_words_of_the_field(client: Client, clinic: Clinic) -> None:
    assert reply(answer(client, "Who is this?", number=OTHER_NUMBER)) == ""
    row = IncomingMessage.objects.get()
    assert (row.patient, row.handled_at) == (None, None)
    assert reply(answer(client, "HELP", number=OTHER_NUMBER)).startswith("Maple Clinic: ")


def test_a_short_code_or_words_for_a_number_harm_nothing(client: Client, ada: Patient) -> None:
    assert answer(client, "STOP", number="72345").status_code == 200
    assert answer(client, "STOP", number="Ma<b>ple" * 20).status_code == 200
    assert may_text(ada)


# --- confirming -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("word", ["C", "Yes", "YES!", "confirm", "Sí", "si", "CONFIRMAR", "Confirmo.", "y"])
def test_a_yes_confirms_the_visit_that_was_asked_about(client: Client, ada: Patient, word: str) -> None:
    visit = make_visit(ada, ada.home_location)
    make_visit(ada, ada.home_location, days=4)
    message = make_message(ada, ada.home_location, booking=visit)
    said = reply(answer(client, word))
    visit.refresh_from_db()
    assert (visit.status, visit.confirmed_at) == (BookingStatus.CONFIRMED, NOW)
    assert "Wed, Jan 13, 1:00 PM" in said
    assert [step.text for step in message.steps.all()] == ["Confirmed by text message."]
    assert IncomingMessage.objects.get().handled_at == NOW


def test_the_moment_is_told_on_the_patients_own_clocks(client: Client, clinic: Clinic) -> None:
    away = make_texted("Eve", clinic.location, time_zone="America/Los_Angeles")
    visit = make_visit(away, clinic.location)
    make_message(away, clinic.location, booking=visit)
    assert "10:00 AM" in reply(answer(client, "YES"))


def test_a_yes_twice_confirms_once(client: Client, ada: Patient) -> None:
    visit = make_visit(ada, ada.home_location)
    message = make_message(ada, ada.home_location, booking=visit)
    assert "is confirmed" in reply(answer(client, "YES"))
    assert "is confirmed" in reply(answer(client, "YES"))
    visit.refresh_from_db()
    assert (visit.version, message.steps.count()) == (2, 1)


def test_without_a_question_a_yes_means_the_only_visit_near(client: Client, ada: Patient) -> None:
    visit = make_visit(ada, ada.home_location, days=3)
    make_visit(ada, ada.home_location, days=20)
    answer(client, "YES")
    visit.refresh_from_db()
    assert visit.status == BookingStatus.CONFIRMED


def test_a_yes_that_may_mean_several_visits_waits_for_a_person(client: Client, ada: Patient) -> None:
    visits = [make_visit(ada, ada.home_location, days=days) for days in (2, 4)]
    said = reply(answer(client, "YES"))
    assert {visit.status for visit in Booking.objects.filter(pk__in=[v.pk for v in visits])} == {BookingStatus.BOOKED}
    assert IncomingMessage.objects.get().handled_at is None
    assert "confirmed" not in said


def test_a_yes_from_a_number_of_two_patients_with_visits_waits_for_a_person(
    client: Client, ada: Patient, clinic: Clinic
) -> None:
    son = make_texted("Ben", clinic.location)
    visit, other = make_visit(ada, clinic.location), make_visit(son, clinic.location, days=3)
    make_message(ada, clinic.location, booking=visit)
    answer(client, "YES")
    assert not Booking.objects.filter(status=BookingStatus.CONFIRMED, pk__in=[visit.pk, other.pk]).exists()
    other.delete()
    answer(client, "YES")
    visit.refresh_from_db()
    assert visit.status == BookingStatus.CONFIRMED


def test_a_yes_to_a_visit_that_is_over_does_not_confirm_the_next(client: Client, ada: Patient) -> None:
    past = make_visit(ada, ada.home_location, days=-1)
    coming = make_visit(ada, ada.home_location, days=2)
    make_message(ada, ada.home_location, booking=past)
    answer(client, "YES")
    coming.refresh_from_db()
    assert coming.status == BookingStatus.BOOKED
    assert "another visit" in IncomingMessage.objects.get().handled_note


@pytest.mark.parametrize("status", [BookingStatus.CANCELLED, BookingStatus.DONE, BookingStatus.ARRIVED])
def test_a_yes_to_what_is_not_to_come_changes_nothing(client: Client, ada: Patient, status: BookingStatus) -> None:
    visit = make_visit(ada, ada.home_location, status=status)
    make_message(ada, ada.home_location, booking=visit)
    answer(client, "YES")
    visit.refresh_from_db()
    assert visit.status == status
    assert IncomingMessage.objects.get().handled_at is None


def test_who_stopped_texts_may_still_confirm(client: Client, ada: Patient) -> None:
    visit = make_visit(ada, ada.home_location)
    answer(client, "STOP")
    answer(client, "YES")
    visit.refresh_from_db()
    assert visit.status == BookingStatus.CONFIRMED
    assert not may_text(ada)


# --- everything else --------------------------------------------------------------------------------------------------
def test_anything_else_waits_for_the_desk_and_is_thanked_once_a_day(client: Client, ada: Patient) -> None:
    said = [reply(answer(client, text)) for text in ("Running late", "Ten minutes", "Is that ok?")]
    assert said[0].startswith("Maple Clinic: thank you. Texts are not read around the clock.")
    assert "911" in said[0]
    assert "988" in said[0]
    assert len(said[0]) <= 160
    assert said[1:] == ["", ""]
    assert IncomingMessage.objects.filter(handled_at__isnull=True, patient=ada, location=ada.home_location).count() == 3


def test_markup_in_the_name_of_a_clinic_is_text_in_the_answer(client: Client, db: None) -> None:
    place = make_location("A & B <script>")
    make_texted("Ada", place)
    response = answer(client, "HELP")
    assert b"<script>" not in response.content
    assert b"A &amp; B &lt;script&gt;" in response.content


def test_who_stopped_is_not_thanked(client: Client, ada: Patient) -> None:
    answer(client, "STOP")
    assert reply(answer(client, "Running late")) == ""


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
