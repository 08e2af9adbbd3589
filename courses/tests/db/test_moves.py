"""Moving, cancelling, missing, withholding and re-slotting infusions of a running series (clinical.md H0 R3-R5, H3)."""

from __future__ import annotations

from datetime import date, time

import pytest
from django.core.exceptions import PermissionDenied

from clinic.models import Booking, BookingStatus
from clinic.services import bookings
from clinic.tests.factories import make_closure
from courses.models import (
    CourseStatus,
    InfusionStatus,
    InfusionVisit,
    Revision,
    RevisionKind,
    RuleOverride,
    VisitOutcome,
)
from courses.planning.types import Rule
from courses.services import moves
from courses.services.moves import Mode, Target
from courses.tests.series_kit import Booked, april, at, book
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db

SHIFT, ONLY = Mode.SHIFT, Mode.ONLY


@pytest.fixture
def booked() -> Booked:
    """T-MWF6 from Mon 2027-04-05: 5, 7, 9, 12, 14, 16 April."""
    made = book()
    assert made.days() == {1: april(5), 2: april(7), 3: april(9), 4: april(12), 5: april(14), 6: april(16)}
    return made


# -- the worked cases --------------------------------------------------------------------------------------------------


def test_case_20_a_no_show_is_re_slotted_the_next_day_and_the_rest_shifts(booked: Booked) -> None:
    """Source: clinical.md H3 case 20."""
    booked.give(1, 2, 3)
    missed_at = at(april(12), "12:00")
    moves.record_no_show(booked.infusion(4).pk, by=booked.desk, now=missed_at)
    offer = moves.preview_reslot(booked.infusion(4).pk, now=missed_at)
    assert {row.number: row.becomes.day for row in offer.rows if row.becomes} == {
        1: april(5),
        2: april(7),
        3: april(9),
        4: april(13),
        5: april(16),
        6: april(19),
    }
    assert offer.row_gaps() == {2: 2, 3: 2, 4: 4, 5: 3, 6: 3}
    assert offer.verdict.is_legal
    assert booked.days() == {1: april(5), 2: april(7), 3: april(9), 5: april(14), 6: april(16)}  # nothing saved yet
    moves.move_infusion(offer.token, by=booked.desk, now=missed_at)
    assert booked.days() == {1: april(5), 2: april(7), 3: april(9), 4: april(13), 5: april(16), 6: april(19)}
    assert len(booked.series.rows) == 6
    assert [row.infusion.status for row in booked.series.rows] == ["given"] * 3 + ["booked"] * 3


def test_case_21_a_held_infusion_moves_to_the_next_day_and_keeps_its_number(booked: Booked) -> None:
    """Source: clinical.md H3 case 21."""
    booked.give(1)
    held_at = at(april(7), "09:00")
    held = moves.withhold_infusion(booked.infusion(2).pk, reason="BP 166/98", by=booked.nurse, now=held_at)
    assert (held.number, held.status, held.day) == (2, InfusionStatus.WITHHELD, None)
    offer = moves.preview_reslot(held.pk, now=held_at)
    moves.move_infusion(offer.token, by=booked.clinician, now=held_at)
    assert booked.days() == {1: april(5), 2: april(8), 3: april(12), 4: april(14), 5: april(16), 6: april(19)}
    row = booked.series.row(2)
    assert [(one.outcome, one.reason) for one in row.attempts] == [(VisitOutcome.WITHHELD, "BP 166/98")]
    assert row.visit is not None
    assert row.visit.outcome == VisitOutcome.OPEN


def test_a_closed_next_day_sends_the_re_slot_to_the_first_open_one_within_the_largest_gap(booked: Booked) -> None:
    booked.give(1)
    make_closure(booked.clinic.location, april(8))
    moves.withhold_infusion(booked.infusion(2).pk, reason="BP 166/98", by=booked.nurse, now=at(april(7), "09:00"))
    offer = moves.preview_reslot(booked.infusion(2).pk, now=at(april(7), "09:00"))
    assert offer.becomes(2).day == april(9)  # gap 4, the largest
    assert offer.verdict.is_legal


