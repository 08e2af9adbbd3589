"""Pages that could not be made: patients read why in their language and whom to call, staff in the house's words."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import OperationalError
from django.http import HttpRequest
from django.test import Client, override_settings
from django.urls import reverse

from clinic.tests.factories import Clinic, make_clinic, make_location
from clinic.tests.web.addresses import every_address
from patients.tests.link_kit import words
from patients.views import ask, sorry

pytestmark = pytest.mark.django_db
SPANISH = {"Accept-Language": "es-US,es;q=0.9,en;q=0.5"}
NO_SUCH_PAGES = (
    "/v/",
    "/v/abc/nowhere/",
    "/q/abc/what/is/this/",
    "/offer/abc/else/",
    "/request/987654/",
    "/request/x/",
)


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic(phone="+12125550100")


def lang_of(answer: Any) -> str:
    found = re.search(r'<html lang="([^"]+)"', answer.content.decode())
    assert found
    return found[1]


@pytest.mark.parametrize("url", NO_SUCH_PAGES)
def test_a_patient_who_takes_a_wrong_turn_reads_it_in_their_language_with_whom_to_call(
    client: Client, clinic: Clinic, url: str
) -> None:
    answer = client.get(url, headers=SPANISH)
    assert (answer.status_code, lang_of(answer)) == (404, "es")
    page = answer.content.decode()
    assert "Esta página no existe" in page
    assert 'href="tel:+12125550100"' in page
    assert "Llamar al (212) 555-0100" in words(answer)
    assert "llame al 911" in words(answer)  # the crisis lines of every public page
    assert "Back to Today" not in page
    assert "Accept-Language" in answer["Vary"]


def test_the_same_in_english_and_in_the_language_that_was_pressed(client: Client, clinic: Clinic) -> None:
    answer = client.get("/v/abc/nowhere/")
    assert (answer.status_code, lang_of(answer)) == (404, "en")
    assert "There is no such page" in words(answer)
    assert "Call (212) 555-0100" in words(answer)
    assert 'href="?lang=es"' in answer.content.decode()
    assert lang_of(client.get("/v/abc/nowhere/?lang=es")) == "es"
    assert lang_of(client.get("/v/abc/nowhere/?lang=en", headers=SPANISH)) == "en"


def test_of_several_locations_each_number_is_named(client: Client, clinic: Clinic) -> None:
    make_location("Uptown", phone="+12125550199")
    said = words(client.get("/q/abc/what/is/this/"))
    assert "Downtown: (212) 555-0100" in said
    assert "Uptown: (212) 555-0199" in said


def test_without_any_number_the_page_says_where_one_stands(client: Client) -> None:
    make_location("Downtown", phone="")
    assert "Our number stands in the message" in words(client.get("/v/abc/nowhere/"))


def test_staff_keep_their_own_page_whatever_their_browser_speaks(client: Client, clinic: Clinic) -> None:
    client.force_login(clinic.desk)
    answer = client.get("/patients/987654/", headers=SPANISH)
    assert (answer.status_code, lang_of(answer)) == (404, "en")
    assert "Back to Today" in words(answer)
    stranger = Client().get("/nothing/of/the/kind/", headers=SPANISH)
    assert (stranger.status_code, lang_of(stranger)) == (404, "en")


# --- a form without its key -------------------------------------------------------------------------------------------
def test_a_form_without_its_key_says_what_to_do_in_spanish_too(clinic: Clinic) -> None:
    url = reverse("public:request", args=[clinic.location.pk])
    answer = Client(enforce_csrf_checks=True).post(url, {"given_name": "Iris"}, headers=SPANISH)
    assert (answer.status_code, lang_of(answer)) == (403, "es")
    said = words(answer)
    assert "No se envió nada" in said
    assert "lo que escribió suele seguir ahí" in said
    assert "(212) 555-0100" in said
    chosen = Client(enforce_csrf_checks=True).post(f"{url}?lang=en", {"given_name": "Iris"}, headers=SPANISH)
    assert "Nothing was sent." in words(chosen)


def test_staff_read_of_a_form_without_its_key_what_they_always_did(clinic: Clinic) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(clinic.desk)
    answer = client.post(reverse("courses:step", args=[1]), {}, headers=SPANISH)
    assert (answer.status_code, lang_of(answer)) == (403, "en")
    assert "Nothing was changed. Go back, load the page again" in words(answer)


# --- the fault is ours ------------------------------------------------------------------------------------------------
def broken(*_args: Any, **_more: Any) -> Any:
    raise RuntimeError("Something that nobody foresaw.")


@pytest.fixture
def quiet() -> Client:
    """Answers 500 as the real server does."""
    return Client(raise_request_exception=False)


def test_a_fault_on_a_patients_page_is_told_in_their_language(
    quiet: Client, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask, "public_settings_of", broken)
    url = reverse("public:request", args=[clinic.location.pk])
    answer = quiet.get(url, headers=SPANISH)
    assert (answer.status_code, lang_of(answer)) == (500, "es")
    assert "Algo salió mal" in words(answer)
    assert "(212) 555-0100" in words(answer)
    english = quiet.get(url)
    assert (english.status_code, lang_of(english)) == (500, "en")
    assert "The fault is ours, not yours." in words(english)


def test_without_its_database_the_page_still_says_sorry(
    quiet: Client, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone:
        def active(self) -> Any:
            raise OperationalError("the connection is closed")

    monkeypatch.setattr(ask, "public_settings_of", broken)
    monkeypatch.setattr(sorry, "Location", type("Location", (), {"objects": Gone()}))
    answer = quiet.get(reverse("public:request", args=[clinic.location.pk]), headers=SPANISH)
    assert (answer.status_code, lang_of(answer)) == (500, "es")
    assert "Nuestro número está en el mensaje" in words(answer)


def test_where_even_that_page_breaks_the_plain_one_is_shown(
    quiet: Client, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask, "public_settings_of", broken)
    monkeypatch.setattr(sorry, "usual_settings", broken)
    answer = quiet.get(reverse("public:request", args=[clinic.location.pk]), headers=SPANISH)
    assert answer.status_code == 500
    assert "Something went wrong" in words(answer)


def test_a_fault_on_a_page_of_staff_stays_english(
    quiet: Client, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("patients.views.messages.calls.moment_of", broken)
    quiet.force_login(clinic.desk)
    answer = quiet.get(reverse("outbox:calls"), headers=SPANISH)
    assert (answer.status_code, lang_of(answer)) == (500, "en")
    assert "Back to Today" in words(answer)


# --- what is sent is too much -----------------------------------------------------------------------------------------
@override_settings(DATA_UPLOAD_MAX_NUMBER_FIELDS=5)
def test_what_cannot_be_read_is_refused_in_the_patients_language(client: Client, clinic: Clinic) -> None:
    url = reverse("public:request", args=[clinic.location.pk])
    too_many = client.post(url, {f"field{number}": "1" for number in range(9)}, headers=SPANISH)
    no_form = client.post(url, b"--x", content_type="multipart/form-data", headers=SPANISH)
    for answer, status in ((too_many, 413), (no_form, 400)):
        assert (answer.status_code, lang_of(answer)) == (status, "es")
        assert "No se pudo leer" in words(answer)


@pytest.mark.parametrize("url", ["/v/abc/", "/offer/abc/"])
def test_too_much_behind_a_link_is_refused_with_a_page_and_no_blank(client: Client, clinic: Clinic, url: str) -> None:
    answer = client.post(url, {"answer": "x" * 5_000}, headers=SPANISH)
    assert (answer.status_code, lang_of(answer)) == (413, "es")
    assert "Eso fue demasiado de una vez" in words(answer)


# --- whose address it is ----------------------------------------------------------------------------------------------
def test_every_address_of_patients_counts_as_public_and_no_other_does() -> None:
    for address in every_address():
        is_patients = address.name.startswith(("public:", "offer:"))
        request = HttpRequest()
        request.path_info = f"/{address.route}"
        assert sorry.is_public(request) == is_patients, address.name
