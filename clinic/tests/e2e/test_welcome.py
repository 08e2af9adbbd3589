"""The first steps of a new clinic in a real browser: from an empty database, with the keyboard's forms, accessible."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clinic.models import Location, User
from clinic.pure.roles import Role
from clinic.tests.factories import make_user
from clinic.tests.fixtures.browser import Axe, Expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.e2e

PASSWORD = "four quiet chairs"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_manager_is_led_through_the_steps(page: Page, axe: Axe, expect: Expect, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    manager = make_user(Role.MANAGER, username="first")
    manager.set_password(PASSWORD)
    manager.save()
    page.goto("/")
    page.locator("input[name=login]").fill("first")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="First steps")).to_be_visible()
    assert axe(page) == []
    page.get_by_role("link", name="Begin: Location").click()
    page.get_by_label("Name", exact=False).first.fill("Harbor Clinic")
    page.get_by_label("Short name").fill("Harbor")
    assert axe(page) == []
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Next step").click()
    expect(page.get_by_role("heading", name="Opening hours")).to_be_visible()
    page.goto("/protocols/shipped/")
    assert axe(page) == []
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Make drafts of these").click()
    page.goto("/setup/welcome/")
    expect(page.get_by_text("2 of 8 done")).to_be_visible()
    expect(page.get_by_text("Waits for a clinician", exact=True)).to_be_visible()
    assert axe(page) == []
    assert (Location.objects.count(), User.objects.count()) == (1, 1)
