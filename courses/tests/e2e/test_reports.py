"""The outcomes report in a real browser: by keyboard, in light and dark, with what the filters swap in."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import time_machine

from clinic.tests.fixtures.browser import Axe, Expect, SignIn
from courses.tests.cohort import NOW, load_cohort

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW, tick=True):
        yield


def test_from_the_rail_to_a_figure_its_list_and_its_names(sign_in: SignIn, expect: Expect, axe: Axe) -> None:
    """24 of 31 responded; at Harbour three of three, which is too few (courses.tests.cohort_rows)."""
    cohort = load_cohort()
    page = sign_in(cohort.clinic.clinician)
    page.goto("/")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Reports").click()
    response = page.get_by_role("article", name="Response", exact=True)
    expect(response).to_contain_text("24 of 31")
    expect(page.locator("#chart-durability svg")).to_be_visible()
    assert axe(page) == []
    page.evaluate("document.documentElement.dataset.bsTheme = 'dark'")
    expect(page.locator("#chart-durability svg")).to_be_visible()
    assert axe(page) == []

    # What the filter chooses is swapped in, the address says it, and the focus stays where it was.
    place = page.get_by_label("Location", exact=True).first
    place.focus()
    place.select_option("Harbour")
    expect(response).to_contain_text("n = 3: too few to give a share")
    expect(page).to_have_url(re.compile(rf"/reports/outcomes/\?location={cohort.places['Harbour'].pk}$"))
    expect(page.locator("#filter-location")).to_be_focused()
    page.go_back()
    expect(response).to_contain_text("24 of 31")

    # Two days of one's own: the fields appear with days in them.
    page.get_by_label("Started", exact=True).select_option("Chosen days")
    expect(page.locator("#filter-since")).to_have_value("2026-12-21")
    page.locator("#filter-since").fill("2027-12-01")
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile(r"\?since=2027-12-01&until=2027-12-20$"))
    expect(page.get_by_text("All courses · started 1 Dec 2027 to 20 Dec 2027")).to_be_visible()
    page.get_by_role("link", name="Reset").click()
    expect(response).to_contain_text("24 of 31")

    # The definition opens by keyboard and closes with Escape.
    about = response.locator("summary").first
    about.focus()
    page.keyboard.press("Enter")
    expect(response.get_by_text("Source: Outcome terms, shipped")).to_be_visible()
    page.keyboard.press("Escape")
    expect(response.get_by_text("Source: Outcome terms, shipped")).to_be_hidden()

    # The list has no names until they are asked for.
    response.get_by_role("link", name=re.compile("the list behind it")).click()
    expect(page.get_by_role("heading", name="Response", exact=True)).to_be_visible()
    expect(page.get_by_text("Case 01")).to_have_count(0)
    assert axe(page) == []
    page.get_by_role("button", name="Show names").click()
    expect(page.get_by_text("The names below are in the log of readings")).to_be_visible()
    assert axe(page) == []
