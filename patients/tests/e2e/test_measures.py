"""A questionnaire typed in by keyboard, the chart under the strict policy, light and dark, and no JavaScript."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.browser import Axe, Expect, SignIn
from patients.models import Assessment, AssessmentSource, Patient
from patients.services.assessments import record_assessment
from patients.tests.factories import make_patient

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


LAST_POINT = """() => {
  const chart = echarts.getInstanceByDom(document.getElementById("trend"));
  return chart.convertToPixel({ seriesIndex: 0 }, chart.getOption().series[0].data.at(-1).value);
}"""


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def scored(clinic: Clinic, patient: Patient, *totals: int, danger: int | None = None) -> list[Assessment]:
    """PHQ-9 totals, five days apart, the last one now."""
    now = timezone.now()
    return [
        record_assessment(
            patient=patient,
            measure="phq9",
            total=total,
            danger_answer=danger if number == len(totals) - 1 else None,
            taken_at=now - timedelta(days=5 * (len(totals) - 1 - number)),
            source=AssessmentSource.STAFF,
            by=clinic.nurse,
            location=clinic.location,
            now=now,
        )
        for number, total in enumerate(totals)
    ]


def test_digits_walk_through_the_questionnaire_and_enter_saves_it(
    clinic: Clinic, sign_in: SignIn, axe: Axe, expect: Expect
) -> None:
    ada = make_patient()
    page = sign_in(clinic.nurse)
    page.goto(reverse("measures:entry", args=[ada.pk, "phq9"]))
    expect(page.get_by_text("0 of 9 answered")).to_be_visible()
    assert axe(page) == []
    for digit in "21201":
        page.keyboard.press(digit)
    expect(page.get_by_text("5 of 9 answered. Missing: 6, 7, 8, 9")).to_be_visible()
    page.keyboard.press("ArrowUp")  # back to item 5
    page.keyboard.press("3")
    page.keyboard.press("9")  # no such answer: nothing happens
    for digit in "0101":
        page.keyboard.press(digit)
    expect(page.get_by_text("All 9 answered")).to_be_visible()
    page.keyboard.press("1")  # the tenth is not part of the score
    expect(page.get_by_role("button", name="Save")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Needs a clinician today")).to_be_visible()
    row = Assessment.objects.get()
    assert row.answers == {"1": 2, "2": 1, "3": 2, "4": 0, "5": 3, "6": 0, "7": 1, "8": 0, "9": 1, "10": 1}
    assert row.score == 10
    assert axe(page) == []


def test_what_is_missing_is_said_where_the_eyes_are_and_enter_does_not_save_it_away(
    clinic: Clinic, sign_in: SignIn, axe: Axe, expect: Expect
) -> None:
    ada = make_patient()
    page = sign_in(clinic.nurse)
    page.goto(reverse("measures:entry", args=[ada.pk, "phq9"]))
    for digit in "2120":
        page.keyboard.press(digit)
    page.keyboard.press("Enter")
    said = page.get_by_text("Items 5, 6, 7, 8, 9 are not answered.")
    expect(said).to_be_in_viewport()
    expect(page.locator("#question-5 input").first).to_be_focused()
    assert axe(page) == []
    for digit in "011":
        page.keyboard.press(digit)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Items 8, 9 are not answered.")).to_be_in_viewport()
    assert not Assessment.objects.exists()
    page.get_by_role("button", name="Save as it is").click()
    expect(page.get_by_text("Item 9 was not answered. Ask it")).to_be_visible()


def test_the_screener_asks_three_to_five_only_after_a_yes(clinic: Clinic, sign_in: SignIn, expect: Expect) -> None:
    ada = make_patient()
    page = sign_in(clinic.nurse)
    page.goto(reverse("measures:entry", args=[ada.pk, "cssrs"]))
    page.keyboard.press("1")
    page.keyboard.press("1")
    expect(page.locator("#question-3")).to_be_visible()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("0")
    expect(page.locator("#question-3")).to_be_hidden()
    expect(page.locator("#question-6 input").first).to_be_focused()
    page.keyboard.press("0")
    expect(page.get_by_text("All 3 answered")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Low", exact=True)).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_chart_is_drawn_under_the_strict_policy_in_both_themes(
    clinic: Clinic, sign_in: SignIn, axe: Axe, expect: Expect, theme: str
) -> None:
    ada = make_patient()
    scored(clinic, ada, 20, 14, 9, danger=1)
    page = sign_in(clinic.nurse)
    page.goto(reverse("patients:detail", args=[ada.pk]))
    if theme == "dark":
        page.get_by_role("button", name="Light or dark").click()
    expect(page.get_by_role("img", name="3 scores, from 20 to 9")).to_be_visible()
    assert axe(page) == []
    page.get_by_role("link", name="Trend").click()
    expect(page.locator("#trend svg")).to_be_visible()
    expect(page.locator("#trend svg text", has_text="Moderately severe")).to_be_visible()
    assert page.locator("html").get_attribute("data-bs-theme") == theme
    assert axe(page) == []
    place, chart = page.evaluate(LAST_POINT), page.locator("#trend").bounding_box()
    assert chart
    page.mouse.move(chart["x"] + place[0] - 20, chart["y"] + place[1])
    page.mouse.move(chart["x"] + place[0], chart["y"] + place[1], steps=4)
    expect(page.locator(".trend-tip")).to_contain_text("PHQ-9 9, mild")
    page.goto(reverse("measures:patient", args=[ada.pk]))
    assert axe(page) == []
    # the page fixture fails on anything that the content policy refused


def test_a_total_is_typed_and_said_to_be_out_of_range(
    clinic: Clinic, sign_in: SignIn, axe: Axe, expect: Expect
) -> None:
    ada = make_patient()
    page = sign_in(clinic.nurse)
    page.goto(reverse("measures:entry", args=[ada.pk, "madrs"]))
    page.keyboard.type("61")
    page.keyboard.press("Enter")
    expect(page.get_by_text("less than or equal to 60")).to_be_visible()
    assert axe(page) == []
    page.get_by_label("Total (0–60)").fill("31")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Moderate", exact=True)).to_be_visible()


def test_without_javascript_a_questionnaire_is_a_form_and_the_trend_a_table(
    clinic: Clinic, browser: Browser, live_server: LiveServer, expect: Expect
) -> None:
    ada = make_patient()
    scored(clinic, ada, 20, 9)
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    client = Client()
    client.force_login(clinic.nurse)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
    page = context.new_page()
    page.goto(reverse("measures:entry", args=[ada.pk, "gad7"]))
    for number in range(1, 8):
        page.locator(f"#question-{number} input[value='1']").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Mild", exact=True)).to_be_visible()
    page.goto(reverse("measures:trend", args=[ada.pk, "phq9"]))
    expect(page.get_by_role("row")).to_have_count(3)
    expect(page.get_by_text("The chart needs JavaScript")).to_be_visible()
    context.close()
