"""The main job where scripts are off: a menu opens, an infusion moves, a visit is cancelled and gets a new time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from django.urls import reverse

from courses.tests.series_kit import Booked, april, at, book

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def booked() -> Iterator[Booked]:
    """T-MWF6 from Mon 2027-04-05; 1 to 3 given; 12, 14, 16 April booked."""
    with time_machine.travel(at(april(10), "09:00")):
        made = book()
        made.give(1, 2, 3)
        yield made


@pytest.fixture
def page(browser: Browser, live_server: LiveServer, booked: Booked) -> Iterator[Page]:
    """A window without scripts in which the prescriber is signed in."""
    client = Client()
    client.force_login(booked.clinician)
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
    window = context.new_page()
    window.set_default_timeout(10_000)
    yield window
    context.close()


def choose(page: Page, booked: Booked, number: int, words: str) -> None:
    page.goto(reverse("courses:course", args=[booked.course.pk]))
    page.get_by_role("button", name=f"Actions for infusion {number}").click()
    page.get_by_role("link", name=words).click()


def test_an_infusion_moves(page: Page, booked: Booked) -> None:
    choose(page, booked, 4, "Move")
    page.get_by_role("radio", name="Shift the rest").check()
    page.get_by_role("button", name="Show what changes").click()
    page.get_by_role("radio", name="Tue 13 Apr, fits").check()
    page.get_by_role("button", name="Show what changes").click()
    page.get_by_role("button", name="Confirm").click()
    page.get_by_text("Infusion 4 has its new time:").wait_for()
    assert booked.days()[4] == april(13)


def test_a_visit_is_cancelled_and_gets_a_new_time(page: Page, booked: Booked) -> None:
    choose(page, booked, 4, "Cancel the visit")
    page.get_by_label("Reason").fill("Has a cold")
    page.get_by_role("button", name="Cancel the visit").click()
    page.get_by_role("heading", name="A new time for infusion 4").wait_for()
    page.get_by_role("button", name="Confirm").click()
    page.get_by_text("Infusion 4 has its new time:").wait_for()
    visits = booked.infusion(4).visits.order_by("pk")
    assert list(visits.values_list("outcome", "reason")) == [("cancelled", "Has a cold"), ("open", "")]


def test_the_menus_of_the_top_bar_and_the_keyboard_open_too(page: Page, booked: Booked) -> None:
    page.goto(reverse("courses:course", args=[booked.course.pk]))
    page.get_by_role("button", name="Actions for infusion 4").focus()
    page.get_by_role("link", name="Move").wait_for(state="visible")
    page.locator(".topbar .dropdown > button").last.focus()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    page.goto(reverse("courses:course", args=[booked.course.pk]))
    assert reverse("account_login") in page.url  # the session is over, not only its page
