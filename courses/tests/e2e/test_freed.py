"""A freed time in a real browser: the desk makes a link, the patient takes the time on a telephone (axe, WCAG 2.2 AA)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.urls import reverse

from clinic.tests.fixtures.browser import Axe, SignIn
from courses.models import FreedSlot
from courses.tests.offers_kit import NOW, another, make_gap, owes
from courses.tests.series_kit import april

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW):
        yield


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_desk_offers_by_link_and_the_patient_takes_it_on_a_telephone(
    sign_in: SignIn, browser: Browser, axe: Axe, live_server: Any, scheme: Any
) -> None:
    gap = make_gap()
    mei = another(gap.clinic, "Mei", "Chen")
    owes(mei)
    page = sign_in(gap.clinic.desk)
    page.emulate_media(color_scheme=scheme)
    page.goto(reverse("worklists:freed", args=[gap.slot.pk]))
    page.get_by_text("Infusion 4 of 6 has no time yet").wait_for()
    assert axe(page) == []
    page.get_by_role("button", name="Offer by link: Chen, Mei").click()
    page.get_by_role("heading", name="The link for Mei Chen is ready").wait_for()
    assert axe(page) == []
    address = page.get_by_label("Address").input_value()

    phone = browser.new_context(
        base_url=live_server.url,
        viewport={"width": 390, "height": 844},
        reduced_motion="reduce",
        color_scheme=scheme,
        java_script_enabled=scheme == "light",  # in the dark without scripts: the page needs none
    ).new_page()
    phone.goto(address)
    phone.get_by_role("heading", name="Hello Mei, a time became free").wait_for()
    if scheme == "light":
        assert axe(phone) == []
    phone.get_by_role("button", name="Yes, I take it").click()
    phone.get_by_role("heading", name="The time is yours").wait_for()
    if scheme == "light":
        assert axe(phone) == []
    phone.context.close()

    page.goto(reverse("worklists:freed", args=[gap.slot.pk]))
    page.get_by_text("It is Chen, Mei’s now.").wait_for()
    assert axe(page) == []
    assert mei.days()[4] == april(12)
    assert FreedSlot.objects.get(pk=gap.slot.pk).closed_text == "Accepted by a link."
