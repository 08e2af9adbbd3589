"""Times that became free: written down each time, with one task for each, given to one; and the waiting list."""

from __future__ import annotations

from datetime import date, time

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction

from clinic.models import BookingKind, BookingStatus
from clinic.services import bookings
from clinic.services.bookings import GivenBack
from clinic.tests.fixtures.ledger import Queries
from courses.models import (
    Course,
    CourseStatus,
    FreedSlot,
    InfusionStatus,
    OfferState,
    OfferWay,
    SlotOffer,
    TaskKind,
    WaitingEntry,
)
from courses.services import courses as course_service
from courses.services import moves, offers, waiting
from courses.services.freed import PASSED, TAKEN, close_spent, follow_freed, key_of, read_freed
from courses.services.moves import Mode, Target
from courses.services.worklists.engine import sweep
from courses.tests.offers_kit import NOW, Gap, another, ill, make_gap, owes, tasks
from courses.tests.series_kit import Booked, april, at, book
from courses.tests.visit_kit import consult
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
FREED = (TaskKind.FREED_SLOT,)


@pytest.fixture
def booked() -> Booked:
    """T-MWF6 from Mon 5 April, infusions 1 to 3 given; 12, 14, 16 April booked at 08:00 on chair 1."""
    made = book()
    made.give(1, 2, 3)
    return made


@pytest.fixture
def gap() -> Gap:
    return make_gap()


def move(booked: Booked, number: int, target: Target, mode: Mode = Mode.ONLY) -> None:
    token = moves.preview_move(booked.infusion(number).pk, target=target, mode=mode, now=NOW).token
    moves.move_infusion(token, reason="Asked for it", by=booked.clinician, now=NOW)


def freed_days(booked: Booked) -> list[date]:
    return [booked.series.local_day(slot.start) for slot in FreedSlot.objects.order_by("start")]


# -- written down ------------------------------------------------------------------------------------------------------


def test_a_cancelled_visit_leaves_its_time_and_one_task_that_says_nothing_clinical(booked: Booked) -> None:
    was = booked.series.row(4)
    assert was.booking is not None
    ill(booked, 4)
    slot = FreedSlot.objects.get()
    assert was.placed is not None
    assert (slot.booking, slot.chair_id) == (was.booking, was.placed.chair_id)
    assert (slot.start, slot.end, slot.freed_at) == (was.booking.start, was.booking.end, NOW)
    task = tasks().get()
    assert (task.kind, task.key, task.text) == (
        TaskKind.FREED_SLOT,
        key_of(slot.pk),
        "Mon 12 Apr, 08:00, Chair 1 became free",
    )
    assert (task.due_on, task.facts, task.patient) == (april(12), {}, None)


def test_a_moved_visit_leaves_the_time_where_it_was(booked: Booked) -> None:
    move(booked, 4, Target(april(13)))
    assert freed_days(booked) == [april(12)]


def test_a_visit_withheld_ahead_of_its_day_leaves_its_time(booked: Booked) -> None:
    moves.withhold_infusion(booked.infusion(4).pk, reason="High blood pressure", by=booked.nurse, now=NOW)
    assert freed_days(booked) == [april(12)]
    assert "pressure" not in tasks().get().text


def test_a_closed_course_leaves_every_time_that_was_still_to_come(booked: Booked) -> None:
    status = CourseStatus.STOPPED
    course_service.close_course(booked.course.pk, status=status, reason="x", by=booked.clinician, now=NOW)
    assert freed_days(booked) == [april(12), april(14), april(16)]
    assert tasks().count() == 3


@pytest.mark.parametrize(("clock", "there"), [("06:59", 1), ("07:00", 0), ("07:30", 0)])
def test_a_time_that_begins_within_the_hour_is_not_offered(booked: Booked, clock: str, there: int) -> None:
    ill(booked, 4, now=at(april(12), clock))
    assert FreedSlot.objects.count() == tasks().count() == there


def test_a_no_show_leaves_nothing_to_offer(booked: Booked) -> None:
    moves.record_no_show(booked.infusion(4).pk, by=booked.desk, now=at(april(12), "08:20"))
    assert FreedSlot.objects.count() == 0


def test_a_move_on_the_same_chair_into_its_own_time_leaves_nothing(booked: Booked) -> None:
    move(booked, 4, Target(april(12), 9 * 60))
    assert booked.starts()[4] == 9 * 60
    assert FreedSlot.objects.count() == 0


