"""Reports and tables of data as CSV and XLSX. No text in them is run as a formula, and no number is a text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from clinic.pure.cells import safe_cell
from courses.pure.reports.contents import Cell, Kind, Report, Table
from courses.pure.reports.tidy import HEAD, Line, lines_of, published, said

BYTE_ORDER_MARK = "\ufeff"
"""It tells Excel that the file is UTF-8."""
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV = "text/csv; charset=utf-8"
DAY = "yyyy-mm-dd"
BOLD, SOFT, WRAPPED = Font(bold=True), Font(italic=True), Alignment(wrap_text=True, vertical="top")
HEAD_FILL = PatternFill("solid", fgColor="FFE3EFEE")
NAME_CHARS, LONGEST = 31, 32_767
"""Excel's limits: of a sheet's name, of a cell's text."""
NARROW, WIDE, DATES = 9, 60, 12


@dataclass(frozen=True, slots=True)
class Rows:
    """A plain table of a workbook: the name of its sheet, its head, and its rows, which may still be read."""

    name: str
    head: Sequence[str]
    rows: Iterable[Sequence[Cell]]
    widths: Sequence[int] = ()


# -- CSV ---------------------------------------------------------------------------------------------------------------
def csv_lines(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """The lines of a CSV file one after the other, so that a long one is sent while it is read."""
    yield BYTE_ORDER_MARK + _csv_line(head)
    for row in rows:
        yield _csv_line(row)


def report_csv(report: Report) -> str:
    """The report as one long tidy table: ``courses.pure.reports.tidy`` says what a line is."""
    return "".join(csv_lines(HEAD, (line.cells() for line in lines_of(report))))


def _csv_line(row: Sequence[Cell]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([safe_cell(cell) if isinstance(cell, str) else said(cell) for cell in row])
    return buffer.getvalue()


# -- XLSX --------------------------------------------------------------------------------------------------------------
def report_xlsx(report: Report) -> bytes:
    """The report as a workbook: about it, its figures, published numbers, and a sheet for each table."""
    book = Workbook(write_only=True)
    names: set[str] = set()
    lines = list(lines_of(report))
    _put_about(book, report, names)
    figures = [line for line in lines if line.line == "figure"]
    if figures:
        _put_figures(book, report, figures, names)
    if any(line.line == "published" for line in lines):
        _put_published(book, report, names)
    for table in report.tables():
        _put_table(book, table, names)
    return _saved(book)


def rows_xlsx(title: str, about: Sequence[tuple[str, Cell]], sheets: Sequence[Rows]) -> bytes:
    """A workbook of plain tables, head in the first row, after a sheet that says what they are."""
    book = Workbook(write_only=True)
    names: set[str] = set()
    _put_facts(_sheet(book, "About", names, widths=(24, WIDE)), title, about)
    for one in sheets:
        sheet = _sheet(book, one.name, names, widths=one.widths or [_width(word) for word in one.head], frozen="B2")
        sheet.append([_head(sheet, word) for word in one.head])
    return _with_rows(_saved(book), {f"xl/worksheets/sheet{number}.xml": one for number, one in enumerate(sheets, 2)})


def _with_rows(content: bytes, sheets: Mapping[str, Rows]) -> bytes:
    """The workbook with the rows below the heads. A million cells as objects would take half a minute."""
    buffer = io.BytesIO()
    with ZipFile(io.BytesIO(content)) as given, ZipFile(buffer, "w", ZIP_DEFLATED) as made:
        for item in given.infolist():
            whole = given.read(item)
            if item.filename not in sheets:
                made.writestr(item, whole, ZIP_DEFLATED)
                continue
            before, end, after = whole.partition(b"</sheetData>")
            with made.open(item.filename, "w") as part:
                part.write(before)
                for row in sheets[item.filename].rows:
                    part.write(f"<row>{''.join(map(_cell_xml, row))}</row>".encode())
                part.write(end + after)
    return buffer.getvalue()


def _cell_xml(value: Cell) -> str:
    """A cell as the format has it; a text is text, whatever it begins with."""
    if value is None or value == "":
        return "<c/>"
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(_plain(value))}</t></is></c>'
    if isinstance(value, date):
        return f'<c t="inlineStr"><is><t>{value.isoformat()}</t></is></c>'
    return f"<c><v>{said(value)}</v></c>"


def _put_about(book: Workbook, report: Report, names: set[str]) -> None:
    sheet = _sheet(book, "About", names, widths=(24, WIDE))
    facts: list[tuple[str, Cell]] = [("Filters", report.about), ("As of", report.as_of.isoformat())]
    if report.compared_with:
        facts.append(("Compared with", report.compared_with))
    facts += [(f"Section: {section.title}", section.about) for section in report.sections]
    facts.append(("Missing values", "An empty cell is not known, which is not 0."))
    facts.append(("Percent", "Shares are numbers from 0 to 100, unrounded; intervals are 95 % (Wilson)."))
    _put_facts(sheet, report.title, facts)


def _put_facts(sheet: WriteOnlyWorksheet, title: str, facts: Iterable[tuple[str, Cell]]) -> None:
    sheet.append([_cell(sheet, title, font=Font(bold=True, size=14))])
    sheet.append([])
    for label, fact in facts:
        sheet.append([_cell(sheet, label, font=BOLD), _cell(sheet, fact, is_wrapped=True)])


FIGURE_HEAD = (
    *("Section", "Figure", "Group", "Value", "Unit", "Low (95 %)", "High (95 %)", "Numerator", "Denominator"),
    *("Missing", "In words", "Definition", "Source", "Key"),
)


def _put_figures(book: Workbook, report: Report, figures: Sequence[Line], names: set[str]) -> None:
    widths = (22, 34, 24, 12, 9, 12, 12, 12, 13, 28, 30, WIDE, 30, 18)
    sheet = _sheet(book, "Figures", names, widths=widths, frozen="C4")
    _put_head(sheet, "Figures", report.about, FIGURE_HEAD)
    for one in figures:
        row: tuple[Cell, ...] = (
            *(one.section, one.title, one.filters, one.value, one.unit, one.low, one.high),
            *(one.numerator, one.denominator, one.missing, one.text, one.definition, one.source, one.key),
        )
        sheet.append([_cell(sheet, cell, is_wrapped=isinstance(cell, str)) for cell in row])


PUBLISHED_HEAD = ("Figure", "Study", "Value", "Setting", "n", "Scale", "Time point", "Source", "Key")


def _put_published(book: Workbook, report: Report, names: set[str]) -> None:
    sheet = _sheet(book, "Published", names, widths=(34, 26, 10, 26, 14, 14, 26, WIDE, 18), frozen="C4")
    why = "Numbers of other settings, patients and time points: for orientation, not a target."
    _put_head(sheet, "Published numbers", why, PUBLISHED_HEAD)
    for title, key, one in published(report):
        row = (title, one.study, one.value, one.setting, one.n, one.scale, one.time_point, one.citation, key)
        sheet.append([_cell(sheet, cell, is_wrapped=isinstance(cell, str)) for cell in row])


def _put_table(book: Workbook, table: Table, names: set[str]) -> None:
    """Title, definition and note stand above the frozen head; below it are the rows and nothing else."""
    widths = [
        max(_width(column.title), DATES if column.kind == Kind.DATE else NARROW, _widest(table, at))
        for at, column in enumerate(table.columns)
    ]
    sheet = _sheet(book, table.title, names, widths=widths, frozen="B4")
    head = [f"{column.title} ({column.unit})" if column.unit else column.title for column in table.columns]
    about = " ".join(part for part in (table.definition, table.note, f"Source: {table.source}.") if part)
    _put_head(sheet, table.title, about, head)
    for row in table.rows:
        sheet.append([_cell(sheet, cell) for cell in row])


def _put_head(sheet: WriteOnlyWorksheet, title: str, about: str, head: Sequence[str]) -> None:
    """Three rows: the title, what it is, the names of the columns."""
    sheet.append([_cell(sheet, title, font=BOLD)])
    sheet.append([_cell(sheet, about, font=SOFT)])
    sheet.append([_head(sheet, word) for word in head])


def _widest(table: Table, at: int) -> int:
    return min(WIDE, max((len(said(row[at])) + 2 for row in table.rows if isinstance(row[at], str)), default=0))


def _sheet(
    book: Workbook, title: str, names: set[str], *, widths: Sequence[int], frozen: str | None = None
) -> WriteOnlyWorksheet:
    sheet = book.create_sheet(sheet_name(title, names))
    assert isinstance(sheet, WriteOnlyWorksheet)  # noqa: S101 - of a write-only workbook
    for number, width in enumerate(widths, start=1):
        sheet.column_dimensions[get_column_letter(number)].width = width
    sheet.freeze_panes = frozen
    return sheet


def sheet_name(title: str, names: set[str]) -> str:
    """A name that Excel takes and that no other sheet has; it is put into ``names``."""
    plain = " ".join("".join(" " if one in r"[]:*?/\'" else one for one in title).split()) or "Table"
    name, number = plain[:NAME_CHARS], 1
    while name.lower() in names:
        number += 1
        name = f"{plain[: NAME_CHARS - 4]} {number}"
    names.add(name.lower())
    return name


def _width(word: str) -> int:
    return min(WIDE, max(NARROW, len(word) + 2))


def _head(sheet: WriteOnlyWorksheet, word: str) -> WriteOnlyCell:
    cell = _text(sheet, word)
    cell.font, cell.fill, cell.alignment = BOLD, HEAD_FILL, WRAPPED
    return cell


def _cell(sheet: WriteOnlyWorksheet, value: Cell, *, font: Font | None = None, is_wrapped: bool = False) -> object:
    """A number, a date, nothing, or a text that stays one; a bare value where that says it, which is much faster."""
    if font is None and not is_wrapped and (value is None or isinstance(value, int | Decimal)):
        return value
    if isinstance(value, str):
        value = _plain(value)
        if font is None and not is_wrapped and not value.startswith("#"):
            return value
        cell = _text(sheet, value)
    else:
        cell = WriteOnlyCell(sheet, value)
    if isinstance(value, date):
        cell.number_format = DAY
    if font is not None:
        cell.font = font
    if is_wrapped:
        cell.alignment = WRAPPED
    return cell


def _plain(words: str) -> str:
    """Text that a workbook takes and that nobody runs: what would begin a formula has an apostrophe before it."""
    return safe_cell(ILLEGAL_CHARACTERS_RE.sub("", words))[:LONGEST]


def _text(sheet: WriteOnlyWorksheet, words: str) -> WriteOnlyCell:
    """A formula would be made of "=1+1" and an error of "#N/A"; here each stays the text it is."""
    cell = WriteOnlyCell(sheet, _plain(words))
    cell.data_type = "s"
    return cell


def _saved(book: Workbook) -> bytes:
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()
