"""How it runs, and what was caught: both pages in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from clinic.adapters.catcher import catch
from clinic.models import TaskFailure
from clinic.pure.roles import Role
from clinic.tests.factories import make_location, make_user
from clinic.tests.fixtures.browser import Axe, Expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.e2e

PASSWORD = "four quiet chairs"


def enter(page: Page) -> None:
    make_location()
    manager = make_user(Role.MANAGER, username="manager")
    manager.set_password(PASSWORD)
    manager.save()
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill("manager")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "login" not in url)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_pages_are_accessible(page: Page, axe: Axe, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    enter(page)
    now = timezone.now()
    TaskFailure.objects.create(task="patients.tasks.imports.run", task_id="t", error="KeyError", at=now)
    catch(channel="sms", to="+12125550123", text="See https://cadence.example.org/v/abc/", now=now)
    catch(channel="email", to="ada@example.org", subject="Your visit", text="Hello", now=now)
    page.goto("/setup/operation/")
    assert axe(page) == []
    page.goto("/setup/caught/")
    assert axe(page) == []


def test_the_page_of_operation_shows_news_by_itself(page: Page, expect: Expect) -> None:
    enter(page)
    page.goto("/setup/operation/")
    expect(page.get_by_text("None in the last 90 days.")).to_be_visible()
    TaskFailure.objects.create(task="a.task.that.failed", task_id="t", error="KeyError", at=timezone.now())
    expect(page.get_by_text("a.task.that.failed")).to_be_visible(timeout=30_000)
