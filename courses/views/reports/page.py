"""A report as a page: its figures, charts and tables, with the filter bar; what the filters choose is swapped in."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.htmx import is_fragment
from courses.forms.reports import SaveForm
from courses.models import SavedReport
from courses.reports.comparing import report_of
from courses.reports.registry import ReportKind
from courses.services.results import bring_up_to_date
from courses.views.reports.frame import (
    ANY_REPORT,
    address_of,
    asked_filters,
    bar_of,
    choices_of,
    file_links,
    kind_or_404,
    kinds_of,
)
from courses.views.reports.shown import shown


@requires(*ANY_REPORT)
@require_GET
def index(request: HttpRequest) -> HttpResponseBase:
    """The first report that this person may see."""
    return redirect("reports:page", kinds_of(staff(request))[0].key)


@requires(*ANY_REPORT)
@require_GET
def report(request: HttpRequest, kind: str) -> HttpResponse:
    """One report for the filters of the address; 422 with the message at its field where they cannot be read."""
    return report_page(request, kind_or_404(request, kind))


def report_page(request: HttpRequest, kind: ReportKind, *, form: SaveForm | None = None) -> HttpResponse:
    """The page; ``form``: a view that could not be saved, with what is wrong."""
    now = timezone.now()
    query = request.GET.copy() if form is None else form.filters
    filters, problems = asked_filters(request, query, now, kind)
    state = bring_up_to_date(now)
    known = choices_of(request)
    built = report_of(kind, filters, now, known)
    address = address_of(kind, filters)
    context = {
        "kind": kind,
        "tabs": [(one, address_of(one, filters.alone)) for one in kinds_of(staff(request))],
        "bar": bar_of(kind, filters, known, problems),
        "problems": problems,
        "report": shown(built, kind, filters),
        "waiting": state.waiting,
        "place": current_location(request),
        "files": file_links(kind, filters),
        "saved": list(SavedReport.objects.filter(owner=staff(request))),
        "form": form or SaveForm(initial={"report": kind.key, "query": filters.to_query()}),
        "address": address,
        "plain": reverse("reports:page", args=[kind.key]),
        "without_second": address_of(kind, filters.alone),
    }
    status = 422 if problems or (form is not None and form.errors) else 200
    name = "_frame" if is_fragment(request) and form is None else "page"
    response = render(request, f"courses/reports/{name}.html", context, status=status)
    if not problems and name == "_frame":
        response["HX-Push-Url"] = address
    return response
