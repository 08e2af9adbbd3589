"""Ordered, checked by two, started, paused, resumed and stopped early at a tablet, in a real browser."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from clinic.models import Booking, BookingStatus
from clinic.tests.fixtures.browser import Axe, Expect, SignIn
from courses.models import DoseOrder, RunEvent
from courses.services import running
from courses.tests.day_kit import Day, make_day, put_row
from patients.tests.factories import make_vitals

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Scene:
    """A patient in the chair now, weighed, with a baseline; nothing ordered."""

    day: Day

    @property
    def address(self) -> str:
        return reverse("infusion:day", args=[self.day.pk])


@pytest.fixture
def scene(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """The kit's day of 2027 is moved to now, because a browser has its own clock."""
    monkeypatch.setattr(running, "gate_of", lambda _desk: SimpleNamespace(is_go=True, stops=()))
    day = make_day(
        BookingStatus.ARRIVED,
        BookingStatus.IN_CHAIR,
        dose_start=Decimal("0.5"),
        dose_min=Decimal("0.1"),
        dose_max=Decimal("0.75"),
    )
    now = timezone.now()
    begin = now - timedelta(minutes=50)
    Booking.objects.filter(pk=day.pk).update(
        span=(begin, begin + timedelta(hours=3)), arrived_at=begin, started_at=begin + timedelta(minutes=5)
    )
    day.booking.refresh_from_db()
    make_vitals(day.patient, day.nurse, measured_at=begin, recorded_at=begin)
    put_row(day, now - timedelta(minutes=25), heart_rate_bpm=78, spo2_percent=98, moaas=5)
    for user in (day.nurse, day.clinician):
        user.set_password(PASSWORD)
        user.save()
    return Scene(day)


def tick_all(group: Any) -> None:
    for line in ("Drug", "Dose", "Concentration", "Volume", "Bag", "Rate"):
        group.get_by_label(re.compile(f"^{line}")).check()


def test_ordered_checked_started_paused_resumed_and_stopped_early(
    page: Any, expect: Expect, axe: Axe, sign_in: SignIn, scene: Scene
) -> None:
    day = scene.day
    page.set_viewport_size({"width": 1024, "height": 768})
    sign_in(day.clinician)
    page.goto(scene.address)
    dose, run = page.locator("#section-dose"), page.locator("#section-run")
    expect(dose.get_by_label("Dose", exact=True)).to_have_value("")
    dose.get_by_role("button", name="The protocol's start dose: 0.5 mg/kg").click()
    expect(dose.get_by_label("Dose", exact=True)).to_have_value("0.5")
    dose.get_by_role("radio", name="50 mg/mL").check()
    expect(dose.get_by_text("contains 41.0 mg (−0.5 %)")).to_be_visible()
    assert axe(page, within="#section-dose") == []
    dose.get_by_role("button", name="Order 41.2 mg").click()
    expect(dose.get_by_text("2 more to check")).to_be_visible()
    assert DoseOrder.objects.get().volume_ml == Decimal("0.82")

    sign_in(day.nurse)
    page.goto(scene.address)
    lines = dose.get_by_role("group", name=re.compile("Compare with the label"))
    tick_all(lines)
    dose.get_by_role("button", name="I have checked it").click()
    expect(dose.get_by_text(f"Checked by {day.nurse.display_name}")).to_be_visible()
    dose.get_by_role("link", name="Second person at this tablet").click()
    second = dose.get_by_role("group", name="The second person compares for themselves")
    tick_all(second)
    dose.get_by_label("Name").select_option(label=day.clinician.display_name)
    dose.get_by_label("Their own password").fill(PASSWORD)
    assert axe(page, within="#section-dose") == []
    dose.get_by_role("button", name="Checked by the second person").click()

    run.get_by_role("button", name="Start the infusion").click()
    expect(run.get_by_role("button", name="Pause")).to_be_visible()
    expect(run.get_by_text(re.compile("Delivered about"))).to_be_visible()
    assert axe(page, within="#section-run") == []
    # as if it had begun earlier: a browser waits for nobody
    RunEvent.objects.filter(kind="start").update(at=timezone.now() - timedelta(minutes=20))
    run.get_by_role("button", name="Pause").click()
    expect(run.get_by_text("Paused", exact=True).first).to_be_visible()
    expect(run.get_by_text(re.compile("Delivered 20.5 of 41 mg"))).to_be_visible()
    run.get_by_role("button", name="Resume the infusion").click()
    expect(run.get_by_role("button", name="Pause")).to_be_visible()
    run.get_by_text("Stop early", exact=True).click()
    run.get_by_label("Why it is stopped").fill("Anxious")
    run.get_by_label("Because of a side effect").check()
    run.get_by_role("button", name="Stop now").click()
    expect(
        run.get_by_text(re.compile(r"stopped early, 20\.[56] of 41 mg delivered, 20\.[45] to waste"))
    ).to_be_visible()
    run.get_by_role("heading", name="Infusion").click()
    expect(run.get_by_text(re.compile(r"Delivered 20\.[56] of 41 mg; 20\.[45] mg to waste"))).to_be_visible()
    assert axe(page, within="#section-run") == []
    stop = RunEvent.objects.get(kind="stop")
    assert (stop.reason, stop.is_for_adverse_event) == ("Anxious", True)
    day.booking.refresh_from_db()
    assert day.booking.status == BookingStatus.OBSERVING


@pytest.mark.parametrize("look", [(1440, "dark"), (390, "light"), (768, "dark")])
def test_dose_and_infusion_fit_and_are_clean_for_axe(
    page: Any, axe: Axe, sign_in: SignIn, scene: Scene, look: tuple[int, str]
) -> None:
    width, scheme = look
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    sign_in(scene.day.clinician)
    page.goto(scene.address)
    page.locator("#dose-amount").fill("0.9")
    for key in ("basis-mg_per_kg", "conc-100"):
        page.locator(f"label[for=dose-{key}]").click()
    page.get_by_role("button", name="Order 74.2 mg").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert axe(page, within="#section-dose") == []
    assert not DoseOrder.objects.exists()
