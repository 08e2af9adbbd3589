"""The numbers and the parts of the demo: plausible at every minute, and as many states as an hour of the day allows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from courses.pure import limits
from courses.services.demo.casting import MINUTE, Candidate, Part, Times, cast_past, cast_today, times_of
from courses.services.demo.vitals import (
    CASE_29,
    Person,
    before,
    dose_mg_per_kg,
    few_minutes_of,
    held,
    high,
    look,
    lower_again,
    minutes_of,
    weight_kg,
)
from patients.pure.pressure import DEFAULT, Verdict, judge_pressure, profile_of

TEN = datetime(2026, 11, 19, 10, tzinfo=UTC)
PEOPLE = [Person(turn, number) for turn in range(75) for number in range(1, 13)]


def measured(one: object) -> limits.Look:
    return limits.Look(at=TEN, **{name: getattr(one, name) for name in limits.FIELDS})


def test_nothing_that_is_measured_is_impossible_or_has_to_be_asked_twice() -> None:
    for person in PEOPLE:
        for minute in minutes_of(40, 60, during_min=10, after_min=15):
            one = measured(look(person, minute, infusion_min=40, has_total=True))
            assert limits.impossible(one, scale="cadss6") == ()
            assert limits.unusual(one) == ()


def test_the_usual_baseline_proceeds_and_the_one_that_is_held_does_not() -> None:
    """Case 21: held for 166/98; R9."""
    profile = profile_of(DEFAULT)
    for person in PEOPLE:
        usual, hold = before(person), held(person)
        said = judge_pressure(profile, usual.systolic_mmhg, usual.diastolic_mmhg, usual.heart_rate_bpm)
        assert said.verdict is Verdict.PROCEED
        assert (hold.systolic_mmhg, hold.diastolic_mmhg) == (166, 98)
        assert judge_pressure(profile, 166, 98, hold.heart_rate_bpm).verdict is Verdict.HARD


def test_everybody_is_back_where_they_were_when_they_leave() -> None:
    """D7: dissociation as at baseline, alert, no nausea."""
    for person in PEOPLE:
        last = look(person, 100, infusion_min=40, has_total=True)
        assert (last.dissociation, last.moaas, last.nausea) == (before(person).dissociation, 5, 0)


def test_a_high_pressure_is_paused_for_and_not_confirmed() -> None:
    """Case 32c: 184/104, five minutes later below 180/110."""
    one, again = high(Person(1, 1), 20), lower_again(Person(1, 1), 25)
    assert (one.systolic_mmhg, one.diastolic_mmhg) == (184, 104)
    assert again.systolic_mmhg < 180
    assert again.diastolic_mmhg < 110


def test_case_29_is_played() -> None:
    doses = [dose_mg_per_kg(CASE_29, number)[0] * weight_kg(CASE_29, number) for number in range(1, 7)]
    assert [one.quantize(Decimal("0.1")) for one in doses] == [Decimal(mg) for mg in
        ("41.2", "41.2", "41.2", "49.4", "49.4", "48.6")]  # fmt: skip


def test_a_dose_that_is_not_the_usual_one_has_its_reason_and_weights_stay_within_a_kilogram() -> None:
    for person in PEOPLE:
        amount, why = dose_mg_per_kg(person.turn, person.number)
        assert (amount == Decimal("0.5")) == (why == "")
        if person.turn != CASE_29:
            assert abs(weight_kg(person.turn, person.number) - weight_kg(person.turn, 1)) <= Decimal("1.1")


def test_looks_follow_the_schedule_and_the_few_ones_are_four() -> None:
    assert minutes_of(40, 60, during_min=10, after_min=15) == (10, 20, 30, 40, 55, 70, 85, 100)
    assert few_minutes_of(40, 60) == (20, 40, 70, 100)


# -- parts -------------------------------------------------------------------------------------------------------------
def times(start: str, *, late_min: int = 0) -> Times:
    hour, minute = map(int, start.split(":"))
    booked = TEN.replace(hour=hour, minute=minute)
    return times_of(
        booked + timedelta(minutes=late_min) - 5 * MINUTE,
        booked,
        booked + 135 * MINUTE,
        preparation_min=20,
        infusion_min=40,
        observation_min=60,
    )


def test_a_full_morning_shows_every_state() -> None:
    now = TEN + 22 * MINUTE
    starts = ("08:10", "08:28", "08:55", "09:25", "09:28", "09:40", "10:00", "10:08")
    found = cast_today([Candidate(number, times(start)) for number, start in enumerate(starts)], now)
    parts = [found[number][0] for number in range(len(starts))]
    assert parts == [Part.PLAIN, Part.READY, Part.PLAIN, Part.LATE, Part.ALARM, Part.PAUSED, Part.HOLD, Part.HALF]
    ready = found[1][1]
    assert ready.leaves <= now < ready.chair_until
    assert ready.end + 60 * MINUTE == ready.leaves  # watched as long as planned


def test_who_is_ready_began_no_earlier_than_the_preparation_allows() -> None:
    now = TEN + 22 * MINUTE
    found = cast_today([Candidate(1, times("08:30"))], now)[1]
    assert found[0] is Part.READY
    assert found[1].leaves == now - MINUTE
    assert found[1].start - found[1].in_chair >= 6 * MINUTE
    assert cast_today([Candidate(1, times("08:45"))], now)[1] == (Part.PLAIN, times("08:45"))


def test_of_two_who_are_nearly_done_one_is_ready_and_the_chair_of_the_other_is_turned_around() -> None:
    now = TEN + 22 * MINUTE
    found = cast_today([Candidate(1, times("08:24")), Candidate(2, times("08:30"))], now)
    assert found[2][0] is Part.READY
    assert found[1][0] is Part.PLAIN
    assert found[1][1].leaves + 2 * MINUTE <= now < found[1][1].chair_until


@pytest.mark.parametrize("now", [TEN.replace(hour=3), TEN.replace(hour=20)])
def test_when_nobody_is_in_nobody_has_a_part(now: datetime) -> None:
    found = cast_today([Candidate(1, times("08:30")), Candidate(2, times("12:00"))], now)
    assert {part for part, _ in found.values()} == {Part.PLAIN}


def test_the_nasal_spray_has_no_part_of_a_bag() -> None:
    now = TEN + 22 * MINUTE
    assert cast_today([Candidate(1, times("09:25"), is_nasal=True)], now)[1][0] is Part.PLAIN


def test_on_a_day_that_is_over_the_last_ones_have_the_parts() -> None:
    rows = [Candidate(1, times("08:00")), Candidate(2, times("12:00")), Candidate(3, times("10:00"))]
    assert cast_past(rows, (Part.STOPPED, Part.AMENDED)) == {2: Part.STOPPED, 3: Part.AMENDED}
