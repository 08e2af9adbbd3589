"""Locations, and the chairs and rooms in them."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.htmx import go
from clinic.forms.errors import show_refusal
from clinic.forms.setup import LocationForm, StationForm
from clinic.models import Location, Resource, ResourceKind
from clinic.pure.roles import Can
from clinic.pure.week import week_in_words
from clinic.services import places
from clinic.services.hours import BookingsInTheWayError, stranded, weeks_of
from clinic.services.overview import station_counts
from clinic.services.places import LocationData, StationData
from clinic.views.asking import ask_about


@require_GET
@requires(Can.EDIT_SETUP)
def location_list(request: HttpRequest) -> HttpResponse:
    rows = list(Location.objects.order_by("-is_active", "name"))
    weeks, counts = weeks_of(rows), station_counts()
    facts = [(row, counts[row.pk], week_in_words(weeks[row.pk]) if any(weeks[row.pk].values()) else []) for row in rows]
    return render(request, "clinic/locations.html", {"rows": facts})


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_SETUP)
def location_add(request: HttpRequest) -> HttpResponseBase:
    form = LocationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            place = places.add_location(data=LocationData(**form.cleaned_data), by=staff(request), now=timezone.now())
        except ValidationError as error:
            show_refusal(form, error)
        else:
            messages.success(request, f"{place} is added. Now say when it is open and which chairs it has.")
            return go(request, "setup:location", place.pk)
    return render(request, "clinic/location_form.html", {"form": form}, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_SETUP)
def location_edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    place = get_object_or_404(Location, pk=pk)
    known = {field: getattr(place, field) for field in LocationForm.base_fields}
    form = LocationForm(request.POST or None, initial=known)
    if request.method == "POST" and form.is_valid():
        try:
            data = LocationData(**form.cleaned_data)
            places.change_location(location=place, data=data, by=staff(request), now=timezone.now())
        except ValidationError as error:
            show_refusal(form, error)
            place.refresh_from_db()
        else:
            messages.success(request, f"{place} is saved.")
            return go(request, "setup:location", place.pk)
    facts = {"form": form, "place": place}
    return render(request, "clinic/location_form.html", facts, status=422 if form.is_bound else 200)


@require_GET
@requires(Can.EDIT_SETUP)
def location(request: HttpRequest, pk: int) -> HttpResponse:
    place = get_object_or_404(Location, pk=pk)
    now = timezone.now()
    week = weeks_of([place])[place.pk]
    stations = list(Resource.objects.filter(location=place).order_by("-is_active", "kind", "position", "name", "id"))
    facts = {
        "place": place,
        "week": week_in_words(week) if any(week.values()) else [],
        "closures": place.closures.filter(last_day__gte=place.local(now).date())[:4],
        "stranded": stranded(now=now, location=place).count(),
        "groups": [
            (kind, kind.label + "s", own, [station for station in own if station.is_active][-1:])
            for kind in (ResourceKind.CHAIR, ResourceKind.ROOM)
            for own in [[station for station in stations if station.kind == kind]]
        ],
    }
    return render(request, "clinic/location.html", facts)


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_SETUP)
def station_add(request: HttpRequest, pk: int) -> HttpResponseBase:
    place = get_object_or_404(Location, pk=pk)
    form = StationForm(request.POST or None, initial={"kind": request.GET.get("kind", "chair")})
    if request.method == "POST" and form.is_valid():
        try:
            data = StationData(**(form.cleaned_data | {"kind": ResourceKind(form.cleaned_data["kind"])}))
            station = places.add_station(location=place, data=data, by=staff(request), now=timezone.now())
        except ValidationError as error:
            show_refusal(form, error)
        else:
            messages.success(request, f"{station} is added to {place}.")
            return go(request, "setup:location", place.pk)
    facts = {"form": form, "place": place}
    return render(request, "clinic/station_form.html", facts, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_SETUP)
def station_edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    station = _station(pk)
    form = StationForm(request.POST or None, initial={"kind": station.kind, "name": station.name, "note": station.note})
    if request.method == "POST" and form.is_valid():
        try:
            data = StationData(**(form.cleaned_data | {"kind": ResourceKind(form.cleaned_data["kind"])}))
            places.change_station(station=station, data=data, by=staff(request), now=timezone.now())
        except ValidationError as error:
            show_refusal(form, error)
            station.refresh_from_db()
        else:
            messages.success(request, f"{station} is saved.")
            return go(request, "setup:location", station.location_id)
    facts = {"form": form, "place": station.location, "station": station}
    return render(request, "clinic/station_form.html", facts, status=422 if form.is_bound else 200)


@require_POST
@requires(Can.EDIT_SETUP)
def station_move(request: HttpRequest, pk: int) -> HttpResponseBase:
    station = _station(pk)
    places.move_station(station=station, up=request.POST.get("to") == "up", by=staff(request), now=timezone.now())
    return go(request, "setup:location", station.location_id)


@require_POST
@requires(Can.EDIT_SETUP)
def station_retire(request: HttpRequest, pk: int) -> HttpResponseBase:
    station = _station(pk)
    try:
        places.retire_station(station=station, by=staff(request), now=timezone.now())
    except BookingsInTheWayError as error:
        return ask_about(
            request,
            error.bookings,
            title=f"{station} is still booked",
            text="Move these visits to another chair or room first; then it can be retired.",
            back_url=f"/setup/locations/{station.location_id}/",
        )
    messages.success(request, f"{station} is retired. Its past stays in the records.")
    return go(request, "setup:location", station.location_id)


@require_POST
@requires(Can.EDIT_SETUP)
def station_restore(request: HttpRequest, pk: int) -> HttpResponseBase:
    station = _station(pk)
    try:
        places.restore_station(station=station, by=staff(request), now=timezone.now())
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, f"{station} can be booked again.")
    return go(request, "setup:location", station.location_id)


def _station(pk: int) -> Resource:
    return get_object_or_404(Resource.objects.select_related("location"), pk=pk, location__isnull=False)
