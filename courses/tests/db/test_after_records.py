"""What is recorded about a patient is told to the lists after the commit, and never lost by what goes wrong there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from kombu.exceptions import OperationalError

from clinic.services import jobs
from courses.models import Task, TaskEnd, TaskKind
from courses.services.worklists import after
from courses.services.worklists.engine import sweep
from courses.tasks.worklists import sweep_patient
from courses.tests.outcome_kit import BEFORE, put_score
from courses.tests.series_kit import Booked, april, at, book
from patients.models import Assessment
from patients.services.assessments import strike_assessment
from patients.services.consents import withdraw_consent
from patients.services.followers import Noted
from patients.tests.intake_kit import make_ready

pytestmark = pytest.mark.django_db(transaction=True)
TASK = "courses.tasks.worklists.sweep_patient"


class Broker:
    """Keeps what would be sent, or is away."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, tuple[Any, ...]]] = []
        self.is_away = False

    def send_task(self, name: str, *, args: tuple[Any, ...]) -> None:
        if self.is_away:
            raise OperationalError("away")
        self.sent.append((name, args))

    def told(self) -> list[tuple[Any, ...]]:
        found = [args for name, args in self.sent if name == TASK]
        self.sent.clear()
        return found


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    found = Broker()
    monkeypatch.setattr(jobs, "current_app", found)
    return found


@pytest.fixture
def booked(broker: Broker) -> Booked:
    """One infusion given, PHQ-9 10 before it."""
    found = book()
    found.give(1)
    put_score(found, BEFORE, 10)
    broker.sent.clear()
    return found


def test_a_score_recorded_and_one_struck_are_told(booked: Booked, broker: Broker) -> None:
    row = put_score(booked, april(7), 8)
    assert broker.told() == [(booked.patient.pk, "score")]
    known = {"patient_id": booked.patient.pk, "assessment_id": row.pk, "by": booked.nurse, "now": at(april(8))}
    strike_assessment(reason="Another patient", **known)
    assert broker.told() == [(booked.patient.pk, "score")]
    strike_assessment(reason="Again", **known)  # it was struck already
    assert broker.told() == []


def test_a_consent_that_is_taken_back_is_told(booked: Booked, broker: Broker) -> None:
    now = at(april(8))
    make_ready(booked.patient, "ptsd", booked.clinic.location, booked.clinician, now)
    broker.sent.clear()
    consent = booked.patient.consents.latest("pk")
    withdraw_consent(consent_id=consent.pk, reason="Changed their mind", by=booked.clinician, now=now)
    assert broker.told() == [(booked.patient.pk, "consent")]


def test_what_is_rolled_back_is_told_to_nobody(booked: Booked, broker: Broker) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        put_score(booked, april(7), 8)
        raise ZeroDivisionError
    assert broker.told() == []


def test_without_a_broker_the_score_stands_and_the_next_sweep_finds_it(booked: Booked, broker: Broker) -> None:
    broker.is_away = True
    row = put_score(booked, april(7), 20)
    assert Assessment.objects.filter(pk=row.pk).exists()
    assert broker.sent == []
    sweep(at(april(7), "12:00"), kinds=[TaskKind.WORSE])
    assert Task.objects.get(kind=TaskKind.WORSE).course == booked.course


def test_a_sweep_that_fails_leaves_the_score(booked: Booked, monkeypatch: pytest.MonkeyPatch) -> None:
    row = put_score(booked, april(7), 20)

    def fail(*_args: Any, **_known: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(after, "sweep", fail)
    with pytest.raises(ZeroDivisionError):
        sweep_patient(booked.patient.pk, Noted.SCORE.value)
    assert Assessment.objects.valid().filter(pk=row.pk).exists()


def test_a_score_ten_points_higher_opens_its_task_and_striking_it_settles_that(booked: Booked) -> None:
    """F1: 5 points above the baseline is worse."""
    row = put_score(booked, april(7), 20)
    after.sweep_patient(booked.patient.pk, Noted.SCORE, at(april(7), "12:00"))
    task = Task.objects.get(kind=TaskKind.WORSE)
    assert task.key == f"worse:{row.pk}"
    now = at(april(8))
    strike_assessment(
        patient_id=booked.patient.pk, assessment_id=row.pk, reason="Another patient", by=booked.nurse, now=now
    )
    after.sweep_patient(booked.patient.pk, Noted.SCORE, now)
    task.refresh_from_db()
    assert task.closed_how == TaskEnd.SETTLED


def test_other_patients_and_other_lists_are_left_alone(booked: Booked) -> None:
    put_score(booked, april(7), 20)
    after.sweep_patient(booked.patient.pk + 1, Noted.SCORE, at(april(7), "12:00"))
    after.sweep_patient(booked.patient.pk, Noted.CONSENT, at(april(7), "12:00"))
    assert not Task.objects.filter(kind=TaskKind.WORSE).exists()


def test_the_worker_may_do_it_twice(booked: Booked) -> None:
    put_score(booked, april(7), 20)
    now = at(april(7), "12:00")
    first = after.sweep_patient(booked.patient.pk, Noted.SCORE, now)
    again = after.sweep_patient(booked.patient.pk, Noted.SCORE, now + timedelta(seconds=1))
    assert first.opened >= 1
    assert (again.opened, again.settled) == (0, 0)
