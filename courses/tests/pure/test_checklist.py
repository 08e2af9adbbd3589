"""The checklist before an infusion, as a judgement: clinical.md D1, case 32, C2, and what nobody overrides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from courses.pure.checklist import (
    BY_CODE,
    ITEMS,
    NONE,
    NOT_POSSIBLE,
    SINCE,
    YES,
    Consented,
    Facts,
    Given,
    Judged,
    LatestTest,
    Measured,
    Signs,
    Standing,
    judge_checklist,
)
from courses.pure.checklist_answers import fingerprint, problem_with, say_answer
from courses.pure.fasting import fasting_profile_of
from patients.pure.interactions import Drug
from patients.pure.pressure import profile_of

NOW = datetime(2027, 4, 5, 14, 0, tzinfo=UTC)
TODAY = date(2027, 4, 5)
MEASURE = Measured("PHQ-9 12, item 9: 0", NOW - timedelta(minutes=30))
ANSWERS = {
    "identity": Given(YES),
    "escort": Given(YES, "Jordan Fictional"),
    "fasting_solids": Given((NOW - timedelta(hours=6)).isoformat()),
    "fasting_liquids": Given((NOW - timedelta(hours=2)).isoformat()),
    "medicines_today": Given(NONE),
    "health_change": Given("no"),
    **{code: Given("no") for code in SINCE},
    "measure": Given(YES, MEASURE.stamp),
    "airway": Given(YES),
}
SIGNS = Signs(132, 84, 80, 98, 14, 5)
WELL = Facts(
    now=NOW,
    today=TODAY,
    answers=ANSWERS,
    fasting=fasting_profile_of("default"),
    pressure=profile_of("default"),
    signs=SIGNS,
    consent=Consented(is_valid=True, said="Consent of 1 Apr 2027, version 1, valid to 1 Apr 2028."),
    measure=MEASURE,
    weight_kg=Decimal("82.4"),
    weighed_on=TODAY - timedelta(days=30),
)


def against(facts: Facts) -> list[Judged]:
    return [one for one in judge_checklist(facts) if one.state is not Standing.OK]


def only(facts: Facts) -> Judged:
    (found,) = against(facts)
    return found


def without(item: str) -> Facts:
    return replace(WELL, answers={code: one for code, one in ANSWERS.items() if code != item})


def answered(item: str, value: str, detail: str = "") -> Facts:
    return replace(WELL, answers={**ANSWERS, item: Given(value, detail)})


def test_everything_answered_well_is_a_go() -> None:
    assert against(WELL) == []


@pytest.mark.parametrize("item", sorted(ANSWERS))
def test_each_answer_that_is_missing_is_named(item: str) -> None:
    found = only(without(item))
    assert (found.state, found.item) == (Standing.MISSING, item)


@pytest.mark.parametrize(
    ("facts", "item"),
    [
        (replace(WELL, measure=None), "measure"),
        (replace(WELL, weight_kg=None), "weight"),
        (replace(WELL, weighed_on=TODAY - timedelta(days=31)), "weight"),
        (replace(WELL, signs=replace(SIGNS, systolic_mmhg=None, diastolic_mmhg=None)), "vitals"),
        (replace(WELL, signs=replace(SIGNS, heart_rate_bpm=None)), "vitals"),
        (replace(WELL, signs=replace(SIGNS, spo2_percent=None)), "vitals"),
        (replace(WELL, signs=replace(SIGNS, respiratory_rate=None)), "vitals"),
        (replace(WELL, signs=replace(SIGNS, moaas=None)), "mental"),
        (replace(WELL, asks_pregnancy=True), "pregnancy"),
        (replace(WELL, asks_pregnancy=True, test=LatestTest("unclear", TODAY)), "pregnancy"),
        (replace(WELL, asks_pregnancy=True, test=LatestTest("negative", TODAY - timedelta(days=8))), "pregnancy"),
    ],
)
def test_what_the_record_lacks_is_missing_never_taken_as_well(facts: Facts, item: str) -> None:
    found = only(facts)
    assert (found.state, found.item) == (Standing.MISSING, item)


@pytest.mark.parametrize(
    ("systolic", "diastolic", "pulse", "verdict"),
    [
        (138, 88, 80, Standing.OK),
        (140, 90, 80, Standing.OK),
        (141, 85, 80, Standing.SOFT),
        (152, 94, 80, Standing.SOFT),
        (158, 100, 80, Standing.HARD),
        (160, 85, 80, Standing.HARD),
        (130, 80, 112, Standing.HARD),
    ],
)
def test_case_32(systolic: int, diastolic: int, pulse: int, verdict: Standing) -> None:
    signs = replace(SIGNS, systolic_mmhg=systolic, diastolic_mmhg=diastolic, heart_rate_bpm=pulse)
    (found,) = [one for one in judge_checklist(replace(WELL, signs=signs)) if one.code == "pressure"]
    assert found.state is verdict
    if verdict is not Standing.OK:
        assert found.profile == "default"
        assert "Default" in found.said


@pytest.mark.parametrize("item", [*SINCE, "health_change"])
def test_a_change_since_last_time_is_weighed_by_a_clinician(item: str) -> None:
    found = only(answered(item, YES, "since Tuesday"))
    assert (found.state, found.item) == (Standing.SOFT, item)
    assert "since Tuesday" in found.said


@pytest.mark.parametrize("code", ["benzodiazepine", "stimulant", "opioid", "naltrexone", "alcohol", "cannabis"])
def test_a_medicine_of_a_known_class_taken_today_is_soft_and_names_its_source(code: str) -> None:
    found = only(answered("medicines_today", code))
    assert found.state is Standing.SOFT
    assert found.source.startswith("C2, ")


def test_the_usual_tablet_for_blood_pressure_speaks_against_nothing() -> None:
    assert against(answered("medicines_today", "antihypertensive")) == []


def test_theophylline_on_the_list_is_a_stop_by_case_35() -> None:
    found = only(replace(WELL, medicines=(Drug("Theophylline 300 mg"), Drug("Sertraline"))))
    assert (found.state, found.code) == (Standing.HARD, "stop_theophylline")


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (answered("identity", "no"), "identity"),
        (answered("airway", "no"), "airway"),
        (replace(WELL, alerts=((7, "PHQ-9 item 9"),)), "alert_7"),
    ],
)
def test_what_nobody_overrides(facts: Facts, code: str) -> None:
    found = only(facts)
    assert (found.code, found.state, found.may_override) == (code, Standing.HARD, False)


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (replace(WELL, consent=None), "consent"),
        (replace(WELL, consent=Consented(is_valid=False, said="was withdrawn.")), "consent"),
        (answered("escort", "no"), "escort"),
        (answered("fasting_solids", (NOW - timedelta(hours=5)).isoformat()), "fasting_solids"),
        (answered("fasting_liquids", (NOW - timedelta(hours=1)).isoformat()), "fasting_liquids"),
        (replace(WELL, asks_pregnancy=True, test=LatestTest("positive", TODAY)), "pregnancy"),
        (replace(WELL, signs=replace(SIGNS, moaas=4)), "mental"),
        (replace(WELL, signs=replace(SIGNS, spo2_percent=89)), "spo2"),
    ],
)
def test_what_only_a_prescriber_overrides(facts: Facts, code: str) -> None:
    found = only(facts)
    assert (found.code, found.state, found.may_override) == (code, Standing.HARD, True)


@pytest.mark.parametrize(("spo2", "state"), [(94, None), (93, Standing.SOFT), (90, Standing.SOFT), (89, Standing.HARD)])
def test_oxygen_by_the_limits_of_d3(spo2: int, state: Standing | None) -> None:
    found = against(replace(WELL, signs=replace(SIGNS, spo2_percent=spo2)))
    assert [one.state for one in found] == ([state] if state else [])


def test_a_pregnancy_is_ruled_out_by_a_test_or_where_nobody_asked_before_by_a_word() -> None:
    asked = replace(WELL, asks_pregnancy=True)
    assert against(replace(asked, test=LatestTest("negative", TODAY - timedelta(days=7)))) == []
    word = {**ANSWERS, "pregnancy": Given(NOT_POSSIBLE)}
    assert against(replace(asked, answers=word)) == []
    assert only(replace(asked, answers=word, knows_pregnancy_is_possible=True)).item == "pregnancy"


def test_a_score_that_comes_in_after_the_review_is_reviewed_anew() -> None:
    later = Measured("PHQ-9 19, item 9: 2", MEASURE.recorded_at + timedelta(minutes=5))
    assert only(replace(WELL, measure=later)).item == "measure"


def test_the_same_numbers_of_another_reading_have_another_stamp() -> None:
    high = replace(WELL, signs=replace(SIGNS, systolic_mmhg=152), signs_rows={"systolic_mmhg": 1})
    again = replace(high, signs_rows={"systolic_mmhg": 2})
    assert only(high).stamp != only(again).stamp
    assert only(high).stamp == only(high).stamp


@pytest.mark.parametrize(
    ("item", "value", "detail", "problem"),
    [
        ("identity", "maybe", "", "Answer yes or no."),
        ("escort", YES, "", "Give the name."),
        ("since_urinary", YES, "", "What, since when?"),
        ("fasting_solids", "soon", "", "Give the day and the time."),
        ("fasting_solids", "2027-04-05T05:30", "", "Give the day and the time."),
        ("fasting_solids", "2027-04-05T10:01:00-04:00", "", "This time has not come yet. Was it yesterday?"),
        ("medicines_today", "none,opioid", "", "“None of these” and a medicine do not go together."),
        ("medicines_today", "tea", "", "Choose from the list."),
        ("temperature", "98.6", "", "Must be between 30 and 45 °C."),
        ("temperature", "NaN", "", "Must be between 30 and 45 °C."),
        ("identity", YES, "", ""),
        ("fasting_solids", "2027-04-05T10:00:00-04:00", "", ""),
        ("temperature", "36.8", "", ""),
    ],
)
def test_answers_that_cannot_be(item: str, value: str, detail: str, problem: str) -> None:
    assert problem_with(BY_CODE[item], value, detail, now=NOW) == problem


@pytest.mark.parametrize(
    ("item", "value", "detail", "said"),
    [
        ("identity", YES, "", "Yes"),
        ("escort", YES, "Jordan", "Jordan"),
        ("escort", "no", "", "Nobody yet"),
        ("since_memory", YES, "forgets names", "Yes: forgets names"),
        ("fasting_solids", "2027-04-05T05:30:00-04:00", "fatty", "Mon 5 Apr, 05:30, a fatty meal or meat"),
        ("fasting_solids", "earlier", "", "Before yesterday"),
        ("medicines_today", "opioid,alcohol", "one beer", "Opioid, alcohol: one beer"),
        ("temperature", "36.8", "", "36.8 °C"),
        ("measure", YES, MEASURE.stamp, "Reviewed"),
        ("pregnancy", NOT_POSSIBLE, "", "Not possible"),
        ("airway", "", "", "Not answered"),
    ],
)
def test_answers_read_as_words(item: str, value: str, detail: str, said: str) -> None:
    assert say_answer(BY_CODE[item], value, detail) == said


def test_codes_fit_their_columns_and_every_item_belongs_to_d1() -> None:
    assert all(len(item.code) <= 32 and 1 <= item.number <= 12 for item in ITEMS)
    codes = {one.code for facts in (WELL, replace(WELL, answers={})) for one in judge_checklist(facts)}
    assert all(len(code) <= 32 for code in codes)


def test_an_answer_and_its_detail_make_the_fingerprint() -> None:
    assert fingerprint("") == ""
    assert fingerprint(YES, "a") != fingerprint(YES, "b")
