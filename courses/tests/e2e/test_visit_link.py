"""The link of a message on a phone: read, confirmed, moved, prepared for, cancelled; by touch, without scripts too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from clinic.models import Booking, BookingStatus
from clinic.tests.factories import make_clinic
from clinic.tests.fixtures.browser import Axe, Expect
from courses.models import FreedSlot
from courses.tests.series_kit import Booked, book
from patients.models import Message
from patients.tests.link_kit import make_message, page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
NY = ZoneInfo("America/New_York")
SMALLEST_TARGET = 44  # WCAG 2.5.5 (enhanced)


def next_monday() -> date:
    """At least a week ahead: visits are days away on whatever day this runs."""
    soon = timezone.now().astimezone(NY).date() + timedelta(days=8)
    return soon + timedelta(days=(7 - soon.weekday()) % 7)


@pytest.fixture
def ada() -> Booked:
    clinic = make_clinic(chairs=3, phone="+12125550100", address="1 Main Street, New York, NY 10001")
    first = next_monday()
    return book(first, clinic=clinic, now=datetime.combine(first - timedelta(days=30), time(14), tzinfo=UTC))


@pytest.fixture
def message(ada: Booked) -> Message:
    return make_message(ada.patient, ada.clinic.location, now=timezone.now(), booking=visit(ada))


def visit(booked: Booked) -> Booking:
    booking = booked.series.row(1).booking
    assert booking is not None
    return booking


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def phone(browser: Browser, live_server: LiveServer, scheme: Any) -> Iterator[Page]:
    context = browser.new_context(
        base_url=live_server.url,
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    outside: list[str] = []
    page.on("request", lambda one: None if one.url.startswith(live_server.url) else outside.append(one.url))
    yield page
    context.close()
    assert outside == []  # no page asked another site for anything


def too_small(page: Page) -> list[str]:
    """Buttons and the links that stand as buttons, below the smallest target."""
    found: list[str] = page.eval_on_selector_all(
        ".btn, .visit-more a, .visit-back a",
        f"""all => all.filter(one => one.getBoundingClientRect().height < {SMALLEST_TARGET}
            || one.getBoundingClientRect().width < {SMALLEST_TARGET}).map(one => one.textContent.trim())""",
    )
    return found


def is_wide(page: Page) -> bool:
    wide: bool = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return wide


def test_by_touch_from_the_message_to_a_new_time_and_a_cancel(
    phone: Page, ada: Booked, message: Message, axe: Axe, expect: Expect
) -> None:
    def look(heading: str) -> None:
        expect(phone.get_by_role("heading", name=heading)).to_be_visible()
        assert axe(phone) == []
        assert too_small(phone) == []
        assert not is_wide(phone)

    phone.goto(page_of(message))
    look("are you coming?")
    phone.get_by_role("link", name="How to prepare").tap()
    look("How to prepare")
    expect(phone.get_by_text("Somebody has to take you home")).to_be_visible()
    phone.get_by_role("link", name="Back to your appointment").tap()
    phone.get_by_role("button", name="Yes, I am coming").tap()
    look("Your appointment is confirmed")
    assert visit(ada).status == BookingStatus.CONFIRMED
    before = visit(ada).start
    phone.get_by_role("link", name="Choose another time").tap()
    look("Choose another time")
    phone.locator(".visit-times button").last.tap()
    look("Your new time is booked")
    booking = visit(ada)
    assert booking.start != before
    assert booking.status == BookingStatus.CONFIRMED
    phone.get_by_role("link", name="Cancel").tap()
    look("Cancel the appointment?")
    phone.get_by_label("Why").fill("Out of town")
    phone.get_by_role("button", name="Yes, cancel it").tap()
    look("This appointment is cancelled")
    booking.refresh_from_db()
    assert booking.status == BookingStatus.CANCELLED
    assert FreedSlot.objects.filter(booking=booking, start=booking.start).exists()


def test_without_scripts_everything_works(
    browser: Browser, live_server: LiveServer, ada: Booked, message: Message, expect: Expect
) -> None:
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto(page_of(message))
    page.get_by_role("button", name="Yes, I am coming").click()
    expect(page.get_by_role("heading", name="Your appointment is confirmed")).to_be_visible()
    before = visit(ada).start
    page.get_by_role("link", name="Choose another time").click()
    page.locator(".visit-times button").first.click()
    expect(page.get_by_role("heading", name="Your new time is booked")).to_be_visible()
    moved = visit(ada)
    assert moved.start != before
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("button", name="Yes, cancel it").click()
    expect(page.get_by_role("heading", name="This appointment is cancelled")).to_be_visible()
    context.close()
    moved.refresh_from_db()
    assert moved.status == BookingStatus.CANCELLED
