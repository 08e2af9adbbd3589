"""Consent in a real browser: signed with the mouse, by keyboard alone, without scripts, on a handed-over device; axe."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from django.utils import timezone

from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.browser import Axe, Expect, SignIn, settled
from patients.models import Consent, ConsentText, ContactConsent, Patient
from patients.pure.signatures import is_drawn
from patients.services.consents import install_consent_text, start_draft
from patients.services.intake_setup import PriceData, add_price
from patients.tests.factories import make_consent, make_patient

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def text(clinic: Clinic) -> ConsentText:
    text = install_consent_text(location=clinic.location, by=clinic.clinician, now=timezone.now())
    assert text is not None
    return text


@pytest.fixture
def ada() -> Patient:
    return make_patient(phones=["+12125550123"])


def test_signed_with_the_mouse_on_a_handed_over_device(
    clinic: Clinic, text: ConsentText, ada: Patient, sign_in: SignIn, expect: Expect
) -> None:
    page = sign_in(clinic.desk)
    page.goto(reverse("consents:patient", args=[ada.pk]))
    page.get_by_role("button", name="Hand over to sign").click()
    page.get_by_role("heading", name=text.title).wait_for()
    page.get_by_label("Your full name").fill("Ada Okafor")
    pad = page.locator("canvas")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 40, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 30, steps=8)
    page.mouse.move(box["x"] + 380, box["y"] + 120, steps=8)
    page.mouse.up()
    expect(page.locator("[data-pad-state]")).to_have_text("Signed in the box")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#id_strokes")).to_have_value("")
    page.mouse.move(box["x"] + 40, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 60, steps=8)
    page.mouse.up()
    page.get_by_role("button", name="I agree and sign").click()
    page.get_by_role("heading", name="Thank you").wait_for()
    assert is_drawn(Consent.objects.get().signature)
    page.goto(reverse("patients:list"))
    page.get_by_role("heading", name="This device is with a patient").wait_for()


def test_signed_by_keyboard_alone(
    clinic: Clinic, text: ConsentText, ada: Patient, sign_in: SignIn, expect: Expect
) -> None:
    assert text
    page = sign_in(clinic.nurse)
    page.goto(reverse("consents:sign", args=[ada.pk]))
    page.get_by_label("Your full name").focus()
    page.keyboard.type("Ada Okafor")
    page.keyboard.press("Enter")  # nothing drawn, nothing ticked
    page.get_by_text("Sign in the box, or tick that the typed name is the signature.").wait_for()
    expect(page.get_by_label("Your full name")).to_have_value("Ada Okafor")
    page.get_by_label("I do not draw").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="I agree and sign").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Back to the record").click()
    page.get_by_text("Complete", exact=True).wait_for()


def test_without_scripts_the_box_is_not_there_and_the_typed_name_signs(
    clinic: Clinic, text: ConsentText, ada: Patient, sign_in: SignIn, live_server: LiveServer
) -> None:
    assert text
    page = sign_in(clinic.desk)
    quiet = page.context.browser.new_context(java_script_enabled=False, storage_state=page.context.storage_state())
    window = quiet.new_page()
    window.goto(f"{live_server.url}{reverse('consents:sign', args=[ada.pk])}")
    assert not window.locator("canvas").is_visible()
    window.get_by_label("Your full name").fill("Ada Okafor")
    window.get_by_label("I do not draw").check()
    window.get_by_role("button", name="I agree and sign").click()
    window.get_by_role("heading", name="Thank you").wait_for()
    quiet.close()
    assert Consent.objects.get().signature == []


def today_at(clinic: Clinic) -> date:
    """The browser's clock is not stopped; what counts is the day at the clinic."""
    return clinic.location.local(timezone.now()).date()


def test_consent_to_texts_and_withdrawing_in_the_side_sheet(
    clinic: Clinic, text: ConsentText, ada: Patient, sign_in: SignIn
) -> None:
    make_consent(ada, text, by=clinic.desk, signed_on=today_at(clinic))
    page = sign_in(clinic.desk)
    page.goto(reverse("consents:contact", args=[ada.pk]))
    page.get_by_role("link", name="Record text message").click()
    sheet = page.locator("#sheet")
    sheet.get_by_label("Yes, the patient agrees").check()
    sheet.get_by_label("How it was said").select_option("On the phone")
    sheet.get_by_role("button", name="Save").click()
    sheet.get_by_text("a yes to texts must be express").wait_for()
    sheet.get_by_label("The patient heard or read these words").check()
    sheet.get_by_role("button", name="Save").click()
    page.get_by_text("Text message: yes. Recorded.").wait_for()
    assert ContactConsent.objects.get().granted
    page.goto(reverse("consents:patient", args=[ada.pk]))
    page.get_by_role("link", name="Withdraw").click()
    page.locator("#sheet").get_by_label("What the patient said").fill("Wants to wait")
    page.locator("#sheet").get_by_role("button", name="Withdraw the consent").click()
    page.get_by_text("Withdrawn", exact=True).wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    clinic: Clinic, text: ConsentText, ada: Patient, sign_in: SignIn, axe: Axe, *, scheme: str
) -> None:
    consent = make_consent(ada, text, by=clinic.desk, signed_on=today_at(clinic))
    page = sign_in(clinic.clinician)
    page.emulate_media(color_scheme=scheme)
    addresses = [
        reverse(f"consents:{name}", args=[ada.pk]) for name in ("patient", "sign", "signed", "upload", "contact")
    ]
    addresses += [reverse("consents:document", args=[consent.pk]), reverse("consents:withdraw", args=[consent.pk])]
    addresses += [reverse("consents:contact_record", args=[ada.pk, "sms"])]
    here = clinic.location.pk
    addresses += [reverse(f"intake:{name}", args=[here]) for name in ("settings", "prices", "consent_texts")]
    draft = start_draft(location=clinic.location, by=clinic.clinician, now=timezone.now())
    price = add_price(
        location=clinic.location,
        data=PriceData("infusion", "Infusion", Decimal(550)),
        by=clinic.manager,
        now=draft.created_at,
    )
    addresses += [reverse("intake:consent_text", args=[row.pk]) for row in (text, draft)]
    addresses += [reverse("intake:price_edit", args=[price.pk])]
    found = {}
    for address in addresses:
        page.goto(address)
        settled(page)
        if problems := axe(page):
            found[address] = problems
    assert found == {}
