"""Which reports there are: title, who may see it, how it is made, and which list stands behind a figure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast, overload

from django.db.models import Model, QuerySet
from django.utils.module_loading import import_string

from clinic.pure.roles import Can
from courses.pure.reports.contents import Cell, Column, Report
from courses.pure.reports.filters import CHOSEN, USUAL, Filters

Row = TypeVar("Row", bound=Model)


class NoSuchListError(LookupError):
    """No figure or row of the report has this list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRow:
    """One line of a list: what it leads to, whose it is, and its cells. No name: the page adds names when asked."""

    patient_id: int | None  # None: somebody who asked and is not registered
    cells: tuple[Cell, ...]
    course_id: int | None = None
    booking_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What stands behind a figure. ``rows`` may be lazy (``LazyRows``): only the page that is shown is read."""

    title: str
    about: str
    columns: tuple[Column, ...]
    rows: Sequence[ListedRow]
    total: int


class LazyRows(Sequence[ListedRow], Generic[Row]):
    """The rows of a queryset as lines, read slice by slice."""

    def __init__(self, queryset: QuerySet[Row, Any], line_of: Callable[[Row], ListedRow]) -> None:
        self.queryset, self.line_of, self._n = queryset, line_of, -1

    def __len__(self) -> int:
        if self._n < 0:
            self._n = self.queryset.count()
        return self._n

    @overload
    def __getitem__(self, which: int) -> ListedRow: ...
    @overload
    def __getitem__(self, which: slice) -> Sequence[ListedRow]: ...
    def __getitem__(self, which: int | slice) -> ListedRow | Sequence[ListedRow]:
        if isinstance(which, slice):
            return [self.line_of(one) for one in self.queryset[which]]
        return self.line_of(self.queryset[which])


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportKind:
    """One page of the reports.

    Args:
        build: the report for filters and a moment. It may fill ``others`` for the second group of the filters itself,
            where that is cheaper; else ``comparing.report_of`` asks for that group's figures.
        listed: the list with this key, for filters. Raises ``NoSuchListError``.
        filters: which of ``CHOSEN`` it knows how to filter by.
        period: what its period counts: "Started" or "Took place".
        lead: before the period in words, "started ".
        names: who may open the names behind its figures.
        unsaid: the period that is shown where nobody has chosen one.
        about: a sentence under the page's title.
    """

    key: str
    title: str
    can: Can
    build: Callable[[Filters, datetime], Report]
    listed: Callable[[str, Filters], Listed]
    filters: tuple[str, ...] = CHOSEN
    period: str = "Started"
    lead: str = "started "
    names: Can = Can.VIEW_CLINICAL
    unsaid: str = USUAL
    about: str = ""
    options: tuple[str, ...] = ()  # of "at" and "censor"


MODULES = ("courses.reports.outcomes", "courses.reports.safety", "courses.reports.operations")
"""Each has a ``KIND``; in the order of the tabs."""


def kinds() -> Mapping[str, ReportKind]:
    """Every report by its key."""
    return {kind.key: kind for kind in _kinds()}


def _kinds() -> Iterator[ReportKind]:
    for module in MODULES:
        yield cast("ReportKind", import_string(f"{module}.KIND"))
