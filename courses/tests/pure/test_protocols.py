"""Shipped templates and what they mean. Source: clinical.md A2 C2, B5, H3 case 19."""

from __future__ import annotations

from dataclasses import fields
from datetime import date

import pytest

from courses.planning.protocols import (
    FirstGap,
    Step,
    describe,
    expand,
    fit_count,
    most_that_fit,
    say_decisions,
    say_steps,
)
from courses.planning.templates import BY_ID, TEMPLATES, DoseBasis, Phase, Route, Template
from courses.planning.types import GapRule

SHIPPED = [
    "T-MWF6",
    "T-2W6",
    "T-YALE4",
    "T-SEED8",
    "T-2W4W4",
    "M-W4",
    "M-CANBIND",
    "M-MONTHLY",
    "M-1-2-MONTH",
    "M-PRN",
    "T-PTSD6",
    "T-ESK",
    "M-ESK-W",
    "M-ESK-2W",
    "T-PAIN1",
]


def test_every_template_of_the_table_is_shipped_once() -> None:
    assert [template.id for template in TEMPLATES] == SHIPPED


@pytest.mark.parametrize("template", TEMPLATES, ids=SHIPPED)
def test_a_template_is_consistent_with_itself(template: Template) -> None:
    assert template.n_min <= template.n_default <= template.n_max
    assert sum(step.count for step in template.steps) == template.n_default == template.rule().count
    assert template.infusion_min <= template.infusion_max_min
    assert (template.rule().entry is not None) == (template.phase is not Phase.SERIES)
    names = {field.name for field in fields(Template)} | {field.name for field in fields(Step)}
    assert template.clinic_settings <= names
    assert template.source
    assert template.evidence_note


@pytest.mark.parametrize(
    ("template_id", "count", "limits"),
    [
        ("T-MWF6", (4, 6, 8), [(2, 4)] * 5),
        ("T-2W6", (4, 6, 8), [(3, 5)] * 5),
        ("T-YALE4", (4, 4, 6), [(3, 5)] * 3),
        ("T-SEED8", (6, 8, 8), [(2, 4)] * 7),
        ("T-2W4W4", (12, 12, 12), [(3, 5)] * 8 + [(6, 9)] * 3),
        ("M-W4", (4, 4, 4), [(6, 9)] * 3),
        ("M-CANBIND", (11, 11, 11), [(5, 9)] * 3 + [(11, 17)] * 4 + [(21, 35)] * 3),
        ("M-MONTHLY", (1, 6, 24), [(21, 35)] * 5),
        ("M-1-2-MONTH", (1, 8, 24), [(14, 35)] * 7),
        ("M-PRN", (1, 1, 1), []),
        ("T-PTSD6", (6, 6, 6), [(2, 4)] * 5),
        ("T-ESK", (8, 12, 12), [(3, 5)] * 8 + [(6, 9)] * 3),
        ("M-ESK-W", (1, 4, 24), [(6, 9)] * 3),
        ("M-ESK-2W", (1, 4, 24), [(11, 17)] * 3),
        ("T-PAIN1", (1, 1, 1), []),
    ],
)
def test_numbers_and_gaps_are_those_of_the_table(
    template_id: str, count: tuple[int, int, int], limits: list[tuple[int, int]]
) -> None:
    template = BY_ID[template_id]
    assert (template.n_min, template.n_default, template.n_max) == count
    assert [(gap.min_days, gap.max_days) for gap in template.rule().gaps] == limits


def test_a_booster_waits_at_least_three_days_and_has_no_published_end() -> None:
    entry = BY_ID["M-PRN"].rule().entry
    assert entry is not None
    assert (entry.min_days, entry.max_days) == (3, 366)  # a year stands for "no upper limit"


def test_ketamine_goes_into_the_vein_and_esketamine_into_the_nose() -> None:
    assert {template.id for template in TEMPLATES if template.route is not Route.IV} == {"T-ESK", "M-ESK-W", "M-ESK-2W"}
    assert BY_ID["T-ESK"].route is Route.NASAL


def test_doses_and_minutes_are_those_of_the_table() -> None:
    mwf6, spray, pain = BY_ID["T-MWF6"], BY_ID["T-ESK"], BY_ID["T-PAIN1"]
    assert (mwf6.dose.basis, mwf6.dose.start, mwf6.infusion_min) == (DoseBasis.MG_PER_KG, 0.5, 40)
    assert (mwf6.visit.patient_min, mwf6.visit.chair_min) == (120, 135)  # 20 + 40 + 60, then 15 to clear the chair
    assert (spray.dose.start, spray.dose.maximum, spray.observation_min) == (56, 84, 120)
    assert "observation_min" not in spray.clinic_settings  # the label's number, not the clinic's
    assert (pain.dose.basis, pain.dose.minimum, pain.infusion_min > 120) == (DoseBasis.TOTAL_MG, 80, True)
    assert BY_ID["M-W4"].dose.start is None  # the last given dose goes on


