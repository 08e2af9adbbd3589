"""Infusions as ticks on charts of scores: the upper package tells the lower one, and nobody else learns of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.tests.fixtures.ledger import Queries
from courses.tests.series_kit import Booked, april, at, book
from patients.models import AssessmentSource
from patients.services.assessments import record_assessment

pytestmark = pytest.mark.django_db
NOW = at(april(12), "12:00")


@pytest.fixture
def booked() -> Iterator[Booked]:
    """T-MWF6 from Mon 2027-04-05; infusions 1 to 3 given on 5, 7 and 9 April; PHQ-9 before and after."""
    with time_machine.travel(NOW, tick=False):
        made = book()
        made.give(1, 2, 3)
        for days_ago, total in ((9, 20), (3, 14), (0, 9)):
            record_assessment(
                patient=made.patient,
                measure="phq9",
                total=total,
                taken_at=NOW - timedelta(days=days_ago),
                source=AssessmentSource.STAFF,
                by=made.nurse,
                location=made.clinic.location,
                now=NOW,
            )
        yield made


def test_given_infusions_are_ticks_with_their_numbers_and_planned_ones_are_not(booked: Booked, client: Client) -> None:
    client.force_login(booked.nurse)
    page = client.get(reverse("measures:trend", args=[booked.patient.pk, "phq9"])).content.decode()
    found = re.search(r'id="trend-facts" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    marks = json.loads(found.group(1))["marks"]
    assert [(mark["short"], mark["at"], mark["label"]) for mark in marks] == [
        ("1", "2027-04-05", "Infusion 1 of 6"),
        ("2", "2027-04-07", "Infusion 2 of 6"),
        ("3", "2027-04-09", "Infusion 3 of 6"),
    ]
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)[1:]
    assert "infusion 3 of 6" in rows[0]
    assert "infusion 2 of 6" in rows[1]  # of 9 April: taken at the check-in of the third
    assert "in-series, overlapping window" in rows[0]


def test_the_patients_page_shows_ticks_and_course_within_its_queries(
    booked: Booked, client: Client, queries: Queries
) -> None:
    client.force_login(booked.nurse)
    with queries("patient page with a course and scores"):
        page = client.get(reverse("patients:detail", args=[booked.patient.pk])).content.decode()
    assert page.count('class="spark-tick"') == 3
