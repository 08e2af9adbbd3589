"""Who is asked first about a freed time. Gaps of a thrice-weekly series: 2 to 4 days (clinical.md F, T-MWF6)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courses.pure.offers import Gain, Gap, Standing, Wait, gain_of, rank, why

TO = date(2027, 4, 12)  # a Monday


def standing(patient: int = 1, **known: Any) -> Standing:
    """Infusion 4 of 6, on Wed 14 April unless said otherwise; the series ends on Wed 21 April either way."""
    values: dict[str, Any] = {
        "patient_id": patient,
        "infusion_id": patient * 10,
        "number": 4,
        "of": 6,
        "to": TO,
        "day": date(2027, 4, 14),
        "before": Gap(4, 2, 4),
        "before_then": Gap(2, 2, 4),
        "after_then": Gap(4, 2, 4),
        "ends": date(2027, 4, 21),
        "ends_then": date(2027, 4, 21),
    } | known
    return Standing(**values)


def owed(patient: int = 1, since: date = date(2027, 4, 9), **known: Any) -> Standing:
    return standing(patient, day=None, before=None, owed_since=since, **known)


def late(patient: int = 1, days: int = 6, **known: Any) -> Standing:
    """The gap into infusion 4 is longer than 4 days."""
    return standing(patient, before=Gap(days, 2, 4), before_then=Gap(4, 2, 4), **known)


def waits(patient: int = 1, since: date = date(2027, 4, 1), **known: Any) -> Standing:
    return standing(patient, wait=Wait(since), **known)


def sooner(patient: int = 1, ends_then: date = date(2027, 4, 19), **known: Any) -> Standing:
    return standing(patient, ends_then=ends_then, **known)


# -- what it does for a course -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "gain"),
    [(owed(), Gain.OWED), (late(), Gain.INTO_WINDOW), (waits(), Gain.WAITING), (sooner(), Gain.SOONER)],
)
def test_four_things_that_a_freed_time_does_for_a_course(one: Standing, gain: Gain) -> None:
    assert gain_of(one) is gain


def test_a_time_that_changes_nothing_for_the_better_is_no_gain() -> None:
    assert gain_of(standing()) is None


def test_a_later_time_is_no_gain_even_for_somebody_on_the_waiting_list() -> None:
    assert gain_of(waits(day=date(2027, 4, 9))) is None
    assert gain_of(waits(day=TO)) is None


def test_a_gap_that_stays_too_long_is_no_gain() -> None:
    assert gain_of(standing(before=Gap(9, 2, 4), before_then=Gap(4, 2, 4))) is Gain.INTO_WINDOW
    assert gain_of(standing(before=Gap(9, 2, 4), before_then=Gap(7, 2, 4))) is None


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (owed(), "infusion 4 of 6 has no time yet"),
        (late(), "4 days between the visits instead of 6 (at most 4): infusion 4 of 6"),
        (waits(), "on the waiting list since Thu 1 Apr: infusion 4 of 6, 2 days earlier"),
        (sooner(), "the series would end on Mon 19 Apr instead of Wed 21 Apr"),
    ],
)
def test_the_reason_is_said_in_words_that_are_not_clinical(one: Standing, said: str) -> None:
    gain = gain_of(one)
    assert gain is not None
    assert why(one, gain) == said


# -- the order ---------------------------------------------------------------------------------------------------------


def test_owed_first_then_the_gap_then_the_list_then_the_end() -> None:
    found = rank([sooner(1), waits(2), late(3), owed(4)])
    assert [one.standing.patient_id for one in found] == [4, 3, 2, 1]


def test_inside_a_group_who_needs_it_most_is_first() -> None:
    assert _order(owed(1, date(2027, 4, 9)), owed(2, date(2027, 4, 7))) == [2, 1]
    assert _order(late(1, 5), late(2, 9)) == [2, 1]
    assert _order(waits(1, date(2027, 4, 3)), waits(2, date(2027, 4, 1))) == [2, 1]
    assert _order(sooner(1, date(2027, 4, 19)), sooner(2, date(2027, 4, 16))) == [2, 1]


def _order(*standings: Standing) -> list[int]:
    return [one.standing.patient_id for one in rank(standings)]


def test_inside_a_group_whose_hours_it_suits_is_before_who_needs_it_most() -> None:
    assert _order(owed(1, date(2027, 4, 7), in_hours=False), owed(2, date(2027, 4, 9)), waits(3)) == [2, 1, 3]


def test_a_patient_is_named_once_with_the_best_that_it_does() -> None:
    found = rank([sooner(1), waits(1), owed(1)])
    assert [one.gain for one in found] == [Gain.OWED]


@pytest.mark.parametrize("broken", [{"before_then": Gap(1, 2, 4)}, {"after_then": Gap(5, 2, 4)}])
def test_whose_gaps_would_break_is_left_out(broken: dict[str, Gap]) -> None:
    assert rank([owed()]) != []
    assert rank([owed(**broken)]) == []


SOME = st.builds(
    standing,
    st.integers(1, 8),
    day=st.none() | st.dates(date(2027, 4, 5), date(2027, 4, 30)),
    before=st.none() | st.builds(Gap, st.integers(1, 12), st.just(2), st.just(4)),
    before_then=st.none() | st.builds(Gap, st.integers(1, 6), st.just(2), st.just(4)),
    after_then=st.none() | st.builds(Gap, st.integers(1, 6), st.just(2), st.just(4)),
    ends_then=st.dates(date(2027, 4, 12), date(2027, 4, 24)),
    wait=st.none() | st.builds(Wait, st.dates(date(2027, 3, 1), date(2027, 4, 9))),
)


@given(st.lists(SOME, max_size=12), st.randoms())
def test_nobody_twice_nobody_worse_off_and_the_same_order_however_they_are_read(
    some: list[Standing], chance: Any
) -> None:
    found = rank(some)
    assert len({one.standing.patient_id for one in found}) == len(found)
    assert all(one.standing.keeps_the_gaps for one in found)
    assert all(one.standing.day is None or one.standing.day > TO for one in found)
    assert [one.gain for one in found] == sorted(one.gain for one in found)
    distinct = {(one.patient_id, one.number): one for one in some}
    read = list(distinct.values())
    chance.shuffle(read)
    assert rank(read) == rank(distinct.values())


# -- the waiting list --------------------------------------------------------------------------------------------------

MORNINGS = Wait(date(2027, 4, 1), frozenset({0, 2}), from_min=9 * 60, to_min=12 * 60, notice_hours=24)


@pytest.mark.parametrize(
    ("day", "start_min", "hours", "fits"),
    [
        (TO, 9 * 60, 24, True),
        (TO, 12 * 60, 24, True),
        (TO, 9 * 60 - 1, 24, False),  # too early
        (TO, 12 * 60 + 1, 24, False),  # too late
        (TO, 9 * 60, 23.9, False),  # told too late
        (TO + timedelta(days=1), 9 * 60, 24, False),  # a Tuesday
        (TO + timedelta(days=2), 9 * 60, 24, True),  # a Wednesday
    ],
)
def test_weekday_hours_and_notice_have_to_suit(day: date, start_min: int, hours: float, fits: bool) -> None:
    assert MORNINGS.fits(day, start_min, hours) is fits


def test_an_entry_that_says_nothing_suits_any_day_and_hour() -> None:
    assert Wait(date(2027, 4, 1)).fits(TO, 0, 0)
