"""What nobody types, and somebody sends: days at the ends of time, floods of digits, zero bytes. Never an error page."""

from __future__ import annotations

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.pure.roles import Role
from clinic.tests.factories import make_user
from courses.tests.series_kit import Booked, april, at, book

pytestmark = pytest.mark.django_db
FLOOD = "9" * 5000


@pytest.fixture
def booked() -> Booked:
    return book()


def ask(client: Client, address: str, post: dict[str, str] | None = None) -> int:
    with time_machine.travel(at(april(2), "09:00"), tick=False):
        client.force_login(make_user(Role.CLINICIAN))
        answer = client.get(address) if post is None else client.post(address, post)
    return answer.status_code


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_a_move_towards_the_ends_of_time_shows_the_page_without_that_wish(
    client: Client, booked: Booked, day: str
) -> None:
    infusion = booked.infusion(4)
    address = reverse("courses:move", args=[infusion.pk])
    assert ask(client, f"{address}?day={day}&mode=shift") == 200


@pytest.mark.parametrize(
    "wish", ["p=1.99991231.2359.1.1.1", "p=1.00010101.0000.1.1.1", f"edit={FLOOD}", "move=1&to=9999-12-31T23:59"]
)
def test_a_plan_of_another_age_in_the_address_shows_the_page(client: Client, booked: Booked, wish: str) -> None:
    address = reverse("courses:plan", args=[booked.course.patient_id])
    assert ask(client, f"{address}?treats=ptsd&{wish}") == 200


def test_a_flood_of_digits_is_no_version(client: Client, booked: Booked) -> None:
    visit = booked.infusion(4).visits.get()
    for name in ("courses:step", "courses:step_back", "courses:held"):
        post = {"to": "arrived", "version": FLOOD}
        assert ask(client, reverse(name, args=[visit.booking_id]), post) == 302


def test_a_zero_byte_in_a_reason_is_left_out(client: Client, booked: Booked) -> None:
    infusion = booked.infusion(4)
    post = {"preparation_min": "20", "infusion_min": "40", "observation_min": "75", "turnaround_min": "15"}
    address = reverse("courses:minutes", args=[infusion.pk])
    assert ask(client, address, {**post, "reason": "slow\x00ly"}) in (302, 422)


@pytest.mark.parametrize("born", ["0001-01-01", "9999-12-31"])
def test_a_birth_date_at_the_ends_of_time_is_nobody_s(client: Client, booked: Booked, born: str) -> None:
    post = {"given_name": "Ada", "family_name": "Okafor", "birth_date": born}
    assert ask(client, reverse("patients:duplicates"), post) == 200


@pytest.mark.parametrize("name", ["patient_id", "station"])
def test_a_flood_of_digits_in_the_address_of_a_new_visit_is_no_one(client: Client, booked: Booked, name: str) -> None:
    assert ask(client, f"{reverse('courses:new_visit')}?{name}={FLOOD}") == 200
