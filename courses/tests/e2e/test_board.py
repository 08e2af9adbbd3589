"""The chair board in real browsers: two people see the same within seconds, late is seen, the wall is a wall."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import time_machine

from clinic.models import BookingStatus
from clinic.tests.fixtures.browser import Axe, Expect, SignIn
from courses.tests.day_kit import Day, infusing, make_day, put_row, ten
from patients.tests.factories import make_patient

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
SECONDS_6 = 6_000


@pytest.fixture(autouse=True)
def five_past() -> Iterator[None]:
    """It is five minutes after the start, for the server in this process too; the clock goes on."""
    with time_machine.travel(ten(5), tick=True):
        yield


@pytest.fixture
def day() -> Day:
    return infusing(patient=make_patient("Mei", "Chen", phones=["+12125550111"]))


def card(page: Page, day: Day) -> Locator:
    return page.locator(f'.chair[data-booking="{day.pk}"]')


def test_a_row_that_a_nurse_saves_is_on_everybody_s_board_within_seconds(
    day: Day, sign_in: SignIn, expect: Expect, axe: Axe
) -> None:
    page = sign_in(day.clinician)
    page.goto("/chairs/")
    page.get_by_role("link", name="Chen, Mei").focus()
    expect(card(page, day)).to_contain_text("132/84")
    expect(card(page, day).locator(".due-said")).to_contain_text("in 4:")
    put_row(day, ten(5), 148, 92)
    expect(card(page, day)).to_contain_text("148/92", timeout=SECONDS_6)
    expect(card(page, day)).to_contain_text("+16")
    expect(page.get_by_role("link", name="Chen, Mei")).to_be_focused()  # nobody is thrown off what they stand on
    assert axe(page) == []


def test_a_new_arrival_comes_to_a_board_that_is_open(day: Day, sign_in: SignIn, expect: Expect) -> None:
    version = day.course.phases.get().protocol_version
    page = sign_in(day.clinic.desk)
    page.goto("/chairs/")
    expect(page.get_by_role("region", name="Waiting")).to_be_hidden()
    make_day(BookingStatus.ARRIVED, clinic=day.clinic, version=version, patient=make_patient("Bo", "Lind"))
    expect(page.get_by_role("region", name="Waiting")).to_contain_text("Lind, Bo", timeout=SECONDS_6)


def test_vital_signs_turn_late_by_the_clock_and_are_heard_where_somebody_wants_that(
    day: Day, sign_in: SignIn, expect: Expect, axe: Axe
) -> None:
    page = sign_in(day.nurse)
    page.clock.install()
    page.goto("/chairs/")
    sound = page.get_by_role("button", name="Sound off")
    expect(sound).to_have_attribute("aria-pressed", "false")
    sound.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#chairs-sound")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-board]")).to_have_attribute("data-beeps", "1")  # what it will sound like
    due = card(page, day).locator(".due")
    expect(due).not_to_have_class("due is-late")
    page.clock.fast_forward(timedelta(minutes=5, seconds=30).seconds * 1_000)  # 10:10:30, within the grace
    expect(due).to_contain_text("due now")
    expect(page.locator("[data-board]")).to_have_attribute("data-beeps", "1")
    page.clock.fast_forward(2 * 60_000)
    expect(due).to_contain_text("late")
    expect(due).to_have_class("due is-late")
    expect(page.locator("[data-board]")).not_to_have_attribute("data-beeps", "1")
    expect(page.locator("#chairs-news")).to_contain_text("vital signs are late")
    assert axe(page) == []
    page.reload()
    expect(page.locator("#chairs-sound")).to_have_attribute("aria-pressed", "true")  # remembered on this device


def test_a_board_that_hears_nothing_says_so_and_recovers(day: Day, sign_in: SignIn, expect: Expect) -> None:
    page = sign_in(day.nurse)
    page.goto("/chairs/")
    expect(page.get_by_role("alert")).to_be_hidden()
    page.route("**/chairs/?seen=*", lambda route: route.fulfill(status=200, body="Sign in to the guest network"))
    expect(page.get_by_role("alert")).to_contain_text("Not up to date", timeout=40_000)
    expect(card(page, day)).to_contain_text("Chen, Mei")
    page.unroute("**/chairs/?seen=*")
    expect(page.get_by_role("alert")).to_be_hidden(timeout=15_000)


def test_the_wall_fills_a_screen_without_scrolling_shows_initials_and_is_left_with_a_password(
    day: Day, sign_in: SignIn, expect: Expect, axe: Axe
) -> None:
    page = sign_in(day.nurse)
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.goto("/chairs/")
    page.get_by_role("link", name="Wall screen").click()
    expect(card(page, day).locator(".chair-who")).to_have_text("MC")
    expect(page.locator("body")).not_to_contain_text("Chen")
    size = page.evaluate("() => [document.documentElement.scrollHeight, document.documentElement.scrollWidth]")
    assert size == [1080, 1920]
    height = (
        card(page, day).locator(".chair-main .tick").evaluate("(node) => parseFloat(getComputedStyle(node).fontSize)")
    )
    assert height >= 64  # large enough for three metres
    assert axe(page) == []
    page.get_by_role("button", name="Leave it on this screen").click()
    expect(card(page, day)).to_contain_text("Infusing")
    put_row(day, ten(5), 150, 90)
    expect(card(page, day)).to_contain_text("150/90", timeout=SECONDS_6)
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("with a patient")


def test_by_keyboard_from_the_rail_to_a_patient_and_on_a_phone_nothing_sticks_out(
    day: Day, sign_in: SignIn, expect: Expect
) -> None:
    page = sign_in(day.nurse)
    page.goto("/")
    page.get_by_role("link", name="Chairs", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Chairs")
    page.get_by_role("link", name="Chen, Mei").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Chen, Mei")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/chairs/")
    expect(card(page, day)).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390
