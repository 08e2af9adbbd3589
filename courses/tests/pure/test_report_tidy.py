"""A report as lines: every figure, published number and cell once, with all that makes it readable alone."""

from __future__ import annotations

from decimal import Decimal

from courses.pure.reports.tidy import HEAD, lines_of
from courses.tests.report_kit import AS_OF, COMPARED, EMPTY, NASTY, REPORT


def test_a_figure_is_one_line_with_all_that_it_rests_on() -> None:
    line = next(iter(lines_of(REPORT)))
    assert dict(zip(HEAD, line.cells(), strict=True)) == {
        "report": "Outcomes", "section": "In short", "line": "figure", "key": "response", "title": "Response",
        "row": None, "row_name": "", "column": "", "unit": "%", "value": Decimal("64.70588235294117647058823529"),
        "text": "", "low": Decimal("41.301245"), "high": Decimal("82.691234"), "numerator": 11, "denominator": 17,
        "missing": "no baseline 2, no score at the end 1",
        "definition": "At least 50 % below the baseline at the end of the series.",
        "source": "Outcome terms, version 2", "filters": "Brooklyn · started 1 Jan 2027 to 31 Mar 2027",
        "as_of": "2027-04-01T13:05:09+00:00",
    }  # fmt: skip


def test_a_published_number_names_its_study_setting_and_time_and_none_of_our_filters() -> None:
    found = [line for line in lines_of(REPORT) if line.line == "published"]
    assert [(line.key, line.row_name, line.value) for line in found] == [
        ("response", "McInnes 2022", Decimal("53.6")),
        ("durability", "McInnes 2022", Decimal("53.6")),
    ]
    assert found[0].text == "178 clinics; n = 537; PHQ-9; 14 to 31 days after 4 to 8 infusions"
    assert {(line.filters, line.as_of) for line in found} == {("", "")}


def test_each_cell_of_a_table_is_a_line_with_its_row_and_column() -> None:
    found = [line for line in lines_of(REPORT) if line.key == "by-protocol"]
    assert [(line.row, line.row_name, line.column, line.unit, line.value, line.text) for line in found] == [
        (1, NASTY, "Protocol", "", None, NASTY),
        (1, NASTY, "Used since", "", None, "2027-01-04"),
        (1, NASTY, "Courses", "", 12, ""),
        (1, NASTY, "Response", "%", Decimal("66.666667"), ""),
        (2, "-4 weeks, twice", "Protocol", "", None, "-4 weeks, twice"),
        (2, "-4 weeks, twice", "Used since", "", None, ""),
        (2, "-4 weeks, twice", "Courses", "", 5, ""),
        (2, "-4 weeks, twice", "Response", "%", None, ""),
    ]


def test_too_few_have_no_value_and_the_words_why() -> None:
    line = next(one for one in lines_of(REPORT) if one.key == "remission")
    assert (line.value, line.low, line.high, line.numerator, line.denominator) == (None, None, None, None, 3)
    assert line.text == "n = 3: too few to give a share"


def test_the_second_group_follows_the_first_under_its_own_filters() -> None:
    found = [line for line in lines_of(COMPARED) if line.key == "response" and line.line == "figure"]
    assert [(line.filters[:6], line.value, line.numerator, line.denominator) for line in found] == [
        ("Brookl", Decimal("64.70588235294117647058823529"), 11, 17),
        ("Queens", Decimal(40), 4, 10),
    ]


def test_figures_and_cells_have_their_moment_and_nothing_is_nothing() -> None:
    lines = list(lines_of(REPORT))
    # 3 figures, 2 published; cells: 4x3 funnel, 2x4 protocols, 3x4 ends, 3x3 months, 5x5 survival, 3x4 effects, 3x10 heat
    assert len(lines) == 3 + 2 + 12 + 8 + 12 + 9 + 25 + 12 + 30
    assert {line.as_of for line in lines if line.line != "published"} == {AS_OF.isoformat()}
    assert list(lines_of(EMPTY)) == []
