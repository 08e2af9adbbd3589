"""Opening a record of another location with a reason, closing it, and the managers' list of what was opened."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.links import own_page
from clinic.edge.lists import listing
from clinic.edge.reach import standing_of
from clinic.forms.errors import show_refusal
from clinic.forms.reach import LookForm, OpenForm, OpeningsForm
from clinic.models import Location, Opening, OpeningReason, Resource, ResourceKind
from clinic.pure.roles import Can
from clinic.services import openings as service

EVERYTHING = "all"


@require_http_methods(["GET", "POST"])
@requires(Can.VIEW_PATIENT)
def open_record(request: HttpRequest, subject_id: int) -> HttpResponseBase:
    """Asks why, and opens the record for this person; whoever reaches it anyway goes straight on."""
    subject = get_object_or_404(Resource, pk=subject_id, kind=ResourceKind.PATIENT)
    person, now = staff(request), timezone.now()
    way = own_page(request, request.POST.get("next", "") or request.GET.get("next", ""))
    found = standing_of(person, subject_ids=[subject.pk], now=now)[subject.pk]
    if found.is_reached:
        return redirect(way)
    form = OpenForm(request.POST if request.method == "POST" else None, initial={"next": way})
    if form.is_bound and form.is_valid():
        try:
            service.open_record(
                by=person,
                subject_id=subject.pk,
                location_id=min(found.places, default=None),
                kind=OpeningReason(form.cleaned_data["kind"]),
                reason=form.cleaned_data["reason"],
                path=way,
                now=now,
            )
        except ValidationError as error:
            show_refusal(form, error)
        else:
            return redirect(way)
    context = {"found": found, "form": form, "next": way, "subject": subject}
    return render(request, "clinic/elsewhere.html", context, status=422 if form.is_bound else 200)


@require_POST
@requires(Can.VIEW_PATIENT)
def close_record(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The person is done with it."""
    service.close_record(by=staff(request), opening_id=pk, now=timezone.now())
    messages.success(request, "The record of the other location is closed for you again.")
    return redirect("/")


@require_GET
@requires(Can.VIEW_OPENINGS)
def opening_list(request: HttpRequest) -> HttpResponse:
    """What was opened with a reason: first what nobody has looked at."""
    return _page(request)


@require_POST
@requires(Can.VIEW_OPENINGS)
def look_at(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A manager has looked at one, with or without a note."""
    row, form = get_object_or_404(Opening, pk=pk), LookForm(request.POST)
    if not form.is_valid():
        return _page(request, problem="A note has at most 300 letters.", status=422)
    try:
        service.look_at(opening_id=row.pk, note=form.cleaned_data["note"], by=staff(request), now=timezone.now())
    except ValidationError as refusal:
        return _page(request, problem=" ".join(refusal.messages), status=422)
    except service.LookedAtError as faster:
        return _page(request, problem=str(faster), status=409)
    messages.success(request, "Marked as looked at.")
    return redirect("setup:openings")


def _page(request: HttpRequest, *, problem: str = "", status: int = 200) -> HttpResponse:
    place, form = current_location(request), OpeningsForm(request.GET)
    rows = None
    if form.is_valid():
        data = form.cleaned_data
        found = service.openings(
            since=_begin(data["first_day"], place),
            until=_begin(data["last_day"] + timedelta(days=1) if data["last_day"] else None, place),
            user_id=data["person"].pk if data["person"] else None,
            location_id=data["location"].pk if data["location"] else None,
            only_new=data["show"] != EVERYTHING,
        )
        rows = listing(request, found, sorts={"at": ("at",)}, default="-at")
    context = {
        "form": form,
        "listing": rows,
        "place": place,
        "now": timezone.now(),
        "problem": problem,
        "is_all": form.is_valid() and form.cleaned_data["show"] == EVERYTHING,
    }
    return render(request, "clinic/openings.html", context, status=422 if form.errors else status)


def _begin(day: date | None, place: Location | None) -> datetime | None:
    """The first instant of a day, on the clocks of the place."""
    if day is None:
        return None
    return place.at(day, time()) if place else datetime.combine(day, time(), tzinfo=timezone.get_default_timezone())
