"""The de-identified analysis table: what its columns mean, and the table itself as CSV or XLSX."""

from __future__ import annotations

from datetime import datetime

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from clinic.edge.access import requires, staff
from clinic.pure.roles import Can
from courses.adapters.report_files import CSV, XLSX, Rows, csv_lines, rows_xlsx
from courses.planning.words import say_count
from courses.pure.reports.analysis import REMAINS
from courses.pure.reports.analysis_columns import DICTIONARY_HEAD, HEAD, OUTCOME, WHAT, WHO, dictionary
from courses.pure.reports.analysis_kinds import METHOD, QUASI, STEPS, words_of
from courses.pure.reports.contents import LEAST, Cell
from courses.pure.reports.deidentified import LIMITS
from courses.pure.reports.deidentified import METHOD as EVENTS_METHOD
from courses.pure.reports.filters import Filters
from courses.reports.analysis import Extent, extent_of, rows_of
from courses.reports.deidentified import HEAD as EVENTS_HEAD
from courses.reports.deidentified import events_of, plan_of
from courses.reports.filtering import choices, said
from courses.services.report_taken import record_taken
from courses.services.results import bring_up_to_date
from courses.views.reports.files import ROWS, as_file, file_name, said_at
from courses.views.reports.frame import asked_filters, bar_of, choices_of, kinds_of

GROUPS = (("Whose, where and when", WHO), ("What was done", WHAT), ("What it came to", OUTCOME))
DICTIONARY = "dictionary"
WIDTHS = (28, 60, 10, 60, 40, 40)


@requires(Can.TAKE_REPORT_DATA)
@require_GET
def table(request: HttpRequest) -> HttpResponse:
    """What the table holds for the filters of the address, its dictionary, and what remains recognisable in it."""
    return _page(request, timezone.now())


@requires(Can.TAKE_REPORT_DATA)
@require_GET
def table_file(request: HttpRequest, suffix: str) -> HttpResponseBase:
    """The table as CSV, sent while it is read, or as XLSX with its dictionary; the dictionary alone as CSV."""
    now = timezone.now()
    if suffix not in ("csv", "xlsx", DICTIONARY):
        raise Http404
    filters, problems = asked_filters(request, request.GET, now)
    filters = filters.alone
    state, extent = bring_up_to_date(now), extent_of(filters)
    if suffix == DICTIONARY and not problems:
        lines = csv_lines(DICTIONARY_HEAD, _dictionary(extent))
        return as_file(StreamingHttpResponse(lines, content_type=CSV), "analysis-table-dictionary.csv")
    if problems or not extent.is_enough:
        return _page(request, now)
    words = said(filters, choices())
    if state.waiting:
        words = f"{words} · results of {say_count(state.waiting, 'patient')} are being worked out again"
    record_taken(
        what=f"Analysis table, {suffix.upper()}",
        about=words,
        path=request.get_full_path(),
        courses=extent.courses,
        by=staff(request),
        now=now,
    )
    name = file_name("analysis-table", filters, suffix)
    if suffix == "csv":
        return as_file(StreamingHttpResponse(csv_lines(HEAD, rows_of(filters, extent)), content_type=CSV), name)
    content = _workbook(filters, extent, words, said_at(request, now))
    return as_file(HttpResponse(content, content_type=XLSX), name)


@requires(Can.TAKE_REPORT_DATA)
@require_GET
def events_file(request: HttpRequest, suffix: str) -> HttpResponseBase:
    """Sessions and scores with moved days as CSV; too few patients for it get the page with the reason (422)."""
    now = timezone.now()
    if suffix != "csv":
        raise Http404
    filters, problems = asked_filters(request, request.GET, now)
    filters = filters.alone
    bring_up_to_date(now)
    plan = plan_of(filters)
    if problems or not plan.names:
        return _page(request, now)
    record_taken(
        what="Sessions and scores, de-identified, CSV",
        about=f"{said(filters, choices())} · {say_count(len(plan.names), 'patient')}, {plan.left_out} left out",
        path=request.get_full_path(),
        by=staff(request),
        now=now,
    )
    lines = csv_lines(EVENTS_HEAD, events_of(plan))
    return as_file(StreamingHttpResponse(lines, content_type=CSV), file_name("sessions-and-scores", filters, suffix))


def _workbook(filters: Filters, extent: Extent, words: str, as_of: str) -> bytes:
    about: list[tuple[str, Cell]] = [
        ("Filters", words),
        ("As of", as_of),
        ("Courses", extent.courses),
        ("Patients", extent.patients),
        ("Missing values", "An empty cell is not known or does not apply, which is not 0."),
        ("Withheld", METHOD),
        ("Courses told more coarsely", extent.coarser),
        ("What remains", REMAINS),
    ]
    sheets = [
        Rows("Data", HEAD, rows_of(filters, extent)),
        Rows("Dictionary", DICTIONARY_HEAD, _dictionary(extent), WIDTHS),
    ]
    return rows_xlsx("Analysis table, de-identified", about, sheets)


def _dictionary(extent: Extent) -> tuple[tuple[str, ...], ...]:
    """Of too few patients it says nothing but what the columns mean."""
    return dictionary(words_of(list(extent.levels.values())) if extent.is_enough else {})


def _page(request: HttpRequest, now: datetime) -> HttpResponse:
    filters, problems = asked_filters(request, request.GET, now)
    filters = filters.alone
    state, known = bring_up_to_date(now), choices_of(request)
    extent = extent_of(filters)
    is_refused = bool(problems) or (request.resolver_match is not None and request.resolver_match.url_name != "table")
    query = filters.to_query()
    context = {
        "tabs": kinds_of(staff(request)),
        "bar": bar_of(ROWS, filters, known, problems),
        "problems": problems,
        "extent": extent,
        "about": said(filters, known),
        "groups": _groups(extent),
        "head": DICTIONARY_HEAD,
        "quasi": QUASI,
        "steps": [step.says for step in STEPS],
        "dictionary_url": _address(DICTIONARY, query),
        "count": len(HEAD),
        "remains": REMAINS,
        "least": LEAST,
        "events_url": reverse("reports:events_file", args=["csv"]) + (f"?{query}" if query else ""),
        "events_method": EVENTS_METHOD.format(least=LEAST),
        "events_limits": LIMITS,
        "events_head": EVENTS_HEAD,
        "waiting": state.waiting,
        "files": [(one.upper(), _address(one, query)) for one in ("csv", "xlsx")],
        "is_refused": is_refused,
    }
    return render(request, "courses/reports/table.html", context, status=422 if is_refused else 200)


def _groups(extent: Extent) -> list[tuple[str, list[tuple[str, ...]]]]:
    """The lines of the dictionary under the headings of the page."""
    lines = {line[0]: line for line in _dictionary(extent)}
    return [(title, [lines[one.name] for one in variables]) for title, variables in GROUPS]


def _address(suffix: str, query: str) -> str:
    return reverse("reports:table_file", args=[suffix]) + (f"?{query}" if query else "")
