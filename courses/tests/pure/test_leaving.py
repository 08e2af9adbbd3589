"""The criteria for leaving: case 34 exactly, each criterion with its success and its refusal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from courses.pure.leaving import (
    NO,
    YES,
    Criterion,
    Facts,
    Look,
    Tick,
    as_kept,
    from_kept,
    is_pressure_fit,
    judge_leaving,
)

END = datetime(2027, 4, 5, 13, 40, tzinfo=UTC)


def at(clock: str) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return END.replace(hour=hour, minute=minute)


BASELINE = Look(at("12:58"), 132, 84, spo2_percent=98, moaas=5, dissociation=0, scale="cadss6")
LOOK = Look(at("14:38"), 146, 88, spo2_percent=97, moaas=5, dissociation=0, scale="cadss6", nausea=0)


def said(value: str, clock: str = "14:39") -> Tick:
    return Tick(value, at(clock), "Nora Ames, RN")


TICKS = {"oriented": said(YES), "gait": said(YES), "no_si": said(YES), "escort": said("Jordan")}


def case34(**changes: Any) -> Facts:
    """Ended 13:40, observed for 60 min, now 14:40, all as in the case, and the escort is here."""
    facts = Facts(
        now=at("14:40"),
        since=END,
        observation_min=60,
        before=[BASELINE],
        after=[LOOK],
        ticks=TICKS,
        open_alarms=0,
        effects="None",
        clock=lambda instant: f"{instant:%H:%M}",
    )
    return replace(facts, **changes)


def missing(facts: Facts) -> list[str]:
    return [one.todo for one in judge_leaving(facts) if not one.is_met]


def of(facts: Facts, code: str) -> Criterion:
    return next(one for one in judge_leaving(facts) if one.code == code)


def test_case_34_without_an_escort_only_the_escort_is_missing() -> None:
    without = {item: tick for item, tick in TICKS.items() if item != "escort"}
    assert missing(case34(ticks=without)) == ["Escort missing"]


def test_case_34_with_the_escort_they_may_leave_from_14_40_on() -> None:
    assert missing(case34()) == []
    assert missing(case34(now=at("14:40") - timedelta(seconds=1))) == ["Observation until 14:40"]


def test_case_34_esketamine_at_13_40_may_leave_from_15_40_on() -> None:
    nasal = case34(is_nasal=True)
    assert nasal.earliest == at("15:40")
    assert "Observation until 15:40" in missing(nasal)
    later = replace(LOOK, at=at("15:35"))
    assert missing(case34(is_nasal=True, now=at("15:40"), after=[later])) == []
    assert case34(is_nasal=True, observation_min=150).earliest == at("16:10")


def test_each_value_says_where_it_comes_from() -> None:
    found = of(case34(), "pressure")
    assert (found.value, found.source) == ("146/88, before 132/84", "flowsheet 14:38")
    assert of(case34(), "oriented").source == "ticked by Nora Ames, RN 14:39"


@pytest.mark.parametrize(
    ("pressure", "baseline", "fits"),
    [
        ((146, 88), (132, 84), True),
        ((159, 99), None, True),
        ((160, 88), None, False),
        ((159, 100), None, False),
        ((180, 108), (150, 90), True),  # exactly 20 % above
        ((181, 108), (150, 90), False),
        ((180, 109), (150, 90), False),
        ((90, 60), None, True),
        ((89, 60), None, False),
        ((89, 60), (100, 62), True),  # low, but near what is usual for them
        ((79, 60), (100, 62), False),
    ],
)
def test_pressure_is_near_the_baseline_or_below_160_100_and_not_low(
    pressure: tuple[int, int], baseline: tuple[int, int] | None, fits: bool
) -> None:
    assert is_pressure_fit(*pressure, baseline) is fits


@pytest.mark.parametrize(
    ("changed", "said_missing"),
    [
        ({"moaas": 4}, "MOAA/S is 4, not 5"),
        ({"moaas": None}, "MOAA/S: measure"),
        ({"systolic_mmhg": 172}, "Pressure 172/88 is outside the limits"),
        ({"systolic_mmhg": None, "diastolic_mmhg": None}, "Pressure: measure"),
        ({"spo2_percent": 93}, "SpO₂ is 93 %"),
        ({"spo2_percent": None}, "SpO₂: measure"),
        ({"dissociation": 3}, "Dissociation 3 is above the 0 before"),
        ({"dissociation": None, "scale": ""}, "Dissociation back to baseline? Measure, or tick"),
        ({"nausea": 2}, "Nausea is 2 of 3. Controlled? Tick"),
        ({"nausea": None}, "Nausea? Measure, or tick"),
    ],
)
def test_one_value_that_is_wrong_or_not_measured_is_named_alone(changed: dict[str, Any], said_missing: str) -> None:
    assert missing(case34(after=[replace(LOOK, **changed)])) == [said_missing]


@pytest.mark.parametrize("clock", ["14:10", "14:09"])
def test_a_value_counts_for_thirty_minutes_and_no_longer(clock: str) -> None:
    old = case34(after=[replace(LOOK, at=at(clock))])
    ticked = case34(after=old.after, ticks=TICKS | {"dissociation": said(YES), "nausea": said(YES)})
    again = [f"{what} is older than 30 min: measure again" for what in ("MOAA/S", "Pressure", "SpO₂")]
    assert missing(ticked) == ([] if clock == "14:10" else again)


def test_what_was_measured_before_the_end_does_not_count() -> None:
    assert "MOAA/S: measure" in missing(case34(after=[]))


def test_saturation_as_low_as_before_is_enough() -> None:
    low = replace(LOOK, spo2_percent=92)
    assert missing(case34(before=[replace(BASELINE, spo2_percent=92)], after=[low])) == []
    assert missing(case34(before=[replace(BASELINE, spo2_percent=93)], after=[low])) == ["SpO₂ is 92 %"]


def test_dissociation_on_another_scale_is_not_compared_but_ticked() -> None:
    other = case34(after=[replace(LOOK, scale="cadss")])
    assert missing(other) == ["Dissociation back to baseline? Measure, or tick"]
    assert missing(case34(after=other.after, ticks=TICKS | {"dissociation": said(YES)})) == []


def test_nausea_that_is_controlled_may_leave_until_it_is_measured_again() -> None:
    sick = replace(LOOK, nausea=2)
    ticks = TICKS | {"nausea": said(YES, "14:38")}
    assert missing(case34(after=[sick], ticks=ticks)) == []
    worse = replace(sick, at=at("14:39"), nausea=3)
    assert missing(case34(after=[sick, worse], ticks=ticks)) == ["Nausea is 3 of 3. Controlled? Tick"]
    assert missing(case34(after=[sick], ticks=TICKS | {"nausea": said(NO)})) == ["Nausea not controlled"]


@pytest.mark.parametrize(
    ("item", "when_no"),
    [("oriented", "Not oriented"), ("gait", "Gait not steady"), ("no_si", "Acute suicidal thoughts")],
)
def test_what_a_person_says_counts_when_said_after_the_infusion(item: str, when_no: str) -> None:
    assert missing(case34(ticks=TICKS | {item: said(NO)})) == [when_no]
    assert of(case34(ticks=TICKS | {item: said(YES, "13:39")}), item).is_met is None
    assert of(case34(ticks=TICKS | {item: said(YES, "13:40")}), item).is_met is True


def test_alarms_and_the_question_about_side_effects_stand_in_the_list() -> None:
    assert missing(case34(open_alarms=2)) == ["2 alarms not answered"]
    assert missing(case34(effects="")) == ["Side effects not answered (none, or which)"]


def test_before_the_end_nothing_is_ready() -> None:
    assert "The end of the infusion is not recorded" in missing(case34(since=None))
    assert case34(since=None).earliest is None


def test_the_answer_changes_by_the_clock_when_the_observation_is_over_or_a_value_is_old() -> None:
    assert case34(now=at("14:39")).changes_at == at("14:40")
    assert case34().changes_at == at("15:08") + timedelta(seconds=1)
    assert case34(now=at("15:30")).changes_at is None


def test_what_was_kept_reads_back_as_it_was() -> None:
    criteria = judge_leaving(case34())
    assert from_kept(as_kept(criteria)) == criteria
