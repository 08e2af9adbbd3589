"""Check-in on a tablet: answered by keyboard, held for 166/98, repeated after rest, go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.urls import reverse

from clinic.tests.fixtures.browser import Axe, Expect, SignIn
from courses.services.gate import gate_of
from courses.tests.checkin_kit import measured
from courses.tests.day_kit import Day, in_chair, put_row, ten

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
TABLET = {"width": 1024, "height": 768}
WELL = {"heart_rate_bpm": 78, "spo2_percent": 98, "respiratory_rate": 14, "moaas": 5}
BY_ONE_KEY = {  # the good answer of a pair is the first or the second: Space, or the right arrow
    "identity": "yes",
    "health_change": "no",
    "since_urinary": "no",
    "since_memory": "no",
    "since_mania": "no",
    "since_cravings": "no",
    "since_other": "no",
    "airway": "yes",
}


@pytest.fixture(autouse=True)
def ten_o_clock() -> Iterator[None]:
    """It is ten past ten in New York on the day, also for the server."""
    with time_machine.travel(ten(10), tick=True):
        yield


def open_day(page: Any, day: Day) -> Any:
    page.set_viewport_size(TABLET)
    page.goto(reverse("infusion:day", args=[day.pk]))
    return page.locator("#section-checkin")


def press(page: Any, which: str) -> None:
    page.locator(f"#checkin-{which}").focus()
    page.keyboard.press("Space")


def answer_all(page: Any) -> None:
    """Every question, by keyboard only."""
    for item, value in BY_ONE_KEY.items():
        press(page, f"{item}-{value}")
    press(page, "escort-yes")
    page.keyboard.press("Tab")
    page.keyboard.type("Jordan Fictional")
    for item, day, clock in (("fasting_solids", "yesterday", "22:00"), ("fasting_liquids", "today", "07:00")):
        press(page, f"{item}-{day}")
        page.locator(f"#checkin-{item}-time").fill(clock)
    press(page, "medicines_today-none")
    press(page, "measure-yes")


def test_answered_by_keyboard_held_repeated_after_rest_and_go(
    page: Any, expect: Expect, axe: Axe, sign_in: SignIn, transactional_db: None
) -> None:
    day = in_chair()
    measured(day)
    put_row(day, ten(-2), 166, 98, **WELL)
    sign_in(day.nurse)
    part = open_day(page, day)
    expect(part.locator("summary").first).to_contain_text("Hold: pressure 166/98")
    expect(part.get_by_text("Only a prescriber overrides this, with a reason.")).to_be_visible()
    answer_all(page)
    page.locator("#checkin-save").focus()
    page.keyboard.press("Enter")
    expect(part.get_by_text("Nothing left")).to_be_visible()
    expect(part.locator("[data-checkin-rest]")).to_have_text("(now)")
    assert axe(page, within="#section-checkin") == []
    assert not gate_of(day.desk(ten(11))).is_go
    put_row(day, ten(10), 138, 86, **WELL)
    expect(part.locator("summary").first).to_contain_text("Go", timeout=15_000)
    assert gate_of(day.desk(ten(12))).is_go


def test_none_of_these_and_a_medicine_exclude_each_other(
    page: Any, expect: Expect, sign_in: SignIn, transactional_db: None
) -> None:
    day = in_chair()
    sign_in(day.nurse)
    open_day(page, day)
    press(page, "medicines_today-opioid")
    press(page, "medicines_today-none")
    expect(page.locator("#checkin-medicines_today-opioid")).not_to_be_checked()
    press(page, "medicines_today-alcohol")
    expect(page.locator("#checkin-medicines_today-none")).not_to_be_checked()
    expect(page.locator("#checkin-medicines_today-alcohol")).to_be_checked()


def test_a_name_that_is_missing_is_said_and_the_rest_stays_typed(
    page: Any, expect: Expect, axe: Axe, sign_in: SignIn, transactional_db: None
) -> None:
    day = in_chair()
    sign_in(day.nurse)
    part = open_day(page, day)
    press(page, "escort-yes")
    press(page, "since_memory-yes")
    page.locator("#checkin-since_memory-detail").fill("forgets names")
    page.locator("#checkin-save").press("Enter")
    expect(part.get_by_role("alert")).to_contain_text("Nothing was saved: 1 answer to look at.")
    expect(part.get_by_text("Give the name.")).to_be_visible()
    expect(page.locator("#checkin-since_memory-detail")).to_have_value("forgets names")
    assert axe(page, within="#section-checkin") == []
    page.locator("#checkin-escort-detail").fill("Jordan Fictional")
    page.locator("#checkin-save").press("Enter")
    expect(part.get_by_role("heading", name="Weigh this first")).to_be_visible()
