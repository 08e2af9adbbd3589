"""Reads a table from a CSV or XLSX file, whoever wrote it: the columns first, then one record after the other.

Nothing is kept in memory but the record being read. What cannot be read is refused with the line and what to do.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Any

from patients.adapters.encodings import LABELS, SAMPLE, detect_encoding

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
SNIFFED_RECORDS = 30
MAX_COLUMNS = 400
MAX_UNPACKED_BYTES = 1 << 30
"""An XLSX file is packed; one that unpacks to more than this is no list of patients."""
MAX_WORDS_BYTES = 100 << 20
"""The texts of a workbook stand in one part of it, and that part is read into memory as a whole."""
WORDS = "xl/sharedStrings.xml"
FOREIGN = (
    (b"\xd0\xcf\x11\xe0", "This is an Excel file of before 2007 (.xls). Save it as .xlsx or CSV and choose it again."),
    (b"%PDF", "This is a PDF. Export the list as CSV or XLSX and choose that."),
    (b"\x1f\x8b", "This file is packed (gzip). Unpack it and choose the table inside."),
)
XLSX_MAGIC = b"PK\x03\x04"


class UnreadableFileError(Exception):
    """The file is no table that can be imported; the message says where and what to do."""

    def __init__(self, message: str, *, line: int = 0) -> None:
        self.line = line
        super().__init__(f"Line {line}: {message}" if line else message)


@dataclass(frozen=True, slots=True)
class Shape:
    """How a file is written, and its columns in order."""

    encoding: str  # empty for XLSX
    delimiter: str
    columns: tuple[str, ...]
    header_line: int
    sheet: str = ""

    @property
    def words(self) -> str:
        """For people: "UTF-8, separated by comma"."""
        if not self.encoding:
            return f"Excel workbook, sheet “{self.sheet}”"
        delimiter = DELIMITERS.get(self.delimiter, self.delimiter)
        return f"{LABELS.get(self.encoding, self.encoding)}, separated by {delimiter}"


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a table. ``problem`` says why its cells cannot be told apart; then ``values`` is empty."""

    line: int  # where it begins, the first line of the file being 1
    values: tuple[str, ...]
    problem: str = ""


def look(path: Path, *, encoding: str = "", delimiter: str = "") -> Shape:
    """How the file is written; ``encoding`` and ``delimiter`` are used instead of what it looks like, where given.

    Raises:
        UnreadableFileError: for a file that is empty, no table, or whose header cannot be used.
    """
    with path.open("rb") as file:
        start = file.read(SAMPLE)
    if not start.strip():
        raise UnreadableFileError("The file is empty. Export the list again, with its header line.")
    for magic, message in FOREIGN:
        if start.startswith(magic):
            raise UnreadableFileError(message)
    if start.startswith(XLSX_MAGIC):
        return _workbook_shape(path)
    encoding = encoding or detect_encoding(path)
    if encoding.startswith("utf-8") and start.count(0) > len(start) // 10:
        raise UnreadableFileError("This is no text: it is full of zero bytes. Export the list as CSV or XLSX.")
    return _text_shape(path, encoding, delimiter)


def records(path: Path, shape: Shape) -> Iterator[Record]:
    """The records below the header, without blank ones.

    Raises:
        UnreadableFileError: when the file breaks off or its quotation marks do not match, with the line.
    """
    rows = _text_rows(path, shape.encoding, shape.delimiter) if shape.encoding else _workbook_rows(path, shape.sheet)
    wanted = len(shape.columns)
    for line, cells in rows:
        if line <= shape.header_line or not any(cell.strip() for cell in cells):
            continue
        while len(cells) > wanted and not cells[-1].strip():
            cells.pop()
        if len(cells) != wanted and not (not shape.encoding and len(cells) < wanted):
            yield Record(line, (), f"The row has {len(cells)} cells, the header has {wanted}. Is a delimiter missing?")
        else:
            yield Record(line, tuple(cells + [""] * (wanted - len(cells))))


def estimated_rows(path: Path, shape: Shape) -> int:
    """About how many rows there are, for showing progress: line ends are counted, nothing is parsed."""
    if not shape.encoding:
        return max(sum(1 for _ in _workbook_rows(path, shape.sheet)) - 1, 0)
    with path.open("rb") as file:
        return max(sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) - shape.header_line, 0)


def _header(rows: Iterator[tuple[int, list[str]]]) -> tuple[int, tuple[str, ...]]:
    line, cells = next(((line, cells) for line, cells in rows if any(cell.strip() for cell in cells)), (0, []))
    if not line:
        raise UnreadableFileError("The file has no header line. Export the list again, with the names of its columns.")
    while cells and not cells[-1].strip():
        cells.pop()
    names = [" ".join(cell.split())[:80] or f"(column {number})" for number, cell in enumerate(cells, start=1)]
    if len(names) > MAX_COLUMNS:
        raise UnreadableFileError(f"The header has {len(names)} columns; at most {MAX_COLUMNS} are read.", line=line)
    twice = next((name for name, count in Counter(name.casefold() for name in names).items() if count > 1), None)
    if twice:
        places = [number for number, name in enumerate(names, start=1) if name.casefold() == twice]
        raise UnreadableFileError(
            f"The column “{names[places[0] - 1]}” is there twice (columns {places[0]} and {places[1]}). Rename one.",
            line=line,
        )
    return line, tuple(names)


