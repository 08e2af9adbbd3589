"""When scores ask about a booster, and which times are offered for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courses.pure.boosters import Because, BoosterRule, Gain, Reading, Since, Trigger, few_starts, trigger_of

LAST = datetime(2027, 1, 15, 16, 0, tzinfo=UTC)  # the last infusion of the series: day 0
SHIPPED = BoosterRule()
GAIN = Gain(Decimal(20), Decimal(6))  # case 8: baseline 20, end of series 6
CASE_8 = ((1, 6), (7, 7), (14, 9), (21, 12), (28, 13))


def at(day: float) -> datetime:
    return LAST + timedelta(days=day)


def readings(*pairs: tuple[float, float]) -> list[Reading]:
    """Days after the last infusion, and scores; the number of a reading is its place."""
    return [Reading(pk, at(day), at(day).date(), Decimal(str(score))) for pk, (day, score) in enumerate(pairs, 1)]


def asked(
    scores: Sequence[Reading],
    rule: BoosterRule = SHIPPED,
    gain: Gain | None = GAIN,
    *,
    boosters: tuple[float, ...] = (),
    answers: tuple[float, ...] = (),
) -> Trigger | None:
    since = Since(at(1), tuple(map(at, boosters)), tuple(map(at, answers)))
    return trigger_of(rule, phq9=scores, leading=scores, gain=gain, since=since)


# -- the gain that was lost ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("score", "percent"), [(6, 0), (13, 50), (20, 100), (4, Decimal(-200) / 14), (22, 1600 / 14)])
def test_the_gain_lost_is_measured_from_the_end_of_the_series_to_the_baseline(score: int, percent: float) -> None:
    """(score - end) / (baseline - end): case 8 gained 14 points, so 13 is exactly half of them lost."""
    lost = GAIN.lost_percent(Decimal(score))
    assert lost is not None
    assert float(lost) == pytest.approx(float(percent))


def test_without_a_gain_nothing_can_be_lost() -> None:
    assert Gain(Decimal(18), Decimal(18)).lost_percent(Decimal(20)) is None
    assert asked(readings((1, 18), (8, 20), (15, 20)), gain=Gain(Decimal(18), Decimal(18))) is None


# -- the rules -----------------------------------------------------------------------------------------------------


def test_two_scores_back_above_the_threshold_ask_on_the_day_of_the_second() -> None:
    """Case 8's numbers: 12 on day 21 and 13 on day 28 are back at 10 or more; 9 on day 14 is not."""
    found = asked(readings(*CASE_8))
    assert found is not None
    assert [found.first.value, found.confirmed.value] == [Decimal(12), Decimal(13)]
    assert [run.because for run in found.runs] == [Because.SCORE]


def test_one_score_is_an_excursion() -> None:
    assert asked(readings(*CASE_8[:4])) is None
    assert asked(readings(*CASE_8[:4], (28, 9))) is None


def test_a_score_in_between_that_is_well_begins_the_count_anew() -> None:
    assert asked(readings((1, 6), (7, 12), (14, 9), (21, 12))) is None


def test_readings_closer_than_the_rule_says_count_once() -> None:
    assert asked(readings((1, 6), (7, 12), (11, 12))) is None
    found = asked(readings((1, 6), (7, 12), (11, 12), (12, 12)))
    assert found is not None
    assert (found.first.pk, found.confirmed.pk) == (2, 4)


def test_half_of_the_gain_lost_asks_below_the_threshold_too() -> None:
    """From 16 to 2: 9 is half of the gain lost, and not yet 10."""
    gain = Gain(Decimal(16), Decimal(2))
    found = asked(readings((1, 2), (8, 9), (15, 9)), gain=gain)
    assert found is not None
    assert [run.because for run in found.runs] == [Because.GAIN]
    assert asked(readings((1, 2), (8, 8), (15, 9)), gain=gain) is None


def test_the_rule_that_was_confirmed_first_names_the_run_for_good() -> None:
    """A later reading may confirm the other rule; the task must not be opened a second time under another name."""
    first = asked(readings(*CASE_8))
    later = asked(readings(*CASE_8, (35, 14)))
    assert first is not None
    assert later is not None
    assert [run.because for run in later.runs] == [Because.SCORE, Because.GAIN]
    assert later.first == first.first


def test_who_never_came_below_the_threshold_is_not_back_above_it() -> None:
    """A matter of the review: nothing that a booster could bring back."""
    assert asked(readings((-5, 18), (1, 17), (8, 18), (15, 18)), gain=None) is None
    assert asked(readings((-5, 9), (1, 17), (8, 18), (15, 18)), gain=None) is not None


