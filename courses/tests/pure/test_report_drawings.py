"""Where the marks of charts on paper lie, reckoned by hand, and what the page says in words."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from courses.pure.reports.contents import Chart, Column, Drawing, Kind, Section, Table, Unit
from courses.pure.reports.drawings import Bars, Curve, Heat, Lines, Stack, drawn, number_words, scale_up_to
from courses.pure.reports.paper import as_data, interval_words
from courses.tests.report_kit import (
    BARS,
    COMPARED,
    EMPTY,
    FUNNEL,
    HEAT,
    LINE,
    P20,
    REPORT,
    RESPONSE,
    STACK,
    SURVIVAL,
)


@pytest.mark.parametrize(
    ("most", "unit", "steps"),
    [
        ("8", Unit.COUNT, (0, 2, 4, 6, 8)),
        ("9", Unit.COUNT, (0, 3, 6, 9)),  # a step of 2.5 courses would be no course
        ("1", Unit.COUNT, (0, 1)),
        ("0", Unit.COUNT, (0, 1)),
        ("83", Unit.DAYS, (0, 25, 50, 75, 100)),
        ("75", Unit.DAYS, (0, 20, 40, 60, 80)),
        ("53", Unit.PERCENT, (0, 25, 50, 75, 100)),
        ("12", Unit.PERCENT, (0, 5, 10, 15)),
        ("1234", Unit.COUNT, (0, 500, 1000, 1500)),
    ],
)
def test_a_scale_is_round_begins_at_nothing_and_holds_the_most(most: str, unit: Unit, steps: tuple[int, ...]) -> None:
    end, found = scale_up_to(Decimal(most), unit)
    assert found == steps
    assert end == steps[-1] >= Decimal(most)


def test_a_funnel_is_as_wide_as_its_first_step() -> None:
    """Of 20, 19 are 95 %, 17 are 85 %, 13 are 65 % of the width."""
    marks = drawn(Chart(table=FUNNEL, drawing=Drawing.FUNNEL))
    assert isinstance(marks, Bars)
    assert [(one.label, one.part, one.said) for one in marks.bars] == [
        ("Infusion 1", 1.0, "20 · 100.0 %"),
        ("Infusion 2", 0.95, "19 · 95.0 %"),
        ("Infusion 4", 0.85, "17 · 85.0 %"),
        ("Infusion 6", 0.65, "13 · 65.0 %"),
    ]


def test_bars_have_their_intervals_and_nothing_is_drawn_for_what_is_not_known() -> None:
    marks = drawn(Chart(table=BARS, drawing=Drawing.BARS))
    assert isinstance(marks, Bars)
    first, _, last = marks.bars
    assert (first.part, first.low, first.high) == (0.412, 0.3, 0.53)  # on a scale to 100 %
    assert (last.part, last.low, last.high, last.said) == (None, None, None, "nothing is said")
    assert marks.scale == ((0.0, "0 %"), (0.25, "25 %"), (0.5, "50 %"), (0.75, "75 %"), (1.0, "100 %"))


def test_a_stack_puts_its_parts_end_to_end() -> None:
    """8 courses are the most: 5 of them take 62.5 % of the width, 1 more 12.5 %, 2 more 25 %."""
    marks = drawn(Chart(table=STACK, drawing=Drawing.STACK))
    assert isinstance(marks, Stack)
    assert [(one.start, one.length, one.said) for one in marks.rows[0].pieces] == [
        (0.0, 0.625, "5"),
        (0.625, 0.125, "1"),
        (0.75, 0.25, "2"),
    ]
    assert [piece.column for piece in marks.rows[2].pieces] == [0, 2]  # no partial response: no piece
    assert [row.total for row in marks.rows] == ["8", "6", "3"]


def test_a_line_ends_where_nothing_is_known() -> None:
    marks = drawn(Chart(table=LINE, drawing=Drawing.LINE))
    assert isinstance(marks, Lines)
    begun, completed = marks.lines
    assert begun.runs == (((0.0, 0.3333), (0.5, 0.0), (1.0, 0.4444)),)  # 6, 9 and 5 of 9, from the top
    assert completed.runs == (((0.0, 0.5556), (0.5, 0.3333)),)
    assert [word for _, word in marks.across] == ["Jan 2027", "Feb 2027", "Mar 2027"]


def test_a_long_line_says_at_most_twelve_of_its_months() -> None:
    table = replace(LINE, rows=tuple((f"M{n}", n, n) for n in range(25)))
    marks = drawn(Chart(table=table, drawing=Drawing.LINE))
    assert isinstance(marks, Lines)
    assert [word for _, word in marks.across] == ["M0", "M3", "M6", "M9", "M12", "M15", "M18", "M21", "M24"]


def test_a_curve_falls_in_steps_and_its_band_ends_with_what_is_known() -> None:
    marks = drawn(Chart(table=SURVIVAL, drawing=Drawing.SURVIVAL))
    assert isinstance(marks, Curve)
    # Level at 100 % until day 14, straight down to 90.9 %, level until day 28; the scale ends at day 100.
    assert marks.steps[:4] == ((0.0, 0.0), (0.14, 0.0), (0.14, 0.0909), (0.28, 0.0909))
    assert marks.steps[-1] == (0.83, 0.4697)
    # The interval that holds from day 56 is drawn until day 83, where none is known: 78.2 above, 20.1 below.
    assert (0.83, 0.218) in marks.band
    assert (0.83, 0.799) in marks.band
    assert marks.band.index((0.83, 0.799)) > marks.band.index((0.83, 0.218))
    assert marks.at_risk == ((0.0, "11"), (0.14, "11"), (0.28, "9"), (0.56, "4"), (0.83, "2"))


def test_a_heat_map_is_as_dark_as_its_share_and_empty_where_it_was_shut() -> None:
    marks = drawn(Chart(table=HEAT, drawing=Drawing.HEAT))
    assert isinstance(marks, Heat)
    day, cells = marks.rows[0]
    assert day == "Mon"
    assert [(one.said, one.part) for one in cells[:3]] == [("10", 0.1), ("35", 0.35), ("80", 0.8)]
    assert {one.part for one in marks.rows[2][1]} == {None}


@pytest.mark.parametrize("drawing", list(Drawing))
def test_a_table_without_rows_is_no_drawing_and_rows_of_nothing_do_no_harm(drawing: Drawing) -> None:
    columns = (Column("a", "A"), *(Column(f"c{n}", f"C{n}", Kind.NUMBER, Unit.PERCENT) for n in range(4)))
    table = Table(key="t", title="T", definition="D.", source="S", columns=columns, rows=())
    assert drawn(Chart(table=table, drawing=drawing)) is None
    empty = replace(table, rows=(("x", None, None, None, None),) * 2)
    if drawing == Drawing.SURVIVAL:
        empty = replace(table, rows=((0, Decimal(100), None, None, 0),))
    assert drawn(Chart(table=empty, drawing=drawing)) is not None


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        ("64.70588", Unit.PERCENT, "64.7 %"),
        ("-7.5", Unit.POINTS, "\N{MINUS SIGN}7.5 points"),
        ("18", Unit.DAYS, "18 days"),
        ("0.25", Unit.MG_PER_KG, "0.3 mg/kg"),  # half up, one place as on the page
        ("40", Unit.COUNT, "40"),
    ],
)
def test_numbers_are_said_as_on_the_page(value: str, unit: Unit, said: str) -> None:
    assert number_words(Decimal(value), unit) == said


def test_counts_have_their_thousands_apart() -> None:
    assert number_words(20_000, Unit.COUNT) == "20,000"


def test_many_published_numbers_are_a_range_and_each_stands_at_the_end() -> None:
    others = tuple(replace(P20, value=Decimal(value), study=f"Study {value}") for value in (18, 45, 27))
    report = replace(EMPTY, sections=(Section("s", "S", (replace(RESPONSE, references=others),)),))
    data = as_data(report, clinic="", said_at="")
    (beside,) = data["sections"][0]["blocks"][0]["figures"][0]["published"]
    assert beside["value"] == "18.0 to 45.0 %"
    assert beside["words"] == "in 3 studies of other settings; each stands under 1 at the end"
    assert [value for value, _, _ in data["meant"][0]["published"]] == ["18.0 %", "45.0 %", "27.0 %"]


def test_an_end_of_an_interval_that_was_not_reached_is_said() -> None:
    assert interval_words(replace(RESPONSE, unit=Unit.DAYS, low=Decimal(28), high=None)) == (
        "95 % interval 28 to not reached"
    )


def test_figures_beside_each_other_say_value_denominator_interval_and_whom_they_leave_out() -> None:
    data = as_data(COMPARED, clinic="Brooklyn", said_at="Thu 1 Apr 2027, 09:05")
    response, few, change = data["sections"][0]["blocks"][0]["figures"]
    assert (response["value"], response["of"]) == ("64.7 %", "11 of 17")
    assert response["interval"] == "95 % interval 41.3 to 82.7 %"
    assert response["missing"] == "no baseline 2, no score at the end 1"
    assert (response["other"]["value"], response["other"]["of"]) == ("40.0 %", "4 of 10")
    assert (few["value"], few["of"], few["words"]) == ("\N{EN DASH}", "", "n = 3: too few to give a share")
    assert (change["value"], change["of"]) == ("\N{MINUS SIGN}7.5 points", "n = 17")


def test_everything_on_the_page_is_defined_at_its_end() -> None:
    data = as_data(REPORT, clinic="Brooklyn", said_at="")
    assert [one["mark"] for one in data["meant"]] == list(range(1, 11))
    assert {one["title"] for one in data["meant"]} >= {"Response", "Side effects", "Chair use by hour"}
    assert data["meant"][0]["published"] == (
        (
            "53.6 %",
            "McInnes 2022: 178 clinics; n = 537; PHQ-9; 14 to 31 days after 4 to 8 infusions",
            "McInnes LA et al. J Affect Disord 2022;301:486-495",
        ),
    )
    assert as_data(EMPTY, clinic="", said_at="")["meant"] == []
