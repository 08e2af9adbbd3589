"""When a place is open and a person works on one day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time

from clinic.models import ExceptionKind
from clinic.pure.rota import EXTRA, OFF, without_closures, working_spans

MONDAY = date(2027, 4, 5)
TEN, NOON, SIX = 600, 720, 1080


@dataclass
class Shift:
    weekday: int = 0
    starts: time = time(10)
    ends: time = time(18)
    first_day: date = date(2020, 1, 1)
    last_day: date | None = None


@dataclass
class Change:
    kind: str
    starts: time | None = None
    ends: time | None = None


@dataclass
class Shut:
    first_day: date = MONDAY
    last_day: date = MONDAY
    from_time: time | None = None
    until_time: time | None = None


def test_the_kinds_of_change_are_those_of_the_table():
    assert {OFF, EXTRA} == {str(kind) for kind in ExceptionKind}


def test_a_shift_counts_on_its_weekday_between_its_first_and_last_day():
    assert working_spans(MONDAY, [Shift()], []) == [(TEN, SIX)]
    assert working_spans(date(2027, 4, 6), [Shift()], []) == []
    assert working_spans(MONDAY, [Shift(first_day=date(2027, 4, 6))], []) == []
    assert working_spans(MONDAY, [Shift(last_day=MONDAY)], []) == [(TEN, SIX)]
    assert working_spans(MONDAY, [Shift(last_day=date(2027, 4, 4))], []) == []


def test_an_absence_takes_its_hours_or_the_whole_day():
    assert working_spans(MONDAY, [Shift()], [Change(OFF, time(12), time(13))]) == [(TEN, NOON), (780, SIX)]
    assert working_spans(MONDAY, [Shift()], [Change(OFF)]) == []


def test_extra_work_is_added_and_23_59_means_midnight():
    assert working_spans(MONDAY, [Shift()], [Change(EXTRA, time(20), time(23, 59))]) == [(TEN, SIX), (1200, 1440)]


def test_a_closure_takes_the_day_or_a_part_of_it_and_no_other_day():
    assert without_closures(MONDAY, [(TEN, SIX)], [Shut()]) == []
    assert without_closures(MONDAY, [(TEN, SIX)], [Shut(from_time=time(12), until_time=time(18))]) == [(TEN, NOON)]
    other = Shut(first_day=date(2027, 4, 6), last_day=date(2027, 4, 9))
    assert without_closures(MONDAY, [(TEN, SIX)], [other]) == [(TEN, SIX)]
