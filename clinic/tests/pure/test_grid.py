"""Free time in bulk equals, start by start and to the minute, what a naive reading of the spans says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinic.pure.grid import first_free_lanes, free_starts_for, merge_spans

EXACT = settings(max_examples=300, deadline=None, derandomize=True, database=None)
LANES = (1, 3, 2)

span = st.tuples(st.integers(0, 60), st.integers(0, 25)).map(lambda one: (one[0], one[0] + one[1]))
open_spans = st.lists(st.tuples(st.integers(0, 2), span).map(lambda one: (one[0], *one[1])), max_size=8)
busy_spans = st.lists(
    st.integers(0, 2).flatmap(
        lambda resource: st.tuples(st.just(resource), st.integers(0, LANES[resource] - 1), span).map(
            lambda one: (one[0], one[1], *one[2])
        )
    ),
    max_size=12,
)


def naive_lane(
    start: int, duration: int, resource: int, opens: list[tuple[int, int, int]], busy: list[tuple[int, int, int, int]]
) -> int:
    """Minute by minute: open throughout, and the lowest lane with no minute taken."""
    minutes = range(start, start + duration)
    if not all(any(who == resource and lo <= minute < hi for who, lo, hi in opens) for minute in minutes):
        return -1
    for lane in range(LANES[resource]):
        if not any(
            (who, where) == (resource, lane) and lo <= minute < hi for who, where, lo, hi in busy for minute in minutes
        ):
            return lane
    return -1


@EXACT
@given(st.lists(st.integers(-5, 80), max_size=20), st.integers(1, 20), open_spans, busy_spans)
def test_bulk_free_time_equals_the_naive_reading(
    starts: list[int], duration: int, opens: list[tuple[int, int, int]], busy: list[tuple[int, int, int, int]]
) -> None:
    array = np.asarray(starts, dtype=np.int64)
    expected = [[naive_lane(start, duration, resource, opens, busy) for resource in range(3)] for start in starts]
    found = first_free_lanes(array, duration, opens, busy, LANES)
    assert found.tolist() == expected
    assert free_starts_for(array, duration, opens, busy, LANES).tolist() == [
        [lane >= 0 for lane in row] for row in expected
    ]


def free(starts: list[int], duration: int, *, busy: list[tuple[int, int, int, int]], lanes: int = 1) -> list[bool]:
    found = free_starts_for(np.asarray(starts), duration, [(0, 0, 600)], busy, [lanes])
    return [bool(one) for one in found[:, 0]]


def test_a_visit_may_begin_the_minute_another_ends_and_not_one_earlier() -> None:
    assert free([119, 120], 60, busy=[(0, 0, 60, 120)]) == [False, True]


def test_a_visit_may_end_the_minute_another_begins_and_not_one_later() -> None:
    assert free([60, 61], 60, busy=[(0, 0, 120, 180)]) == [True, False]


def test_a_visit_may_end_at_closing_time_and_not_a_minute_later() -> None:
    assert free([540, 541], 60, busy=[]) == [True, False]


def test_a_nurse_with_three_lanes_takes_a_third_visit_and_no_fourth() -> None:
    two = [(0, 0, 60, 120), (0, 1, 60, 120)]
    assert free([60], 60, busy=two, lanes=3) == [True]
    assert free([60], 60, busy=[*two, (0, 2, 90, 95)], lanes=3) == [False]


def test_one_lane_must_be_free_throughout_because_a_visit_does_not_change_lanes() -> None:
    assert free([60], 60, busy=[(0, 0, 60, 90), (0, 1, 90, 120)], lanes=2) == [False]


def test_open_spans_that_touch_count_as_one_and_a_gap_of_a_minute_does_not() -> None:
    starts = np.asarray([30])
    assert free_starts_for(starts, 60, [(0, 0, 60), (0, 60, 120)], [], [1])[0, 0]
    assert not free_starts_for(starts, 60, [(0, 0, 60), (0, 61, 120)], [], [1])[0, 0]


def test_merged_spans_keep_resources_apart() -> None:
    spans = np.asarray([(1, 0, 10), (0, 5, 9), (0, 0, 6), (1, 10, 12), (0, 20, 20), (0, 30, 31)])
    assert merge_spans(spans).tolist() == [[0, 0, 9], [0, 30, 31], [1, 0, 12]]


def test_nothing_open_and_no_candidates_are_plain_answers() -> None:
    assert free_starts_for(np.asarray([5]), 1, [], [], [1, 2]).tolist() == [[False, False]]
    assert free_starts_for(np.asarray([], dtype=np.int64), 1, [(0, 0, 9)], [], [1]).shape == (0, 1)


def test_what_does_not_exist_is_refused() -> None:
    starts = np.asarray([0])
    with pytest.raises(ValueError, match="at least 1 minute"):
        free_starts_for(starts, 0, [], [], [1])
    with pytest.raises(ValueError, match="open span names a resource"):
        free_starts_for(starts, 5, [(1, 0, 9)], [], [1])
    with pytest.raises(ValueError, match="busy span names a resource"):
        free_starts_for(starts, 5, [], [(1, 0, 0, 9)], [1])
    with pytest.raises(ValueError, match="busy span names a lane"):
        free_starts_for(starts, 5, [], [(0, 1, 0, 9)], [1])
