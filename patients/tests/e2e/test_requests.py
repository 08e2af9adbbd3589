"""Asking for a consultation and the desk's answer in a real browser: by keyboard, on a phone, without scripts; and axe."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from django.utils import timezone

from clinic.tests.factories import Clinic, make_clinic, make_location
from clinic.tests.fixtures.browser import Axe, Expect, SignIn, settled
from patients.forms import requests as forms
from patients.models import ConsultationRequest, ContactOutcome, DangerAlert, RequestStatus
from patients.services import requests as services
from patients.tests.factories import make_patient, make_request

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
PHONE = {"width": 390, "height": 844}


@pytest.fixture(autouse=True)
def _browsers_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Playwright fills a page in faster than any person."""
    monkeypatch.setattr(forms, "FILLED_IN_AT_LEAST_S", -1)


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic(phone="+12125550100", address="12 Mercer Street, New York")


def fill(page: Page, danger: str) -> None:
    page.get_by_label("Given name").fill("Iris")
    page.get_by_label("Family name").fill("Calloway")
    page.get_by_label("Telephone").fill("(212) 555-0177")
    page.get_by_text("Call me").click()
    page.get_by_text("Anxiety").click()
    page.get_by_label("In your own words").fill("Nothing has helped so far.\nI hope this does.")
    page.get_by_label(danger, exact=True).check()


def overflow(page: Page) -> int:
    wide: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wide


# --- the public page --------------------------------------------------------------------------------------------------


