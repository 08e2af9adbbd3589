"""What was given, on the pages of the course and of the patient: delivered, not ordered; for clinical staff only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import BookingStatus, User
from clinic.services import bookings
from clinic.tests.fixtures.ledger import Queries
from courses.services import moves
from courses.tests.day_kit import Day, infusing, put_tap, ten
from patients.models import AssessmentSource
from patients.services.assessments import record_assessment

pytestmark = pytest.mark.django_db
CUMULATIVE = ("In total", "10.3 mg", "0.1 mg/kg", "in 1 infusion")


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(ten(120), tick=False):
        yield


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def stopped() -> Day:
    """Stopped after 10 of 40 minutes (R8: 41.2 × 10 / 40 = 10.3 mg), and the visit is over."""
    day = infusing()
    put_tap(day, "stop", ten(10), reason="Anxious")
    for step, minutes in ((BookingStatus.OBSERVING, 11), (BookingStatus.DONE, 75)):
        bookings.advance(day.pk, to=step, by=day.nurse, now=ten(minutes))
    moves.record_given(booking_id=day.pk, by=day.nurse, now=ten(75))
    return day


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_the_course_shows_ordered_and_delivered_and_what_it_adds_up_to(queries: Queries) -> None:
    day = stopped()
    client = client_of(day.nurse)
    with queries("course, with doses"):
        text = client.get(day.course.get_absolute_url()).content.decode()
    said = words(text)
    for one in ("Dose", "10.3 mg of 41.2, stopped early", *CUMULATIVE):
        assert one in said, one
    assert reverse("infusion:day", args=[day.pk]) in text


def test_while_it_runs_the_order_stands_there_and_nothing_is_added_up() -> None:
    day = infusing()
    said = words(client_of(day.nurse).get(day.course.get_absolute_url()).content.decode())
    assert "41.2 mg ordered, going on" in said
    assert "In total" not in said


def test_the_front_desk_sees_the_course_without_doses() -> None:
    day = stopped()
    for user in (day.clinic.desk, day.clinic.manager):
        said = words(client_of(user).get(day.course.get_absolute_url()).content.decode())
        assert "Infusion" in said or "infusion" in said
        for one in ("10.3 mg", "41.2", "In total"):
            assert one not in said, one


def test_the_timeline_says_the_dose_and_leads_to_the_record() -> None:
    day = stopped()
    text = client_of(day.nurse).get(day.patient.get_absolute_url()).content.decode()
    assert "10.3 of 41.2 mg, stopped early, Mon 5 Apr" in words(text)
    assert reverse("infusion:day", args=[day.pk]) in text
    other = client_of(day.clinic.desk).get(day.patient.get_absolute_url()).content.decode()
    assert "Infusion 1 of 6 given" in words(other)
    assert "41.2 mg" not in words(other)
    assert reverse("infusion:day", args=[day.pk]) not in other


def test_the_ticks_of_the_chart_carry_the_dose() -> None:
    day = stopped()
    for total, minutes in ((20, -60), (12, 100)):
        record_assessment(
            patient=day.patient,
            measure="phq9",
            total=total,
            taken_at=ten(minutes),
            source=AssessmentSource.STAFF,
            by=day.nurse,
            location=day.clinic.location,
            now=ten(110),
        )
    page = client_of(day.nurse).get(reverse("measures:trend", args=[day.patient.pk, "phq9"])).content.decode()
    found = re.search(r'id="trend-facts" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    (mark,) = json.loads(found.group(1))["marks"]
    assert (mark["short"], mark["label"]) == ("1", "Infusion 1 of 6, 10.3 of 41.2 mg, stopped early")
