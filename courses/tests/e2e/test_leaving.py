"""A patient leaves, on a tablet: side effects answered, refused without the escort, discharged with one, the sheet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.urls import reverse

from clinic.models import BookingStatus
from clinic.tests.fixtures.browser import Axe, Expect, SignIn
from courses.models import AdverseEvent, CheckAnswer, Discharge
from courses.services.infusion_record import changing
from courses.tests.day_kit import Day, observing, put_row, ten
from courses.tests.db.test_leaving import LOOK, case34, say

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
TABLET = {"width": 1024, "height": 768}
PATIENCE_MS = 20_000
"""Two cores, a browser, a server and a database: an answer may take its time."""


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    """It is 12:40 in New York on the day, an hour after the end of the infusion, also for the server."""
    with time_machine.travel(ten(160), tick=True):
        yield


def open_day(page: Any, day: Day) -> None:
    page.set_viewport_size(TABLET)
    page.goto(reverse("infusion:day", args=[day.pk]))


def open_part(page: Any, name: str) -> Any:
    part = page.locator(f"#section-{name}")
    if part.locator("> details").get_attribute("open") is None:
        part.locator("> details > summary").click()
    return part


def test_refused_without_the_escort_then_discharged_and_the_sheet_opens(
    page: Any, expect: Expect, axe: Axe, sign_in: SignIn, transactional_db: None
) -> None:
    day = case34()
    with changing(day.pk, by=day.nurse, now=ten(100)) as record:
        CheckAnswer.objects.create(
            record=record, item="escort", value="yes", detail="Jordan Fictional", at=ten(), by=day.nurse
        )
    sign_in(day.nurse)
    open_day(page, day)
    leaving = open_part(page, "discharge")
    leaving.get_by_text("Printed and explained").click()
    leaving.get_by_role("button", name="Discharge").click()
    alert = leaving.get_by_role("alert")
    expect(alert).to_contain_text("They cannot leave yet. Missing: Escort missing", timeout=PATIENCE_MS)
    assert not Discharge.objects.exists()
    assert axe(page, within="#section-discharge") == []
    leaving.get_by_role("button", name="Jordan Fictional is here").click()
    expect(leaving.locator("#leave-escort")).to_contain_text("Met", timeout=PATIENCE_MS)
    expect(leaving).to_contain_text("Ready to leave", timeout=PATIENCE_MS)
    leaving.get_by_text("Printed and explained").click()
    leaving.get_by_role("button", name="Discharge").click()
    expect(leaving).to_contain_text(re.compile(r"Left 12:4\d with Jordan Fictional"), timeout=PATIENCE_MS)
    left = Discharge.objects.get()
    assert (left.escort_name, left.instructions_way) == ("Jordan Fictional", "printed")
    day.booking.refresh_from_db()
    assert day.booking.status == BookingStatus.DONE
    if leaving.locator("> details").get_attribute("open") is None:
        leaving.locator("> details > summary").click()
    with page.context.expect_page() as opened:
        leaving.get_by_role("link", name="Open the sheet").click()
    sheet = opened.value
    expect(sheet.get_by_role("heading", name="After your treatment today")).to_be_visible(timeout=PATIENCE_MS)
    expect(sheet.get_by_text("At least until")).to_contain_text("Tue, Apr 6, 11:40 AM", timeout=PATIENCE_MS)
    assert axe(sheet) == []


def test_ticks_and_a_side_effect_by_keyboard(
    page: Any, expect: Expect, axe: Axe, sign_in: SignIn, transactional_db: None
) -> None:
    day = observing(ten(100))
    put_row(day, ten(158), **LOOK)
    sign_in(day.nurse)
    open_day(page, day)
    leaving = open_part(page, "discharge")
    button = leaving.get_by_role("button", name="Steady gait: Not steady")
    button.focus()
    page.keyboard.press("Enter")
    expect(leaving.locator("#leave-gait")).to_contain_text("Not met", timeout=PATIENCE_MS)
    leaving.get_by_role("button", name="Steady gait: Steady", exact=True).click()
    expect(leaving.locator("#leave-gait")).to_contain_text("Met", timeout=PATIENCE_MS)
    expect(leaving.get_by_role("button", name="Steady gait: Steady", exact=True)).to_have_attribute(
        "aria-pressed", "true", timeout=PATIENCE_MS
    )
    effects = open_part(page, "effects")
    effects.locator("#effects-record").focus()
    page.keyboard.press("Enter")
    effects.get_by_role("radio", name="Nausea").focus()
    page.keyboard.press("Space")
    effects.get_by_label("Began at").fill("11:20")
    effects.get_by_role("button", name="Save this side effect").click()
    expect(effects.get_by_role("alert").first).to_be_visible(timeout=PATIENCE_MS)
    assert axe(page, within="#section-effects") == []
    for name in ("Moderate", "No", "Not known yet"):
        effects.get_by_role("radio", name=name, exact=True).check(force=True)
    effects.get_by_role("button", name="Save this side effect").click()
    expect(effects.locator("summary").first).to_contain_text("Nausea (moderate)", timeout=PATIENCE_MS)
    assert AdverseEvent.objects.get().onset_at == ten(80)


def test_the_page_says_by_itself_that_the_observation_is_over(
    page: Any, expect: Expect, sign_in: SignIn, transactional_db: None
) -> None:
    day = case34()
    say(day, "escort", "Jordan", ten(159))
    with time_machine.travel(ten(160) - timedelta(seconds=12), tick=True):
        sign_in(day.nurse)
        open_day(page, day)
        leaving = page.locator("#section-discharge")
        expect(leaving).to_contain_text(re.compile("Earliest 12:40|Ready to leave"), timeout=PATIENCE_MS)
        expect(leaving).to_contain_text("Ready to leave", timeout=40_000)
