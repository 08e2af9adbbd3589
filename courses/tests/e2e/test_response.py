"""The Response page in a real browser: the chart is drawn with its lanes, and nothing on it is out of reach."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
import time_machine
from django.urls import reverse

from clinic.tests.fixtures.browser import Axe, Expect, SignIn
from courses.models import CareItem
from courses.tests.outcome_kit import course_with
from courses.tests.series_kit import april, at

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
NOW = at(date(2027, 5, 20), "12:00")


@pytest.fixture(autouse=True)
def _later() -> Iterator[None]:
    with time_machine.travel(NOW, tick=True):
        yield


def test_the_trajectory_is_drawn_and_reached_from_the_course(sign_in: SignIn, expect: Expect, axe: Axe) -> None:
    """clinical.md H1, case 1."""
    booked = course_with(20, 14, 9, 8, 6, 5, 4)
    CareItem.objects.create(
        course=booked.course,
        kind="therapy",
        title="Talking therapy",
        responsible="Dr Reed",
        started_on=april(8),
        created_at=NOW,
        created_by=booked.clinician,
    )
    page = sign_in(booked.clinician)
    page.goto(booked.course.get_absolute_url())
    page.get_by_role("link", name="Trajectory").click()
    expect(page.get_by_role("heading", name="Response", exact=True)).to_be_visible()
    chart = page.locator("#response-phq9")
    for said in ("response ≤ 10", "remission ≤ 4", "published medians until relapse", "Talking therapy"):
        expect(chart.locator("svg").get_by_text(said)).to_be_visible()
    expect(page.get_by_role("region", name="PHQ-9, table").get_by_text("55.0 %")).to_be_visible()
    assert axe(page) == []
    page.goto(reverse("measures:trend", args=[booked.patient.pk, "phq9"]))
    expect(page.locator("#trend svg")).to_be_visible()
