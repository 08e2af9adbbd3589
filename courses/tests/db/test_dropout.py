"""The drop-out radar (clinical.md A 12, F1): missed, cancelled or withheld, and nothing booked inside the largest gap."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from clinic.models import BookingStatus, User
from clinic.services import bookings
from clinic.tests.fixtures.ledger import Queries
from courses.models import Course, CourseStatus, Infusion, Task, TaskEnd, TaskKind
from courses.planning.types import Rule
from courses.services import courses, moves
from courses.services.moves import Mode, Target
from courses.services.worklists import dropout, engine
from courses.services.worklists.engine import Swept, end_task, sweep
from courses.tests.series_kit import Booked, april, at, book
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
KINDS = (TaskKind.INTERRUPTED, TaskKind.DROPOUT)


@pytest.fixture
def booked() -> Booked:
    """T-MWF6 from Mon 2027-04-05: 5, 7, 9, 12, 14, 16 April; gaps of 2 to 4 days."""
    return book()


def cancel(booked: Booked, *numbers: int, now: datetime, by: User | None = None) -> None:
    for number in numbers:
        moves.cancel_infusion(booked.infusion(number).pk, reason="Called", by=by or booked.desk, now=now)


def look(now: datetime) -> Swept:
    return sweep(now, kinds=KINDS)


def reslot(booked: Booked, number: int, now: datetime) -> date:
    offer = moves.preview_reslot(booked.infusion(number).pk, now=now)
    moves.move_infusion(offer.token, reason="Called back", by=booked.clinician, now=now)
    return booked.days()[number]


def the_task() -> Task:
    return Task.objects.get(kind=TaskKind.DROPOUT)


# -- when it is there --------------------------------------------------------------------------------------------------


def test_a_series_that_runs_as_booked_is_on_no_list(booked: Booked) -> None:
    booked.give(1, 2, 3)
    assert look(at(april(10))) == Swept(0, 0)


def test_after_the_first_infusion_with_nothing_booked_it_is_on_the_list_with_the_reason(booked: Booked) -> None:
    """Issue 5: 20 % leave after the first. First infusion Mon 5 April, largest gap 4 days: Fri 9 April."""
    booked.give(1)
    cancel(booked, 2, 3, 4, 5, 6, now=at(april(6)))
    assert look(at(april(6), "12:00")).opened == 1
    task = the_task()
    assert (task.course_id, task.patient_id, task.due_on) == (booked.course.pk, booked.patient.pk, april(9))
    assert task.infusion_id == booked.infusion(2).pk
    assert task.text == (
        "Infusion 2 of 6 was cancelled on Wed 7 Apr; 4 more without a time. The largest gap ends on Fri 9 Apr, and "
        "nothing is booked inside it. About one in five leaves after the first infusion."
    )
    assert task.facts["said"] == (
        "1 of 6 given, the last on Mon 5 Apr; infusions 2, 3, 4, 5 and 6 have no time. The gap is kept until Fri 9 Apr. "
        "Reason given: “Called”. About one in five leaves after the first infusion."
    )
    assert task.key.startswith(f"dropout:{booked.course.pk}:{booked.infusion(1).pk}:")


def test_the_reason_is_for_clinical_staff_and_not_in_the_text(booked: Booked) -> None:
    booked.give(1, 2, 3)
    cancel(booked, 4, 5, 6, now=at(april(10)))
    look(at(april(10)))
    assert "Called" in the_task().facts["said"]
    assert "Called" not in the_task().text
    assert "one in five" not in the_task().text


def test_a_missed_infusion_whose_next_one_lies_beyond_the_gap_is_on_the_list(booked: Booked) -> None:
    """3 given on Fri 9 April; 4 missed on Mon 12; 5 on Wed 14 is day 5, the largest gap is 4 (Tue 13)."""
    booked.give(1, 2, 3)
    cancel(booked, 4, now=at(april(12)))
    look(at(april(12)))
    assert the_task().due_on == april(13)


def test_a_missed_infusion_whose_next_one_is_inside_the_gap_is_not(booked: Booked) -> None:
    """1 given on Mon 5 April; 2 cancelled; 3 on Fri 9 is day 4, which the largest gap still bears."""
    booked.give(1)
    cancel(booked, 2, now=at(april(6)))
    assert look(at(april(6))).opened == 0


def test_somebody_who_is_in_the_clinic_now_is_not_leaving(booked: Booked) -> None:
    """5 is beyond the gap since 3, and the patient sits in the chair."""
    booked.give(1, 2, 3)
    cancel(booked, 4, now=at(april(12)))
    look(at(april(12)))
    booking = booked.series.row(5).booking
    assert booking is not None
    bookings.advance(booking.pk, to=BookingStatus.ARRIVED, by=booked.nurse, now=booking.start)
    assert look(booking.start).settled == 1


def test_the_first_infusion_missed_and_everything_called_off_is_on_the_list(booked: Booked) -> None:
    cancel(booked, 1, 2, 3, 4, 5, 6, now=at(april(3)))
    look(at(april(3)))
    task = the_task()
    assert task.key.startswith(f"dropout:{booked.course.pk}:first:")
    assert task.facts["given"] == 0


def test_the_first_infusion_missed_with_the_second_booked_is_on_its_way(booked: Booked) -> None:
    cancel(booked, 1, now=at(april(3)))
    assert look(at(april(3))).opened == 0


def test_a_pause_that_a_clinician_allowed_is_no_drop_out(booked: Booked) -> None:
    """F1: without a planned pause."""
    booked.give(1, 2, 3)
    now = at(april(10))
    cancel(booked, 5, 6, now=now)
    offer = moves.preview_move(booked.infusion(4).pk, target=Target(april(21)), mode=Mode.ONLY, now=now)
    assert Rule.GAP_TOO_LONG in {finding.rule for finding in offer.breaches}
    assert look(now).opened == 0, "4 is still on Monday"
    moves.move_infusion(offer.token, reason="Journey", by=booked.clinician, now=now)
    assert look(now).opened == 0


def test_an_interrupted_course_stands_only_on_that_list(booked: Booked) -> None:
    booked.give(1, 2, 3)
    cancel(booked, 4, 5, 6, now=at(april(10)))
    look(at(april(10)))
    courses.mark_interrupted(at(april(24)))
    assert look(at(april(24))) == Swept(opened=1, settled=1)
    assert the_task().closed_text == "The course is interrupted by now; it stands on that list."
    assert [one.kind for one in Task.objects.open().filter(kind__in=KINDS)] == [TaskKind.INTERRUPTED]


def test_it_stays_until_the_other_list_has_it(booked: Booked) -> None:
    booked.give(1, 2, 3)
    cancel(booked, 4, 5, 6, now=at(april(10)))
    look(at(april(10)))
    courses.mark_interrupted(at(april(24)))
    assert sweep(at(april(24)), kinds=[TaskKind.DROPOUT]) == Swept(0, 0)
    assert the_task().closed_at is None


# -- how it ends -------------------------------------------------------------------------------------------------------


def test_a_new_time_settles_it_and_says_which_and_by_whom(booked: Booked) -> None:
    booked.give(1, 2, 3)
    cancel(booked, 4, 5, 6, now=at(april(10)))
    look(at(april(10)))
    assert reslot(booked, 4, at(april(10), "12:00")) == april(13)  # R5: the first day after the missed one
    assert look(at(april(10), "12:05")).settled == 1
    task = the_task()
    assert (task.closed_how, task.closed_by) == (TaskEnd.SETTLED, None)
    assert task.closed_text == f"Infusion 4 is booked for Tue 13 Apr ({booked.clinician})."


def test_called_off_again_it_is_back_as_a_new_task(booked: Booked) -> None:
    booked.give(1, 2, 3)
    cancel(booked, 4, 5, 6, now=at(april(10)))
    look(at(april(10)))
    reslot(booked, 4, at(april(10), "12:00"))
    look(at(april(10), "12:05"))
    cancel(booked, 4, now=at(april(11)))
    assert look(at(april(11))) == Swept(opened=1, settled=0)
    assert look(at(april(11), "08:00")) == Swept(0, 0)
    assert Task.objects.open().filter(kind=TaskKind.DROPOUT).count() == 1


def test_more_called_off_changes_the_words_and_opens_nothing_new(booked: Booked) -> None:
    booked.give(1, 2, 3)
    cancel(booked, 4, now=at(april(12)))
    look(at(april(12)))
    cancel(booked, 5, 6, now=at(april(12), "09:00"))
    assert look(at(april(12), "09:05")) == Swept(0, 0)
    assert the_task().facts["owed"] == [4, 5, 6]


def test_set_aside_by_a_person_it_stays_away_until_something_new_happens(booked: Booked) -> None:
    booked.give(1, 2, 3)
    cancel(booked, 4, 5, 6, now=at(april(10)))
    look(at(april(10)))
    now = at(april(10), "12:00")
    end_task(the_task().pk, how=TaskEnd.DECLINED, text="Goes elsewhere", by=booked.desk, now=now)
    assert look(at(april(11))) == Swept(0, 0)
    reslot(booked, 4, at(april(11), "10:00"))
    look(at(april(11), "10:05"))
    cancel(booked, 4, now=at(april(11), "15:00"))
    assert look(at(april(11), "15:05")).opened == 1


def test_continued_after_an_interruption_it_waits_for_a_time_again(booked: Booked) -> None:
    booked.give(1, 2, 3)
    cancel(booked, 4, 5, 6, now=at(april(10)))
    look(at(april(10)))
    courses.mark_interrupted(at(april(24)))
    look(at(april(24)))
    courses.continue_course(booked.course.pk, reason="Back", by=booked.clinician, now=at(april(26)))
    assert look(at(april(26), "08:00")) == Swept(opened=1, settled=1)
    (task,) = Task.objects.open().filter(kind__in=KINDS)
    assert (task.kind, task.due_on) == (TaskKind.DROPOUT, april(30))  # 26 April and the largest gap of 4 days


def test_closing_the_course_settles_it(booked: Booked) -> None:
    booked.give(1, 2, 3)
    cancel(booked, 4, 5, 6, now=at(april(10)))
    look(at(april(10)))
    Course.objects.filter(pk=booked.course.pk).update(status=CourseStatus.STOPPED, closed_on=april(11))
    assert look(at(april(11))).settled == 1
    assert the_task().closed_text == "The course was closed on Sun 11 Apr: stopped."


def test_fewer_infusions_settle_it(booked: Booked) -> None:
    booked.give(1, 2, 3)
    cancel(booked, 4, 5, 6, now=at(april(10)))
    look(at(april(10)))
    Infusion.objects.filter(phase__course=booked.course, number__gt=3).update(status="dropped", day=None)
    assert look(at(april(11))).settled == 1
    assert the_task().closed_text.startswith("Infusion 3 was given on Fri 9 Apr, and none is owed any more")


# -- many courses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("many", [2, 20])
def test_twenty_courses_cost_what_two_cost(booked: Booked, queries: Queries, many: int) -> None:
    """Also the settling: half of the tasks have lost their reason meanwhile."""
    booked.give(1)
    cancel(booked, 2, 3, 4, 5, 6, now=at(april(6)))
    for number in range(1, many):
        copy_of(booked, number)
    now = at(april(6), "12:00")
    with queries("dropout: wanted"):
        found = list(dropout.wanted(now, None))
    assert len(found) == many
    engine.sweep(now, kinds=[TaskKind.DROPOUT])
    half = [one.course_id for one in found][: many // 2]
    Infusion.objects.filter(phase__course__in=half, number__gt=1).update(status="dropped", day=None)
    tasks = list(Task.objects.open().filter(kind=TaskKind.DROPOUT).select_related("course"))
    with queries("dropout: settled"):
        said = dropout.settled(tasks, now)
    assert len(said) == many // 2


def copy_of(booked: Booked, number: int) -> Course:
    """Another patient with the same infusions, without visits: the radar reads statuses and days."""
    phase, course = booked.series.phase, Course.objects.get(pk=booked.course.pk)
    rows, steps = list(phase.infusions.order_by("number")), list(phase.steps.all())
    course.pk, course.patient = None, make_patient("Robin", f"Copy{number:02d}", home_location=booked.clinic.location)
    course.save()
    phase.pk, phase.course = None, course
    phase.save()
    for row in rows:
        row.pk, row.phase = None, phase
        row.save()
    for step in steps:
        step.pk, step.phase = None, phase
        step.save()
    return course
