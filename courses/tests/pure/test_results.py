"""What a course achieved, worked out from plain values: borders of each definition (clinical.md F1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from courses.planning.types import GapRule, SeriesRule
from courses.pure.outcomes.judging import Event, Given, Score, judge_outcome, reached_by
from courses.pure.outcomes.leading import judge_by_leading
from courses.pure.outcomes.terms import SHIPPED, End
from courses.pure.reports.results import (
    CourseFacts,
    DoseGiven,
    InfusionGiven,
    Pause,
    Result,
    drop_out_day,
    failed_treatments,
    result_of,
)

FIRST = date(2027, 4, 5)
DAYS = (0, 2, 4, 7, 9, 11)


def on(day: int) -> date:
    return FIRST + timedelta(days=day)


def at(day: int, hour: int = 12) -> datetime:
    return datetime(2027, 4, 5, hour, tzinfo=UTC) + timedelta(days=day)


def score(day: int, value: int, danger: int | None = None) -> Score:
    return Score(at(day, 8), on(day), Decimal(value), danger, day + 100)


def rule(n: int = 6, smallest: int = 2, largest: int = 4) -> SeriesRule:
    return SeriesRule((GapRule(smallest, largest, target_days=smallest),) * (n - 1))


def facts(
    *readings: Score, days: tuple[int, ...] = DAYS, is_over: bool = True, events: tuple[Event, ...] = (), **known: Any
) -> CourseFacts:
    """A whole series of six on days 0 to 11, with these scores of the PHQ-9."""
    given = tuple(Given(number, on(day), at(day)) for number, day in enumerate(days, start=1))
    until = known.get("next_series_on")
    values: dict[str, Any] = {
        "outcome": judge_outcome("phq9", readings, given, is_over=is_over, events=events, until=until),
        "readings": readings,
        "given": [InfusionGiven(number=one.number, day=one.day) for one in given],
        "n_planned": 6,
        "rule": rule(),
        "is_over": is_over,
        "today": on(200),
    }
    return CourseFacts(**(values | known))


def result(*readings: Score, **known: Any) -> Result:
    return result_of(facts(*readings, **known))


RESPONDED = (score(-4, 20), score(12, 8))


# -- the series --------------------------------------------------------------------------------------------------------
def test_a_whole_series_is_completed_and_its_span_counts_both_ends() -> None:
    found = result(*RESPONDED)
    assert (found.n_given, found.span_days, found.is_completed, found.is_dropped_out) == (6, 12, True, False)
    assert (found.started_on, found.last_on) == (date(2027, 4, 5), date(2027, 4, 16))


def test_nothing_given_in_the_series_has_no_result() -> None:
    with pytest.raises(ValueError, match="nothing was given"):
        result(given=[InfusionGiven(number=1, day=on(0), is_in_series=False)])


@pytest.mark.parametrize(
    ("days", "is_kit"),
    [
        ((0, 2, 6), False),  # three
        ((0, 2, 4, 5), False),  # four in 6 days
        ((0, 2, 4, 6), True),  # four in 7
        ((0, 4, 8, 12, 16, 20, 24, 27), True),  # eight in 28
        ((0, 4, 8, 12, 16, 20, 24, 28), False),  # eight in 29
        ((0, 3, 6, 9, 12, 15, 18, 21, 24), False),  # nine in 25
    ],
)
def test_kit_type_completion_is_4_to_8_infusions_in_7_to_28_days(days: tuple[int, ...], is_kit: bool) -> None:
    assert result(days=days, rule=rule(len(days))).is_kit_completed is is_kit


@pytest.mark.parametrize(("gap", "kept"), [(1, 0), (2, 1), (4, 1), (5, 0)])
def test_a_gap_is_on_window_from_the_smallest_to_the_largest_of_its_template(gap: int, kept: int) -> None:
    found = result(days=(0, gap))
    assert (found.gaps, found.gaps_on_window) == (1, kept)


def test_each_gap_has_the_limits_of_its_own_step() -> None:
    """Two weekly ones after a first gap of 2 to 4 days."""
    steps = (GapRule(2, 4, target_days=2), GapRule(6, 8, target_days=7), GapRule(6, 8, target_days=7))
    found = result(days=(0, 3, 10, 13), rule=SeriesRule(steps))  # gaps 3, 7, 3
    assert (found.gaps, found.gaps_on_window) == (3, 2)


def test_an_infusion_that_was_never_given_leaves_room_for_two_gaps() -> None:
    given = [InfusionGiven(number=1, day=on(0)), InfusionGiven(number=3, day=on(8))]
    assert result(given=given).gaps_on_window == 1  # 4 to 8 days for two gaps of 2 to 4


# -- drop-out ----------------------------------------------------------------------------------------------------------
def left(*, today: int, **known: Any) -> tuple[bool, date | None]:
    """Three of six given, the last on day 4: dropped out by then, and from which day on."""
    found = result(score(-4, 20), days=(0, 2, 4), is_over=False, today=on(today), **known)
    return found.is_dropped_out, found.changes_on


def test_fewer_than_planned_and_nothing_for_14_days_is_a_drop_out_on_the_15th() -> None:
    assert left(today=18) == (False, on(19))  # an infusion on day 18 would be 14 days after the last one
    assert left(today=19) == (True, None)


def test_a_series_of_which_everything_was_given_is_none() -> None:
    assert left(today=100, n_planned=3) == (False, None)


def test_a_slower_rhythm_is_a_plan() -> None:
    """The fourth may come up to 21 days after the third."""
    assert left(today=25, rule=rule(6, 14, 21)) == (False, on(26))
    assert left(today=26, rule=rule(6, 14, 21)) == (True, None)


def test_an_infusion_that_was_allowed_to_stand_is_a_planned_pause_until_its_day() -> None:
    assert left(today=30, pause=Pause(booked_for=on(30))) == (False, on(31))
    assert left(today=31, pause=Pause(booked_for=on(30))) == (True, None)


def test_after_a_decision_to_continue_the_14_days_begin_anew() -> None:
    assert left(today=39, pause=Pause(continued_on=on(25))) == (False, on(40))
    assert left(today=40, pause=Pause(continued_on=on(25))) == (True, None)


def test_a_decision_before_the_last_infusion_changes_nothing() -> None:
    assert left(today=18, pause=Pause(continued_on=on(1))) == (False, on(19))


@pytest.mark.parametrize(("day", "dropped"), [(18, False), (19, True)])
def test_who_dies_or_begins_anew_within_14_days_did_not_drop_out(day: int, dropped: bool) -> None:
    assert left(today=100, has_died=True, died_on=on(day))[0] is dropped
    assert left(today=100, next_series_on=on(day))[0] is dropped


def test_who_died_on_an_unknown_day_or_was_transferred_did_not_drop_out() -> None:
    assert left(today=100, has_died=True) == (False, None)
    assert left(today=100, is_transferred=True) == (False, None)


def test_who_went_on_to_maintenance_did_not_drop_out() -> None:
    given = [InfusionGiven(number=1, day=on(0)), InfusionGiven(number=1, day=on(60), is_in_series=False)]
    assert drop_out_day(facts(given=given), on(0)) is None


# -- the later score ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("days_after", "counts"), [(13, False), (14, True), (31, True), (32, False)])
def test_the_later_score_is_that_of_14_to_31_days_after_the_last_infusion(days_after: int, counts: bool) -> None:
    found = result(*RESPONDED, score(11 + days_after, 4))
    expected = (Decimal(4), Decimal(80), "RESPONSE", True) if counts else (None, None, "", False)
    assert (
        found.later_score,
        found.later_improvement,
        found.later_end,
        found.is_later_remission,
    ) == expected


def test_the_first_of_two_later_scores_counts() -> None:
    assert result(*RESPONDED, score(26, 13), score(30, 4)).later_end == "PARTIAL"


def test_a_score_after_a_new_series_began_is_not_this_ones_later_score() -> None:
    assert result(*RESPONDED, score(30, 4), next_series_on=on(29)).later_score is None
    assert result(*RESPONDED, score(30, 4), next_series_on=on(30)).later_score == 4


def test_a_series_that_goes_on_has_no_later_score() -> None:
    """Two weeks without an infusion in a series that is not over."""
    assert result(score(-4, 20), score(26, 8), is_over=False).later_end == ""


# -- how long it held --------------------------------------------------------------------------------------------------
def test_without_a_response_nothing_held() -> None:
    found = result(score(-4, 20), score(12, 15))
    assert (found.held_days, found.has_relapsed, found.censored_by) == (None, False, "")


def test_a_response_holds_as_long_as_it_was_looked_at() -> None:
    found = result(*RESPONDED, score(39, 9))
    assert (found.held_days, found.censored_by) == (28, "last_score")


def test_nothing_is_known_of_the_days_between_the_last_score_and_a_new_series_or_death() -> None:
    found = result(*RESPONDED, score(39, 9), next_series_on=on(300))
    assert (found.held_days, found.censored_by) == (28, "next_series")
    found = result(*RESPONDED, score(39, 9), has_died=True, died_on=on(300))
    assert (found.held_days, found.censored_by) == (28, "death")


def test_nothing_holds_longer_than_life() -> None:
    """A score entered for a day after death."""
    assert result(*RESPONDED, score(39, 9), has_died=True, died_on=on(20)).held_days == 9


def test_a_relapse_is_dated_at_the_first_of_its_two_readings() -> None:
    found = result(*RESPONDED, score(32, 12), score(37, 12), next_series_on=on(60))
    assert (found.held_days, found.has_relapsed, found.censored_by) == (21, True, "")


def test_an_attempt_is_a_relapse_at_once() -> None:
    found = result(*RESPONDED, events=(Event(on(20), "suicide attempt"),))
    assert (found.held_days, found.has_relapsed) == (9, True)


def test_maintenance_is_counted_from_the_last_infusion_of_the_series() -> None:
    base = facts(*RESPONDED)
    later = [InfusionGiven(number=number, day=on(day), is_in_series=False) for number, day in ((1, 18), (2, 25))]
    found = result_of(replace(base, given=[*base.given, *later]))
    assert (found.maintenance_day, found.n_given, found.n_given_in_all) == (7, 6, 8)
    assert result(*RESPONDED).maintenance_day is None


# -- doses, effects, what was tried before -----------------------------------------------------------------------------
def dosed(*doses: tuple[str, str | None] | None) -> Result:
    given = [
        InfusionGiven(
            number=number,
            day=on(2 * number),
            dose=DoseGiven(Decimal(one[0]), Decimal(one[1]) if one[1] else None) if one else None,
        )
        for number, one in enumerate(doses, start=1)
    ]
    return result(given=given)


def test_case_29_adds_up_actual_milligrams_and_takes_the_middle_per_kilogram() -> None:
    """0.5 three times, 49.4/82.4 = 0.5995 twice, 48.6/81.0 = 0.6: the middle is (0.5 + 0.5995) / 2 = 0.5498."""
    found = dosed(*[("41.2", "82.4")] * 3, *[("49.4", "82.4")] * 2, ("48.6", "81.0"))
    assert (found.given_mg, found.dose_mg_per_kg) == (Decimal("271.0"), Decimal("0.55"))


def test_doses_that_nobody_recorded_are_not_zero() -> None:
    assert (dosed(None, None).given_mg, dosed(None, None).dose_mg_per_kg) == (None, None)
    assert (dosed(("56", None), None).given_mg, dosed(("56", None)).dose_mg_per_kg) == (Decimal("56.0"), None)


def test_effects_are_counted_by_infusion() -> None:
    given = [
        InfusionGiven(number=1, day=on(0), effects=3, serious=2),
        InfusionGiven(number=2, day=on(2), effects=1, was_stopped=True),
        InfusionGiven(number=3, day=on(4)),
    ]
    found = result(given=given)
    assert (found.infusions_with_effects, found.infusions_stopped, found.serious_effects) == (2, 1, 2)


@pytest.mark.parametrize(
    ("treatments", "failures"),
    [
        ([], None),
        ([("", "none")], None),
        ([("no", "none")], 0),
        ([("yes", "none"), ("yes", "partial"), ("yes", "worse")], 3),
        ([("yes", "good"), ("yes", "lost"), ("yes", "not_tolerated"), ("yes", "")], 0),
        ([("yes", "none"), ("", "none")], 1),
    ],
)
def test_failures_are_adequate_treatments_without_a_response(
    treatments: list[tuple[str, str]], failures: int | None
) -> None:
    assert failed_treatments(treatments) == failures


# -- judging -----------------------------------------------------------------------------------------------------------
def test_a_later_score_is_called_by_the_words_of_the_end() -> None:
    """Of 20: 10 is half, 14 is 30 % better, 15 is 25 %; 4 is remission."""
    outcome = facts(*RESPONDED).outcome
    found = [reached_by(outcome, score(40, value)) for value in (10, 14, 15, 4)]
    assert [one.end for one in found] == [End.RESPONSE, End.PARTIAL, End.NON_RESPONSE, End.RESPONSE]
    assert [one.is_remission for one in found] == [False, False, False, True]


def test_a_baseline_of_zero_is_not_evaluable_and_has_no_percentage() -> None:
    outcome = judge_outcome("madrs", (score(-4, 0),), (Given(1, FIRST, at(0)),), is_over=True)
    found = reached_by(outcome, score(20, 3))
    assert (found.end, found.improvement, found.is_remission) == (End.NOT_EVALUABLE, None, True)


def test_the_measure_that_leads_is_the_first_with_a_baseline() -> None:
    given = (Given(1, FIRST, at(0)),)
    known: dict[str, Any] = {"is_over": True, "events": (), "until": None, "terms": SHIPPED}
    phq9, madrs = (score(3, 8),), (score(-4, 30), score(3, 12))
    found = judge_by_leading("trd", {"phq9": phq9, "madrs": madrs}, given, **known)
    assert found.outcome.measure == "madrs"
    assert [one.measure for one in found.others] == ["phq9"]
    assert judge_by_leading("trd", {"phq9": phq9}, given, **known).outcome.measure == "phq9"
    assert judge_by_leading("ptsd", {}, given, **known).outcome.measure == "pcl5"
