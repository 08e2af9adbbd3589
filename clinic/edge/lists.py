"""One pattern for every list: filter, sort, page; all of it in the address bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest

Row = TypeVar("Row", bound=Model)

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Listing(Generic[Row]):
    """One page of a list, with how it is sorted: what ``_parts/_pager.html`` and ``_parts/_th.html`` need."""

    page: Page[Row]
    sort: str  # for example "name" or "-name"
    total: int

    @property
    def rows(self) -> list[Row]:
        return list(self.page)


def listing(  # noqa: PLR0913 (each a choice of its own)
    request: HttpRequest,
    rows: QuerySet[Row, Any],
    *,
    sorts: Mapping[str, Sequence[str]],
    default: str,
    size: int = PAGE_SIZE,
    counted: QuerySet[Row, Any] | None = None,
) -> Listing[Row]:
    """The page of ``rows`` that the address asks for. An unknown sort or page number falls back, it never fails.

    Args:
        sorts: name in the address -> fields to order by, ascending; "-name" turns each of them round. The id is added
            last, so that rows never change places between pages.
        counted: the same rows, asked for in a way that is quicker to count.
    """
    wanted = request.GET.get("sort", default)
    if wanted.removeprefix("-") not in sorts:
        wanted = default
    fields = [*sorts[wanted.removeprefix("-")], "pk"]
    if wanted.startswith("-"):
        fields = [field.removeprefix("-") if field.startswith("-") else f"-{field}" for field in fields]
    paginator = Paginator(rows.order_by(*fields), size)
    if counted is not None:
        paginator.count = counted.count()
    page = paginator.get_page(request.GET.get("page"))
    return Listing(page=page, sort=wanted, total=paginator.count)
