"""Scoring of every measure, from the worked cases (clinical.md H2) and the scoring table (E1)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.pure.measures import (
    MEASURES,
    About,
    AnswerError,
    Direction,
    Entry,
    Flag,
    Measure,
    Rater,
    Scored,
    change_between,
    measure,
    measures_by_group,
    score,
    score_total,
    sendable_measures,
)
from patients.pure.measures import wording as wording_folder
from patients.pure.measures.words import explained


def answers(*values: int | None) -> dict[int, int | None]:
    return dict(enumerate(values, 1))


def all_equal(one: Measure, value: int) -> dict[int, int | None]:
    return {item.number: min(value, item.highest) for item in one.scored_items}


# --- PHQ-9 ------------------------------------------------------------------------------------------------------------
def test_case_9_item_9_raises_the_flag_whatever_the_total() -> None:
    found = score("phq9", answers(0, 0, 0, 1, 0, 0, 0, 0, 1))
    assert (found.score, found.band) == (Decimal(2), "None or minimal")
    assert found.flags == (Flag.PHQ9_ITEM9, Flag.ASK_CSSRS)
    assert found.dangers == (Flag.PHQ9_ITEM9,)


@pytest.mark.parametrize("value", [1, 2, 3])
def test_any_answer_but_not_at_all_to_item_9_is_a_flag(value: int) -> None:
    assert score("phq9", answers(0, 0, 0, 0, 0, 0, 0, 0, value)).dangers == (Flag.PHQ9_ITEM9,)
    assert score("phq9", answers(3, 3, 3, 3, 3, 3, 3, 3, 0)).dangers == ()


def test_case_10_one_missing_item_is_prorated_half_up() -> None:
    found = score("phq9", answers(2, 2, 1, 2, None, 2, 2, 1, 0))  # sum 12 of eight: 13.5
    assert (found.score, found.band, found.is_prorated, found.missing) == (Decimal(14), "Moderate", True, (5,))


def test_case_10_two_missing_are_prorated_and_three_give_no_score() -> None:
    two = score("phq9", answers(2, 2, 1, 2, None, None, 2, 1, 0))  # 10 / 7 × 9 = 12.857
    assert (two.score, two.is_prorated) == (Decimal(13), True)
    three = score("phq9", answers(2, 2, 1, 2, None, None, None, 1, 0))
    assert (three.score, three.is_prorated, three.band) == (None, False, "")
    assert three.problem == "Items 5, 6 and 7 were not answered. With more than 2 missing there is no score."


def test_case_10_item_9_is_never_imputed() -> None:
    found = score("phq9", answers(2, 2, 1, 2, 1, 2, 1, 1, None))
    assert found.score is None
    assert Flag.DANGER_ITEM_UNANSWERED in found.flags
    assert found.problem.startswith("Item 9 was not answered")


def test_an_item_left_out_and_an_item_answered_with_nothing_are_the_same() -> None:
    assert score("phq9", {1: 1, 2: 1, 9: 0}) == score("phq9", answers(1, 1, *[None] * 6, 0))


@pytest.mark.parametrize(
    ("values", "symptoms", "syndrome"),
    [
        ((2, 2, 2, 2, 2, 0, 0, 0, 0), 5, "major depressive syndrome"),
        ((2, 0, 2, 2, 2, 0, 0, 0, 1), 5, "major depressive syndrome"),  # item 9 counts from "several days"
        ((2, 0, 2, 2, 1, 0, 0, 0, 1), 4, "other depressive syndrome"),
        ((0, 2, 2, 0, 0, 0, 0, 0, 0), 2, "other depressive syndrome"),
        ((2, 0, 0, 0, 0, 0, 0, 0, 0), 1, ""),
        ((1, 1, 3, 3, 3, 3, 3, 3, 0), 6, ""),  # neither item 1 nor 2
    ],
)
def test_the_symptom_count_needs_item_1_or_2(values: tuple[int, ...], symptoms: int, syndrome: str) -> None:
    detail = score("phq9", answers(*values)).detail
    assert (detail["symptoms"], detail["syndrome"]) == (symptoms, syndrome)


def test_the_tenth_question_is_kept_and_not_scored() -> None:
    found = score("phq9", answers(1, 1, 1, 1, 1, 1, 1, 1, 0, 3))
    assert found.score == 8
    assert found.detail["difficulty"] == "Extremely difficult"
    assert score("phq9", answers(1, 1, 1, 1, 1, 1, 1, 1, 0)).missing == ()


# --- GAD-7 ------------------------------------------------------------------------------------------------------------
def test_gad7_adds_seven_items_and_its_lowest_option_is_not_at_all() -> None:
    assert score("gad7", answers(3, 3, 3, 2, 2, 1, 1)).score == 15
    assert [option.label for option in measure("gad7").item(1).options] == [
        "Not at all",
        "Several days",
        "More than half the days",
        "Nearly every day",
    ]


def test_gad7_with_a_missing_item_has_no_score_since_no_rule_is_published() -> None:
    found = score("gad7", answers(3, 3, 3, 2, 2, 1, None))
    assert (found.score, found.problem) == (None, "Item 7 was not answered.")


# --- PCL-5 ------------------------------------------------------------------------------------------------------------
CASE_12 = answers(3, 2, 1, 3, 2, 2, 1, 1, 2, 3, 1, 2, 2, 1, 2, 0, 3, 2, 1, 2)


def test_case_12_total_clusters_and_both_provisional_rules() -> None:
    found = score("pcl5", CASE_12)
    assert found.score == 36
    assert found.detail["clusters"] == {"B": 11, "C": 3, "D": 12, "E": 10}
    assert found.detail["endorsed"] == {"B": 4, "C": 1, "D": 4, "E": 4}
    assert found.detail["by_symptoms"] is True
    assert found.detail["by_total"] == "yes"
    assert found.band == ""  # no severity bands have been derived empirically


def test_case_12_a_change_of_11_matters_by_10_points_and_not_by_15() -> None:
    default = change_between("pcl5", Decimal(36), Decimal(25))
    assert (default.points, default.matters, default.is_better) == (Decimal(-11), True, True)
    assert default.rule is not None
    assert default.rule.points == 10
    assert not change_between("pcl5", Decimal(36), Decimal(25), rule="rci_15").matters
    assert score_total("pcl5", 25).detail["non_ptsd_range"] is True


@pytest.mark.parametrize(("total", "said"), [(30, "no"), (31, "open"), (32, "open"), (33, "yes")])
def test_between_31_and_33_the_cut_is_open(total: int, said: str) -> None:
    assert score_total("pcl5", total).detail["by_total"] == said


@pytest.mark.parametrize(("total", "expected"), [(28, True), (29, False)])
def test_up_to_28_is_the_range_without_ptsd(total: int, *, expected: bool) -> None:
    assert score_total("pcl5", total).detail["non_ptsd_range"] is expected


def test_each_cluster_is_needed_for_the_symptom_rule() -> None:
    without_c = dict(CASE_12) | {6: 1, 7: 1}
    assert score("pcl5", without_c).detail["by_symptoms"] is False
    one_d = dict(CASE_12) | dict.fromkeys(range(8, 15), 1) | {8: 2}
    assert score("pcl5", one_d).detail["by_symptoms"] is False


# --- QIDS-SR16 --------------------------------------------------------------------------------------------------------
def test_case_11_domains_and_not_the_sum_of_sixteen() -> None:
    found = score("qids16", answers(2, 1, 0, 0, 2, 0, 1, 0, 0, 2, 1, 1, 2, 2, 1, 0))
    assert (found.score, found.band) == (Decimal(14), "Moderate")  # the naive sum is 15
    assert list(found.detail["domains"].values()) == [2, 2, 1, 2, 1, 1, 2, 2, 1]
    assert found.dangers == (Flag.SUICIDE_ITEM,)  # item 12


def test_of_more_and_less_appetite_one_is_enough() -> None:
    values = answers(2, 1, 0, 0, 2, None, 1, 0, None, 2, 1, 0, 2, 2, 1, 0)
    assert score("qids16", values).score == 13
    neither = values | {7: None}
    assert score("qids16", neither).problem == "Items 6 and 7 were not answered."


def test_qids_asks_for_item_12_when_it_was_left_out() -> None:
    values = answers(2, 1, 0, 0, 2, 0, 1, 0, 0, 2, 1, None, 2, 2, 1, 0)
    assert score("qids16", values).flags == (Flag.DANGER_ITEM_UNANSWERED,)


# --- C-SSRS -----------------------------------------------------------------------------------------------------------
NO, YES = 0, 1
LONG_AGO, RECENT = 1, 2


@pytest.mark.parametrize(
    ("given_answers", "band", "dangers"),
    [
        (answers(YES, YES, YES, NO, NO, LONG_AGO), "Moderate", (Flag.CSSRS_MODERATE,)),  # case 13a
        (answers(YES, NO, None, None, None, NO), "Low", ()),  # case 13c
        (answers(NO, NO, None, None, None, NO), "No positive answer", ()),  # case 13d
        (answers(NO, NO, NO, NO, NO, NO), "No positive answer", ()),
        (answers(NO, YES, NO, NO, NO, NO), "Low", ()),
        (answers(NO, NO, None, None, None, LONG_AGO), "Moderate", (Flag.CSSRS_MODERATE,)),
        (answers(NO, NO, None, None, None, RECENT), "High", (Flag.CSSRS_HIGH,)),
        (answers(YES, YES, NO, YES, NO, NO), "High", (Flag.CSSRS_HIGH,)),
        (answers(YES, YES, NO, NO, YES, NO), "High", (Flag.CSSRS_HIGH,)),
        (answers(YES, YES, YES, NO, NO, RECENT), "High", (Flag.CSSRS_HIGH,)),  # several: the highest
    ],
)
def test_triage_takes_the_highest_answer(
    given_answers: dict[int, int | None], band: str, dangers: tuple[Flag, ...]
) -> None:
    found = score("cssrs", given_answers)
    assert (found.score, found.band, found.dangers, found.problem) == (None, band, dangers, "")


def test_a_danger_is_kept_although_a_question_is_open() -> None:
    found = score("cssrs", answers(YES, YES, YES, None, None, None))
    assert (found.band, found.dangers) == ("", (Flag.CSSRS_MODERATE,))
    assert found.problem.startswith("Questions 4, 5 and 6 were not answered.")
    assert score("cssrs", answers(YES, YES, NO, YES)).band == "High"  # nothing can lower it


def test_three_to_five_are_asked_only_after_a_yes_to_two() -> None:
    assert score("cssrs", answers(YES, YES, None, None, None, NO)).missing == (3, 4, 5)
    assert score("cssrs", answers(YES, NO, None, None, None, NO)).missing == ()
    assert [item.number for item in measure("cssrs").items if item.only_after_yes_to == 2] == [3, 4, 5]


def test_a_contradiction_is_said_and_the_highest_answer_counts() -> None:
    found = score("cssrs", answers(NO, NO, YES, NO, NO, NO))
    assert found.band == "Moderate"
    assert "contradiction" in found.detail


def test_the_screener_has_no_total() -> None:
    with pytest.raises(AnswerError, match="no total"):
        score_total("cssrs", 0)


# --- AUDIT-C, DAST-10, SLUMS and other totals -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("sex", "total", "band"),
    [
        ("female", 3, "Positive"),  # case 14
        ("male", 3, "Negative"),
        ("male", 4, "Positive"),
        ("female", 2, "Negative"),
        ("unknown", 2, "Negative"),
        ("unknown", 3, ""),
        ("other", 4, "Positive"),
    ],
)
def test_auditc_is_positive_by_sex_and_open_where_the_sex_decides_and_is_not_known(
    sex: str, total: int, band: str
) -> None:
    assert score_total("auditc", total, About(sex=sex)).band == band
    by_items = answers(min(total, 4), max(total - 4, 0), 0)
    assert score("auditc", by_items, About(sex=sex)).band == band


@pytest.mark.parametrize(
    ("finished", "total", "band"),
    [
        (True, 27, "Normal"),
        (True, 26, "Mild cognitive impairment"),
        (True, 20, "Dementia range"),
        (False, 25, "Normal"),
        (False, 24, "Mild cognitive impairment"),
        (False, 19, "Dementia range"),
        (None, 27, ""),
    ],
)
def test_slums_bands_depend_on_education(finished: bool | None, total: int, band: str) -> None:
    assert score_total("slums", total, About(finished_high_school=finished)).band == band


EDGES = [
    ("phq9", "None or minimal", 0, 4),
    ("phq9", "Mild", 5, 9),
    ("phq9", "Moderate", 10, 14),
    ("phq9", "Moderately severe", 15, 19),
    ("phq9", "Severe", 20, 27),
    ("gad7", "Minimal", 0, 4),
    ("gad7", "Mild", 5, 9),
    ("gad7", "Moderate", 10, 14),
    ("gad7", "Severe", 15, 21),
    ("madrs", "Normal", 0, 6),
    ("madrs", "Mild", 7, 19),
    ("madrs", "Moderate", 20, 34),
    ("madrs", "Severe", 35, 60),
    ("hamd17", "Normal", 0, 7),
    ("hamd17", "Mild", 8, 16),
    ("hamd17", "Moderate", 17, 23),
    ("hamd17", "Severe", 24, 52),
    ("qids16", "None", 0, 5),
    ("qids16", "Mild", 6, 10),
    ("qids16", "Moderate", 11, 15),
    ("qids16", "Severe", 16, 20),
    ("qids16", "Very severe", 21, 27),
    ("dast10", "None", 0, 0),
    ("dast10", "Low", 1, 2),
    ("dast10", "Moderate", 3, 5),
    ("dast10", "Substantial", 6, 8),
    ("dast10", "Severe", 9, 10),
]


@pytest.mark.parametrize(("code", "band", "low", "high"), EDGES)
def test_both_ends_of_each_published_band(code: str, band: str, low: int, high: int) -> None:
    assert score_total(code, low).band == band
    assert score_total(code, high).band == band


@pytest.mark.parametrize(
    "code", ["pcl5", "cssrs", "cadss", "cadss6", "moca", "icsi", "icpi", "bpicss", "pain_nrs", "craving", "pgic"]
)
def test_where_no_bands_are_published_there_are_none(code: str) -> None:
    assert measure(code).bands == ()


@pytest.mark.parametrize(
    ("code", "below", "at"), [("moca", 26, 25), ("bpicss", 18, 19), ("icsi", 5, 6), ("phq9", 9, 10), ("pcl5", 30, 31)]
)
def test_a_published_cut_is_said_from_its_score_on(code: str, below: int, at: int) -> None:
    assert "cuts" not in score_total(code, below).detail
    assert len(score_total(code, at).detail["cuts"]) == 1


@pytest.mark.parametrize(
    ("code", "low", "high"),
    [
        ("phq9", 0, 27),
        ("gad7", 0, 21),
        ("pcl5", 0, 80),
        ("auditc", 0, 12),
        ("hamd17", 0, 52),
        ("madrs", 0, 60),
        ("qids16", 0, 27),
        ("cadss", 0, 92),
        ("cadss6", 0, 24),
        ("moca", 0, 30),
        ("slums", 0, 30),
        ("dast10", 0, 10),
        ("icsi", 0, 20),
        ("icpi", 0, 16),
        ("bpicss", 0, 38),
        ("pain_nrs", 0, 10),
        ("craving", 0, 10),
        ("pgic", 1, 7),
    ],
)
def test_a_total_lies_in_the_published_range(code: str, low: int, high: int) -> None:
    assert score_total(code, low).score == low
    assert score_total(code, high).score == high
    for outside in (low - 1, high + 1, Decimal("3.5")):
        with pytest.raises(AnswerError, match=f"{low} to {high}"):
            score_total(code, outside)


def test_the_suicide_item_of_a_total_is_looked_at_when_it_is_known() -> None:
    assert score_total("madrs", 20, danger_answer=1).dangers == (Flag.SUICIDE_ITEM,)
    assert score_total("madrs", 20, danger_answer=0).dangers == ()
    assert score_total("madrs", 20).dangers == ()
    with pytest.raises(AnswerError, match="no answer 7"):
        score_total("madrs", 20, danger_answer=7)
    with pytest.raises(AnswerError, match="no item about suicide"):
        score_total("gad7", 3, danger_answer=1)


def test_hamd_flags_item_3_and_adds_items_of_two_sizes() -> None:
    found = score("hamd17", {item.number: item.highest for item in measure("hamd17").items})
    assert (found.score, found.band, found.dangers) == (Decimal(52), "Severe", (Flag.SUICIDE_ITEM,))


# --- change that matters ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("code", "before", "after", "matters", "better"),
    [
        ("phq9", 20, 15, True, True),
        ("phq9", 20, 16, False, True),
        ("phq9", 15, 20, True, False),
        ("gad7", 12, 8, True, True),
        ("gad7", 12, 9, False, True),
        ("moca", 28, 25, True, False),
        ("moca", 25, 28, False, True),  # only a drop matters
        ("craving", 3, 5, True, False),
        ("craving", 5, 3, False, True),  # only a rise matters
        ("madrs", 40, 10, False, True),  # the sources name no change for one person
        ("phq9", 9, 9, False, False),
    ],
)
def test_a_change_matters_by_the_rule_of_its_measure(
    code: str, before: int, after: int, *, matters: bool, better: bool
) -> None:
    seen = change_between(code, Decimal(before), Decimal(after))
    assert (seen.matters, seen.is_better) == (matters, better)
    assert seen.is_worse == (not better and before != after)


def test_a_rule_of_change_that_the_measure_does_not_have_is_refused() -> None:
    with pytest.raises(LookupError, match="no rule"):
        change_between("phq9", Decimal(9), Decimal(5), rule="rci_15")


# --- refused ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("code", "given_answers", "words"),
    [
        ("phq9", {1: 4}, "Item 1 of PHQ-9 has no answer 4"),
        ("phq9", {1: -1}, "no answer -1"),
        ("phq9", {1: True}, "no answer True"),
        ("phq9", {12: 0}, "no item 12"),
        ("phq9", {"first": 0}, "no item 'first'"),
        ("hamd17", {4: 3}, "Item 4 of HAM-D-17 has no answer 3"),
        ("moca", {1: 1}, "entered as a total"),
    ],
)
def test_answers_that_the_instrument_does_not_know_are_refused(
    code: str, given_answers: Mapping[Any, Any], words: str
) -> None:
    with pytest.raises(AnswerError, match=words):
        score(code, given_answers)


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(LookupError, match="no measure 'bdi'"):
        score_total("bdi", 3)


# --- the registry, and licences ---------------------------------------------------------------------------------------
ALLOWED = {"phq9", "gad7", "pcl5", "auditc", "hamd17"}
"""Source: clinical.md E2, the rows that say YES."""


def test_wording_is_shipped_for_exactly_those_whose_licence_allows_it() -> None:
    folder = Path(wording_folder.__file__).parent
    shipped = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert shipped == ALLOWED
    assert {one.code for one in MEASURES.values() if one.wording_allowed} == ALLOWED


@pytest.mark.parametrize("one", MEASURES.values(), ids=list(MEASURES))
def test_without_permission_an_item_is_nothing_but_its_number(one: Measure) -> None:
    if one.wording_allowed:
        assert one.notice
        assert one.stem
        return
    for item in one.items:
        assert item.text.startswith((f"Item {item.number}", f"Question {item.number}")), item
        assert one.code == "cssrs" or all(option.label == str(option.value) for option in item.options)


@pytest.mark.parametrize("one", MEASURES.values(), ids=list(MEASURES))
def test_each_instrument_says_where_it_comes_from(one: Measure) -> None:
    assert one.licence
    assert one.sources
    assert one.recall
    assert one.version
    assert urlparse(one.source_url).scheme == "https"
    assert one.checked_on.year >= 2026
    assert len(one.code) <= 20
    assert len(one.version) <= 20
    assert all(len(band.name) <= 40 for band in one.bands)


@pytest.mark.parametrize("one", [one for one in MEASURES.values() if one.bands], ids=lambda one: one.code)
def test_bands_cover_the_range_without_gap_or_overlap(one: Measure) -> None:
    covered = [value for band in one.bands for value in range(band.low, band.high + 1)]
    assert covered == list(range(one.minimum, one.maximum + 1))


@pytest.mark.parametrize(
    "one", [one for one in MEASURES.values() if one.entry is Entry.ITEMS and one.has_total], ids=lambda one: one.code
)
def test_the_items_reach_exactly_the_published_range(one: Measure) -> None:
    low, high = score(one.code, all_equal(one, 0)), score(one.code, all_equal(one, 99))
    assert (low.score, high.score) == (Decimal(one.minimum), Decimal(one.maximum))


def test_items_are_numbered_from_one_and_counted_as_published() -> None:
    counts = {one.code: len(one.scored_items) for one in MEASURES.values() if one.items}
    assert counts == {
        "phq9": 9,
        "gad7": 7,
        "pcl5": 20,
        "auditc": 3,
        "hamd17": 17,
        "madrs": 10,
        "qids16": 16,
        "cssrs": 6,
    }
    for one in MEASURES.values():
        assert [item.number for item in one.items] == list(range(1, len(one.items) + 1))


def test_only_self_reports_with_wording_can_be_sent_to_a_patient() -> None:
    assert [one.code for one in sendable_measures()] == ["phq9", "gad7", "pcl5", "auditc"]
    assert all(one.rater is Rater.PATIENT for one in sendable_measures())


def test_every_measure_stands_in_one_group() -> None:
    grouped = [one.code for _, group in measures_by_group() for one in group]
    assert sorted(grouped) == sorted(MEASURES)


def test_higher_is_better_only_where_a_test_counts_what_was_right() -> None:
    assert {one.code for one in MEASURES.values() if one.direction is Direction.BETTER} == {"moca", "slums"}


def test_every_score_can_be_explained() -> None:
    for one in MEASURES.values():
        if one.has_total:
            found = score_total(one.code, one.maximum)
            said = explained(one, score=found.score, is_prorated=False, detail=found.detail)
            assert ("Entered as", "a total; the single answers are not known") in said


def test_what_is_not_confirmed_is_said() -> None:
    found = score_total("icsi", 7)
    said = dict(explained(measure("icsi"), score=found.score, is_prorated=False, detail=found.detail))
    assert said["Cut"] == "6 or more is often used to flag (general knowledge, not confirmed)"
    assert not measure("hamd17").bands_confirmed


# --- for any answers --------------------------------------------------------------------------------------------------
WITH_ITEMS = [one for one in MEASURES.values() if one.items]


@st.composite
def filled(draw: st.DrawFn) -> tuple[Measure, dict[int, int | None]]:
    """A measure and answers to it, some of them left out."""
    one = draw(st.sampled_from(WITH_ITEMS))
    chosen = {
        item.number: draw(
            st.one_of(st.sampled_from(sorted(item.values)), st.none())
            if item.number % 3 == 0
            else st.sampled_from(sorted(item.values))
        )
        for item in one.items
    }
    return one, chosen


@given(filled())
def test_a_score_lies_in_the_range_and_its_absence_is_explained(case: tuple[Measure, dict[int, int | None]]) -> None:
    one, chosen = case
    found = score(one.code, chosen)
    if found.score is None:
        assert found.problem or found.band
    else:
        assert one.minimum <= found.score <= one.maximum
        assert found.score == found.score.to_integral_value()
        assert found.band == one.band_of(found.score) or one.code == "auditc"


@given(filled(), st.data())
def test_a_worse_answer_never_lowers_score_triage_or_danger(
    case: tuple[Measure, dict[int, int | None]], data: st.DataObject
) -> None:
    one, chosen = case
    raisable = [
        item for item in one.scored_items if (value := chosen[item.number]) is not None and value < item.highest
    ]
    if not raisable:
        return
    item = data.draw(st.sampled_from(raisable))
    worse = chosen | {item.number: (chosen[item.number] or 0) + 1}
    before, after = score(one.code, chosen), score(one.code, worse)
    if before.score is not None:
        assert after.score is not None
        assert after.score >= before.score
    assert severity(after) >= severity(before)


def severity(found: Scored) -> int:
    order = (Flag.CSSRS_MODERATE, Flag.CSSRS_HIGH)
    if found.dangers and found.dangers[0] in order:
        return 1 + order.index(found.dangers[0])
    return len(found.dangers)


@given(st.integers(min_value=0, max_value=2), st.permutations(range(1, 9)))
def test_prorating_never_leaves_the_range(missing: int, order: list[int]) -> None:
    chosen: dict[int, int | None] = dict.fromkeys(range(1, 10), 3)
    for number in order[:missing]:
        chosen[number] = None
    assert score("phq9", chosen).score == 27
