"""What a report page says: figures, tables and charts as plain values.

Page, CSV, XLSX and PDF are written from the same values, so that no number can differ between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

LEAST = 5
"""Of fewer than so many nothing is said but that they are few [D]: a share of four people is an anecdote."""


class Unit(StrEnum):
    """What a number counts; pages and files write it behind the number."""

    PERCENT = "%"
    COUNT = ""
    DAYS = "days"
    MINUTES = "min"
    MG = "mg"
    MG_PER_KG = "mg/kg"
    HOURS = "h"
    POINTS = "points"
    MMHG = "mmHg"


@dataclass(frozen=True, slots=True)
class Missing:
    """Whom the denominator leaves out and why: ``Missing("no baseline", 2)``."""

    why: str
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A published number with everything without which it must not be shown (clinical.md F2)."""

    value: Decimal  # in the unit of its figure
    study: str
    setting: str
    n: str
    scale: str
    time_point: str
    citation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number that a page says. ``value`` None: nothing can be said, and ``words`` says why."""

    key: str  # unique on its page; names the list behind it and its line in files
    title: str
    definition: str  # a sentence, with the limits that apply
    source: str  # of the definition: "Outcome terms, version 2", "ORKA-1 (McInnes 2022)", "Clinic's own"
    unit: Unit = Unit.COUNT
    value: Decimal | None = None
    numerator: int | None = None
    denominator: int | None = None
    low: Decimal | None = None  # of the 95 % interval, in ``unit``
    high: Decimal | None = None
    missing: tuple[Missing, ...] = ()
    references: tuple[Reference, ...] = ()
    is_few: bool = False  # fewer than ``LEAST``: value and interval are left out
    has_list: bool = True  # whether a list stands behind it
    words: str = ""  # what is said instead of a number, or beside it


class Kind(StrEnum):
    """How a column is written and aligned."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Column:
    key: str
    title: str
    kind: Kind = Kind.TEXT
    unit: Unit = Unit.COUNT


Cell = str | int | Decimal | date | None
"""None is an empty cell: nothing is known, which is not 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows below named columns. ``row_lists``: for each row the key of the list behind it, or ""."""

    key: str
    title: str
    definition: str
    source: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    row_lists: tuple[str, ...] = ()
    note: str = ""


class Drawing(StrEnum):
    """How a chart draws its table; static/js/reports.js knows each."""

    FUNNEL = "funnel"  # columns: step, n, share in %
    BARS = "bars"  # columns: category, value, and optionally low, high
    STACK = "stack"  # columns: category, then one column of numbers for each part
    LINE = "line"  # columns: month or day, then one column for each line
    SURVIVAL = "survival"  # columns: day, estimate, low, high, at risk; each in % but the last
    HEAT = "heat"  # columns: row name, then one column for each cell of the row


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A table that is drawn. The table stays on the page: it is the chart for who does not see it."""

    table: Table
    drawing: Drawing
    x_title: str = ""
    y_title: str = ""
    references: tuple[Reference, ...] = ()

    @property
    def key(self) -> str:
        return self.table.key


Item = Figure | Table | Chart


@dataclass(frozen=True, slots=True)
class Section:
    key: str
    title: str
    items: tuple[Item, ...]
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole page. ``about``: the filters in words, "Brooklyn · started 1 Jan to 31 Mar 2027"."""

    key: str  # of the address: "outcomes"
    title: str
    about: str
    as_of: datetime  # aware: what was recorded until then is in the numbers
    sections: tuple[Section, ...]
    compared_with: str = ""  # the second group in words, where two are compared
    others: Mapping[str, Figure] | None = None  # its figures by key

    def figures(self) -> Iterator[Figure]:
        return (item for section in self.sections for item in section.items if isinstance(item, Figure))

    def tables(self) -> Iterator[Table]:
        """Tables, those of charts included."""
        for section in self.sections:
            for item in section.items:
                if isinstance(item, Chart):
                    yield item.table
                elif isinstance(item, Table):
                    yield item
