"""The registry in a real browser: the side sheet, the warning while typing, one more number, live filter; and axe."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse

from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.browser import Axe, SignIn
from patients.models import Medicine, Patient
from patients.pure.indications import Indication
from patients.tests.factories import make_allergy, make_patient, make_problem, make_unavailability

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def ada() -> Patient:
    patient = make_patient(
        phones=["+12125550123"], conditions=[Indication.TRD], pronouns="she/her", email="ada@example.org"
    )
    make_allergy(patient)
    make_problem(patient)
    make_unavailability(patient, date(2099, 1, 20))
    return patient


def sheet(page: Page) -> None:
    page.wait_for_selector("dialog#sheet[open] form")


def test_adding_in_the_sheet_warns_while_typing_and_asks_before_it_adds(clinic: Clinic, sign_in: SignIn) -> None:
    known = ada()
    page = sign_in(clinic.desk)
    page.goto(reverse("patients:list"))
    page.get_by_role("link", name="Add patient").click()
    sheet(page)
    box = page.locator("#sheet")
    box.get_by_label("Legal given name").fill("ada")
    box.get_by_label("Legal family name").fill("okafor")
    box.get_by_label("Birth date").fill("1985-03-14")
    box.get_by_label("Phone").click()
    box.get_by_text(f"MRN {known.mrn}").wait_for()
    box.get_by_role("button", name="Add patient").click()
    page.get_by_text("Not added yet.").wait_for()
    assert Patient.objects.count() == 1
    page.get_by_label("I have checked: this is somebody else").check()
    box.get_by_role("button", name="Add patient").click()
    page.get_by_role("heading", name="ada okafor").wait_for()
    assert Patient.objects.count() == 2


def test_one_more_number_comes_in_place_and_keeps_what_was_typed(clinic: Clinic, sign_in: SignIn) -> None:
    patient = ada()
    page = sign_in(clinic.desk)
    page.goto(reverse("patients:edit", args=[patient.pk]))
    page.get_by_label("City").fill("Boston")
    page.get_by_label("Number", exact=True).nth(1).fill("+44 20 7946 0958")
    page.get_by_role("button", name="Another number").click()
    page.get_by_label("Number", exact=True).nth(2).wait_for()
    assert page.get_by_label("City").input_value() == "Boston"
    page.get_by_label("Number", exact=True).nth(2).fill("212 555 0177")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(re.compile(rf"/patients/{patient.pk}/$"))
    numbers = [phone.number.as_e164 for phone in patient.phones.all()]
    assert numbers == ["+12125550123", "+442079460958", "+12125550177"]


def test_two_medicines_in_a_row_without_leaving_the_page(clinic: Clinic, sign_in: SignIn) -> None:
    patient = ada()
    page = sign_in(clinic.clinician)
    page.goto(reverse("patients:background", args=[patient.pk]))
    page.get_by_role("link", name="Add medicine").click()
    sheet(page)
    page.get_by_label("Medicine, over-the-counter").fill("Sertraline")
    page.get_by_role("button", name="Save and add another").click()
    page.get_by_text("Sertraline was added.").wait_for()
    page.get_by_label("Medicine, over-the-counter").fill("Diazepam")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_selector("dialog#sheet:not([open])", state="attached")
    page.locator("#background").get_by_text("Diazepam").wait_for()
    assert page.locator("#background").get_by_text("Sertraline").count() == 1
    assert Medicine.objects.count() == 2


def test_the_list_filters_while_typing_and_keeps_it_in_the_address(clinic: Clinic, sign_in: SignIn) -> None:
    ada()
    make_patient("Mei", "Chen")
    page = sign_in(clinic.nurse)
    page.goto(reverse("patients:list"))
    page.locator("#list-q").press_sequentially("che")
    page.get_by_text("1–1 of 1 patients").wait_for()
    assert page.get_by_text("Okafor, Ada").count() == 0
    assert "q=che" in page.url
    page.get_by_label("Status").select_option("inactive")
    page.get_by_text("Nobody found").wait_for()


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1024, "dark"), (390, "light")])
def test_axe_finds_nothing_and_nothing_sticks_out(
    clinic: Clinic, sign_in: SignIn, axe: Axe, width: int, scheme: str
) -> None:
    patient = ada()
    other = make_patient("Adaeze", city="Boston")
    long = make_patient("<b>" + "A" * 77, "B" * 80)
    page = sign_in(clinic.clinician)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 900})
    names = ("detail", "background", "bookings", "history", "edit", "status", "unavailable_add", "merge_choose")
    paths = [reverse(f"patients:{name}", args=[patient.pk]) for name in names]
    paths += [reverse("patients:list"), reverse("patients:add"), reverse("patients:quick_add")]
    paths += [reverse("patients:merge_compare", args=[patient.pk, other.pk]), long.get_absolute_url()]
    for path in paths:
        page.goto(path)
        assert axe(page) == [], path
        overhang = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overhang <= 0, f"{path} sticks out by {overhang} px at {width}"
