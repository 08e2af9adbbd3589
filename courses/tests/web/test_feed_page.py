"""The private feed of a person: made, renewed, switched off, and asked for all the time."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.ledger import Queries
from courses.tests.visit_kit import consult

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def test_one_makes_renews_and_switches_off_one_s_own_feed(client: Client, clinic: Clinic) -> None:
    consult(clinic)
    page = reverse("courses:feed_link")
    client.force_login(clinic.clinician)
    assert "Make a private address" in client.get(page).content.decode()
    client.post(page)
    first = _feed_address(client.get(page).content.decode())
    answer = Client().get(first)  # a calendar program is signed out
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    assert "private" in answer["Cache-Control"]
    client.post(page)
    second = _feed_address(client.get(page).content.decode())
    assert first != second
    assert Client().get(first).status_code == 404
    client.post(page, {"off": "1"})
    assert Client().get(second).status_code == 404


def _feed_address(page: str) -> str:
    found = re.search(r'value="http://testserver(/feeds/[0-9a-f-]+\.ics)"', page)
    assert found
    return found[1]


def test_an_unknown_address_and_one_of_somebody_who_left_answer_nothing(client: Client, clinic: Clinic) -> None:
    assert client.get("/feeds/00000000-0000-4000-8000-000000000000.ics").status_code == 404
    client.force_login(clinic.nurse)
    client.post(reverse("courses:feed_link"))
    address = _feed_address(client.get(reverse("courses:feed_link")).content.decode())
    assert Client().get(address).status_code == 200
    clinic.nurse.refresh_from_db()
    clinic.nurse.is_active = False
    clinic.nurse.save()
    assert Client().get(address).status_code == 404


def test_a_program_that_asks_all_the_time_costs_one_query(client: Client, clinic: Clinic, queries: Queries) -> None:
    client.force_login(clinic.nurse)
    client.post(reverse("courses:feed_link"))
    address = _feed_address(client.get(reverse("courses:feed_link")).content.decode())
    Client().get(address)
    with queries("staff feed, again"):
        answer = Client().get(address)
    assert answer.status_code == 200


def test_the_account_page_leads_to_the_feed(client: Client, clinic: Clinic) -> None:
    client.force_login(clinic.nurse)
    assert f'href="{reverse("courses:feed_link")}"' in client.get(reverse("setup:me")).content.decode()
