"""A member of staff signs in with a browser, as any person would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clinic.pure.roles import Role
from clinic.tests.factories import make_user
from clinic.tests.fixtures.browser import Axe, Expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.e2e

PASSWORD = "four quiet chairs"


def fill_in(page: Page, *, password: str) -> None:
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill("desk")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def add_desk() -> None:
    desk = make_user(Role.FRONT_DESK, username="desk")
    desk.set_password(PASSWORD)
    desk.save()


def test_the_right_password_opens_the_product(page: Page, expect: Expect) -> None:
    add_desk()
    fill_in(page, password=PASSWORD)
    expect(page).not_to_have_url("/accounts/login/")
    assert page.evaluate("document.cookie").count("cadence_session") == 0, "scripts must not see the session"


def test_a_wrong_password_is_refused_and_the_page_says_so(page: Page, expect: Expect) -> None:
    add_desk()
    fill_in(page, password="five quiet chairs")
    expect(page.locator("form .invalid-feedback, form .alert")).to_contain_text("do not belong together")
    expect(page.locator("input[name=login]")).to_have_value("desk")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_sign_in_page_is_accessible(page: Page, axe: Axe, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # a literal in the list above
    page.goto("/accounts/login/")
    assert axe(page) == []


def test_the_style_sheets_and_scripts_of_the_packages_arrive(page: Page) -> None:
    answers: list[tuple[str, int]] = []
    page.on("response", lambda answer: answers.append((answer.url.rpartition("/static/")[2], answer.status)))
    page.goto("/accounts/login/")
    assert ("vendor/tabler/css/tabler.min.css", 200) in answers
    assert ("vendor/htmx/htmx.min.js", 200) in answers
    assert {status for _, status in answers} == {200}
