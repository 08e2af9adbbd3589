"""A report as its page shows it: numbers in words, the drawing of each interval, and where each list is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any

from django.urls import reverse

from courses.pure.reports.contents import (
    Cell,
    Chart,
    Column,
    Drawing,
    Figure,
    Item,
    Kind,
    Missing,
    Reference,
    Report,
    Section,
    Table,
    Unit,
)
from courses.pure.reports.filters import Filters, day_words
from courses.pure.reports.rates import percent_words, rounded
from courses.reports.registry import ReportKind

HUNDRED = Decimal(100)
DRAWN_BY_SCRIPT = frozenset({Drawing.SURVIVAL, Drawing.LINE, Drawing.STACK})
"""The others are drawn in their table's own cells, which needs no script and prints."""
LOW, HIGH = ("low", "_low"), ("high", "_high")
SHADES = 6


# -- figures -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Bar:
    """An interval on a line from 0 to 100 %, and where published values lie; all in percent of its width."""

    low: str
    width: str
    at: str
    published_low: str
    published_width: str


@dataclass(frozen=True, slots=True)
class ShownFigure:
    figure: Figure
    number: str  # "64.7"; "" where nothing can be said
    unit: str
    share: str  # "11 of 17"
    interval: str  # "95 % interval 41.3 to 82.7 %"
    left_out: str
    published: str
    bar: Bar | None
    address: str  # of its list; "" where there is none
    other: ShownFigure | None = None


def shown_figure(figure: Figure, address: str, other: ShownFigure | None = None) -> ShownFigure:
    value = figure.value
    return ShownFigure(
        figure=figure,
        number="" if value is None else _number(value, figure.unit),
        unit=str(figure.unit),
        share=_share(figure),
        interval=_interval(figure),
        left_out=left_out_words(figure.missing),
        published=published_words(figure.references, figure.unit),
        bar=_bar(figure),
        address=address,
        other=other,
    )


def _number(value: Decimal, unit: Unit) -> str:
    return percent_words(value).removesuffix(" %") if unit is Unit.PERCENT else rounded(value)


def _share(figure: Figure) -> str:
    if figure.numerator is not None and figure.denominator is not None:
        return f"{figure.numerator:,} of {figure.denominator:,}"
    return f"n = {figure.denominator:,}" if figure.denominator is not None and not figure.is_few else ""


def _interval(figure: Figure) -> str:
    if figure.low is None and figure.high is None:
        return ""
    low = "?" if figure.low is None else _number(figure.low, figure.unit)
    high = "not reached" if figure.high is None else f"{_number(figure.high, figure.unit)} {figure.unit}".rstrip()
    return f"95 % interval {low} to {high}"


def left_out_words(missing: Sequence[Missing]) -> str:
    """Who is not counted: no baseline 2, series still running 4."""
    return ", ".join(f"{one.why} {one.n:,}" for one in missing)


def published_words(references: Sequence[Reference], unit: Unit) -> str:
    """The range of what was published, never one number for all."""
    if not references:
        return ""
    values = sorted(one.value for one in references)
    if len(values) == 1:
        return f"one study: {rounded(values[0])} {unit}"
    return f"{rounded(values[0])} to {rounded(values[-1])} {unit} in {len(values)} studies"


def _bar(figure: Figure) -> Bar | None:
    if figure.unit is not Unit.PERCENT or figure.value is None or figure.low is None or figure.high is None:
        return None
    values = [one.value for one in figure.references]
    low, high = (min(values), max(values)) if len(values) > 1 else (Decimal(0), Decimal(0))
    return Bar(_at(figure.low), _at(figure.high - figure.low), _at(figure.value), _at(low), _at(high - low))


def _at(percent: Decimal) -> str:
    return f"{rounded(min(max(percent, Decimal(0)), HUNDRED), 2)}%"


# -- tables ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ShownCell:
    """One cell: its words, an interval drawn beside them, a bar or a shade where the table is a drawing."""

    words: str
    is_number: bool = False
    bar: Bar | None = None
    interval: str = ""
    width: str = ""  # of a bar from 0
    shade: int = -1  # 0 to SHADES
    soft: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    words: str
    is_number: bool


