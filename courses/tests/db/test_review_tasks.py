"""What the task of a review says on the lists, when it is due, and what stays with the decision. Cases 1, 4, 6, 27c."""

from __future__ import annotations

from datetime import date

import pytest

from courses.models import Revision, RevisionKind, Task, TaskKind
from courses.services import moves
from courses.services import reviews as service
from courses.services.course_summary import read_summaries
from courses.tests.review_kit import NOW, given_four, open_review, scored, swept
from courses.tests.series_kit import Booked, april, at, book
from patients.tests.intake_kit import make_score

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ((20, 14, 9, 8, 6), "PHQ-9 20 → 6 after infusion 4, 70.0 % lower."),  # case 1
        ((20, 18, 18, 17, 17), "PHQ-9 20 → 17 after infusion 4, 15.0 % lower. Below 20 % after infusion 4."),  # case 4
        ((15, 17, 18, 18, 18), "PHQ-9 15 → 18 after infusion 4, 20.0 % higher. Below 20 % after infusion 4."),
        ((20, 14, 9, 8, None), "PHQ-9 20 → 8 after infusion 3, 60.0 % lower. No score after infusion 4."),
    ],
)
def test_the_task_says_in_a_line_where_the_series_stands(scores: tuple[int | None, ...], said: str) -> None:
    task = open_review(given_four(*scores))
    assert task.facts["said"] == f"Review after infusion 4 of 6. {said}"
    assert "PHQ" not in task.text


def test_a_score_that_comes_later_changes_the_line_of_the_open_task() -> None:
    booked = given_four()
    scored(booked, 20, 14, 9, 8)
    before = open_review(booked)
    assert before.facts["said"].endswith("No score after infusion 4.")
    make_score(booked.patient, "phq9", 6, booked.nurse, at(april(13), "08:30"))
    task = open_review(booked)
    assert task.pk == before.pk
    assert task.facts["said"].endswith("PHQ-9 20 → 6 after infusion 4, 70.0 % lower.")


def test_a_review_moves_with_the_infusion_before_which_it_is_due() -> None:
    booked = given_four()
    assert open_review(booked, at(april(13))).due_on == april(14)
    moves.cancel_infusion(booked.infusion(5).pk, reason="Ill", by=booked.desk, now=at(april(13)))
    assert open_review(booked, at(april(13))).due_on == april(16)


def missed() -> Booked:
    """Case 27c: T-ESK, the weekly session of Mon 15 March is missed, and PHQ-9 goes from 8 to 13."""
    booked = book(date(2027, 2, 1), slug="T-ESK")
    booked.give(*range(1, 11))
    at_8 = at(date(2027, 3, 9))
    service.continue_as_planned(open_review(booked, at_8).pk, by=booked.clinician, now=at_8)
    make_score(booked.patient, "phq9", 8, booked.nurse, at(date(2027, 3, 8), "08:00"))
    booking = booked.series.row(11).booking
    assert booking is not None
    moves.record_no_show(booked.infusion(11).pk, by=booked.desk, now=booking.end)
    make_score(booked.patient, "phq9", 13, booked.nurse, at(date(2027, 3, 17), "06:00"))
    return booked


def test_a_return_is_due_before_the_next_session_and_not_on_whatever_day_it_is_looked_for() -> None:
    booked = missed()
    assert booked.days()[12] == date(2027, 3, 22)
    task = open_review(booked, at(date(2027, 3, 17)))
    assert task.due_on == date(2027, 3, 22)
    swept(booked, at(date(2027, 3, 25)))
    task.refresh_from_db()
    assert task.due_on == date(2027, 3, 22)
    assert task.facts["said"] == "Review after a missed session (infusion 11). PHQ-9 8 → 13 since."


def test_with_nothing_booked_it_is_due_when_the_protocol_wants_the_next_session() -> None:
    """Weekly: seven days after the session of 15 March."""
    booked = missed()
    now = at(date(2027, 3, 17))
    moves.cancel_infusion(booked.infusion(12).pk, reason="Away", by=booked.desk, now=now)
    assert open_review(booked, now).due_on == date(2027, 3, 22)


def test_stopping_keeps_the_facts_with_its_revision_as_every_decision_does() -> None:
    booked = given_four(20, 18, 18, 17, 17)
    service.stop(open_review(booked).pk, reason="No improvement", by=booked.clinician, now=NOW)
    revision = Revision.objects.get(kind=RevisionKind.CLOSED)
    assert revision.before["review"]["rule_after_4"] == "met"
    assert [one["score"] for one in revision.before["review"]["infusions"]] == ["18.0", "18.0", "17.0", "17.0"]
    assert [one["number"] for one in revision.before["infusions"]] == [5, 6]  # what was released


def test_a_decided_review_leaves_no_remark_that_asks_for_it() -> None:
    booked = given_four()
    service.continue_as_planned(open_review(booked).pk, by=booked.clinician, now=NOW)
    remarks = [one.text for one in read_summaries(booked.course.pk, NOW)[0].remarks]
    assert not [text for text in remarks if "review" in text.lower()]
    assert not Task.objects.open().filter(kind=TaskKind.REVIEW).exists()
