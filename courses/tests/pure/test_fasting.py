"""Fasting by profile: case 33 of clinical.md, the exact boundary, and a night on which the clocks change."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from courses.pure.fasting import PROFILES, FastingProfile, Intake, fasting_profile_of, judge_fasting, say_minutes
from patients.pure.evidence import Mark

NY = ZoneInfo("America/New_York")
DAY = date(2027, 4, 5)


def at(clock: str, day: date = DAY) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), tzinfo=NY)


@pytest.mark.parametrize(
    ("profile", "kind", "last", "is_kept", "said"),
    [
        ("article_4h", Intake.SOLIDS, "05:30", True, "Solids 4 h 30 ago, 4 h asked"),
        ("article_6h", Intake.SOLIDS, "05:30", False, "Solids 4 h 30 ago, 6 h asked"),
        ("default", Intake.SOLIDS, "05:30", False, "Solids 4 h 30 ago, 6 h asked"),
        ("default", Intake.LIQUIDS, "08:00", True, "Clear liquids 2 h ago, 2 h asked"),
    ],
)
def test_case_33(profile: str, kind: Intake, last: str, is_kept: bool, said: str) -> None:
    found = judge_fasting(fasting_profile_of(profile), kind, last_at=at(last), start_at=at("10:00"))
    assert (found.is_kept, found.said) == (is_kept, said)


def test_case_33_may_start_from_half_past_eleven() -> None:
    found = judge_fasting(fasting_profile_of("default"), Intake.SOLIDS, last_at=at("05:30"), start_at=at("10:00"))
    assert found.passes_from == at("11:30")


@pytest.mark.parametrize(
    ("code", "kind", "minutes", "is_fatty"),
    [
        ("default", Intake.SOLIDS, 360, False),
        ("default", Intake.LIQUIDS, 120, False),
        ("article_4h", Intake.SOLIDS, 240, False),
        ("article_6h", Intake.SOLIDS, 360, False),
        ("asa_2017", Intake.SOLIDS, 360, False),
        ("asa_2017", Intake.SOLIDS, 480, True),
        ("asa_2017", Intake.LIQUIDS, 120, False),
        ("us_clinic", Intake.SOLIDS, 360, False),
        ("us_clinic", Intake.LIQUIDS, 120, False),
        ("esketamine_label", Intake.SOLIDS, 120, False),
        ("esketamine_label", Intake.LIQUIDS, 30, False),
    ],
)
def test_exactly_enough_passes_and_a_second_less_does_not(
    code: str, kind: Intake, minutes: int, is_fatty: bool
) -> None:
    start, profile = at("14:00"), fasting_profile_of(code)
    last = start - timedelta(minutes=minutes)
    assert judge_fasting(profile, kind, last_at=last, start_at=start, is_fatty=is_fatty).is_kept
    late = last + timedelta(seconds=1)
    assert not judge_fasting(profile, kind, last_at=late, start_at=start, is_fatty=is_fatty).is_kept


def test_a_source_without_a_rule_for_liquids_refuses_nothing_and_says_so() -> None:
    found = judge_fasting(fasting_profile_of("article_6h"), Intake.LIQUIDS, last_at=at("09:59"), start_at=at("10:00"))
    assert found.is_kept
    assert found.said == "Clear liquids 1 min ago, no rule in this profile"


def test_elapsed_time_counts_over_the_night_on_which_an_hour_is_skipped() -> None:
    # Sunday 14 March 2027: 02:00 becomes 03:00. From 00:30 to 07:00 the clocks say 6 h 30, but 5 h 30 went by.
    sunday = date(2027, 3, 14)
    found = judge_fasting(
        fasting_profile_of("default"), Intake.SOLIDS, last_at=at("00:30", sunday), start_at=at("07:00", sunday)
    )
    assert found.elapsed == timedelta(hours=5, minutes=30)
    assert not found.is_kept
    assert found.passes_from is not None
    assert f"{found.passes_from:%H:%M}" == "07:30"


def test_elapsed_time_counts_over_the_night_on_which_an_hour_is_repeated() -> None:
    sunday = date(2027, 11, 7)
    found = judge_fasting(
        fasting_profile_of("default"), Intake.SOLIDS, last_at=at("00:30", sunday), start_at=at("05:30", sunday)
    )
    assert found.elapsed == timedelta(hours=6)
    assert found.is_kept


def test_the_nasal_spray_follows_its_own_label_whatever_the_clinic_chose() -> None:
    assert fasting_profile_of("article_6h", is_nasal=True).code == "esketamine_label"
    assert fasting_profile_of("gone since").code == "default"


def test_an_instant_without_a_zone_is_refused() -> None:
    naive = datetime(2027, 4, 5, 5, 30)
    with pytest.raises(ValueError, match="instants"):
        judge_fasting(fasting_profile_of("default"), Intake.SOLIDS, last_at=naive, start_at=at("10:00"))


@pytest.mark.parametrize("profile", PROFILES, ids=lambda one: one.code)
def test_every_profile_says_whose_it_is(profile: FastingProfile) -> None:
    assert profile.source
    assert profile.mark in Mark
    assert len(profile.code) <= 20


def test_the_default_is_a_clinic_setting_and_its_note_names_the_conflict() -> None:
    default = fasting_profile_of("default")
    assert default.mark is Mark.SETTING
    assert default.said == "solids 6 h, clear liquids 2 h"
    assert "003:235" in default.note
    assert "000:193" in default.note


@pytest.mark.parametrize(("minutes", "said"), [(270, "4 h 30"), (360, "6 h"), (30, "30 min"), (365, "6 h 05")])
def test_minutes_are_said_as_people_say_them(minutes: int, said: str) -> None:
    assert say_minutes(minutes) == said
