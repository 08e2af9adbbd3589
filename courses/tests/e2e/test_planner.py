"""A whole series in a real browser: wishes changed, a proposal picked, an infusion dragged and moved by keys, all booked."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from clinic.models import Booking
from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.browser import Axe, SignIn, settled
from courses.models import Course, InfusionStatus, ProtocolVersion
from courses.planning.proposals import answer
from courses.planning.types import Wishes
from courses.services.planning_input import build_instance, settings_from_version
from courses.services.protocols import install_shipped_protocols
from courses.services.series import book_series
from patients.models import Patient
from patients.pure.indications import Indication
from patients.tests.factories import make_patient
from patients.tests.intake_kit import make_ready

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@dataclass(frozen=True)
class Scene:
    """A clinic with two chairs, and Ada, who has nothing booked; a Monday far enough ahead for every rule."""

    clinic: Clinic
    ada: Patient
    monday: date

    def address(self, wishes: str = "") -> str:
        return f"/patients/{self.ada.pk}/plan/?first={self.monday.isoformat()}{wishes}"


@pytest.fixture
def scene(transactional_db: None, sign_in: SignIn) -> Scene:
    install_shipped_protocols(now=datetime(2026, 1, 5, 14, 0, tzinfo=UTC))
    clinic = make_clinic()
    sign_in(clinic.clinician)
    today = clinic.location.local(timezone.now()).date()
    ada = make_patient(home_location=clinic.location, conditions=[Indication.TRD])
    make_ready(ada, Indication.TRD, clinic.location, clinic.clinician, timezone.now())
    return Scene(clinic, ada, today + timedelta(days=14 - today.weekday()))


def visit(page, number: int):
    return page.locator(f"#strip-visit-{number}")


def drag(page, number: int, *, days: int, hours: float) -> None:
    """The infusion is dropped some columns to the right and some hours further down."""
    box = visit(page, number).bounding_box()
    width = page.locator(".strip-day").first.bounding_box()["width"]
    x, y = box["x"] + box["width"] / 2, box["y"] + 10
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 8, y + 8)
    page.locator(".strip-zone").first.wait_for(state="attached")
    page.mouse.move(x + days * width, y + hours * 32, steps=4)
    page.mouse.up()


def eight_infusions(page) -> None:
    page.get_by_label("Infusions").fill("8")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Book these 8").wait_for()
    settled(page)
    assert page.locator(".plan-means").inner_text() == "8 infusions at 3 times a week need 17 days."


def row(page, number: int) -> str:
    return page.locator(f"#plan-row-{number} .plan-when").inner_text()


def test_wishes_change_and_an_infusion_is_dragged(page, scene: Scene, axe: Axe) -> None:
    page.goto(scene.address())
    assert page.locator(".plan-means").inner_text() == "6 infusions at 3 times a week need 12 days."
    assert axe(page) == []
    eight_infusions(page)
    page.locator(".plan-card").nth(1).click()
    page.locator(".plan-card.is-chosen .plan-letter", has_text="B").wait_for()
    assert "pick=" in page.url
    settled(page)

    before = row(page, 3)
    drag(page, 3, days=0, hours=-1)  # an hour earlier on its own day is legal
    page.get_by_role("heading", name="Your plan").wait_for()
    settled(page)
    legal = row(page, 3)
    assert legal[:10] == before[:10]
    assert legal != before

    drag(page, 3, days=-2, hours=0)  # the day of its neighbour: the judge refuses, the plan stays
    page.get_by_text("Not moved.").wait_for()
    assert "infusions keep their order" in page.locator(".plan-refusal").inner_text()
    settled(page)
    assert row(page, 3) == legal


def test_the_keyboard_moves_and_books(page, scene: Scene, axe: Axe) -> None:
    page.goto(scene.address("&time=around&clock=10:00"))
    eight_infusions(page)
    visit(page, 5).focus()
    page.keyboard.press("ArrowUp")
    page.locator("#plan-hint", has_text="09:45: legal").wait_for()
    page.keyboard.press("Enter")
    page.locator("#plan-row-5 .plan-when", has_text="09:45").wait_for()
    settled(page)
    assert page.evaluate("document.activeElement.id") == "strip-visit-5"

    page.keyboard.press("ArrowRight")
    page.locator(".strip-ghost").wait_for()
    page.keyboard.press("Escape")
    page.locator(".strip-ghost").wait_for(state="detached")
    assert "09:45" in row(page, 5)

    page.locator("#change-8").click()
    page.locator("#plan-to").select_option(label=re.sub(r"10:00.*", "11:00", row(page, 8)))
    assert axe(page) == []
    page.get_by_role("button", name="Move", exact=True).click()
    page.locator("#plan-row-8 .plan-when", has_text="11:00").wait_for()
    settled(page)

    page.get_by_role("button", name="Book these 8").dblclick()
    page.wait_for_url(re.compile(r"/courses/\d+/"))
    course = Course.objects.get(patient=scene.ada)
    assert course.phases.get().infusions.filter(status=InfusionStatus.BOOKED).count() == 8
    assert Booking.objects.filter(subject=scene.ada.resource).count() == 8
    assert page.get_by_text("8 infusions booked for Ada Okafor").is_visible()

    page.go_back()
    page.wait_for_url(re.compile(rf"/courses/{course.pk}/"))
    assert Booking.objects.count() == 8


def test_somebody_takes_a_time_meanwhile(page, scene: Scene) -> None:
    page.goto(scene.address("&time=around&clock=10:00"))
    page.get_by_role("button", name="Book these 6").wait_for()
    assert row(page, 2).startswith("Wed")
    book_like(scene, make_patient("Mei", "Chen"), start_min=600)

    page.get_by_role("button", name="Book these 6").click()
    page.get_by_text("Nothing was booked.").wait_for()
    said = page.get_by_role("alert").first.inner_text()
    assert "Somebody took the time of infusions 1, 2, 3, 4, 5 and 6 meanwhile." in said
    assert "Chen" not in said
    assert page.get_by_label("Time of day", exact=True).input_value() == "around"
    assert page.get_by_role("heading", name="Nearest plan").is_visible()
    assert "10:00" not in row(page, 2).split("–")[0]

    page.get_by_role("button", name="Book these 6").click()
    page.wait_for_url(re.compile(r"/courses/\d+/"))
    assert Booking.objects.filter(subject=scene.ada.resource).count() == 6


def book_like(scene: Scene, patient: Patient, *, start_min: int) -> Course:
    """Another patient's series at that time of day, by the same protocol."""
    version = ProtocolVersion.objects.get(protocol__slug="T-MWF6", status="published")
    settings = settings_from_version(version, location=scene.clinic.location, not_before=scene.monday)
    settings = replace(settings, wishes=Wishes(preferred_min=start_min))
    now = timezone.now()
    placed = answer(build_instance(settings, patient=patient, now=now)).proposals[0].placed
    doctor = scene.clinic.clinician
    make_ready(patient, Indication.TRD, scene.clinic.location, doctor, now)
    return book_series(
        patient=patient, settings=settings, placed=placed, indication="trd", prescriber=doctor, by=doctor, now=now
    )


@pytest.mark.parametrize(("width", "scheme"), [(1440, "dark"), (1024, "light"), (390, "light")])
def test_the_page_fits_and_is_clean_for_axe(page, scene: Scene, axe: Axe, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.goto(scene.address())
    page.get_by_role("button", name="Book these 6").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert axe(page) == []