@dataclass(frozen=True, slots=True)
class ShownRow:
    name: str
    address: str
    cells: tuple[ShownCell, ...]


@dataclass(frozen=True, slots=True)
class ShownTable:
    table: Table
    head: tuple[Head, ...]
    rows: tuple[ShownRow, ...]
    drawing: str = ""
    x_title: str = ""


def shown_cell(cell: Cell, column: Column) -> ShownCell:
    is_number = column.kind is Kind.NUMBER
    if cell is None:
        return ShownCell("–", is_number, soft=True)
    if isinstance(cell, date):
        return ShownCell(day_words(cell), is_number)
    if isinstance(cell, Decimal | int):
        return ShownCell(_cell_number(cell, column), is_number)
    return ShownCell(cell, is_number, soft=is_number)


def _cell_number(cell: Decimal | int, column: Column) -> str:
    if column.unit is Unit.PERCENT:
        return percent_words(Decimal(cell))
    return f"{cell:,}" if isinstance(cell, int) else rounded(cell)


def head_of(columns: Sequence[Column]) -> tuple[Head, ...]:
    return tuple(Head(_titled(one), one.kind is Kind.NUMBER) for one in columns)


def _titled(column: Column) -> str:
    is_told = column.unit in (Unit.COUNT, Unit.PERCENT) or str(column.unit) in column.title
    return column.title if is_told else f"{column.title} ({column.unit})"


def shown_table(table: Table, address_of: Callable[[str], str], drawing: str = "", x_title: str = "") -> ShownTable:
    """The table with its intervals beside their numbers instead of in columns of their own."""
    parts = list(_columns(table.columns))
    tops = {index: _top(table, index) for index, *_ in parts}
    rows = []
    for number, row in enumerate(table.rows):
        key = table.row_lists[number] if number < len(table.row_lists) else ""
        cells = [_drawn(table, row, part, tops, drawing) for part in parts[1:]]
        rows.append(ShownRow(shown_cell(row[0], table.columns[0]).words, address_of(key) if key else "", tuple(cells)))
    head = tuple(Head(_titled(table.columns[index]), table.columns[index].kind is Kind.NUMBER) for index, *_ in parts)
    return ShownTable(table, head, tuple(rows), drawing, x_title)


def _columns(columns: Sequence[Column]) -> Iterator[tuple[int, int | None, int | None]]:
    """Each column with those of its interval, which follow it."""
    index = 0
    while index < len(columns):
        after = columns[index + 1 : index + 3]
        if len(after) == 2 and after[0].key.endswith(LOW) and after[1].key.endswith(HIGH):  # noqa: PLR2004
            yield index, index + 1, index + 2
            index += 3
        else:
            yield index, None, None
            index += 1


def _top(table: Table, index: int) -> Decimal:
    """The largest number of a column, so that bars fill their cell; 100 % where it is a share of a funnel."""
    found = [Decimal(row[index]) for row in table.rows if isinstance(row[index], Decimal | int)]  # type: ignore[arg-type]
    return max(found, default=Decimal(0))


def _drawn(
    table: Table,
    row: tuple[Cell, ...],
    part: tuple[int, int | None, int | None],
    tops: dict[int, Decimal],
    drawing: str,
) -> ShownCell:
    index, low_at, high_at = part
    column, value = table.columns[index], row[index]
    plain = shown_cell(value, column)
    if not isinstance(value, Decimal | int):
        return plain
    value = Decimal(value)
    if low_at is not None and high_at is not None:
        low, high = row[low_at], row[high_at]
        if isinstance(low, Decimal | int) and isinstance(high, Decimal | int):
            bar = Bar(_at(Decimal(low)), _at(Decimal(high) - Decimal(low)), _at(value), "0%", "0%")
            words = f"{_number(Decimal(low), column.unit)} to {_number(Decimal(high), column.unit)}"
            return ShownCell(plain.words, True, bar if column.unit is Unit.PERCENT else None, words)
    if drawing in (Drawing.FUNNEL, Drawing.BARS) and index == 1 and tops[index]:
        return ShownCell(plain.words, True, width=_at(value / tops[index] * HUNDRED))
    if drawing == Drawing.HEAT:
        top = max((tops[key] for key in tops if key), default=Decimal(0))
        shade = int((value / top * SHADES).to_integral_value()) if top else 0
        return ShownCell(plain.words, True, shade=shade)
    return plain


