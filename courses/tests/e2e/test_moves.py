"""Moving an infusion, ending one and writing a protocol in a real browser, with axe on every page (WCAG 2.2 AA)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import time_machine
from django.urls import reverse

from clinic.tests.fixtures.browser import Axe, SignIn, settled
from courses.models import InfusionStatus, ProtocolVersion
from courses.services.protocols import draft_from
from courses.tests.series_kit import Booked, april, at, book

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

NOW = at(april(10), "09:00")
THEMES = ("light", "dark")


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW):
        yield


@pytest.fixture
def booked() -> Booked:
    """T-MWF6 from Mon 2027-04-05; 1 to 3 given; 12, 14, 16 April booked."""
    made = book()
    made.give(1, 2, 3)
    return made


def move_page(page: Page, booked: Booked) -> None:
    page.goto(reverse("courses:course", args=[booked.course.pk]))
    page.get_by_role("button", name="Actions for infusion 4").click()
    page.get_by_role("link", name="Move").click()
    page.get_by_role("heading", name="Move infusion 4").wait_for()


def test_the_desk_moves_one_and_the_rest_follows(booked: Booked, sign_in: SignIn) -> None:
    page = sign_in(booked.desk)
    move_page(page, booked)
    with page.expect_response("**/move/?*mode=shift*"):
        page.get_by_role("radio", name="Shift the rest").check()
    settled(page)
    page.get_by_role("radio", name="Tue 13 Apr, fits").check()
    page.get_by_text("The series ends on Mon 19 Apr instead of Fri 16 Apr.").wait_for()
    page.get_by_role("button", name="Confirm").click()
    page.get_by_text("Infusion 4 has its new time: Tue 13 Apr, 08:00.").wait_for()
    assert booked.days()[6] == april(19)


def test_a_move_from_the_calendar_ends_on_the_calendar(booked: Booked, sign_in: SignIn) -> None:
    page = sign_in(booked.desk)
    page.goto(f"{reverse('courses:calendar')}?day=2027-04-12&show=chairs")
    page.locator(".ec-event:not(.ec-bg-event)").first.click()
    page.get_by_role("link", name="Move").click()
    with page.expect_response("**/move/?*mode=shift*"):
        page.get_by_role("radio", name="Shift the rest").check()
    settled(page)
    page.get_by_role("radio", name="Tue 13 Apr, fits").check()
    page.get_by_role("button", name="Confirm").click()
    page.get_by_text("Infusion 4 has its new time: Tue 13 Apr, 08:00.").wait_for()
    assert page.url.endswith(f"{reverse('courses:calendar')}?day=2027-04-13&show=chairs")


def test_the_keyboard_alone_moves_an_infusion(booked: Booked, sign_in: SignIn) -> None:
    page = sign_in(booked.desk)
    page.goto(reverse("courses:move", args=[booked.infusion(6).pk]))
    page.locator("#mode-only").focus()
    page.keyboard.press("Tab")  # into the days: the day where it is
    page.keyboard.press("ArrowLeft")  # one possible day earlier: Thu 15 is one day after infusion 5
    page.get_by_text("Infusion 6 would be 1 day after infusion 5").wait_for()
    settled(page)
    assert page.evaluate("document.activeElement.id") == "day-2027-04-15"  # the focus stays through the swap


def test_a_sheet_cancels_a_visit_and_offers_the_next_time(booked: Booked, sign_in: SignIn) -> None:
    page = sign_in(booked.desk)
    page.goto(reverse("courses:course", args=[booked.course.pk]))
    page.get_by_role("button", name="Actions for infusion 5").click()
    page.get_by_role("link", name="Cancel the visit").click()
    page.get_by_label("Reason").fill("Family emergency")
    page.get_by_role("button", name="Cancel the visit").click()
    page.get_by_role("heading", name="A new time for infusion 5").wait_for()
    assert booked.infusion(5).status == InfusionStatus.CANCELLED


def test_a_protocols_meaning_follows_the_typing(booked: Booked, sign_in: SignIn) -> None:
    version = ProtocolVersion.objects.get(protocol__slug="T-2W6")
    draft = draft_from(version, by=booked.clinic.manager, now=NOW)
    page = sign_in(booked.clinic.manager)
    page.goto(reverse("courses:protocol_edit", args=[draft.pk]))
    page.get_by_label("Usual number of infusions").fill("8")
    page.get_by_text("The steps add up to 6 infusions, but the usual number is 8.").wait_for()
    page.locator("#id_steps-0-count").fill("8")
    page.get_by_text("8 infusions at twice a week need 25 days.").first.wait_for()
    assert page.get_by_text("The steps add up to 6 infusions").count() == 0
    draft.refresh_from_db()
    assert (draft.n_default, draft.steps.get().count) == (6, 6)  # typing saves nothing


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_axe_finds_nothing_on_the_pages_of_courses_and_protocols(
    booked: Booked, sign_in: SignIn, axe: Axe, theme: str, width: int
) -> None:
    version = ProtocolVersion.objects.get(protocol__slug="T-2W6")
    draft = draft_from(version, by=booked.clinician, now=NOW)
    page = sign_in(booked.clinician)
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 900})
    course, infusion = booked.course.pk, booked.infusion(4).pk
    for address in (
        reverse("courses:list"),
        reverse("courses:course", args=[course]),
        f"{reverse('courses:move', args=[infusion])}?mode=shift&day=2027-04-13",
        reverse("courses:end_infusion", args=[infusion, "withhold"]),
        f"{reverse('courses:change_number', args=[course])}?n=8",
        reverse("courses:change_rhythm", args=[course]),
        reverse("courses:close", args=[course]),
        reverse("courses:protocols"),
        reverse("courses:protocol", args=[draft.pk]),
        reverse("courses:protocol_edit", args=[draft.pk]),
    ):
        page.goto(address)
        assert axe(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{address} scrolls sideways"
