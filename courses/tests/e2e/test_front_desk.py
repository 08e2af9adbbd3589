"""A front-desk person at work in a real browser: Today, the calendar by keyboard, a booking, a drag and its undo."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import time_machine

from clinic.models import Booking, BookingStatus
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_chair, make_clinic, make_shifts, make_user
from clinic.tests.fixtures.browser import Axe, Expect, SignIn
from courses.tests import series_kit
from courses.tests.visit_kit import DAY, block, consult, ny, take
from patients.tests.factories import make_patient

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.e2e
HALF_HOUR_PX = 38


@pytest.fixture(autouse=True)
def morning() -> Iterator[None]:
    """It is twenty to ten on a Thursday in New York, for the server in this process too."""
    with time_machine.travel(ny("09:40"), tick=True):
        yield


@pytest.fixture
def clinic(transactional_db: None) -> Clinic:
    return make_clinic()


def row(page: Page, booking: Booking) -> Locator:
    return page.locator(f'[data-visit="{booking.pk}"]')


def event(page: Page, booking: Booking, resource_id: int) -> Locator:
    return page.locator(f'[id^="event-{booking.pk}-{resource_id}-"]')


def drag(page: Page, what: Locator, *, down_px: float = 0, right_px: float = 0) -> None:
    box = what.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + 12
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right_px / 2, y + down_px / 2, steps=5)
    page.mouse.move(x + right_px, y + down_px, steps=5)
    page.mouse.up()


def test_confirming_checking_in_and_taking_back(clinic: Clinic, sign_in: SignIn, expect: Expect) -> None:
    booking = consult(clinic)
    page = sign_in(clinic.desk)
    page.goto("/")
    row(page, booking).get_by_role("button", name="Confirm").click()
    expect(row(page, booking)).to_contain_text("Confirmed")
    page.wait_for_timeout(800)  # a double click is not two steps, so the next press has to be a second one
    row(page, booking).get_by_role("button", name="Arrived").click()
    expect(row(page, booking)).to_contain_text("waiting 0 min")
    expect(page.locator("#board-news")).to_have_text("Okafor, Ada: Arrived")
    page.wait_for_timeout(800)
    row(page, booking).get_by_role("button", name=re.compile("Undo")).click()
    expect(row(page, booking)).to_contain_text("Confirmed")


def test_a_double_click_takes_one_step(clinic: Clinic, sign_in: SignIn, expect: Expect) -> None:
    booking = take(consult(clinic), "arrived", by=clinic.desk, at=ny("09:35"))
    page = sign_in(clinic.clinician)
    page.goto("/")
    row(page, booking).get_by_role("button", name="With clinician").dblclick()
    expect(row(page, booking)).to_contain_text("With clinician")
    page.wait_for_timeout(1000)
    assert Booking.objects.get(pk=booking.pk).status == BookingStatus.IN_CHAIR


def test_somebody_else_s_step_appears_by_itself_and_the_focus_stays(
    clinic: Clinic, sign_in: SignIn, expect: Expect
) -> None:
    booking = consult(clinic)
    page = sign_in(clinic.desk)
    page.goto("/")
    link = page.locator(f"#who-{booking.pk}")
    link.focus()
    take(booking, "arrived", by=clinic.clinician, at=ny("09:41"))
    page.evaluate("htmx.trigger(document.body, 'visit-changed')")
    expect(row(page, booking)).to_contain_text("Arrived")
    expect(link).to_be_focused()
    expect(page.locator("#board-news")).to_have_text("Okafor, Ada: Arrived")


def test_a_stale_button_says_so_and_shows_the_board_as_it_is(clinic: Clinic, sign_in: SignIn, expect: Expect) -> None:
    booking = consult(clinic)
    page = sign_in(clinic.desk)
    page.goto("/")
    take(booking, "arrived", by=clinic.clinician, at=ny("09:41"))
    with page.expect_response("**/step/*") as waiting:
        row(page, booking).get_by_role("button", name="Arrived").click()
    assert waiting.value.status == 422
    expect(page.locator("#toasts")).to_contain_text("Somebody changed this visit")
    expect(row(page, booking)).to_contain_text("waiting")


def test_the_calendar_works_without_a_mouse(clinic: Clinic, sign_in: SignIn, expect: Expect) -> None:
    booking = consult(clinic)
    page = sign_in(clinic.desk)
    page.goto("/calendar/")
    expect(page.locator("h1")).to_contain_text("Thu 7 Jan 2027")
    page.keyboard.press("ArrowRight")
    expect(page.locator("h1")).to_contain_text("Fri 8 Jan 2027")
    page.keyboard.press("w")
    expect(page.locator("h1")).to_contain_text("4 Jan – 10 Jan 2027")
    page.keyboard.press("d")
    expect(page.locator("h1")).to_contain_text("Fri 8 Jan 2027")
    page.keyboard.press("t")
    expect(page.locator("h1")).to_contain_text("Thu 7 Jan 2027")
    visit = event(page, booking, clinic.room.pk)
    for _ in range(40):
        page.keyboard.press("Tab")
        if visit.evaluate("node => node === document.activeElement"):
            break
    expect(visit).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#sheet")).to_contain_text("Okafor, Ada")
    page.keyboard.press("Escape")
    expect(page.locator("#sheet")).not_to_be_visible()
    expect(visit).to_be_focused()


def test_a_consultation_is_booked_with_n_dragged_and_put_back(clinic: Clinic, sign_in: SignIn, expect: Expect) -> None:
    make_patient("Ada", "Okafor", phones=["+12125550123"])
    make_patient("Adam", "Okafor")
    page = sign_in(clinic.desk)
    page.goto("/calendar/")
    page.keyboard.press("n")
    sheet = page.locator("#sheet")
    expect(sheet.get_by_label("Patient")).to_be_focused()
    page.keyboard.type("okafor")
    sheet.get_by_label("From").fill("11:00")
    sheet.get_by_label("Clinician").select_option(label="Samuel Hart")
    sheet.get_by_label("Room or chair").select_option(label="Room 1")
    sheet.get_by_role("button", name="Book").click()
    sheet.get_by_label("Okafor, Ada 14 Mar 1985").check()
    sheet.get_by_role("button", name="Book").click()
    expect(page.locator("#toasts")).to_contain_text("Booked: Thu 7 Jan, 11:00.")
    booking = Booking.objects.get()

    drag(page, event(page, booking, clinic.room.pk), down_px=4 * HALF_HOUR_PX)
    expect(page.locator("#toasts")).to_contain_text("Moved to Thu 7 Jan, 13:00.")
    assert Booking.objects.get().start == ny("13:00")
    page.locator("#toasts").get_by_role("button", name="Undo").click()
    expect(event(page, booking, clinic.room.pk)).to_have_attribute("aria-label", re.compile("11:00–12:00"))
    assert Booking.objects.get().start == ny("11:00")


def test_a_drag_outside_the_hours_asks_first(clinic: Clinic, sign_in: SignIn, expect: Expect) -> None:
    booking = consult(clinic, "16:00")
    page = sign_in(clinic.desk)
    page.goto("/calendar/")
    event(page, booking, clinic.room.pk).scroll_into_view_if_needed()
    drag(page, event(page, booking, clinic.room.pk), down_px=3 * HALF_HOUR_PX)
    expect(page.locator("dialog.ask")).to_contain_text("Downtown is open 08:00–18:00")
    page.get_by_role("button", name="Leave it").click()
    assert Booking.objects.get().start == ny("16:00")
    drag(page, event(page, booking, clinic.room.pk), down_px=3 * HALF_HOUR_PX)
    page.get_by_role("button", name="Move it").click()
    expect(page.locator("#toasts")).to_contain_text("Moved to Thu 7 Jan, 17:30.")


def test_a_dragged_infusion_opens_its_move_and_saves_nothing(
    sign_in: SignIn, expect: Expect, transactional_db: None
) -> None:
    booked = series_kit.book()
    booking = booked.series.row(1).booking
    assert booking is not None
    page = sign_in(booked.desk)
    page.goto(f"/calendar/?day={booked.days()[1]}")
    chair = next(a.resource_id for a in booking.allocations.all() if a.role == "station")
    drag(page, event(page, booking, chair), down_px=2 * HALF_HOUR_PX)
    expect(page.locator("#sheet")).to_be_visible()
    expect(page.locator("#sheet")).to_contain_text("infusion 1")
    assert Booking.objects.get(pk=booking.pk).version == booking.version


def test_a_nurse_cannot_drag(clinic: Clinic, sign_in: SignIn, expect: Expect) -> None:
    booking = consult(clinic)
    page = sign_in(clinic.nurse)
    page.goto("/calendar/")
    visit = event(page, booking, clinic.room.pk)
    expect(page.locator(".ec-event.visit-consultation").first).not_to_have_class(re.compile("ec-draggable"))
    drag(page, visit, down_px=4 * HALF_HOUR_PX)
    page.wait_for_timeout(300)
    assert Booking.objects.get().start == ny("10:00")


def test_the_line_of_the_present_stands_at_the_location_s_time_in_any_browser_s_zone(
    clinic: Clinic, sign_in: SignIn, page: Page
) -> None:
    booking = consult(clinic, "09:30")
    window = sign_in(clinic.desk)
    window.goto("/calendar/")
    line = window.locator(".now-line").bounding_box()
    visit = event(window, booking, clinic.room.pk).bounding_box()
    assert line
    assert visit
    minutes_after = (line["y"] - visit["y"]) / HALF_HOUR_PX * 30
    assert 9 <= minutes_after <= 12


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_in_the_way_of_anybody(clinic: Clinic, sign_in: SignIn, axe: Axe, scheme: str) -> None:
    booking = consult(clinic)
    take(consult(clinic, "08:00", patient=make_patient("Mei", "Chen")), "arrived", by=clinic.desk, at=ny("08:00"))
    consult(clinic, "13:00", patient=make_patient("Bo", "Lind"), day=DAY - timedelta(days=1))
    block(clinic, "15:00", [clinic.room.pk])
    page = sign_in(clinic.desk)
    page.emulate_media(color_scheme=scheme)  # a literal in the list above
    for address in ("/", "/calendar/", "/calendar/?view=week", "/calendar/new/", f"/visits/{booking.pk}/",
                    f"/visits/{booking.pk}/time/", "/calendar/feed/"):  # fmt: skip
        page.goto(address)
        found = axe(page)
        assert not found, f"{address}: {found}"
    page.goto("/calendar/")
    page.keyboard.press("n")
    page.locator("#sheet").get_by_role("button", name="Book").click()
    page.locator("#sheet .invalid-feedback").first.wait_for()
    assert axe(page) == []


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_no_page_scrolls_sideways(clinic: Clinic, sign_in: SignIn, width: int) -> None:
    consult(clinic)
    page = sign_in(clinic.desk)
    page.set_viewport_size({"width": width, "height": 844})
    for address in ("/", "/calendar/", "/calendar/?view=week", "/calendar/new/"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address


def test_on_paper_and_on_a_telephone_the_day_is_a_list(clinic: Clinic, sign_in: SignIn, expect: Expect) -> None:
    consult(clinic)
    page = sign_in(clinic.desk)
    page.goto("/calendar/")
    expect(page.locator("#calendar-list")).not_to_be_visible()
    page.emulate_media(media="print")
    expect(page.locator("#calendar-list")).to_be_visible()
    expect(page.locator("#calendar")).not_to_be_visible()
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    expect(page.locator("#calendar-list")).to_be_visible()
    expect(page.locator("#calendar")).not_to_be_visible()


def test_twenty_chairs_and_fifteen_people_scroll_inside_under_heads_that_stay(clinic: Clinic, sign_in: SignIn) -> None:
    for _ in range(18):
        make_chair(clinic.location)
    for number in range(13):
        nurse = make_user(Role.NURSE, username=f"many{number:02d}", last_name=f"Many{number:02d}")
        make_shifts(nurse, clinic.location)
    consult(clinic)
    page = sign_in(clinic.desk)
    page.goto("/calendar/")
    main = page.locator(".ec-main")
    assert page.locator(".ec-col-head").count() == 20 + 1 + 15
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert main.evaluate("node => node.scrollWidth > node.clientWidth")
    heads, hours = page.locator(".ec-header"), page.locator(".ec-body .ec-sidebar")
    before = heads.bounding_box(), hours.bounding_box()
    main.evaluate("node => node.scrollBy(600, 200)")
    after = heads.bounding_box(), hours.bounding_box()
    assert before[0]
    assert after[0]
    assert before[0]["y"] == after[0]["y"]
    assert before[1]
    assert after[1]
    assert before[1]["x"] == after[1]["x"]
