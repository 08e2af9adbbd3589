"""The call list, answers by text message, a patient's messages and writing one; preferred channel; merging."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from clinic.models import AccessLog
from clinic.pure.roles import Role
from clinic.tests.bookings_kit import ny
from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.ledger import Queries
from patients.models import Channel, IncomingMessage, Meaning, Message, MessageState, Patient
from patients.services.merge import differences, merge_patients, undo_merge
from patients.services.messages.calls import CallOutcome, record_call
from patients.services.messages.sending import claim_due, send_claimed
from patients.tests.factories import make_patient, make_phone
from patients.tests.messages_kit import MAIL, NOW, NUMBER, agree, make_message, make_reachable

pytestmark = pytest.mark.django_db
CALLS, ANSWERS = "/messages/calls/", "/messages/answers/"


@pytest.fixture(autouse=True)
def _monday_at_nine() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def desk(clinic: Clinic) -> Client:
    return signed_in(clinic, Role.FRONT_DESK)


def signed_in(clinic: Clinic, role: Role) -> Client:
    client = Client()
    client.force_login(clinic.users[role])
    return client


def words(answer: Any) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def to_call(clinic: Clinic, patient: Patient | None = None, **fields: Any) -> Message:
    """Somebody who agreed to nothing: the message was due and waits for a call."""
    if patient is None:
        patient = make_patient("Ada")
        make_phone(patient, NUMBER)
    values = {"state": MessageState.TO_CALL, "channel": Channel.PHONE, "text": "Please come at 10."} | fields
    return make_message(patient, clinic.location, **values)


def answered(clinic: Clinic, text: str = "Can I come later?", **fields: Any) -> IncomingMessage:
    values: dict[str, Any] = {
        "provider_id": f"SM{IncomingMessage.objects.count()}",
        "from_number": NUMBER,
        "to_number": "+12125550100",
    }
    values |= {"received_at": NOW, "meaning": Meaning.OTHER, "location": clinic.location, "text": text}
    return IncomingMessage.objects.create(**(values | fields))


# --- calls ------------------------------------------------------------------------------------------------------------
def test_who_agreed_to_nothing_stands_on_the_call_list_with_number_and_words(clinic: Clinic, desk: Client) -> None:
    patient = make_patient("Ada")
    make_phone(patient, NUMBER)
    make_message(patient, clinic.location)
    send_claimed(claim_due(now=NOW), now=NOW)
    page = desk.get(CALLS)
    assert f'href="tel:{NUMBER}"' in page.content.decode()
    assert "(212) 555-0123" in words(page)
    assert "No consent to text or e-mail." in words(page)
    assert "Call Downtown" in words(page)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        ("reached", MessageState.CALLED),
        ("voicemail", MessageState.CALLED),
        ("no_answer", MessageState.TO_CALL),
        ("wrong_number", MessageState.FAILED),
    ],
)
def test_each_outcome_leaves_its_state_and_a_step_with_who_called(
    clinic: Clinic, desk: Client, outcome: str, state: MessageState
) -> None:
    row = to_call(clinic)
    assert desk.post(f"{CALLS}{row.pk}/called/", {"outcome": outcome}).status_code == 302
    row.refresh_from_db()
    step = row.steps.get()
    assert (row.state, step.by, step.at) == (state, clinic.desk, NOW)
    assert step.text == f"Called: {CallOutcome(outcome).label.lower()}."


def test_who_did_not_answer_stays_on_the_list_which_says_how_often(clinic: Clinic, desk: Client) -> None:
    row = to_call(clinic)
    desk.post(f"{CALLS}{row.pk}/called/", {"outcome": "no_answer"})
    assert "Tried 1 time, no answer" in words(desk.get(CALLS))


def test_two_who_call_the_same_patient_the_second_is_told_who_was_first(clinic: Clinic, desk: Client) -> None:
    row = to_call(clinic)
    record_call(row, outcome=CallOutcome.REACHED, by=clinic.nurse, now=NOW)
    answer = desk.post(f"{CALLS}{row.pk}/called/", {"outcome": "no_answer"})
    row.refresh_from_db()
    assert (answer.status_code, row.state) == (409, MessageState.CALLED)
    assert "Called: reached. Ines Moreau" in words(answer)


def test_an_outcome_that_there_is_not_is_refused(clinic: Clinic, desk: Client) -> None:
    row = to_call(clinic)
    assert desk.post(f"{CALLS}{row.pk}/called/", {"outcome": "perhaps"}).status_code == 422
    row.refresh_from_db()
    assert row.state == MessageState.TO_CALL


def test_the_list_of_a_day_has_only_what_was_due_on_it(clinic: Clinic, desk: Client) -> None:
    to_call(clinic, due_at=NOW - timedelta(days=1), text="From yesterday")
    to_call(clinic, text="From today")
    page = words(desk.get(f"{CALLS}?day=2027-01-03"))
    assert "From yesterday" in page
    assert "From today" not in page


def test_the_number_is_the_one_on_record_now(clinic: Clinic, desk: Client) -> None:
    row = to_call(clinic, to="+12125550199")
    assert "(212) 555-0123" in words(desk.get(CALLS))
    assert "555-0199" not in words(desk.get(CALLS))
    assert row.to == "+12125550199"


def test_who_sleeps_or_said_no_to_calls_is_marked(clinic: Clinic, desk: Client) -> None:
    patient = make_patient("Ada", time_zone="Pacific/Honolulu")  # 09:00 in New York is 04:00 there
    make_phone(patient, NUMBER)
    agree(patient, Channel.PHONE, granted=False)
    to_call(clinic, patient)
    page = words(desk.get(CALLS))
    assert "Night for them: 04:00 in Honolulu" in page
    assert "Said no to calls" in page


def test_a_manager_sees_the_list_and_notes_no_call(clinic: Clinic) -> None:
    row, manager = to_call(clinic), signed_in(clinic, Role.MANAGER)
    assert "Please come at 10." in words(manager.get(CALLS))
    assert manager.post(f"{CALLS}{row.pk}/called/", {"outcome": "reached"}).status_code == 403
    row.refresh_from_db()
    assert row.state == MessageState.TO_CALL


def test_twenty_calls_cost_as_many_queries_as_one(clinic: Clinic, desk: Client, queries: Queries) -> None:
    for number in range(20):
        patient = make_patient(f"P{number}")
        make_phone(patient, f"+12125551{100 + number}")
        to_call(clinic, patient)
    with queries("call list", at_most=12):
        assert desk.get(CALLS).status_code == 200


# --- answers ----------------------------------------------------------------------------------------------------------
def test_an_answer_waits_with_whose_it_is_and_is_never_read_as_markup(clinic: Clinic, desk: Client) -> None:
    answered(clinic, "<b>Later?</b>", patient=make_reachable())
    page = desk.get(ANSWERS)
    assert "Ada Okafor" in words(page)
    assert "<b>Later" not in page.content.decode()
    assert "&lt;b&gt;Later?" in page.content.decode()


def test_who_is_not_known_is_said_to_be_so_with_the_number(clinic: Clinic, desk: Client) -> None:
    answered(clinic)
    assert "Not known (212) 555-0123" in words(desk.get(ANSWERS))


def test_handled_is_said_with_a_note_and_by_whom(clinic: Clinic, desk: Client) -> None:
    row = answered(clinic)
    assert desk.post(f"{ANSWERS}{row.pk}/handled/", {"note": "Called back, moved to 3"}).status_code == 302
    row.refresh_from_db()
    assert (row.handled_by, row.handled_at, row.handled_note) == (clinic.desk, NOW, "Called back, moved to 3")
    assert "Called back" not in words(desk.get(ANSWERS))
    assert "Called back, moved to 3" in words(desk.get(f"{ANSWERS}?show=handled"))


def test_without_a_note_it_waits_on(clinic: Clinic, desk: Client) -> None:
    row = answered(clinic)
    answer = desk.post(f"{ANSWERS}{row.pk}/handled/", {"note": " "})
    row.refresh_from_db()
    assert (answer.status_code, row.handled_at) == (422, None)
    assert "Say in a few words what you did." in words(answer)


def test_the_second_who_handles_it_is_told_and_keeps_the_note(clinic: Clinic, desk: Client) -> None:
    row = answered(clinic, handled_at=NOW, handled_by=clinic.nurse, handled_note="Called")
    answer = desk.post(f"{ANSWERS}{row.pk}/handled/", {"note": "Mine"})
    row.refresh_from_db()
    assert (answer.status_code, row.handled_note) == (409, "Called")
    assert "Ines Moreau" in words(answer)
    assert "“Mine”" in words(answer)


def test_a_manager_reads_answers_and_handles_none(clinic: Clinic) -> None:
    row, manager = answered(clinic), signed_in(clinic, Role.MANAGER)
    assert "Can I come later?" in words(manager.get(ANSWERS))
    assert manager.post(f"{ANSWERS}{row.pk}/handled/", {"note": "x"}).status_code == 403


# --- one patient ------------------------------------------------------------------------------------------------------
def of(patient: Patient, act: str = "") -> str:
    return f"/patients/{patient.pk}/messages/{act}"


def test_the_tab_has_past_and_coming_consent_answers_and_is_logged(
    clinic: Clinic, desk: Client, queries: Queries
) -> None:
    patient = make_reachable()
    make_message(patient, clinic.location)
    make_message(
        patient, clinic.location, state=MessageState.SENT, sent_at=NOW, channel=Channel.SMS, to=NUMBER, text="Hello"
    )
    answered(clinic, "See you", patient=patient)
    with queries("patient messages", at_most=12):
        page = desk.get(of(patient))
    for said in ("Planned", "Sent", "Text message Yes", "E-mail Not asked", "See you"):
        assert said in words(page), said
    assert AccessLog.objects.get(subject_id=patient.resource_id).page == "Messages"


def typed(**fields: str) -> dict[str, str]:
    return {"channel": "sms", "subject": "", "text": "Please call us today.", "token": "a1"} | fields


def test_a_written_text_goes_out_with_the_name_of_the_clinic_and_how_to_stop(clinic: Clinic, desk: Client) -> None:
    """clinical.md G, TCPA: the name of the clinic and a way to opt out stand in every text message."""
    patient = make_reachable()
    assert desk.post(of(patient, "write/"), typed()).status_code == 302
    send_claimed(claim_due(now=NOW), now=NOW)
    row = Message.objects.get()
    assert (row.state, row.channel, row.to) == (MessageState.SENT, Channel.SMS, NUMBER)
    assert row.text == "Downtown: Please call us today. Reply STOP to opt out."
    assert row.created_by == clinic.desk


def test_the_same_form_sent_twice_is_one_message(clinic: Clinic, desk: Client) -> None:
    patient = make_reachable()
    for _ in range(2):
        desk.post(of(patient, "write/"), typed())
    assert Message.objects.count() == 1
    assert clinic.location.pk == Message.objects.get().location_id


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text": "Your ketamine dose changed."}, "ketamine"),
        ({"text": "x" * 150}, "at most 160 may go out"),
        ({"text": ""}, "Write something."),
        ({"text": "See {birth_date}"}, "{birth_date}"),
        ({"channel": "email", "subject": "Hello"}, "No consent to text or e-mail."),
    ],
)
def test_what_may_not_go_out_is_refused_by_name_and_nothing_is_written(
    clinic: Clinic, desk: Client, fields: dict[str, str], said: str
) -> None:
    patient = make_reachable(home_location=clinic.location)
    answer = desk.post(of(patient, "write/"), typed(**fields))
    assert answer.status_code == 422
    assert said in words(answer)
    assert not Message.objects.exists()


def test_an_e_mail_needs_a_subject(clinic: Clinic, desk: Client) -> None:
    patient = make_patient("Ada", email=MAIL, home_location=clinic.location)
    agree(patient, Channel.EMAIL, MAIL)
    assert "An e-mail needs a subject." in words(desk.post(of(patient, "write/"), typed(channel="email")))
    assert desk.post(of(patient, "write/"), typed(channel="email", subject="Hello")).status_code == 302


def test_at_night_for_the_patient_the_page_says_that_it_waits_for_the_morning(clinic: Clinic, desk: Client) -> None:
    """R11: nothing between 21:00 and 08:00 on the patient's clocks; 09:00 in New York is 04:00 in Honolulu."""
    patient = make_reachable(time_zone="Pacific/Honolulu", home_location=clinic.location)
    page = words(desk.post(of(patient, "write/"), typed(preview="1")))
    assert "It is night for the patient, so it waits until Mon 4 Jan, 08:00" in page
    desk.post(of(patient, "write/"), typed())
    assert Message.objects.get().due_at == ny("2027-01-04 13:00")


