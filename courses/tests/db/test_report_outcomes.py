"""The outcomes report, figure by figure, against the cohort of forty and case 37 of clinical.md H4, reckoned by hand.

The keys in the comments are those of ``courses.tests.cohort_rows.ROWS``. Today is Mon 20 December 2027.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from courses.models import CourseResult, OutcomeDefinition
from courses.pure.reports.contents import Chart, Figure, Missing, Report, Table
from courses.pure.reports.filters import Filters
from courses.pure.reports.rates import percent_words, rounded
from courses.reports import outcomes
from courses.reports.filtering import results
from courses.reports.registry import NoSuchListError
from courses.tests.cohort import NOW, Cohort, load_cohort, only
from courses.tests.cohort_rows import Facts, Row

pytestmark = pytest.mark.django_db
EVER = Filters(period="all")


@pytest.fixture
def cohort() -> Cohort:
    return load_cohort()


def figures(filters: Filters = EVER) -> Mapping[str, Figure]:
    return {one.key: one for one in outcomes.build(filters, NOW).figures()}


def table(report: Report, key: str) -> Table:
    return next(one for one in report.tables() if one.key == key)


def counts(figure: Figure) -> tuple[int | None, int | None]:
    return figure.numerator, figure.denominator


def keys_of(cohort: Cohort, key: str, filters: Filters = EVER) -> list[tuple[str, str]]:
    """The courses of a list by their keys, each with the last cell of its line."""
    by_id = {course.pk: name for name, course in cohort.courses.items()}
    return [
        (by_id[row.course_id], str(row.cells[-1]))
        for row in outcomes.KIND.listed(key, filters).rows[:100]
        if row.course_id
    ]


# -- the series --------------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("cohort")
def test_how_far_the_forty_courses_came() -> None:
    """33 gave what was planned. 06 and 35 still run; 22 was left open and has dropped out, so it counts."""
    found = figures()
    assert (found["started"].value, found["started"].words) == (Decimal(40), "of 38 patients")  # Noor and Tomas twice
    assert counts(found["completed"]) == (33, 38)
    assert found["completed"].missing == (Missing("series still running", 2),)
    assert counts(found["kit-completed"]) == (34, 38)  # 33, less 40 with nine, and 23 and 25 with four in eight days
    assert counts(found["dropped-out"]) == (3, 38)  # 21, 22, 23; neither 24 (transferred) nor 25 (died)
    assert counts(found["adherence"]) == (180, 181)  # 05 of 38 others; in 32 one gap of 6 days


@pytest.mark.usefixtures("cohort")
def test_the_funnel_and_where_courses_were_lost() -> None:
    report = outcomes.build(EVER, NOW)
    funnel = table(report, "funnel")
    assert [row[:2] for row in funnel.rows] == [
        ("Started", 40),
        ("2nd infusion", 39),  # 21 had one
        ("3rd infusion", 38),  # 24 had two
        ("4th infusion", 35),  # 06, 22 and 35 had three
        ("5th infusion", 32),  # 04, 23 and 25 had four
        ("6th infusion", 32),
        ("7th infusion", 2),  # 39 and 40
        ("8th infusion", 2),
    ]
    lost = table(report, "lost")
    assert [(row[1], row[2], row[4], row[5]) for row in lost.rows] == [
        (40, 1, 0, 0),  # after the 1st: 21 dropped out
        (39, 0, 1, 0),  # after the 2nd: 24 was transferred
        (38, 1, 0, 2),  # after the 3rd: 22 dropped out, 06 and 35 still run
        (35, 1, 1, 0),  # after the 4th: 23 dropped out, 25 died; 04 had all it was planned
        (32, 0, 0, 0),
        (32, 0, 0, 0),
        (2, 0, 0, 0),
        (2, 0, 0, 0),
    ]
    assert lost.rows[0][3] == Decimal("2.5")  # 1 of 40
    assert lost.rows[6][3] == "n = 2: too few"


# -- response ----------------------------------------------------------------------------------------------------------
LEFT_OUT = (
    Missing("no baseline", 2),  # 08, 09
    Missing("baseline too low: not evaluable", 2),  # 07, 30
    Missing("no score after the last infusion", 2),  # 14, 39
    Missing("series still running", 3),  # 06, 35, and 22 which nobody closed
)


@pytest.mark.usefixtures("cohort")
def test_the_ends_of_the_series() -> None:
    """24 responses, partial 05 and 12, none 03, 04, 21, 23, 24: 31 of 40."""
    found = figures()
    assert counts(found["response"]) == (24, 31)
    assert found["response"].missing == LEFT_OUT
    assert sum(one.n for one in LEFT_OUT) + 31 == 40
    assert counts(found["partial"]) == (2, 31)
    assert counts(found["non-response"]) == (5, 31)


@pytest.mark.usefixtures("cohort")
def test_remission_of_the_evaluable_and_of_all_with_a_baseline() -> None:
    """PCL-5 (37) has no score of remission. 01 and 38; with too low a baseline 07 and 30 besides, not 08 without one."""
    found = figures()
    assert counts(found["remission"]) == (2, 30)
    assert counts(found["remission-all"]) == (4, 32)
    assert found["remission"].missing == (*LEFT_OUT, Missing("no score of remission for its measure", 1))
    assert "evaluable" in found["remission"].title
    assert "all with a baseline" in found["remission-all"].title


@pytest.mark.usefixtures("cohort")
def test_when_the_response_came_and_who_lost_it_in_the_series() -> None:
    found = figures()
    assert counts(found["speed-early"]) == (2, 26)  # 01, 05
    assert counts(found["speed-gradual"]) == (3, 26)  # 02, 22, 25
    assert counts(found["speed-late"]) == (21, 26)
    assert counts(found["responder-lost"]) == (1, 25)  # 05; 22 is not over
    assert found["responder-lost"].missing == (Missing("series still running", 1),)


@pytest.mark.usefixtures("cohort")
def test_who_got_worse() -> None:
    """04 by 6 points; item 9 rose in 20. 38 have a baseline; QIDS and PCL-5 have no points, the PCL-5 no such item."""
    found = figures()
    assert counts(found["any-increase"]) == (1, 38)
    assert counts(found["worsening"]) == (1, 36)
    assert found["new-danger"].numerator == 1
    assert [one.why for one in found["worsening"].missing] == ["no baseline", "no points of worsening for its measure"]


@pytest.mark.usefixtures("cohort")
def test_the_same_14_to_31_days_after_the_series() -> None:
    """Responses 01, 13, 14, 17, 18, 26, 29, 36; partial 15; none 03. Remission only in 08, which has no baseline."""
    found = figures(replace(EVER, at="later"))
    assert counts(found["response"]) == (8, 10)
    assert counts(found["partial"]) == (1, 10)
    assert counts(found["non-response"]) == (1, 10)
    assert counts(found["remission"]) == (0, 10)
    assert found["response"].missing == (
        Missing("no baseline", 2),
        Missing("baseline too low: not evaluable", 2),
        Missing("no score 14 to 31 days after the series", 23),  # 40 − 10 − 2 − 2 − 3
        Missing("series still running", 3),
    )
    assert found["response"].definition.startswith(
        "The first score 14 to 31 days after the last infusion of the series"
    )


def test_case_37_labels_its_denominators() -> None:
    """clinical.md H4: response 11/17, remission 6/17 of the evaluable and 7/18 of all with a baseline, 2 without one."""
    known = Facts(baseline=None, end="")
    rows = [
        ({12: 8}, 2),
        ({-4: 8, 12: 4}, 1),
        ({-4: 20, 12: 4}, 6),
        ({-4: 20, 12: 8}, 5),
        ({-4: 20, 12: 15}, 6),
    ]  # without a baseline; baseline 8, in remission; remission; 60 % better; 25 % better
    made = [scores for scores, n in rows for _ in range(n)]
    load_cohort(
        {f"c{n}": Row(about="case 37", start="2027-03-01", phq9=scores, facts=known) for n, scores in enumerate(made)}
    )
    found = figures()
    assert counts(found["response"]) == (11, 17)
    assert counts(found["remission"]) == (6, 17)
    assert counts(found["remission-all"]) == (7, 18)
    said = [percent_words(found[key].value) for key in ("response", "remission", "remission-all") if found[key].value]
    assert said == ["64.7 %", "35.3 %", "38.9 %"]
    assert found["response"].missing == (Missing("no baseline", 2), Missing("baseline too low: not evaluable", 1))
    assert [rounded(one) for one in (found["response"].low, found["response"].high) if one] == ["41.3", "82.7"]


# -- staying well ------------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("cohort")
def test_how_long_the_24_responses_held() -> None:
    """By days: 1 ×11, 2 ×2, 14 ×2, 18, 21, 21 lost, 28, 29, 31, 32, 40 lost, 49 lost; all others still held then.

    Day 21: 8 at risk, S = 7/8. Day 40: 2 at risk, S = 7/16. Day 49: 0. The median is day 40.
    """
    report = outcomes.build(EVER, NOW)
    found = {one.key: one for one in report.figures()}
    assert (found["held-median"].value, found["held-median"].denominator) == (Decimal(40), 24)
    held = found["held-28"]
    assert held.value is not None
    assert (rounded(held.value, 2), held.words) == ("87.5", "6 of 24 responders followed so long")
    assert (found["held-56"].value, found["held-56"].is_few) == (None, True)
    steps = {row[0]: row for row in table(report, "durability").rows}
    assert [(day, rounded(steps[day][1], 2), steps[day][4]) for day in (0, 14, 21, 28, 40, 49)] == [
        (0, "100", 24),
        (14, "100", 11),
        (21, "87.5", 8),
        (28, "87.5", 6),
        (40, "43.75", 2),
        (49, "0", 1),
    ]


@pytest.mark.usefixtures("cohort")
def test_following_may_end_with_the_first_infusion_of_maintenance() -> None:
    """36 leaves on day 7 instead of day 21: 7 at risk on day 21, S = 6/7."""
    held = figures(replace(EVER, censor="maintenance"))["held-28"]
    assert held.value is not None
    assert rounded(held.value, 2) == "85.71"
    assert "first infusion of maintenance" in held.definition


# -- small groups, terms, publications ---------------------------------------------------------------------------------
def test_of_four_courses_nothing_is_read() -> None:
    load_cohort(only("01", "02", "03", "05"))
    found = figures()
    assert (found["response"].value, found["response"].numerator, found["response"].low) == (None, None, None)
    assert found["response"].words == "n = 4: too few to give a share"
    assert found["held-28"].is_few
    assert not [item for item in outcomes.build(EVER, NOW).sections[3].items if isinstance(item, Chart)]


def test_an_empty_clinic_has_nothing_to_count() -> None:
    report = outcomes.build(EVER, NOW)
    assert {one.value for one in report.figures()} == {None, Decimal(0)}
    assert list(report.tables()) == []


def test_several_versions_of_the_terms_are_said(cohort: Cohort) -> None:
    OutcomeDefinition.objects.create(
        number=1, response_percent=60, reason="Stricter", created_at=NOW, created_by=cohort.clinic.clinician
    )
    CourseResult.objects.filter(course=cohort.courses["02"]).update(terms_number=1)
    response = figures()["response"]
    assert response.source == "Outcome terms, shipped and version 1"
    assert "at least 50 % (shipped) or 60 % (version 1) below the baseline" in response.definition


@pytest.mark.usefixtures("cohort")
def test_published_figures_are_those_of_the_condition_and_never_one_alone() -> None:
    depression = figures(replace(EVER, indication="trd"))["response"].references
    assert {one.study for one in depression} >= {"McInnes 2022", "ELEKT-D 2023", "MGH chart review 2020"}
    assert all(one.setting and one.n and one.scale and one.time_point and one.citation for one in depression)
    trauma = figures(replace(EVER, indication="ptsd"))["response"].references
    assert {one.study for one in trauma} == {"Feder 2021"}
    assert figures(replace(EVER, indication="pain"))["response"].references == ()


# -- filters -----------------------------------------------------------------------------------------------------------
CHOSEN: tuple[tuple[dict[str, object], int], ...] = (
    ({"indication": "ptsd"}, 1),  # 37
    ({"severity": "Mild"}, 2),  # 07, 30
    ({"severity": "none"}, 3),  # 08 and 09 without a baseline, 37 by a scale without bands
    ({"dose": "45-55"}, 2),  # 01, 04
    ({"dose": "55-75"}, 1),  # 02 with 0.55: the lower bound belongs to its band
    ({"dose": "none"}, 37),
    ({"failures": "2"}, 1),  # 01
    ({"referrer": "Dr. Lena Fischer"}, 2),  # 01, 02
    ({"referrer": "none"}, 38),
    ({"referrer": "' OR 1=1"}, 0),
    ({"since": date(2027, 12, 1)}, 1),  # 06
    ({"since": date(2027, 12, 13), "until": date(2027, 12, 13)}, 1),  # both days are included
    ({"since": date(2027, 12, 14)}, 0),
    ({"until": date(2027, 1, 4)}, 1),  # 01
)


@pytest.mark.usefixtures("cohort")
def test_each_filter_chooses_its_courses() -> None:
    for chosen, n in CHOSEN:
        assert results(replace(EVER, **chosen)).count() == n, chosen


def test_location_clinician_and_protocol_choose_too(cohort: Cohort) -> None:
    assert results(replace(EVER, location=cohort.places["Harbour"].pk)).count() == 4  # 13 to 16
    assert results(replace(EVER, prescriber=cohort.prescribers["Osei"].pk)).count() == 4
    assert results(replace(EVER, protocol=cohort.versions["IV-KIT"].protocol_id)).count() == 2  # 39, 40
    assert results(replace(EVER, location=987_654)).count() == 0


def test_a_course_belongs_to_its_local_day(cohort: Cohort) -> None:
    """13 at Harbour (Los Angeles) began on Mon 19 April at 10:00 there: that is its day, wherever one looks from."""
    on_that_day = replace(EVER, since=date(2027, 4, 19), until=date(2027, 4, 19))
    assert [row.course_id for row in results(on_that_day)] == [cohort.courses["13"].pk]


# -- tables ------------------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("cohort")
def test_the_table_by_location() -> None:
    """Harbour: 13 to 16, of whom 14 has no score; three evaluable, all responders: too few. Downtown: 21 of 28."""
    rows = {row[0]: row[1:] for row in table(outcomes.build(EVER, NOW), "by-location").rows}
    assert rows["Harbour"] == (4, "n = 4: too few", 3, "n = 3: too few", None, None, "n = 3: too few")
    downtown = rows["Downtown"]
    assert downtown[:3] == (36, Decimal(29) / Decimal(34) * 100, 28)  # 33 − 4 completed of 38 − 4
    assert downtown[3] == Decimal(75)
    assert [rounded(one) for one in downtown[4:6]] == ["56.6", "87.3"]
    assert downtown[6] == Decimal(2) / Decimal(27) * 100  # 01 and 38; the PCL-5 has no remission


@pytest.mark.usefixtures("cohort")
def test_every_split_has_all_forty() -> None:
    report = outcomes.build(EVER, NOW)
    found = [one for one in report.tables() if one.key.startswith("by-")]
    assert {one.key for one in found} == {
        *("by-protocol", "by-indication", "by-severity", "by-dose", "by-failures", "by-prescriber", "by-location"),
        *("by-referrer", "by-period"),
    }
    assert {one.key: sum(int(row[1]) for row in one.rows) for one in found} == {one.key: 40 for one in found}
    by_period = table(report, "by-period")
    assert [row[0] for row in by_period.rows] == [f"Quarter {n} of 2027" for n in (1, 2, 3, 4)]


# -- lists -------------------------------------------------------------------------------------------------------------
def test_the_list_behind_response_says_what_each_course_counts_as(cohort: Cohort) -> None:
    found = dict(keys_of(cohort, "response"))
    assert len(found) == 40
    assert [key for key, part in sorted(found.items()) if part == "No"] == ["03", "04", "05", "12", "21", "23", "24"]
    assert sum(part == "Yes" for part in found.values()) == 24
    assert (found["08"], found["07"]) == ("Left out: no baseline", "Left out: baseline too low: not evaluable")
    assert (found["39"], found["22"]) == (
        "Left out: no score after the last infusion",
        "Left out: series still running",
    )


def test_every_figure_and_every_row_opens_as_many_as_it_counts(cohort: Cohort) -> None:
    """The list of a share holds its denominator and whom it leaves out; that of a row its courses."""
    report = outcomes.build(EVER, NOW)
    for one in report.figures():
        listed = outcomes.KIND.listed(one.key, EVER)
        if one.numerator is not None and one.key != "adherence":
            assert listed.total == (one.denominator or 0) + sum(left.n for left in one.missing), one.key
            yes = [part for _, part in keys_of(cohort, one.key) if part == "Yes"]
            assert len(yes) == one.numerator, one.key
        assert listed.total == len(listed.rows[:100]), one.key
    for split in report.tables():
        column = 2 if split.key == "lost" else 1
        for row, key in zip(split.rows, split.row_lists, strict=False):
            assert outcomes.KIND.listed(key, EVER).total == row[column], key


@pytest.mark.usefixtures("cohort")
def test_a_list_that_is_not_there_is_said_to_be_so() -> None:
    for key in ("nothing", "reached-9", "by-nothing-1", "by-location-77", "by-referrer-abcdef"):
        with pytest.raises(NoSuchListError):
            outcomes.KIND.listed(key, EVER)


def test_no_list_has_a_name_in_it(cohort: Cohort) -> None:
    people = {course.patient.family_name for course in cohort.courses.values()}
    for key in ("response", "held-28", "adherence", "started", "by-referrer-none"):
        for row in outcomes.KIND.listed(key, EVER).rows[:100]:
            assert people.isdisjoint(str(cell) for cell in row.cells)


# -- comparing ---------------------------------------------------------------------------------------------------------
def test_the_figures_of_a_second_group_are_those_of_its_own_page(cohort: Cohort) -> None:
    harbour = replace(EVER, location=cohort.places["Harbour"].pk)
    compared = outcomes.build(replace(EVER, compare=harbour), NOW)
    assert compared.others == figures(harbour)
    assert {one.key: one for one in compared.figures()} == figures()
    assert compared.compared_with == "Harbour · all time"
