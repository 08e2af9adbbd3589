"""Vital signs on a tablet: large keys, what is refused and asked twice, limits, late looks, both themes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.urls import reverse

from clinic.tests.fixtures.browser import Axe, Expect, SignIn
from courses.models import FlowsheetRow, LimitAlarm
from courses.tests.day_kit import Day, infusing, ten

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
TABLET = {"width": 1024, "height": 768}


@pytest.fixture
def day(transactional_db: None, sign_in: SignIn) -> Iterator[Day]:
    """Started at ten; it is nine minutes past ten, and the nurse is signed in."""
    with time_machine.travel(ten(9), tick=True):
        made = infusing()
        sign_in(made.nurse)
        yield made


@pytest.fixture
def tablet(page: Any, day: Day) -> Any:
    page.set_viewport_size(TABLET)
    page.goto(reverse("infusion:day", args=[day.pk]))
    return page


def line(page: Any, text: str) -> Any:
    """The line of the table that says this and is saved; a role's name in a selector may hold no slash."""
    return page.locator(".fs-table tr:not(.fs-waiting)").filter(has_text=re.compile(text, re.DOTALL))


def field(page: Any, name: str) -> Any:
    return page.locator(f"#flowsheet-{name}")


def keys(page: Any, digits: str) -> None:
    for digit in digits:
        page.get_by_role("group", name="Number keys").get_by_role("button", name=digit, exact=True).click()


def saved_rows() -> list[tuple[int | None, ...]]:
    rows = FlowsheetRow.objects.filter(at__gt=ten()).order_by("at")
    names = ("systolic_mmhg", "diastolic_mmhg", "heart_rate_bpm", "spo2_percent", "respiratory_rate")
    return [tuple(getattr(row, name) for name in names) for row in rows]


def test_a_look_is_entered_with_the_large_keys_alone_and_nothing_is_preset(
    tablet: Any, expect: Expect, axe: Axe, day: Day
) -> None:
    assert tablet.locator("#flowsheet-form input[type=radio]:checked").count() == 0
    for name in (
        "systolic_mmhg",
        "diastolic_mmhg",
        "heart_rate_bpm",
        "spo2_percent",
        "respiratory_rate",
        "dissociation",
    ):
        expect(field(tablet, name)).to_have_value("")
    keys(tablet, "14892859715")  # on to the next field by itself
    expect(field(tablet, "respiratory_rate")).to_have_value("15")
    tablet.locator("label[for=flowsheet-moaas-4]").click()
    expect(tablet.get_by_text("4: Lethargic response to name spoken in normal tone")).to_be_visible()
    tablet.locator("label[for=flowsheet-nausea-1]").click()
    field(tablet, "dissociation").fill("11")
    field(tablet, "note").fill("Calm, the mood is lighter")
    assert axe(tablet) == []
    tablet.get_by_role("button", name="Save vital signs").click()
    expect(line(tablet, r"\+9 10:09.*148/92\s*85\s*97 %\s*15\s*4\s*11\s*1")).to_be_visible()
    expect(tablet.get_by_text("All saved")).to_be_visible()
    expect(field(tablet, "systolic_mmhg")).to_have_value("")
    assert saved_rows() == [(148, 92, 85, 97, 15)]
    row = FlowsheetRow.objects.latest("pk")
    assert (row.moaas, row.nausea, row.dissociation, row.note) == (4, 1, 11, "Calm, the mood is lighter")
    assert ten(9) <= row.at <= ten(10)  # the server's clock, whatever the device's says
    assert axe(tablet) == []
    tablet.get_by_role("button", name=re.compile("Light or dark")).click()
    assert axe(tablet) == []


def test_it_works_by_keyboard_and_a_choice_can_be_taken_back(tablet: Any, expect: Expect, day: Day) -> None:
    field(tablet, "systolic_mmhg").focus()
    tablet.keyboard.type("14088")
    expect(field(tablet, "heart_rate_bpm")).to_be_focused()
    tablet.keyboard.press("Tab")
    expect(field(tablet, "spo2_percent")).to_be_focused()
    tablet.locator("label[for=flowsheet-moaas-5]").click()
    tablet.locator("label[for=flowsheet-moaas-5]").click()
    field(tablet, "spo2_percent").focus()
    tablet.keyboard.press("Enter")
    expect(line(tablet, "140/88")).to_be_visible()
    assert saved_rows() == [(140, 88, None, None, None)]
    assert FlowsheetRow.objects.latest("pk").moaas is None


