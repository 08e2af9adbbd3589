"""Outcome terms of one series. Expected values: clinical.md H1 (cases 1 to 8), F1, E4 and C4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from courses.pure.outcomes.judging import Given, Outcome, Relapse, Score, judge_outcome, shown
from courses.pure.outcomes.terms import SHIPPED, End, Speed, Terms

FIRST = datetime(2027, 4, 5, 14, 0, tzinfo=UTC)  # a Monday
LENGTH = timedelta(minutes=40)


def score(days: float, value: float, danger: int | None = None) -> Score:
    """So many days (whole or not) after the beginning of infusion 1."""
    at = FIRST + timedelta(days=days)
    return Score(at, at.date(), Decimal(str(value)), danger)


def infusion(number: int, day: int) -> Given:
    began = FIRST + timedelta(days=day)
    return Given(number, began.date(), began + LENGTH, began)


def series(baseline: float, *after: float) -> tuple[tuple[Score, ...], tuple[Given, ...]]:
    """Infusions every two days, each score a day later, the baseline a week before."""
    infusions = tuple(infusion(number, 2 * (number - 1)) for number in range(1, len(after) + 1))
    scores = (score(-7, baseline), *(score(2 * index + 1, value) for index, value in enumerate(after)))
    return scores, infusions


def judged(baseline: float, *after: float, measure: str = "phq9", terms: Terms = SHIPPED) -> Outcome:
    scores, infusions = series(baseline, *after)
    return judge_outcome(measure, scores, infusions, is_over=True, terms=terms)


def percents(outcome: Outcome) -> list[str]:
    return [str(shown(one)) for one in outcome.improvement.values()]


def test_case_1_responds_early_and_ends_in_remission() -> None:
    found = judged(20, 14, 9, 8, 6, 5, 4)
    assert percents(found) == ["30.0", "55.0", "60.0", "70.0", "75.0", "80.0"]
    assert (found.first_response, found.speed, found.end) == (2, Speed.EARLY, End.RESPONSE)
    assert found.is_remission
    assert not found.is_not_improving


def test_case_2_responds_gradually_without_remission() -> None:
    found = judged(22, 19, 15, 12, 10, 9, 8)
    assert percents(found) == ["13.6", "31.8", "45.5", "54.5", "59.1", "63.6"]
    assert (found.first_improvement, found.first_partial, found.first_response) == (2, 2, 4)
    assert (found.speed, found.end, found.is_remission) == (Speed.GRADUAL, End.RESPONSE, False)


def test_case_4_does_not_improve_and_ends_without_response() -> None:
    found = judged(21, 20, 19, 18, 18, 17, 17)
    assert percents(found) == ["4.8", "9.5", "14.3", "14.3", "19.0", "19.0"]
    assert found.is_not_improving
    assert found.is_flat_after_three
    assert (found.end, found.first_response, found.worsening_from) == (End.NON_RESPONSE, None, None)


def test_case_6_gets_worse_and_says_from_which_infusion() -> None:
    found = judged(15, 16, 18, 20, 21)
    assert (found.any_increase_from, found.worsening_from) == (1, 3)
    assert found.worse_on == date(2027, 4, 10)
    assert found.is_not_improving


def test_case_7_the_line_of_response_is_compared_unrounded() -> None:
    assert judged(19, 10).end is End.PARTIAL  # 47.4 %
    assert (judged(19, 9).end, judged(19, 9).is_remission) == (End.RESPONSE, False)  # 52.6 %
    assert judged(20, 10).end is End.RESPONSE  # exactly half
    assert judged(10, 7).end is End.PARTIAL  # exactly 30 %
    assert judged(27, 19).end is End.NON_RESPONSE  # 29.6 %


def test_case_7c_a_low_baseline_can_remit_but_is_not_evaluable_for_response() -> None:
    found = judged(9, 4)
    assert found.is_remission
    assert (found.end, found.first_response, found.speed) == (End.NOT_EVALUABLE, None, None)
    assert percents(found) == ["55.6"]
    assert judged(10, 4).end is End.RESPONSE


def followed(*after: tuple[int, float], terms: Terms = SHIPPED) -> Outcome:
    """Baseline 20, the last infusion on day 0, 6 on the day after it, then (day, score)."""
    scores = (score(-7, 20), score(1, 6), *(score(day, value) for day, value in after))
    return judge_outcome("phq9", scores, (infusion(6, 0),), is_over=True, terms=terms)


def test_case_8_relapses_at_the_second_reading_and_is_dated_at_the_first() -> None:
    found = followed((7, 7), (14, 9), (21, 12), (28, 13))
    assert [str(shown(percent)) for _, percent in found.follow_up] == ["65.0", "55.0", "40.0", "35.0"]
    assert found.relapse == Relapse(date(2027, 4, 26), date(2027, 5, 3), 21)
    assert found.lost_since is None


def test_case_8_a_single_reading_below_response_is_no_relapse() -> None:
    back = followed((7, 7), (14, 9), (21, 12), (28, 9))
    assert (back.relapse, back.lost_since) == (None, None)
    last = followed((7, 7), (14, 9), (21, 12))
    assert (last.relapse, last.lost_since) == (None, date(2027, 4, 26))


def test_readings_closer_than_five_days_do_not_confirm_each_other_but_a_later_one_does() -> None:
    close = followed((21, 12), (23, 12), (25, 13))
    assert (close.relapse, close.lost_since) == (None, date(2027, 4, 26))
    far = followed((21, 12), (23, 12), (26, 13))
    assert far.relapse == Relapse(date(2027, 4, 26), date(2027, 5, 1), 21)


def test_without_response_at_the_end_nothing_can_be_lost_to_a_relapse() -> None:
    scores = (score(-7, 20), score(1, 11), score(21, 14), score(28, 15))
    found = judge_outcome("phq9", scores, (infusion(6, 0),), is_over=True)
    assert (found.end, found.relapse, found.lost_since) == (End.PARTIAL, None, None)


def test_a_score_named_by_the_terms_is_a_relapse_at_once() -> None:
    """MADRS 22 or more (P24), as an alternative that a clinic may choose."""
    terms = replace(SHIPPED, relapse_scores={"madrs": Decimal(22)})
    scores = (score(-7, 34), score(1, 10), score(14, 21), score(20, 22))
    found = judge_outcome("madrs", scores, (infusion(6, 0),), is_over=True, terms=terms)
    assert found.relapse == Relapse(date(2027, 4, 25), date(2027, 4, 25), 20)
    assert judge_outcome("madrs", scores[:3], (infusion(6, 0),), is_over=True, terms=terms).relapse is None


def test_response_on_the_way_that_is_gone_at_the_end_is_a_responder_lost() -> None:
    found = judged(20, 14, 9, 12, 13)
    assert found.is_responder_lost
    assert (found.first_response, found.end) == (2, End.PARTIAL)
    assert not judged(20, 14, 9, 12, 10).is_responder_lost


@pytest.mark.parametrize(
    ("number", "speed"),
    [(1, Speed.EARLY), (2, Speed.EARLY), (3, Speed.GRADUAL), (4, Speed.GRADUAL), (5, Speed.LATE), (6, Speed.LATE)],
)
def test_the_classes_of_speed_are_disjoint(number: int, speed: Speed) -> None:
    """clinical.md C4: 1-2, 3-4, from 5 on."""
    after = [18] * (number - 1) + [8] * (7 - number)
    assert judged(20, *after).speed is speed


def test_a_check_in_tells_about_the_infusion_before_and_a_rating_of_the_same_day_about_none() -> None:
    """clinical.md F1 and E4: at least 20 hours after infusion k and before infusion k+1."""
    infusions = (infusion(1, 0), infusion(2, 3))
    same_day = score(0.5, 3)  # 12 hours after
    check_in = score(2.99, 12)  # 14 minutes before infusion 2
    found = judge_outcome("phq9", (score(-1, 20), same_day, check_in, score(4, 8)), infusions, is_over=True)
    assert {number: one.value for number, one in found.after.items()} == {1: Decimal(12), 2: Decimal(8)}


def test_after_exactly_twenty_hours_it_counts_and_a_minute_earlier_it_does_not() -> None:
    one = infusion(1, 0)
    at = one.at + timedelta(hours=20)
    exact = Score(at, at.date(), Decimal(8))
    early = replace(exact, at=at - timedelta(minutes=1))
    assert judge_outcome("phq9", (score(-1, 20), exact), (one,), is_over=True).after == {1: exact}
    assert judge_outcome("phq9", (score(-1, 20), early), (one,), is_over=True).after == {}


def test_the_last_infusion_has_fourteen_days() -> None:
    on_time = judge_outcome("phq9", (score(-1, 20), score(14, 8)), (infusion(1, 0),), is_over=True)
    assert on_time.end is End.RESPONSE
    too_late = judge_outcome("phq9", (score(-1, 20), score(15, 8)), (infusion(1, 0),), is_over=True)
    assert (too_late.end, too_late.end_due_until) == (End.NO_SCORE, date(2027, 4, 19))
    assert [one.value for one, _ in too_late.follow_up] == [Decimal(8)]


def test_the_baseline_is_the_last_score_of_at_most_fourteen_days_before_infusion_1_began() -> None:
    both = judge_outcome("phq9", (score(-14, 22), score(-0.01, 20)), (infusion(1, 0),), is_over=False)
    assert both.baseline is not None
    assert both.baseline.value == 20
    old = judge_outcome("phq9", (score(-15, 22),), (infusion(1, 0),), is_over=True)
    assert (old.baseline, old.end) == (None, End.NO_BASELINE)
    during = judge_outcome("phq9", (score(0.01, 22),), (infusion(1, 0),), is_over=True)
    assert during.baseline is None


def test_without_a_baseline_no_percentage_is_made_up() -> None:
    scores, infusions = series(20, 12, 8)
    found = judge_outcome("phq9", scores[1:], infusions, is_over=True)
    assert found.end is End.NO_BASELINE
    assert (found.improvement, found.end_improvement, found.first_response) == ({}, None, None)
    assert len(found.after) == 2


def test_a_series_that_goes_on_has_no_end_yet() -> None:
    scores, infusions = series(20, 14, 9)
    found = judge_outcome("phq9", scores, infusions, is_over=False)
    assert (found.end, found.is_remission, found.end_improvement) == (End.RUNNING, False, None)
    assert found.first_response == 2
    assert judge_outcome("phq9", scores, (), is_over=False).end is End.NOT_BEGUN


def test_item_nine_from_nothing_or_up_by_one_is_a_new_danger() -> None:
    infusions = (infusion(1, 0), infusion(2, 2))
    for before, later, expected in ((0, 1, 2), (1, 2, 2), (1, 1, None), (2, 1, None), (None, 1, None), (0, None, None)):
        scores = (score(-1, 20, before), score(1, 15, before), score(3, 15, later))
        found = judge_outcome("phq9", scores, infusions, is_over=True)
        assert found.new_danger_from == expected, (before, later)


def test_a_new_danger_is_seen_on_the_same_day_too() -> None:
    """It counts for no infusion (less than 20 hours), but it is there."""
    found = judge_outcome("phq9", (score(-1, 20, 0), score(0.2, 15, 1)), (infusion(1, 0),), is_over=False)
    assert (found.new_danger_from, found.new_danger_on) == (None, date(2027, 4, 5))


def test_what_comes_after_a_later_series_began_belongs_to_that() -> None:
    scores = (score(-7, 20), score(1, 6), score(21, 12), score(28, 13))
    until = (FIRST + timedelta(days=25)).date()
    found = judge_outcome("phq9", scores, (infusion(6, 0),), is_over=True, until=until)
    assert (found.relapse, len(found.follow_up)) == (None, 1)


def test_not_improving_is_asked_from_infusion_four_on_and_by_the_latest_score() -> None:
    """P25: improvement below 20 % after infusion 4."""
    assert not judged(20, 18, 18, 18).is_not_improving
    assert judged(20, 18, 18, 18, 17).is_not_improving  # 15 %
    assert not judged(20, 18, 18, 18, 16).is_not_improving  # exactly 20 %
    assert not judged(20, 18, 18, 18, 17, 12).is_not_improving


# -- properties --------------------------------------------------------------------------------------------------------
VALUES = st.lists(st.integers(0, 27), min_size=1, max_size=8)
BASELINES = st.integers(10, 27)
RANKS = {End.NON_RESPONSE: 0, End.PARTIAL: 1, End.RESPONSE: 2}


@hypothesis_given(BASELINES, VALUES, st.integers(1, 5))
def test_a_lower_end_score_is_never_a_worse_end(baseline: int, after: Sequence[int], less: int) -> None:
    lower = [*after[:-1], max(0, after[-1] - less)]
    assert RANKS[judged(baseline, *lower).end] >= RANKS[judged(baseline, *after).end]


@hypothesis_given(BASELINES, VALUES, st.integers(2, 9))
def test_percentages_do_not_depend_on_the_scale(baseline: int, after: Sequence[int], times: int) -> None:
    plain = judged(baseline, *after, measure="madrs")
    scaled = judged(baseline * times, *(one * times for one in after), measure="madrs")
    assert plain.improvement == scaled.improvement
    assert (plain.end, plain.first_response, plain.speed) == (scaled.end, scaled.first_response, scaled.speed)


@hypothesis_given(BASELINES, VALUES, st.randoms(use_true_random=False))
def test_the_order_in_which_rows_arrive_does_not_matter(baseline: int, after: Sequence[int], random: object) -> None:
    scores, infusions = series(baseline, *after)
    mixed, others = list(scores), list(infusions)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    random.shuffle(others)  # type: ignore[attr-defined]
    expected = judge_outcome("phq9", scores, infusions, is_over=True)
    assert judge_outcome("phq9", tuple(mixed), tuple(others), is_over=True) == expected


@hypothesis_given(BASELINES, VALUES, st.integers(0, 27), st.floats(0.05, 0.8))
def test_ratings_of_the_first_hours_change_no_outcome_but_the_danger(
    baseline: int, after: Sequence[int], value: int, when: float
) -> None:
    scores, infusions = series(baseline, *after)
    expected = judge_outcome("phq9", scores, infusions, is_over=True)
    found = judge_outcome("phq9", (*scores, score(when, value)), infusions, is_over=True)
    assert replace(found, worse_on=None, new_danger_on=None) == replace(expected, worse_on=None, new_danger_on=None)


@hypothesis_given(BASELINES, VALUES)
def test_what_is_reached_is_reached_in_order(baseline: int, after: Sequence[int]) -> None:
    found = judged(baseline, *after)
    reached = [found.first_improvement, found.first_partial, found.first_response]
    known = [one for one in reached if one is not None]
    assert known == sorted(known)
    assert reached == known + [None] * (3 - len(known))
