"""Care beside the infusions written down, and a course closed as transferred, in a real browser and by keyboard."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.browser import Axe, Expect, SignIn
from courses.models import CareItem, Course, CourseStatus
from courses.tests.series_kit import Booked, book

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def booked(transactional_db: None, sign_in: SignIn) -> Booked:
    """A series that begins in two weeks; the clinician is signed in."""
    clinic: Clinic = make_clinic()
    sign_in(clinic.clinician)
    today = clinic.location.local(timezone.now()).date()
    return book(today + timedelta(days=14 - today.weekday()), clinic=clinic, now=timezone.now())


def test_a_therapy_is_added_in_the_sheet_and_the_course_goes_to_somebody_else(
    page: Any, expect: Expect, axe: Axe, booked: Booked
) -> None:
    page.goto(reverse("following:care", args=[booked.course.pk]))
    assert axe(page) == []
    page.get_by_role("link", name="Sleep").click()
    sheet = page.locator("#sheet")
    expect(sheet.get_by_label("What", exact=False).nth(1)).to_be_visible()
    sheet.get_by_label("Who is responsible").fill("")
    sheet.get_by_role("button", name="Add it").click()
    expect(sheet.get_by_text("Say who is responsible.")).to_be_visible()  # the refusal stays in the sheet
    sheet.get_by_label("Who is responsible").fill("The patient")
    sheet.get_by_role("button", name="Add it").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Lifestyle goal")).to_be_visible()
    assert axe(page) == []
    assert CareItem.objects.get().title == "Sleep"

    page.goto(reverse("courses:close", args=[booked.course.pk]))
    to = page.get_by_label("Transferred to")
    expect(to).to_be_hidden()  # asked only where it matters
    page.get_by_label("Transferred", exact=False).first.check()
    to.fill("Dr. Vega")
    page.get_by_role("textbox", name="Reason").fill("Moves to another city")
    assert axe(page) == []
    page.get_by_role("button", name="Close the course").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Transferred to Dr. Vega.")).to_be_visible()
    assert Course.objects.get().status == CourseStatus.TRANSFERRED
    assert axe(page) == []
