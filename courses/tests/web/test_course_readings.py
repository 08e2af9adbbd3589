"""Who reads a course stands in the log: each of its pages once, by its own name, for the patient and nobody else.

That no address is forgotten is in clinic/tests/web/test_who_read_what.py; here is what the line says.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, User
from courses.models import CareItem
from courses.services import care
from courses.tests.series_kit import Booked, april, at, book

pytestmark = pytest.mark.django_db
NOW = at(april(15), "12:00")
PAGES = (
    ("courses:course", "", "Course"),
    ("following:response", "", "Response"),
    ("following:schedule", "", "Follow-up"),
    ("following:maintenance", "", "Maintenance"),
    ("following:booster", "", "Boosters"),
    ("following:booster_rule", "", "Booster rule"),
    ("following:care", "", "Care beside"),
    ("following:waiting", "", "Waiting list"),
    ("courses:close", "", "Course, closing"),
    ("following:summary_pdf", "?for=patient", "Summary of the course for the patient, PDF"),
    ("following:summary_pdf", "?for=referrer", "Summary of the course for the referrer, PDF"),
)
"""Address, what stands behind it, and what the log calls it."""


@pytest.fixture(autouse=True)
def moment() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def booked() -> Booked:
    made = book()
    made.give(1, 2, 3)
    return made


def as_(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def path(name: str, booked: Booked) -> str:
    return reverse(name, args=[booked.course.pk])


def log() -> list[tuple[int, int, str, str, datetime, str]]:
    return list(AccessLog.objects.order_by("pk").values_list("user", "subject", "page", "path", "at", "reason"))


@pytest.mark.parametrize("shown", PAGES)
def test_a_page_of_a_course_is_one_reading_by_its_own_name(
    client: Client, booked: Booked, moment: time_machine.Traveller, shown: tuple[str, str, str]
) -> None:
    """Again within five minutes is the same reading, later another; a colleague's is their own."""
    name, more, page = shown
    url = path(name, booked)
    own = (booked.clinician.pk, booked.patient.resource_id, page, url)
    for _ in range(2):
        assert as_(client, booked.clinician).get(url + more).status_code == 200
    assert log() == [(*own, NOW, "")]
    later = NOW + timedelta(minutes=6)
    moment.move_to(later, tick=False)
    as_(client, booked.clinician).get(url + more)
    assert log() == [(*own, NOW, ""), (*own, later, "")]


@pytest.mark.parametrize(
    ("name", "more"),
    [("following:response", ""), ("following:care", ""), ("following:summary_pdf", "?for=patient")],
)
def test_who_may_not_read_it_reads_nothing_and_the_log_says_nothing(
    client: Client, booked: Booked, name: str, more: str
) -> None:
    for person in (booked.clinic.desk, booked.clinic.manager):
        assert as_(client, person).get(path(name, booked) + more).status_code == 403
    assert log() == []


def test_each_page_that_was_opened_is_a_line_of_its_own(client: Client, booked: Booked) -> None:
    as_(client, booked.nurse)
    for name in ("following:response", "following:care", "courses:course"):
        client.get(path(name, booked))
    assert [row[2] for row in log()] == ["Response", "Care beside", "Course"]
    assert {row[:2] for row in log()} == {(booked.nurse.pk, booked.patient.resource_id)}


def test_writing_is_no_reading_and_the_page_after_it_is(client: Client, booked: Booked) -> None:
    """Who adds a therapy is in the history; the list that comes back is read as any page is."""
    as_(client, booked.nurse)
    values = {"kind": "therapy", "title": "Talk therapy", "responsible": "Dr. Ruiz", "started_on": "2027-04-06"}
    answer = client.post(path("following:care_add", booked), values)
    assert answer.status_code == 302
    assert CareItem.objects.count() == 1
    assert log() == []
    client.get(answer["Location"])
    assert [row[2] for row in log()] == ["Care beside"]


def test_the_small_forms_of_care_read_nothing_that_the_page_has_not_shown(client: Client, booked: Booked) -> None:
    """They are opened from the page, which has logged the reading (test_who_read_what says so of each)."""
    values = {
        "kind": "therapy",
        "title": "Talk therapy",
        "responsible": "Dr. Ruiz",
        "started_on": april(6),
        "detail": "",
    }
    item = care.add_care(booked.course.pk, values=values | {"on_chart": True}, by=booked.nurse, now=NOW)
    as_(client, booked.nurse)
    for name in ("care_edit", "care_entry", "care_end", "care_strike"):
        assert client.get(reverse(f"following:{name}", args=[booked.course.pk, item.pk])).status_code == 200
    assert log() == []


def test_a_refused_closing_is_shown_again_without_a_second_reading(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician).get(path("courses:close", booked))
    answer = client.post(path("courses:close", booked), {"status": "", "reason": ""})
    assert answer.status_code == 422
    assert [row[2] for row in log()] == ["Course, closing"]


def test_nothing_was_read_where_there_is_nothing_to_print(client: Client) -> None:
    made = book(april(26), now=NOW)
    answer = as_(client, made.clinician).get(path("following:summary_pdf", made) + "?for=patient")
    assert answer.status_code == 302
    assert log() == []
