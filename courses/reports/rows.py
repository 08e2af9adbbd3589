"""Lists that a statement answers, read page by page; cells and shares for the tables of safety and operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, overload

from courses.pure.reports.contents import LEAST, Column, Kind, Unit
from courses.pure.reports.filters import CHOSEN, Filters, period_words
from courses.pure.reports.rates import Quartiles, share
from courses.reports.reading import page
from courses.reports.registry import Listed, ListedRow

MOST = 100_000
"""A list is never longer: whoever wants more than that wants the analysis table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A list: its SELECT gives patient, course and booking (ids, or null), then one value for each column."""

    title: str
    about: str
    columns: tuple[Column, ...]
    sql: str
    where: str = "TRUE"  # stands in ``sql`` for {where}: one question asked about several things
    shared: tuple[str, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    cells: Callable[[tuple[Any, ...]], Iterable[Any]] = tuple  # what the columns say, from the values


class AskedRows(Sequence[ListedRow]):
    """The lines of a question, read slice by slice; ``len`` costs a query only where nothing was read before."""

    def __init__(self, filters: Filters, question: Question) -> None:
        self._filters, self._question = filters, question
        self._first, self._read, self._total = 0, [ListedRow(patient_id=0, cells=())][:0], -1

    def __len__(self) -> int:
        if self._total < 0:
            self._fetch(0, 1)
        return self._total

    @overload
    def __getitem__(self, which: int) -> ListedRow: ...
    @overload
    def __getitem__(self, which: slice) -> Sequence[ListedRow]: ...
    def __getitem__(self, which: int | slice) -> ListedRow | Sequence[ListedRow]:
        if isinstance(which, slice):
            first, last, _ = which.indices(MOST)
            return self._fetch(first, last - first)
        return self._fetch(which, 1)[0]

    def _fetch(self, first: int, count: int) -> list[ListedRow]:
        asked = self._question
        self._total, rows = page(
            self._filters,
            asked.sql.replace("{where}", asked.where),
            (first, count),
            shared=asked.shared,
            params=asked.params,
        )
        return [
            ListedRow(patient_id=patient, course_id=course, booking_id=booking, cells=tuple(asked.cells(tuple(values))))
            for patient, course, booking, *values in rows
        ]


def listed(filters: Filters, question: Question) -> Listed:
    """The list with its words; one query, and one for each slice."""
    rows = AskedRows(filters, question)
    return Listed(title=question.title, about=question.about, columns=question.columns, rows=rows, total=len(rows))


def text(key: str, title: str) -> Column:
    return Column(key, title)


def number(key: str, title: str, unit: Unit = Unit.COUNT) -> Column:
    return Column(key, title, Kind.NUMBER, unit)


def day(key: str = "day", title: str = "Day") -> Column:
    return Column(key, title, Kind.DATE)


def share_cell(n: int, of: int) -> Decimal | None:
    """A share in percent for a table; empty where there are fewer than ``LEAST``."""
    return share(n, of) if of >= LEAST else None


def spread_cells(spread: Quartiles) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """Median, lower and upper quartile for a table; empty where there are fewer than ``LEAST``."""
    return (None, None, None) if spread.n < LEAST else (spread.middle, spread.low, spread.high)


def about(filters: Filters, places: Sequence[Mapping[str, Any]], lead: str) -> str:
    """What is counted, in words; filters that say nothing about a day's work are named as not applied."""
    where = "All locations" if filters.location is None else places[0]["name"] if places else "A location not there"
    told = f"{where} · {lead} {period_words(filters)}" if filters.since or filters.until else f"{where} · all time"
    idle = [name for name in CHOSEN if name != "location" and getattr(filters, name) not in ("", None)]
    return f"{told} · not applied here: {', '.join(idle)}" if idle else told
