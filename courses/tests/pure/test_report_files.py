"""Reports as files, read back as a stranger's program would: to the last digit, and no formula in them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from courses.adapters.report_files import Rows, csv_lines, report_csv, report_xlsx, rows_xlsx, sheet_name
from courses.pure.reports.contents import Column, Report, Section, Table
from courses.tests.report_kit import AS_OF, BY_PROTOCOL, COMPARED, EMPTY, NASTY, REPORT, RESPONSE


def read_csv(report: Report) -> list[dict[str, str]]:
    text = report_csv(report)
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def read_xlsx(content: bytes) -> Any:
    return openpyxl.load_workbook(io.BytesIO(content))


def rows(book: Any, sheet: str) -> list[tuple[Any, ...]]:
    return list(book[sheet].iter_rows(values_only=True))


# -- CSV ---------------------------------------------------------------------------------------------------------------
def test_csv_gives_every_figure_back_to_the_last_digit() -> None:
    found = {row["key"]: row for row in read_csv(REPORT) if row["line"] == "figure"}
    for figure in REPORT.figures():
        row = found[figure.key]
        for name in ("value", "low", "high", "numerator", "denominator"):
            was = getattr(figure, name)
            assert (row[name] == "") == (was is None), (figure.key, name)
            assert was is None or Decimal(row[name]) == was
    assert found["change"]["value"] == "-7.5"  # a negative number is a number and no formula
    assert found["response"]["missing"] == "no baseline 2, no score at the end 1"


def test_csv_gives_every_cell_of_every_table_back() -> None:
    lines = [row for row in read_csv(REPORT) if row["line"] == "table"]
    for table in REPORT.tables():
        cells = [row for row in lines if row["key"] == table.key]
        said = [row["value"] or row["text"].removeprefix("'") for row in cells]
        expected = ["" if cell is None else str(cell) for row in table.rows for cell in row]
        assert said == expected, table.key


@pytest.mark.parametrize("nasty", ["=1+1", "+1", "-1 week", "@SUM(A1)", "\tx", "\rx", " =1"])
def test_no_text_of_a_csv_is_run(nasty: str) -> None:
    """OWASP, CSV Injection: cells that begin with one of these are run by a spreadsheet."""
    report = replace(REPORT, about=nasty, sections=(Section("s", nasty, (replace(RESPONSE, title=nasty),)),))
    for row in read_csv(report):
        for cell in row.values():
            assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r")), cell
        assert row["title"] == f"'{nasty}"


def test_csv_of_nothing_is_its_head() -> None:
    assert read_csv(EMPTY) == []
    assert report_csv(EMPTY).startswith("\ufeffreport,section,line,key,title,")


def test_lines_are_made_one_after_the_other() -> None:
    """A file of 20,000 rows is sent while it is read: nothing is taken before it is asked for."""
    taken: list[int] = []

    def endless() -> Any:
        for number in range(10**9):
            taken.append(number)
            yield (number, None)

    lines = csv_lines(("a", "b"), endless())
    assert [next(lines), next(lines), next(lines)] == ["\ufeffa,b\r\n", "0,\r\n", "1,\r\n"]
    assert len(taken) == 2


# -- XLSX --------------------------------------------------------------------------------------------------------------
def test_xlsx_gives_every_figure_back_as_a_number() -> None:
    found = rows(read_xlsx(report_xlsx(COMPARED)), "Figures")
    assert found[2][:9] == (
        *("Section", "Figure", "Group", "Value", "Unit", "Low (95 %)", "High (95 %)", "Numerator", "Denominator"),
    )
    by_key = {(row[13], row[2][:6]): row for row in found[3:]}
    for figure in REPORT.figures():
        row = by_key[figure.key, "Brookl"]
        expected = (figure.value, figure.low, figure.high, figure.numerator, figure.denominator)
        assert [row[at] for at in (3, 5, 6, 7, 8)] == [None if one is None else float(one) for one in expected]
        assert all(one is None or isinstance(one, int | float) for one in (row[3], row[5], row[6], row[7], row[8]))
    assert by_key["response", "Queens"][3] == 40
    assert by_key["response", "Brookl"][3] == 64.70588235294117  # 11 of 17
    assert by_key["response", "Brookl"][9] == "no baseline 2, no score at the end 1"
    assert by_key["remission", "Brookl"][10] == "n = 3: too few to give a share"


def test_xlsx_has_a_sheet_for_each_table_with_units_definition_and_a_frozen_head() -> None:
    book = read_xlsx(report_xlsx(REPORT))
    assert book.sheetnames[:3] == ["About", "Figures", "Published"]
    assert len(book.sheetnames) == 3 + len(list(REPORT.tables()))
    for sheet, table in zip(book.sheetnames[3:], REPORT.tables(), strict=True):
        found = rows(book, sheet)
        assert found[0][0] == table.title
        assert table.definition in found[1][0]
        assert f"Source: {table.source}." in found[1][0]
        assert [cell for cell in found[2] if cell] == [
            f"{column.title} ({column.unit.value})" if column.unit.value else column.title for column in table.columns
        ]
        assert book[sheet].freeze_panes == "B4"
        expected = [tuple(float(cell) if isinstance(cell, Decimal) else cell for cell in row) for row in table.rows]
        got = [
            tuple(
                cell.date() if isinstance(cell, datetime) else cell.removeprefix("'") if isinstance(cell, str) else cell
                for cell in row
            )
            for row in found[3:]
        ]
        assert got == expected, table.key


def test_xlsx_says_on_its_first_sheet_what_is_in_it_and_as_of_when() -> None:
    facts = {row[0]: row[1] for row in rows(read_xlsx(report_xlsx(COMPARED)), "About") if row and row[0]}
    assert "Outcomes" in facts
    assert facts["Filters"] == "Brooklyn · started 1 Jan 2027 to 31 Mar 2027"
    assert facts["Compared with"] == "Queens · started 1 Jan 2027 to 31 Mar 2027"
    assert facts["As of"] == AS_OF.isoformat()


def test_a_published_number_stands_with_setting_n_scale_and_time() -> None:
    found = rows(read_xlsx(report_xlsx(REPORT)), "Published")
    assert found[3][:8] == (
        *("Response", "McInnes 2022", 53.6, "178 clinics", "n = 537", "PHQ-9"),
        *("14 to 31 days after 4 to 8 infusions", "McInnes LA et al. J Affect Disord 2022;301:486-495"),
    )


def test_no_cell_of_an_xlsx_is_a_formula_and_dates_are_dates() -> None:
    book = read_xlsx(report_xlsx(REPORT))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s", "n", "d"}
    assert f"'{NASTY}" in {cell.value for cell in cells}
    (day,) = [cell for cell in cells if cell.data_type == "d"]
    assert (day.value, day.number_format) == (datetime(2027, 1, 4), "yyyy-mm-dd")


def test_a_letter_that_no_spreadsheet_knows_does_not_stop_the_file() -> None:
    odd = replace(BY_PROTOCOL, rows=(("a\x00b\x1f" + "x" * 40_000, None, 1, None),))
    book = read_xlsx(report_xlsx(replace(REPORT, sections=(Section("s", "S", (odd,)),))))
    value = book[book.sheetnames[1]]["A4"].value
    assert value.startswith("abxxx")
    assert len(value) == 32_767


def test_sheets_have_names_that_excel_takes_each_once() -> None:
    names: set[str] = set()
    assert sheet_name("Response by protocol [end]: 2027/1 and more", names) == "Response by protocol end 2027 1"
    again = sheet_name("Response by protocol [end]: 2027/1 and more", names)
    assert again == "Response by protocol end 20 2"
    assert len(again) <= 31
    assert sheet_name("???", names) == "Table"


def test_a_workbook_of_nothing_still_says_what_it_is() -> None:
    assert read_xlsx(report_xlsx(EMPTY)).sheetnames == ["About"]


def test_a_plain_workbook_has_its_head_first_so_that_programs_read_it() -> None:
    content = rows_xlsx(
        "Data", [("Rows", 2)], [Rows("Data", ("key", "=x"), iter([("a", Decimal("1.5")), ("b", None)]))]
    )
    book = read_xlsx(content)
    assert rows(book, "Data") == [("key", "'=x"), ("a", 1.5), ("b", None)]
    assert book["Data"].freeze_panes == "B2"


def test_a_table_without_rows_has_its_head() -> None:
    table = Table(key="t", title="T", definition="D.", source="S", columns=(Column("a", "A"),), rows=())
    book = read_xlsx(report_xlsx(replace(EMPTY, sections=(Section("s", "S", (table,)),))))
    assert rows(book, "T")[2] == ("A",)
