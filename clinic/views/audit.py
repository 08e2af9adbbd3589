"""What changed, and who read whose record."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.lists import listing
from clinic.forms.setup import AuditForm, HistoryForm
from clinic.models import Location, Resource
from clinic.pure.roles import Can
from clinic.services.access import readings, record_reading
from clinic.services.history import Change, Cursor, HistoryPage, Wanted, history, patient_by_mrn, tables


@require_GET
@requires(Can.VIEW_AUDIT)
def changes(request: HttpRequest) -> HttpResponse:
    place = current_location(request)
    form = HistoryForm(request.GET, today=_today(place), tables=tables())
    page = HistoryPage((), 0, None)
    if form.is_valid():
        data = form.cleaned_data
        patient = _patient(form)
        since, until = _span(data["first_day"], data["last_day"], place)
        if not form.errors:
            wanted = Wanted(
                since=since,
                until=until,
                user_id=data["person"].pk if data["person"] else None,
                subject_id=patient.pk if patient else None,
                table=data["table"],
                change=Change(data["change"]) if data["change"] else None,
                after=Cursor.parse(request.GET.get("after", "")),
            )
            with_clinical = staff(request).can(Can.VIEW_CLINICAL)
            page = history(wanted, with_clinical=with_clinical, location=place)
            _log(request, patient, "History of changes")
    facts = {"form": form, "page": page, "place": place, "is_first": not request.GET.get("after")}
    return render(request, "clinic/history.html", facts, status=422 if form.errors else 200)


@require_GET
@requires(Can.VIEW_AUDIT)
def reads(request: HttpRequest) -> HttpResponse:
    place = current_location(request)
    form = AuditForm(request.GET, today=_today(place))
    rows = None
    if form.is_valid():
        data = form.cleaned_data
        patient = _patient(form)
        since, until = _span(data["first_day"], data["last_day"], place)
        if not form.errors:
            found = readings(
                since=since,
                until=until,
                user_id=data["person"].pk if data["person"] else None,
                subject_ids=[patient.pk] if patient else None,
            )
            rows = listing(request, found, sorts={"at": ("at",)}, default="-at")
    facts = {"form": form, "listing": rows, "place": place}
    return render(request, "clinic/readings.html", facts, status=422 if form.errors else 200)


def _today(place: Location | None) -> date:
    now = timezone.now()
    return place.local(now).date() if place else now.date()


def _span(first: date, last: date, place: Location | None) -> tuple[datetime, datetime]:
    """The instants of whole local days, half-open."""
    if place is None:
        start = datetime.combine(first, time(), tzinfo=timezone.get_default_timezone())
        return start, start + timedelta(days=(last - first).days + 1)
    return place.at(first, time()), place.at(last + timedelta(days=1), time())


def _patient(form: AuditForm) -> Resource | None:
    """The patient whose number was typed; an unknown number is an error at its field."""
    mrn = form.cleaned_data["mrn"]
    patient = patient_by_mrn(mrn) if mrn else None
    if mrn and patient is None:
        form.add_error("mrn", "No patient has this number.")
    return patient


def _log(request: HttpRequest, patient: Resource | None, page: str) -> None:
    if patient is not None:
        record_reading(
            by=staff(request), subject_id=patient.pk, page=page, path=request.get_full_path(), now=timezone.now()
        )
