"""Screening in a real browser: answered by keyboard, two people at once, decided and signed; and axe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from django.utils import timezone

from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_user
from clinic.tests.fixtures.browser import Axe, Expect, SignIn, settled
from patients.models import Consultation, ScreeningAnswer, ScreeningDecision
from patients.services.screening import GivenAnswer, save_answers
from patients.tests.factories import make_consultation, make_medicine, make_patient, make_problem
from patients.tests.screening_kit import make_clean

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def record(clinic: Clinic) -> Consultation:
    return make_consultation(make_patient(sex="female"), clinic.location, clinic.clinician, indication="trd")


def opened(sign_in: SignIn, clinic: Clinic, record: Consultation, name: str = "screening") -> Page:
    page = sign_in(clinic.clinician)
    page.goto(reverse(f"intake:{name}", args=[record.pk]))
    return page


def answers(record: Consultation) -> dict[str, str]:
    return {row.code: row.answer for row in ScreeningAnswer.objects.filter(consultation=record)}


def test_questions_are_answered_by_keyboard_and_findings_follow(
    clinic: Clinic, record: Consultation, sign_in: SignIn, expect: Expect
) -> None:
    page = opened(sign_in, clinic, record)
    page.locator("#question-aneurysm input:checked").focus()
    page.keyboard.press("n")  # on to the next question each time
    page.keyboard.press("y")
    expect(page.locator("#findings")).to_contain_text("An arteriovenous malformation? Yes")
    page.keyboard.press("Shift+N")
    settled(page)
    expect(page.locator("#question-pressure_hazard input[type=radio][value=no]")).to_be_checked()
    expect(page.locator("#question-avm input[type=radio][value=yes]")).to_be_checked()
    expect(page.locator("#findings")).not_to_contain_text("Not asked: heart and vessels")
    found = answers(record)
    assert (found["aneurysm"], found["avm"], found["pressure_hazard"]) == ("no", "yes", "no")


def test_an_answer_changed_twice_in_a_row_is_no_conflict_with_oneself(
    clinic: Clinic, record: Consultation, sign_in: SignIn, expect: Expect
) -> None:
    page = opened(sign_in, clinic, record)
    question = page.locator("#question-porphyria")
    for value in ("yes", "no", "yes", "no"):
        question.locator(f"input[type=radio][value={value}]").check(force=True)
    settled(page)
    expect(page.locator("#findings")).not_to_contain_text("Porphyria? Yes")
    expect(question.locator(".screen-conflict")).to_have_count(0)
    expect(page.locator("#base-porphyria")).to_have_value("no")
    assert answers(record)["porphyria"] == "no"


def test_a_yes_asks_for_a_note_and_keeps_it(
    clinic: Clinic, record: Consultation, sign_in: SignIn, expect: Expect
) -> None:
    page = opened(sign_in, clinic, record)
    note = page.get_by_label("Note: Glaucoma")
    expect(note).to_be_hidden()
    page.locator("#question-glaucoma input[type=radio][value=yes]").check(force=True)
    note.fill("left eye")
    note.blur()
    expect(page.locator("#findings")).to_contain_text("Yes (left eye)")


def test_what_a_colleague_answered_meanwhile_is_shown_and_kept(
    clinic: Clinic, record: Consultation, sign_in: SignIn, expect: Expect
) -> None:
    page = opened(sign_in, clinic, record)
    colleague = make_user(Role.CLINICIAN)
    theirs = {"mania": GivenAnswer("yes", "since Tuesday", "", "")}
    save_answers(consultation_id=record.pk, given=theirs, by=colleague, now=timezone.now())
    page.locator("#question-mania input[type=radio][value=no]").check(force=True)
    expect(page.locator("#question-mania")).to_contain_text("Somebody else answered yes (since Tuesday) meanwhile")
    assert answers(record)["mania"] == "yes"
    page.locator("#question-avm input[type=radio][value=no]").check(force=True)  # says nothing about theirs
    settled(page)
    assert answers(record) == {"mania": "yes", "avm": "no"}
    page.locator("#question-mania input[type=radio][value=no]").check(force=True)  # having seen it
    settled(page)
    expect(page.locator("#findings")).not_to_contain_text("Mania now")
    assert answers(record)["mania"] == "no"


def test_a_decision_is_signed_by_keyboard(clinic: Clinic, sign_in: SignIn, expect: Expect) -> None:
    ada = make_patient(sex="female")
    record = make_clean(ada, clinic.location, clinic.clinician, timezone.now())
    make_problem(ada, "Schizophrenia")
    make_medicine(ada, "theophylline", dose="")
    page = opened(sign_in, clinic, record, "decide")
    page.get_by_role("button", name="Sign the decision").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#refused")).to_contain_text("Not signed yet")
    stop = page.locator("#finding-medicine_theophylline")
    stop.locator("input[type=radio][value=overridden]").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # past "Why" there is the reason
    page.locator("#why-medicine_theophylline").fill("Stopped two weeks ago, level checked")
    page.locator("#finding-psychosis input[type=radio][value=not_applicable]").focus()
    page.keyboard.press("Space")
    page.locator(".screen-outcome input[type=radio][value=fit]").focus()
    page.keyboard.press("Space")
    page.get_by_label("I have read these findings").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Sign the decision").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/intake/decisions/*/")
    expect(page.locator("main")).to_contain_text("Stopped two weeks ago, level checked")
    signed = ScreeningDecision.objects.get()
    assert (signed.outcome, signed.signed_by) == ("fit", clinic.clinician)


@pytest.mark.parametrize("width", [1440, 1024, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_inaccessible(width: int, scheme: str, record: Consultation, sign_in: SignIn, axe: Axe) -> None:
    make_problem(record.patient, "Glaucoma")
    make_medicine(record.patient, "theophylline")
    signed = ScreeningDecision.objects.create(
        patient=record.patient,
        consultation=record,
        indication="trd",
        outcome="not_now",
        reason="Waits for the ECG",
        pressure_profile="default",
        signed_at=timezone.now(),
        signed_by=record.clinician,
    )
    page = sign_in(record.clinician)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    for address in (
        reverse("intake:screening", args=[record.pk]),
        reverse("intake:decide", args=[record.pk]),
        reverse("intake:decision", args=[signed.pk]),
        reverse("patients:detail", args=[record.patient_id]),
    ):
        page.goto(address)
        assert axe(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), address


def test_it_works_without_javascript(
    clinic: Clinic, record: Consultation, sign_in: SignIn, expect: Expect, live_server: LiveServer
) -> None:
    state = sign_in(clinic.clinician).context.storage_state()
    browser = sign_in(clinic.clinician).context.browser
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False, storage_state=state)
    page = context.new_page()
    page.goto(reverse("intake:screening", args=[record.pk]))
    page.locator("#question-porphyria input[type=radio][value=yes]").check(force=True)
    page.locator("#group-organs").get_by_role("button", name="The rest: no").click()
    page.wait_for_load_state()
    expect(page.locator("#findings")).to_contain_text("Porphyria? Yes")
    assert answers(record)["glaucoma"] == "no"
    context.close()
