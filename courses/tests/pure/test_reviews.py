"""When a series is reviewed, what P25 says, rhythms from now on, and the return to twice weekly. Source: clinical.md."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courses.planning.protocols import Step
from courses.planning.templates import T_ESK, T_MWF6
from courses.pure.outcomes.terms import SHIPPED
from courses.pure.reviews import (
    RHYTHM_LABELS,
    RHYTHMS,
    Point,
    PointKind,
    Rhythm,
    Said,
    is_weekly_or_slower,
    point_reached,
    rise_after,
    steps_from_now,
    stop_rule,
)

AFTER, END = PointKind.AFTER, PointKind.END


@pytest.mark.parametrize(
    ("given", "point"),
    [(0, None), (1, None), (2, Point(AFTER, 2)), (3, Point(AFTER, 2)), (4, Point(AFTER, 4)), (6, Point(END, 6))],
)
def test_a_series_of_six_is_reviewed_after_2_and_4_and_at_its_end(given: int, point: Point | None) -> None:
    """B5: T-MWF6 decides after 2, 4 and at the end."""
    assert point_reached(given, 6, T_MWF6.decision_after) == point


def test_a_point_at_the_last_infusion_is_the_end_and_not_a_second_review() -> None:
    assert point_reached(4, 4, (2, 4)) == Point(END, 4)


@given(st.integers(1, 12), st.integers(1, 12), st.lists(st.integers(1, 12), max_size=4))
def test_a_point_never_lies_ahead_of_what_was_given(given_so_far: int, n: int, points: list[int]) -> None:
    point = point_reached(given_so_far, n, points)
    assert point is None or point.after <= max(given_so_far, n)
    assert (point is not None and point.kind is END) == (given_so_far >= n)
    if point is not None and point.kind is AFTER:
        assert point.after in points
        assert not any(point.after < one <= given_so_far for one in points)


@pytest.mark.parametrize(
    ("point", "words"),
    [
        (Point(AFTER, 4), "after infusion 4"),
        (Point(END, 6), "at the end, after 6 infusions"),
        (Point(PointKind.RETURN, 9), "after a missed session"),
    ],
)
def test_a_point_is_said_in_words(point: Point, words: str) -> None:
    assert point.words == words


# -- P25 ---------------------------------------------------------------------------------------------------------------


def percents(baseline: int, *scores: int) -> dict[int, Decimal]:
    return {number: Decimal(baseline - score) / baseline * 100 for number, score in enumerate(scores, 1)}


def rule(improvement: dict[int, Decimal], given: int = 4) -> Said:
    terms = SHIPPED
    return stop_rule(
        improvement, given=given, after=terms.review_after, below_percent=terms.improvement_percent
    ).said  # fmt: skip


@pytest.mark.parametrize(
    ("improvement", "said"),
    [
        (percents(20, 14, 9, 8, 6), Said.NOT_MET),  # case 1: 70 % after infusion 4
        (percents(21, 20, 19, 18, 18), Said.MET),  # case 4: 14.3 %
        (percents(15, 16, 18, 20, 21), Said.MET),  # case 6: worse
        (percents(20, 20, 20, 20, 16), Said.NOT_MET),  # exactly 20 % is an improvement (F1)
        ({1: Decimal(5), 2: Decimal(5), 3: Decimal(5)}, Said.UNKNOWN),  # nobody asked after infusion 4
        ({}, Said.UNKNOWN),  # no baseline
    ],
)
def test_less_than_20_percent_after_infusion_4_asks(improvement: dict[int, Decimal], said: Said) -> None:
    assert rule(improvement) is said


def test_the_rule_says_nothing_before_infusion_4() -> None:
    assert rule(percents(21, 20, 19, 18), given=3) is Said.NOT_YET


# -- rhythms -----------------------------------------------------------------------------------------------------------


def test_what_was_given_keeps_its_step_and_the_rest_is_twice_a_week() -> None:
    steps = steps_from_now(T_MWF6.steps, given=4, n=6, rhythm=Rhythm.TWO)
    assert [(one.count, sorted(one.weekdays), one.min_gap_days, one.max_gap_days) for one in steps] == [
        (4, [0, 2, 4], 2, 4),
        (2, [0, 3], 3, 5),
    ]


def test_before_the_first_infusion_everything_follows_the_new_rhythm() -> None:
    (step,) = steps_from_now(T_MWF6.steps, given=0, n=6, rhythm=Rhythm.WEEKLY)
    assert (step.count, step.target_gap_days) == (6, 7)


def test_a_series_that_is_all_given_has_no_rhythm_to_change() -> None:
    with pytest.raises(ValueError, match="no rhythm to change"):
        steps_from_now(T_MWF6.steps, given=6, n=6, rhythm=Rhythm.TWO)


@given(st.integers(2, 12), st.data(), st.sampled_from(Rhythm))
def test_the_steps_always_add_up_to_the_series(n: int, data: st.DataObject, rhythm: Rhythm) -> None:
    given_so_far = data.draw(st.integers(0, n - 1))
    steps = steps_from_now(T_ESK.steps, given=given_so_far, n=n, rhythm=rhythm)
    assert sum(step.count for step in steps) == n
    assert steps[-1].gap == RHYTHMS[rhythm].gap


def test_every_rhythm_has_a_name_and_twice_a_week_is_that_of_the_label() -> None:
    assert set(RHYTHMS) == set(RHYTHM_LABELS) == set(Rhythm)
    assert RHYTHMS[Rhythm.TWO].gap == T_ESK.steps[0].gap


# -- a missed weekly session (L3, case 27c) ----------------------------------------------------------------------------


def day(number: int) -> datetime:
    return datetime(2027, 3, number, 14, tzinfo=UTC)


@pytest.mark.parametrize(("number", "weekly"), [(1, False), (8, False), (9, True), (12, True), (13, False)])
def test_weeks_1_to_4_of_esketamine_are_twice_weekly_and_the_rest_is_weekly(number: int, weekly: bool) -> None:
    assert is_weekly_or_slower(T_ESK.steps, number) is weekly


def test_one_weekday_a_week_is_weekly_as_well() -> None:
    assert is_weekly_or_slower([Step(4, 6, 9, weekdays=frozenset({2}))], 1)


@pytest.mark.parametrize(("since", "rises"), [(12, False), (13, True), (20, True), (5, False)])
def test_five_points_more_since_the_missed_session_are_a_rise(since: int, rises: bool) -> None:
    """Missed 15 March with PHQ-9 8 before it: 13 is up by 5."""
    found = rise_after([(day(1), Decimal(20)), (day(8), Decimal(8)), (day(17), Decimal(since))], day(15))
    assert (found is not None) is rises


def test_the_latest_score_counts_and_a_missing_one_is_never_guessed() -> None:
    before, after = (day(8), Decimal(8)), (day(16), Decimal(14))
    assert rise_after([before, after, (day(20), Decimal(9))], day(15)) is None
    assert rise_after([before], day(15)) is None
    assert rise_after([after], day(15)) is None
