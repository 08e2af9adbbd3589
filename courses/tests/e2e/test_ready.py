"""A series pencilled and confirmed, and a danger signal acknowledged, in a real browser and by keyboard."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.browser import Axe, Expect, SignIn
from courses.models import Course
from courses.services.protocols import install_shipped_protocols
from patients.models import DangerAlert, Patient
from patients.pure.indications import Indication
from patients.tests.alert_kit import DETAIL, make_alert
from patients.tests.factories import make_patient
from patients.tests.intake_kit import make_ready

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@dataclass(frozen=True)
class Scene:
    """A clinic whose clinician is signed in, and Ada, of whom nothing is recorded yet."""

    clinic: Clinic
    ada: Patient


@pytest.fixture
def scene(transactional_db: None, sign_in: SignIn) -> Scene:
    install_shipped_protocols(now=datetime(2026, 1, 5, 14, 0, tzinfo=UTC))
    clinic = make_clinic()
    sign_in(clinic.clinician)
    ada = make_patient(
        phones=["+12125550123"], home_location=clinic.location, conditions=[Indication.TRD], sex="female"
    )
    return Scene(clinic, ada)


def monday(clinic: Clinic) -> date:
    today = clinic.location.local(timezone.now()).date()
    return today + timedelta(days=14 - today.weekday())


def test_a_series_is_pencilled_and_confirmed_when_it_is_ready(
    page: Any, expect: Expect, axe: Axe, scene: Scene
) -> None:
    clinic, ada = scene.clinic, scene.ada
    page.goto(f"{reverse('courses:plan', args=[ada.pk])}?first={monday(clinic).isoformat()}")
    expect(page.get_by_role("heading", name="Not ready to start")).to_be_visible()
    expect(page.get_by_role("link", name="Record consent: treatment consent")).to_be_visible()
    assert axe(page) == []
    button = page.get_by_role("button", name=re.compile("Pencil these 6 until"))
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/courses/\d+/"))
    expect(page.get_by_role("heading", name=re.compile("Pencilled until"))).to_be_visible()
    assert axe(page) == []
    make_ready(ada, Indication.TRD, clinic.location, clinic.clinician, timezone.now())
    page.reload()
    page.get_by_role("button", name="Confirm the series").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The series is firm")).to_be_visible()
    assert Course.objects.get().pencilled_until is None


def test_a_danger_signal_is_acknowledged_by_keyboard(page: Any, expect: Expect, axe: Axe, scene: Scene) -> None:
    alert = make_alert(scene.ada, scene.clinic.location, timezone.now())
    page.goto("/")
    assert axe(page) == []
    page.get_by_role("link", name=re.compile("Review: danger signal")).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text(DETAIL)).to_be_visible()
    assert axe(page) == []
    page.get_by_label("Called the patient").focus()
    page.keyboard.press("Space")
    page.get_by_label("In your words").focus()
    page.keyboard.type("She is with her sister.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What was done")).to_be_visible()
    alert.refresh_from_db()
    assert alert.what_was_done == "Called the patient. She is with her sister."
    expect(page.get_by_role("link", name="Enter the C-SSRS")).to_be_visible()
    assert axe(page) == []


@pytest.mark.parametrize(("width", "scheme"), [(1440, "dark"), (390, "light")])
def test_the_pages_fit_and_are_clean_for_axe(page: Any, axe: Axe, scene: Scene, width: int, scheme: str) -> None:
    ada, now = scene.ada, timezone.now()
    alert = make_alert(ada, scene.clinic.location, now, escalated_at=now)
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    for url in (alert.get_absolute_url(), reverse("alerts:list"), ada.get_absolute_url(), "/"):
        page.goto(url)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, url
        assert axe(page) == [], url
    assert DangerAlert.objects.waiting().count() == 1
