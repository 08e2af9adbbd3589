"""A report taken away as a file: the same builder and the same filters as its page, written down before it leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.lists import listing
from clinic.pure.roles import Can
from courses.adapters.report_files import CSV, XLSX, report_csv, report_xlsx
from courses.adapters.report_pdf import report_pdf
from courses.models import ReportTaken
from courses.planning.words import say_count
from courses.pure.reports.contents import Report
from courses.pure.reports.filters import Filters, day_words
from courses.reports.comparing import report_of
from courses.reports.filtering import Choices, choices
from courses.reports.outcomes import KIND as OUTCOMES
from courses.services.report_taken import record_taken
from courses.services.results import UpToDate, bring_up_to_date
from courses.views.reports.frame import ANY_REPORT, asked_filters, kind_or_404
from courses.views.reports.page import report_page

SORTS = {"at": ("at",)}
PDF = "application/pdf"
FORMATS = {"csv": CSV, "xlsx": XLSX, "pdf": PDF}
EVERYWHERE = "All locations"
ROWS = replace(OUTCOMES, options=())
"""Rows of courses are chosen as those of the outcomes are; when and how they are judged is in each row."""


@requires(*ANY_REPORT)
@require_GET
def report_file(request: HttpRequest, kind: str, suffix: str) -> HttpResponseBase:
    """The report for the filters of the address as CSV, XLSX or PDF; the page with what is wrong (422) for odd ones."""
    if suffix not in FORMATS:
        raise Http404
    found, now = kind_or_404(request, kind), timezone.now()
    filters, problems = asked_filters(request, request.GET, now, found)
    if problems:
        return report_page(request, found)
    state, known = bring_up_to_date(now), choices()
    report = with_state(report_of(found, filters, now, known), state)
    content = _content(request, report, filters, known, suffix)
    record_taken(
        what=f"{report.title}, {suffix.upper()}",
        about=" · compared with ".join(part for part in (report.about, report.compared_with) if part),
        path=request.get_full_path(),
        by=staff(request),
        now=now,
    )
    return as_file(HttpResponse(content, content_type=FORMATS[suffix]), file_name(found.key, filters, suffix))


@requires(Can.VIEW_AUDIT)
@require_GET
def taken(request: HttpRequest) -> HttpResponse:
    """Who took which file out of the reports, and when."""
    rows = ReportTaken.objects.select_related("user")
    listed = listing(request, rows, sorts=SORTS, default="-at")
    context = {"listing": listed, "place": current_location(request)}
    return render(request, "courses/reports/taken.html", context)


def with_state(report: Report, state: UpToDate) -> Report:
    """What is still being worked out stands in the file as it stands on the page."""
    if not state.waiting:
        return report
    late = f"results of {say_count(state.waiting, 'patient')} are being worked out again and may change"
    return replace(report, about=f"{report.about} · {late}")


def file_name(key: str, filters: Filters, suffix: str) -> str:
    """It tells the period: "outcomes-2027-01-01-to-2027-03-31.csv", "outcomes-all-time.csv"."""
    days = [day.isoformat() for day in (filters.since, filters.until) if day]
    if filters.since and filters.until:
        period = "-to-".join(days)
    elif days:
        period = f"{'from' if filters.since else 'until'}-{days[0]}"
    else:
        period = "all-time"
    return f"{key}-{period}.{suffix}"


def as_file(answer: HttpResponseBase, name: str) -> HttpResponseBase:
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "no-store, private"
    return answer


def said_at(request: HttpRequest, now: datetime) -> str:
    """The moment on the clocks of the place where this person works."""
    place = current_location(request)
    local = place.local(now) if place else timezone.localtime(now)
    return f"{day_words(local.date())}, {local:%H:%M}"


def _content(request: HttpRequest, report: Report, filters: Filters, known: Choices, suffix: str) -> str | bytes:
    if suffix == "csv":
        return report_csv(report)
    if suffix == "xlsx":
        return report_xlsx(report)
    clinic = known.name_of("location", filters.location) if filters.location else EVERYWHERE
    moment = report.as_of.astimezone(UTC)
    return report_pdf(report, clinic=clinic, said_at=said_at(request, report.as_of), at=moment)