def test_a_time_that_another_visit_of_the_same_move_takes_is_not_free(booked: Booked) -> None:
    """The rest follows by two days: 12, 14, 16 April become 14, 16, 18 or 19; only the 12th is free."""
    move(booked, 4, Target(april(14)), Mode.SHIFT)
    assert booked.days()[4] == april(14)
    assert april(14) not in freed_days(booked)
    assert april(12) in freed_days(booked)


def test_other_people_and_another_chair_at_the_same_time_leave_the_old_chair(booked: Booked) -> None:
    was = booked.series.row(4)
    assert was.placed is not None
    chair = next(one for one in booked.clinic.chairs if one.pk != was.placed.chair_id)
    move(booked, 4, Target(april(12), 8 * 60, chair_id=chair.pk))
    assert FreedSlot.objects.get().chair_id == was.placed.chair_id


def test_a_visit_that_is_moved_moved_again_and_cancelled_leaves_a_time_and_a_task_each_time(booked: Booked) -> None:
    """Mon 12 April at 08:00, then Tue 13, then Mon 12 at 14:00: three times that others could have."""
    move(booked, 4, Target(april(13)))
    move(booked, 4, Target(april(12), 14 * 60))
    ill(booked, 4)
    assert freed_days(booked) == [april(12), april(12), april(13)]
    assert FreedSlot.objects.values("booking").distinct().count() == 1
    keys = {key_of(pk) for pk in FreedSlot.objects.values_list("pk", flat=True)}
    assert set(tasks().open().values_list("key", flat=True)) == keys
    assert sweep(NOW, kinds=FREED).opened == 0


def test_a_visit_that_came_back_and_is_let_go_again_leaves_its_time_once(booked: Booked) -> None:
    """Cancelled, undone, cancelled: no sweep has looked in between, so the time was open all along."""
    ill(booked, 4)
    slot = FreedSlot.objects.get()
    moves.undo_visit(booking_id=slot.booking_id, by=booked.desk, now=NOW)
    ill(booked, 4)
    assert FreedSlot.objects.get() == slot
    assert tasks().get().key == key_of(slot.pk)


def test_a_time_that_was_taken_back_stays_closed_and_is_offered_anew_when_it_is_free_once_more(booked: Booked) -> None:
    ill(booked, 4)
    first = FreedSlot.objects.get()
    moves.undo_visit(booking_id=first.booking_id, by=booked.desk, now=NOW)
    sweep(NOW, kinds=FREED)
    assert FreedSlot.objects.get().closed_text == TAKEN
    assert sweep(NOW, kinds=FREED).opened == 0  # taken back: nothing is free, nothing is asked
    ill(booked, 4)
    again = FreedSlot.objects.get(closed_at=None)
    assert (again.start, again.chair) == (first.start, first.chair)
    assert FreedSlot.objects.count() == 2
    assert tasks().open().get().key == key_of(again.pk)
    assert tasks().get(key=key_of(first.pk)).closed_text == TAKEN


def test_a_time_that_nobody_is_asked_for_any_more_is_not_opened_by_a_sweep(booked: Booked) -> None:
    ill(booked, 4)
    slot = FreedSlot.objects.get()
    offers.leave_open(slot.pk, reason="Nurse is ill", by=booked.desk, now=NOW)
    assert sweep(NOW, kinds=FREED).opened == 0
    assert FreedSlot.objects.get().closed_text == "Left open: Nurse is ill"
    assert not tasks().open().exists()


def test_the_database_keeps_one_open_row_for_a_time_that_a_visit_let_go(booked: Booked) -> None:
    ill(booked, 4)
    slot = FreedSlot.objects.get()
    slot.pk = None
    with pytest.raises(IntegrityError, match="freedslot_open_once"), transaction.atomic():
        slot.save(force_insert=True)
    slot.closed_at, slot.closed_text = NOW, TAKEN
    slot.save(force_insert=True)
    assert FreedSlot.objects.count() == 2


def test_a_consultation_leaves_no_time_at_a_chair(booked: Booked) -> None:
    told: list[GivenBack] = []
    bookings.follow_freed(BookingKind.CONSULTATION, lambda given_back, **_known: told.extend(given_back))
    try:
        one = consult(booked.clinic, patient=make_patient("Mei", "Chen"), day=april(13), now=NOW)
        bookings.release([one.pk], status=BookingStatus.CANCELLED, reason="x", by=booked.desk, now=NOW)
    finally:
        bookings._freed_followers.pop(BookingKind.CONSULTATION)
    assert [(one.booking_id, one.station_name, one.start) for one in told] == [
        (one.pk, "Room 1", at(april(13), "10:00"))
    ]
    assert FreedSlot.objects.count() == 0


