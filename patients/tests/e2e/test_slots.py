"""A consultation booked while the person is on the telephone: five keystrokes from the request, in a real browser."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse

from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.browser import Axe, Expect, SignIn, settled
from patients.models import Consultation, ConsultationRequest, RequestStatus
from patients.tests.factories import make_patient, make_request

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def test_three_keys_book_from_the_request(clinic: Clinic, sign_in: SignIn, expect: Expect, axe: Axe) -> None:
    """b opens the finder, 3 chooses the third time, Enter books it."""
    row = make_request(clinic.location, birth_date=date(1990, 5, 1))
    page = sign_in(clinic.desk)
    page.goto(row.get_absolute_url())
    pressed = ["b", "3", "Enter"]
    page.keyboard.press(pressed[0])
    third = page.locator('#sheet [data-slot="3"]')
    expect(third).to_be_visible()
    settled(page)
    page.keyboard.press(pressed[1])
    expect(third).to_be_checked()
    assert axe(page, within="#sheet") == []
    page.keyboard.press(pressed[2])
    page.get_by_role("heading", name="Booked").wait_for()
    assert len(pressed) <= 5
    assert axe(page, within="#sheet") == []
    row.refresh_from_db()
    assert row.status == RequestStatus.BOOKED
    assert Consultation.objects.get().request == row


def test_from_the_board_the_sheet_becomes_the_finder_and_the_card_moves_on(
    clinic: Clinic, sign_in: SignIn, expect: Expect
) -> None:
    row = make_request(clinic.location, patient=make_patient())
    page = sign_in(clinic.desk)
    page.goto(reverse("intake:board"))
    page.get_by_role("link", name=row.list_name).click()
    page.get_by_role("link", name="Find a time").click()
    page.locator('#sheet [data-slot="2"]').wait_for()
    settled(page)
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    page.locator("#sheet").get_by_role("heading", name="Booked").wait_for()
    expect(page.locator("[aria-labelledby=column-booked]")).to_contain_text(row.family_name)


def test_wishes_change_the_offer_and_a_double_enter_books_once(clinic: Clinic, sign_in: SignIn, expect: Expect) -> None:
    ada = make_patient()
    page = sign_in(clinic.desk)
    page.goto(f"{reverse('intake:slots')}?patient={ada.pk}")
    page.keyboard.press("a")
    expect(page.locator(".slot-when").first).to_contain_text("12:00")
    settled(page)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.get_by_text("Reminder plan").wait_for()
    assert Consultation.objects.count() == 1


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_nothing_stands_in_anybodys_way(clinic: Clinic, sign_in: SignIn, axe: Axe, width: int, scheme: str) -> None:
    row = make_request(clinic.location, birth_date=None)
    page = sign_in(clinic.desk)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{reverse('intake:slots')}?request={row.pk}")
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_without_scripts_a_choice_and_a_button_book(
    clinic: Clinic, browser: Browser, live_server: LiveServer, sign_in: SignIn
) -> None:
    row = make_request(clinic.location)
    cookies = sign_in(clinic.desk).context.cookies()
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    context.add_cookies(cookies)
    page = context.new_page()
    page.goto(row.get_absolute_url())
    page.get_by_role("link", name="Find a time").click()
    page.locator('[data-slot="2"]').check()
    page.locator("#id_birth_date").fill("1990-05-01")
    page.get_by_role("button", name="Register and book").click()
    page.get_by_text("Reminder plan").wait_for()
    context.close()
    assert ConsultationRequest.objects.get().status == RequestStatus.BOOKED
