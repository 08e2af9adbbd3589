"""Booking, moving and releasing: all or nothing, never two in one place, and a refusal that says why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.apps import apps

from clinic.models import Allocation, AllocationRole, Booking, BookingKind, BookingStatus
from clinic.models.bookings import ATTENTION_LANE
from clinic.services.bookings import (
    LONGEST_REASON,
    BookingRefusedError,
    Claim,
    Move,
    StaleBookingError,
    StepRefusedError,
    TimeTakenError,
    Wanted,
    advance,
    book,
    rebook,
    release,
    undo,
)
from clinic.tests.bookings_kit import NOW, THURSDAY_AT_TEN, Clinic, make_clinic, ny

if TYPE_CHECKING:
    from clinic.tests.fixtures.ledger import Queries

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def book_one(clinic: Clinic, wanted: Wanted) -> Booking:
    return book([wanted], by=clinic.desk, now=NOW)[0]


def refusal(clinic: Clinic, *wanted: Wanted) -> str:
    before = Booking.objects.count(), Allocation.objects.count()
    with pytest.raises(BookingRefusedError) as refused:
        book(wanted, by=clinic.desk, now=NOW)
    assert (Booking.objects.count(), Allocation.objects.count()) == before
    return str(refused.value)


class TestBooking:
    def test_a_booking_holds_each_claim_for_its_own_span(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        booking.refresh_from_db()
        assert (booking.status, booking.version, booking.created_by, booking.created_at) == (
            "booked",
            1,
            clinic.desk,
            NOW,
        )
        assert (booking.start, booking.end) == (THURSDAY_AT_TEN, THURSDAY_AT_TEN + timedelta(minutes=135))
        held = {
            (row.resource.name, row.role, row.lane, (row.span.upper - row.span.lower) // timedelta(minutes=1))
            for row in booking.allocations.select_related("resource")
        }
        assert held == {
            ("Chair 1", "station", 0, 135),
            ("Patient 1", "patient", 0, 120),
            ("Rosa Diaz", "nurse", 0, 120),
            ("Rosa Diaz", "attention", ATTENTION_LANE, 15),
        }

    def test_the_answer_is_in_the_order_of_the_request(self, clinic: Clinic) -> None:
        days = [THURSDAY_AT_TEN + timedelta(days=day) for day in (4, 0, 7)]
        assert [one.start for one in book([clinic.infusion(day) for day in days], by=clinic.desk, now=NOW)] == days

    def test_bookings_that_meet_end_to_start_are_both_booked(self, clinic: Clinic) -> None:
        book_one(clinic, clinic.infusion())
        book_one(clinic, clinic.infusion(THURSDAY_AT_TEN + timedelta(minutes=135), patient=clinic.patient(1)))
        assert Booking.objects.count() == 2

    def test_a_series_is_booked_whole_or_not_at_all(self, clinic: Clinic) -> None:
        week = timedelta(days=7)
        book_one(clinic, clinic.infusion(THURSDAY_AT_TEN + 5 * week, patient=clinic.patient(1)))
        series = [clinic.infusion(THURSDAY_AT_TEN + number * week) for number in range(6)]
        assert "Thu 11 Feb 10:00–12:15" in refusal(clinic, *series)

    def test_the_number_of_queries_does_not_grow_with_the_series(self, clinic: Clinic, queries: Queries) -> None:
        clinic.patient(0)
        two, eight = (
            [clinic.infusion(THURSDAY_AT_TEN + timedelta(days=day)) for day in days] for days in ((0, 1), range(10, 18))
        )
        with queries("book a series", at_most=6):
            book(two, by=clinic.desk, now=NOW)
        with queries("book a series", at_most=6):
            book(eight, by=clinic.desk, now=NOW)
        assert Booking.objects.count() == len(two) + len(eight)


class TestRefusals:
    def test_a_taken_chair_is_named_with_time_and_kind(self, clinic: Clinic) -> None:
        first = book_one(clinic, clinic.infusion(chair=clinic.chairs[1]))
        other = clinic.infusion(THURSDAY_AT_TEN + HOUR, chair=clinic.chairs[1], patient=clinic.patient(1))
        with pytest.raises(TimeTakenError) as refused:
            book([clinic.infusion(THURSDAY_AT_TEN + timedelta(days=1)), other], by=clinic.desk, now=NOW)
        assert [clash.message for clash in refused.value.clashes] == [
            "Chair 2 is taken Thu 7 Jan 10:00–12:15 by an infusion."
        ]
        clash = refused.value.clashes[0]
        assert (clash.index, clash.booking_id, clash.resource_name) == (1, first.pk, "Chair 2")
        assert clash.claim == other.claims[0]

    def test_a_patient_is_never_named(self, clinic: Clinic) -> None:
        book_one(clinic, clinic.consultation())
        said = refusal(clinic, clinic.infusion(THURSDAY_AT_TEN + timedelta(minutes=30)))
        assert said == "The patient already has a consultation Thu 7 Jan 10:00–11:00."

    def test_a_nurse_with_three_chairs_refuses_the_fourth_and_says_so(self, clinic: Clinic) -> None:
        quarter = timedelta(minutes=15)
        three = [
            clinic.infusion(THURSDAY_AT_TEN + n * quarter, chair=clinic.chairs[n], patient=clinic.patient(n))
            for n in range(3)
        ]
        booked = book(three, by=clinic.desk, now=NOW)
        fourth = clinic.infusion(THURSDAY_AT_TEN + 3 * quarter, chair=clinic.chairs[3], patient=clinic.patient(3))
        with pytest.raises(TimeTakenError) as refused:
            book([fourth], by=clinic.desk, now=NOW)
        said = "Rosa Diaz already watches 3 patients at that time (Thu 7 Jan 10:45–12:45)."
        assert str(refused.value) == said
        assert refused.value.clashes[0].booking_ids == tuple(one.pk for one in booked)

    def test_full_attention_is_given_to_one_patient_at_a_time(self, clinic: Clinic) -> None:
        book_one(clinic, clinic.infusion())
        soon = clinic.infusion(
            THURSDAY_AT_TEN + timedelta(minutes=10), chair=clinic.chairs[1], patient=clinic.patient(1)
        )
        said = refusal(clinic, soon)
        assert said == "Rosa Diaz is needed by another patient Thu 7 Jan 10:00–10:15, at the start of an infusion."
        later = clinic.infusion(
            THURSDAY_AT_TEN + timedelta(minutes=15), chair=clinic.chairs[1], patient=clinic.patient(1)
        )
        assert book_one(clinic, later)

    def test_two_parts_of_one_request_may_not_clash(self, clinic: Clinic) -> None:
        twice = clinic.consultation(), clinic.consultation(THURSDAY_AT_TEN + HOUR / 2, patient=clinic.patient(1))
        said = refusal(clinic, *twice)
        assert "Room A is wanted twice by this request: Thu 7 Jan 10:00–11:00." in said

    def test_one_request_may_not_ask_a_nurse_for_more_than_she_can_watch(self, clinic: Clinic) -> None:
        quarter = timedelta(minutes=15)
        four = [
            clinic.infusion(THURSDAY_AT_TEN + n * quarter, chair=clinic.chairs[n], patient=clinic.patient(n))
            for n in range(4)
        ]
        said = refusal(clinic, *four)
        assert said.startswith("Rosa Diaz can watch 3 patients at the same time; this asks for more")

    def test_blocked_time_is_blocked_in_every_lane(self, clinic: Clinic) -> None:
        book_one(clinic, clinic.block(clinic.nurse, THURSDAY_AT_TEN, THURSDAY_AT_TEN + HOUR, title="Training"))
        said = refusal(clinic, clinic.infusion(THURSDAY_AT_TEN + HOUR / 2))
        assert said == "Rosa Diaz is blocked Thu 7 Jan 10:00–11:00 (Training)."
        assert book_one(clinic, clinic.infusion(THURSDAY_AT_TEN + HOUR))

    def test_blocked_time_can_be_moved_and_restored_as_it_stands_in_the_table(self, clinic: Clinic) -> None:
        """Each lane is a row; a copy of the rows is still one wish."""
        block = book_one(clinic, clinic.block(clinic.nurse, THURSDAY_AT_TEN, THURSDAY_AT_TEN + HOUR))
        assert sorted(block.allocations.values_list("lane", flat=True)) == [0, 1, 2, ATTENTION_LANE]
        claims = tuple(
            Claim(row.resource_id, AllocationRole(row.role), row.span.lower + HOUR, row.span.upper + HOUR)
            for row in block.allocations.all()
        )
        later = Wanted(BookingKind.BLOCK, clinic.location.pk, block.start + HOUR, block.end + HOUR, claims)
        [moved] = rebook([Move(block.pk, later)], by=clinic.desk, now=NOW)
        release([moved.pk], status=BookingStatus.CANCELLED, reason="", by=clinic.desk, now=NOW)
        moved = undo(moved.pk, by=clinic.desk, now=NOW)
        assert sorted(moved.allocations.values_list("lane", flat=True)) == [0, 1, 2, ATTENTION_LANE]

    def test_full_attention_has_its_own_lane_without_being_told(self, clinic: Clinic) -> None:
        wanted = clinic.infusion()
        claims = (*wanted.claims[:3], replace(wanted.claims[3], lane=None))
        booking = book_one(clinic, replace(wanted, claims=claims))
        assert booking.allocations.get(role="attention").lane == ATTENTION_LANE

    def test_nobody_is_blocked_while_watching_a_patient(self, clinic: Clinic) -> None:
        book_one(clinic, clinic.infusion())
        said = refusal(clinic, clinic.block(clinic.nurse, THURSDAY_AT_TEN + HOUR, THURSDAY_AT_TEN + 2 * HOUR))
        assert said == "Rosa Diaz is taken Thu 7 Jan 10:00–12:00 by an infusion."

    def test_an_inactive_chair_is_refused(self, clinic: Clinic) -> None:
        clinic.chairs[0].is_active = False
        clinic.chairs[0].save()
        assert refusal(clinic, clinic.infusion()) == "Chair 1 is no longer active. Choose another."

    def test_a_chair_of_another_location_is_refused(self, clinic: Clinic) -> None:
        said = refusal(clinic, clinic.infusion(chair=clinic.far_chair))
        assert said == "Chair 1 is not at Harbor Clinic. Choose a chair or room of Harbor Clinic."

    def test_a_closed_location_is_refused(self, clinic: Clinic) -> None:
        clinic.location.is_active = False
        clinic.location.save()
        assert refusal(clinic, clinic.infusion()) == "Harbor Clinic is no longer in use."

    def test_an_end_before_the_start_is_refused(self, clinic: Clinic) -> None:
        backwards = clinic.infusion(end=THURSDAY_AT_TEN)
        assert refusal(clinic, backwards) == "A booking must end after it starts."

    def test_a_claim_longer_than_the_booking_is_refused(self, clinic: Clinic) -> None:
        short = clinic.infusion(end=THURSDAY_AT_TEN + HOUR)
        assert refusal(clinic, short) == "A resource cannot be taken for longer than the booking itself."

    def test_a_visit_must_take_its_own_patient(self, clinic: Clinic) -> None:
        wanted = clinic.infusion()
        said = "A visit must take the time of the patient whom it is for, and of no other."
        assert refusal(clinic, replace(wanted, claims=wanted.claims[:1])) == said
        assert refusal(clinic, replace(wanted, subject_id=clinic.patient(1).pk)) == said
        assert refusal(clinic, replace(wanted, subject_id=None)) == said

    def test_a_chair_is_nobodys_patient(self, clinic: Clinic) -> None:
        claim = Claim(clinic.room.pk, AllocationRole.PATIENT, THURSDAY_AT_TEN, THURSDAY_AT_TEN + HOUR)
        wanted = Wanted(
            BookingKind.CONSULTATION, clinic.location.pk, claim.start, claim.end, (claim,), subject_id=clinic.room.pk
        )
        assert refusal(clinic, wanted) == "Room A cannot be booked as “patient”."

    def test_a_lane_that_a_nurse_does_not_have_is_refused(self, clinic: Clinic) -> None:
        wanted = clinic.infusion()
        claims = (*wanted.claims[:2], replace(wanted.claims[2], lane=3))
        assert "there is no place number 4" in refusal(clinic, replace(wanted, claims=claims))


class TestLanes:
    """Room is a question of counting: an unlucky order of bookings is no reason to refuse."""

    def watch(self, clinic: Clinic, number: int, start: str, end: str) -> Wanted:
        """A visit that takes nothing but its patient and a lane of the nurse."""
        first, last, patient = ny(f"2027-01-07 {start}"), ny(f"2027-01-07 {end}"), clinic.patient(number)
        claims = (
            Claim(patient.pk, AllocationRole.PATIENT, first, last),
            Claim(clinic.nurse.pk, AllocationRole.NURSE, first, last),
        )
        return Wanted(BookingKind.INFUSION, clinic.location.pk, first, last, claims, patient.pk)

    def test_lanes_are_dealt_anew_when_no_single_one_is_free_throughout(self, clinic: Clinic) -> None:
        clinic.nurse.lanes = 2
        clinic.nurse.save()
        # 09-10 and 09-11 fill lanes 0 and 1; 10-12 goes to lane 0; after cancelling, lane 1 holds 09-11 and lane 0 10-12
        spans = [("09:00", "10:00"), ("09:00", "11:00"), ("10:00", "12:00"), ("11:00", "13:00")]
        booked = book([self.watch(clinic, n, *span) for n, span in enumerate(spans)], by=clinic.desk, now=NOW)
        release([booked[1].pk, booked[2].pk], status=BookingStatus.CANCELLED, reason="moved", by=clinic.desk, now=NOW)
        lanes = {a.booking_id: a.lane for a in Allocation.objects.held().of(clinic.nurse.pk)}
        assert lanes == {booked[0].pk: 0, booked[3].pk: 1}
        long = book_one(clinic, self.watch(clinic, 4, "09:30", "12:00"))
        lanes = {a.booking_id: a.lane for a in Allocation.objects.held().of(clinic.nurse.pk)}
        assert lanes[booked[0].pk] != lanes[long.pk] != lanes[booked[3].pk]
        assert set(lanes.values()) == {0, 1}

    def test_a_lowered_number_of_lanes_counts_what_is_already_booked(self, clinic: Clinic) -> None:
        three = [self.watch(clinic, n, "10:00", "11:00") for n in range(3)]
        booked = book(three, by=clinic.desk, now=NOW)
        release([booked[0].pk], status=BookingStatus.CANCELLED, reason="", by=clinic.desk, now=NOW)
        clinic.nurse.lanes = 2
        clinic.nurse.save()
        assert "already watches 2 patients" in refusal(clinic, self.watch(clinic, 3, "10:30", "11:30"))
        assert book_one(clinic, self.watch(clinic, 3, "11:00", "12:00"))


class TestMoving:
    def test_a_move_keeps_the_row_and_frees_the_old_time(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion(title="First", note="Needs a blanket"))
        later = THURSDAY_AT_TEN + timedelta(days=1)
        [moved] = rebook([Move(booking.pk, clinic.infusion(later), 1)], by=clinic.desk, now=NOW)
        moved.refresh_from_db()
        assert (moved.pk, moved.start, moved.version) == (booking.pk, later, 2)
        assert (moved.title, moved.note) == ("First", "Needs a blanket")
        assert {row.span.lower for row in moved.allocations.all()} == {later}
        assert book_one(clinic, clinic.infusion(patient=clinic.patient(1)))

    def test_two_visits_trade_places_in_one_call(self, clinic: Clinic) -> None:
        other = THURSDAY_AT_TEN + timedelta(days=1)
        first, second = book(
            [clinic.infusion(), clinic.infusion(other, patient=clinic.patient(1))], by=clinic.desk, now=NOW
        )
        moves = [
            Move(first.pk, clinic.infusion(other)),
            Move(second.pk, clinic.infusion(patient=clinic.patient(1))),
        ]
        assert [one.start for one in rebook(moves, by=clinic.desk, now=NOW)] == [other, THURSDAY_AT_TEN]

    def test_a_visit_may_move_into_a_part_of_its_own_time(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        [moved] = rebook([Move(booking.pk, clinic.infusion(THURSDAY_AT_TEN + HOUR))], by=clinic.desk, now=NOW)
        assert moved.start == THURSDAY_AT_TEN + HOUR

    def test_a_move_and_a_new_booking_stand_or_fall_together(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        taken = book_one(clinic, clinic.infusion(THURSDAY_AT_TEN + timedelta(days=2), patient=clinic.patient(1)))
        move = Move(booking.pk, clinic.infusion(THURSDAY_AT_TEN + timedelta(days=1)))
        extra = clinic.infusion(THURSDAY_AT_TEN + timedelta(days=2))
        with pytest.raises(TimeTakenError) as refused:
            rebook([move], also=[extra], by=clinic.desk, now=NOW)
        assert {(clash.index, clash.booking_id) for clash in refused.value.clashes} == {(1, taken.pk)}
        booking.refresh_from_db()
        assert (booking.start, booking.version) == (THURSDAY_AT_TEN, 1)
        free = clinic.infusion(THURSDAY_AT_TEN + timedelta(days=3))
        assert len(rebook([move], also=[free], by=clinic.desk, now=NOW)) == 2

    def test_who_confirmed_is_asked_again_when_the_time_changes(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        advance(booking.pk, to=BookingStatus.CONFIRMED, by=clinic.desk, now=NOW)
        [same_time] = rebook([Move(booking.pk, clinic.infusion(chair=clinic.chairs[1]))], by=clinic.desk, now=NOW)
        assert (same_time.status, same_time.confirmed_at) == ("confirmed", NOW)
        [moved] = rebook([Move(booking.pk, clinic.infusion(THURSDAY_AT_TEN + HOUR))], by=clinic.desk, now=NOW)
        moved.refresh_from_db()
        assert (moved.status, moved.confirmed_at) == ("booked", None)

    def test_after_the_arrival_only_chair_and_people_change(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        advance(booking.pk, to=BookingStatus.ARRIVED, by=clinic.desk, now=NOW)
        with pytest.raises(StepRefusedError, match=r"has begun \(arrived\): its start cannot be moved"):
            rebook([Move(booking.pk, clinic.infusion(THURSDAY_AT_TEN + HOUR))], by=clinic.desk, now=NOW)
        [moved] = rebook([Move(booking.pk, clinic.infusion(chair=clinic.chairs[2]))], by=clinic.desk, now=NOW)
        assert moved.status == "arrived"

    def test_a_cancelled_visit_is_not_moved(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        release([booking.pk], status=BookingStatus.CANCELLED, reason="", by=clinic.desk, now=NOW)
        with pytest.raises(StepRefusedError, match="is cancelled, so it cannot be moved"):
            rebook([Move(booking.pk, clinic.infusion())], by=clinic.desk, now=NOW)

    def test_a_move_keeps_patient_and_kind(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        for other in (clinic.infusion(patient=clinic.patient(1)), clinic.consultation()):
            with pytest.raises(BookingRefusedError, match="another kind, or into another patient"):
                rebook([Move(booking.pk, other)], by=clinic.desk, now=NOW)

    def test_a_stale_move_is_refused(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        advance(booking.pk, to=BookingStatus.CONFIRMED, by=clinic.desk, now=NOW)
        with pytest.raises(StaleBookingError) as refused:
            rebook([Move(booking.pk, clinic.infusion(), expected_version=1)], by=clinic.desk, now=NOW)
        assert refused.value.booking_id == booking.pk

    def test_the_number_of_queries_does_not_grow_with_the_moves(self, clinic: Clinic, queries: Queries) -> None:
        days = [timedelta(days=n) for n in range(8)]
        booked = book([clinic.infusion(THURSDAY_AT_TEN + day) for day in days], by=clinic.desk, now=NOW)
        moves = [
            Move(one.pk, clinic.infusion(THURSDAY_AT_TEN + day + HOUR)) for one, day in zip(booked, days, strict=True)
        ]
        with queries("move a series", at_most=8):
            rebook(moves[:2], by=clinic.desk, now=NOW)
        with queries("move a series", at_most=8):
            moved = rebook(moves, by=clinic.desk, now=NOW)
        assert [one.start for one in moved] == [THURSDAY_AT_TEN + day + HOUR for day in days]


class TestReleasing:
    def test_what_a_released_visit_held_is_free_again(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        [gone] = release([booking.pk], status=BookingStatus.WITHHELD, reason="BP 170/100", by=clinic.desk, now=NOW)
        gone.refresh_from_db()
        assert (gone.status, gone.ended_at, gone.ended_reason, gone.version) == ("withheld", NOW, "BP 170/100", 2)
        assert not Allocation.objects.held().exists()
        assert Allocation.objects.filter(booking=booking).count() == 4
        assert book_one(clinic, clinic.infusion())

    def test_a_second_release_says_so_and_changes_nothing(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        release([booking.pk], status=BookingStatus.CANCELLED, reason="ill", by=clinic.desk, now=NOW)
        with pytest.raises(StepRefusedError, match=r"already released \(cancelled\). Nothing was changed"):
            release([booking.pk], status=BookingStatus.CANCELLED, reason="again", by=clinic.desk, now=NOW + HOUR)
        booking.refresh_from_db()
        assert (booking.ended_reason, booking.version) == ("ill", 2)

    def test_several_are_released_together_or_not_at_all(self, clinic: Clinic) -> None:
        first, second = book(
            [clinic.infusion(), clinic.infusion(THURSDAY_AT_TEN + timedelta(days=1))], by=clinic.desk, now=NOW
        )
        release([second.pk], status=BookingStatus.CANCELLED, reason="", by=clinic.desk, now=NOW)
        with pytest.raises(StepRefusedError):
            release([first.pk, second.pk], status=BookingStatus.CANCELLED, reason="", by=clinic.desk, now=NOW)
        first.refresh_from_db()
        assert first.status == "booked"

    def test_nobody_fails_to_come_before_the_booked_time(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        with pytest.raises(StepRefusedError, match="has not come yet"):
            release([booking.pk], status=BookingStatus.MISSED, reason="", by=clinic.desk, now=NOW)
        late = THURSDAY_AT_TEN + timedelta(minutes=20)
        assert release([booking.pk], status=BookingStatus.MISSED, reason="", by=clinic.desk, now=late)

    def test_who_has_arrived_is_no_no_show(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        advance(booking.pk, to=BookingStatus.ARRIVED, by=clinic.desk, now=NOW)
        with pytest.raises(StepRefusedError, match="is arrived, so it can no longer be recorded as a no-show"):
            release([booking.pk], status=BookingStatus.MISSED, reason="", by=clinic.desk, now=THURSDAY_AT_TEN)

    def test_a_reason_too_long_for_the_record_is_refused(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        assert Booking._meta.get_field("ended_reason").max_length == LONGEST_REASON
        with pytest.raises(BookingRefusedError, match="201 characters long; at most 200 fit"):
            release([booking.pk], status=BookingStatus.CANCELLED, reason="x" * 201, by=clinic.desk, now=NOW)

    def test_a_stale_release_is_refused(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        with pytest.raises(StaleBookingError):
            release(
                [booking.pk], status=BookingStatus.CANCELLED, reason="", by=clinic.desk, now=NOW, expected_version=7
            )


class TestSteps:
    def test_each_step_of_an_infusion_is_stamped(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        steps = ["confirmed", "arrived", "in_chair", "observing", "done"]
        times = [NOW + n * HOUR for n in range(len(steps))]
        for step, time in zip(steps, times, strict=True):
            booking = advance(booking.pk, to=BookingStatus(step), by=clinic.desk, now=time)
        booking.refresh_from_db()
        stamps = [booking.confirmed_at, booking.arrived_at, booking.started_at, booking.observing_at, booking.left_at]
        assert stamps == times
        assert booking.version == 6

    def test_a_step_out_of_order_is_refused_with_the_next_one(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        with pytest.raises(StepRefusedError) as refused:
            advance(booking.pk, to=BookingStatus.OBSERVING, by=clinic.desk, now=NOW)
        assert str(refused.value) == "This visit is booked; the next step is “arrived”, not “observing”."

    def test_a_step_taken_twice_is_refused(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        advance(booking.pk, to=BookingStatus.ARRIVED, by=clinic.desk, now=NOW, expected_version=1)
        with pytest.raises(StaleBookingError):
            advance(booking.pk, to=BookingStatus.ARRIVED, by=clinic.desk, now=NOW, expected_version=1)
        with pytest.raises(StepRefusedError, match="already arrived"):
            advance(booking.pk, to=BookingStatus.ARRIVED, by=clinic.desk, now=NOW)

    def test_undoing_goes_back_one_step_and_forgets_its_time(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        advance(booking.pk, to=BookingStatus.CONFIRMED, by=clinic.desk, now=NOW)
        advance(booking.pk, to=BookingStatus.ARRIVED, by=clinic.desk, now=NOW)
        booking = undo(booking.pk, by=clinic.desk, now=NOW)
        booking.refresh_from_db()
        assert (booking.status, booking.arrived_at, booking.confirmed_at) == ("confirmed", None, NOW)
        assert undo(booking.pk, by=clinic.desk, now=NOW).status == "booked"
        with pytest.raises(StepRefusedError, match="nothing to undo"):
            undo(booking.pk, by=clinic.desk, now=NOW)

    def test_undoing_a_release_takes_the_time_again(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        before = set(booking.allocations.values_list("resource", "role", "lane", "span"))
        advance(booking.pk, to=BookingStatus.CONFIRMED, by=clinic.desk, now=NOW)
        release([booking.pk], status=BookingStatus.CANCELLED, reason="by mistake", by=clinic.desk, now=NOW)
        booking = undo(booking.pk, by=clinic.desk, now=NOW)
        booking.refresh_from_db()
        assert (booking.status, booking.ended_at, booking.ended_reason) == ("confirmed", None, "")
        held = Allocation.objects.held().filter(booking=booking)
        assert set(held.values_list("resource", "role", "lane", "span")) == before

    def test_undoing_a_release_is_refused_when_the_time_is_gone(self, clinic: Clinic) -> None:
        booking = book_one(clinic, clinic.infusion())
        release([booking.pk], status=BookingStatus.CANCELLED, reason="", by=clinic.desk, now=NOW)
        book_one(clinic, clinic.infusion(patient=clinic.patient(1)))
        with pytest.raises(TimeTakenError, match="Chair 1 is taken Thu 7 Jan 10:00–12:15 by an infusion"):
            undo(booking.pk, by=clinic.desk, now=NOW)
        booking.refresh_from_db()
        assert (booking.status, booking.version) == ("cancelled", 2)


def test_times_in_messages_are_the_locations_own(clinic: Clinic) -> None:
    start = datetime(2027, 6, 1, 8, 0, tzinfo=UTC)  # 10:00 in Berlin
    block = replace(clinic.block(clinic.far_chair, start, start + HOUR), location_id=clinic.other.pk)
    book_one(clinic, block)
    assert refusal(clinic, block) == "Chair 1 is blocked Tue 1 Jun 10:00–11:00."


def test_every_booking_leaves_its_history(clinic: Clinic) -> None:
    booking = book_one(clinic, clinic.infusion())
    release([booking.pk], status=BookingStatus.CANCELLED, reason="", by=clinic.desk, now=NOW)
    events = apps.get_model("clinic", "BookingEvent").objects.filter(pgh_obj_id=booking.pk).order_by("pgh_id")
    assert list(events.values_list("pgh_label", "status")) == [("insert", "booked"), ("update", "cancelled")]