def test_what_is_rolled_back_leaves_no_time(booked: Booked) -> None:
    def refuse(_given_back: object, **_known: object) -> None:
        raise bookings.StepRefusedError("no")

    bookings.follow_freed(BookingKind.INFUSION, refuse)
    try:
        with pytest.raises(moves.ChangeRefusedError):
            ill(booked, 4)
    finally:
        bookings._freed_followers[BookingKind.INFUSION].remove(refuse)
    assert FreedSlot.objects.count() == tasks().count() == 0
    assert booked.infusion(4).status == InfusionStatus.BOOKED


def test_writing_it_down_costs_two_queries_however_many(booked: Booked, queries: Queries) -> None:
    rows = [row for row in booked.series.booked if row.booking is not None and row.placed is not None]
    given_back = [
        GivenBack(
            row.booking.pk,
            "infusion",
            booked.clinic.location,
            row.placed.chair_id or 0,
            "Chair 1",
            row.booking.start,
            row.booking.end,
        )
        for row in rows
    ]
    with queries("times given back", at_most=2):
        follow_freed(given_back[:1], by=booked.desk, now=NOW)
    with queries("times given back", at_most=2):
        follow_freed(given_back, by=booked.desk, now=NOW)
    assert FreedSlot.objects.count() == tasks().count() == 3
    with queries("times given back too late", at_most=0):
        follow_freed(given_back, by=booked.desk, now=at(april(20)))


# -- given -------------------------------------------------------------------------------------------------------------


def test_what_is_accepted_is_booked_as_it_was_shown_and_the_task_says_by_which_act(gap: Gap) -> None:
    mei = another(gap.clinic, "Mei", "Chen")
    owes(mei)
    offer = offers.accept_by_call(gap.plan_for(mei), by=gap.clinic.desk, now=NOW)
    placed = mei.series.row(4).placed
    assert placed is not None
    assert (placed.day, placed.start_min, placed.chair_id) == (april(12), 8 * 60, gap.slot.chair_id)
    assert (offer.state, offer.way, offer.offered_by) == (OfferState.ACCEPTED, OfferWay.CALL, gap.clinic.desk)
    task = tasks().get(key=key_of(gap.slot.pk))
    assert (task.closed_how, task.closed_by, task.closed_text) == ("done", gap.clinic.desk, offers.BY_CALL)


def test_a_patient_who_moves_to_a_freed_time_leaves_one_for_the_next(gap: Gap) -> None:
    leo = another(gap.clinic, "Leo", "Park")
    move(leo, 5, Target(april(15)), Mode.SHIFT)
    move(leo, 4, Target(april(13)))
    FreedSlot.objects.exclude(pk=gap.slot.pk).delete()  # as if it had been booked there at first
    waiting.put_on_list(leo.course.pk, by=gap.clinic.desk, now=NOW)
    offers.accept_by_call(gap.plan_for(leo), by=gap.clinic.desk, now=NOW)
    assert leo.days()[4] == april(12)
    assert april(13) in freed_days(leo)


def test_nobody_without_the_right_gives_a_time_away(gap: Gap) -> None:
    mei = another(gap.clinic, "Mei", "Chen")
    owes(mei)
    plan, nurse = gap.plan_for(mei), gap.clinic.nurse
    for act in (
        lambda: offers.accept_by_call(plan, by=nurse, now=NOW),
        lambda: offers.decline_by_call(plan, by=nurse, now=NOW),
        lambda: offers.offer_by_link(plan, valid_min=60, by=nurse, now=NOW),
        lambda: offers.withdraw(1, slot_id=gap.slot.pk, by=nurse, now=NOW),
        lambda: offers.leave_open(gap.slot.pk, reason="x", by=nurse, now=NOW),
        lambda: waiting.put_on_list(mei.course.pk, by=nurse, now=NOW),
        lambda: waiting.take_off_list(mei.course.pk, by=nurse, now=NOW),
    ):
        with pytest.raises(PermissionDenied):
            act()
    assert SlotOffer.objects.count() == 0


def test_a_time_that_has_begun_is_given_to_nobody(gap: Gap) -> None:
    mei = another(gap.clinic, "Mei", "Chen")
    owes(mei)
    plan = gap.plan_for(mei)
    with pytest.raises(offers.SlotGoneError, match="has passed"):
        offers.accept_by_call(plan, by=gap.clinic.desk, now=gap.slot.start)


