"""Reviews: opened at the decision points, and the facts that they lay out. Cases 1, 4, 6."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

from clinic.models import BookingStatus
from clinic.services import bookings
from clinic.tests.factories import make_clinic
from clinic.tests.fixtures.ledger import Queries
from courses.models import CourseStatus, Task, TaskEnd, TaskKind
from courses.pure.reviews import Said
from courses.services import moves
from courses.services import reviews as service
from courses.services.courses import change_course, close_course, preview_number
from courses.services.following import read_following
from courses.services.reviews import Review, read_review
from courses.services.worklists.engine import Swept, sweep
from courses.tests.review_kit import NOW, REVIEWS, given_four, keys, open_review, scored, swept
from courses.tests.series_kit import Booked, april, at, book
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db


# -- when a review is due ----------------------------------------------------------------------------------------------


def test_each_decision_point_of_the_protocol_has_its_review_once() -> None:
    booked = book()
    assert swept(booked) == Swept(0, 0)
    booked.give(1)
    assert swept(booked) == Swept(0, 0)
    booked.give(2)
    assert swept(booked) == Swept(1, 0)
    assert swept(booked) == Swept(0, 0)
    task = Task.objects.get()
    assert task.key == f"review:{booked.series.phase.pk}:2"
    assert task.text == "Review after infusion 2 of 6."
    assert task.due_on == april(9)  # before infusion 3
    assert task.infusion_id == booked.infusion(2).pk
    booked.give(3, 4, 5)
    swept(booked)
    booked.give(6)
    swept(booked)
    assert keys(booked) == ["2", "4", "end"]
    assert Task.objects.get(key__endswith="end").due_on == april(17)  # the day after the last one


def test_a_series_whose_points_passed_unseen_is_asked_about_once() -> None:
    assert open_review(given_four()).key.endswith(":4")


def test_what_was_decided_does_not_come_again() -> None:
    booked = given_four()
    service.continue_as_planned(open_review(booked).pk, by=booked.clinician, now=NOW)
    assert swept(booked) == Swept(0, 0)


def test_deciding_the_later_point_decides_the_earlier_one_with_it() -> None:
    booked = book()
    booked.give(1, 2)
    first = open_review(booked)
    booked.give(3, 4)
    swept(booked)
    later = Task.objects.get(key__endswith=":4")
    revision = service.continue_as_planned(later.pk, by=booked.clinician, now=NOW)
    first.refresh_from_db()
    assert (first.closed_how, first.closed_by, first.revision) == (TaskEnd.DECIDED, booked.clinician, revision)


def test_deciding_the_earlier_point_leaves_the_later_one_open() -> None:
    booked = book()
    booked.give(1, 2)
    first = open_review(booked)
    booked.give(3, 4)
    swept(booked)
    service.continue_as_planned(first.pk, by=booked.clinician, now=NOW)
    assert Task.objects.open().get().key.endswith(":4")


def test_an_infusion_that_was_not_given_after_all_takes_its_review_back_and_may_bring_it_again() -> None:
    booked = book()
    booked.give(1, 2)
    swept(booked)
    booking = booked.series.row(2).booking
    assert booking is not None
    moves.undo_visit(booking_id=booking.pk, by=booked.nurse, now=NOW)
    assert swept(booked) == Swept(0, 1)
    assert Task.objects.get().closed_text == "Undone: 1 infusion given now."
    bookings.advance(booking.pk, to=BookingStatus.DONE, by=booked.nurse, now=NOW)
    moves.record_given(booking_id=booking.pk, by=booked.nurse, now=NOW)
    assert swept(booked) == Swept(1, 0)
    assert keys(booked) == ["2", "2:2"]


def test_a_longer_series_moves_its_end_and_the_new_end_is_reviewed() -> None:
    booked = book()
    booked.give(1, 2, 3, 4, 5, 6)
    task, now = open_review(booked, at(april(19))), at(april(19))
    offer = preview_number(booked.series, n=8, now=now)
    service.commit_change(task.pk, offer.token, reason="Still gaining", by=booked.clinician, now=now)
    assert swept(booked, now) == Swept(0, 0)
    booked.give(7, 8)
    assert swept(booked, at(april(26))) == Swept(1, 0)
    assert keys(booked) == ["end", "end:2"]


def test_a_number_changed_on_its_own_page_takes_the_review_of_the_end_back() -> None:
    booked = book()
    booked.give(1, 2, 3, 4, 5, 6)
    now = at(april(19))
    swept(booked, now)
    change_course(preview_number(booked.series, n=8, now=now).token, reason="More", by=booked.clinician, now=now)
    sweep(now, kinds=REVIEWS)
    assert Task.objects.get(key__endswith="end").closed_text == "The series has 8 infusions now."


def test_a_closed_course_has_no_review_open_and_gets_none() -> None:
    booked = given_four()
    swept(booked)
    close_course(booked.course.pk, status=CourseStatus.STOPPED, reason="Moved", by=booked.clinician, now=NOW)
    assert not Task.objects.open().filter(kind=TaskKind.REVIEW).exists()
    assert swept(booked) == Swept(0, 0)


def test_the_number_of_queries_does_not_grow_with_the_courses(queries: Queries) -> None:
    clinic = make_clinic()
    first = book(clinic=clinic)
    first.give(1, 2)
    with queries("reviews of a clinic", at_most=20):  # a background sweep
        sweep(NOW, kinds=REVIEWS)
    second = book(clinic=clinic, patient=make_patient(given_name="Bea", home_location=clinic.location))
    second.give(1, 2)
    with queries("reviews of a clinic", at_most=20):  # a background sweep
        sweep(NOW, kinds=REVIEWS)
    assert Task.objects.open().count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_review_is_there_as_soon_as_the_infusion_is_saved_and_gone_as_soon_as_it_is_undone() -> None:
    booked = book()
    booked.give(1, 2)
    task = Task.objects.get(kind=TaskKind.REVIEW)
    assert task.closed_at is None
    booking = booked.series.row(2).booking
    assert booking is not None
    moves.undo_visit(booking_id=booking.pk, by=booked.nurse, now=NOW)
    task.refresh_from_db()
    assert task.closed_how == TaskEnd.SETTLED


def test_the_open_reviews_of_a_course_come_with_what_follows_it() -> None:
    booked = given_four()
    task = open_review(booked)
    assert [one.pk for one in service.open_reviews(read_following(booked.course))] == [task.pk]
    service.continue_as_planned(task.pk, by=booked.clinician, now=NOW)
    assert service.open_reviews(read_following(booked.course)) == []


# -- the facts ---------------------------------------------------------------------------------------------------------


def review_of(booked: Booked, now: datetime = NOW) -> Review:
    task = open_review(booked, now)
    return read_review(Task.objects.select_related("course").get(pk=task.pk), now)


def test_case_1_improves_and_the_rule_is_not_met() -> None:
    """20 → 14, 9, 8, 6: 30, 55, 60, 70 %; first response after infusion 2, early."""
    review = review_of(given_four(20, 14, 9, 8, 6))
    assert [line.percent for line in review.lines] == [
        Decimal("30.0"),
        Decimal("55.0"),
        Decimal("60.0"),
        Decimal("70.0"),
    ]
    assert review.rule.said is Said.NOT_MET
    assert review.outcome.first_response == 2
    assert review.gaps == (3, 3)
    assert review.missing == ()


def test_case_4_is_asked_about_and_nothing_stops() -> None:
    """21 → 20, 19, 18, 18: 14.3 % after infusion 4, below 20 % (P25); the course is not stopped."""
    booked = given_four(21, 20, 19, 18, 18)
    review = review_of(booked)
    assert review.rule.said is Said.MET
    assert review.lines[3].percent == Decimal("14.3")
    booked.course.refresh_from_db()
    assert booked.course.status == CourseStatus.ACTIVE
    assert len(booked.series.booked) == 2


def test_case_6_gets_worse_and_is_asked_about_too() -> None:
    """15 → 16, 18, 20, 21: any increase from infusion 1, worsening of 5 or more from infusion 3."""
    review = review_of(given_four(15, 16, 18, 20, 21))
    assert review.rule.is_met
    assert (review.outcome.any_increase_from, review.outcome.worsening_from) == (1, 3)
    assert review.lines[3].change == Decimal(6)


def test_missing_scores_and_a_missing_baseline_are_named() -> None:
    review = review_of(given_four(20, 14, None, 12, None))
    assert review.missing_words == "No score after infusions 2 and 4."
    assert review.rule.said is Said.UNKNOWN


def test_a_score_that_is_too_old_is_no_baseline_and_the_rule_says_that_it_does_not_know() -> None:
    """F1: at most 14 days before infusion 1. The only one is of 15 March, 21 days before 5 April."""
    booked = book(now=at(date(2027, 3, 15)))
    booked.give(1, 2, 3, 4)
    scored(booked, None, 14, 9, 8, 6)
    review = review_of(booked)
    assert review.outcome.baseline is None
    assert review.rule.said is Said.UNKNOWN
    assert [line.score.value for line in review.lines if line.score] == [14, 9, 8, 6]


def test_visits_without_an_infusion_stand_beside_the_facts() -> None:
    booked = book()
    booked.give(1, 2)
    pk = booked.infusion(3).pk
    moves.withhold_infusion(pk, reason="Pressure 182/110", by=booked.nurse, now=at(april(9), "08:10"))
    review = review_of(booked)
    (held,) = review.held
    assert (held.number, held.day, held.reason) == (3, april(9), "Pressure 182/110")


def test_the_facts_need_the_same_queries_however_much_there_is(queries: Queries) -> None:
    booked = given_four(20, 14, 9)
    task = Task.objects.select_related("course").get(pk=open_review(booked).pk)
    with queries("review"):
        review = read_review(task, NOW)
    assert [line.score.value for line in review.lines if line.score] == [14, 9]