def test_scores_of_the_series_itself_do_not_count() -> None:
    assert asked(readings((-12, 9), (-10, 15), (-3, 15), (1, 6))) is None


def test_a_rule_that_is_off_or_empty_asks_nothing() -> None:
    scores = readings(*CASE_8, (35, 20))
    assert asked(scores, BoosterRule(is_on=False)) is None
    assert asked(scores, BoosterRule(score_from=None, gain_lost_percent=None)) is None
    assert asked(scores, BoosterRule(readings=1, apart_days=0)) is not None


def test_what_was_done_ends_a_run_and_the_same_scores_do_not_ask_twice() -> None:
    scores = readings(*CASE_8)
    assert asked(scores, boosters=(30,)) is None
    assert asked(scores, answers=(30,)) is None
    after = readings(*CASE_8, (37, 12), (44, 12))
    again = asked(after, boosters=(30,))
    assert again is not None
    assert again.first.pk == 6
    assert asked(after, answers=(30,)) == again


def test_a_booster_between_two_readings_begins_the_count_anew_and_maintenance_does_not() -> None:
    """In maintenance an infusion lies between any two readings; it would never ask otherwise."""
    scores = readings(*CASE_8)
    assert asked(scores, boosters=(24,)) is None
    assert asked(scores, answers=(24,)) is not None


def test_the_rule_is_said_in_words() -> None:
    assert SHIPPED.said == (
        "PHQ-9 back at 10 or more or 50 % of the gain lost, at 2 readings in a row, at least 5 days apart."
    )
    assert BoosterRule(gain_lost_percent=None, readings=1).said == "PHQ-9 back at 10 or more, at one reading."
    assert BoosterRule(is_on=False).said == "Scores are not watched."


# -- properties ----------------------------------------------------------------------------------------------------


SCORES = st.lists(st.tuples(st.integers(2, 9), st.integers(0, 27)), max_size=12)


@given(steps=SCORES, needed=st.integers(1, 3), apart=st.integers(0, 9), limit=st.integers(1, 27))
def test_every_reading_of_a_run_meets_the_rule_and_enough_of_them_are_far_apart(
    steps: list[tuple[int, int]], needed: int, apart: int, limit: int
) -> None:
    day, pairs = 1.0, [(1.0, 0)]
    for step, score in steps:
        day += step
        pairs.append((day, score))
    scores = readings(*pairs)
    found = asked(scores, BoosterRule(True, limit, None, needed, apart))
    if found is None:
        return
    run = found.runs[0].readings
    assert all(one.value >= limit for one in run)
    assert run == tuple(scores[-len(run) :])  # in a row, up to now
    assert (found.confirmed.day - found.first.day).days >= (needed - 1) * apart


@given(steps=SCORES)
def test_an_answer_after_the_last_reading_ends_whatever_asks(steps: list[tuple[int, int]]) -> None:
    day, pairs = 1.0, [(1.0, 0)]
    for step, score in steps:
        day += step
        pairs.append((day, score))
    assert asked(readings(*pairs), answers=(day + 1,)) is None


# -- times ---------------------------------------------------------------------------------------------------------


MONDAY = date(2027, 2, 1)


def test_at_most_two_times_a_day_an_hour_apart_near_the_usual_one() -> None:
    """docs/decisions.md 42: few, different times."""
    free = {MONDAY + timedelta(days=n): (480, 495, 540, 600, 900) for n in range(6)}
    found = few_starts(free, usual_min=590)
    assert found[:4] == ((MONDAY, 600), (MONDAY, 900), (MONDAY + timedelta(1), 600), (MONDAY + timedelta(1), 900))
    assert len(found) == 5


def test_a_day_with_starts_close_together_gives_one_and_an_empty_day_none() -> None:
    free = {MONDAY: (480, 495, 525), MONDAY + timedelta(1): (), MONDAY + timedelta(2): (600,)}
    assert few_starts(free) == ((MONDAY, 480), (MONDAY + timedelta(2), 600))


@given(st.dictionaries(st.dates(MONDAY, MONDAY + timedelta(30)), st.lists(st.integers(480, 1000)), max_size=10))
def test_every_time_that_is_offered_is_free_and_they_differ(free: dict[date, list[int]]) -> None:
    found = few_starts(free)
    assert len(found) <= 5
    assert all(minute in free[day] for day, minute in found)
    for day in {one for one, _ in found}:
        here = sorted(minute for one, minute in found if one == day)
        assert len(here) <= 2
        assert all(b - a >= 60 for a, b in pairwise(here))
    assert bool(found) == any(free.values())
