"""For whom a freed time is legal and better, in the order in which they are asked."""

from __future__ import annotations

from datetime import time, timedelta

import pytest

from clinic.tests.factories import make_closure
from clinic.tests.fixtures.ledger import Queries
from courses.models import (
    Course,
    CourseStatus,
    InfusionStatus,
    OfferState,
    OfferWay,
    SlotOffer,
)
from courses.services import moves, offers, waiting
from courses.services.moves import Mode, Target
from courses.tests.offers_kit import NOW, Gap, another, ill, make_gap, owes
from courses.tests.series_kit import Booked, april, book
from patients.models import Unavailability
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db


@pytest.fixture
def gap() -> Gap:
    return make_gap()


def move(booked: Booked, number: int, target: Target, mode: Mode = Mode.ONLY) -> None:
    token = moves.preview_move(booked.infusion(number).pk, target=target, mode=mode, now=NOW).token
    moves.move_infusion(token, reason="Asked for it", by=booked.clinician, now=NOW)


def names(gap: Gap) -> list[str]:
    return [one.series.patient.given_name for one in gap.candidates()]


def test_an_infusion_without_a_time_comes_first_then_the_waiting_list(gap: Gap) -> None:
    leo = another(gap.clinic, "Leo", "Park")
    move(leo, 5, Target(april(15)), Mode.SHIFT)
    move(leo, 4, Target(april(13)))
    waiting.put_on_list(leo.course.pk, by=gap.clinic.desk, now=NOW)
    owes(another(gap.clinic, "Mei", "Chen"))
    found = gap.candidates()
    assert [(one.series.patient.given_name, one.ranked.why) for one in found] == [
        ("Mei", "infusion 4 of 6 has no time yet"),
        ("Leo", "on the waiting list since Sat 10 Apr: infusion 4 of 6, 1 day earlier"),
    ]
    assert all(one.offer.is_possible and not one.offer.breaches for one in found)
    assert all(one.offer.becomes(4).chair_id == gap.slot.chair_id for one in found)


def test_whoever_gave_the_time_up_is_not_asked_for_it(gap: Gap) -> None:
    assert gap.left.infusion(4).status == InfusionStatus.CANCELLED  # owed, and yet
    assert names(gap) == []


def test_whoever_let_another_visit_of_that_day_go_is_not_asked_for_it(gap: Gap) -> None:
    mei = another(gap.clinic, "Mei", "Chen")
    ill(mei, 4)  # on Mon 12 April as well
    assert names(gap) == []


def test_a_patient_who_cannot_come_then_is_not_asked(gap: Gap) -> None:
    mei, leo, ann = (another(gap.clinic, name, "Chen") for name in ("Mei", "Leo", "Ann"))
    for one in (mei, leo, ann):
        owes(one)
    Unavailability.objects.create(patient=mei.patient, first_day=april(12), last_day=april(12))
    hours = {"from_time": time(7), "until_time": time(9)}
    Unavailability.objects.create(patient=leo.patient, first_day=april(12), last_day=april(12), **hours)
    assert names(gap) == ["Ann"]


def test_whom_the_hours_of_their_plan_suit_is_asked_before_the_others(gap: Gap) -> None:
    """The freed time is at 08:00."""
    mei, leo = (another(gap.clinic, name, "Chen") for name in ("Mei", "Leo"))
    owes(mei)
    owes(leo)
    assert names(gap) == ["Mei", "Leo"]
    mei.course.phases.update(earliest_start=time(10))
    assert [(one.series.patient.given_name, one.hours) for one in gap.candidates()] == [
        ("Leo", ""),
        ("Mei", "from 10:00"),
    ]
    waiting.put_on_list(mei.course.pk, by=gap.clinic.desk, now=NOW)  # any hour: the plan's hours stand
    assert names(gap) == ["Leo", "Mei"]
    waiting.put_on_list(mei.course.pk, from_time=time(7), by=gap.clinic.desk, now=NOW)
    assert names(gap) == ["Mei", "Leo"]


def test_a_series_whose_gaps_the_time_would_break_is_left_out(gap: Gap) -> None:
    """Infusion 3 on Fri 9 April is given: Mon 12 is 3 days later. Owed 5 with 4 on Wed 14 stays out of order."""
    mei = another(gap.clinic, "Mei", "Chen")
    move(mei, 4, Target(april(12), 13 * 60))
    ill(mei, 5)  # infusion 5 belongs after Mon 12 April, at the earliest on Wed 14
    assert names(gap) == []


@pytest.mark.parametrize("status", [CourseStatus.INTERRUPTED, CourseStatus.STOPPED])
def test_a_course_that_does_not_run_is_left_out(gap: Gap, status: CourseStatus) -> None:
    mei = another(gap.clinic, "Mei", "Chen")
    owes(mei)
    assert names(gap) == ["Mei"]
    Course.objects.filter(pk=mei.course.pk).update(status=status)
    assert names(gap) == []


def test_a_pencilled_course_is_left_out(gap: Gap) -> None:
    mei = another(gap.clinic, "Mei", "Chen")
    owes(mei)
    Course.objects.filter(pk=mei.course.pk).update(pencilled_until=NOW + timedelta(days=1))
    assert names(gap) == []


def test_a_closed_day_suits_nobody(gap: Gap) -> None:
    owes(another(gap.clinic, "Mei", "Chen"))
    make_closure(gap.clinic.location, april(12))
    assert names(gap) == []


def test_another_location_does_not_count(gap: Gap) -> None:
    elsewhere = book(patient=make_patient("Mei", "Chen"))
    elsewhere.give(1, 2, 3)
    ill(elsewhere, 4)
    assert names(gap) == []


def test_whoever_declined_is_not_asked_again(gap: Gap) -> None:
    mei = another(gap.clinic, "Mei", "Chen")
    owes(mei)
    offers.decline_by_call(gap.plan_for(mei), reason="Works then", by=gap.clinic.desk, now=NOW)
    assert names(gap) == []
    offer = SlotOffer.objects.get()
    assert (offer.state, offer.way) == (OfferState.DECLINED, OfferWay.CALL)
    assert offer.why.endswith("Said: Works then")


def test_a_shorter_series_is_the_last_reason(gap: Gap) -> None:
    """T-MWF6 of 4: its last infusion is on Tue 13 April, and would be on Mon 12."""
    patient = make_patient("Mei", "Chen")
    mei = book(clinic=gap.clinic, patient=patient, n=4)
    mei.give(1, 2, 3)
    move(mei, 4, Target(april(13)))
    found = gap.candidates()
    assert [one.ranked.why for one in found] == ["the series would end on Mon 12 Apr instead of Tue 13 Apr"]


def test_no_more_queries_for_eight_patients_than_for_one(gap: Gap, queries: Queries) -> None:
    owes(another(gap.clinic, "Mei", "Chen"))
    with queries("whom a freed time would help"):
        assert len(gap.candidates()) == 1
    for number in range(7):
        owes(another(gap.clinic, "Robin", f"Fictional{number}"))
    with queries("whom a freed time would help"):
        assert len(gap.candidates()) == 8