def test_without_an_open_day_inside_the_limits_the_re_slot_is_out_of_window_and_needs_a_clinician(
    booked: Booked,
) -> None:
    """R5: else the next pattern weekday, flagged; R3c."""
    booked.give(1)
    make_closure(booked.clinic.location, april(8), april(9))
    now = at(april(7), "09:00")
    moves.withhold_infusion(booked.infusion(2).pk, reason="BP 166/98", by=booked.nurse, now=now)
    offer = moves.preview_reslot(booked.infusion(2).pk, now=now)
    assert offer.becomes(2).day == april(12)
    assert [finding.rule for finding in offer.breaches] == [Rule.GAP_TOO_LONG]
    assert not offer.may_confirm(booked.desk)
    with pytest.raises(PermissionDenied):
        moves.move_infusion(offer.token, reason="asked", by=booked.desk, now=now)
    with pytest.raises(moves.ReasonNeededError, match="7 days after infusion 1"):
        moves.move_infusion(offer.token, by=booked.clinician, now=now)
    moves.move_infusion(offer.token, reason="Pressure settles first", by=booked.clinician, now=now)
    (override,) = RuleOverride.objects.all()
    assert (override.infusion.number, override.rule, override.day) == (2, "gap_too_long", april(12))
    assert (override.actual, override.limit, override.reason) == (7, 4, "Pressure settles first")
    assert override.by == booked.clinician


# -- moving ------------------------------------------------------------------------------------------------------------


def test_only_this_moves_one_and_leaves_the_rest(booked: Booked) -> None:
    now = at(april(5))
    offer = moves.preview_move(booked.infusion(3).pk, target=Target(april(10 - 2)), mode=ONLY, now=now)
    assert [finding.rule for finding in offer.breaches] == [Rule.GAP_TOO_SHORT]  # Thu 8 is 1 day after Wed 7
    offer = moves.preview_move(booked.infusion(6).pk, target=Target(april(17 - 1), 13 * 60), mode=ONLY, now=now)
    assert offer.verdict.is_legal
    moves.move_infusion(offer.token, by=booked.desk, now=now)
    assert booked.starts()[6] == 13 * 60
    assert {number: start for number, start in booked.starts().items() if number != 6} == dict.fromkeys(
        range(1, 6), 480
    )


def test_shift_the_rest_moves_the_later_ones_by_the_rhythm(booked: Booked) -> None:
    now = at(april(5))
    offer = moves.preview_move(booked.infusion(3).pk, target=Target(april(10 + 3 - 1)), mode=SHIFT, now=now)
    # Mon 12 is 5 days after Wed 7: outside the largest gap of 4
    assert [finding.rule for finding in offer.breaches] == [Rule.GAP_TOO_LONG]
    make_closure(booked.clinic.location, april(16))
    offer = moves.preview_move(booked.infusion(4).pk, target=Target(april(13)), mode=SHIFT, now=now)
    assert {row.number: row.becomes.day for row in offer.rows if row.becomes} == {
        1: april(5),
        2: april(7),
        3: april(9),
        4: april(13),
        5: april(15),
        6: april(19),
    }  # Fri 16 is closed and Sat, Sun too, Mon 19 would be gap 6: so the day before (R3b)
    moves.move_infusion(offer.token, by=booked.desk, now=now)
    assert booked.days()[6] == april(19)
    assert Revision.objects.filter(kind=RevisionKind.SHIFTED).count() == 1


def test_a_booking_is_moved_in_place_and_no_second_one_appears(booked: Booked) -> None:
    before = {row.number: row.booking.pk for row in booked.series.rows if row.booking}
    offer = moves.preview_move(booked.infusion(4).pk, target=Target(april(13)), mode=SHIFT, now=at(april(5)))
    moves.move_infusion(offer.token, by=booked.desk, now=at(april(5)))
    assert {row.number: row.booking.pk for row in booked.series.rows if row.booking} == before
    assert Booking.objects.count() == 6


