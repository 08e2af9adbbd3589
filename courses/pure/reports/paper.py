"""A report in words and drawings, as its pages on paper show it: every number as the page on the screen says it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from courses.pure.reports.contents import (
    Cell,
    Chart,
    Column,
    Figure,
    Item,
    Kind,
    Reference,
    Report,
    Section,
    Table,
    Unit,
)
from courses.pure.reports.drawings import drawn, number_words
from courses.pure.reports.filters import day_words
from courses.pure.reports.tidy import missing_words, reference_words

NOTHING = "\N{EN DASH}"
"""What stands for a cell of which nothing is known."""
MOST_PUBLISHED = 2
"""So many published numbers stand beside a figure one by one."""


@dataclass(frozen=True, slots=True)
class Meant:
    """A line of the list at the end: what a number means and where that is from."""

    mark: int
    title: str
    definition: str
    source: str
    published: tuple[tuple[str, str, str], ...]  # value, study with its setting, citation


def as_data(report: Report, *, clinic: str, said_at: str) -> dict[str, Any]:
    """Plain lists and texts for the template.

    Args:
        report: what is said.
        clinic: whose it is.
        said_at: the moment of ``report.as_of`` on the clocks of the clinic, in words.
    """
    marks = {item.key: mark for mark, item in enumerate(_items(report), start=1)}
    return {
        "title": report.title,
        "clinic": clinic,
        "about": report.about,
        "compared": report.compared_with,
        "as_of": said_at,
        "sections": [_section(report, section, marks) for section in report.sections],
        "meant": [asdict(_meant(marks[item.key], item)) for item in _items(report)],
    }


def _items(report: Report) -> Iterator[Item]:
    """Each once, in the order of the page."""
    seen = set()
    for section in report.sections:
        for item in section.items:
            if item.key not in seen:
                seen.add(item.key)
                yield item


def _section(report: Report, section: Section, marks: dict[str, int]) -> dict[str, Any]:
    """Figures that follow each other stand beside each other: they are one block."""
    blocks: list[dict[str, Any]] = []
    for item in section.items:
        if isinstance(item, Figure):
            if not blocks or blocks[-1]["kind"] != "figures":
                blocks.append({"kind": "figures", "figures": []})
            other = (report.others or {}).get(item.key)
            blocks[-1]["figures"].append(_figure(item, marks[item.key], other))
        elif isinstance(item, Chart):
            blocks.append(_chart(item, marks[item.key]))
        else:
            blocks.append({"kind": "table", "table": _table(item, marks[item.key])})
    return {"title": section.title, "about": section.about, "blocks": blocks}


# -- figures -----------------------------------------------------------------------------------------------------------
def _figure(one: Figure, mark: int, other: Figure | None) -> dict[str, Any]:
    return {
        "title": one.title,
        "mark": mark,
        **_said(one),
        "other": _said(other) if other is not None else None,
        "published": _published(one.references, one.unit, mark),
    }


def _said(one: Figure) -> dict[str, str]:
    return {
        "value": value_words(one),
        "of": of_words(one),
        "interval": interval_words(one),
        "words": one.words,
        "missing": missing_words(one.missing),
    }


def value_words(one: Figure) -> str:
    """The number with its unit, or a dash where nothing is said."""
    return NOTHING if one.value is None else number_words(one.value, one.unit)


def of_words(one: Figure) -> str:
    """What it was reckoned from: "11 of 17", "n = 17"."""
    if one.denominator is None or one.is_few:
        return ""
    return f"n = {one.denominator}" if one.numerator is None else f"{one.numerator} of {one.denominator}"


def interval_words(one: Figure) -> str:
    """The interval in the unit of the figure: "95 % interval 41.3 to 82.7 %"."""
    if one.low is None and one.high is None:
        return ""
    low = "?" if one.low is None else number_words(one.low, one.unit).removesuffix(f" {one.unit}")
    high = "not reached" if one.high is None else number_words(one.high, one.unit)
    return f"95 % interval {low} to {high}"


def _published(references: Sequence[Reference], unit: Unit, mark: int) -> list[dict[str, str]]:
    """Each with its setting; where there are many their range, and where each of them stands."""
    if len(references) <= MOST_PUBLISHED:
        return [
            {"value": number_words(one.value, unit), "words": f"{one.study}: {reference_words(one)}"}
            for one in references
        ]
    low, high = (number_words(end(one.value for one in references), unit) for end in (min, max))
    words = f"in {len(references)} studies of other settings; each stands under {mark} at the end"
    return [{"value": f"{low.removesuffix(f' {unit}')} to {high}", "words": words}]


# -- tables and charts -------------------------------------------------------------------------------------------------
def _table(table: Table, mark: int) -> dict[str, Any]:
    return {
        "title": table.title,
        "mark": mark,
        "note": table.note,
        "head": [f"{column.title} ({column.unit})" if column.unit else column.title for column in table.columns],
        "numbers": [column.kind == Kind.NUMBER for column in table.columns],
        "rows": [list(map(cell_words, row, table.columns)) for row in table.rows],
    }


def cell_words(cell: Cell, column: Column) -> str:
    """A cell; its unit stands in the head."""
    if cell is None:
        return NOTHING
    if isinstance(cell, int | Decimal):
        return number_words(cell, column.unit).removesuffix(f" {column.unit}")
    return day_words(cell) if isinstance(cell, date) else cell


def _chart(chart: Chart, mark: int) -> dict[str, Any]:
    marks = drawn(chart)
    return {
        "kind": "chart",
        "table": _table(chart.table, mark),
        "drawing": chart.drawing.value,
        "marks": asdict(marks) if marks is not None else None,
        "x": chart.x_title,
        "y": chart.y_title,
        "published": _published(chart.references, _unit_of(chart), mark),
    }


def _unit_of(chart: Chart) -> Unit:
    """The unit of what is drawn: of its second column."""
    columns: Sequence[Column] = chart.table.columns
    return columns[1].unit if len(columns) > 1 else Unit.COUNT


# -- what is meant -----------------------------------------------------------------------------------------------------
def _meant(mark: int, item: Item) -> Meant:
    if isinstance(item, Figure):
        return Meant(mark, item.title, item.definition, item.source, _cited(item.references, item.unit))
    if isinstance(item, Chart):
        table = item.table
        return Meant(mark, table.title, table.definition, table.source, _cited(item.references, _unit_of(item)))
    return Meant(mark, item.title, item.definition, item.source, ())


def _cited(references: Sequence[Reference], unit: Unit) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (number_words(one.value, unit), f"{one.study}: {reference_words(one)}", one.citation) for one in references
    )
