"""Overlapping recall windows, change in percent, and where the small drawing puts its points."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.pure.measures.trend import PAD, Window, percent_change, spark, windows

START = date(2027, 1, 4)


def days(*after: int) -> list[date]:
    return [START + timedelta(days=number) for number in after]


@pytest.mark.parametrize(
    ("taken", "infusions", "recall", "expected"),
    [
        ([0, 14], [], 14, [Window.CLEAR, Window.CLEAR]),
        ([0, 13], [], 14, [Window.CLEAR, Window.OVERLAP]),
        ([0, 2, 4], [0, 2], 14, [Window.CLEAR, Window.IN_SERIES, Window.IN_SERIES]),
        ([0, 7], [7], 14, [Window.CLEAR, Window.OVERLAP]),  # check-in comes before the infusion of its day
        ([0, 30], [20], 14, [Window.CLEAR, Window.CLEAR]),  # 14 days or more after the one before: counts
        ([0, 7], [3], 7, [Window.CLEAR, Window.CLEAR]),  # QIDS and MADRS fit better inside a series
        ([0, 0], [], None, [Window.CLEAR, Window.CLEAR]),
        ([], [3], 14, []),
    ],
)
def test_scores_closer_than_the_recall_window_are_labelled(
    taken: list[int], infusions: list[int], recall: int | None, expected: list[Window]
) -> None:
    assert windows(days(*taken), days(*infusions), recall) == expected


@pytest.mark.parametrize(
    ("first", "now", "percent"),
    [(20, 14, "30.0"), (22, 19, "13.6"), (21, 20, "4.8"), (15, 18, "-20.0"), (19, 9, "52.6"), (0, 3, None)],
)
def test_change_in_percent_as_in_the_worked_trajectories(first: int, now: int, percent: str | None) -> None:
    found = percent_change(Decimal(first), Decimal(now))  # clinical.md H1, cases 1, 2, 4, 6, 7b
    assert found == (None if percent is None else Decimal(percent))


def test_the_drawing_puts_the_lowest_score_at_the_bottom_and_leaves_out_infusions_outside() -> None:
    points = [(day, Decimal(score)) for day, score in zip(days(0, 10), (27, 0), strict=True)]
    drawn = spark(points, days(-3, 5, 11), low=0, high=27, edges=[5], width=320, height=96)
    assert [(dot.x, dot.y) for dot in drawn.dots] == [(PAD, PAD), (320 - PAD, 96 - PAD)]
    assert drawn.ticks == (160.0,)
    assert drawn.line == "6,6 314,90"


def test_one_score_stands_in_the_middle_and_none_draws_nothing() -> None:
    assert spark([(START, Decimal(5))], [], low=0, high=27, width=320).dots[0].x == 160
    assert spark([], days(1), low=0, high=27).dots == ()


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 27)), min_size=1, max_size=40))
def test_every_point_stays_inside_the_drawing(rows: list[tuple[int, int]]) -> None:
    points = [(START + timedelta(days=day), Decimal(score)) for day, score in sorted(rows)]
    drawn = spark(points, [], low=0, high=27, width=640, height=96)
    assert all(0 <= dot.x <= 640 and 0 <= dot.y <= 96 for dot in drawn.dots)
