"""A booster found and booked in a real browser, by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.urls import reverse

from clinic.tests.fixtures.browser import Axe, Expect, SignIn
from courses.models import Phase, PhaseKind
from courses.services.boosters import BY_PATIENT, ask_for_booster
from courses.tests.booster_kit import NOW, helped

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW):
        yield


def test_a_clinician_looks_at_the_rule_and_books_the_first_time_with_one_key(
    page: Any, expect: Expect, axe: Axe, sign_in: SignIn
) -> None:
    booked = helped()
    ask_for_booster(booked.course.pk, by_whom=BY_PATIENT, reason="Sleeps badly again", by=booked.desk, now=NOW)
    sign_in(booked.clinician)
    page.goto(reverse("following:booster", args=[booked.course.pk]))
    expect(page.get_by_role("heading", name="Why now")).to_be_visible()
    expect(page.get_by_text("Sleeps badly again")).to_be_visible()
    assert axe(page) == []
    page.get_by_role("link", name="Change the rule").press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Score back at or above (points)")).to_be_visible()
    assert axe(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Book this Tue 4 May").first.press("Enter")
    expect(page.get_by_text("The booster is booked.")).to_be_visible()
    assert Phase.objects.filter(kind=PhaseKind.BOOSTER).count() == 1
