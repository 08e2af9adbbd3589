"""Many answer for one freed time at the same instant (real connections): one gets it, the others keep what they had."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import transaction

from clinic.models import Allocation
from clinic.services.bookings import GivenBack
from clinic.tests.fixtures.parallel import Parallel
from courses.models import FreedSlot, InfusionStatus, OfferState, Revision, RevisionKind, SlotOffer, TaskKind
from courses.services import moves, offers
from courses.services.freed import follow_freed
from courses.services.moves import Mode, Target
from courses.services.worklists.engine import sweep
from courses.tests.offers_kit import NOW, Gap, another, make_gap, owes, tasks
from courses.tests.series_kit import Booked, april

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
TEN = 10


def people(gap: Gap, number: int) -> list[Booked]:
    """So many patients whose infusion 4 has no time."""
    found = [another(gap.clinic, "Robin", f"Fictional{index:02d}") for index in range(number)]
    for one in found:
        owes(one)
    return found


def links(gap: Gap, patients: list[Booked]) -> list[str]:
    return [offers.offer_by_link(gap.plan_for(one), valid_min=120, by=gap.clinic.desk, now=NOW)[1] for one in patients]


def held_at(gap: Gap) -> int:
    """How many visits hold the freed chair at the freed time."""
    rows = Allocation.objects.held().filter(resource=gap.slot.chair_id)
    return rows.overlapping(gap.slot.start, gap.slot.end).count()


def unsettled(patients: list[Booked]) -> int:
    return sum(one.infusion(4).status == InfusionStatus.CANCELLED for one in patients)


def test_without_the_lock_all_who_look_at_once_find_it_open(parallel: Parallel) -> None:
    """The race: between the look and the answer somebody else has looked as well."""
    gap = make_gap()
    looked = threading.Barrier(TEN)

    def answer(_index: int) -> bool:
        is_open = FreedSlot.objects.get(pk=gap.slot.pk).closed_at is None
        looked.wait(30)
        return is_open

    assert [one.value for one in parallel(TEN, answer)] == [True] * TEN


def test_ten_accept_at_once_and_one_gets_it(parallel: Parallel) -> None:
    gap = make_gap()
    patients = people(gap, TEN)
    tokens = links(gap, patients)
    before = [one.days() for one in patients]
    outcomes = parallel(TEN, lambda index: offers.accept_link(tokens[index], now=NOW).reply.value)
    assert all(one.error is None for one in outcomes), outcomes
    assert sorted(one.value for one in outcomes) == ["gone"] * (TEN - 1) + ["yours"]
    winner = next(index for index, one in enumerate(outcomes) if one.value == "yours")
    assert patients[winner].days()[4] == april(12)
    assert held_at(gap) == 1
    for index, one in enumerate(patients):
        if index != winner:
            assert one.days() == before[index]  # nobody else's series changed
    assert unsettled(patients) == TEN - 1
    assert SlotOffer.objects.filter(state=OfferState.ACCEPTED).count() == 1
    assert SlotOffer.objects.filter(state=OfferState.GONE).exclude(told_at=None).count() == TEN - 1
    assert Revision.objects.filter(kind=RevisionKind.OFFERED).count() == 1
    assert tasks().get(key=f"freed:{gap.slot.pk}").closed_text == offers.BY_LINK


def test_one_patient_taps_four_times_at_once_and_is_booked_once(parallel: Parallel) -> None:
    gap = make_gap()
    [mei] = people(gap, 1)
    [token] = links(gap, [mei])
    outcomes = parallel(4, lambda _index: offers.accept_link(token, now=NOW).reply.value)
    assert [one.value for one in outcomes] == ["yours"] * 4, outcomes
    assert Revision.objects.filter(kind=RevisionKind.OFFERED).count() == 1
    assert held_at(gap) == 1


def test_the_desk_books_the_time_by_hand_while_a_patient_accepts(parallel: Parallel) -> None:
    """The desk knows nothing of the offer and takes no lock of it: the allocations decide."""
    gap = make_gap(chairs=2)
    mei, leo = people(gap, 2)
    [token] = links(gap, [mei])
    target = Target(april(12), 8 * 60, chair_id=gap.slot.chair_id)
    by_hand = moves.preview_move(leo.infusion(4).pk, target=target, mode=Mode.ONLY, now=NOW).token

    def act(index: int) -> Any:
        if index:
            return moves.move_infusion(by_hand, by=gap.clinic.desk, now=NOW)
        return offers.accept_link(token, now=NOW).reply.value

    accepted, booked = parallel(2, act)
    assert accepted.error is None
    assert held_at(gap) == 1
    assert unsettled([mei, leo]) == 1
    if booked.error is None:
        assert accepted.value == "gone"
        assert mei.infusion(4).status == InfusionStatus.CANCELLED
    else:
        assert isinstance(booked.error, moves.ChangedMeanwhileError)
        assert accepted.value == "yours"


def test_two_desks_give_it_to_two_patients_and_one_is_told(parallel: Parallel) -> None:
    gap = make_gap(chairs=2)
    patients = people(gap, 2)
    plans = [gap.plan_for(one) for one in patients]
    outcomes = parallel(2, lambda index: offers.accept_by_call(plans[index], by=gap.clinic.desk, now=NOW))
    errors = [one.error for one in outcomes if one.error is not None]
    assert len(errors) == 1, outcomes
    assert isinstance(errors[0], offers.SlotGoneError)
    assert unsettled(patients) == 1
    assert held_at(gap) == 1


def test_two_desks_make_a_link_for_the_same_patient_and_one_is_made(parallel: Parallel) -> None:
    gap = make_gap()
    [mei] = people(gap, 1)
    plan = gap.plan_for(mei)
    outcomes = parallel(2, lambda _: offers.offer_by_link(plan, valid_min=60, by=gap.clinic.desk, now=NOW))
    errors = [one.error for one in outcomes if one.error is not None]
    assert len(errors) == 1, outcomes
    assert isinstance(errors[0], offers.OfferRefusedError)
    assert SlotOffer.objects.count() == 1


def test_two_desks_let_the_same_visit_go_and_one_time_is_written_down(parallel: Parallel) -> None:
    gap = make_gap()
    mei = another(gap.clinic, "Mei", "Chen")
    pk = mei.infusion(4).pk

    def cancel(_index: int) -> Any:
        return moves.cancel_infusion(pk, reason="Ill", by=gap.clinic.desk, now=NOW)

    outcomes = parallel(2, cancel)
    assert sum(one.error is None for one in outcomes) == 1, outcomes
    assert FreedSlot.objects.filter(booking__subject=mei.patient.resource).count() == 1
    assert tasks().open().count() == 2  # Ada's time and Mei's


def test_two_desks_move_the_same_visit_away_and_one_time_is_written_down(parallel: Parallel) -> None:
    """To different days: one desk is told, and the time that the visit had is there once."""
    gap = make_gap(chairs=2)
    mei = another(gap.clinic, "Mei", "Chen")
    pk = mei.infusion(4).pk
    targets = (Target(april(13)), Target(april(12), 14 * 60))
    tokens = [moves.preview_move(pk, target=one, mode=Mode.ONLY, now=NOW).token for one in targets]

    def move(index: int) -> Any:
        return moves.move_infusion(tokens[index], reason="Asked for it", by=gap.clinic.clinician, now=NOW)

    outcomes = parallel(2, move)
    assert sum(one.error is None for one in outcomes) == 1, outcomes
    slot = FreedSlot.objects.get(booking__subject=mei.patient.resource)
    assert tasks().open().get(key=f"freed:{slot.pk}").due_on == april(12)


def test_without_the_unique_time_both_who_look_first_write_it_down(parallel: Parallel) -> None:
    """The race that the constraint ends: a look before writing does not see what the other writes."""
    gap = make_gap()
    looked = threading.Barrier(2)

    def look(_index: int) -> bool:
        with transaction.atomic():
            is_there = FreedSlot.objects.exclude(pk=gap.slot.pk).exists()
            looked.wait(30)
            if not is_there:
                again = FreedSlot.objects.get(pk=gap.slot.pk)
                again.pk, again.closed_at, again.closed_text = (
                    None,
                    NOW,
                    "outside the constraint, which is for open ones",
                )
                again.save(force_insert=True)
            return is_there

    assert [one.value for one in parallel(2, look)] == [False, False]
    assert FreedSlot.objects.exclude(pk=gap.slot.pk).count() == 2


def test_ten_who_write_the_same_time_down_at_once_leave_one_row_and_one_task(parallel: Parallel) -> None:
    gap = make_gap()
    mei = another(gap.clinic, "Mei", "Chen")
    row = mei.series.row(4)
    assert row.booking is not None
    assert row.placed is not None
    chair, start = row.placed.chair_id or 0, row.booking.start
    told = GivenBack(row.booking.pk, "infusion", gap.clinic.location, chair, "Chair 2", start, row.booking.end)
    outcomes = parallel(TEN, lambda _index: follow_freed([told], by=gap.clinic.desk, now=NOW))
    assert all(one.error is None for one in outcomes), outcomes
    slot = FreedSlot.objects.get(booking=row.booking)
    assert tasks().filter(key=f"freed:{slot.pk}").count() == 1
    assert tasks().count() == 2  # and Ada's


def test_it_is_left_open_while_a_patient_accepts_and_only_one_of_both_is_true(parallel: Parallel) -> None:
    gap = make_gap()
    [mei] = people(gap, 1)
    [token] = links(gap, [mei])

    def act(index: int) -> Any:
        if index:
            return offers.leave_open(gap.slot.pk, reason="Nurse is ill", by=gap.clinic.desk, now=NOW)
        return offers.accept_link(token, now=NOW).reply.value

    accepted, left = parallel(2, act)
    if left.error is None:
        assert accepted.value == "withdrawn"
        assert held_at(gap) == 0
    else:
        assert isinstance(left.error, offers.SlotGoneError)
        assert accepted.value == "yours"
        assert held_at(gap) == 1


def test_sweeps_and_answers_at_once_leave_one_closed_task(parallel: Parallel) -> None:
    gap = make_gap(chairs=2)
    patients = people(gap, 3)
    tokens = links(gap, patients)

    def act(index: int) -> Any:
        if index < len(tokens):
            return offers.accept_link(tokens[index], now=NOW).reply.value
        sweep(NOW, kinds=(TaskKind.FREED_SLOT,))
        return "swept"

    outcomes = parallel(6, act)
    assert all(one.error is None for one in outcomes), outcomes
    assert [one.value for one in outcomes].count("yours") == 1
    task = tasks().get(key=f"freed:{gap.slot.pk}")
    assert task.closed_at is not None
    assert held_at(gap) == 1