def test_a_breach_by_hand_needs_the_clinicians_reason_and_stays_visible(booked: Booked) -> None:
    now = at(april(5))
    offer = moves.preview_move(booked.infusion(3).pk, target=Target(april(8)), mode=ONLY, now=now)
    assert not offer.may_confirm(booked.desk)
    assert offer.may_confirm(booked.clinician)
    with pytest.raises(PermissionDenied):
        moves.move_infusion(offer.token, reason="patient asked", by=booked.desk, now=now)
    moves.move_infusion(offer.token, reason="Travels on Friday", by=booked.clinician, now=now)
    assert booked.days()[3] == april(8)
    assert [(one.rule, one.reason) for one in booked.series.row(3).overrides] == [
        ("gap_too_short", "Travels on Friday")
    ]
    (revision,) = Revision.objects.filter(kind=RevisionKind.MOVED)
    assert revision.reason == "Travels on Friday"
    assert revision.summary == "Infusion 3 moved from Fri 9 Apr, 08:00 to Thu 8 Apr, 08:00."


def test_a_nurse_may_look_but_not_move(booked: Booked) -> None:
    offer = moves.preview_move(booked.infusion(4).pk, target=Target(april(13)), mode=SHIFT, now=at(april(5)))
    assert not offer.may_confirm(booked.nurse)
    with pytest.raises(PermissionDenied):
        moves.move_infusion(offer.token, by=booked.nurse, now=at(april(5)))


def test_a_closed_day_the_past_and_a_day_out_of_order_cannot_be_chosen(booked: Booked) -> None:
    make_closure(booked.clinic.location, april(13))
    now = at(april(9))
    for target, rule in ((april(13), Rule.CLOSED_DAY), (april(8), Rule.IN_THE_PAST), (april(14), Rule.OUT_OF_ORDER)):
        offer = moves.preview_move(booked.infusion(4).pk, target=Target(target), mode=ONLY, now=now)
        assert rule in [finding.rule for finding in offer.blocked], target
        assert not offer.is_possible
        with pytest.raises(moves.ChangeRefusedError):
            moves.move_infusion(offer.token, by=booked.clinician, reason="no matter", now=now)
    assert booked.days()[4] == april(12)


def test_a_given_infusion_does_not_move(booked: Booked) -> None:
    booked.give(1)
    with pytest.raises(moves.ChangeRefusedError, match="Infusion 1 was given already"):
        moves.preview_move(booked.infusion(1).pk, target=Target(april(6)), mode=ONLY, now=at(april(6)))


# -- stale previews ----------------------------------------------------------------------------------------------------


def test_a_preview_that_somebody_overtook_is_refused_and_says_what_changed(booked: Booked) -> None:
    now = at(april(5))
    mine = moves.preview_move(booked.infusion(4).pk, target=Target(april(13)), mode=SHIFT, now=now)
    theirs = moves.preview_move(booked.infusion(4).pk, target=Target(april(12), 15 * 60), mode=ONLY, now=now)
    moves.move_infusion(theirs.token, by=booked.clinician, now=now)
    with pytest.raises(moves.ChangedMeanwhileError, match="infusion 4 is on Mon 12 Apr, 15:00 now"):
        moves.move_infusion(mine.token, by=booked.desk, now=now)
    assert booked.starts()[4] == 15 * 60


def test_a_time_that_another_patient_took_is_refused_by_name_and_nothing_moves(booked: Booked) -> None:
    now = at(april(5))
    for chair in booked.clinic.chairs[1:]:
        chair.is_active = False
        chair.save()
    offer = moves.preview_move(booked.infusion(4).pk, target=Target(april(13), 480), mode=SHIFT, now=now)
    other = book(april(13), clinic=booked.clinic, patient=make_patient("Mei", "Chen"), n=4, slug="T-YALE4", now=now)
    assert other.starts()[1] == 480
    with pytest.raises(moves.ChangedMeanwhileError, match="Nothing was changed"):
        moves.move_infusion(offer.token, by=booked.desk, now=now)
    assert booked.days() == {1: april(5), 2: april(7), 3: april(9), 4: april(12), 5: april(14), 6: april(16)}


