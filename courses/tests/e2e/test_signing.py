"""The end of an infusion in a real browser, on a tablet: completed, changed, completed again, signed, added to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from clinic.tests.fixtures.browser import Axe, Expect, SignIn
from courses.models import InfusionAmendment
from courses.tests.day_kit import infusing, put_row, ten
from courses.tests.sign_kit import finished, signed

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
TABLET = {"width": 1024, "height": 768}


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with time_machine.travel(ten(120), tick=True):
        yield


def signing(page: Page) -> Locator:
    return page.locator("#section-sign")


def test_a_record_is_completed_changed_completed_again_signed_and_added_to(
    page: Page, sign_in: SignIn, axe: Axe, expect: Expect
) -> None:
    day = finished()
    page.set_viewport_size(TABLET)
    page.route("**/infusion/?seen=*", lambda route: route.fulfill(status=204))  # this tablet hears nothing meanwhile
    sign_in(day.clinician)
    page.goto(reverse("infusion:day", args=[day.pk]))
    signing(page).get_by_role("button", name="Complete the record").click()
    expect(signing(page).locator("summary").first).to_contain_text("waits for")
    expect(signing(page).get_by_role("button", name="Sign the record")).to_be_visible()
    put_row(day, timezone.now(), 128, 80)
    signing(page).get_by_role("button", name="Sign the record").click()
    expect(signing(page).get_by_role("alert")).to_contain_text("after you opened this page")
    signing(page).get_by_role("button", name="Complete the record again").click()
    signing(page).get_by_role("button", name="Sign the record").click()
    expect(signing(page).locator("summary").first).to_contain_text("Signed 12:0")
    expect(page.locator(".day-bar .btn-primary")).to_have_count(0)
    assert day.record.is_signed

    if not signing(page).get_by_text("Add an amendment").is_visible():
        signing(page).locator("summary").first.click()
    signing(page).get_by_text("Add an amendment").click()
    signing(page).get_by_label("Why").fill("Late call")
    signing(page).get_by_label("What is added").fill("Slept well.")
    signing(page).get_by_role("button", name="Add to the record").click()
    expect(signing(page).locator(".sign-amendments")).to_contain_text("Slept well.")
    assert InfusionAmendment.objects.get().reason == "Late call"
    assert axe(page) == []


def test_an_amendment_without_a_reason_says_so_and_keeps_what_was_typed(
    page: Page, sign_in: SignIn, expect: Expect
) -> None:
    day = signed()
    page.set_viewport_size(TABLET)
    sign_in(day.nurse)
    page.goto(reverse("infusion:day", args=[day.pk]))
    signing(page).locator("summary").first.click()
    signing(page).get_by_text("Add an amendment").click()
    signing(page).get_by_label("What is added").fill("Slept well.")
    signing(page).get_by_role("button", name="Add to the record").click()
    expect(signing(page).get_by_text("Say why this is added.")).to_be_visible()
    expect(signing(page).get_by_label("What is added")).to_have_value("Slept well.")
    assert not InfusionAmendment.objects.exists()


def test_a_list_of_what_is_missing_leads_to_its_sections(page: Page, sign_in: SignIn, axe: Axe, expect: Expect) -> None:
    day = infusing()
    page.set_viewport_size(TABLET)
    sign_in(day.nurse)
    page.goto(reverse("infusion:day", args=[day.pk]))
    signing(page).locator("summary").first.click()
    signing(page).get_by_role("link", name="Side effects: say which").click()
    expect(page.locator("#section-effects details").first).to_have_attribute("open", "")
    assert axe(page) == []