def test_a_person_asks_on_a_phone_and_yes_shows_the_crisis_lines_beside_the_answer(
    clinic: Clinic, page: Page, axe: Axe, expect: Expect
) -> None:
    page.set_viewport_size(PHONE)
    page.goto(reverse("public:request_choose"))  # one location: its page at once
    lines = page.locator("#crisis-now")
    expect(lines).to_be_hidden()
    fill(page, "Yes")
    expect(lines).to_be_visible()
    expect(lines.get_by_role("link", name="988")).to_have_attribute("href", "tel:988")
    expect(page.locator("#crisis-said")).to_contain_text("988")  # and is read out
    assert axe(page) == []
    assert overflow(page) <= 0
    page.get_by_label("No", exact=True).check()
    expect(lines).to_be_hidden()
    expect(page.locator("#crisis-said")).to_be_empty()
    page.get_by_label("Yes", exact=True).check()
    page.get_by_role("button", name="Send my request").click()
    expect(page.get_by_role("heading", name="Your request was sent")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("988")
    assert axe(page) == []
    assert ConsultationRequest.objects.get().is_urgent
    assert DangerAlert.objects.count() == 1


def test_what_is_missing_is_listed_first_and_leads_to_its_field(
    clinic: Clinic, page: Page, axe: Axe, expect: Expect
) -> None:
    page.set_viewport_size(PHONE)
    page.goto(reverse("public:request", args=[clinic.location.pk]))
    page.get_by_role("button", name="Send my request").click()
    refused = page.locator("#refused")
    expect(refused).to_be_focused()
    refused.get_by_role("link", name="Write your given name.").click()
    expect(page.get_by_label("Given name")).to_be_focused()
    assert axe(page) == []
    fill(page, "No")
    page.get_by_label("Given name").fill("<img src=x onerror=alert(1)>")
    page.get_by_role("button", name="Send my request").click()
    expect(page.get_by_role("heading", name="What happens next")).to_be_visible()
    assert ConsultationRequest.objects.get().given_name == "<img src=x onerror=alert(1)>"


def test_without_scripts_a_person_asks_and_sees_the_crisis_lines(
    clinic: Clinic, browser: Browser, live_server: LiveServer, expect: Expect
) -> None:
    context = browser.new_context(base_url=live_server.url, viewport=PHONE, java_script_enabled=False)
    page = context.new_page()
    page.goto(reverse("public:request", args=[clinic.location.pk]))
    fill(page, "Yes")
    expect(page.locator("#crisis-now")).to_be_visible()
    page.get_by_role("button", name="Send my request").click()
    expect(page.get_by_role("heading", name="Your request was sent")).to_be_visible()
    expect(page.get_by_role("link", name="988").first).to_be_visible()
    context.close()
    assert ConsultationRequest.objects.get().is_urgent


def test_every_public_page_has_nothing_for_axe_in_light_and_dark(
    clinic: Clinic, browser: Browser, live_server: LiveServer, axe: Axe
) -> None:
    other = make_location("Lakeside", address="400 Shore Drive, Chicago")
    from patients.models import IntakeSettings  # noqa: PLC0415 (only here)

    shut = make_location("Harbour")
    IntakeSettings.objects.create(location=shut, takes_requests=False)
    paths = [
        reverse("public:request_choose"),
        reverse("public:request", args=[other.pk]),
        reverse("public:request", args=[shut.pk]),
        reverse("public:request_sent", args=[clinic.location.pk]),
        reverse("public:request_sent_danger", args=[clinic.location.pk]),
    ]
    for scheme in ("light", "dark"):
        context = browser.new_context(base_url=live_server.url, viewport=PHONE, color_scheme=scheme)
        page = context.new_page()
        for path in paths:
            page.goto(path)
            assert axe(page) == [], (scheme, path)
            assert overflow(page) <= 0, path
        context.close()


# --- the desk ---------------------------------------------------------------------------------------------------------


def test_the_desk_answers_a_request_by_keyboard(clinic: Clinic, sign_in: SignIn, axe: Axe, expect: Expect) -> None:
    known = make_patient("Iris", "Calloway", phones=["+12125550177"])
    now = timezone.now()
    row = make_request(clinic.location, message="Nothing has helped.", received_at=now, status_since=now)
    make_request(clinic.location, "Bo", "Ek", status=RequestStatus.CONTACTED, phone="+12125550188", status_since=now)
    page = sign_in(clinic.desk)
    page.goto(reverse("intake:board"))
    assert axe(page) == []
    page.locator(f"#card-{row.pk}").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("link", name="Ek, Bo")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    sheet = page.locator("dialog#sheet[open]")
    expect(sheet.get_by_role("link", name="(212) 555-0177")).to_have_attribute("href", "tel:+12125550177")
    expect(sheet.get_by_label("Note")).to_be_focused()
    assert axe(page) == []
    page.keyboard.type("Wants mornings")
    page.keyboard.press("Enter")  # a note is no outcome
    settled(page)
    assert not row.contacts.exists()
    sheet.get_by_role("button", name="Voicemail").press("Enter")
    expect(sheet.get_by_text("Wants mornings")).to_be_visible()
    settled(page)
    expect(page.locator("[aria-labelledby=column-contacted] [data-card]")).to_have_count(2)  # the board behind follows
    sheet.get_by_role("button", name="This is them").press("Enter")
    expect(sheet.get_by_role("button", name="Somebody else after all")).to_be_visible()
    row.refresh_from_db()
    assert (row.patient, row.status, row.owner) == (known, RequestStatus.CONTACTED, clinic.desk)
    assert row.contacts.get().outcome == ContactOutcome.VOICEMAIL


def test_spam_goes_with_one_click_and_comes_back_with_one(clinic: Clinic, sign_in: SignIn, expect: Expect) -> None:
    row = make_request(clinic.location, "Cheap", "Pills")
    page = sign_in(clinic.desk)
    page.goto(reverse("intake:board"))
    page.get_by_role("button", name="Spam").click()
    expect(page.locator(f"#card-{row.pk}")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(f"#card-{row.pk}")).to_be_visible()
    expect(page.locator("dialog#sheet[open]")).to_have_count(0)
    row.refresh_from_db()
    assert row.status == RequestStatus.NEW
    page.get_by_role("button", name="Spam").click()
    expect(page.locator(f"#card-{row.pk}")).to_have_count(0)
    services.reopen(request_id=row.pk, expected_version=4, by=clinic.clinician, now=timezone.now())
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("dialog#sheet[open]").get_by_role("alert")).to_contain_text("Somebody else changed")