def test_a_preview_writes_nothing(clinic: Clinic, desk: Client) -> None:
    patient = make_reachable(home_location=clinic.location)
    page = words(desk.post(of(patient, "write/"), typed(preview="1"), HTTP_HX_REQUEST="true"))
    assert page.startswith("Downtown: Please call us today. Reply STOP to opt out.")
    assert not Message.objects.exists()


def test_who_has_died_is_not_written_to(clinic: Clinic, desk: Client) -> None:
    patient = make_reachable(status="deceased", home_location=clinic.location)
    assert desk.post(of(patient, "write/"), typed()).status_code == 302
    assert not Message.objects.exists()


def test_a_manager_reads_the_tab_and_writes_nothing(clinic: Clinic) -> None:
    patient, manager = make_reachable(), signed_in(clinic, Role.MANAGER)
    assert "Write a message" not in words(manager.get(of(patient)))
    assert manager.post(of(patient, "write/"), typed()).status_code == 403


def test_what_went_out_stands_in_the_timeline(clinic: Clinic, desk: Client) -> None:
    patient = make_reachable()
    make_message(patient, clinic.location, state=MessageState.SENT, sent_at=NOW, channel=Channel.SMS, to=NUMBER)
    make_message(patient, clinic.location)
    page = words(desk.get(f"/patients/{patient.pk}/"))
    assert page.count("Message sent by text message") == 1
    assert "Message planned" not in page


