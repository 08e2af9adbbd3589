"""The outcome of a course from its record. Expected values: clinical.md H1 (cases 1, 6, 7c and 8)."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from clinic.models import Booking, BookingStatus
from clinic.tests.factories import make_clinic
from clinic.tests.fixtures.ledger import Queries
from courses.models import Course, CourseStatus, OutcomeDefinition
from courses.pure.outcomes.judging import shown
from courses.pure.outcomes.terms import SHIPPED, End, Speed
from courses.services.course_summary import read_summaries
from courses.services.courses import close_course
from courses.services.following import read_following
from courses.services.outcomes import CourseOutcome, next_series_of, outcome_of, outcomes_of_many, terms_of
from courses.tests.outcome_kit import BEFORE, CHECK_INS, course_with, put_score
from courses.tests.series_kit import Booked, april, at, book
from patients.pure.indications import Indication
from patients.services.assessments import strike_assessment
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
CASE_1 = (14, 9, 8, 6, 5, 4)


def of(booked: Booked) -> CourseOutcome:
    """Judged both ways, which must agree."""
    course = Course.objects.select_related("location").get(pk=booked.course.pk)
    now = at(date(2027, 7, 1))
    one = outcome_of(course, read_summaries(course.pk, now), read_following(course), until=next_series_of(course))
    assert outcomes_of_many([course.pk]) == {course.pk: one}
    return one


def test_case_1_from_the_record() -> None:
    found = of(course_with(20, *CASE_1))
    percents = [str(shown(one)) for one in found.outcome.improvement.values()]
    assert percents == ["30.0", "55.0", "60.0", "70.0", "75.0", "80.0"]
    assert (found.measure, found.outcome.end, found.outcome.speed) == ("phq9", End.RESPONSE, Speed.EARLY)
    assert (found.outcome.is_remission, found.is_over, found.planned) == (True, True, 6)


def test_a_series_that_goes_on_is_judged_so_far_and_its_close_ends_it() -> None:
    booked = course_with(15, 16, 18, 20, 21)  # case 6
    going_on = of(booked)
    assert (going_on.outcome.end, going_on.is_over) == (End.RUNNING, False)
    assert (going_on.outcome.any_increase_from, going_on.outcome.worsening_from) == (1, 3)
    assert going_on.outcome.is_not_improving
    now = at(april(15))
    close_course(booked.course.pk, status=CourseStatus.STOPPED, reason="Worse", by=booked.clinician, now=now)
    assert of(booked).outcome.end is End.NON_RESPONSE


def test_what_was_struck_counts_no_more() -> None:
    booked = course_with(20, 14)
    wrong = put_score(booked, CHECK_INS[0] - timedelta(days=1), 3, clock="20:00")
    assert of(booked).outcome.after[1].value == 3
    now = at(april(8))
    strike_assessment(
        patient_id=booked.patient.pk, assessment_id=wrong.pk, reason="Another patient", by=booked.nurse, now=now
    )
    assert of(booked).outcome.after[1].value == 14


def test_an_answer_kept_with_a_total_is_the_item_about_suicide() -> None:
    booked = course_with(None)
    booked.give(1, 2)
    put_score(booked, BEFORE, 20, danger=0)
    put_score(booked, CHECK_INS[0], 15, danger=0)
    assert of(booked).outcome.new_danger_from is None
    put_score(booked, CHECK_INS[1], 15, danger=1)
    assert (of(booked).outcome.new_danger_from, of(booked).outcome.new_danger_on) == (2, april(9))


def test_the_first_measure_with_a_baseline_leads_and_ptsd_asks_pcl5_first() -> None:
    booked = course_with(None, 14, 9)
    put_score(booked, BEFORE, 30, measure="madrs")
    put_score(booked, CHECK_INS[0], 20, measure="madrs")
    assert of(booked).measure == "madrs"
    assert [one.measure for one in of(booked).others] == ["phq9"]
    put_score(booked, BEFORE, 20)
    assert of(booked).measure == "phq9"
    put_score(booked, BEFORE, 60, measure="pcl5")
    assert of(booked).measure == "phq9"
    Course.objects.filter(pk=booked.course.pk).update(indication=Indication.PTSD)
    assert of(booked).measure == "pcl5"


def test_no_baseline_and_nothing_given_are_said_as_they_are() -> None:
    booked = course_with(None, *CASE_1)
    none = of(booked)
    assert (none.outcome.end, none.outcome.improvement) == (End.NO_BASELINE, {})
    other = book(date(2027, 5, 3), clinic=booked.clinic, patient=make_patient("Mei", "Chen"))
    assert (of(other).outcome.end, of(other).phase_id) == (End.NOT_BEGUN, other.series.phase.pk)


def test_a_version_of_the_terms_judges_the_courses_that_began_with_it() -> None:
    strict = OutcomeDefinition.objects.create(
        number=3,
        response_percent=90,
        remission_max={"phq9": 3, "qids": 5},
        relapse_scores={"madrs": 22},
        reason="Stricter",
        created_at=at(BEFORE),
        created_by=make_clinic().clinician,
    )
    terms = terms_of(strict)
    assert (terms.number, terms.response_percent, terms.name) == (3, 90, "terms, version 3")
    assert terms.remission_max == {"phq9": Decimal(3), "qids16": Decimal(5)}
    assert terms_of(None) is SHIPPED


def test_a_course_is_judged_by_its_own_version() -> None:
    booked = course_with(20, *CASE_1)
    assert of(booked).outcome.end is End.RESPONSE
    strict = OutcomeDefinition.objects.create(
        number=1, response_percent=90, reason="Stricter", created_at=at(BEFORE), created_by=booked.clinician
    )
    assert of(booked).outcome.end is End.RESPONSE  # a newer version changes nothing for a running course
    Course.objects.filter(pk=booked.course.pk).update(outcome_definition=strict)
    assert of(booked).outcome.end is End.PARTIAL


def test_a_late_start_moves_the_hours_that_a_score_must_wait() -> None:
    """Twenty hours count from the end of the infusion, as nearly as the visit says."""
    booked = book()
    booked.give(1)
    put_score(booked, BEFORE, 20)
    start = booked.series.row(1).booking
    assert start is not None
    put_score(booked, april(6), 9, clock="06:00")
    assert of(booked).outcome.after != {}
    assert start.status == BookingStatus.DONE
    Booking.objects.filter(pk=start.pk).update(observing_at=start.start + timedelta(hours=4))
    assert of(booked).outcome.after == {}
    Booking.objects.filter(pk=start.pk).update(observing_at=start.start + timedelta(days=2))
    assert of(booked).outcome.after != {}  # recorded days later: it ended on its day all the same


def test_many_are_judged_in_the_same_number_of_queries(queries: Queries) -> None:
    clinic = make_clinic()
    first = course_with(20, *CASE_1, booked=book(clinic=clinic))
    with queries("outcomes of many"):
        assert len(outcomes_of_many([first.course.pk])) == 1
    others = [
        course_with(20, 14, booked=book(slug="T-YALE4", clinic=clinic, patient=make_patient(name, "Chen")))
        for name in ("Mei", "Lin", "Bao")
    ]
    ids = [one.course.pk for one in (first, *others)]
    with queries("outcomes of many"):
        assert sorted(outcomes_of_many(ids)) == sorted(ids)
