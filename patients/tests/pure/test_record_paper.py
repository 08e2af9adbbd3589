"""Everything about one person on paper: a long history is short to read, and nothing of it is lost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.adapters.record_pdf import record_pdf
from patients.pure.record_paper import MOST_BLOCKS, MOST_COLUMNS, paper_of

WIDE = [f"fact_{number}" for number in range(MOST_COLUMNS + 3)]
VALUES = st.sampled_from(
    ["", "120", "75", "no", "A longer remark that does not fit into a cell of a table", None, True]
)


def part_of(rows: list[dict[str, Any]], fields: list[str] | None = None) -> dict[str, Any]:
    (part,) = paper(rows, fields)["parts"]
    return part


def paper(rows: list[dict[str, Any]], fields: list[str] | None = None) -> dict[str, Any]:
    labels = {name: name.replace("_", " ").capitalize() for name in fields or list(rows[0])}
    section = {"table": "courses.flowsheetrow", "title": "Flowsheet rows", "fields": labels, "rows": rows}
    head = {"clinic": "Maple", "patient": {"mrn": "1", "name": "Ada"}, "made_at": "2027-04-06T12:00:00+00:00"}
    return paper_of({**head, "notice": None, "left_out": {}, "sections": [section]}, zone="America/New_York")


def told(part: dict[str, Any]) -> list[dict[str, str]]:
    """What the paper says of each row, by label; nothing for what it does not say."""
    same = dict(part["same"])
    if part["is_table"]:
        return [
            {name: cell for name, cell in zip(part["head"], row, strict=True) if cell} | same for row in part["rows"]
        ]
    return [dict(row) | same for row in part["rows"]]


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(WIDE, VALUES)), min_size=1, max_size=2 * MOST_BLOCKS))
def test_every_fact_of_every_row_is_on_the_paper_in_whichever_shape(rows: list[dict[str, Any]]) -> None:
    said = {True: "yes", None: "", "": ""}
    expected = [
        {name.replace("_", " ").capitalize(): word for name, value in row.items() if (word := said.get(value, value))}
        for row in rows
    ]
    assert told(part_of(rows)) == expected


def test_what_all_rows_say_is_said_once_where_they_are_many() -> None:
    many = [{"systolic": str(number), "by": "Thomas Keller, RN"} for number in range(MOST_BLOCKS + 1)]
    assert part_of(many)["same"] == [["By", "Thomas Keller, RN"]]
    assert part_of(many)["head"] == ["Systolic"]
    assert part_of(many[:-1])["same"] == []
    assert part_of(many[:-1])["head"] == ["Systolic", "By"]


def test_many_rows_that_are_too_wide_for_a_table_are_lines_and_few_are_blocks() -> None:
    many = [{name: f"{name} of {number}" for name in WIDE} for number in range(MOST_BLOCKS + 1)]
    assert (part_of(many)["is_table"], part_of(many)["is_lines"]) == (False, True)
    assert (part_of(many[:-1])["is_table"], part_of(many[:-1])["is_lines"]) == (False, False)
    narrow = [dict.fromkeys(WIDE[:MOST_COLUMNS], f"{number}") for number in range(MOST_BLOCKS + 1)]
    assert (part_of(narrow)["is_table"], part_of(narrow)["is_lines"]) == (True, False)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"1": 3, "10": None, "flags": []}, "1: 3; 10: none; flags: none"),
        ([{"kind": "suggested"}, {"kind": "asked"}], "kind: suggested\nkind: asked"),
        (["phq9", "gad7"], "phq9, gad7"),
        ({"from": "2027-04-06T16:00:00+00:00", "to": "2027-04-06T18:30:00+00:00"}, "Apr 6, 2027, 12:00 to 14:30"),
        (
            {"from": "2027-04-06T16:00:00+00:00", "to": "2027-04-07T18:30:00+00:00"},
            "Apr 6, 2027, 12:00 to Apr 7, 2027, 14:30",
        ),
        ({"from": "2027-04-06", "to": "2027-04-07"}, "Apr 6, 2027 to Apr 7, 2027"),
        ({"from": "2027-04-06", "to": None}, "Apr 6, 2027 to "),
    ],
)
def test_a_value_is_said_in_words_and_not_as_data(value: Any, said: str) -> None:
    assert dict(part_of([{"detail": value}])["rows"][0])["Detail"] == said


def test_rows_that_say_all_the_same_are_a_paper_too() -> None:
    rows = [{"by": "Thomas Keller, RN"}] * (MOST_BLOCKS + 1)
    assert told(part_of(rows)) == [{"By": "Thomas Keller, RN"}] * len(rows)
    assert record_pdf(paper(rows), at=datetime(2027, 4, 6, 12, tzinfo=UTC)).startswith(b"%PDF")


def test_fifteen_hundred_looks_at_a_patient_are_no_book_and_keep_their_marks_for_a_screen_reader() -> None:
    """As blocks of facts they were 200 pages, and too many to be marked."""
    rows = [{name: str(number + place) for place, name in enumerate(WIDE)} for number in range(1500)]
    content = record_pdf(paper(rows), at=datetime(2027, 4, 6, 12, tzinfo=UTC))
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page\n") + content.count(b"/Type/Page\n") <= 80
    assert b"/StructTreeRoot" in content
