"""Nobody arrives on a day that has not come: a visit of next month cannot become "given" by a slip of the hand."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import Booking, BookingStatus
from clinic.tests.factories import Clinic, make_clinic
from courses.tests.visit_kit import DAY, consult, ny

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def step(client: Client, clinic: Clinic, booking: Booking, to: str) -> str:
    client.force_login(clinic.desk)
    address = reverse("courses:step", args=[booking.pk])
    answer = client.post(address, {"to": to, "version": booking.version}, follow=True)
    return answer.content.decode()


@pytest.mark.parametrize("at", ["00:05", "18:00"])
def test_on_its_day_a_visit_takes_its_steps_however_early_or_late(client: Client, clinic: Clinic, at: str) -> None:
    booking = consult(clinic)
    with time_machine.travel(ny(at), tick=False):
        step(client, clinic, booking, "arrived")
    booking.refresh_from_db()
    assert booking.status == BookingStatus.ARRIVED


def test_the_day_before_it_can_be_confirmed_and_nobody_arrives(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    with time_machine.travel(ny("23:55", DAY - timedelta(days=1)), tick=False):
        said = step(client, clinic, booking, "arrived")
        booking.refresh_from_db()
        assert booking.status == BookingStatus.BOOKED
        assert "This visit is on Thu 7 Jan" in said
        step(client, clinic, booking, "confirmed")
    booking.refresh_from_db()
    assert booking.status == BookingStatus.CONFIRMED


def test_the_sheet_of_a_later_day_offers_no_arrival(client: Client, clinic: Clinic) -> None:
    booking = consult(clinic)
    address = reverse("courses:visit", args=[booking.pk])
    with time_machine.travel(ny("12:00", DAY - timedelta(days=1)), tick=False):
        client.force_login(clinic.desk)
        assert 'value="arrived"' not in client.get(address).content.decode()
    with time_machine.travel(ny("09:40"), tick=False):
        client.force_login(clinic.desk)
        assert 'value="arrived"' in client.get(address).content.decode()


@pytest.mark.parametrize(
    "foreign", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "10:00", "evil"]
)
def test_a_step_leads_back_to_a_page_of_ours_only(client: Client, clinic: Clinic, foreign: str) -> None:
    booking = consult(clinic)
    with time_machine.travel(ny("09:40"), tick=False):
        client.force_login(clinic.desk)
        address = reverse("courses:step", args=[booking.pk])
        answer = client.post(address, {"to": "arrived", "version": booking.version, "next": foreign})
    assert (answer.status_code, answer["Location"]) == (302, "/")
