"""The search palette: whom it offers, what it marks, how few queries it takes."""

from datetime import date

import pytest
import time_machine
from django.urls import reverse

from clinic.pure.roles import Role
from clinic.tests.factories import make_user
from patients.models import PatientStatus
from patients.services.search import refresh_search
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _seventh_of_january():
    with time_machine.travel("2027-01-07T15:00:00Z", tick=False):
        yield


@pytest.fixture
def jose():
    patient = make_patient(
        "José Eduardo",
        "Gómez",
        mrn="10001",
        birth_date=date(1989, 5, 25),
        preferred_name="Pepe",
        phones=["+12125550123"],
    )
    refresh_search([patient])
    return patient


def ask(client, text, role=Role.FRONT_DESK):
    client.force_login(make_user(role))
    return client.get(reverse("patients:quick"), {"q": text}, headers={"HX-Request": "true"})


def test_an_option_leads_to_the_patient_and_marks_what_was_typed(client, jose):
    page = ask(client, "gomez jos").content.decode()
    assert f'href="{jose.get_absolute_url()}"' in page
    assert "<mark>Jos</mark>é Eduardo <mark>Gómez</mark>" in page
    assert "“Pepe”" in page
    assert "25 May 1989 · 37 years" in " ".join(page.split())
    assert "MRN 10001" in page
    assert page.count('role="option"') == 2  # the patient, and adding one
    assert page.count('aria-selected="true"') == 1


@pytest.mark.parametrize(
    ("typed", "mark"),
    [
        ("10001", "<mark>MRN 10001</mark>"),
        ("25.5.1989", "<mark>25 May 1989</mark>"),
        ("5550123", "<mark>(212) 555-0123</mark>"),
    ],
)
def test_what_was_found_besides_the_name_is_marked_too(client, jose, typed, mark):
    assert mark in ask(client, typed).content.decode()


def test_a_guess_stands_under_its_own_heading(client, jose):
    page = ask(client, "gomze").content.decode()
    assert "No exact match. Spelt nearly so" in page
    assert "<mark>Gómez</mark>" in page


def test_who_has_died_or_is_inactive_is_said_in_words(client):
    dead = make_patient(
        "Ada", "Gomez", status=PatientStatus.DECEASED, deceased_on=date(2020, 1, 1), birth_date=date(1950, 1, 1)
    )
    gone = make_patient("Bea", "Gomez", status=PatientStatus.INACTIVE)
    refresh_search([dead, gone])
    page = ask(client, "gomez").content.decode()
    assert "Deceased" in page
    assert "died at 70" in page
    assert "Inactive" in page


def test_nobody_found_offers_to_add_the_person_with_what_was_typed(client, jose):
    page = ask(client, "ana silva 7 Mar 1985").content.decode()
    assert "Nobody is found for “ana silva 7 Mar 1985”" in page
    add = reverse("patients:add")
    assert f'href="{add}?given_name=Ana&amp;family_name=Silva&amp;birth_date=1985-03-07"' in page


def test_only_who_may_add_a_patient_is_offered_it(client, jose):
    page = ask(client, "ana silva", role=Role.NURSE).content.decode()
    assert "Nobody is found" in page
    assert reverse("patients:add") not in page


def test_nothing_typed_shows_nothing(client):
    assert ask(client, "  ").content == b""


def test_what_was_typed_is_never_markup(client, jose):
    page = ask(client, "<script>alert(1)</script>").content.decode()
    assert "<script>" not in page


@pytest.mark.parametrize("role", list(Role))
def test_all_staff_search(client, jose, role):
    assert ask(client, "gomez", role=role).status_code == 200


def test_a_stranger_and_somebody_signed_out_do_not(client, jose):
    assert client.get(reverse("patients:quick"), {"q": "gomez"}).status_code == 302
    client.force_login(make_user())
    assert client.get(reverse("patients:quick"), {"q": "gomez"}).status_code == 403


@pytest.mark.parametrize("count", [2, 20])
@pytest.mark.parametrize("typed", ["gomez", "gomze"])
def test_the_palette_takes_three_queries_whatever_it_finds(client, queries, count, typed):
    refresh_search([make_patient(f"Ada{chr(97 + number)}", "Gomez") for number in range(count)])
    client.force_login(make_user(Role.FRONT_DESK))
    address = reverse("patients:quick")
    client.get(address, {"q": typed})  # the session is in the cache now
    name = "palette, spelt nearly so" if typed == "gomze" or count < 5 else "palette"
    with queries(name, at_most=3):
        answer = client.get(address, {"q": typed})
    assert answer.status_code == 200
