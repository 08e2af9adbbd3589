"""The list behind a figure: without names, until somebody presses for them, which is logged for each patient shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from clinic.edge.access import requires, staff
from clinic.edge.lists import PAGE_SIZE
from clinic.services.access import record_readings
from courses.reports.registry import Listed, ListedRow, NoSuchListError, ReportKind
from courses.services.results import bring_up_to_date
from courses.views.reports.frame import ANY_REPORT, address_of, asked_filters, kind_or_404
from courses.views.reports.shown import ShownCell, head_of, shown_cell
from patients.models import Patient


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the list; ``patient`` only after its name was asked for."""

    row: ListedRow
    cells: Sequence[ShownCell]
    patient: Patient | None


@dataclass(frozen=True, slots=True)
class Listing:
    """As ``_parts/_pager.html`` reads it."""

    page: Page[ListedRow]
    total: int


@requires(*ANY_REPORT)
@require_http_methods(["GET", "POST"])
def figure_list(request: HttpRequest, kind: str, key: str) -> HttpResponse:
    """The courses or visits that a figure counts; a POST shows the names of this page of it.

    Names beside scores are for those who read scores anyway; a manager opens names in operations only.
    """
    found, now = kind_or_404(request, kind), timezone.now()
    filters, problems = asked_filters(request, request.GET, now, found)
    bring_up_to_date(now)
    try:
        listed = found.listed(key, filters.alone)
    except NoSuchListError:
        raise Http404 from None
    page = Paginator(listed.rows, PAGE_SIZE).get_page(request.GET.get("page"))
    rows = list(page)
    names = _names(request, found, rows, listed.title) if request.method == "POST" else {}
    context = {
        "kind": found,
        "listed": listed,
        "head": head_of(listed.columns),
        "listing": Listing(page, listed.total),
        "lines": [_line(row, listed, names) for row in rows],
        "has_names": bool(names),
        "may_name": staff(request).can(found.names),
        "back": address_of(found, filters),
        "problems": problems,
    }
    return render(request, "courses/reports/list.html", context, status=422 if problems else 200)


def _line(row: ListedRow, listed: Listed, names: dict[int, Patient]) -> Line:
    cells = [shown_cell(cell, column) for cell, column in zip(row.cells, listed.columns, strict=True)]
    return Line(row, cells, names.get(row.patient_id) if row.patient_id else None)


def _names(request: HttpRequest, kind: ReportKind, rows: Sequence[ListedRow], title: str) -> dict[int, Patient]:
    """The patients of these rows; each of them is a reading in the log.

    Raises:
        PermissionDenied: this person may not know whom these numbers are about.
    """
    user = staff(request)
    if not user.can(kind.names):
        raise PermissionDenied("Your role does not include names beside clinical facts.")
    ids = {row.patient_id for row in rows if row.patient_id}
    found = {one.pk: one for one in Patient.objects.filter(pk__in=ids)}
    record_readings(
        by=user,
        subject_ids=[one.resource_id for one in found.values()],
        page="List behind a report",
        path=request.path,
        now=timezone.now(),
        reason=f"Reports: {kind.title}, {title}",
    )
    return found
