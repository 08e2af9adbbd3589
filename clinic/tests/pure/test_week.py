"""A weekly pattern of clock times."""

from __future__ import annotations

from datetime import time

import pytest

from clinic.pure.week import Stretch, day_problem, joined, week_in_words, without


def at(text: str) -> Stretch:
    """ "08:00-12:00" as a stretch."""
    start, end = text.split("-")
    return Stretch(time.fromisoformat(start), time.fromisoformat(end))


def many(text: str) -> tuple[Stretch, ...]:
    return tuple(at(part) for part in text.split())


@pytest.mark.parametrize(
    "day", ["", "08:00-18:00", "08:00-12:00 13:00-18:00", "13:00-18:00 08:00-12:00", "08:00-12:00 12:00-18:00"]
)
def test_a_day_may_have_no_one_or_several_stretches_in_any_order(day: str) -> None:
    assert day_problem(many(day)) == ""


@pytest.mark.parametrize(
    ("day", "words"),
    [
        ("18:00-08:00", "the end must be after the start"),
        ("08:00-08:00", "the end must be after the start"),
        ("08:00-12:00 11:59-18:00", "08:00–12:00 and 11:59–18:00 overlap"),
        ("08:00-18:00 09:00-10:00", "overlap"),
    ],
)
def test_a_day_that_makes_no_sense_is_refused_in_words(day: str, words: str) -> None:
    assert words in day_problem(many(day))


def test_touching_stretches_become_one_and_a_break_stays() -> None:
    assert joined(many("12:00-18:00 08:00-12:00")) == many("08:00-18:00")
    assert joined(many("08:00-12:00 13:00-18:00")) == many("08:00-12:00 13:00-18:00")
    assert joined(many("08:00-18:00 09:00-10:00")) == many("08:00-18:00")


@pytest.mark.parametrize(
    ("gap", "left"),
    [
        ("07:00-08:00", "08:00-12:00 13:00-18:00"),
        ("08:00-09:00", "09:00-12:00 13:00-18:00"),
        ("09:00-10:00", "08:00-09:00 10:00-12:00 13:00-18:00"),
        ("11:00-14:00", "08:00-11:00 14:00-18:00"),
        ("12:00-13:00", "08:00-12:00 13:00-18:00"),
        ("00:00-23:59", ""),
    ],
)
def test_time_off_is_cut_out_of_a_day(gap: str, left: str) -> None:
    assert without(many("08:00-12:00 13:00-18:00"), at(gap)) == many(left)


def test_the_week_is_said_as_on_a_door() -> None:
    day, short = many("08:00-12:00 13:00-18:00"), many("09:00-13:00")
    week = {0: day, 1: day, 2: day, 3: day, 4: day, 5: short}
    assert week_in_words(week) == ["Mon–Fri 08:00–12:00, 13:00–18:00", "Sat 09:00–13:00", "Sun closed"]
    assert week_in_words({}) == ["Mon–Sun closed"]
    assert week_in_words({2: short}, none="off") == ["Mon–Tue off", "Wed 09:00–13:00", "Thu–Sun off"]