def test_a_forged_token_is_refused(booked: Booked) -> None:
    offer = moves.preview_move(booked.infusion(4).pk, target=Target(april(13)), mode=SHIFT, now=at(april(5)))
    with pytest.raises(moves.ChangeRefusedError, match="cannot be read"):
        moves.move_infusion(offer.token[:-2] + "xx", by=booked.desk, now=at(april(5)))


# -- endings -----------------------------------------------------------------------------------------------------------


def test_cancelling_frees_the_time_keeps_the_number_and_is_written_down(booked: Booked) -> None:
    booking = booked.series.row(5).booking
    assert booking is not None
    now = at(april(6))
    moves.cancel_infusion(booked.infusion(5).pk, reason="Family emergency", by=booked.desk, now=now, expected_version=1)
    booking.refresh_from_db()
    assert (booking.status, booking.ended_reason) == (BookingStatus.CANCELLED, "Family emergency")
    assert not booking.allocations.filter(released=False).exists()
    row = booked.series.row(5)
    assert (row.number, row.infusion.status, row.placed) == (5, InfusionStatus.CANCELLED, None)
    assert booked.series.missed_on(5) == april(14)
    (revision,) = Revision.objects.filter(kind=RevisionKind.CANCELLED)
    assert revision.summary == "Infusion 5 on Wed 14 Apr, 08:00 was cancelled."


def test_cancelling_and_holding_need_a_reason(booked: Booked) -> None:
    with pytest.raises(moves.ReasonNeededError):
        moves.cancel_infusion(booked.infusion(5).pk, reason=" ", by=booked.desk, now=at(april(6)))
    with pytest.raises(moves.ReasonNeededError):
        moves.withhold_infusion(booked.infusion(5).pk, reason="", by=booked.nurse, now=at(april(6)))


def test_nobody_has_missed_a_visit_that_is_still_to_come(booked: Booked) -> None:
    with pytest.raises(moves.ChangeRefusedError, match="has not come yet"):
        moves.record_no_show(booked.infusion(5).pk, by=booked.desk, now=at(april(6)))


def test_who_may_end_a_visit(booked: Booked) -> None:
    now = at(april(12), "12:00")
    with pytest.raises(PermissionDenied):
        moves.withhold_infusion(booked.infusion(4).pk, reason="BP", by=booked.desk, now=now)
    with pytest.raises(PermissionDenied):
        moves.cancel_infusion(booked.infusion(4).pk, reason="x", by=booked.nurse, now=now)
    with pytest.raises(PermissionDenied):
        moves.record_no_show(booked.infusion(4).pk, by=booked.clinic.manager, now=now)
    moves.record_no_show(booked.infusion(4).pk, by=booked.nurse, now=now)


def test_a_stale_page_cannot_cancel_what_was_moved_meanwhile(booked: Booked) -> None:
    now = at(april(5))
    offer = moves.preview_move(booked.infusion(4).pk, target=Target(april(12), 15 * 60), mode=ONLY, now=now)
    moves.move_infusion(offer.token, by=booked.desk, now=now)
    with pytest.raises(moves.ChangedMeanwhileError, match="it is on Mon 12 Apr, 15:00 now"):
        moves.cancel_infusion(booked.infusion(4).pk, reason="x", by=booked.desk, now=now, expected_version=1)


def test_a_new_time_for_only_this_one_leaves_the_others(booked: Booked) -> None:
    booked.give(1, 2, 3)
    now = at(april(12), "12:00")
    moves.record_no_show(booked.infusion(4).pk, by=booked.desk, now=now)
    offer = moves.preview_reslot(booked.infusion(4).pk, mode=ONLY, now=now)
    # Tue 13 is the only day after the missed one and before Wed 14, and it is one day before infusion 5.
    assert offer.missing == (4,)
    assert offer.explanation == (
        "There is no legal free time for infusion 4 between its neighbours. Shift the rest instead."
    )
    assert not offer.may_confirm(booked.clinician)
    assert {row.number for row in offer.rows if row.state == "same"} == {5, 6}
    with pytest.raises(moves.ChangeRefusedError, match="There is no time for infusion 4, so nothing was changed"):
        moves.move_infusion(offer.token, reason="Sent by hand", by=booked.clinician, now=now)


