"""The demo shows a questionnaire link in each state."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from clinic.tests.factories import make_clinic
from courses.services.demo.links import STATES, questionnaire_links
from patients.models import DangerAlert, MeasureLink
from patients.services.measure_links import progress_of
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db


def test_each_state_is_there_once_and_no_danger_is_made_up() -> None:
    clinic, now = make_clinic(), datetime(2027, 1, 4, 15, 0, tzinfo=UTC)
    questionnaire_links([make_patient() for _ in STATES], location=clinic.location, by=clinic.nurse, now=now)
    shown = progress_of(MeasureLink.objects.order_by("id"), now=now)
    assert tuple(one.state for one in shown) == STATES
    assert not DangerAlert.objects.exists()
