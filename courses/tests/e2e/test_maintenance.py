"""Maintenance in a real browser: decided, then booked ahead, with axe on each page (WCAG 2.2 AA)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine
from django.urls import reverse

from clinic.tests.fixtures.browser import Axe, SignIn, settled
from courses.tests.maintenance_kit import NOW, make_kept

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW):
        yield


def test_a_taper_is_decided_and_two_infusions_are_booked_ahead(sign_in: SignIn, axe: Axe) -> None:
    kept = make_kept()
    page = sign_in(kept.clinician)
    page.goto(reverse("following:maintenance", args=[kept.course.pk]))
    page.get_by_role("link", name="Decide the maintenance").click()
    page.get_by_role("link", name="6-month taper").click()
    page.get_by_role("heading", name="Where it would put them").wait_for()
    page.get_by_label("Usual gap (days)").first.fill("6")
    with page.expect_response("**/maintenance/plan/**"):
        page.get_by_role("button", name="Show the dates").click()
    page.get_by_text("Thu 21 Jan 2027").wait_for()  # six days after Fri 15 January
    settled(page)
    assert axe(page) == []
    page.get_by_label("Reason").fill("Response held")
    page.get_by_role("button", name="Decide this way").click()
    page.get_by_text("The plan is decided.").wait_for()
    assert axe(page) == []
    page.get_by_role("link", name="Book the next").click()
    page.get_by_role("navigation", name="How many ahead").get_by_role("link", name="2").click()
    page.wait_for_url("**n=2")
    assert axe(page) == []
    page.get_by_role("button", name="Book these").first.click()
    page.get_by_text("Booked.").wait_for()
    assert kept.statuses()[:3] == ["booked", "booked", "planned"]
    page.get_by_role("button", name="Change the plan").click()
    page.get_by_role("link", name="Review and consent dates").click()
    page.get_by_role("heading", name="Review and consent dates").wait_for()
    settled(page)
    assert axe(page) == []
