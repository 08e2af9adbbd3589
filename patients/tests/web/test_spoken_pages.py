"""The public pages in Spanish: asking, a questionnaire, a visit behind its link; and in English where we lack a language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import Location
from clinic.tests.factories import Clinic, make_clinic
from patients.models import (
    ConsultationRequest,
    IntakeSettings,
    LinkKind,
    MeasureLink,
    Message,
    MessageEvent,
    Patient,
    VisitMode,
)
from patients.services.consultations import book_consultation
from patients.services.intake_settings import CRISIS, DEFAULTS
from patients.services.measure_links import create_link, finish, revoke, save_answer
from patients.services.messages.addressing import choose
from patients.services.messages.rules import ensure_rules
from patients.services.requests import register_from_request
from patients.tests.factories import make_patient, make_request
from patients.tests.link_kit import make_message, page_of, words

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 4, 15, 0, tzinfo=UTC)  # Mon 4 Jan 2027, 10:00 in New York
SPANISH = {"Accept-Language": "es-US,es;q=0.9,en;q=0.5"}
ASKS = "Solicitar una consulta"
CRISIS_ES = "llame al 911 o vaya a la sala de emergencias más cercana"


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as travel:
        yield travel


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic(phone="+12125550100", address="1 Main Street, New York, NY 10001")


@pytest.fixture
def place(clinic: Clinic) -> Location:
    return clinic.location


@pytest.fixture
def ada(clinic: Clinic) -> Patient:
    return make_patient(phones=["+12125550123"], home_location=clinic.location, language="es")


def lang_of(answer: Any) -> str:
    found = re.search(r'<html lang="([^"]+)"', answer.content.decode())
    assert found
    return found[1]


# --- asking for a consultation ----------------------------------------------------------------------------------------
def test_a_spanish_browser_is_asked_in_spanish(client: Client, place: Location) -> None:
    answer = client.get(reverse("public:request", args=[place.pk]), headers=SPANISH)
    assert answer.status_code == 200
    assert lang_of(answer) == "es"
    said = words(answer)
    for sentence in (ASKS, "¿Tiene hoy pensamientos de hacerse daño", "Lunes", CRISIS_ES, "Enviarme mensajes de texto"):
        assert sentence in said
    assert "Send my request" not in said
    assert "Accept-Language" in answer["Vary"]


@pytest.mark.parametrize("asked", ["", "tlh", "fr-FR,fr;q=0.9", "en-US,es;q=0.3", "*", ";;,=q"])
def test_a_language_that_we_lack_and_no_language_are_english(client: Client, place: Location, asked: str) -> None:
    answer = client.get(reverse("public:request", args=[place.pk]), headers={"Accept-Language": asked})
    assert lang_of(answer).startswith("en")
    assert "Send my request" in words(answer)


def test_the_second_language_of_a_browser_counts_where_we_lack_its_first(client: Client, place: Location) -> None:
    answer = client.get(reverse("public:request", args=[place.pk]), headers={"Accept-Language": "fr,es;q=0.8,en;q=0.7"})
    assert lang_of(answer) == "es"


def test_the_language_is_chosen_on_the_page_and_goes_along(client: Client, place: Location) -> None:
    url = reverse("public:request", args=[place.pk])
    offered = client.get(url).content.decode()
    assert re.search(r'<button[^>]* formaction="\?lang=es" [^>]*lang="es">Español</button>', offered)
    chosen = client.get(f"{url}?lang=es")
    assert lang_of(chosen) == "es"
    assert f'action="{url}?lang=es"' in chosen.content.decode()  # what is sent answers in it too
    assert re.search(r'<button[^>]* formaction="\?lang=en" [^>]*lang="en">English</button>', chosen.content.decode())
    assert lang_of(client.get(f"{url}?lang=en", headers=SPANISH)) == "en"
    assert lang_of(client.get(f"{url}?lang=klingon", headers=SPANISH)) == "es"


def sent(client: Client, place: Location, *, query: str = "", **changes: Any) -> Any:
    url = reverse("public:request", args=[place.pk])
    found = re.search(r'name="stamp" value="([^"]+)"', client.get(url).content.decode())
    assert found
    given = {
        "stamp": found[1],
        "given_name": "Iris",
        "family_name": "Calloway",
        "birth_date": "1990-05-02",
        "phone": "(212) 555-0177",
        "may_phone": "on",
        "danger": "no",
        "wished_part": "any",
    }
    with time_machine.travel(datetime(2027, 1, 4, 15, 1, tzinfo=UTC), tick=False):
        return client.post(url + query, given | changes, headers=SPANISH)


def test_what_is_refused_says_why_in_spanish(client: Client, place: Location) -> None:
    answer = sent(client, place, given_name="", birth_date="2031-01-01", may_phone="", danger="")
    assert answer.status_code == 422
    said = words(answer)
    for sentence in (
        *("Todavía no se envió nada.", "Escriba su nombre.", "Esta fecha está en el futuro."),
        *("Marque al menos una forma en que podamos responderle.", "Elija una respuesta."),
    ):
        assert sentence in said
    assert "This day is in the future" not in said


def test_the_language_in_which_somebody_asked_is_theirs(client: Client, clinic: Clinic, place: Location) -> None:
    ensure_rules(place, now=NOW)
    answer = sent(client, place, query="?lang=es")
    assert (answer.status_code, answer["Location"]) == (
        302,
        reverse("public:request_sent", args=[place.pk]) + "?lang=es",
    )
    page = client.get(answer["Location"])
    assert lang_of(page) == "es"
    assert "Gracias. Su solicitud se envió." in words(page)
    request = ConsultationRequest.objects.get()
    assert request.language == "es"
    desk = Client()
    desk.force_login(clinic.desk)
    assert "asked in Spanish" in words(desk.get(request.get_absolute_url()))
    told = Message.objects.get(event=MessageEvent.REQUEST_RECEIVED, request=request)
    assert choose([told])[told.pk].language == "es"
    register_from_request(
        request_id=request.pk, birth_date=None, expected_version=request.version, by=clinic.desk, now=NOW
    )
    request.refresh_from_db()
    assert request.patient is not None
    assert request.patient.language == "es"


def test_a_request_of_the_telephone_is_english(place: Location) -> None:
    assert make_request(place).language == "en"


@pytest.mark.parametrize("page", ["request_choose", "request_sent_danger", "closed", "too_many"])
def test_the_pages_around_it_are_spanish(client: Client, clinic: Clinic, page: str) -> None:
    place, url = clinic.location, reverse("public:request", args=[clinic.location.pk])
    expected = {
        "request_choose": ASKS,
        "request_sent_danger": "Puede hablar con alguien ahora mismo",
        "closed": "Por el momento no recibimos solicitudes en esta página",
        "too_many": "Fueron demasiados intentos en poco tiempo",
    }
    if page == "request_choose":
        make_clinic()
        answer = client.get(reverse("public:request_choose"), headers=SPANISH)
    elif page == "request_sent_danger":
        answer = client.get(reverse("public:request_sent_danger", args=[place.pk]), headers=SPANISH)
    elif page == "closed":
        IntakeSettings.objects.create(location=place, **DEFAULTS | {"takes_requests": False})
        answer = client.get(url, headers=SPANISH)
    else:
        answers = [client.get(url, headers=SPANISH, REMOTE_ADDR="203.0.113.9") for _ in range(61)]
        answer = answers[-1]
    assert lang_of(answer) == "es"
    assert expected[page] in words(answer)


def test_what_a_clinic_wrote_itself_stays_as_it_is_and_our_words_are_spanish(client: Client, place: Location) -> None:
    IntakeSettings.objects.create(location=place, **DEFAULTS | {"welcome": "Come and talk to us."})
    said = words(client.get(reverse("public:request", args=[place.pk]), headers=SPANISH))
    assert "Come and talk to us." in said
    assert CRISIS_ES in said
    assert "Puede llamar o enviar un mensaje de texto al 988" in said  # as the English says; nothing is promised beyond
    row = IntakeSettings.objects.get()
    assert row.crisis_text == CRISIS


# --- a questionnaire --------------------------------------------------------------------------------------------------
WORDING = "Mostramos las preguntas y sus respuestas en inglés"


@pytest.fixture
def link(clinic: Clinic, ada: Patient) -> tuple[MeasureLink, str]:
    return create_link(
        patient=ada, measures=("phq9",), kind=LinkKind.PHONE, location=clinic.location, by=clinic.nurse, now=NOW
    )


def test_the_frame_of_a_questionnaire_is_spanish_and_its_items_are_marked_english(
    client: Client, link: tuple[MeasureLink, str]
) -> None:
    token = link[1]
    welcome = client.get(reverse("public:questionnaire", args=[token]))  # an English browser: the record decides
    assert lang_of(welcome) == "es"
    said = words(welcome)
    assert "le pide que responda 10 preguntas sobre cómo ha estado" in said
    assert "hasta el lun, 11 ene, 10:00 a.m." in said  # CLDR, es-US; the link is valid for 7 days
    assert WORDING in said
    page = client.get(reverse("public:questionnaire_question", args=[token, "phq9", 1]))
    html = page.content.decode()
    assert "Pregunta 1 de 10" in words(page)
    assert WORDING in words(page)
    assert re.search(r'<span class="q-text" lang="en">Little interest or pleasure in doing things', html)
    assert '<div class="choices" lang="en">' in html
    assert 'data-saved="Guardado."' in html
    refused = client.post(reverse("public:questionnaire_question", args=[token, "phq9", 1]), {})
    assert refused.status_code == 422
    assert "Elija una respuesta u omita esta pregunta." in words(refused)


def test_what_comes_after_the_last_question_is_spanish(client: Client, link: tuple[MeasureLink, str]) -> None:
    token = link[1]
    for item in range(1, 11):
        save_answer(token, measure="phq9", item=item, value=0, seen=None, is_final=True, now=NOW)
    review = client.get(reverse("public:questionnaire_review", args=[token]))
    assert "Revise sus respuestas" in words(review)
    assert '<dt lang="en">Little interest' in review.content.decode()
    finish(token, now=NOW)
    done = client.get(reverse("public:questionnaire_done", args=[token]))
    assert (lang_of(done), "Sus respuestas se enviaron." in words(done)) == ("es", True)
    used = client.get(reverse("public:questionnaire", args=[token]))
    assert used.status_code == 410
    assert (lang_of(used), "Estas preguntas ya se respondieron" in words(used)) == ("es", True)


def test_a_link_that_ended_says_so_in_the_patients_language_and_a_forged_one_in_the_browsers(
    client: Client, clinic: Clinic, ada: Patient, link: tuple[MeasureLink, str], clock: Any
) -> None:
    made, token = link
    url = reverse("public:questionnaire", args=[token])
    clock.move_to(datetime(2027, 1, 20, 15, 0, tzinfo=UTC))
    expired = client.get(url)
    assert expired.status_code == 410
    assert "Se podía usar hasta el lun, 11 ene, 10:00 a.m. Lo que no se envió" in words(expired)
    clock.move_to(NOW)
    revoke(patient_id=ada.pk, link_id=made.pk, by=clinic.nurse, now=NOW)
    assert "Este enlace se retiró" in words(client.get(url))
    forged = client.get(reverse("public:questionnaire", args=["x" * 43]), headers=SPANISH)
    assert (forged.status_code, lang_of(forged)) == (404, "es")
    assert "Este enlace no funciona" in words(forged)
    assert lang_of(client.get(reverse("public:questionnaire", args=["x" * 43]))) == "en"


def test_an_english_patient_sees_no_note_about_wording(client: Client, clinic: Clinic) -> None:
    patient = make_patient("Eve", "Stone", language="tlh")  # a language that we lack
    _, token = create_link(
        patient=patient, measures=("phq9",), kind=LinkKind.PHONE, location=clinic.location, by=clinic.nurse, now=NOW
    )
    page = client.get(reverse("public:questionnaire_question", args=[token, "phq9", 1]), headers=SPANISH)
    assert lang_of(page) == "en"
    assert "in English, in their published words" not in words(page)
    assert 'lang="en"' not in page.content.decode().partition("<body")[2]


# --- a visit behind its link ------------------------------------------------------------------------------------------
@pytest.fixture
def visit(clinic: Clinic, ada: Patient) -> Message:
    booked = book_consultation(
        patient=ada,
        location=clinic.location,
        clinician_id=clinic.clinician.resource_id or 0,
        start=datetime(2027, 1, 13, 18, 0, tzinfo=UTC),
        length_min=60,
        room_id=clinic.room.pk,
        mode=VisitMode.IN_PERSON,
        by=clinic.desk,
        now=NOW,
    )
    return make_message(ada, clinic.location, now=NOW, booking=booked)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("link", "Hola, Ada: ¿va a venir?"),
        ("move", "Elegir otra hora"),
        ("cancel", "¿Cancelar la cita?"),
        ("prepare", "Una identificación con foto y su tarjeta del seguro, si tiene una."),
    ],
)
def test_a_visit_behind_its_link_is_spanish(client: Client, visit: Message, name: str, sentence: str) -> None:
    answer = client.get(page_of(visit, name))
    assert (answer.status_code, lang_of(answer)) == (200, "es")
    said = words(answer)
    assert sentence in said
    assert re.search(r"mié, 13 ene,? 1:00 p\.m\.", said)  # CLDR, es-US
    assert ".." not in said


def test_the_calendar_entry_is_named_in_spanish(client: Client, visit: Message) -> None:
    answer = client.get(page_of(visit, "calendar"))
    assert b"SUMMARY:Cita en " in answer.content


def test_a_forged_link_of_a_message_speaks_the_browsers_language(client: Client, visit: Message) -> None:
    url = page_of(visit, "link")[:-3] + "xx/"
    answer = client.get(url, headers=SPANISH)
    assert (answer.status_code, lang_of(answer)) == (404, "es")
    assert "Este enlace no funciona" in words(answer)


# --- staff stay English -----------------------------------------------------------------------------------------------
def test_staff_read_english_whatever_their_browser_asks(client: Client, clinic: Clinic, ada: Patient) -> None:
    client.force_login(clinic.desk)
    answer = client.get(ada.get_absolute_url(), headers=SPANISH)
    assert answer.status_code == 200
    assert lang_of(answer).startswith("en")
    form = client.get(reverse("patients:edit", args=[ada.pk]), headers=SPANISH).content.decode()
    assert '<optgroup label="Messages in this language">' in form
    assert re.search(r'<option value="es" selected>Spanish</option>', form)
    assert date(1985, 3, 14).isoformat() in form or ada.birth_date.isoformat() in form
