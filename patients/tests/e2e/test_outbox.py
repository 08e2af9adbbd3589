"""The desk and its outbox in a real browser: one message is held back by keyboard, one patient called; axe."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.browser import Axe, Expect, SignIn, settled
from patients.models import Channel, Message, MessageState
from patients.tests.factories import make_patient, make_phone
from patients.tests.messages_kit import NUMBER, make_message, make_reachable

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def ahead(clinic: Clinic, given_name: str, number: str) -> Message:
    """A message that is due in an hour."""
    due = timezone.now() + timedelta(hours=1)
    patient = make_reachable(given_name, number)
    return make_message(patient, clinic.location, due_at=due, useful_until=due + timedelta(hours=12))


def test_the_desk_opens_the_outbox_and_holds_one_back(
    clinic: Clinic, sign_in: SignIn, axe: Axe, expect: Expect
) -> None:
    row = ahead(clinic, "Ada", NUMBER)
    ahead(clinic, "Bea", "+12125550124")
    page = sign_in(clinic.desk)
    page.goto("/")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Messages").click()
    settled(page)
    assert axe(page) == []
    page.get_by_role("row", name="Ada Okafor").get_by_role("link", name="Open").click()
    reason = page.get_by_label("Hold it back, because")
    expect(reason).to_be_visible()
    assert axe(page) == []
    reason.fill("Told in person")
    reason.press("Enter")
    expect(page.locator("#sheet-body")).to_contain_text("Held back: Told in person")
    expect(page.locator("#outbox-rows tbody tr")).to_have_count(1)
    row.refresh_from_db()
    assert row.state == MessageState.SKIPPED


def test_the_desk_calls_one_and_says_how_it_went(clinic: Clinic, sign_in: SignIn, axe: Axe, expect: Expect) -> None:
    patient = make_patient("Grace", "Hopper")
    make_phone(patient, NUMBER)
    soon = timezone.now() + timedelta(hours=12)
    row = make_message(
        patient,
        clinic.location,
        state=MessageState.TO_CALL,
        channel=Channel.PHONE,
        text="Please come at 10.",
        due_at=timezone.now(),
        useful_until=soon,
    )
    page = sign_in(clinic.desk)
    page.goto(reverse("outbox:list"))
    page.get_by_role("link", name="Call list").click()
    expect(page.get_by_role("link", name="(212) 555-0123")).to_have_attribute("href", f"tel:{NUMBER}")
    settled(page)
    assert axe(page) == []
    page.get_by_role("button", name="Reached Grace Hopper").press("Enter")
    expect(page.get_by_role("heading", name="Called today")).to_be_visible()
    expect(page.get_by_text("Nobody is to be called")).to_be_visible()
    row.refresh_from_db()
    assert (row.state, row.steps.get().by) == (MessageState.CALLED, clinic.desk)


def test_a_message_is_written_and_its_preview_follows_what_is_typed(
    clinic: Clinic, sign_in: SignIn, axe: Axe, expect: Expect
) -> None:
    patient = make_reachable(home_location=clinic.location)
    page = sign_in(clinic.desk)
    page.goto(reverse("patients:write_message", args=[patient.pk]))
    page.get_by_label("Words").press_sequentially("Please call us.")
    expect(page.locator("#write-preview")).to_contain_text("Downtown: Please call us. Reply STOP to opt out.")
    settled(page)
    assert axe(page) == []
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Messages", exact=True)).to_be_visible()
    assert Message.objects.get().text == "{clinic}: Please call us. Reply STOP to opt out."