def test_a_new_time_that_leaves_the_rest_without_one_cannot_be_sent_by_hand(booked: Booked) -> None:
    """The page offers no button for it; whoever posts its token all the same is refused, and nothing is moved."""
    booked.give(1, 2, 3)
    now = at(april(12), "12:00")
    moves.record_no_show(booked.infusion(4).pk, by=booked.desk, now=now)
    make_closure(booked.clinic.location, april(14), date(2028, 6, 1))
    offer = moves.preview_reslot(booked.infusion(4).pk, now=now)
    assert offer.becomes(4).day == april(13)
    assert offer.missing == (5, 6)
    assert not offer.is_possible
    before = booked.days()
    with pytest.raises(moves.ChangeRefusedError, match="no time for infusions 5 and 6"):
        moves.move_infusion(offer.token, reason="Sent by hand", by=booked.clinician, now=now)
    assert booked.days() == before
    assert not Revision.objects.filter(kind=RevisionKind.RESLOTTED).exists()


# -- given -------------------------------------------------------------------------------------------------------------


def test_the_first_infusion_given_puts_the_course_in_treatment(booked: Booked) -> None:
    booked.give(1)
    booked.course.refresh_from_db()
    assert booked.course.status == CourseStatus.ACTIVE
    assert booked.infusion(1).status == InfusionStatus.GIVEN
    booking = booked.series.row(1).booking
    assert booking is not None
    moves.record_given(booking_id=booking.pk, by=booked.nurse, now=at(april(5), "12:00"))  # harmless
    assert booked.infusion(1).day == april(5)


def test_infusions_are_numbered_in_the_order_in_which_they_are_given(booked: Booked) -> None:
    booked.give(1)
    moves.record_no_show(booked.infusion(2).pk, by=booked.desk, now=at(april(7), "12:00"))
    booked.give(3)
    assert booked.infusion(2).status == InfusionStatus.GIVEN
    assert booked.infusion(2).day == april(9)
    assert booked.infusion(3).status == InfusionStatus.MISSED
    offer = moves.preview_reslot(booked.infusion(3).pk, now=at(april(9), "14:00"))
    assert offer.verdict.is_legal
    assert offer.becomes(3).day == april(12)


@pytest.fixture
def given_first(booked: Booked) -> tuple[int, int]:
    """Infusion 2 was missed, and 3 was given before it had a new time: the two traded numbers."""
    booked.give(1)
    missed, third = booked.infusion(2).pk, booked.infusion(3).pk
    moves.record_no_show(missed, by=booked.desk, now=at(april(7), "12:00"))
    booked.give(3)
    assert (booked.infusion(2).pk, booked.infusion(3).pk) == (third, missed)
    return missed, third


def booking_of(infusion_id: int) -> int:
    return InfusionVisit.objects.get(infusion=infusion_id, outcome=VisitOutcome.GIVEN).booking_id


def test_a_trade_of_numbers_stands_in_the_history_of_the_course(given_first: tuple[int, int]) -> None:
    (revision,) = Revision.objects.filter(kind=RevisionKind.RENUMBERED)
    assert revision.summary == "Infusion 3 was given first and is infusion 2 now; infusion 3 waits for a time."


