"""Scores and side effects in words: never more than the numbers say."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courses.pure.course_page import Seen, effect_rows, say_change, say_percent

POINTS = st.integers(min_value=0, max_value=27).map(Decimal)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (22, 8, "That is 14 points fewer than before, and less than half of what it was."),  # clinical.md case 2
        (22, 11, "That is 11 points fewer than before, and half of what it was."),  # exactly 50 %
        (22, 12, "That is 10 points fewer than before."),  # 45.5 %
        (22, 21, "That is 1 point fewer than before."),
        (22, 22, "That is the same as before."),
        (0, 0, "That is the same as before."),
        (22, 23, "That is 1 point more than before. Please talk with us about it."),
    ],
)
def test_a_change_is_said_in_points(before: int, after: int, said: str) -> None:
    assert say_change(Decimal(before), Decimal(after)) == said


@given(POINTS, POINTS)
def test_half_is_claimed_exactly_where_the_improvement_is_fifty_percent_or_more(
    before: Decimal, after: Decimal
) -> None:
    """clinical.md F1: improvement = 100 × (B − S) / B; response from 50 %."""
    claims = "half" in say_change(before, after)
    assert claims == (before > 0 and 100 * (before - after) / before >= 50)


@pytest.mark.parametrize(
    ("value", "said"), [("63.636", "63.6"), ("54.545", "54.5"), ("59.09", "59.1"), ("-12.5", "-12.5")]
)
def test_a_percentage_is_rounded_half_up_to_a_tenth(value: str, said: str) -> None:
    """Values of clinical.md case 2."""
    assert say_percent(Decimal(value)) == f"{said}\N{NO-BREAK SPACE}%"


def test_side_effects_are_counted_by_infusion_not_by_entry_the_most_frequent_first() -> None:
    seen = [
        Seen(1, "headache", "", "mild"),
        Seen(2, "nausea", "", "mild"),
        Seen(2, "nausea", "", "severe", is_serious=True),
        Seen(3, "nausea", "", "mild"),
        Seen(3, "other", "Hiccups", "mild"),
    ]
    assert effect_rows(seen, asked=4, given=4) == (
        ("Nausea", "at 2 of 4 infusions, severe at most, serious"),
        ("Headache", "at 1 of 4 infusions, mild"),
        ("Hiccups", "at 1 of 4 infusions, mild"),
    )


def test_nobody_asked_is_not_the_same_as_none() -> None:
    """clinical.md A 127, C9: "none" is an answer of its own."""
    assert effect_rows([], asked=0, given=3) == (("Not recorded", "at any of the 3 infusions"),)
    assert effect_rows([], asked=3, given=3) == (("None", "at 3 of 3 infusions."),)
    assert effect_rows([], asked=2, given=3) == (("None", "at 2 of 2 infusions. Not answered at 1 of 3."),)
