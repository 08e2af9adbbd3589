"""Another language on a page of patients: what was typed stays, nothing is sent, and the choice goes along."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import Booking, BookingStatus
from clinic.tests.factories import Clinic, make_clinic
from patients.models import ConsultationRequest, DangerAlert, LinkKind, MeasureLink, Message, Patient, VisitMode
from patients.services.consultations import book_consultation
from patients.services.measure_links import create_link
from patients.tests.factories import make_patient
from patients.tests.link_kit import make_message, page_of, seen

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 4, 15, 0, tzinfo=UTC)  # Mon 4 Jan 2027, 10:00 in New York
SPANISH = {"Accept-Language": "es-US,es;q=0.9,en;q=0.5"}


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as travel:
        yield travel


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic(phone="+12125550100", address="1 Main Street, New York, NY 10001")


@pytest.fixture
def ada(clinic: Clinic) -> Patient:
    return make_patient(phones=["+12125550123"], home_location=clinic.location)


@pytest.fixture
def booking(clinic: Clinic, ada: Patient) -> Booking:
    return book_consultation(
        patient=ada,
        location=clinic.location,
        start=NOW + timedelta(days=3),
        length_min=60,
        clinician_id=clinic.clinician.resource_id or 0,
        room_id=clinic.room.pk,
        mode=VisitMode.IN_PERSON,
        by=clinic.desk,
        now=NOW,
    )


@pytest.fixture
def message(clinic: Clinic, ada: Patient, booking: Booking) -> Message:
    return make_message(ada, clinic.location, now=NOW, booking=booking)


def lang_of(answer: Any) -> str:
    found = re.search(r'<html lang="([^"]+)"', answer.content.decode())
    assert found
    return found[1]


def switches(page: str) -> list[tuple[str, str]]:
    """(address, language) of the buttons that change the language of a form."""
    return re.findall(r'<button[^>]* formaction="([^"]*)"[^>]* name="switch" value="([^"]*)"', page)


# --- asking for a consultation ----------------------------------------------------------------------------------------
def typed(stamp: str, **changes: Any) -> dict[str, Any]:
    return {
        "stamp": stamp,
        "given_name": "Iris",
        "family_name": "O'Neil <b>",
        "birth_date": "1990-05-02",
        "phone": "212",  # half a number
        "email": "",
        "may_sms": "on",
        "seeks_help_for": ["trd", "anxiety"],
        "message": "Nada ha\nservido <script>",
        "wished_weekdays": ["0", "2"],
        "wished_part": "morning",
        "wished_mode": "video",
        "homepage": "",
    } | changes


def stamp_in(answer: Any) -> str:
    found = re.search(r'name="stamp" value="([^"]+)"', answer.content.decode())
    assert found
    return found[1]


def test_switching_the_request_page_keeps_all_that_was_typed_and_sends_nothing(client: Client, clinic: Clinic) -> None:
    url = reverse("public:request", args=[clinic.location.pk])
    opened = client.get(url)
    assert switches(opened.content.decode()) == [("?lang=es", "es")]
    answer = client.post(f"{url}?lang=es", typed(stamp_in(opened)) | {"switch": "es"})
    assert (answer.status_code, lang_of(answer)) == (200, "es")
    form, page = answer.context["form"], answer.content.decode()
    shown = {name: form[name].value() for name in ("given_name", "family_name", "birth_date", "phone", "message")}
    assert shown == {
        "given_name": "Iris",
        "family_name": "O'Neil <b>",
        "birth_date": "1990-05-02",
        "phone": "212",
        "message": "Nada ha\nservido <script>",
    }
    ticked = re.findall(r'name="(\w+)"(?: value="(\w+)")?[^>]* checked', page)
    assert {("seeks_help_for", "trd"), ("seeks_help_for", "anxiety")} <= set(ticked)
    assert {("wished_weekdays", "0"), ("wished_weekdays", "2"), ("wished_part", "morning")} <= set(ticked)
    assert {name for name, _ in ticked} == {
        "may_sms",
        "seeks_help_for",
        "wished_weekdays",
        "wished_part",
        "wished_mode",
    }
    assert "<script>" not in page.replace("<script src=", "")
    assert "Nothing was sent yet" not in page  # it is judged when it is sent
    assert "No se envió nada" not in page
    assert not form.is_bound
    assert ConsultationRequest.objects.count() == 0
    assert stamp_in(answer) == stamp_in(opened)  # it is still the same form: sent twice it is one request
    assert f'action="{url}?lang=es"' in page
    assert switches(page) == [("?lang=en", "en")]


def test_a_yes_to_danger_is_answered_with_the_crisis_lines_while_switching_too(client: Client, clinic: Clinic) -> None:
    url = reverse("public:request", args=[clinic.location.pk])
    stamp = stamp_in(client.get(url))
    answer = client.post(f"{url}?lang=es", typed(stamp, danger="yes") | {"switch": "es"})
    assert re.search(r'<div role="alert">\s*<div class="crisis">', answer.content.decode())
    calm = client.post(f"{url}?lang=es", typed(stamp, danger="no") | {"switch": "es"})
    assert not re.search(r'<div role="alert">\s*<div class="crisis">', calm.content.decode())
    assert DangerAlert.objects.count() == 0


def test_after_the_switch_it_can_be_sent_and_is_kept_in_the_language_chosen(
    client: Client, clinic: Clinic, clock: time_machine.Traveller
) -> None:
    url = reverse("public:request", args=[clinic.location.pk])
    given = typed(stamp_in(client.get(url)), phone="(212) 555-0177", danger="no")
    switched = client.post(f"{url}?lang=es", given | {"switch": "es"})
    clock.shift(timedelta(seconds=30))
    answer = client.post(f"{url}?lang=es", given | {"stamp": stamp_in(switched)})
    assert answer["Location"] == reverse("public:request_sent", args=[clinic.location.pk]) + "?lang=es"
    request = ConsultationRequest.objects.get()
    assert (request.language, request.message) == ("es", "Nada ha\nservido <script>")


def test_switching_often_uses_up_nobodys_right_to_send(
    client: Client, clinic: Clinic, clock: time_machine.Traveller
) -> None:
    url = reverse("public:request", args=[clinic.location.pk])
    given = typed(stamp_in(client.get(url)), phone="(212) 555-0177", danger="no")
    for number in range(12):  # ten may be sent in ten minutes
        code = ("es", "en")[number % 2]
        assert client.post(f"{url}?lang={code}", given | {"switch": code}).status_code == 200
    clock.shift(timedelta(seconds=30))
    assert client.post(url, given).status_code == 302


def test_enter_in_a_field_sends_and_does_not_switch(client: Client, clinic: Clinic) -> None:
    """A browser presses the first button that belongs to the form; that one has no name and no address of its own."""
    page = client.get(reverse("public:request", args=[clinic.location.pk])).content.decode()
    first = next(one for one in re.findall(r"<button[^>]*>", page) if 'form="request-form"' in one)
    assert 'type="submit"' in first
    assert "name=" not in first
    assert "formaction" not in first


# --- a questionnaire --------------------------------------------------------------------------------------------------
def link_of(clinic: Clinic, ada: Patient) -> tuple[MeasureLink, str]:
    made: tuple[MeasureLink, str] = create_link(
        patient=ada, measures=["phq9"], location=clinic.location, kind=LinkKind.PHONE, by=clinic.nurse, now=NOW
    )
    return made


def test_an_answer_that_was_chosen_and_not_sent_stands_in_the_other_language_too(
    client: Client, clinic: Clinic, ada: Patient
) -> None:
    link, token = link_of(clinic, ada)
    client.post(reverse("public:questionnaire", args=[token]))
    url = reverse("public:questionnaire_question", args=[token, "phq9", 1])
    assert lang_of(client.get(url)) == "en"
    answer = client.post(f"{url}?lang=es", {"value": "2", "seen": "", "switch": "es"})
    page = answer.content.decode()
    assert (answer.status_code, lang_of(answer)) == (200, "es")
    assert re.findall(r'value="(\d)" checked', page) == ["2"]
    assert 'name="seen" value=""' in page  # nothing is saved yet, so "Next" must not think that it overwrites
    link.refresh_from_db()
    assert not link.draft
    after = client.post(f"{url}?lang=es", {"value": "2", "seen": ""})
    assert after["Location"] == reverse("public:questionnaire_question", args=[token, "phq9", 2]) + "?lang=es"
    link.refresh_from_db()
    assert list(link.draft.values()) != []
    assert lang_of(client.get(after["Location"])) == "es"


def test_the_choice_goes_along_to_the_end_of_a_questionnaire(client: Client, clinic: Clinic, ada: Patient) -> None:
    _, token = link_of(clinic, ada)
    first = reverse("public:questionnaire", args=[token])
    page = client.get(f"{first}?lang=es").content.decode()
    assert f'action="{first}?lang=es"' in page
    at = client.post(f"{first}?lang=es")["Location"]
    for _number in range(10):  # nine items and how hard it all was
        assert at.endswith("?lang=es")
        at = client.post(at, {"value": "0", "seen": ""})["Location"]
    review = client.get(at)
    assert lang_of(review) == "es"
    assert "?review=1&amp;lang=es" in review.content.decode()
    done = client.post(at)["Location"]
    assert done == reverse("public:questionnaire_done", args=[token]) + "?lang=es"
    assert lang_of(client.get(done)) == "es"


# --- behind the link of a message -------------------------------------------------------------------------------------
def test_whoever_is_on_record_with_english_may_read_the_visit_in_spanish(client: Client, message: Message) -> None:
    page = client.get(page_of(message), headers=SPANISH)
    assert lang_of(page) == "en"  # the record counts before the browser
    assert 'href="?lang=es"' in page.content.decode()
    chosen = client.get(page_of(message) + "?lang=es")
    assert lang_of(chosen) == "es"
    for name in ("link", "move", "cancel", "prepare"):
        assert f'"{page_of(message, name)}?lang=es"' in chosen.content.decode(), name
    for name in ("move", "cancel", "prepare"):
        there = client.get(page_of(message, name) + "?lang=es")
        assert lang_of(there) == "es"
        assert f'"{page_of(message)}?lang=es"' in there.content.decode()  # and back


def test_an_act_answers_in_the_language_chosen_and_leaves_the_record_alone(
    client: Client, message: Message, booking: Booking, ada: Patient
) -> None:
    answer = client.post(page_of(message) + "?lang=es", {"answer": "confirm"} | seen(booking))
    assert answer["Location"] == page_of(message) + "?said=confirmed&lang=es"
    assert lang_of(client.get(answer["Location"])) == "es"
    ada.refresh_from_db()
    assert ada.language == "en"  # somebody else may have opened it


def test_a_reason_that_was_typed_stays_and_nothing_is_cancelled(
    client: Client, message: Message, booking: Booking
) -> None:
    url = page_of(message, "cancel")
    assert switches(client.get(url).content.decode()) == [("?lang=es", "es")]
    answer = client.post(f"{url}?lang=es", {"reason": 'Viaje "largo"', "switch": "es"} | seen(booking))
    assert (answer.status_code, lang_of(answer)) == (200, "es")
    assert 'value="Viaje &quot;largo&quot;"' in answer.content.decode()
    booking.refresh_from_db()
    assert booking.status == BookingStatus.BOOKED
    client.post(f"{url}?lang=es", {"reason": "Viaje"} | seen(booking))
    booking.refresh_from_db()
    assert booking.status == BookingStatus.CANCELLED


def test_a_language_that_we_lack_changes_nothing(client: Client, message: Message) -> None:
    answer = client.get(page_of(message) + "?lang=klingon")
    assert lang_of(answer) == "en"
    assert "klingon" not in answer.content.decode()
