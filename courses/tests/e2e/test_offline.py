"""The network drops at the chair: entries wait on the device, are sent in order, are never doubled and never lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from django.urls import reverse

from clinic.tests.fixtures import browser as window
from clinic.tests.fixtures.browser import Axe, Expect, SignIn
from courses.models import FlowsheetRow, InfusionRecord
from courses.tests.day_kit import Day, infusing, ten

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def day(transactional_db: None, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Day]:
    """Nine minutes past ten, the nurse at the chair. Requests that get no answer are noise here, not a mistake."""
    monkeypatch.setattr(
        window, "EXPECTED_NOISE", (*window.EXPECTED_NOISE, "net::ERR_", "status of 503", "status of 403")
    )
    with time_machine.travel(ten(9), tick=True):
        made = infusing()
        sign_in(made.nurse)
        yield made


@pytest.fixture
def tablet(page: Any, day: Day) -> Any:
    page.set_viewport_size({"width": 1024, "height": 768})
    page.goto(reverse("infusion:day", args=[day.pk]))
    return page


def line(page: Any, text: str) -> Any:
    """The line of the table that says this and is saved; a role's name in a selector may hold no slash."""
    return page.locator(".fs-table tr:not(.fs-waiting)").filter(has_text=re.compile(text, re.DOTALL))


def enter(page: Any, digits: str) -> None:
    page.locator("#flowsheet-systolic_mmhg").focus()
    page.keyboard.type(digits)
    page.get_by_role("button", name="Save vital signs").click()


def pressures() -> list[tuple[int | None, int | None]]:
    """Of the rows after the baseline, in the order in which they were received."""
    rows = FlowsheetRow.objects.filter(at__gt=ten()).order_by("pk")
    return [(row.systolic_mmhg, row.diastolic_mmhg) for row in rows]


def waiting(page: Any) -> Any:
    return page.locator("tr.fs-waiting")


def three_rows_offline(page: Any, expect: Expect) -> None:
    page.context.set_offline(True)
    for number, digits in enumerate(("14188", "14289", "14390"), start=1):
        enter(page, digits)
        expect(waiting(page)).to_have_count(number)
        page.wait_for_timeout(1_100)  # three looks are not made in one second
    expect(page.get_by_text("3 waiting for network")).to_be_visible()


def test_three_rows_wait_as_not_yet_saved_and_are_sent_in_order_with_their_own_times(
    tablet: Any, expect: Expect, axe: Axe, day: Day
) -> None:
    three_rows_offline(tablet, expect)
    expect(waiting(tablet).first).to_contain_text(re.compile(r"not yet saved\s*143/90"))
    assert pressures() == []
    assert axe(tablet) == []
    tablet.get_by_role("button", name=re.compile("Light or dark")).click()
    assert axe(tablet) == []
    tablet.context.set_offline(False)
    expect(tablet.get_by_text("All saved")).to_be_visible()
    expect(waiting(tablet)).to_have_count(0)
    expect(line(tablet, r"\+9 10:09.*143/90")).to_be_visible()
    assert pressures() == [(141, 88), (142, 89), (143, 90)]
    times = list(FlowsheetRow.objects.filter(at__gt=ten()).order_by("pk").values_list("at", flat=True))
    assert times == sorted(times)
    assert times[2] - times[0] >= timedelta(seconds=2)  # when they were measured, not when they came in
    received = list(FlowsheetRow.objects.filter(at__gt=ten()).order_by("pk").values_list("received_at", flat=True))
    assert received[0] - times[0] >= timedelta(seconds=2)
    assert day.record.version == InfusionRecord.objects.get().version


def test_the_page_is_closed_while_rows_wait_and_they_are_sent_when_it_is_opened_again(
    tablet: Any, expect: Expect, day: Day
) -> None:
    three_rows_offline(tablet, expect)
    address = tablet.url
    context = tablet.context
    tablet.close()
    assert pressures() == []
    context.set_offline(False)
    again = context.new_page()
    again.goto(address)
    expect(again.get_by_text("All saved")).to_be_visible()
    expect(line(again, "143/90")).to_be_visible()
    assert pressures() == [(141, 88), (142, 89), (143, 90)]


def test_an_answer_that_never_arrives_does_not_double_the_row(tablet: Any, expect: Expect, day: Day) -> None:
    lost: list[int] = []

    def lose_the_first(route: Any) -> None:
        if lost:
            route.continue_()
            return
        lost.append(route.fetch().status)  # the server has it …
        route.abort()  # … and the device never hears of it

    tablet.route("**/vitals/", lose_the_first)
    enter(tablet, "14188")
    expect(tablet.get_by_text("1 waiting for network")).to_be_visible()
    assert (lost, pressures()) == ([200], [(141, 88)])
    expect(tablet.get_by_text("All saved")).to_be_visible()
    assert pressures() == [(141, 88)]


