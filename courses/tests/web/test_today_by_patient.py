"""Today says where the patient confirmed, moved or cancelled a visit by a link or by text, and only there."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from clinic.models import Booking, BookingStatus
from clinic.services import bookings
from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.ledger import Queries
from courses.tests.visit_kit import DAY, consult, ny, release
from patients.models import Message
from patients.services.messages.acts import BY_TEXT, confirm_visit
from patients.tests.link_kit import make_message, page_of, seen

pytestmark = pytest.mark.django_db
MONDAY = date(2027, 1, 4)


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def visit(clinic: Clinic) -> Booking:
    return consult(clinic, "11:00")


@pytest.fixture
def message(clinic: Clinic, visit: Booking) -> Message:
    assert visit.subject
    return make_message(visit.subject.patient, clinic.location, now=ny("09:00", MONDAY), booking=visit)


def press(address: str, values: dict[str, str], at: str = "09:00") -> Any:
    with time_machine.travel(ny(at, MONDAY), tick=False):
        return Client().post(address, values)


def state(client: Client, clinic: Clinic, booking: Booking, show: str = "") -> str:
    """What Today says of the visit, in words."""
    with time_machine.travel(ny("06:00"), tick=False):
        client.force_login(clinic.desk)
        page = client.get("/", {"show": show} if show else {}).content.decode()
    found = re.search(rf'data-visit="{booking.pk}".*?<div class="visit-state">(.*?)</div>', page, re.DOTALL)
    assert found
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[1])).strip()


def test_a_visit_that_nobody_confirmed_says_nothing_of_the_kind(
    client: Client, clinic: Clinic, visit: Booking, message: Message
) -> None:
    assert state(client, clinic, visit) == "Booked"


def test_confirmed_by_link(client: Client, clinic: Clinic, visit: Booking, message: Message) -> None:
    press(page_of(message), {"answer": "confirm"} | seen(visit))
    assert state(client, clinic, visit) == "Confirmed by link"


def test_confirmed_by_staff_is_not_by_link(client: Client, clinic: Clinic, visit: Booking, message: Message) -> None:
    bookings.advance(
        visit.pk, to=BookingStatus.CONFIRMED, by=clinic.desk, now=ny("09:00", MONDAY), expected_version=visit.version
    )
    assert state(client, clinic, visit) == "Confirmed"


def test_confirmed_by_text(client: Client, clinic: Clinic, visit: Booking, message: Message) -> None:
    with time_machine.travel(ny("09:30", MONDAY), tick=False):
        assert confirm_visit(visit, message=message, said=BY_TEXT, now=timezone.now())
    assert state(client, clinic, visit) == "Confirmed by text"


def test_cancelled_by_link(client: Client, clinic: Clinic, visit: Booking, message: Message) -> None:
    press(page_of(message), {"answer": "confirm"} | seen(visit), at="09:00")
    press(page_of(message, "cancel"), {"reason": "Out of town"} | seen(visit), at="10:00")
    assert state(client, clinic, visit, "off") == "Cancelled by link"


def test_cancelled_by_staff_after_the_patient_confirmed_is_not_by_link(
    client: Client, clinic: Clinic, visit: Booking, message: Message
) -> None:
    press(page_of(message), {"answer": "confirm"} | seen(visit))
    now = ny("10:00", MONDAY)
    release(visit, BookingStatus.CANCELLED, by=clinic.desk, at=now)
    assert state(client, clinic, visit, "off") == "Cancelled"


def test_moved_by_link_until_staff_move_it_again(
    client: Client, clinic: Clinic, visit: Booking, message: Message
) -> None:
    with time_machine.travel(ny("09:00", MONDAY), tick=False):
        days = Client().get(page_of(message, "move"), {"after": f"{DAY - timedelta(days=1)}"}).context["days"]
    key = next(one.key for _start, times in days for one in times if one.start.date() == DAY)
    assert press(page_of(message, "move"), {"time": key} | seen(visit)).status_code == 302
    moved = Booking.objects.get(pk=visit.pk)
    assert moved.start != visit.start
    assert state(client, clinic, visit) == "Confirmed moved by link"


@pytest.mark.parametrize("visits", [2, 12])
def test_it_costs_no_query(client: Client, clinic: Clinic, queries: Queries, visits: int) -> None:
    for number in range(visits):
        one = consult(clinic, f"{8 + number // 2:02d}:{30 * (number % 2):02d}", length_min=30)
        assert one.subject
        sent = make_message(one.subject.patient, clinic.location, now=ny("09:00", MONDAY), booking=one)
        press(page_of(sent), {"answer": "confirm"} | seen(one))
    with time_machine.travel(ny("07:30"), tick=False):
        client.force_login(clinic.desk)
        client.get("/")  # the second look finds the session as usual
        with queries("today, confirmed by link"):
            page = client.get("/").content.decode()
    assert page.count("by link") == visits
