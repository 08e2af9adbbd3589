"""The steps of a visit: each pair of steps has an answer, and the table means the same as the models' choices."""

from __future__ import annotations

import pytest

from clinic.models.bookings import RELEASED_STATUSES, UPCOMING_STATUSES, Booking, BookingKind, BookingStatus
from clinic.pure.visits import (
    ENDINGS,
    STAMPS,
    Kind,
    Step,
    is_over,
    label,
    next_steps,
    refused_ending,
    refused_step,
    step_before,
)

LEGAL = {
    Kind.INFUSION: {
        ("booked", "confirmed"),
        ("booked", "arrived"),
        ("confirmed", "arrived"),
        ("arrived", "in_chair"),
        ("in_chair", "observing"),
        ("observing", "done"),
    },
    Kind.CONSULTATION: {
        ("booked", "confirmed"),
        ("booked", "arrived"),
        ("confirmed", "arrived"),
        ("arrived", "in_chair"),
        ("in_chair", "done"),
    },
    Kind.BLOCK: set(),
}
ENDS = {
    "missed": {"booked", "confirmed"},
    "cancelled": {"booked", "confirmed", "arrived", "in_chair"},
    "withheld": {"booked", "confirmed", "arrived", "in_chair"},
}


def test_the_table_speaks_of_the_same_steps_as_the_models() -> None:
    assert [step.value for step in Step] == BookingStatus.values
    assert [kind.value for kind in Kind] == BookingKind.values
    assert [step.value for step in ENDINGS] == [status.value for status in RELEASED_STATUSES]
    assert all(next_steps(Kind.INFUSION, step)[0] == Step.ARRIVED for step in UPCOMING_STATUSES)
    assert {Booking._meta.get_field(name).name for name in STAMPS.values()} == set(STAMPS.values())


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("to", Step)
def test_every_pair_of_steps_is_allowed_or_refused_with_a_sentence(kind: Kind, step: Step, to: Step) -> None:
    said = refused_step(kind, step, to)
    assert (said == "") == ((step.value, to.value) in LEGAL[kind])
    assert said == "" or said.endswith(".")


@pytest.mark.parametrize("kind", [Kind.INFUSION, Kind.CONSULTATION])
@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("to", ENDS)
def test_a_visit_ends_untreated_only_before_it_was_treated(kind: Kind, step: Step, to: str) -> None:
    assert (refused_ending(kind, step, to, has_begun=True) == "") == (step.value in ENDS[to])


def test_blocked_time_is_cancelled_and_nothing_else() -> None:
    assert refused_ending(Kind.BLOCK, Step.BOOKED, Step.CANCELLED, has_begun=False) == ""
    assert refused_ending(Kind.BLOCK, Step.BOOKED, Step.MISSED, has_begun=True) == "Blocked time can only be cancelled."
    assert refused_step(Kind.BLOCK, Step.BOOKED, Step.ARRIVED).startswith("Blocked time has no steps")


def test_a_no_show_needs_the_booked_time_to_have_come() -> None:
    assert "not come yet" in refused_ending(Kind.INFUSION, Step.BOOKED, Step.MISSED, has_begun=False)
    assert refused_ending(Kind.INFUSION, Step.BOOKED, Step.CANCELLED, has_begun=False) == ""


def test_a_visit_cannot_end_as_something_that_is_no_ending() -> None:
    with pytest.raises(ValueError, match="use missed, cancelled or withheld"):
        refused_ending(Kind.INFUSION, Step.BOOKED, Step.DONE, has_begun=True)


@pytest.mark.parametrize(
    ("kind", "step", "taken", "before"),
    [
        (Kind.INFUSION, Step.BOOKED, (), None),
        (Kind.INFUSION, Step.CONFIRMED, (Step.CONFIRMED,), Step.BOOKED),
        (Kind.INFUSION, Step.ARRIVED, (Step.ARRIVED,), Step.BOOKED),
        (Kind.INFUSION, Step.ARRIVED, (Step.CONFIRMED, Step.ARRIVED), Step.CONFIRMED),
        (Kind.INFUSION, Step.OBSERVING, (Step.ARRIVED, Step.IN_CHAIR, Step.OBSERVING), Step.IN_CHAIR),
        (Kind.INFUSION, Step.DONE, (Step.ARRIVED, Step.IN_CHAIR, Step.OBSERVING, Step.DONE), Step.OBSERVING),
        (Kind.INFUSION, Step.DONE, (), Step.OBSERVING),
        (Kind.CONSULTATION, Step.DONE, (Step.ARRIVED, Step.IN_CHAIR, Step.DONE), Step.IN_CHAIR),
        (Kind.INFUSION, Step.CANCELLED, (Step.CANCELLED,), Step.BOOKED),
        (Kind.INFUSION, Step.CANCELLED, (Step.CONFIRMED, Step.CANCELLED), Step.CONFIRMED),
        (Kind.INFUSION, Step.WITHHELD, (Step.CONFIRMED, Step.ARRIVED, Step.IN_CHAIR), Step.IN_CHAIR),
        (Kind.INFUSION, Step.MISSED, (Step.CONFIRMED, Step.MISSED), Step.CONFIRMED),
        (Kind.BLOCK, Step.CANCELLED, (Step.CANCELLED,), Step.BOOKED),
    ],
)
def test_undoing_goes_back_to_the_last_step_that_happened(
    kind: Kind, step: Step, taken: tuple[Step, ...], before: Step | None
) -> None:
    assert step_before(kind, step, taken.__contains__) == before


def test_a_consultation_is_with_the_clinician_not_in_a_chair() -> None:
    assert label(Kind.CONSULTATION, Step.IN_CHAIR) == "with clinician"
    assert label(Kind.INFUSION, Step.IN_CHAIR) == "in chair"
    said = refused_step(Kind.CONSULTATION, Step.ARRIVED, Step.DONE)
    assert said == "This visit is arrived; the next step is “with clinician”, not “done”."


def test_what_is_over_is_undone_before_anything_else() -> None:
    assert [step for step in Step if is_over(step)] == [Step.DONE, Step.MISSED, Step.CANCELLED, Step.WITHHELD]
    assert refused_step(Kind.INFUSION, Step.MISSED, Step.ARRIVED) == (
        "This visit is a no-show, so nothing can follow. Undo that first if it was a mistake."
    )
