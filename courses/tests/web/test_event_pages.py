"""The form for an admission or a suicide attempt, and where it is shown: response, chart, timeline, summary of a review."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import User
from clinic.pure.roles import Role
from clinic.tests.factories import make_user
from clinic.tests.fixtures.ledger import Queries
from courses.models import ClinicalEvent, TaskKind
from courses.services.events import record_event
from courses.services.worklists.engine import sweep
from courses.tests.outcome_kit import course_with
from courses.tests.series_kit import Booked, april, at

pytestmark = pytest.mark.django_db
NOW = at(april(28), "12:00")
HTMX = {"HX-Request": "true"}
SENT = {"kind": "admission", "day": "2027-04-27", "note": "St. <b>Luke's</b>"}


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def booked() -> Booked:
    return course_with(20, 14, 12, 10, 8, 7, 6)


def as_(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def url(booked: Booked, name: str = "response", *more: int) -> str:
    return reverse(f"following:{name}", args=[booked.course.pk, *more])


def text(answer: Any) -> str:
    return str(answer.content.decode())


def put(booked: Booked) -> ClinicalEvent:
    return record_event(booked.course.pk, kind="admission", day=april(27), note="x", by=booked.nurse, now=NOW)


def test_a_nurse_records_an_admission_and_the_page_shows_it_as_a_relapse(booked: Booked) -> None:
    client = as_(booked.nurse)
    answer = client.post(url(booked, "event_add"), SENT)
    assert (answer.status_code, answer.headers["Location"]) == (302, url(booked))
    page = text(client.get(url(booked)))
    assert "Relapse: Tue 27 Apr, 11 days after the last infusion" in page
    assert "By psychiatric admission: it counts at once, whatever the scores say." in page
    assert "St. &lt;b&gt;Luke&#x27;s&lt;/b&gt;" in page
    assert booked.nurse.display_name in page


def test_it_stands_on_the_chart_and_in_the_timeline(booked: Booked) -> None:
    put(booked)
    page = text(as_(booked.clinician).get(url(booked)))
    found = re.search(r'id="response-phq9-facts" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    assert json.loads(found.group(1))["events"] == [{"at": "2027-04-27", "label": "Psychiatric admission"}]
    assert "Psychiatric admission" in text(as_(booked.clinician).get(booked.patient.get_absolute_url()))
    assert "Psychiatric admission" not in text(as_(booked.desk).get(booked.patient.get_absolute_url()))


def test_what_was_struck_is_read_as_struck_and_is_on_no_chart(booked: Booked) -> None:
    event, client = put(booked), as_(booked.nurse)
    answer = client.post(url(booked, "event_strike", event.pk), {"reason": "Another patient"})
    assert answer.status_code == 302
    page = text(client.get(url(booked)))
    assert "<del>Psychiatric admission</del>" in page
    assert "“Another patient”" in page
    assert "Relapse:" not in page
    assert '"events": []' in page
    assert client.get(url(booked, "event_strike", event.pk)).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": ""}, "Choose what happened."),
        ({"kind": "flood"}, "Choose what happened."),
        ({"day": ""}, "Give the day."),
        ({"day": "2027-04-29"}, "still ahead"),
        ({"day": "0001-01-01"}, "This course began on"),
        ({"note": "x" * 301}, "at most 300 characters"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_recorded(booked: Booked, wrong: dict[str, str], said: str) -> None:
    answer = as_(booked.nurse).post(url(booked, "event_add"), SENT | wrong)
    assert answer.status_code == 422
    assert said in text(answer)
    assert not ClinicalEvent.objects.exists()


def test_the_sheet_has_the_form_alone(booked: Booked) -> None:
    piece = text(as_(booked.nurse).get(url(booked, "event_add"), headers=HTMX))
    assert "<html" not in piece
    assert "Psychiatric admission" in piece
    assert "Suicide attempt" in piece


@pytest.mark.parametrize("role", [Role.NURSE, Role.CLINICIAN])
def test_nurses_and_clinicians_have_the_button_and_the_form(booked: Booked, role: Role) -> None:
    client = as_(make_user(role))
    assert url(booked, "event_add") in text(client.get(url(booked)))
    assert client.get(url(booked, "event_add")).status_code == 200


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.MANAGER])
def test_others_are_refused(booked: Booked, role: Role) -> None:
    event, client = put(booked), as_(make_user(role))
    assert client.post(url(booked, "event_add"), SENT | {"kind": "attempt"}).status_code == 403
    assert client.post(url(booked, "event_strike", event.pk), {"reason": "x"}).status_code == 403
    assert ClinicalEvent.objects.valid().count() == 1


def test_a_stranger_is_sent_to_the_sign_in_and_another_course_has_no_such_event(booked: Booked) -> None:
    event = put(booked)
    assert Client().post(url(booked, "event_add"), SENT).status_code == 302
    other = reverse("following:event_strike", args=[booked.course.pk + 1, event.pk])
    assert as_(booked.nurse).get(other).status_code == 404
    assert ClinicalEvent.objects.valid().count() == 1


def test_its_review_says_what_happened_to_who_reads_notes_and_not_to_the_desk(booked: Booked) -> None:
    put(booked)
    sweep(NOW, kinds=[TaskKind.REVIEW])
    task = booked.course.tasks.get(key__startswith="review:event:")
    page = text(as_(booked.clinician).get(url(booked, "review", task.pk)))
    assert "Psychiatric admission on Tue 27 Apr" in page
    assert "counts as a relapse on that day" in page
    address = reverse("worklists:all")
    assert "Psychiatric admission on Tue 27 Apr" in text(as_(booked.nurse).get(address))
    seen = text(as_(booked.desk).get(address))
    assert "admission" not in seen.lower()
    assert "Review: something happened that a prescriber has to know." in seen


def test_the_page_costs_the_same_for_one_event_and_for_several(booked: Booked, queries: Queries) -> None:
    put(booked)
    client = as_(booked.clinician)
    client.get(url(booked))
    with queries("response with events"):
        client.get(url(booked))
    for day in (24, 25, 26):
        record_event(booked.course.pk, kind="attempt", day=april(day), note="", by=booked.nurse, now=NOW)
    with queries("response with events"):
        answer = client.get(url(booked))
    assert answer.status_code == 200
