"""Dose and infusion on the page of an infusion day: who sees and may what, refusals in place, and the query budget."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import BookingStatus, User
from clinic.pure.roles import Role
from clinic.tests.factories import make_user
from clinic.tests.fixtures.ledger import Queries
from courses.forms.dose import CHECKS
from courses.models import DoseCheck, DoseOrder, Protocol, RunEvent
from courses.services import running
from courses.tests.day_kit import Day, in_chair, infusing, make_day, put_order, put_row, put_tap, ten
from courses.views.infusion import dose, run
from patients.tests.factories import make_vitals

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
HALF = {"basis": "mg_per_kg", "amount": "0.5", "infusion_min": "40", "concentration": "10", "bag_ml": "100"}
PROTOCOL: dict[str, Any] = {"dose_start": Decimal("0.5"), "dose_min": Decimal("0.1"), "dose_max": Decimal("0.75")}


@pytest.fixture(autouse=True)
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The check-in says “go”."""
    says = SimpleNamespace(is_go=True, stops=())
    monkeypatch.setattr(running, "gate_of", lambda _desk: says)
    return says


def ask(
    client: Client, day: Day, name: str = "day", post: dict[str, Any] | None = None, *, now: Any = None, **more: Any
) -> Any:
    user: User = more.pop("by", day.clinician)
    headers = more.pop("headers", HTMX)
    address = reverse(f"infusion:{name}", args=[day.pk])
    with time_machine.travel(now or ten(), tick=False):
        client.force_login(user)
        if post is None:
            return client.get(address, more, headers=headers)
        return client.post(address, post, headers=headers)


def part(answer: Any, name: str) -> str:
    """The words of one section."""
    html = answer.content.decode()
    found = re.search(rf'id="section-{name}".*?</section>', html, re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[0] if found else ""))


def ready(**known: Any) -> Day:
    day = in_chair(**(PROTOCOL | known))
    make_vitals(day.patient, day.nurse, measured_at=ten(-5))
    return day


def seal(client: Client, day: Day, fields: dict[str, str]) -> str:
    answer = ask(client, day, "dose_preview", **fields).content.decode()
    found = re.search(r'name="seal" value="([^"]*)"', answer)
    assert found, answer
    return found[1]


# -- the order ---------------------------------------------------------------------------------------------------------
def test_the_dose_is_empty_until_somebody_gives_it(client: Client) -> None:
    page = ask(client, ready(), headers={}).content.decode()
    assert re.search(r'name="amount"[^>]*value=""', page)
    assert not re.search(r'name="(basis|concentration)"[^>]* checked', page)
    assert "The protocol&#x27;s start dose: 0.5 mg/kg" in page or "The protocol's start dose: 0.5 mg/kg" in page


def test_a_nurse_waits_for_the_order_and_has_no_form(client: Client) -> None:
    day = ready()
    said = part(ask(client, day, by=day.nurse), "dose")
    assert "Waiting for the prescriber's order" in said.replace("&#x27;", "'")
    assert "Concentration of the vial" not in said
    assert dose.section(day.desk(ten()), day.nurse).act == ""
    assert dose.section(day.desk(ten()), day.clinician).act == "Order the dose"


