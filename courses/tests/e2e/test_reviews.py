"""A review in a real browser: the facts, the preview of eight instead of six, and what stands in the history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse

from clinic.tests.fixtures.browser import Axe, SignIn, settled
from courses.models import Task, TaskKind
from courses.services.worklists.engine import sweep
from courses.tests.series_kit import april, at, book
from patients.tests.intake_kit import make_score

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

NOW = at(april(13), "09:00")


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW):
        yield


def test_a_prescriber_makes_six_into_eight_at_the_review(sign_in: SignIn, axe: Axe) -> None:
    """Case 4 after infusion 4: 14.3 %, so the page asks, and the prescriber decides otherwise."""
    booked = book()
    booked.give(1, 2, 3, 4)
    make_score(booked.patient, "phq9", 21, booked.nurse, at(april(4), "09:00"))
    make_score(booked.patient, "phq9", 18, booked.nurse, at(april(12) + timedelta(days=1), "08:30"))
    sweep(NOW, kinds=[TaskKind.REVIEW])
    task = Task.objects.open().get(kind=TaskKind.REVIEW, key__endswith=":4")
    page = sign_in(booked.clinician)
    page.goto(reverse("following:review", args=[booked.course.pk, task.pk]))
    page.get_by_text("Below 20 % improvement after infusion 4").wait_for()
    assert axe(page) == []
    page.get_by_role("link", name="Another number of infusions").click()
    page.get_by_label("Infusions in this series").fill("8")
    page.get_by_text("The series ends on Wed 21 Apr instead of Fri 16 Apr.").wait_for()
    settled(page)
    assert axe(page) == []
    page.get_by_label("Reason").fill("Still gaining")
    page.get_by_role("button", name="Confirm").click()
    page.get_by_text("Decided: 6 → 8 infusions.").wait_for()
    assert booked.days()[8] == april(21)
    task.refresh_from_db()
    assert task.closed_by == booked.clinician
