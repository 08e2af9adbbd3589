"""Importing patients on a page: upload, columns, check, import, result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from clinic.edge.access import requires, staff
from clinic.edge.htmx import details
from clinic.pure.roles import Can
from clinic.services.taken import record_taken
from patients.adapters.tables import Record, Shape, UnreadableFileError
from patients.forms.imports import ColumnsForm, UploadForm
from patients.models import ImportRun, ImportSource, ImportState, RefusalKind
from patients.pure.columns import LABELS, NEVER_SHOWN
from patients.pure.people import printable
from patients.services.imports.refusals import write_refusals
from patients.services.imports.runs import (
    NotNowError,
    begin_run,
    earlier_run_of_file,
    first_rows,
    forget_files,
    progress_of,
    request_run,
    settle_lost,
)

EARLIER_SHOWN = 20
REASONS_SHOWN = 50
OFTEN_SHOWN = 5
STEPS = ("File", "Columns", "Check", "Import")
STEP_OF_STATE = {ImportState.UPLOADED: 1, ImportState.CHECKED: 2, ImportState.DONE: 4}


@require_http_methods(["GET", "POST"])
@requires(Can.IMPORT_PATIENTS)
def start(request: HttpRequest) -> HttpResponseBase:
    """Choosing a file; and the imports of before."""
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            run = begin_run(
                file=form.cleaned_data["file"],
                source=ImportSource(form.cleaned_data["source"]),
                conditions=form.cleaned_data["conditions"],
                allergies=form.cleaned_data["allergies"],
                by=staff(request),
                now=timezone.now(),
            )
        except UnreadableFileError as problem:
            form.add_error("file", str(problem))
        else:
            return redirect("patients:import_run", run.pk)
    earlier = _runs(request).select_related("by")[:EARLIER_SHOWN]
    status = 422 if request.method == "POST" else 200
    return render(request, "patients/import.html", {"form": form, "earlier": earlier}, status=status)


@require_GET
@requires(Can.IMPORT_PATIENTS)
def run_page(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One import, wherever it stands."""
    run = get_object_or_404(_runs(request).select_related("by"), pk=pk)
    settle_lost(run, now=timezone.now())
    is_editing = run.state == ImportState.UPLOADED or ("columns" in request.GET and _may_change(run))
    return _run_page(request, run, ColumnsForm(run=run) if is_editing else None)


