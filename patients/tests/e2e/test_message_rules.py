"""Set-up of messages in a real browser: words by keyboard, the count as one types, a real patient, one press; axe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from django.utils import timezone

from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.browser import Axe, Expect, SignIn, settled
from patients.models import MessageRule
from patients.services.messages.rules import ensure_rules
from patients.tests.factories import make_patient

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def rule(clinic: Clinic) -> MessageRule:
    ensure_rules(clinic.location, now=timezone.now())
    return MessageRule.objects.get(location=clinic.location, key="infusion-2-days")


def test_words_are_written_by_keyboard_with_a_placeholder_and_the_count_follows(
    rule: MessageRule, clinic: Clinic, sign_in: SignIn, axe: Axe, expect: Expect
) -> None:
    page = sign_in(clinic.manager)
    page.goto(reverse("rules:rule", args=[rule.pk]))
    settled(page)
    assert axe(page) == []
    sms = page.get_by_label("Text message, English")
    sms.fill("{clinic}: hello ")
    insert = page.get_by_role("group", name="Insert into the English words").get_by_role("button", name="Day and time")
    insert.focus()
    page.keyboard.press("Enter")
    expect(sms).to_have_value("{clinic}: hello {when}")
    expect(sms).to_be_focused()
    expect(page.locator("#preview")).to_contain_text("End with how to stop")
    page.get_by_role("group", name="Insert into the English words").get_by_role("button", name="How to stop").press(
        "Enter"
    )
    expect(sms).to_have_value("{clinic}: hello {when} Reply STOP to opt out.")
    expect(page.locator("#preview")).to_contain_text("Downtown: hello")
    expect(page.locator("#preview")).not_to_contain_text("Cannot be saved so")
    sms.press_sequentially("x" * 120)
    expect(page.locator("#size-en")).to_contain_text("too many")
    expect(page.locator("#size-es")).not_to_contain_text("too many")
    assert axe(page) == []
    sms.fill("{clinic}: hello {when} Reply STOP to opt out.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".page-lead")).to_contain_text("own words")


def test_a_patient_is_found_and_fills_the_preview_of_what_is_typed(
    rule: MessageRule, clinic: Clinic, sign_in: SignIn, axe: Axe, expect: Expect
) -> None:
    make_patient(given_name="Grace", family_name="Hopper")
    page = sign_in(clinic.manager)
    page.goto(reverse("rules:rule", args=[rule.pk]))
    page.locator("#id_en_email_text").fill("{clinic}: dear {first_name}")
    page.get_by_label("With a real patient").press_sequentially("hopp")
    page.get_by_role("link", name="Grace Hopper").press("Enter")
    expect(page.locator("#preview")).to_contain_text("Downtown: dear Grace")
    expect(page.locator("#preview-found li")).to_have_count(0)
    page.get_by_label("Language of the preview").select_option("es")
    expect(page.locator("#preview")).to_contain_text("Hola, Grace:")
    settled(page)
    assert axe(page) == []
    page.get_by_role("link", name="Sample values").press("Enter")
    expect(page.locator("#preview")).to_contain_text("Hola, Ada:")


def test_one_press_of_the_space_bar_switches_a_rule_off(
    rule: MessageRule, clinic: Clinic, sign_in: SignIn, axe: Axe, expect: Expect
) -> None:
    page = sign_in(clinic.manager)
    page.goto(reverse("rules:list", args=[clinic.location.pk]))
    settled(page)
    assert axe(page) == []
    switch = page.get_by_role("switch", name="Infusion: 2 days before")
    expect(switch).to_have_attribute("aria-checked", "true")
    switch.press("Space")
    expect(switch).to_have_attribute("aria-checked", "false")
    expect(switch).to_be_focused()
    rule.refresh_from_db()
    assert not rule.is_on


def test_without_scripts_words_are_previewed_saved_and_switched(
    rule: MessageRule, clinic: Clinic, sign_in: SignIn, browser: Browser, live_server: LiveServer
) -> None:
    make_patient(given_name="Grace", family_name="Hopper")
    cookies = sign_in(clinic.manager).context.cookies()
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    context.add_cookies(cookies)
    page = context.new_page()
    page.goto(reverse("rules:rule", args=[rule.pk]))
    page.get_by_label("With a real patient").fill("hopper")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="Grace Hopper").click()
    assert "Hello Grace," in (page.locator("#preview").text_content() or "")
    page.get_by_label("Text message, English").fill("{clinic}: come {when}. Reply STOP to opt out.")
    page.get_by_role("button", name="Preview without saving").click()
    assert "Downtown: come" in (page.locator("#preview").text_content() or "")
    page.get_by_role("button", name="Save").click()
    page.goto(reverse("rules:list", args=[clinic.location.pk]))
    page.get_by_role("switch", name="Infusion: 2 days before").click()
    context.close()
    rule.refresh_from_db()
    assert (rule.is_on, rule.version) == (False, 2)
