"""Limits during the visit, strict on both sides of each; what is refused, and what is asked twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from courses.models import AlarmAct, DissociationScale
from courses.pure.limits import (
    DEFAULT,
    HIGHEST_DISSOCIATION,
    PROFILES,
    RULE_LABELS,
    Act,
    Look,
    Rule,
    Standing,
    impossible,
    judge,
    profile_of,
    repeat_of,
    unusual,
)
from courses.pure.running import read_run
from patients.pure.evidence import Mark

START = datetime(2027, 4, 5, 14, 0, tzinfo=UTC)
RUNNING = read_run([("start", START)], planned_min=40)
OVER = read_run([("start", START), ("end", START + timedelta(minutes=40))], planned_min=40)
PROFILE = profile_of(DEFAULT)


def at(minute: float, systolic: int | None = None, diastolic: int | None = None, **more: Any) -> Look:
    return Look(START + timedelta(minutes=minute), systolic, diastolic, **more)


def found(look: Look, *before: Look, run: Any = RUNNING, profile: Any = PROFILE) -> list[tuple[str, str]]:
    return [(one.rule.value, one.act.value) for one in judge(profile, [*before, look], look, run)]


# -- case 32c ----------------------------------------------------------------------------------------------------------


def test_case_32c_a_pause_that_is_not_confirmed_and_then_a_stop_at_once() -> None:
    first, again, third = at(10, 184, 104), at(15, 178, 102), at(20, 205, 118)
    assert found(first) == [("pressure_pause", "pause")]
    assert repeat_of(PROFILE, first, [first]).standing is Standing.PENDING
    assert repeat_of(PROFILE, first, [first]).due_at == again.at
    assert found(again, first) == []
    assert repeat_of(PROFILE, first, [first, again]).standing is Standing.NOT_CONFIRMED
    assert found(third, first, again) == [("pressure_stop", "stop")]
    said = judge(PROFILE, [first, again, third], third, RUNNING)[0].said
    assert "systolic 205 is ≥200 mmHg" in said
    assert "Stop the infusion and notify the prescriber at once" in said


# -- pressure ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("systolic", "diastolic", "expected"),
    [
        (179, 109, []),
        (180, 109, [("pressure_pause", "pause")]),
        (179, 110, [("pressure_pause", "pause")]),
        (199, 119, [("pressure_pause", "pause")]),
        (200, 119, [("pressure_stop", "stop")]),
        (199, 120, [("pressure_stop", "stop")]),
        (90, 60, []),
        (89, 60, [("pressure_low", "notify")]),
    ],
)
def test_pressure_by_the_default_profile(systolic: int, diastolic: int, expected: list[tuple[str, str]]) -> None:
    assert found(at(10, systolic, diastolic)) == expected


@pytest.mark.parametrize(("minutes", "rules"), [(4.9, []), (5, [("pressure_confirmed", "notify")])])
def test_a_high_pressure_is_confirmed_five_minutes_later_and_not_before(
    minutes: float, rules: list[tuple[str, str]]
) -> None:
    assert found(at(10 + minutes, 182, 104), at(10, 184, 104)) == rules


def test_a_lower_reading_within_the_five_minutes_is_no_repeat_yet() -> None:
    first, early, later = at(10, 184, 104), at(12, 170, 100), at(16, 185, 104)
    assert repeat_of(PROFILE, first, [first, early]).standing is Standing.PENDING
    assert found(later, first, early) == [("pressure_confirmed", "notify")]
    assert repeat_of(PROFILE, first, [first, early, later]).standing is Standing.CONFIRMED


def test_after_a_normal_repeat_a_high_pressure_begins_anew() -> None:
    assert found(at(25, 184, 104), at(10, 184, 104), at(15, 178, 102)) == [("pressure_pause", "pause")]


def test_a_later_look_does_not_count_for_an_earlier_one() -> None:
    assert found(at(10, 184, 104), at(15, 186, 104)) == [("pressure_pause", "pause")]


def test_before_the_start_and_after_the_end_nothing_is_there_to_pause_or_to_stop() -> None:
    for minute, run in ((-2, RUNNING), (41, OVER)):
        assert found(at(minute, 184, 104), run=run) == [("pressure_pause", "notify")]
        assert found(at(minute, 205, 118), run=run) == [("pressure_stop", "notify")]
        assert found(at(minute, moaas=2), run=run) == [("sedation_stop", "urgent")]
        for one in judge(PROFILE, [], at(minute, 205, 118), run):
            assert "Stop the infusion" not in one.said
    assert found(at(39, 205, 118), run=OVER) == [("pressure_stop", "stop")]


def test_another_profile_has_other_limits_and_names_itself() -> None:
    other = profile_of("one_clinic")
    assert found(at(10, 180, 110), profile=other) == []
    assert found(at(10, 181, 110), profile=other) == [("pressure_pause", "pause")]
    assert judge(other, [], at(10, 201, 100), RUNNING)[0].profile == "one_clinic"
    assert profile_of("gone").code == DEFAULT
    assert PROFILES[0].mark is Mark.SETTING


# -- heart, oxygen, sedation -------------------------------------------------------------------------------------------


def test_a_fast_heart_is_told_only_when_it_lasts_five_minutes() -> None:
    fast = at(10, heart_rate_bpm=121)
    assert found(fast) == []
    assert found(at(14.9, heart_rate_bpm=130), fast) == []
    assert found(at(15, heart_rate_bpm=121), fast) == [("heart_rate", "notify")]
    assert found(at(15, heart_rate_bpm=120), fast) == []
    assert found(at(20, heart_rate_bpm=130), fast, at(15, heart_rate_bpm=118)) == []
    assert found(at(20, heart_rate_bpm=130), fast, at(15, 130, 80)) == [("heart_rate", "notify")]


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(94, []), (93, [("oxygen", "notify")]), (90, [("oxygen", "notify")]), (89, [("oxygen_urgent", "urgent")])],
)
def test_oxygen(percent: int, expected: list[tuple[str, str]]) -> None:
    assert found(at(10, spo2_percent=percent)) == expected


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (5, []),
        (4, []),
        (3, [("sedation", "notify")]),
        (2, [("sedation_stop", "stop")]),
        (0, [("sedation_stop", "stop")]),
    ],
)
def test_sedation(score: int, expected: list[tuple[str, str]]) -> None:
    assert found(at(10, moaas=score)) == expected


def test_the_most_pressing_comes_first_and_every_sentence_names_value_and_limit() -> None:
    look = at(10, 205, 118, spo2_percent=92, moaas=3)
    verdicts = judge(PROFILE, [], look, RUNNING)
    assert [one.act for one in verdicts] == [Act.STOP, Act.NOTIFY, Act.NOTIFY]
    for one in verdicts:
        assert one.value in one.said
        assert one.mark is Mark.SETTING
    assert [one.limit for one in verdicts] == ["≥200 or ≥120 mmHg", "<94 %", "≤3"]


def test_dissociation_and_nausea_have_no_limits() -> None:
    assert found(at(10, dissociation=24, nausea=3)) == []


def test_names_agree_with_the_tables() -> None:
    assert [one.value for one in Act] == list(AlarmAct.values)
    assert set(RULE_LABELS) == set(Rule)
    assert set(HIGHEST_DISSOCIATION) == set(DissociationScale.values)


# -- what is refused, what is asked twice ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("heart_rate_bpm", 20, 300),
        ("spo2_percent", 40, 100),
        ("respiratory_rate", 2, 80),
        ("moaas", 0, 5),
        ("nausea", 0, 3),
        ("dissociation", 0, 24),
    ],
)
def test_what_no_patient_has_is_impossible(name: str, low: int, high: int) -> None:
    for value, wrong in ((low, 0), (high, 0), (low - 1, 1), (high + 1, 1)):
        remarks = impossible(at(0, **{name: value}), scale="cadss6")
        assert [one.field for one in remarks] == [name] * wrong


def test_the_long_scale_goes_to_92() -> None:
    assert impossible(at(0, dissociation=92), scale="cadss") == ()
    assert impossible(at(0, dissociation=93), scale="cadss")


def test_half_a_pressure_and_swapped_pressures_are_impossible() -> None:
    assert [one.field for one in impossible(at(0, 132), scale="cadss6")] == ["diastolic_mmhg"]
    assert [one.field for one in impossible(at(0, None, 84), scale="cadss6")] == ["systolic_mmhg"]
    assert [one.field for one in impossible(at(0, 84, 132), scale="cadss6")] == ["diastolic_mmhg"]
    assert [one.field for one in impossible(at(0, 301, 84), scale="cadss6")] == ["systolic_mmhg"]
    assert impossible(at(0, 132, 84), scale="cadss6") == ()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"spo2_percent": 61}, "Read the display again: SpO2 61 %?"),
        ({"spo2_percent": 90}, ""),
        ({"respiratory_rate": 7}, "Read the display again: Respiratory rate 7 a minute?"),
        ({"respiratory_rate": 8}, ""),
        ({"respiratory_rate": 31}, "Read the display again: Respiratory rate 31 a minute?"),
        ({"heart_rate_bpm": 131}, "Read the display again: Heart rate 131 a minute?"),
        ({"heart_rate_bpm": 130}, ""),
        ({"systolic_mmhg": 181, "diastolic_mmhg": 90}, "Read the display again: Systolic pressure 181 mmHg?"),
        ({"systolic_mmhg": 100, "diastolic_mmhg": 90}, "Read the display again: 100/90? They are unusually close."),
    ],
)
def test_what_is_unusual_is_asked_in_words(values: dict[str, int], said: str) -> None:
    assert " ".join(one.text for one in unusual(Look(START, **values))) == said