def test_impossible_values_are_refused_at_the_field_and_unusual_ones_asked_twice(
    tablet: Any, expect: Expect, axe: Axe, day: Day
) -> None:
    save = tablet.get_by_role("button", name="Save vital signs")
    save.click()
    expect(tablet.get_by_text("Enter at least one value or a note.")).to_be_visible()
    field(tablet, "spo2_percent").fill("16")
    save.click()
    expect(tablet.get_by_text("SpO2 must be between 40 and 100.")).to_be_visible()
    field(tablet, "spo2_percent").fill("61")
    save.click()
    expect(tablet.get_by_text("Read the display again: SpO2 61 %?")).to_be_visible()
    assert saved_rows() == []
    assert axe(tablet) == []
    tablet.get_by_role("button", name="Yes, it is right: save").click()
    expect(line(tablet, "61 %")).to_be_visible()
    row = FlowsheetRow.objects.latest("pk")
    assert (row.spo2_percent, row.was_confirmed) == (61, True)
    expect(tablet.get_by_role("alert").filter(has_text="Act now, notify the prescriber")).to_be_visible()


def test_a_limit_names_its_rule_stays_on_top_and_goes_when_it_is_answered(
    tablet: Any, expect: Expect, axe: Axe, day: Day
) -> None:
    keys(tablet, "205118")
    tablet.get_by_role("button", name="Save vital signs").click()
    tablet.get_by_role("button", name="Yes, it is right: save").click()
    alarm = tablet.get_by_role("alert").filter(has_text="Stop the infusion")
    expect(alarm).to_contain_text("systolic 205 is ≥200 mmHg, once is enough")
    expect(tablet.get_by_role("link", name="Answer the alarm")).to_be_visible()
    assert axe(tablet) == []
    tablet.get_by_role("button", name=re.compile("Light or dark")).click()
    assert axe(tablet) == []
    alarm.get_by_role("button", name="Infusion stopped, prescriber told").click()
    alarm.get_by_role("button", name="Answer", exact=True).click()
    expect(alarm).to_have_count(0)
    assert LimitAlarm.objects.get().what_was_done == "Infusion stopped, prescriber told"
    tablet.get_by_text("Answered alarms (1)").click()
    expect(tablet.get_by_text("Infusion stopped, prescriber told")).to_be_visible()


def test_what_is_typed_stays_when_a_colleague_saves_a_row(tablet: Any, expect: Expect, day: Day) -> None:
    from courses.tests.day_kit import put_row  # noqa: PLC0415

    keys(tablet, "151")
    put_row(day, ten(8), 133, 85)
    expect(line(tablet, "133/85")).to_be_visible(timeout=15_000)
    expect(field(tablet, "systolic_mmhg")).to_have_value("151")


def test_late_vital_signs_are_shown_late_and_the_sound_is_off_until_it_is_turned_on(
    page: Any, expect: Expect, axe: Axe, sign_in: SignIn, transactional_db: None
) -> None:
    with time_machine.travel(ten(13), tick=True):
        day = infusing()
        sign_in(day.nurse)
        page.set_viewport_size(TABLET)
        page.goto(reverse("infusion:day", args=[day.pk]))
        expect(page.locator(".fs-due")).to_contain_text(re.compile(r"Vital signs \+10 3:\d\d late"))
        expect(page.locator(".fs.is-late")).to_be_visible()
        sound = page.get_by_role("button", name="Sound when late")
        expect(sound).to_have_attribute("aria-pressed", "false")
        sound.click()
        expect(sound).to_have_attribute("aria-pressed", "true")
        assert axe(page) == []
        page.reload()
        expect(page.get_by_role("button", name="Sound when late")).to_have_attribute("aria-pressed", "true")