# -- the page ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ShownItem:
    """What a section holds, in one of three shapes."""

    figure: ShownFigure | None = None
    table: ShownTable | None = None
    facts: dict[str, Any] | None = None  # what the script draws, above the table
    references: Sequence[Reference] = ()
    is_wide: bool = False

    @property
    def facts_id(self) -> str:
        """The element that the script reads."""
        return f"chart-{self.table.table.key}-facts" if self.table else ""


@dataclass(frozen=True, slots=True)
class ShownSection:
    section: Section
    figures: tuple[ShownFigure, ...]
    blocks: tuple[ShownItem, ...]  # charts and tables
    is_first: bool


@dataclass(frozen=True, slots=True)
class ShownReport:
    report: Report
    sections: tuple[ShownSection, ...]
    is_compared: bool


def shown(report: Report, kind: ReportKind, filters: Filters) -> ShownReport:
    """Everything as words and addresses."""
    mine, theirs = filters.alone.to_query(), filters.compare.alone.to_query() if filters.compare else ""

    def list_at(key: str, query: str) -> str:
        return reverse("reports:list", args=[kind.key, key]) + (f"?{query}" if query else "")

    def of_item(item: Item) -> ShownItem:
        if isinstance(item, Figure):
            other = (report.others or {}).get(item.key) if report.others is not None else None
            beside = shown_figure(other, list_at(other.key, theirs) if other.has_list else "") if other else None
            return ShownItem(figure=shown_figure(item, list_at(item.key, mine) if item.has_list else "", beside))
        if isinstance(item, Chart):
            by_script = item.drawing in DRAWN_BY_SCRIPT
            drawing = "script" if by_script else str(item.drawing)
            table = shown_table(item.table, lambda key: list_at(key, mine), drawing, item.x_title)
            return ShownItem(table=table, facts=chart_facts(item) if by_script else None, references=item.references)
        return ShownItem(table=shown_table(item, lambda key: list_at(key, mine)))

    sections = []
    for number, section in enumerate(report.sections):
        items = _widened([of_item(item) for item in section.items])
        figures = tuple(one.figure for one in items if one.figure is not None)
        sections.append(
            ShownSection(section, figures, tuple(one for one in items if one.table is not None), not number)
        )
    return ShownReport(report, tuple(sections), report.others is not None)


MOST_IN_HALF = 6
"""A table with more columns than so many has a row to itself."""


def _widened(items: list[ShownItem]) -> list[ShownItem]:
    """Two cards a row; of an odd number of neighbours that fit into half a row, the first has one to itself."""
    found: list[ShownItem] = []
    for fits, run in groupby(items, key=_fits_half):
        beside = list(run)
        alone = beside[0] if fits and len(beside) % 2 else None
        found += [replace(one, is_wide=one is alone or _is_broad(one)) for one in beside]
    return found


def _fits_half(item: ShownItem) -> bool:
    return item.table is not None and item.facts is None and not _is_broad(item)


def _is_broad(item: ShownItem) -> bool:
    return item.table is not None and item.facts is None and len(item.table.head) > MOST_IN_HALF


def chart_facts(chart: Chart) -> dict[str, Any]:
    """What ``static/js/reports.js`` draws."""
    table = chart.table
    return {
        "drawing": str(chart.drawing),
        "title": table.title,
        "x": chart.x_title,
        "y": chart.y_title,
        "columns": [{"key": one.key, "title": _titled(one), "unit": str(one.unit)} for one in table.columns],
        "rows": [[_plain(cell) for cell in row] for row in table.rows],
        "references": [
            {"study": one.study, "value": float(one.value), "time_point": one.time_point} for one in chart.references
        ],
    }


def _plain(cell: Cell) -> str | float | int | None:
    if isinstance(cell, Decimal):
        return float(round(cell, 4))
    return cell.isoformat() if isinstance(cell, date) else cell