def test_who_is_slower_sees_in_the_sheet_what_happened(clinic: Clinic, sign_in: SignIn, expect: Expect) -> None:
    row = make_request(clinic.location)
    page = sign_in(clinic.desk)
    page.goto(reverse("intake:board"))
    services.assign(
        request_id=row.pk, owner=clinic.clinician, expected_version=1, by=clinic.clinician, now=timezone.now()
    )
    page.get_by_role("button", name="Spam").click()
    sheet = page.locator("dialog#sheet[open]")
    expect(sheet.get_by_role("alert")).to_contain_text("Somebody else changed this request")
    row.refresh_from_db()
    assert row.status == RequestStatus.NEW


def test_a_caller_is_on_the_board_in_under_a_minute_without_the_mouse(
    clinic: Clinic, sign_in: SignIn, axe: Axe, expect: Expect
) -> None:
    known = make_patient("Walt", "Grimes", phones=["+12125550135"])
    page = sign_in(clinic.desk)
    page.goto(reverse("intake:board"))
    page.get_by_role("link", name="Take a request").press("Enter")
    sheet = page.locator("dialog#sheet[open]")
    expect(sheet.get_by_label("Given name")).to_be_focused()
    for words in ("Walt", "Grimes", "212 555 0135"):
        page.keyboard.type(words)
        page.keyboard.press("Tab")
    expect(sheet.get_by_text(f"MRN {known.mrn}")).to_be_visible()  # while typing
    assert axe(page) == []
    page.keyboard.press("Enter")
    expect(sheet.get_by_role("heading", name="Walt Grimes")).to_be_visible()
    expect(sheet.get_by_role("button", name="This is them")).to_be_visible()
    expect(page.locator("[aria-labelledby=column-contacted] [data-card]")).to_have_count(1)


def test_the_board_fits_a_phone_and_says_what_changed_by_itself(
    clinic: Clinic, sign_in: SignIn, axe: Axe, expect: Expect
) -> None:
    make_request(clinic.location, "A" * 80, "B" * 80)
    page = sign_in(clinic.desk)
    page.set_viewport_size(PHONE)
    page.goto(reverse("intake:board"))
    assert overflow(page) <= 0
    assert axe(page) == []
    assert page.locator(".rail").bounding_box()["width"] <= PHONE["width"]
    now = timezone.now()
    make_request(clinic.location, is_urgent=True, received_at=now, status_since=now)
    page.evaluate("htmx.trigger(document.body, 'requests-changed')")
    expect(page.locator("#board-news")).to_have_text(re.compile("2 new, 1 urgent"))


def test_without_scripts_the_desk_works_page_by_page(
    clinic: Clinic, browser: Browser, live_server: LiveServer, sign_in: SignIn, expect: Expect
) -> None:
    row = make_request(clinic.location)
    cookies = sign_in(clinic.desk).context.cookies()
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    context.add_cookies(cookies)
    page = context.new_page()
    page.goto(reverse("intake:board"))
    page.get_by_role("link", name="Calloway, Iris").click()
    page.get_by_label("Note").fill("Rang twice")
    page.get_by_role("button", name="No answer").click()
    expect(page.get_by_text("Rang twice")).to_be_visible()
    page.get_by_role("button", name="Spam").click()
    page.get_by_role("button", name="Undo: open again").click()
    expect(page.get_by_text("Closed: Spam")).to_have_count(0)
    context.close()
    row.refresh_from_db()
    assert row.status == RequestStatus.NEW


def test_the_list_of_closed_requests_has_nothing_for_axe(clinic: Clinic, sign_in: SignIn, axe: Axe) -> None:
    row = make_request(clinic.location)
    services.close_request(
        request_id=row.pk,
        reason="declined",
        note="Nearer to home",
        expected_version=1,
        by=clinic.desk,
        now=timezone.now(),
    )
    page = sign_in(clinic.desk)
    for path in (reverse("intake:closed"), reverse("intake:request", args=[row.pk]), reverse("intake:add")):
        for size in (PHONE, {"width": 1440, "height": 900}):
            page.set_viewport_size(size)
            page.goto(path)
            assert axe(page) == [], path
            assert overflow(page) <= 0, path
