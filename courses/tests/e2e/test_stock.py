"""The ketamine log in a real browser on a tablet: receive, draw, account with a witness, count, settle; with axe."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import time_machine
from django.urls import reverse

from clinic.tests.fixtures.browser import Axe, Expect, SignIn
from courses.models import Discrepancy, DrugDraw
from courses.tests.day_kit import in_chair, put_order, put_tap, ten
from courses.tests.stock_kit import Stocked, make_lot, stocked

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
PASSWORD = "a-second-person-7"
TABLET = {"width": 1024, "height": 768}


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(ten(60)):
        yield


@pytest.fixture
def made() -> Stocked:
    """Ordered, in the chair, 400.0 mg on the shelf; the witness has a password."""
    day = in_chair()
    put_order(day, ten(-3))
    found = stocked(day, lot_number="K10-7731")
    found.witness.set_password(PASSWORD)
    found.witness.save()
    return found


def section_of(page: Page) -> Locator:
    return page.locator("#section-stock")


def cosign(place: Locator | Page, made: Stocked, password: str = PASSWORD) -> None:
    place.get_by_label("Name", exact=True).select_option(label=made.witness.display_name)
    place.get_by_label("Their own password").fill(password)


def test_the_drug_is_drawn_and_every_tenth_of_it_accounted_for(
    made: Stocked, sign_in: SignIn, axe: Axe, expect: Expect
) -> None:
    make_lot(made.day.booking.location, made.nurse, concentration_mg_per_ml=Decimal(50), content_mg=Decimal(500))
    page = sign_in(made.nurse)
    page.set_viewport_size(TABLET)
    page.goto(reverse("infusion:day", args=[made.day.pk]))
    part = section_of(page)
    part.get_by_role("radio", name="K10-7731").check()
    part.get_by_label("How much was taken").fill("500")
    part.get_by_role("button", name="Draw").click()
    expect(part.get_by_text("400.0 mg are left of this lot")).to_be_visible()
    expect(part.get_by_label("How much was taken")).to_have_value("500")
    part.get_by_label("How much was taken").fill("100")
    part.get_by_role("button", name="Draw").click()
    expect(part.get_by_text("100.0 mg drawn", exact=True)).to_be_visible()
    put_tap(made.day, "start", ten(1), order=made.day.desk(ten()).order)
    put_tap(made.day, "stop", ten(21), reason="Anxious")
    page.reload()
    part.get_by_role("link", name="Account for it").click()
    expect(part.get_by_text("20.6 mg given, 79.4 mg waste")).to_be_visible()
    expect(part.get_by_label("Given (mg)")).to_have_value("")
    assert axe(page) == []
    part.get_by_role("link", name="Use these").click()
    expect(part.get_by_label("Given (mg)")).to_have_value("20.6")
    cosign(part, made, "not-theirs")
    part.get_by_role("button", name="Account for 100.0 mg").click()
    expect(part.get_by_text("This is not the password of")).to_be_visible()
    expect(part.get_by_label("Wasted (mg)")).to_have_value("79.4")
    cosign(part, made)
    part.get_by_role("button", name="Account for 100.0 mg").click()
    expect(part.get_by_text("100.0 mg drawn = 20.6 given + 79.4 wasted")).to_be_visible()
    assert DrugDraw.objects.get().witness == made.witness


def test_a_count_that_differs_is_explained_and_settled_by_two_at_one_tablet(
    made: Stocked, sign_in: SignIn, axe: Axe, expect: Expect
) -> None:
    page = sign_in(made.nurse)
    page.set_viewport_size(TABLET)
    page.goto(reverse("stock:lots"))
    assert axe(page) == []
    page.get_by_role("link", name="Ketamine lot K10-7731").click()
    assert axe(page) == []
    page.get_by_role("link", name="Count", exact=True).click()
    assert axe(page) == []
    page.get_by_label("Whole, unopened").fill("1")
    page.get_by_role("button", name="Save the count").click()
    page.get_by_role("link", name="Settle it").click()
    assert axe(page) == []
    page.get_by_label("What was found").fill("One vial broke on the floor")
    page.get_by_role("button", name="Sign as the first").click()
    cosign(page, made)
    page.get_by_role("button", name="Sign and correct the log").click()
    expect(page.get_by_role("table").get_by_text("Corrected after a count")).to_be_visible()
    assert Discrepancy.objects.get().settled_by == made.witness
    page.goto(reverse("stock:inventory"))
    expect(page.get_by_role("cell", name="200.0").first).to_be_visible()
    assert axe(page) == []


def test_a_lot_is_added_and_received_by_keyboard(made: Stocked, sign_in: SignIn, axe: Axe, expect: Expect) -> None:
    page = sign_in(made.nurse)
    page.goto(reverse("stock:lot_new"))
    assert axe(page) == []
    page.get_by_label("Drug").select_option("ketamine")
    page.get_by_label("Lot number").fill("K50-1")
    page.get_by_label("Concentration (mg/mL)").fill("50")
    page.get_by_label("One vial or device contains (mg)").fill("500")
    page.get_by_label("Expires on").fill("2028-01-31")
    page.get_by_label("Received now").fill("2")
    page.get_by_label("Received now").press("Enter")
    expect(page.get_by_role("heading", name="Ketamine lot K50-1")).to_be_visible()
    expect(page.get_by_text("2 vials")).to_be_visible()
