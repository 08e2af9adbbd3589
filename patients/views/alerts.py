"""Danger alerts: what waits, one of them, taking it and saying what was done; and the number in the top bar."""

from __future__ import annotations

from datetime import datetime

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import active_locations, alert_counts
from clinic.edge.lists import listing
from clinic.edge.numbers import number_in
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from patients.forms.alerts import SHOW_LABELS, AcknowledgeForm, Show
from patients.models import AlertKind, Consultation, DangerAlert
from patients.services.alerts import AlertStateError, acknowledge_alert, crisis_of, take_alert

ASKS_FOR_CSSRS = (AlertKind.PHQ9_ITEM9, AlertKind.SUICIDE_ITEM)
"""After these the suicide screen is the next step. Source: clinical.md H2, case 9."""


@requires(Can.VIEW_ALERT)
@require_GET
def alert_list(request: HttpRequest) -> HttpResponse:
    """Danger signals: those that wait, unless others are asked for."""
    asked = request.GET.get("show", "")
    show = Show(asked) if asked in set(Show) else Show.WAITING
    places = active_locations(request)
    place = next((one for one in places if one.pk == number_in(request.GET.get("location"))), None)
    rows = _shown(show)
    if place is not None:
        rows = rows.filter(location=place)
    elif (reach := staff(request).reach) is not None:
        rows = rows.filter(location__in=reach)
    default = "-when" if show is Show.ACKNOWLEDGED else "when"
    sorts = {"when": ["raised_at"], "done": ["acknowledged_at"]}
    context = {
        "listing": listing(request, rows, sorts=sorts, default=default),
        "show": show,
        "tabs": SHOW_LABELS.items(),
        "place": place,
        "now": timezone.now(),
        "counts": alert_counts(request),
    }
    return render(request, "patients/alerts/list.html", context)


def _shown(show: Show) -> QuerySet[DangerAlert]:
    rows = DangerAlert.objects.select_related("patient", "request", "location", "assigned_to", "acknowledged_by")
    if show is Show.ACKNOWLEDGED:
        return rows.filter(acknowledged_at__isnull=False)
    waiting = rows.filter(acknowledged_at__isnull=True)
    return waiting.filter(escalated_at__isnull=False) if show is Show.ESCALATED else waiting


@requires(Can.VIEW_ALERT)
@require_GET
def count(request: HttpRequest) -> HttpResponse:
    """The number in the top bar; nothing new answers 204, so that nobody is read the same thing every minute."""
    counts = alert_counts(request)
    if request.GET.get("seen") == counts.seen:
        return HttpResponse(status=204)
    return render(request, "patients/alerts/_count.html", {"alert_counts": counts})


@requires(Can.VIEW_ALERT)
@require_http_methods(["GET", "POST"])
def alert(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One signal: who, what was answered, whom to call; a POST says what was done."""
    row, now = _read(pk), timezone.now()
    if request.method == "POST":
        return _acknowledge(request, row, now)
    return _page(request, row, now, AcknowledgeForm())


@requires(Can.ACKNOWLEDGE_ALERT)
@require_POST
def take(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The signed-in clinician answers for the signal."""
    row = _read(pk)
    try:
        take_alert(row.pk, by=staff(request), now=timezone.now())
    except AlertStateError as there:
        messages.info(request, str(there))
    return redirect("alerts:alert", pk)


def _read(pk: int) -> DangerAlert:
    rows = DangerAlert.objects.select_related(
        "patient", "request", "location", "assessment", "assigned_to", "acknowledged_by"
    )
    return get_object_or_404(rows, pk=pk)


def _acknowledge(request: HttpRequest, row: DangerAlert, now: datetime) -> HttpResponseBase:
    form = AcknowledgeForm(request.POST)
    if not form.is_valid():
        return _page(request, row, now, form, status=422)
    try:
        acknowledge_alert(row.pk, what_was_done=form.words, by=staff(request), now=now)
    except AlertStateError as there:
        messages.error(request, f"{there} What you wrote was not saved; it stands below.")
        return _page(request, _read(row.pk), now, form, status=409)
    messages.success(request, "Acknowledged. Thank you.")
    return redirect("alerts:alert", row.pk)


def _page(
    request: HttpRequest, row: DangerAlert, now: datetime, form: AcknowledgeForm, *, status: int = 200
) -> HttpResponse:
    user = staff(request)
    may_read = user.can(Can.VIEW_CLINICAL)
    if row.patient is not None:
        subject = row.patient.resource_id
        record_reading(by=user, subject_id=subject, page="Danger alert", path=request.path, now=now)
    context = {
        "alert": row,
        "now": now,
        "may_read": may_read,
        "may_act": user.can(Can.ACKNOWLEDGE_ALERT) and row.acknowledged_at is None,
        "form": form,
        "lost": form.data if status == 409 else None,  # noqa: PLR2004
        "phones": list(row.patient.phones.all()) if row.patient is not None else [],
        "crisis": crisis_of(row.location),
        "safety_plan": _safety_plan(row) if may_read else "",
        "cssrs_url": _cssrs(row) if user.can(Can.RECORD_MEASURE) else "",
    }
    return render(request, "patients/alerts/alert.html", context, status=status)


def _safety_plan(row: DangerAlert) -> str:
    """The latest safety plan of the patient's consultations."""
    if row.patient is None:
        return ""
    plans = Consultation.objects.filter(patient=row.patient).exclude(safety_plan="")
    return plans.order_by("-created_at", "-id").values_list("safety_plan", flat=True).first() or ""


def _cssrs(row: DangerAlert) -> str:
    """Where the suicide screen is entered, after a signal that asks for it."""
    if row.patient is None or row.kind not in ASKS_FOR_CSSRS:
        return ""
    try:
        return reverse("measures:entry", args=[row.patient.pk, "cssrs"])
    except NoReverseMatch:
        return ""
