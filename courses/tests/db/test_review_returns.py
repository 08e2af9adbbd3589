"""Esketamine: the review of week 4, and a missed weekly session. Cases 27 and 27c."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from courses.pure.reviews import Rhythm
from courses.services import moves
from courses.services import reviews as service
from courses.services.worklists.engine import Swept
from courses.tests.review_kit import open_review, swept
from courses.tests.series_kit import Booked, at, book
from patients.tests.factories import make_patient
from patients.tests.intake_kit import make_score

pytestmark = pytest.mark.django_db


@pytest.fixture
def nasal() -> Booked:
    """Case 27: T-ESK from Mon 2027-02-01, Mon/Thu; the twice-weekly weeks and 1 and 8 March are given."""
    booked = book(date(2027, 2, 1), slug="T-ESK")
    booked.give(*range(1, 11))
    return booked


MISSED = date(2027, 3, 15)


def miss(booked: Booked, number: int) -> None:
    booking = booked.series.row(number).booking
    assert booking is not None
    moves.record_no_show(booked.infusion(number).pk, by=booked.desk, now=booking.start + timedelta(minutes=30))


def test_case_27_is_reviewed_at_the_end_of_week_4() -> None:
    booked = book(date(2027, 2, 1), slug="T-ESK")
    booked.give(*range(1, 8))
    now = at(date(2027, 2, 26))
    assert swept(booked, now) == Swept(0, 0)
    booked.give(8)
    task = open_review(booked, now)
    assert (task.text, task.due_on) == ("Review after infusion 8 of 12.", date(2027, 3, 1))


def decided_8(booked: Booked, now: datetime) -> None:
    service.continue_as_planned(open_review(booked, now).pk, by=booked.clinician, now=now)


def test_case_27c_a_missed_weekly_session_with_five_points_more_offers_twice_weekly(nasal: Booked) -> None:
    assert nasal.days()[11] == MISSED
    decided_8(nasal, at(date(2027, 3, 9)))
    make_score(nasal.patient, "phq9", 8, nasal.nurse, at(date(2027, 3, 8), "08:00"))
    miss(nasal, 11)
    now = at(date(2027, 3, 17))
    assert swept(nasal, now) == Swept(0, 0)  # nobody knows yet how the patient is
    make_score(nasal.patient, "phq9", 13, nasal.nurse, at(date(2027, 3, 17), "06:00"))
    task = open_review(nasal, now)
    assert task.key == f"review:{nasal.series.phase.pk}:return:{nasal.infusion(11).pk}"
    assert "13" not in task.text
    assert (task.facts["before"], task.facts["since"]) == ("8.0", "13.0")
    offer = service.preview_rhythm(nasal.series, Rhythm.TWO, now=now)
    assert [(row.number, row.state, row.becomes.day) for row in offer.rows[10:] if row.becomes] == [
        (11, "new", date(2027, 3, 17)),  # R5: as soon as the rhythm bears it
        (12, "same", date(2027, 3, 22)),  # Monday, 5 days later
    ]
    service.commit_change(task.pk, offer.token, reason="Worse since the missed one", by=nasal.clinician, now=now)
    assert nasal.days()[11] == date(2027, 3, 17)
    task.refresh_from_db()
    assert task.closed_text == "Rhythm changed"
    assert [(step.count, len(step.weekdays)) for step in offer.proposed.settings.steps] == [(8, 2), (2, 0), (2, 2)]


def test_the_offer_is_not_made_in_weeks_1_to_4_nor_for_fewer_points(nasal: Booked) -> None:
    """Weeks 1 to 4: continue the current schedule (L3)."""
    decided_8(nasal, at(date(2027, 3, 9)))
    make_score(nasal.patient, "phq9", 8, nasal.nurse, at(date(2027, 3, 8), "08:00"))
    miss(nasal, 11)
    make_score(nasal.patient, "phq9", 12, nasal.nurse, at(date(2027, 3, 17), "06:00"))
    assert swept(nasal, at(date(2027, 3, 17))) == Swept(0, 0)
    early = book(date(2027, 2, 1), slug="T-ESK", clinic=nasal.clinic, patient=make_patient(given_name="Bea"))
    early.give(1, 2)
    make_score(early.patient, "phq9", 8, early.nurse, at(date(2027, 2, 5), "08:00"))
    miss(early, 3)
    make_score(early.patient, "phq9", 20, early.nurse, at(date(2027, 2, 9), "06:00"))
    assert swept(early, at(date(2027, 2, 9))) == Swept(0, 0)


def test_keeping_the_schedule_is_an_answer_that_stays(nasal: Booked) -> None:
    decided_8(nasal, at(date(2027, 3, 9)))
    make_score(nasal.patient, "phq9", 8, nasal.nurse, at(date(2027, 3, 8), "08:00"))
    miss(nasal, 11)
    make_score(nasal.patient, "phq9", 14, nasal.nurse, at(date(2027, 3, 17), "06:00"))
    now = at(date(2027, 3, 17))
    service.continue_as_planned(open_review(nasal, now).pk, note="Was ill", by=nasal.clinician, now=now)
    assert swept(nasal, now) == Swept(0, 0)