@require_POST
@requires(Can.IMPORT_PATIENTS)
def check(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What was chosen is kept, and a worker tries the whole file without saving anything."""
    run = get_object_or_404(_runs(request), pk=pk)
    form = ColumnsForm(request.POST, run=run)
    if not _may_change(run):
        messages.error(request, "This import is being worked on or done, so nothing was changed.")
        return redirect("patients:import_run", pk)
    if not form.is_valid():
        return _run_page(request, run, form, status=422)
    form.settle().save(update_fields=["mapping", "encoding", "date_order", "id_system", "duplicates"])
    return _requested(request, pk, is_dry_run=True)


@require_POST
@requires(Can.IMPORT_PATIENTS)
def go(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A worker imports the file: all of it, or the good rows where that was chosen."""
    get_object_or_404(_runs(request), pk=pk)
    return _requested(request, pk, is_dry_run=False, good_rows_only="good_rows" in request.POST)


@require_POST
@requires(Can.IMPORT_PATIENTS)
def discard(request: HttpRequest, pk: int) -> HttpResponseBase:
    """An import that saved nothing is forgotten, with its file."""
    run = get_object_or_404(_runs(request), pk=pk)
    if not _may_change(run):
        messages.error(request, "This import is being worked on or done, so it is kept.")
        return redirect("patients:import_run", pk)
    forget_files(run)
    run.delete()
    messages.success(request, f"{run.file_name} was discarded. Nothing of it was saved.")
    return redirect("patients:import")


@require_GET
@requires(Can.IMPORT_PATIENTS)
def progress(request: HttpRequest, pk: int) -> HttpResponseBase:
    """How far a run is, asked every second; when it has ended the page is loaded again."""
    run = get_object_or_404(_runs(request), pk=pk)
    settle_lost(run, now=timezone.now())
    if run.state != ImportState.RUNNING:
        return HttpResponseClientRefresh() if details(request) else redirect("patients:import_run", pk)
    return render(request, "patients/_import_progress.html", {"run": run, "rows_read": progress_of(run)})


@require_GET
@requires(Can.IMPORT_PATIENTS)
def refused_rows(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The refused rows and likely duplicates, with the reasons, as CSV. It names people, so it is written down."""
    run = get_object_or_404(_runs(request), pk=pk)
    record_taken(
        what="Refused rows of an import, CSV",
        about=f"Import {run.pk}, {run.refused} rows",
        path=request.path,
        by=staff(request),
        now=timezone.now(),
    )
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="import-{run.pk}-refused.csv"'
    write_refusals(run, answer)  # type: ignore[arg-type]  # an answer is written to like a file
    return answer


def _requested(request: HttpRequest, pk: int, **wishes: Any) -> HttpResponseBase:
    try:
        request_run(pk, **wishes)
    except NotNowError as problem:
        messages.error(request, str(problem))
    return redirect("patients:import_run", pk)


def _runs(request: HttpRequest) -> QuerySet[ImportRun]:
    """All imports; for who reaches some locations only their own: a file holds patients of any location."""
    person = staff(request)
    return ImportRun.objects.all() if person.reach is None else ImportRun.objects.filter(by=person)


def _may_change(run: ImportRun) -> bool:
    return bool(run.file) and run.state not in (ImportState.RUNNING, ImportState.DONE)


def _run_page(request: HttpRequest, run: ImportRun, form: ColumnsForm | None, *, status: int = 200) -> HttpResponseBase:
    context: dict[str, Any] = {"run": run, "form": form, "steps": STEPS, "step": _step(run, form)}
    if form:
        context |= _preview_context(run)
    else:
        counted = dict(run.refusals.values_list("kind").annotate(Count("id")))
        context |= {
            "rows_read": progress_of(run),
            "refusals": run.refusals.all()[:REASONS_SHOWN],
            "listed": sum(counted.values()),
            "duplicates_listed": counted.get(RefusalKind.DUPLICATE, 0),
            "good": run.created + run.updated + run.unchanged,
            "to_save": run.created + run.updated,
            "may_change": _may_change(run),
            "often": _most_often(run),
        }
    return render(request, "patients/import_run.html", context, status=status)


def _most_often(run: ImportRun) -> Any:  # noqa: ANN401 (dictionaries of a queryset)
    """The reasons that many rows share: one mistake of the file, better seen once than row by row."""
    grouped = run.refusals.values("column", "reason").annotate(count=Count("id")).filter(count__gte=3)
    return grouped.order_by("-count", "column")[:OFTEN_SHOWN]


def _step(run: ImportRun, form: ColumnsForm | None) -> int:
    """Which of STEPS the page is about, counted from 0."""
    if form:
        return 1
    return STEP_OF_STATE.get(ImportState(run.state), 2 if run.is_dry_run else 3)


@dataclass(frozen=True, slots=True)
class PreviewColumn:
    name: str
    becomes: str  # our label; empty when it is not imported
    is_hidden: bool


def _preview_context(run: ImportRun) -> dict[str, Any]:
    """The first rows as they will be read. What is never imported is not shown either."""
    try:
        rows = first_rows(run)
    except UnreadableFileError as problem:
        return {"preview_problem": str(problem), "earlier": earlier_run_of_file(run)}
    becomes = {column: LABELS[name] for name, column in run.mapping.items() if name in LABELS}
    columns = [PreviewColumn(name, becomes.get(name, ""), bool(NEVER_SHOWN.search(name))) for name in run.columns]
    is_generic = run.source == ImportSource.GENERIC
    shown = [place for place, column in enumerate(columns) if column.becomes or (is_generic and not column.is_hidden)]
    shape = Shape(run.encoding, run.delimiter, tuple(run.columns), 1, "1")
    return {
        "columns": [columns[place] for place in shown],
        "rows": [_cells(row, shown) for row in rows],
        "hidden": [column.name for column in columns if column.is_hidden],
        "shape_words": shape.words if run.encoding else "Excel workbook",
        "earlier": earlier_run_of_file(run),
    }


def _cells(row: Record, shown: list[int]) -> tuple[int, list[str]]:
    return row.line, [printable(row.values[place]) if row.values else "" for place in shown]
