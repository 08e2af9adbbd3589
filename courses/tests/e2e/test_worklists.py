"""The worklists in a real browser: a lost patient is taken, called and kept, by keyboard alone; with axe."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine

from clinic.tests.fixtures.browser import Axe, Expect, SignIn
from courses.models import Task, TaskKind
from courses.services import moves
from courses.services.worklists.engine import sweep
from courses.tests.series_kit import Booked, april, at, book

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
PHONE = {"width": 390, "height": 844}


@pytest.fixture(autouse=True)
def _saturday() -> Iterator[None]:
    with time_machine.travel(at(april(10), "09:00")):
        yield


@pytest.fixture
def lost() -> Booked:
    """1 to 3 given, the rest called off: nothing is booked inside the largest gap (Tue 13 April)."""
    booked = book()
    booked.give(1, 2, 3)
    for number in (4, 5, 6):
        moves.cancel_infusion(booked.infusion(number).pk, reason="Away", by=booked.desk, now=at(april(10)))
    sweep(at(april(10), "08:00"), kinds=[TaskKind.DROPOUT])
    return booked


def test_a_lost_patient_is_taken_called_and_kept_by_keyboard(
    lost: Booked, sign_in: SignIn, axe: Axe, expect: Expect
) -> None:
    task = Task.objects.get(kind=TaskKind.DROPOUT)
    page = sign_in(lost.desk)
    page.goto("/worklists/")
    assert axe(page) == []
    row = page.locator(f'[data-task="{task.pk}"]')
    expect(row).to_contain_text("due in 3 days")
    row.get_by_role("button", name="Take").focus()
    page.keyboard.press("Enter")
    expect(row).to_contain_text("Yours")
    row.get_by_role("link", name="open the task").focus()
    page.keyboard.press("Enter")
    sheet = page.get_by_role("dialog")
    expect(sheet.get_by_role("heading", name="Okafor, Ada")).to_be_visible()
    assert axe(page) == []
    sheet.get_by_label("What was reached").first.focus()
    page.keyboard.type("Called, will come")
    sheet.get_by_role("button", name="Note it, ask again then").focus()
    page.keyboard.press("Enter")
    later = page.get_by_role("region", name="Later")
    expect(later).to_contain_text("Called, will come")
    expect(later).to_contain_text("until Sun 11 Apr")
    row.get_by_role("link", name="Find a time").focus()
    page.set_viewport_size(PHONE)
    assert axe(page) == []
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/infusions/{task.infusion_id}/move/")
    task.refresh_from_db()
    assert (task.owner, task.later_reason, task.closed_at) == (lost.desk, "Called, will come", None)
