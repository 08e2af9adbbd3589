"""The measures of a course in a real browser: a link is made by keyboard, a measure waived; axe on the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine
from django.urls import reverse

from clinic.tests.fixtures.browser import Axe, SignIn
from courses.models import MeasureAct
from courses.tests.series_kit import april, at, book
from patients.models import MeasureLink

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(at(april(20), "09:00")):
        yield


def test_a_nurse_sends_what_is_due_and_waives_what_is_not_asked(sign_in: SignIn, axe: Axe) -> None:
    booked = book()
    booked.give(1, 2, 3, 4, 5, 6)
    page = sign_in(booked.nurse)
    page.goto(reverse("courses:course", args=[booked.course.pk]))
    page.get_by_role("link", name="Follow-up").click()
    page.get_by_role("heading", name="Due now").wait_for()
    assert axe(page) == []
    page.get_by_role("button", name="Make a link for End of the series").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="The link for Ada Okafor is ready").wait_for()
    assert axe(page) == []
    assert MeasureLink.objects.get().measures == ["phq9", "gad7"]
    page.goto(reverse("following:schedule", args=[booked.course.pk]))
    item = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="End of the series"))
    item.get_by_text("Waive", exact=False).first.focus()
    page.keyboard.press("Enter")
    item.get_by_role("checkbox", name="PHQ-9").uncheck()
    item.get_by_role("checkbox", name="GAD-7").uncheck()
    item.get_by_role("textbox", name="Why?").fill("Asked by her therapist on Monday")
    page.keyboard.press("Enter")
    page.get_by_text("“Asked by her therapist on Monday”").wait_for()
    assert MeasureAct.objects.get(kind="waived").measure == "cssrs"
