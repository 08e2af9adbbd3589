"""The worklists keep themselves up to date, cheaply, and the rail says how much waits at this location."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import User
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_location, make_user
from clinic.tests.fixtures.ledger import Queries
from courses.models import Task, TaskEnd, TaskKind
from courses.services.worklists.engine import end_task, put_off, take_task
from courses.tests.series_kit import april, at
from patients.models import AlertKind
from patients.services.alerts import raise_alert
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
TODAY = april(10)
NOW = at(TODAY, "09:00")
PAGES = ["/worklists/", "/worklists/review/", "/worklists/later/", "/worklists/closed/"]


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def make_task(clinic: Clinic, **known: Any) -> Task:
    values: dict[str, Any] = {
        "kind": TaskKind.REVIEW,
        "key": f"task:{Task.objects.count()}",
        "text": "Something waits",
        "due_on": TODAY,
        "opened_at": NOW,
        "location": clinic.location,
    }
    return Task.objects.create(**(values | known))


def as_(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def stamp_of(page: str) -> str:
    found = re.search(r'"X-Cadence-Seen": "([^"]+)"', page)
    assert found
    return found[1]


def again(client: Client, address: str, stamp: str) -> Any:
    """As htmx asks every half minute."""
    return client.get(address, headers={"HX-Request": "true", "X-Cadence-Seen": stamp, "X-Cadence-Background": "1"})


def count_in(page: str) -> int | None:
    found = re.search(r'id="rail-count"[^>]*>.*?<span class="visually-hidden">, (\d+) open tasks', page, re.DOTALL)
    return int(found[1]) if found else None


@pytest.mark.parametrize("address", PAGES)
def test_while_nothing_has_changed_the_answer_is_empty_and_cheap(
    clinic: Clinic, address: str, queries: Queries
) -> None:
    make_task(clinic)
    client = as_(clinic.nurse)
    stamp = stamp_of(client.get(address).content.decode())
    with queries("worklists asked again", at_most=5):
        answer = again(client, address, stamp)
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("change", ["opened", "taken", "put off", "ended", "danger"])
def test_after_any_change_the_lists_come_again_with_the_count_of_the_rail(clinic: Clinic, change: str) -> None:
    task, client = make_task(clinic), as_(clinic.clinician)
    stamp = stamp_of(client.get("/worklists/").content.decode())
    acts = {
        "opened": lambda: make_task(clinic),
        "taken": lambda: take_task(task.pk, by=clinic.nurse, now=NOW),
        "put off": lambda: put_off(task.pk, until=april(12), reason="Away", by=clinic.nurse, now=NOW),
        "ended": lambda: end_task(task.pk, how=TaskEnd.DECLINED, text="Seen", by=clinic.clinician, now=NOW),
        "danger": lambda: raise_alert(
            patient=make_patient(), kind=AlertKind.PHQ9_ITEM9, location=clinic.location, now=NOW, detail="x"
        ),
    }
    acts[change]()
    answer = again(client, "/worklists/", stamp)
    piece = answer.content.decode()
    assert answer.status_code == 200
    assert "<html" not in piece
    assert 'hx-swap-oob="true"' in piece
    assert count_in(piece) == {"opened": 2, "put off": 0, "ended": 0}.get(change, 1)
    assert again(client, "/worklists/", stamp_of(piece)).status_code == 204


def test_the_next_day_says_how_late_it_is_by_then(clinic: Clinic) -> None:
    make_task(clinic)
    client = as_(clinic.nurse)
    stamp = stamp_of(client.get("/worklists/").content.decode())
    with time_machine.travel(at(april(11), "00:05"), tick=False):
        client.force_login(clinic.nurse)
        answer = again(client, "/worklists/", stamp)
    assert "overdue by 1 day" in answer.content.decode()


def test_what_comes_again_keeps_filters_order_and_way_back(clinic: Clinic) -> None:
    make_task(clinic, owner=clinic.desk)
    mine = make_task(clinic, owner=clinic.nurse)
    piece = again(as_(clinic.nurse), "/worklists/review/?owner=mine&sort=-due", "0").content.decode()
    assert re.findall(r'data-task="(\d+)"', piece) == [str(mine.pk)]
    assert 'hx-get="/worklists/review/?owner=mine&amp;sort=-due"' in piece
    assert "next=/worklists/review/%3Fowner%3Dmine%26sort%3D-due" in piece


def test_a_stamp_of_somebody_elses_making_gets_the_lists(clinic: Clinic) -> None:
    make_task(clinic)
    answer = again(as_(clinic.nurse), "/worklists/", "x" * 5000)
    assert answer.status_code == 200


@pytest.mark.parametrize("role", list(Role))
def test_everybody_sees_how_much_waits_where_they_work(clinic: Clinic, role: Role) -> None:
    person = make_user(role, home_location=clinic.location)
    for due in (9, 10, 20):  # overdue, due, not due yet
        make_task(clinic, due_on=april(due))
    make_task(clinic, location=make_location("Uptown"))
    put_off(make_task(clinic).pk, until=april(12), reason="Away", by=clinic.nurse, now=NOW)
    end_task(make_task(clinic).pk, how=TaskEnd.DECLINED, text="x", by=clinic.clinician, now=NOW)
    for address in (reverse("patients:list"), "/worklists/"):
        assert count_in(as_(person).get(address).content.decode()) == 3


def test_with_nothing_waiting_the_count_is_hidden(clinic: Clinic) -> None:
    page = as_(clinic.desk).get("/worklists/").content.decode()
    assert re.search(r'id="rail-count" hidden', page)
    assert count_in(page) == 0