def test_a_plan_that_changed_since_is_refused_and_says_how(gap: Gap) -> None:
    mei = another(gap.clinic, "Mei", "Chen")
    owes(mei)
    plan = gap.plan_for(mei)
    ill(mei, 5)
    with pytest.raises(offers.OfferRefusedError, match="infusion 5 is cancelled now"):
        offers.accept_by_call(plan, by=gap.clinic.desk, now=NOW)
    assert read_freed(gap.slot.pk, NOW).is_open_at(NOW)


# -- tasks -------------------------------------------------------------------------------------------------------------


def test_a_sweep_opens_nothing_twice_and_leaves_what_waits(gap: Gap) -> None:
    assert sweep(NOW, kinds=FREED).opened == 0
    assert tasks().open().count() == 1


def test_a_sweep_opens_what_is_missing(gap: Gap) -> None:
    slot = gap.slot
    other = FreedSlot.objects.create(
        booking=gap.left.series.row(5).booking,
        location=slot.location,
        chair=gap.clinic.chairs[3],
        start=slot.start,
        end=slot.end,
        freed_at=NOW,
    )
    assert sweep(NOW, kinds=FREED).opened == 1
    assert tasks().get(key=key_of(other.pk)).text == "Mon 12 Apr, 08:00, Chair 4 became free"


def test_a_time_that_passed_is_settled_and_says_so(gap: Gap) -> None:
    mei = another(gap.clinic, "Mei", "Chen")
    owes(mei)
    offers.offer_by_link(gap.plan_for(mei), valid_min=60, by=gap.clinic.desk, now=NOW)
    sweep(gap.slot.start, kinds=FREED)
    task = tasks().get(key=key_of(gap.slot.pk))
    assert (task.closed_how, task.closed_text) == ("settled", PASSED)
    assert SlotOffer.objects.get().state == OfferState.GONE


def test_a_time_that_was_booked_in_another_way_is_settled_and_says_so(gap: Gap) -> None:
    mei = another(gap.clinic, "Mei", "Chen")
    owes(mei)
    token = moves.preview_move(
        mei.infusion(4).pk,
        target=Target(april(12), 8 * 60, chair_id=gap.slot.chair_id),
        mode=Mode.ONLY,
        now=NOW,
    ).token
    moves.move_infusion(token, by=gap.clinic.desk, now=NOW)
    assert read_freed(gap.slot.pk, NOW).why_closed(NOW) == TAKEN
    sweep(NOW, kinds=FREED)
    assert tasks().get(key=key_of(gap.slot.pk)).closed_text == TAKEN


def test_an_undone_cancellation_takes_its_time_back(gap: Gap) -> None:
    moves.undo_visit(booking_id=gap.slot.booking_id, by=gap.clinic.desk, now=NOW)
    assert close_spent(NOW) == 1
    gap.slot.refresh_from_db()
    assert gap.slot.closed_text == TAKEN


def test_a_sweep_of_one_course_leaves_freed_times_alone(gap: Gap) -> None:
    sweep(gap.slot.start, course_id=gap.left.course.pk, kinds=FREED)
    assert tasks().open().count() == 1


# -- the waiting list --------------------------------------------------------------------------------------------------


def test_a_course_waits_once_and_says_what_was_said_last(gap: Gap) -> None:
    first = waiting.put_on_list(gap.left.course.pk, weekdays=[2, 0], by=gap.clinic.desk, now=NOW)
    again = waiting.put_on_list(gap.left.course.pk, notice_hours=48, by=gap.clinic.desk, now=NOW)
    assert (first.pk, first.weekdays, again.notice_hours, again.weekdays) == (again.pk, [0, 2], 48, [])
    waiting.take_off_list(gap.left.course.pk, by=gap.clinic.desk, now=NOW)
    with pytest.raises(waiting.WaitingRefusedError, match="not on the waiting list"):
        waiting.take_off_list(gap.left.course.pk, by=gap.clinic.desk, now=NOW)
    assert waiting.put_on_list(gap.left.course.pk, by=gap.clinic.desk, now=NOW).pk != first.pk


def test_odd_hours_and_closed_courses_are_refused(gap: Gap) -> None:
    with pytest.raises(ValidationError, match="earliest time must be before"):
        waiting.put_on_list(gap.left.course.pk, from_time=time(12), to_time=time(9), by=gap.clinic.desk, now=NOW)
    Course.objects.filter(pk=gap.left.course.pk).update(status=CourseStatus.STOPPED)
    with pytest.raises(waiting.WaitingRefusedError, match="closed"):
        waiting.put_on_list(gap.left.course.pk, by=gap.clinic.desk, now=NOW)
    assert WaitingEntry.objects.count() == 0