def test_the_button_of_the_start_dose_fills_it_in_and_saves_nothing(client: Client) -> None:
    day = ready()
    answer = ask(client, day, "order_dose", {"fill": "start", "infusion_min": "40", "bag_ml": "100"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert 'name="amount" inputmode="decimal" autocomplete="off" value="0.5"' in page
    assert "Choose the concentration" not in page
    assert not DoseOrder.objects.exists()


def test_the_preview_is_case_28_and_writes_nothing(client: Client) -> None:
    day = ready()
    said = re.sub(r"<[^>]+>", "", ask(client, day, "dose_preview", **(HALF | {"concentration": "50"})).content.decode())
    said = re.sub(r"\s+", " ", said)
    for words in ("41.2 mg", "0.82 mL of 50 mg/mL, contains 41.0 mg (−0.5 %)", "150 mL/h", "1.03 mg/min"):
        assert words in said
    assert not DoseOrder.objects.exists()


def test_ordered_it_stands_there_big_with_the_checks_to_come(client: Client) -> None:
    day = ready()
    answer = ask(client, day, "order_dose", HALF | {"seal": seal(client, day, HALF)})
    assert answer.status_code == 200
    said = part(answer, "dose")
    for words in ("41.2 mg (0.5 mg/kg × 82.4 kg) · 4.12 mL of 10 mg/mL · 150 mL/h", "2 more to check"):
        assert words in said
    assert DoseOrder.objects.get().by == day.clinician


def test_without_script_the_preview_comes_first(client: Client) -> None:
    day = ready()
    answer = ask(client, day, "order_dose", HALF, headers={})
    assert (answer.status_code, DoseOrder.objects.exists()) == (200, False)
    found = re.search(r'name="seal" value="([^"]+)"', answer.content.decode())
    assert found
    assert ask(client, day, "order_dose", HALF | {"seal": found[1]}, headers={}).status_code == 302
    assert DoseOrder.objects.exists()


def test_a_refused_order_comes_back_with_what_was_typed_and_the_preview(client: Client) -> None:
    day = ready()
    high = HALF | {"amount": "0.9"}
    answer = ask(client, day, "order_dose", high | {"seal": seal(client, day, high), "change_reason": "No effect"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Say why the protocol" in page
    assert 'value="No effect"' in page
    assert "74.2" in part(answer, "dose")
    assert not DoseOrder.objects.exists()


def test_somebody_elses_order_answers_409_with_what_stands(client: Client) -> None:
    day = ready()
    mine = HALF | {"seal": seal(client, day, HALF)}
    put_order(day, ten(-1))
    answer = ask(client, day, "order_dose", mine | {"after": ""})
    assert answer.status_code == 409
    assert "ordered 41.2 mg (0.5 mg/kg × 82.4 kg) at 09:59" in part(answer, "dose")
    assert DoseOrder.objects.count() == 1


@pytest.mark.parametrize("bad", [{"amount": "much"}, {"concentration": "7"}, {"infusion_min": "0"}, {"after": "x"}])
def test_junk_is_refused_and_saves_nothing(client: Client, bad: dict[str, str]) -> None:
    day = ready()
    assert ask(client, day, "order_dose", HALF | {"seal": "x"} | bad).status_code == 422
    assert ask(client, day, "dose_preview", **(HALF | bad)).status_code == 200
    assert not DoseOrder.objects.exists()


@pytest.mark.parametrize("name", ["order_dose", "dose_preview", "check_dose", "second_checker", "tap", "correct_tap"])
def test_the_front_desk_does_none_of_this(client: Client, name: str) -> None:
    day = ready()
    is_read = name in ("dose_preview", "second_checker")
    assert ask(client, day, name, None if is_read else {}, by=day.clinic.desk).status_code == 403


def test_a_nurse_orders_nothing(client: Client) -> None:
    day = ready()
    assert ask(client, day, "order_dose", HALF | {"seal": "x"}, by=day.nurse).status_code == 403


# -- the checks --------------------------------------------------------------------------------------------------------
def unchecked() -> Day:
    day = ready()
    put_order(day, ten(-3))
    DoseCheck.objects.all().delete()
    return day


def checking(day: Day, **more: Any) -> dict[str, Any]:
    order = day.desk(ten()).order
    assert order is not None
    return {"order": order.pk, "checked": list(CHECKS)} | more


def test_one_checks_with_one_tap_and_the_second_with_their_password(client: Client) -> None:
    day = unchecked()
    second = make_user(Role.NURSE, username="second")
    second.set_password("correct horse battery")
    second.save()
    act = dose.section(day.desk(ten()), day.nurse).act
    assert act == "Check the dose (1 of 2)"
    assert ask(client, day, "check_dose", checking(day), by=day.nurse).status_code == 200
    wrong = checking(day, second=second.pk, second_password="wrong")
    answer = ask(client, day, "check_dose", wrong, by=day.nurse)
    assert (answer.status_code, DoseCheck.objects.count()) == (422, 1)
    assert "not the password" in part(answer, "dose")
    right = checking(day, second=second.pk, second_password="correct horse battery")
    assert ask(client, day, "check_dose", right, by=day.nurse).status_code == 200
    assert {check.by for check in DoseCheck.objects.all()} == {day.nurse, second}


def test_what_was_not_compared_is_named(client: Client) -> None:
    day = unchecked()
    answer = ask(client, day, "check_dose", checking(day, checked=["drug", "dose"]), by=day.nurse)
    assert answer.status_code == 422
    assert "Not ticked: concentration, volume, bag, rate" in part(answer, "dose")


def test_the_names_of_the_second_people_are_read_only_when_asked_for(client: Client) -> None:
    day = unchecked()
    assert 'name="second"' not in ask(client, day, by=day.nurse).content.decode()
    answer = ask(client, day, "second_checker", by=day.nurse).content.decode()
    assert day.clinician.display_name in answer
    assert "data-day-stamp" not in answer
    assert 'name="second"' in ask(client, day, "second_checker", by=day.nurse, headers={}).content.decode()


# -- the infusion ------------------------------------------------------------------------------------------------------
def tapped(kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "uid": str(uuid4())} | more


def test_what_is_missing_before_the_start_is_listed_and_there_is_no_button(client: Client) -> None:
    answer = ask(client, ready())
    said = part(answer, "run")
    assert "the prescriber's order" in said.replace("&#x27;", "'")
    assert "the baseline vital signs" in said
    assert "Start the infusion" not in said


def test_started_paused_resumed_and_stopped_with_what_is_to_waste(client: Client) -> None:
    day = ready()
    order = put_order(day, ten(-3))
    put_row(day, ten(-2))
    assert run.section(day.desk(ten()), day.nurse).act == "Start the infusion"
    assert ask(client, day, "tap", tapped("start", order=order.pk), by=day.nurse).status_code == 200
    assert ask(client, day, "tap", tapped("pause"), by=day.nurse, now=ten(10)).status_code == 200
    paused = ask(client, day, by=day.nurse, now=ten(12))
    assert "Delivered 10.3 of 41.2 mg" in part(paused, "run")
    assert ask(client, day, "tap", tapped("resume"), by=day.nurse, now=ten(15)).status_code == 200
    stop = tapped("stop", reason="Anxious", for_adverse_event="on")
    answer = ask(client, day, "tap", stop, by=day.nurse, now=ten(25))
    assert "Delivered 20.6 of 41.2 mg; 20.6 mg to waste" in part(answer, "run")
    assert "Anxious" in part(answer, "run")


def test_the_device_says_when_and_late_is_fine(client: Client) -> None:
    day = infusing()
    said = tapped("pause", at="2027-04-05T10:12:00-04:00")
    assert ask(client, day, "tap", said, by=day.nurse, now=ten(50)).status_code == 200
    assert RunEvent.objects.get(kind="pause").at == ten(12)


@pytest.mark.parametrize(
    "bad", [{"kind": "boil"}, {"at": "2027-04-05T10:12:00"}, {"at": "soon"}, {"uid": "7"}, {"at": "2027-13-45T99:00Z"}]
)
def test_a_tap_that_cannot_be_read_is_refused(client: Client, bad: dict[str, str]) -> None:
    day = infusing()
    assert ask(client, day, "tap", tapped("pause") | bad, by=day.nurse, now=ten(15)).status_code == 422
    assert RunEvent.objects.count() == 1


def test_who_was_overtaken_sees_how_it_stands(client: Client) -> None:
    day = infusing()
    put_tap(day, "pause", ten(10))
    answer = ask(client, day, "tap", tapped("pause"), by=day.nurse, now=ten(11))
    assert answer.status_code == 409
    assert "Paused at 10:10" in part(answer, "run")


def test_a_double_click_without_script_counts_once(client: Client) -> None:
    day = infusing()
    page = ask(client, day, by=day.nurse, now=ten(10)).content.decode()
    found = re.search(r'value="pause"><input type="hidden" name="once" value="([^"]+)"', page)
    assert found
    form = {"kind": "pause", "once": found[1]}
    codes = [ask(client, day, "tap", form, by=day.nurse, now=ten(10), headers={}).status_code for _ in range(2)]
    assert (codes, RunEvent.objects.filter(kind="pause").count()) == ([302, 302], 1)


def test_a_corrected_tap_stays_visible(client: Client) -> None:
    day = infusing()
    event = put_tap(day, "pause", ten(12))
    fix = {"event": event.pk, "clock": "10:10", "reason": "Tapped late"}
    answer = ask(client, day, "correct_tap", fix, by=day.nurse, now=ten(20))
    assert answer.status_code == 200
    assert "corrected by" in part(answer, "run")
    assert "Tapped late" in part(answer, "run")
    no_reason = ask(client, day, "correct_tap", {"event": event.pk, "clock": "10:09"}, by=day.nurse, now=ten(20))
    assert no_reason.status_code == 422
    event.refresh_from_db()
    assert event.is_struck


def test_markup_in_a_reason_is_only_text(client: Client) -> None:
    day = infusing()
    put_tap(day, "stop", ten(20), reason="<script>alert(1)</script>")
    assert "<script>alert(1)" not in ask(client, day, now=ten(21)).content.decode()


def test_nasal_shows_devices_and_the_rest(client: Client) -> None:
    day = make_day(
        BookingStatus.ARRIVED, dose_basis="total_mg", dose_start=Decimal(56), dose_min=56, dose_max=84, infusion_min=15
    )
    Protocol.objects.update(route="nasal")
    put_row(day, ten(-2))
    fields = {"amount": "56"}
    assert ask(client, day, "order_dose", fields | {"seal": seal(client, day, fields)}).status_code == 200
    order = DoseOrder.objects.get()
    for person in (day.nurse, day.clinician):
        DoseCheck.objects.create(record=day.record, order=order, at=ten(), by=person)
    assert run.section(day.desk(ten()), day.nurse).act == "Device 1 used"
    first = ask(client, day, "tap", tapped("device", number=1), by=day.nurse)
    assert "Rest until 10:05" in part(first, "run")
    early = ask(client, day, "tap", tapped("device", number=2), by=day.nurse, now=ten(4))
    assert (early.status_code, "60 seconds are left" in part(early, "run")) == (422, True)
    last = ask(client, day, "tap", tapped("device", number=2), by=day.nurse, now=ten(5))
    assert "Delivered 56 of 56 mg" in part(last, "run")


def test_the_page_and_its_fragments_stay_in_the_budget(client: Client, queries: Queries) -> None:
    day = ready()
    put_order(day, ten(-3))
    ask(client, day)
    with queries("infusion dose preview"):
        preview = ask(client, day, "dose_preview", **HALF)
    with queries("infusion dose second checker"):
        checker = ask(client, day, "second_checker")
    with queries("infusion day with an order"):
        whole = ask(client, day, headers={})
    assert [one.status_code for one in (preview, checker, whole)] == [200, 200, 200]
    assert "41.2 mg" in whole.content.decode()
