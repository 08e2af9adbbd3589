"""A report as one long tidy table: a line for each figure, each published number and each cell of a table.

A line says by itself what its number is: of what, in which unit, out of how many, by which definition, for which
filters and as of when. So lines of several reports can be put below each other and still be told apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from courses.pure.reports.contents import Cell, Column, Figure, Item, Missing, Reference, Report, Section, Table

HEAD = (
    *("report", "section", "line", "key", "title", "row", "row_name", "column", "unit", "value", "text", "low", "high"),
    *("numerator", "denominator", "missing", "definition", "source", "filters", "as_of"),
)
"""``line`` is figure, published or table; ``value`` is a number or empty, ``text`` words or a date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the file. Numbers are numbers, everything else is text."""

    report: str
    section: str
    line: str
    key: str
    title: str
    row: int | None = None
    row_name: str = ""
    column: str = ""
    unit: str = ""
    value: Decimal | int | None = None
    text: str = ""
    low: Decimal | None = None
    high: Decimal | None = None
    numerator: int | None = None
    denominator: int | None = None
    missing: str = ""
    definition: str = ""
    source: str = ""
    filters: str = ""
    as_of: str = ""

    def cells(self) -> tuple[str | int | Decimal | None, ...]:
        """In the order of ``HEAD``."""
        return tuple(getattr(self, name) for name in HEAD)


def lines_of(report: Report) -> Iterator[Line]:
    """Every line of the report; where two groups are compared the second one's figures follow those of the first."""
    for section in report.sections:
        for item in section.items:
            yield from _of_item(report, section, item)


def missing_words(missing: tuple[Missing, ...]) -> str:
    """Whom the denominator leaves out: "no baseline 2, no score 1"."""
    return ", ".join(f"{one.why} {one.n}" for one in missing)


def reference_words(one: Reference) -> str:
    """Everything without which a published number must not be shown."""
    return "; ".join(part for part in (one.setting, one.n, one.scale, one.time_point) if part)


def published(report: Report) -> Iterator[tuple[str, str, Reference]]:
    """Each published number with title and key of what it stands beside."""
    for section in report.sections:
        for item in section.items:
            if not isinstance(item, Table):
                title = item.title if isinstance(item, Figure) else item.table.title
                yield from ((title, item.key, one) for one in item.references)


def _of_item(report: Report, section: Section, item: Item) -> Iterator[Line]:
    blank = Line(
        report=report.title, section=section.title, line="", key=item.key, title="", as_of=report.as_of.isoformat()
    )
    if isinstance(item, Figure):
        blank = replace(blank, title=item.title, unit=item.unit.value)
        yield _figure(replace(blank, filters=report.about), item)
        other = (report.others or {}).get(item.key)
        if other is not None:
            yield _figure(replace(blank, filters=report.compared_with), other)
        yield from (_published(blank, one) for one in item.references)
    elif isinstance(item, Table):
        yield from _table(replace(blank, filters=report.about), item)
    else:
        yield from _table(replace(blank, filters=report.about), item.table)
        yield from (_published(replace(blank, title=item.table.title), one) for one in item.references)


def _figure(blank: Line, one: Figure) -> Line:
    return replace(
        blank,
        line="figure",
        value=one.value,
        text=one.words,
        low=one.low,
        high=one.high,
        numerator=one.numerator,
        denominator=one.denominator,
        missing=missing_words(one.missing),
        definition=one.definition,
        source=one.source,
    )


def _published(blank: Line, one: Reference) -> Line:
    """Of no filter and as of no day: it is not the clinic's."""
    return replace(
        blank,
        line="published",
        row_name=one.study,
        value=one.value,
        text=reference_words(one),
        source=one.citation,
        as_of="",
    )


def _table(blank: Line, table: Table) -> Iterator[Line]:
    blank = replace(blank, line="table", title=table.title, definition=table.definition, source=table.source)
    for number, row in enumerate(table.rows, start=1):
        of_row = replace(blank, row=number, row_name=said(row[0]) if row else "")
        yield from (_cell(of_row, column, cell) for column, cell in zip(table.columns, row, strict=True))


def _cell(blank: Line, column: Column, cell: Cell) -> Line:
    named = replace(blank, column=column.title, unit=column.unit.value)
    return replace(named, value=cell) if isinstance(cell, int | Decimal) else replace(named, text=said(cell))


def said(cell: Cell) -> str:
    """A cell as text: every digit, ISO dates, nothing for what is not known."""
    if cell is None:
        return ""
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    return cell.isoformat() if isinstance(cell, date) else str(cell)