# --- preferred channel, merging ---------------------------------------------------------------------------------------
def test_the_preferred_channel_is_chosen_on_the_form_and_shown_with_the_contact(clinic: Clinic, desk: Client) -> None:
    patient = make_reachable(home_location=clinic.location)
    form = desk.get(f"/patients/{patient.pk}/edit/").context["form"]
    sent = {name: form[name].value() or "" for name in form.fields} | {"preferred_channel": "email"}
    sent |= {
        "phones-TOTAL_FORMS": "1",
        "phones-INITIAL_FORMS": "0",
        "phones-0-number": NUMBER,
        "phones-0-kind": "mobile",
    }
    answer = desk.post(f"/patients/{patient.pk}/edit/", sent)
    patient.refresh_from_db()
    assert (answer.status_code, patient.preferred_channel) == (302, "email")
    assert "Prefers E-mail" in words(desk.get(f"/patients/{patient.pk}/"))


def test_a_merge_proposes_the_preference_of_whoever_has_one(clinic: Clinic) -> None:
    kept, other = make_patient("Ada"), make_patient("Ada", preferred_channel="email")
    found = next(one for one in differences(kept, other) if one.name == "preferred_channel")
    assert (found.suggested, found.is_conflict) == ("duplicate", False)
    merge_patients(kept_id=kept.pk, duplicate_id=other.pk, take=[found.name], by=clinic.clinician, now=NOW)
    kept.refresh_from_db()
    assert kept.preferred_channel == "email"


def test_messages_and_answers_go_with_a_merge_and_back_with_its_undoing(clinic: Clinic) -> None:
    kept, other = make_patient("Ada"), make_reachable("Ada", preferred_channel="sms")
    planned = make_message(other, clinic.location)
    sent = make_message(other, clinic.location, state=MessageState.SENT, sent_at=NOW, channel=Channel.SMS, to=NUMBER)
    answer = answered(clinic, patient=other)
    mine = make_message(kept, clinic.location)
    merge = merge_patients(
        kept_id=kept.pk, duplicate_id=other.pk, take=["preferred_channel"], by=clinic.clinician, now=NOW
    )
    assert set(kept.messages.all()) == {planned, sent, mine}
    assert list(kept.incoming_messages.all()) == [answer]
    undo_merge(merge_id=merge.pk, by=clinic.clinician, now=NOW)
    assert set(other.messages.all()) == {planned, sent}
    assert list(other.incoming_messages.all()) == [answer]
    assert list(kept.messages.all()) == [mine]
    kept.refresh_from_db()
    assert kept.preferred_channel == ""