def test_case_19_eight_at_twice_a_week_do_not_fit_21_days() -> None:
    meaning = describe(BY_ID["T-2W6"].steps, 8, span_limit_days=21, start=date(2027, 2, 1))
    assert (meaning.span_days, meaning.last) == (25, date(2027, 2, 25))
    assert meaning.sentences[0] == "8 infusions at twice a week need 25 days."
    assert meaning.sentences[1] == "From Mon 1 Feb 2027 the last infusion is on Thu 25 Feb 2027."
    assert meaning.warnings == ("At most 6 fit into 21 days; 3 a week fits 8 in 17 days.",)
    assert meaning.contradiction


@pytest.mark.parametrize(("count", "span"), [(6, 18), (7, 22), (8, 25)])
def test_c2_spans_at_twice_a_week(count: int, span: int) -> None:
    assert describe(BY_ID["T-2W6"].steps, count).span_days == span


def test_c2_once_a_week_six_need_36_days() -> None:
    meaning = describe([Step(6, 6, 9, target_gap_days=7)])
    assert meaning.sentences == ("6 infusions at once a week need 36 days.",)


def test_c2_six_at_twice_a_week_fit_21_days_without_a_warning() -> None:
    meaning = describe(BY_ID["T-2W6"].steps, 6, span_limit_days=21, start=date(2027, 2, 1))
    assert (meaning.last, meaning.span_days, meaning.warnings) == (date(2027, 2, 18), 18, ())


def test_c2_six_in_twelve_days_only_from_a_monday() -> None:
    meaning = describe(BY_ID["T-MWF6"].steps)
    assert meaning.sentences == (
        "6 infusions at 3 times a week need 12 days.",
        "That holds from a Monday; it is 13 days from a Wednesday or Friday.",
    )


def test_c2_a_number_that_no_usual_rhythm_fits_is_told_without_false_hope() -> None:
    meaning = describe(BY_ID["T-MWF6"].steps, 8, span_limit_days=10)
    assert meaning.warnings == ("At most 5 fit into 10 days.",)


def test_steps_read_as_a_sentence() -> None:
    meaning = describe(BY_ID["T-2W4W4"].steps)
    assert meaning.sentences == ("12 infusions need 50 days: 8 twice a week (Mon-Thu), then 4 once a week.",)
    assert say_steps(BY_ID["M-W4"].steps) == "4 infusions once a week"
    assert say_decisions((2, 4), at_end=True) == "after the 2nd and 4th infusion, and at the end"


@pytest.mark.parametrize(("limit", "fits"), [(21, 6), (22, 7), (25, 8), (1, 1)])
def test_the_most_that_fit_into_a_span(limit: int, fits: int) -> None:
    assert most_that_fit(Step(1, 3, 5, frozenset({0, 3})), limit) == fits


def test_fewer_infusions_cut_the_last_steps_and_more_lengthen_the_last() -> None:
    steps = BY_ID["M-CANBIND"].steps
    assert [step.count for step in fit_count(steps, 6)] == [4, 2]
    assert [step.count for step in fit_count(steps, 13)] == [4, 4, 5]
    with pytest.raises(ValueError, match="at least 1"):
        fit_count(steps, 0)


def test_expanding_replaces_weekdays_and_limits_where_the_course_says_so() -> None:
    rule = expand(BY_ID["T-2W6"].steps, 3, {1, 4}, min_gap_days=2, max_gap_days=6)
    assert rule.gaps == (GapRule(2, 6, frozenset({1, 4})),) * 2
    assert rule.start_weekdays == {1, 4}
    assert rule.entry is None


def test_replaced_limits_leave_a_later_step_with_another_rhythm_alone() -> None:
    rule = expand(BY_ID["T-ESK"].steps, max_gap_days=6)
    assert [(gap.min_days, gap.max_days) for gap in rule.gaps] == [(3, 6)] * 8 + [(6, 9)] * 3


def test_a_continuing_series_has_a_gap_into_its_first_infusion() -> None:
    rule = expand(BY_ID["M-W4"].steps, continues=True)
    assert rule.entry == GapRule(6, 9, target_days=7)


@pytest.mark.parametrize(
    ("count", "limits"),
    [(0, (2, 4)), (1, (0, 4)), (1, (5, 4))],
    ids=["no infusion", "gap of 0", "minimum over maximum"],
)
def test_an_impossible_step_is_refused(count: int, limits: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"at least 1|gap limits"):
        Step(count, *limits, target_gap_days=3, first_gap=FirstGap.OWN)
