"""The list of REMS forms, what each asks, and marking it as sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, User
from clinic.tests.factories import make_clinic
from clinic.tests.fixtures.ledger import Queries
from courses.models import RemsForm
from courses.tests.day_kit import Day, infusing, ten
from courses.tests.sign_kit import nasal

pytestmark = pytest.mark.django_db
DAYS = 60 * 24


@pytest.fixture(autouse=True)
def _a_week_and_a_day_later() -> Iterator[None]:
    with time_machine.travel(ten(8 * DAYS), tick=False):
        yield


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def form_url(day: Day) -> str:
    return reverse("courses:rems_form", args=[day.record.pk])


def sent_url(day: Day) -> str:
    return reverse("courses:rems_mark_sent", args=[day.record.pk])


def test_an_overdue_form_is_listed_with_its_day(queries: Queries) -> None:
    day = nasal()
    client = client_of(day.nurse)
    with queries("rems forms"):
        text = client.get(reverse("courses:rems")).content.decode()
    for said in ("1 overdue", "Mon 12 Apr", "overdue by 1 day", day.patient.list_name, form_url(day)):
        assert said in text, said


def test_without_a_session_the_list_says_so() -> None:
    text = client_of(make_clinic().nurse).get(reverse("courses:rems")).content.decode()
    assert "No form is waiting" in text


def test_the_form_shows_what_the_record_says_and_is_logged_as_a_reading(queries: Queries) -> None:
    day = nasal()
    url, client = form_url(day), client_of(day.nurse)
    with queries("rems form, page"):
        text = client.get(url).content.decode()
    for said in ("84.0 mg, 3 devices", "141/88 mmHg, after 40 minutes", "Not on record", "Nothing is sent from here"):
        assert said in text, said
    assert AccessLog.objects.filter(subject=day.patient.resource, page="REMS form", user=day.nurse).exists()


def test_marked_as_sent_it_leaves_the_list_and_keeps_its_reference() -> None:
    day = nasal()
    client = client_of(day.nurse)
    answer = client.post(sent_url(day), {"reference": "<b>R-77</b>"}, follow=True)
    text = answer.content.decode()
    assert "marked as sent" in text
    assert "No form is waiting" in text
    assert "&lt;b&gt;R-77&lt;/b&gt;" in text
    again = client.post(sent_url(day), {"reference": "R-78"})
    assert again.status_code == 409
    assert f"{day.nurse.display_name} has marked this form as sent already." in again.content.decode()
    assert RemsForm.objects.get().reference == "<b>R-77</b>"


def test_a_reference_that_is_too_long_is_refused() -> None:
    day = nasal()
    assert client_of(day.nurse).post(sent_url(day), {"reference": "x" * 61}).status_code == 422
    assert not RemsForm.objects.exists()


def test_ketamine_has_no_form() -> None:
    day = infusing()
    assert client_of(day.nurse).get(form_url(day)).status_code == 404
    assert client_of(day.nurse).post(sent_url(day)).status_code == 404


def test_the_front_desk_managers_and_strangers_see_none_of_it() -> None:
    day = nasal()
    for user in (day.clinic.desk, day.clinic.manager):
        for url in (reverse("courses:rems"), form_url(day)):
            assert client_of(user).get(url).status_code == 403
        assert client_of(user).post(sent_url(day)).status_code == 403
    assert Client().get(form_url(day)).status_code == 302
