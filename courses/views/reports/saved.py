"""Reports with their filters under a name: saved, opened and deleted by their owner, unseen by everybody else."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from clinic.edge.access import requires, staff
from courses.forms.reports import SaveForm
from courses.models import SavedReport
from courses.services.saved_reports import delete_report, save_report
from courses.views.reports.frame import ANY_REPORT, asked_filters, kind_or_404
from courses.views.reports.page import report_page


@requires(*ANY_REPORT)
@require_POST
def save(request: HttpRequest) -> HttpResponse | HttpResponseBase:
    """The report stands in the owner's list with the filters that it was shown with."""
    kind = kind_or_404(request, request.POST.get("report", ""))
    form, now = SaveForm(request.POST), timezone.now()
    filters, problems = asked_filters(request, form.filters, now, kind)
    if not form.is_valid() or problems:
        return report_page(request, kind, form=form)
    try:
        row = save_report(
            name=form.cleaned_data["name"], report=kind.key, query=filters.to_query(), by=staff(request), now=now
        )
    except ValidationError as refusal:
        form.add_error("name", refusal.messages)
        return report_page(request, kind, form=form)
    messages.success(request, f"Saved as “{row.name}”. It stands under “Saved views”.")
    return redirect("reports:saved", row.pk)


@requires(*ANY_REPORT)
@require_GET
def saved_view(request: HttpRequest, saved_id: int) -> HttpResponseBase:
    """The report as it was saved; what is somebody else's is not there."""
    row = get_object_or_404(SavedReport, pk=saved_id, owner=staff(request))
    address = reverse("reports:page", args=[row.report])
    return redirect(f"{address}?{row.query}" if row.query else address)


@requires(*ANY_REPORT)
@require_POST
def delete(request: HttpRequest, saved_id: int) -> HttpResponseBase:
    """It is no longer in the list; the report itself stays as it is."""
    row = get_object_or_404(SavedReport, pk=saved_id, owner=staff(request))
    name, report = row.name, row.report
    delete_report(row, by=staff(request))
    messages.success(request, f"“{name}” is deleted from your saved views.")
    return redirect("reports:page", report)