def test_a_server_that_is_down_for_a_moment_loses_nothing(tablet: Any, expect: Expect, day: Day) -> None:
    tries: list[int] = []

    def down_twice(route: Any) -> None:
        tries.append(1)
        if len(tries) < 2:
            route.fulfill(status=503, body="down")
        else:
            route.continue_()

    tablet.route("**/vitals/", down_twice)
    enter(tablet, "14188")
    expect(waiting(tablet)).to_have_count(1)
    expect(tablet.get_by_text("All saved")).to_be_visible()
    assert len(tries) == 2
    assert pressures() == [(141, 88)]


def test_two_windows_of_one_device_send_an_entry_once(tablet: Any, expect: Expect, day: Day) -> None:
    other = tablet.context.new_page()
    other.goto(tablet.url)
    three_rows_offline(tablet, expect)
    sent: list[str] = []
    tablet.context.on(
        "request", lambda one: sent.append(one.url) if one.method == "POST" and "vitals" in one.url else None
    )
    tablet.context.set_offline(False)
    for one in (tablet, other):
        expect(one.get_by_text("All saved")).to_be_visible()
    assert len(sent) == 3
    assert pressures() == [(141, 88), (142, 89), (143, 90)]


def test_what_the_server_refuses_is_set_aside_and_the_rest_goes_on(
    tablet: Any, expect: Expect, axe: Axe, day: Day
) -> None:
    tablet.context.set_offline(True)
    tablet.locator("#flowsheet-clock").fill("09:30")  # before the arrival
    enter(tablet, "14188")
    enter(tablet, "14289")
    tablet.context.set_offline(False)
    expect(tablet.get_by_text("1 entry needs you")).to_be_visible()
    panel = tablet.get_by_role("complementary", name="Not yet saved")
    expect(panel).to_contain_text("This time is before the arrival at 09:50.")
    expect(line(tablet, "142/89")).to_be_visible()
    assert pressures() == [(142, 89)]
    assert axe(tablet) == []
    panel.get_by_role("button", name="Edit").click()
    expect(tablet.locator("#flowsheet-systolic_mmhg")).to_have_value("141")
    tablet.locator("#flowsheet-clock").fill("10:05")
    tablet.get_by_role("button", name="Save vital signs").click()
    expect(line(tablet, r"\+5 10:05.*141/88")).to_be_visible()
    expect(tablet.get_by_text("All saved")).to_be_visible()


def test_after_the_signature_the_entry_stays_on_the_device(tablet: Any, expect: Expect, day: Day) -> None:
    tablet.context.set_offline(True)
    enter(tablet, "14188")
    people = {"completed_by": day.nurse, "signed_by": day.clinician}
    InfusionRecord.objects.update(completed_at=ten(9), signed_at=ten(9), **people)
    tablet.context.set_offline(False)
    panel = tablet.get_by_role("complementary", name="Not yet saved")
    expect(panel).to_contain_text("This record is signed")
    assert pressures() == []
    tablet.reload()
    expect(panel).to_contain_text("141/88")
    panel.get_by_role("button", name="Discard").click()
    expect(panel).to_contain_text("141/88")
    panel.get_by_role("button", name="Discard for good").click()
    expect(panel).to_be_hidden()


def test_signed_out_meanwhile_the_entry_waits_for_its_owner(
    tablet: Any, expect: Expect, sign_in: SignIn, day: Day
) -> None:
    tablet.context.set_offline(True)
    enter(tablet, "14188")
    address = tablet.url
    tablet.context.clear_cookies()
    tablet.context.set_offline(False)
    expect(tablet.get_by_role("link", name="sign in to send")).to_be_visible()
    sign_in(day.clinician)
    tablet.goto(address)
    name = day.nurse.display_name
    expect(tablet.get_by_text(f"1 entry by {name} waits: {name} has to sign in here to send it.")).to_be_visible()
    assert pressures() == []
    sign_in(day.nurse)
    tablet.goto(address)
    expect(line(tablet, "141/88")).to_be_visible()
    assert FlowsheetRow.objects.latest("pk").by == day.nurse


def test_nothing_on_the_device_names_the_patient(tablet: Any, expect: Expect, day: Day) -> None:
    three_rows_offline(tablet, expect)
    kept = tablet.evaluate("JSON.stringify(Object.entries(localStorage).filter(([key]) => key.includes('outbox')))")
    assert "14" in kept
    for part in (day.patient.given_name, day.patient.family_name, day.patient.mrn):
        assert part
        assert part not in kept
    tablet.context.set_offline(False)
    expect(tablet.get_by_text("All saved")).to_be_visible()


def test_without_javascript_the_same_form_is_sent_the_plain_way(
    day: Day, browser: Any, live_server: Any, expect: Expect
) -> None:
    client = Client()
    client.force_login(day.nurse)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
    plain = context.new_page()
    plain.goto(reverse("infusion:day", args=[day.pk]))
    plain.locator("#flowsheet-spo2_percent").fill("61")
    plain.get_by_role("button", name="Save vital signs").click()
    expect(plain.get_by_text("Read the display again: SpO2 61 %?")).to_be_visible()
    plain.get_by_role("button", name="Yes, it is right: save").click()
    expect(line(plain, "61 %")).to_be_visible()
    assert FlowsheetRow.objects.latest("pk").was_confirmed
    context.close()
