"""The door in a real browser: sign-in, a second factor of each kind, and the warning before a quiet session ends."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time

from clinic.models import User
from clinic.pure.roles import Role
from clinic.tests.factories import make_location, make_user
from clinic.tests.fixtures.browser import Axe

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
PASSWORD = "correct-horse-battery"


@pytest.fixture
def nurse(transactional_db) -> User:
    make_location()
    person = make_user(Role.NURSE, email="ines@example.org")
    person.set_password(PASSWORD)
    person.save()
    return person


def code(secret: str) -> str:
    """What an authenticator app shows now for this secret (RFC 6238)."""
    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


def sign_in(page, *, wait: str = "**/*") -> None:
    page.goto("/accounts/login/")
    page.get_by_label("User name or e-mail").fill("nurse")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(wait)


def confirm_password(page) -> None:
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()


def test_the_door_is_clean_for_axe_and_leads_in(page, nurse, axe: Axe) -> None:
    for path in ("/accounts/login/", "/accounts/password/reset/", "/accounts/login/?idle=1"):
        page.goto(path)
        assert axe(page) == [], path
    page.get_by_label("User name or e-mail").fill("nurse")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    page.get_by_text("do not belong together").wait_for()
    assert axe(page) == []
    sign_in(page, wait="**/")
    assert page.locator(".rail").is_visible()


def test_an_authenticator_app_is_set_up_and_then_asked_for(page, nurse, axe: Axe) -> None:
    sign_in(page)
    page.goto("/accounts/2fa/totp/activate/")
    assert axe(page) == []
    confirm_password(page)
    page.wait_for_url("**/totp/activate/")
    assert axe(page) == []
    secret = page.locator("#authenticator_secret").input_value()
    page.locator("input[name=code]").fill(code(secret))
    page.get_by_role("button", name="Set up").click()
    page.wait_for_url("**/recovery-codes/**")
    assert axe(page) == []
    spare = page.locator("#recovery_codes").input_value().split()[0]
    page.context.clear_cookies()
    sign_in(page, wait="**/2fa/authenticate/")
    assert axe(page) == []
    page.locator("input[name=code]").fill(code("A" * 32))
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("Incorrect code.").wait_for()
    page.locator("input[name=code]").fill(spare)  # the app's own code was used a moment ago and counts once
    page.get_by_role("button", name="Sign in").click()
    page.locator(".rail").wait_for()


def test_a_security_key_is_added_and_opens_the_door(page, nurse, axe: Axe) -> None:
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    key = {"protocol": "ctap2", "transport": "usb", "hasResidentKey": True, "hasUserVerification": True}
    key |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": key})
    sign_in(page)
    page.goto("/accounts/2fa/webauthn/add/")
    confirm_password(page)
    page.wait_for_url("**/webauthn/add/")
    assert axe(page) == []
    page.locator("input[name=name]").fill("Blue key")
    page.locator("#mfa_webauthn_add").click()
    page.wait_for_url("**/recovery-codes/**")
    assert Authenticator.objects.filter(user=nurse, type="webauthn").count() == 1
    page.context.clear_cookies()
    sign_in(page, wait="**/2fa/authenticate/")
    page.get_by_role("button", name="Use a security key").click()
    page.locator(".rail").wait_for()


def test_a_quiet_session_is_warned_and_can_be_kept_or_ends_at_the_door(page, nurse, settings) -> None:
    settings.CADENCE_IDLE_MINUTES = 0.1  # six seconds, with the warning after four
    sign_in(page)
    page.goto("/setup/me/")
    dialog = page.get_by_role("dialog", name="Still there?")
    dialog.wait_for(timeout=8_000)
    assert "signed out in" in dialog.inner_text()
    page.get_by_role("button", name="Stay signed in").click()
    dialog.wait_for(state="hidden")
    page.wait_for_url("**/accounts/login/?idle=1&next=%2Fsetup%2Fme%2F", timeout=12_000)
    page.get_by_text("nothing happened for a while").wait_for()
    page.goto("/setup/me/")
    page.wait_for_url("**/accounts/login/**")