def test_undoing_a_given_infusion_trades_the_numbers_back(booked: Booked, given_first: tuple[int, int]) -> None:
    missed, third = given_first
    undone = moves.undo_visit(booking_id=booking_of(third), by=booked.nurse, now=at(april(9), "12:30"))
    assert (undone.infusion.pk, undone.infusion.number, undone.numbers_stay) == (third, 3, "")
    assert (booked.infusion(2).pk, booked.infusion(3).pk) == (missed, third)
    assert [booked.infusion(n).status for n in (2, 3)] == [InfusionStatus.MISSED, InfusionStatus.BOOKED]
    booking, later = undone.infusion.visits.get().booking, at(april(9), "12:31")
    bookings.advance(booking.pk, to=BookingStatus.DONE, by=booked.nurse, now=later)
    moves.record_given(booking_id=booking.pk, by=booked.nurse, now=later)  # as often as it takes
    assert (booked.infusion(2).pk, booked.infusion(3).pk) == (third, missed)
    moves.undo_visit(booking_id=booking_of(third), by=booked.nurse, now=at(april(9), "12:30"))
    assert (booked.infusion(2).pk, booked.infusion(3).pk) == (missed, third)


def test_numbers_stay_when_the_other_one_has_a_new_time_by_now(booked: Booked, given_first: tuple[int, int]) -> None:
    missed, third = given_first
    offer = moves.preview_reslot(missed, now=at(april(9), "14:00"))
    moves.move_infusion(offer.token, by=booked.desk, now=at(april(9), "14:00"))
    undone = moves.undo_visit(booking_id=booking_of(third), by=booked.nurse, now=at(april(9), "14:30"))
    assert undone.numbers_stay == (
        "The numbers stay as they are, because infusion 3 waits no longer: it is infusion 2."
    )
    assert (booked.infusion(2).pk, booked.infusion(3).pk) == (third, missed)


def test_numbers_stay_when_another_one_was_given_since(booked: Booked, given_first: tuple[int, int]) -> None:
    _missed, third = given_first
    booked.give(4)  # trades with the one that still waits
    undone = moves.undo_visit(booking_id=booking_of(third), by=booked.nurse, now=at(april(12), "12:30"))
    assert undone.numbers_stay == "The numbers stay as they are, because others were given since: it is infusion 2."
    assert [row.infusion.status for row in booked.series.rows[:4]] == ["given", "booked", "given", "missed"]


def test_an_ending_can_be_undone_while_the_time_is_free(booked: Booked) -> None:
    booking = booked.series.row(5).booking
    assert booking is not None
    moves.cancel_infusion(booked.infusion(5).pk, reason="Mistake", by=booked.desk, now=at(april(6)))
    moves.undo_visit(booking_id=booking.pk, by=booked.desk, now=at(april(6)))
    assert booked.days()[5] == april(14)
    assert booked.series.row(5).attempts == ()


def test_an_ending_cannot_be_undone_when_the_infusion_has_a_new_time(booked: Booked) -> None:
    booking = booked.series.row(5).booking
    assert booking is not None
    now = at(april(6))
    moves.cancel_infusion(booked.infusion(5).pk, reason="Ill", by=booked.desk, now=now)
    offer = moves.preview_reslot(booked.infusion(5).pk, now=now)
    moves.move_infusion(offer.token, by=booked.desk, now=now)
    with pytest.raises(moves.ChangeRefusedError, match="has a new time already"):
        moves.undo_visit(booking_id=booking.pk, by=booked.desk, now=now)


def test_undoing_the_only_given_infusion_takes_the_course_back_to_planned(booked: Booked) -> None:
    booked.give(1)
    booking = booked.series.row(1).booking
    assert booking is not None
    moves.undo_visit(booking_id=booking.pk, by=booked.nurse, now=at(april(5), "12:00"))
    booked.course.refresh_from_db()
    assert (booked.course.status, booked.infusion(1).status) == (CourseStatus.PLANNED, InfusionStatus.BOOKED)


def test_a_wished_time_of_the_series_does_not_bind_the_person_at_the_telephone(booked: Booked) -> None:

    phase = booked.series.phase
    phase.earliest_start, phase.latest_start = time(8), time(10)
    phase.save()
    offer = moves.preview_move(booked.infusion(6).pk, target=Target(april(16), 15 * 60), mode=ONLY, now=at(april(5)))
    assert offer.verdict.is_legal
    assert Rule.OUTSIDE_WISHED_HOURS in [finding.rule for finding in offer.notes]
