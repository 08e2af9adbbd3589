"""The numbers of a protocol fit each other, or a sentence says which do not."""

from __future__ import annotations

import pytest

from courses.planning.checks import check_gaps, check_numbers, note_infusion, note_number, rhythm_gaps
from courses.planning.templates import TEMPLATES, Template

MWF = frozenset({0, 2, 4})
MON_THU = frozenset({0, 3})


@pytest.mark.parametrize(
    ("weekdays", "gaps"), [(MWF, (2, 2, 3)), (MON_THU, (3, 4)), (frozenset({2}), (7,)), (frozenset(), ())]
)
def test_the_gaps_of_a_rhythm_go_round_the_week(weekdays: frozenset[int], gaps: tuple[int, ...]) -> None:
    assert rhythm_gaps(weekdays) == gaps


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda one: one.id)
def test_every_shipped_protocol_is_consistent(template: Template) -> None:
    for step in template.steps:
        assert check_gaps(step.weekdays, step.target_gap_days, step.min_gap_days, step.max_gap_days) == ()
    found = check_numbers(
        template.steps,
        n_min=template.n_min,
        n_default=template.n_default,
        n_max=template.n_max,
        decision_points=template.decision_after,
    )
    assert found == ()


def test_a_smallest_gap_that_skips_a_weekday_is_refused() -> None:
    (sentence,) = check_gaps(MWF, None, 3, 4)
    assert sentence == (
        "Mon-Wed-Fri comes round after 2 days, but the smallest gap is 3 days: some of these weekdays could never be used."
    )


def test_a_largest_gap_below_the_weekend_is_refused() -> None:
    (sentence,) = check_gaps(MWF, None, 2, 2)
    assert "leaves 3 days between two infusions, but the largest gap is 2 days" in sentence


def test_a_usual_gap_outside_its_limits_is_refused() -> None:
    assert check_gaps(frozenset(), 14, 6, 9) == ("The usual gap of 14 days is outside its own limits of 6 to 9 days.",)
    assert check_gaps(frozenset(), 7, 6, 9) == ()


def test_weekdays_and_a_usual_gap_together_or_neither_are_refused() -> None:
    assert check_gaps(MWF, 2, 2, 4) == ("Give weekdays or a usual gap, not both: the weekdays already say the gap.",)
    assert check_gaps(frozenset(), None, 2, 4) == ("Give weekdays or a usual gap.",)


def test_steps_that_do_not_add_up_and_reviews_after_the_end_are_refused() -> None:
    steps = TEMPLATES[0].steps  # six infusions
    assert check_numbers(steps, n_min=4, n_default=6, n_max=8, decision_points=(2, 4)) == ()
    assert check_numbers(steps, n_min=4, n_default=7, n_max=8) == (
        "The steps add up to 6 infusions, but the usual number is 7.",
    )
    assert check_numbers(steps, n_min=4, n_default=6, n_max=8, decision_points=(9,)) == (
        "There is no infusion 9 to review after: this protocol has at most 8.",
    )
    assert len(check_numbers(steps, n_min=7, n_default=6, n_max=8)) == 1


@pytest.mark.parametrize(("n", "few"), [(3, "fewer"), (9, "more")])
def test_a_number_outside_the_protocol_is_remarked_with_its_range(n: int, few: str) -> None:
    """Source: clinical.md A2 C1, "warn outside 4-8"."""
    assert note_number(n, n_min=4, n_max=8) == f"{n} infusions are {few} than this protocol is made for: 4 to 8."


def test_a_number_inside_the_protocol_needs_no_remark() -> None:
    assert [note_number(n, n_min=4, n_max=8) for n in (4, 6, 8)] == ["", "", ""]
    assert note_number(2, n_min=1, n_max=1) == "2 infusions are more than this protocol is made for: 1."


def test_an_infusion_longer_than_the_protocol_says_is_remarked() -> None:
    """Source: clinical.md B5, 40-60 min."""
    assert note_infusion(75, usual_min=40, longest_min=60) == (
        "The infusion of 75 min is longer than this protocol says, 40 to 60 min."
    )
    assert note_infusion(60, usual_min=40, longest_min=60) == ""
    assert note_infusion(500, usual_min=40, longest_min=None) == ""
