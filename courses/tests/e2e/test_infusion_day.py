"""A whole infusion day on a tablet: arrival, a hold for pressure, the start, a network that drops, late vital signs,
an early stop, a side effect, a discharge that is refused and then made, signature and amendment.

The server's clock is set by hand; the browser follows the server's time, as it does on a tablet with a wrong clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import time_machine
from django.urls import reverse

from clinic.models import BookingStatus, User
from clinic.pure.roles import Role
from clinic.tests.factories import make_user
from clinic.tests.fixtures.browser import Axe, Expect, SignIn, settled
from courses.models import Discharge, Drug, DrugDraw, FlowsheetRow, InfusionRecord, StockEntry
from courses.services.stock_shelf import add_lot, receive
from courses.tests.day_kit import DAY, Day, make_day
from courses.tests.series_kit import at
from patients.pure.vitals import Vitals
from patients.services.observations import record_vitals
from patients.tests.intake_kit import make_score

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
PASSWORD = "a-long-pass-phrase"


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """The server's clock; the browser's own is left alone."""
    with time_machine.travel(at(DAY, "09:48"), tick=True) as coordinates:
        yield coordinates


@pytest.fixture
def day(transactional_db: None, clock: time_machine.Traveller) -> Day:
    """Booked for 10:00; the score, the weight and the shelf are in order, everything else happens in the browser."""
    day = make_day(dose_start=Decimal("0.5"), dose_min=Decimal("0.5"), dose_max=Decimal(1))
    make_score(day.patient, "phq9", 14, day.nurse, at(DAY, "08:30"))
    weighed = Vitals(Decimal("82.4"))
    record_vitals(
        patient_id=day.patient.pk, vitals=weighed, measured_at=at(DAY, "08:30"), by=day.nurse, now=now("09:48")
    )
    lot = add_lot(
        location=day.clinic.location,
        drug=Drug.KETAMINE,
        lot_number="K10-7731",
        content_mg=Decimal(200),
        concentration_mg_per_ml=Decimal(10),
        expires_on=date(2028, 4, 1),
        by=day.nurse,
        now=at(DAY, "08:00"),
    )
    receive(lot_id=lot.pk, units=5, by=day.nurse, now=at(DAY, "08:00"))
    return day


def now(hhmm: str) -> datetime:
    return at(DAY, hhmm)


@pytest.fixture
def second_nurse(day: Day) -> User:
    nurse = make_user(Role.NURSE, first_name="Noor", last_name="Haddad", title="RN")
    nurse.set_password(PASSWORD)
    nurse.save()
    return nurse


def part(page: Page, name: str) -> None:
    """The section is open."""
    head = page.locator(f"#section-{name} > details")
    if head.get_attribute("open") is None:
        head.locator("> summary").click()


def pick(page: Page, *ids: str) -> None:
    """These answers are chosen, by keyboard."""
    for one in ids:
        page.locator(f"#{one}").focus()
        page.keyboard.press("Space")


def vitals(page: Page, systolic: int, diastolic: int, rate: int, spo2: int, *, moaas: int = 5) -> None:
    """One look at the patient is typed in and saved."""
    part(page, "flowsheet")
    values = {"systolic_mmhg": systolic, "diastolic_mmhg": diastolic, "heart_rate_bpm": rate, "spo2_percent": spo2}
    for name, value in {**values, "respiratory_rate": 14}.items():
        page.locator(f"#flowsheet-{name}").fill(str(value))
    pick(page, f"flowsheet-moaas-{moaas}", "flowsheet-nausea-0")
    page.get_by_role("button", name="Save vital signs").click()


def seen(page: Page, expect: Expect, *texts: str) -> None:
    for text in texts:
        expect(page.locator("#day")).to_contain_text(text)


def second_signs(page: Page, person: User) -> None:
    page.get_by_label("Name", exact=True).last.select_option(label=person.display_name)
    page.get_by_label("Their own password").fill(PASSWORD)


@dataclass
class Tablet:
    """The one tablet of the day, with whoever holds it, and the hand on the clock."""

    day: Day
    clock: time_machine.Traveller
    sign_in: SignIn
    expect: Expect
    axe: Axe
    page: Page

    def at(self, hhmm: str) -> None:
        self.clock.move_to(now(hhmm))


@pytest.fixture
def tablet(day: Day, clock: time_machine.Traveller, sign_in: SignIn, expect: Expect, axe: Axe) -> Tablet:
    """In the hands of the front desk."""
    return Tablet(day, clock, sign_in, expect, axe, sign_in(day.clinic.desk))


def arrives(tablet: Tablet) -> None:
    """09:50, at the desk."""
    day, page, expect = tablet.day, tablet.page, tablet.expect
    page.set_viewport_size({"width": 1024, "height": 768})
    tablet.at("09:50")
    page.goto(reverse("courses:today"))
    page.get_by_role("button", name=f"Arrived: {day.patient.list_name}").click()
    expect(page.get_by_role("main")).to_contain_text("waiting")


def is_held_for_pressure(tablet: Tablet) -> None:
    """09:55, the nurse: chair, check-in, a pressure that holds."""
    day, page, expect = tablet.day, tablet.page, tablet.expect
    tablet.at("09:55")
    tablet.sign_in(day.nurse)
    page.goto(reverse("courses:today"))
    page.get_by_role("button", name=f"In chair: {day.patient.list_name}").click()
    settled(page)
    page.goto(reverse("infusion:day", args=[day.pk]))
    vitals(page, 166, 98, 84, 98)
    seen(page, expect, "166/98")
    part(page, "checkin")
    pick(page, "checkin-identity-yes", "checkin-escort-yes")
    page.locator("#checkin-escort-detail").fill("Jordan Fictional")
    pick(page, "checkin-fasting_solids-yesterday", "checkin-fasting_liquids-today")
    page.locator("#checkin-fasting_solids-time").fill("20:00")
    page.locator("#checkin-fasting_liquids-time").fill("07:00")
    pick(page, "checkin-medicines_today-none", "checkin-health_change-no")
    pick(page, *(f"checkin-since_{one}-no" for one in ("urinary", "memory", "mania", "cravings", "other")))
    pick(page, "checkin-measure-yes", "checkin-airway-yes")
    page.locator("#checkin-save").click()
    expect(page.locator("#checkin-hold-pressure")).to_contain_text("166")
    expect(page.locator("#checkin-hold-pressure")).to_contain_text("Only a prescriber overrides this")
    assert tablet.axe(page) == []


def goes_after_a_rest(tablet: Tablet) -> None:
    """10:06: the repeated pressure is fine."""
    page, expect = tablet.page, tablet.expect
    tablet.at("10:06")
    page.reload()
    vitals(page, 134, 86, 76, 98)
    expect(page.locator("#section-checkin > details > summary")).to_contain_text("Go")


def is_ordered(tablet: Tablet) -> None:
    """10:08, the prescriber orders and checks."""
    day, page, expect = tablet.day, tablet.page, tablet.expect
    tablet.at("10:08")
    tablet.sign_in(day.clinician)
    page.goto(reverse("infusion:day", args=[day.pk]))
    part(page, "dose")
    page.locator("#dose-amount").fill("0.5")
    pick(page, "dose-basis-mg_per_kg", "dose-conc-10")
    page.locator("#dose-bag").fill("100")
    page.locator("#dose-minutes").fill("40")
    order = page.get_by_role("button", name="Order 41.2 mg")
    expect(order).to_be_visible()
    expect(page.locator("#dose-preview")).to_contain_text("4.12")
    order.click()
    expect(page.get_by_text("I have checked it")).to_be_visible()
    for box in page.locator(".dose-check input[name=checked]").all():
        box.check()
    page.get_by_role("button", name="I have checked it").click()
    seen(page, expect, f"Checked by {day.clinician.display_name}")


def is_started(tablet: Tablet) -> None:
    """10:10, the nurse: second check, the drug from the shelf, the start."""
    day, page, expect = tablet.day, tablet.page, tablet.expect
    tablet.at("10:10")
    tablet.sign_in(day.nurse)
    page.goto(reverse("infusion:day", args=[day.pk]))
    part(page, "dose")
    for box in page.locator(".dose-check input[name=checked]").all():
        box.check()
    page.get_by_role("button", name="I have checked it").click()
    seen(page, expect, f"Checked by {day.nurse.display_name}")
    part(page, "stock")
    page.get_by_role("radio", name="K10-7731").check()
    page.locator("#stock-amount").fill("50")
    page.get_by_role("button", name="Draw", exact=True).click()
    seen(page, expect, "50.0 mg")
    part(page, "run")
    page.get_by_role("button", name="Start the infusion").click()
    expect(page.locator(".day-steps [aria-current=step]")).to_have_text("Infuse")


def goes_on_without_network(tablet: Tablet) -> None:
    """10:20, the network is gone: what is entered waits on the tablet."""
    page, expect = tablet.page, tablet.expect
    tablet.at("10:20")
    page.reload()
    page.context.set_offline(True)
    vitals(page, 148, 92, 85, 97)
    expect(page.locator("#day-queue")).to_contain_text("1 waiting")
    expect(page.locator("#section-flowsheet")).to_contain_text("not yet saved")
    assert FlowsheetRow.objects.count() == 2
    page.context.set_offline(False)
    expect(page.locator("#day-queue")).to_contain_text("All saved", timeout=20_000)
    assert FlowsheetRow.objects.count() == 3
    assert abs((FlowsheetRow.objects.order_by("at").last().at - now("10:20")).total_seconds()) < 60


def is_looked_at_late(tablet: Tablet) -> None:
    """10:33: the next look is late, and says so."""
    page, expect = tablet.page, tablet.expect
    tablet.at("10:33")
    page.reload()
    part(page, "flowsheet")
    expect(page.locator("#section-flowsheet .is-late").first).to_contain_text("late")


def is_stopped_for_an_effect(tablet: Tablet) -> Decimal:
    """10:35, stopped at 25 of 40 minutes, for an effect; returns the milligrams given."""
    day, page, expect = tablet.day, tablet.page, tablet.expect
    tablet.at("10:35")
    page.reload()
    part(page, "run")
    page.locator(".run-stop > summary", has_text="Stop early").click()
    page.locator("#run-stop-reason").fill("Very anxious")
    page.locator("#run-stop-effect").check()
    page.get_by_role("button", name="Stop now").click()
    expect(page.locator(".day-steps [aria-current=step]")).to_have_text("Observe")
    given = day.desk(now("10:36")).delivered_mg
    assert given is not None
    assert abs(given - Decimal("25.8")) <= Decimal("0.4")  # R8: 41.2 mg × 25 ÷ 40 = 25.75, give or take the seconds
    seen(page, expect, "Stopped early", f"{given}")
    part(page, "effects")
    page.locator("#effects-record").click()
    new = page.locator(".eff-new")
    for name, value in {"code": "anxiety", "severity": "moderate", "is_serious": "no", "outcome": "improving"}.items():
        new.locator(f"input[name$={name}][value={value}]").focus()
        page.keyboard.press("Space")
    new.get_by_label("Began at").fill("10:32")
    new.get_by_role("button", name="Save this side effect").click()
    expect(page.locator("#section-effects > details > summary")).to_contain_text("Anxiety (moderate)")
    assert tablet.axe(page) == []
    return given


def may_not_leave_alone(tablet: Tablet) -> None:
    """11:36, watched for an hour; nobody has come to take them home."""
    day, page, expect = tablet.day, tablet.page, tablet.expect
    tablet.at("11:36")
    tablet.sign_in(day.nurse)  # a tablet that lay an hour has signed itself out
    page.goto(reverse("infusion:day", args=[day.pk]))
    vitals(page, 138, 88, 74, 98)
    seen(page, expect, "138/88")
    part(page, "discharge")
    for code in ("oriented", "gait", "no_si", "dissociation"):
        page.locator(f"#leave-{code}-yes").click()
        expect(page.locator(f"#leave-{code}")).to_contain_text("Met")
    page.locator("label.eff-chip", has_text="Printed and explained").click()
    page.locator("#discharge-button").click()
    expect(page.locator("#section-discharge [role=alert]").first).to_contain_text("Escort missing")
    assert not Discharge.objects.exists()


def leaves_with_the_escort(tablet: Tablet) -> None:
    """With the escort they leave."""
    day, page, expect = tablet.day, tablet.page, tablet.expect
    page.locator("#section-discharge").get_by_label("Escort").first.fill("Jordan Fictional")
    page.locator("#leave-escort button").first.click()
    expect(page.locator("#leave-escort")).to_contain_text("Met")
    page.locator("label.eff-chip", has_text="Printed and explained").click()
    page.locator("#discharge-button").click()
    seen(page, expect, "with Jordan Fictional")
    day.booking.refresh_from_db()
    assert day.booking.status == BookingStatus.DONE


def is_accounted_for(tablet: Tablet, given: Decimal, second_nurse: User) -> None:
    """11:40, the rest of the drug is wasted before a witness, the record completed."""
    day, page, expect = tablet.day, tablet.page, tablet.expect
    tablet.at("11:40")
    page.reload()
    part(page, "stock")
    page.get_by_role("link", name="Account for it").click()
    page.get_by_role("link", name="Use these").click()
    settled(page)
    second_signs(page, second_nurse)
    page.get_by_role("button", name="Account for 50.0 mg").click()
    seen(page, expect, f"{given} mg given", f"{50 - given} mg wasted")
    part(page, "sign")
    page.get_by_role("button", name="Complete the record").click()
    expect(page.locator("#section-sign")).to_contain_text(f"{day.nurse.display_name}")


def is_signed_and_amended(tablet: Tablet) -> None:
    """11:50, the prescriber signs; from now on things are added, not changed."""
    day, page, expect = tablet.day, tablet.page, tablet.expect
    tablet.at("11:50")
    tablet.sign_in(day.clinician)
    page.goto(reverse("infusion:day", args=[day.pk]))
    part(page, "sign")
    page.get_by_role("button", name="Sign the record").click()
    expect(page.locator("#section-sign > details > summary")).to_contain_text("Signed")
    part(page, "sign")
    expect(page.get_by_text("Add an amendment")).to_be_visible()
    page.get_by_text("Add an amendment").click()
    page.locator("#sign-reason").fill("Call from the escort")
    page.locator("#sign-text").fill("Arrived home safely at 12:10.")
    page.get_by_role("button", name="Add to the record").click()
    seen(page, expect, "Arrived home safely at 12:10.")
    assert page.locator("#flowsheet-form").count() == 0
    assert tablet.axe(page) == []


def test_a_whole_day_from_arrival_to_amendment(tablet: Tablet, second_nurse: User) -> None:
    """One day is one story: each step starts where the one before it ended."""
    arrives(tablet)
    is_held_for_pressure(tablet)
    goes_after_a_rest(tablet)
    is_ordered(tablet)
    is_started(tablet)
    goes_on_without_network(tablet)
    is_looked_at_late(tablet)
    given = is_stopped_for_an_effect(tablet)
    may_not_leave_alone(tablet)
    leaves_with_the_escort(tablet)
    is_accounted_for(tablet, given, second_nurse)
    is_signed_and_amended(tablet)

    record = InfusionRecord.objects.get()
    assert record.is_signed
    assert [row.systolic_mmhg for row in record.rows.order_by("at")] == [166, 134, 148, 138]
    draw = DrugDraw.objects.get()
    assert (draw.drawn_mg, draw.given_mg, draw.wasted_mg) == (Decimal("50.0"), given, 50 - given)
    assert StockEntry.objects.order_by("number").last().balance_mg == Decimal("950.0")
