"""The consultation's record in a real browser: autosave, two windows, a network that goes away, keyboard; and axe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from django.utils import timezone

from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_user
from clinic.tests.fixtures.browser import Axe, Expect, SignIn
from patients.models import Consultation, PreviousTreatment, PriceItem, VitalSigns
from patients.pure.consultation import fingerprint
from patients.services.consultation_record import save_field, text_of
from patients.tests.factories import (
    make_allergy,
    make_consultation,
    make_medicine,
    make_patient,
    make_previous_treatment,
    make_problem,
    make_vitals,
)

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Page, Route

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def record(clinic: Clinic) -> Consultation:
    return make_consultation(make_patient(), clinic.location, clinic.clinician)


def stored(record: Consultation, field: str) -> str:
    return text_of(Consultation.objects.get(pk=record.pk), field)


def opened(sign_in: SignIn, user: Any, record: Consultation) -> Page:
    page = sign_in(user)
    page.goto(record.get_absolute_url())
    return page


def test_a_pause_in_typing_saves_and_so_does_leaving_the_field(
    clinic: Clinic, record: Consultation, sign_in: SignIn, expect: Expect
) -> None:
    page = opened(sign_in, clinic.clinician, record)
    expect(page.locator("#missing-condition")).to_contain_text("history")
    page.get_by_label("History of the condition").press_sequentially("Low since 2019.")
    expect(page.locator("#record-state")).to_have_text("Saving …")
    expect(page.locator("#state-condition_history")).to_contain_text("Saved")  # nobody left the field
    assert stored(record, "condition_history") == "Low since 2019."
    expect(page.locator("#missing-condition")).not_to_contain_text("history")
    page.get_by_label("Severity").select_option("severe")
    expect(page.locator("#state-severity")).to_contain_text("Saved")
    page.get_by_label("Preferences").fill("Mornings")
    page.get_by_label("Questions and concerns").click()
    expect(page.locator("#state-preferences")).to_contain_text("Saved")
    page.get_by_label("Somebody takes them home").check()
    expect(page.locator("#state-escort_understood")).to_contain_text("Saved")
    expect(page.locator("#record-state")).to_contain_text("All saved")
    assert (stored(record, "severity"), stored(record, "preferences")) == ("severe", "Mornings")
    assert stored(record, "escort_understood") == "yes"


def test_typing_on_while_a_save_is_under_way_loses_nothing(
    clinic: Clinic, record: Consultation, sign_in: SignIn, expect: Expect
) -> None:
    page = opened(sign_in, clinic.clinician, record)
    field = page.get_by_label("Assessment and plan").last
    for words in ("One. ", "Two. ", "Three."):
        field.press_sequentially(words)
        page.wait_for_timeout(2_050)
    expect(page.locator("#record-state")).to_contain_text("All saved")
    assert field.input_value() == stored(record, "summary") == "One. Two. Three."


def test_words_typed_while_a_slow_save_is_on_its_way_go_next_and_are_no_conflict(
    clinic: Clinic, record: Consultation, sign_in: SignIn, expect: Expect
) -> None:
    page = opened(sign_in, clinic.clinician, record)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/fields/summary/", hold, times=1)
    field = page.locator("#id_summary")
    field.fill("One.")
    page.locator("#id_open_questions").click()
    expect(page.locator("#state-summary")).to_contain_text("Saving")
    field.press_sequentially(" Two.")
    page.locator("#id_open_questions").click()  # the second save waits for the first
    page.wait_for_timeout(300)
    held[0].continue_()
    expect(page.locator("#record-state")).to_contain_text("All saved")
    expect(page.locator(".af-conflict")).to_have_count(0)
    assert field.input_value() == stored(record, "summary") == "One. Two."


@pytest.mark.parametrize(
    ("button", "stays"), [("Keep mine", "Flying"), ("Take theirs", "Needles"), ("Keep both", "Needles\n\nFlying")]
)
def test_two_windows_in_one_field_show_both_and_one_click_decides(  # noqa: PLR0917 (fixtures)
    clinic: Clinic, record: Consultation, sign_in: SignIn, expect: Expect, button: str, stays: str
) -> None:
    other = make_user(Role.CLINICIAN, first_name="Lena", last_name="Reyes", title="MD")
    page = opened(sign_in, clinic.clinician, record)
    save_field(
        consultation_id=record.pk,
        field="concerns",
        value="Needles",
        base=fingerprint(""),
        by=other,
        now=timezone.now(),
    )
    field = page.get_by_label("Questions and concerns")
    field.fill("Flying")
    box = page.locator("#state-concerns")
    expect(box).to_contain_text("Lena Reyes, MD wrote")
    expect(box).to_contain_text("Needles")
    expect(page.locator("#record-state")).to_contain_text("somebody else changed a field")
    assert (stored(record, "concerns"), field.input_value()) == ("Needles", "Flying")
    page.get_by_label("Preferences").fill("Mornings")  # the other fields go on saving
    field.focus()
    expect(page.locator("#state-preferences")).to_contain_text("Saved")
    box.get_by_role("button", name=button).click()
    expect(page.locator("#record-state")).to_contain_text("All saved")
    assert (stored(record, "concerns"), field.input_value()) == (stays, stays)


def test_without_a_network_the_words_stay_and_are_sent_when_it_returns(
    clinic: Clinic, record: Consultation, sign_in: SignIn, expect: Expect
) -> None:
    page = sign_in(clinic.clinician).context.new_page()  # its console tells of the network that this test takes away
    page.goto(record.get_absolute_url())
    page.route("**/fields/**", lambda route: route.abort("internetdisconnected"))
    field = page.locator("#id_family_history")
    field.fill("Mother: psychosis")
    expect(page.locator("#state-family_history")).to_contain_text("Not saved: offline, kept in this window.")
    expect(page.locator("#record-state")).to_have_text("Not saved: offline, kept in this window")
    expect(page.locator("#toasts .notice")).to_have_count(0)
    field.press_sequentially(". Sister: bipolar.")
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.once("dialog", stay)
    page.close(run_before_unload=True)
    page.wait_for_timeout(300)
    assert asked == ["beforeunload"]
    page.unroute("**/fields/**")
    expect(page.locator("#state-family_history")).to_contain_text("Saved", timeout=20_000)
    assert stored(record, "family_history") == "Mother: psychosis. Sister: bipolar."


def test_five_megabytes_are_refused_at_the_field_and_stay_in_it(
    clinic: Clinic, record: Consultation, sign_in: SignIn, expect: Expect
) -> None:
    page = opened(sign_in, clinic.clinician, record)
    field = page.locator("#id_medical_history")
    field.fill("x" * 5_000_000)
    expect(page.locator("#state-medical_history")).to_contain_text("At most 20,000 characters fit here")
    expect(page.locator("#record-state")).to_contain_text("a field needs a look")
    page.get_by_label("Preferences").fill("Mornings")
    page.get_by_label("Questions and concerns").click()
    expect(page.locator("#state-preferences")).to_contain_text("Saved")
    page.get_by_role("link", name="Sign …").click()
    expect(page.locator("#toasts")).to_contain_text("Look at the marked field first.")
    assert page.evaluate("document.getElementById('id_medical_history').value.length") == 5_000_000
    assert stored(record, "medical_history") == ""
    field.fill("Asthma")
    page.get_by_label("Preferences").click()
    expect(page.locator("#state-medical_history")).to_contain_text("Saved")


def test_rows_are_added_in_the_sheet_with_the_keyboard_and_the_page_behind_follows(
    clinic: Clinic, record: Consultation, sign_in: SignIn, expect: Expect
) -> None:
    page = opened(sign_in, clinic.clinician, record)
    page.get_by_role("link", name="Add treatment").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog#sheet[open] form")
    page.keyboard.type("Venlafaxine")
    page.keyboard.press("Enter")
    expect(page.locator("#part-treatments")).to_contain_text("Venlafaxine")
    expect(page.locator("#missing-treatments")).to_be_empty()
    assert PreviousTreatment.objects.get().name == "Venlafaxine"
    page.get_by_role("link", name="Record vital signs").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog#sheet[open] form")
    page.keyboard.type("181.7")
    page.keyboard.press("Tab")
    page.keyboard.type("lb")
    page.keyboard.press("Tab")
    page.keyboard.type("212")
    page.keyboard.press("Tab")
    page.keyboard.type("84")
    page.keyboard.press("Enter")
    expect(page.locator("#sheet")).to_contain_text("Systolic pressure 212 mmHg is unusual.")
    page.get_by_label("I have read the display again").check()
    page.keyboard.press("Enter")
    expect(page.locator("#part-body")).to_contain_text("82.4 kg")
    assert VitalSigns.objects.get().systolic_mmhg == 212
    page.get_by_role("link", name="Add medicine").click()
    page.wait_for_selector("dialog#sheet[open] form")
    page.get_by_label("Medicine, over-the-counter").fill("Theophylline")
    page.keyboard.press("Enter")
    expect(page.locator("#part-medicines")).to_contain_text("seizures become likelier")


def test_the_number_of_infusions_changes_the_estimate_on_the_page(
    clinic: Clinic, record: Consultation, sign_in: SignIn, expect: Expect
) -> None:
    PriceItem.objects.create(location=clinic.location, kind="infusion", label="Infusion", amount="450")
    page = opened(sign_in, clinic.clinician, record)
    page.get_by_label("Number of infusions discussed").fill("8")
    page.keyboard.press("Tab")
    expect(page.locator("#part-cost")).to_contain_text("$3,600.00")


def test_signing_closes_the_record_and_an_amendment_follows(
    clinic: Clinic, record: Consultation, sign_in: SignIn, expect: Expect
) -> None:
    page = opened(sign_in, clinic.clinician, record)
    page.locator("#id_indication").select_option("trd")
    page.get_by_label("Assessment and plan").last.fill("Fit.")
    page.get_by_role("link", name="Sign …").click()  # at once: it waits until what was typed is saved
    expect(page.locator("#sheet")).to_contain_text("Still missing:")
    page.locator("#sheet").get_by_role("button", name="Sign").click()
    page.get_by_text("by Samuel Hart, MD").wait_for()
    expect(page.locator("textarea")).to_have_count(0)
    page.get_by_role("link", name="Add amendment").click()
    page.locator("#sheet").get_by_label("Reason").fill("Typing error")
    page.locator("#sheet").get_by_label("What is added").fill("2018, not 2019")
    page.locator("#sheet").get_by_role("button", name="Add amendment").click()
    expect(page.locator("#amendments")).to_contain_text("2018, not 2019")


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1024, "dark"), (390, "light")])
def test_axe_finds_nothing_and_nothing_sticks_out(  # noqa: PLR0917 (fixtures)
    clinic: Clinic, record: Consultation, sign_in: SignIn, axe: Axe, width: int, scheme: str
) -> None:
    ada = record.patient
    make_previous_treatment(ada, note="x" * 120)
    make_medicine(ada, "Theophylline" * 6)
    make_medicine(ada, "Diazepam", dose="10 mg")
    make_allergy(ada, severity="severe", reaction="hives")
    make_problem(ada)
    make_vitals(ada, clinic.nurse)
    PriceItem.objects.create(location=clinic.location, kind="infusion", label="Infusion", amount="450")
    other = make_consultation(ada, clinic.location, clinic.clinician, summary="Fit. " + "x" * 200)
    Consultation.objects.filter(pk=other.pk).update(signed_at=timezone.now(), signed_by=clinic.clinician)
    page = sign_in(clinic.clinician)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 900})
    names = ("treatment_add", "vitals_add", "pregnancy_add")
    paths = [record.get_absolute_url(), other.get_absolute_url()]
    paths += [reverse(f"intake:{name}", args=[ada.pk]) for name in names]
    paths += [reverse(f"intake:consultation_{name}", args=[record.pk]) for name in ("sign", "letter")]
    paths += [reverse("intake:consultations", args=[ada.pk]), ada.get_absolute_url()]
    for path in paths:
        page.goto(path)
        assert axe(page) == [], path
        overhang = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overhang <= 0, f"{path} sticks out by {overhang} px at {width}"
