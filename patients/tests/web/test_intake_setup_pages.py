"""Set-up of intake: who may, two managers at once, prices that add up, consent texts from draft to published."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.ledger import Queries
from patients.forms.intake_setup import IntakeSettingsForm
from patients.models import ConsentText, IntakeSettings, PriceItem
from patients.pure.consent_text import SUGGESTED_BODY
from patients.pure.intake_limits import LIMITS
from patients.services.consents import seen
from patients.services.intake_settings import intake_settings_of
from patients.services.intake_setup import SETTINGS, PriceData, add_price, move_price, seen_price, seen_settings
from patients.tests.factories import make_consent_text

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def _seventh_of_january() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def manager(clinic: Clinic) -> Client:
    return signed_in(clinic, Role.MANAGER)


def signed_in(clinic: Clinic, role: Role) -> Client:
    client = Client()
    client.force_login(clinic.users[role])
    return client


def url(name: str, *args: Any) -> str:
    return reverse(f"intake:{name}", args=args)


def values(clinic: Clinic, **changes: Any) -> dict[str, Any]:
    """What the settings form sends when nothing is changed."""
    current = intake_settings_of(clinic.location)
    sent = {name: getattr(current, name) for name in SETTINGS} | {"expected": seen_settings(current)} | changes
    return {name: value for name, value in sent.items() if value is not False}


# --- who may ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["settings", "prices", "consent_texts"])
def test_clinicians_and_managers_set_up_intake_and_nobody_else(clinic: Clinic, name: str) -> None:
    address = url(name, clinic.location.pk)
    statuses = {role: signed_in(clinic, role).get(address).status_code for role in Role}
    assert statuses == {Role.MANAGER: 200, Role.CLINICIAN: 200, Role.NURSE: 403, Role.FRONT_DESK: 403}
    assert Client().get(address).status_code == 302


def test_set_up_leads_there_for_managers_and_the_menu_for_clinicians(clinic: Clinic, manager: Client) -> None:
    assert url("settings", clinic.location.pk) in manager.get(reverse("setup:index")).content.decode()
    assert url("setup") in signed_in(clinic, Role.CLINICIAN).get(reverse("patients:list")).content.decode()
    assert manager.get(url("setup")).url == url("settings", clinic.location.pk)  # type: ignore[attr-defined]


# --- wording and limits -----------------------------------------------------------------------------------------------
def test_what_is_shipped_is_said_as_it_is_and_marked_as_a_clinic_setting(clinic: Clinic, manager: Client) -> None:
    for name, limit in LIMITS.items():
        assert IntakeSettings._meta.get_field(name).default == limit.default, name
    page = manager.get(url("settings", clinic.location.pk)).content.decode()
    assert page.count('class="setting-mark"') == sum(limit.is_setting for limit in LIMITS.values())
    assert "Shipped: 14 days." in page
    assert set(SETTINGS) == set(IntakeSettingsForm.base_fields) - {"expected"}


def test_settings_are_saved_and_looking_saves_nothing(clinic: Clinic, manager: Client) -> None:
    address = url("settings", clinic.location.pk)
    manager.get(address)
    assert not IntakeSettings.objects.exists()
    assert manager.post(address, values(clinic, consent_valid_days=180, pressure_profile="label")).status_code == 302
    saved = IntakeSettings.objects.get()
    assert (saved.consent_valid_days, saved.pressure_profile) == (180, "label")


def test_a_preview_shows_the_words_and_saves_nothing(clinic: Clinic, manager: Client) -> None:
    sent = values(clinic, welcome=f"Hello {MARKUP}", preview="1")
    answer = manager.post(url("settings", clinic.location.pk), sent)
    assert "Preview, not saved" in answer.content.decode()
    assert "Hello &lt;img" in answer.content.decode()
    assert MARKUP not in answer.content.decode()
    assert not IntakeSettings.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"consultation_min": 4},
        {"consent_valid_days": 0},
        {"link_valid_days": 91},
        {"escalate_after_min": "soon"},
        {"pencil_hours": -1},
        {"pressure_profile": "none"},
        {"currency": "SEK"},
        {"crisis_text": "  "},
        {"welcome": "x" * 4001},
    ],
)
def test_what_cannot_be_is_refused(clinic: Clinic, manager: Client, changes: dict[str, Any]) -> None:
    answer = manager.post(url("settings", clinic.location.pk), values(clinic, **changes))
    assert answer.status_code == 422
    assert "Not saved yet." in answer.content.decode()
    assert not IntakeSettings.objects.exists()


def test_the_second_manager_sees_what_the_first_saved_and_overwrites_knowingly(clinic: Clinic, manager: Client) -> None:
    address, opened = url("settings", clinic.location.pk), values(clinic, decision_valid_days=60)
    manager.post(address, values(clinic, decision_valid_days=30))
    answer = manager.post(address, opened)
    assert answer.status_code == 409
    assert "saved <strong>30</strong>, yours <strong>60</strong>" in answer.content.decode()
    assert IntakeSettings.objects.get().decision_valid_days == 30
    assert manager.post(address, values(clinic, decision_valid_days=60)).status_code == 302
    assert IntakeSettings.objects.get().decision_valid_days == 60


# --- prices -----------------------------------------------------------------------------------------------------------
def price(clinic: Clinic, label: str = "Infusion", amount: str = "550.00") -> PriceItem:
    data = PriceData("infusion", label, Decimal(amount))
    return add_price(location=clinic.location, data=data, by=clinic.manager, now=NOW)


def test_a_price_is_added_with_its_cents(clinic: Clinic, manager: Client) -> None:
    address = url("prices", clinic.location.pk)
    assert "No prices yet" in manager.get(address).content.decode()
    manager.post(address, {"kind": "infusion", "label": MARKUP, "amount": "549.95"})
    assert PriceItem.objects.get().amount == Decimal("549.95")
    assert MARKUP not in manager.get(address).content.decode()


@pytest.mark.parametrize("amount", ["-1", "1.005", "NaN", "1e12", "", "a lot"])
def test_an_amount_that_is_none_is_refused(clinic: Clinic, manager: Client, amount: str) -> None:
    sent = {"kind": "infusion", "label": "Infusion", "amount": amount}
    assert manager.post(url("prices", clinic.location.pk), sent).status_code == 422
    assert not PriceItem.objects.exists()


def test_prices_are_ordered_retired_and_brought_back(clinic: Clinic, manager: Client) -> None:
    first, second = price(clinic, "First"), price(clinic, "Second")
    manager.post(url("price_move", second.pk, "up"))
    assert list(PriceItem.objects.values_list("label", flat=True)) == ["Second", "First"]
    move_price(price_id=second.pk, up=True, by=clinic.manager, now=NOW)  # it is first already
    assert list(PriceItem.objects.values_list("label", flat=True)) == ["Second", "First"]
    manager.post(url("price_retire", first.pk))
    assert "1 retired" in manager.get(url("prices", clinic.location.pk)).content.decode()
    manager.post(url("price_retire", first.pk), {"is_active": "1"})
    first.refresh_from_db()
    assert first.is_active
    assert manager.post(url("price_move", first.pk, "sideways")).status_code == 404


def test_two_who_change_a_price_do_not_overwrite_each_other(clinic: Clinic, manager: Client) -> None:
    row = price(clinic)
    opened = {"kind": "infusion", "label": "Infusion", "expected": seen_price(row)}
    assert manager.post(url("price_edit", row.pk), opened | {"amount": "600"}).status_code == 302
    answer = manager.post(url("price_edit", row.pk), opened | {"amount": "700"})
    assert answer.status_code == 409
    assert "It says now: Infusion, 600.00" in answer.content.decode()
    row.refresh_from_db()
    assert row.amount == Decimal(600)


# --- consent texts ----------------------------------------------------------------------------------------------------
def test_from_the_suggested_text_to_the_next_version(clinic: Clinic, manager: Client) -> None:
    listing = url("consent_texts", clinic.location.pk)
    assert "Start from the suggested text" in manager.get(listing).content.decode()
    manager.post(url("consent_text_start", clinic.location.pk))
    draft = ConsentText.objects.get()
    assert draft.body == SUGGESTED_BODY
    assert manager.post(url("consent_text_publish", draft.pk), {"expected": seen(draft)}).url == listing  # type: ignore[attr-defined]
    assert "In use" in manager.get(listing).content.decode()
    manager.post(url("consent_text_start", clinic.location.pk))
    second = ConsentText.objects.get(version=2)
    body = SUGGESTED_BODY.replace("24 hours", "48 hours").replace("\n", "\r\n")
    sent = {"title": second.title, "body": body, "expected": seen(second)}
    assert manager.post(url("consent_text", second.pk), sent).status_code == 302
    page = manager.get(url("consent_text", second.pk)).content.decode()
    assert "removed: </span>24</del>" in page
    assert "added: </span>48</ins>" in page
    assert "\r" not in ConsentText.objects.get(version=2).body


def test_a_text_without_off_label_is_warned_about_and_not_published(clinic: Clinic, manager: Client) -> None:
    draft = make_consent_text(clinic.location, is_published=False, body=f"Ketamine is approved. {MARKUP}")
    page = manager.get(url("consent_text", draft.pk)).content.decode()
    assert "needed to publish" in page
    assert MARKUP not in page
    answer = manager.post(url("consent_text_publish", draft.pk), {"expected": seen(draft)})
    assert answer.status_code == 422
    assert "The text must say that the use is off-label" in answer.content.decode()


def test_the_second_writer_sees_what_the_first_saved(clinic: Clinic, manager: Client) -> None:
    draft = make_consent_text(clinic.location, is_published=False)
    opened = seen(draft)
    manager.post(url("consent_text", draft.pk), {"title": "One", "body": "off-label one", "expected": opened})
    answer = manager.post(url("consent_text", draft.pk), {"title": "Two", "body": "off-label two", "expected": opened})
    assert answer.status_code == 409
    assert "Somebody else saved this draft" in answer.content.decode()
    assert "off-label two" in answer.content.decode()
    assert ConsentText.objects.get().title == "One"
    manager.post(url("consent_text_publish", draft.pk), {"expected": opened})
    assert ConsentText.objects.get().published_at is None


def test_a_published_text_is_read_and_not_changed(clinic: Clinic, manager: Client) -> None:
    text = make_consent_text(clinic.location)
    page = manager.get(url("consent_text", text.pk)).content.decode()
    assert "It does not change any more." in page
    assert "<textarea" not in page
    manager.post(url("consent_text", text.pk), {"title": "x", "body": "off-label", "expected": seen(text)})
    manager.post(url("consent_text_discard", text.pk), {"expected": seen(text)})
    text.refresh_from_db()
    assert text.title == "Consent to ketamine infusions"


@pytest.mark.parametrize("count", [2, 20])
def test_the_number_of_queries_does_not_grow(clinic: Clinic, manager: Client, queries: Queries, count: int) -> None:
    for number in range(1, count + 1):
        price(clinic, f"Line {number}")
        make_consent_text(clinic.location, version=number)
    for name in ("settings", "prices", "consent_texts"):
        with queries(f"intake set-up {name}"):
            answer = manager.get(url(name, clinic.location.pk))
        assert answer.status_code == 200
