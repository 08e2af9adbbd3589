"""Two people change the same series at the same instant: one wins, the other is told (real connections)."""

from __future__ import annotations

from typing import Any

import pytest

from clinic.models import Allocation, Booking
from clinic.tests.fixtures.parallel import Parallel
from courses.models import Revision, RevisionKind
from courses.services import moves
from courses.services.moves import Mode, Target
from courses.tests.series_kit import april, at, book
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db(transaction=True)

NOW = at(april(5))


def test_two_people_move_the_same_infusion_and_one_is_told(parallel: Parallel) -> None:
    booked = book()
    pk = booked.infusion(4).pk
    days = [april(13), april(12)]
    tokens = [moves.preview_move(pk, target=Target(day, 15 * 60), mode=Mode.ONLY, now=NOW).token for day in days]
    outcomes = parallel(2, lambda index: moves.move_infusion(tokens[index], reason="x", by=booked.clinician, now=NOW))
    errors = [one.error for one in outcomes if one.error is not None]
    assert len(errors) == 1, outcomes
    assert isinstance(errors[0], moves.ChangedMeanwhileError)
    assert "meanwhile" in str(errors[0])
    assert Revision.objects.filter(kind=RevisionKind.MOVED).count() == 1
    assert Booking.objects.count() == 6


def test_one_moves_while_another_cancels_and_nothing_is_half_done(parallel: Parallel) -> None:
    booked = book()
    pk = booked.infusion(4).pk
    token = moves.preview_move(pk, target=Target(april(13)), mode=Mode.SHIFT, now=NOW).token

    def act(index: int) -> Any:
        if index == 0:
            return moves.move_infusion(token, by=booked.desk, now=NOW)
        return moves.cancel_infusion(pk, reason="Ill", by=booked.desk, now=NOW, expected_version=1)

    outcomes = parallel(2, act)
    errors = [one.error for one in outcomes if one.error is not None]
    assert len(errors) == 1
    assert isinstance(errors[0], moves.ChangedMeanwhileError)
    held = Allocation.objects.held().values("booking").distinct().count()
    assert held == len(booked.series.booked)


def test_one_slot_that_four_patients_want_goes_to_one_of_them(parallel: Parallel) -> None:
    """The last chair at 15:00: every other patient is refused by name, none is half moved."""
    first = book()
    for chair in first.clinic.chairs[1:]:
        chair.is_active = False
        chair.save()
    others = [first]
    for number in range(3):
        patient = make_patient("Mei", f"Chen {number}")
        others.append(book(clinic=first.clinic, patient=patient, now=at(april(1))))
    wanted = Target(april(16), 17 * 60 - 90)  # 15:30
    tokens = [moves.preview_move(one.infusion(6).pk, target=wanted, mode=Mode.ONLY, now=NOW).token for one in others]
    outcomes = parallel(4, lambda index: moves.move_infusion(tokens[index], reason="x", by=first.clinician, now=NOW))
    assert sum(one.error is None for one in outcomes) == 1, outcomes
    for one in outcomes:
        assert one.error is None or isinstance(one.error, moves.ChangedMeanwhileError)
    assert sum(one.starts()[6] == 930 for one in others) == 1