# --- text ----------------------------------------------------------------------------------------------------------


def _text_shape(path: Path, encoding: str, delimiter: str) -> Shape:
    try:
        with _opened(path, encoding) as file:
            sample = "".join(islice(file, 200))[:SAMPLE]
    except UnicodeError:
        raise UnreadableFileError(_not_in(encoding), line=1) from None
    told = sample[:6].casefold()
    skipped = told.startswith("sep=") and len(told) > 4  # noqa: PLR2004 (Excel's own first line, "sep=;")
    delimiter = delimiter or (sample[4] if skipped else _sniffed(sample))
    rows = _text_rows(path, encoding, delimiter)
    if skipped:
        next(rows, None)
    line, columns = _header(rows)
    return Shape(encoding, delimiter, columns, line)


def _sniffed(sample: str) -> str:
    """The delimiter that cuts the first records into the same number of cells, and into the most of them."""

    def score(delimiter: str) -> tuple[float, int]:
        try:
            found = list(islice(csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter), SNIFFED_RECORDS))
        except csv.Error:
            return 0.0, 0
        widths = Counter(len(cells) for cells in found if cells)
        if not widths:
            return 0.0, 0
        width, often = widths.most_common(1)[0]
        return (often / widths.total() if width > 1 else 0.0), width

    return max(DELIMITERS, key=score)


def _opened(path: Path, encoding: str) -> io.TextIOWrapper:
    errors = (
        "strict" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
    )  # bad bytes refuse their row only
    return path.open(encoding=encoding, errors=errors, newline="")


def _text_rows(path: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    with _opened(path, encoding) as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        while True:
            begun = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as problem:
                raise UnreadableFileError(_csv_words(str(problem)), line=begun) from None
            except UnicodeError:
                raise UnreadableFileError(_not_in(encoding), line=begun) from None
            if cells is None:
                return
            yield begun, cells


def _not_in(encoding: str) -> str:
    return f"The text is not {LABELS.get(encoding, encoding)} from here on. Save the file again or choose its encoding."


def _csv_words(problem: str) -> str:
    if "field limit" in problem or "unexpected end of data" in problem:
        return 'The row that begins here never ends: a quotation mark (") is opened and not closed. Close or remove it.'
    if "expected after" in problem:
        return 'Something follows a closing quotation mark ("). Write a quotation mark inside a cell twice ("").'
    return f"The row cannot be read ({problem})."


# --- workbooks -----------------------------------------------------------------------------------------------------


def _workbook_shape(path: Path) -> Shape:
    try:
        with zipfile.ZipFile(path) as packed:
            names = packed.namelist()
            unpacked = sum(info.file_size for info in packed.infolist())
            words = max((info.file_size for info in packed.infolist() if info.filename == WORDS), default=0)
    except zipfile.BadZipFile:
        raise UnreadableFileError(
            "The Excel file is damaged. Open it, save it again and choose it once more."
        ) from None
    if "xl/workbook.xml" not in names:
        raise UnreadableFileError("This is a packed file, but no Excel workbook. Choose the CSV or XLSX file itself.")
    if unpacked > MAX_UNPACKED_BYTES or words > MAX_WORDS_BYTES:
        raise UnreadableFileError("The Excel file is too large to be a list of patients. Save the one sheet as CSV.")
    sheet = _first_sheet(path)
    line, columns = _header(_workbook_rows(path, sheet))
    return Shape("", "", columns, line, sheet)


def _first_sheet(path: Path) -> str:
    book = _workbook(path)
    try:
        shown = [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"]
        if not shown:
            raise UnreadableFileError("The Excel file has no visible sheet.")
        return str(shown[0])
    finally:
        book.close()


def _workbook(path: Path) -> Any:  # noqa: ANN401 (openpyxl has no types)
    from openpyxl import load_workbook  # noqa: PLC0415 (slow to load, and most files are CSV)

    try:
        return load_workbook(path, read_only=True, data_only=True)
    except Exception as problem:  # openpyxl lets through whatever its parsers raise
        raise UnreadableFileError(
            "The Excel file is damaged. Open it, save it again and choose it once more."
        ) from problem


def _workbook_rows(path: Path, sheet: str) -> Iterator[tuple[int, list[str]]]:
    book = _workbook(path)
    try:
        for number, row in enumerate(book[sheet].iter_rows(values_only=True, max_col=MAX_COLUMNS + 1), start=1):
            yield number, [_cell_text(value) for value in row]
    finally:
        book.close()


def _cell_text(value: Any) -> str:  # noqa: ANN401 (a cell holds anything)
    """What the cell says: whole numbers without ".0", days as 1985-03-07."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
