"""Windows of a plan, another gap, one step back. Source: clinical.md cases 25-27, B5, P9, A 24-27."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courses.planning.protocols import FirstGap, Step, expand, fit_count
from courses.planning.templates import BY_ID
from courses.planning.types import GapRule
from courses.pure.maintenance import (
    StepsRefusedError,
    Window,
    gap_words,
    led_into_by,
    months_later,
    step_of,
    stepped_back,
    windows,
    with_gap,
)

LAST = date(2027, 1, 15)
CANBIND = BY_ID["M-CANBIND"].steps


def weekday(day: date) -> bool:
    return day.weekday() < 5


def plan(
    steps: tuple[Step, ...],
    *,
    before: date | None = LAST,
    today: date = date(2027, 1, 16),
    settled: Mapping[int, date] | None = None,
) -> tuple[Window, ...]:
    rule = expand(steps, continues=True)
    return windows(rule, steps, today=today, settled=settled or {}, before=before, is_open=weekday)


def days(found: tuple[Window, ...]) -> list[str]:
    return [one.day.isoformat() for one in found]


# -- windows -----------------------------------------------------------------------------------------------------------


def test_case_25_the_taper_has_eleven_dates() -> None:
    found = plan(CANBIND)
    assert days(found) == [
        *("2027-01-22", "2027-01-29", "2027-02-05", "2027-02-12"),
        *("2027-02-26", "2027-03-12", "2027-03-26", "2027-04-09"),
        *("2027-05-07", "2027-06-04", "2027-07-02"),
    ]
    assert [one.step for one in found] == [1] * 4 + [2] * 4 + [3] * 3


def test_case_25_windows_are_two_three_and_seven_days_wide_on_each_side() -> None:
    found = plan(CANBIND)  # B5: ±2 d, ±3 d, ±7 d
    assert (found[0].earliest, found[0].latest) == (date(2027, 1, 20), date(2027, 1, 24))
    assert (found[4].earliest, found[4].latest) == (date(2027, 2, 23), date(2027, 3, 1))
    assert (found[8].earliest, found[8].latest) == (date(2027, 4, 30), date(2027, 5, 14))
    assert [one.is_sure for one in found] == [True] + [False] * 10  # the others rest on an estimate


def test_case_26_four_weekly_ones_follow_the_series() -> None:
    assert days(plan(BY_ID["M-W4"].steps)) == ["2027-01-22", "2027-01-29", "2027-02-05", "2027-02-12"]


@pytest.mark.parametrize(
    ("slug", "dates"),
    [
        ("M-ESK-2W", ["2027-03-29", "2027-04-12", "2027-04-26", "2027-05-10"]),
        ("M-ESK-W", ["2027-03-29", "2027-04-05", "2027-04-12", "2027-04-19"]),
    ],
)
def test_case_27_the_spray_goes_on_every_week_or_two_without_a_pause(slug: str, dates: list[str]) -> None:
    """The first maintenance infusion still comes a week after Mon 2027-03-22, the last weekly one."""
    steps = led_into_by(BY_ID[slug].steps, BY_ID["T-ESK"].steps[-1])
    assert days(plan(steps, before=date(2027, 3, 22), today=date(2027, 3, 23))) == dates
    assert sum(step.count for step in steps) == 4


def test_what_was_really_given_moves_everything_after_it() -> None:
    found = plan(CANBIND, settled={1: date(2027, 1, 25)}, today=date(2027, 1, 26))
    assert found[0].is_settled
    assert (found[1].day, found[1].earliest, found[1].latest, found[1].is_sure) == (
        date(2027, 2, 1),
        date(2027, 1, 30),
        date(2027, 2, 3),
        True,
    )


def test_an_overdue_infusion_is_put_on_today_and_says_that_it_is_late() -> None:
    found = plan(CANBIND, today=date(2027, 2, 3))
    assert (found[0].day, found[0].latest) == (date(2027, 2, 3), date(2027, 1, 24))
    assert found[0].is_late_on(date(2027, 2, 3))
    assert not found[0].is_late_on(date(2027, 1, 24))
    assert found[0].is_open_on(date(2027, 1, 20))
    assert not found[0].is_open_on(date(2027, 1, 19))


def test_a_given_infusion_is_never_due() -> None:
    found = plan(CANBIND, settled={1: date(2027, 1, 22)}, today=date(2027, 3, 1))
    assert not found[0].is_late_on(date(2027, 3, 1))
    assert not found[0].is_open_on(date(2027, 3, 1))


def test_without_anything_before_the_first_is_due_at_once() -> None:
    assert plan(BY_ID["M-W4"].steps, before=None, today=date(2027, 1, 18))[0].day == date(2027, 1, 18)


@given(st.lists(st.integers(0, 40), max_size=8), st.integers(0, 200))
def test_windows_are_in_order_and_hold_their_own_day_unless_it_is_late(gaps: list[int], wait: int) -> None:
    settled, day = {}, LAST
    for number, gap in enumerate(gaps, 1):
        day += timedelta(days=gap + 1)
        settled[number] = day
    today = day + timedelta(days=wait)
    found = plan(CANBIND, settled=settled, today=today)
    assert [one.number for one in found] == list(range(1, 12))
    for one in found:
        assert one.earliest <= one.latest
        if not one.is_settled:
            assert one.day >= today
            assert one.day >= one.earliest
            assert (
                one.day <= one.latest or one.is_late_on(today) or not one.is_sure or one.latest < today + timedelta(7)
            )


# -- steps -------------------------------------------------------------------------------------------------------------


def shape(steps: tuple[Step, ...]) -> list[tuple[int, int | None]]:
    return [(step.count, step.target_gap_days) for step in steps]


def test_a_stretched_gap_holds_from_the_next_infusion_to_the_end_of_its_step() -> None:
    changed = with_gap(CANBIND, 11, 6, GapRule(18, 28, target_days=21))
    assert shape(changed) == [(4, 7), (1, 14), (3, 21), (3, 28)]


def test_a_stretched_gap_can_hold_for_the_rest_of_the_plan() -> None:
    changed = with_gap(CANBIND, 11, 6, GapRule(18, 28, target_days=21), throughout=True)
    assert shape(changed) == [(4, 7), (1, 14), (6, 21)]


def test_the_first_infusion_after_the_change_already_follows_the_new_gap() -> None:
    """Also where a step begins in the rhythm of the one before (FirstGap.PREVIOUS)."""
    steps = (Step(2, 6, 9, target_gap_days=7), Step(3, 11, 17, target_gap_days=14, first_gap=FirstGap.PREVIOUS))
    rule = expand(with_gap(steps, 5, 3, GapRule(21, 35, target_days=28)), continues=True)
    assert [gap.target_days for gap in rule.gaps] == [7, 28, 28, 28]


def test_a_gap_outside_the_plan_is_refused_with_the_reason() -> None:
    with pytest.raises(StepsRefusedError, match="There is no infusion 12 in this plan of 11"):
        with_gap(CANBIND, 11, 12, GapRule(6, 9, target_days=7))


def test_on_relapse_in_the_monthly_step_the_fortnights_come_once_more() -> None:
    """P9: back to every 2 weeks; then the monthly ones that were left."""
    assert shape(stepped_back(CANBIND, 11, 10)) == [(4, 7), (4, 14), (1, 28), (4, 14), (2, 28)]
    assert shape(stepped_back(CANBIND, 11, 9)) == [(4, 7), (4, 14), (4, 14), (3, 28)]


def test_from_the_first_step_there_is_no_way_back() -> None:
    with pytest.raises(StepsRefusedError, match="none to go back to"):
        stepped_back(CANBIND, 11, 3)
    long = (Step(30, 6, 9, target_gap_days=7), Step(30, 11, 17, target_gap_days=14))
    with pytest.raises(StepsRefusedError, match="more than 60"):
        stepped_back(long, 60, 31)


@given(st.integers(1, 11), st.booleans())
def test_another_gap_never_changes_how_many_infusions_there_are_nor_what_was_before(number: int, rest: bool) -> None:
    changed = with_gap(CANBIND, 11, number, GapRule(30, 50, target_days=40), throughout=rest)
    assert sum(step.count for step in changed) == 11
    old, new = expand(CANBIND, continues=True), expand(changed, continues=True)
    assert [new.into(k) for k in range(1, number)] == [old.into(k) for k in range(1, number)]
    assert new.into(number) == GapRule(30, 50, target_days=40)


@given(st.integers(5, 11))
def test_a_step_back_leaves_what_was_before_and_takes_the_gap_before(number: int) -> None:
    back = stepped_back(CANBIND, 11, number)
    old, new = expand(CANBIND, continues=True), expand(back, continues=True)
    assert [new.into(k) for k in range(1, number)] == [old.into(k) for k in range(1, number)]
    assert new.into(number) == CANBIND[step_of(CANBIND, number) - 1].gap
    assert new.count == old.count + CANBIND[step_of(CANBIND, number) - 1].count


def test_a_step_that_has_a_first_gap_of_its_own_waits_it_out() -> None:
    assert led_into_by(CANBIND, BY_ID["T-MWF6"].steps[-1]) == CANBIND
    single = (Step(1, 11, 17, target_gap_days=14, first_gap=FirstGap.PREVIOUS),)
    assert shape(led_into_by(single, Step(4, 6, 9, target_gap_days=7))) == [(1, 7)]
    assert led_into_by(single, None) == single


def test_a_plan_cut_short_knows_its_steps() -> None:
    assert [step_of(fit_count(CANBIND, 6), number) for number in (1, 4, 5, 6, 9)] == [0, 0, 1, 1, 1]


def test_words_and_months() -> None:
    assert gap_words(CANBIND[1]) == "every 14 days (11 to 17 days)"
    assert months_later(date(2027, 1, 31), 1) == date(2027, 2, 28)
    assert months_later(date(2027, 11, 20), 3) == date(2028, 2, 20)
