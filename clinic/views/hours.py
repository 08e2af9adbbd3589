"""Opening hours, closures and public holidays of a location."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.htmx import go
from clinic.edge.links import visit_rows
from clinic.forms.errors import show_refusal
from clinic.forms.setup import ClosureForm, YearForm
from clinic.forms.week import WeekForm, with_monday_copied
from clinic.models import Closure, Location
from clinic.pure.roles import Can
from clinic.services import hours
from clinic.services.hours import BookingsInTheWayError, ClosureData
from clinic.views.asking import ask_about, keeps_bookings

KEPT = "The visits in closed time stand on the to-move list below until somebody moves or cancels them."


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_SETUP)
def opening_hours(request: HttpRequest, pk: int) -> HttpResponseBase:
    place = get_object_or_404(Location, pk=pk)
    here = reverse("setup:opening_hours", args=[place.pk])
    sent = with_monday_copied(request.POST) if "copy" in request.POST else request.POST
    form = WeekForm(sent or None, week=hours.week_of(place))
    if request.method == "POST" and form.is_valid() and "copy" not in request.POST:
        try:
            left = hours.set_opening_hours(
                location=place,
                week=form.week,
                by=staff(request),
                now=timezone.now(),
                keep_bookings=keeps_bookings(request),
            )
        except BookingsInTheWayError as error:
            return ask_about(
                request,
                error.bookings,
                title="Visits are booked outside these hours",
                text=f"With the new opening hours {place} would be closed at these times.",
                back_url=here,
                go_ahead="Save the hours, keep the visits to move",
            )
        messages.success(request, f"Opening hours saved. {KEPT if left else ''}".strip())
        return go(request, here if left else reverse("setup:location", args=[place.pk]))
    facts = {"form": form, "place": place, "visits": _to_move(place)}
    return render(request, "clinic/hours.html", facts, status=_status(form.errors))


def _status(errors: object) -> int:
    return 422 if errors else 200


def _to_move(place: Location) -> list[object]:
    return list(visit_rows(hours.stranded(now=timezone.now(), location=place)[:100]))


@require_GET
@requires(Can.EDIT_SETUP)
def closure_list(request: HttpRequest, pk: int) -> HttpResponse:
    place = get_object_or_404(Location, pk=pk)
    today = place.local(timezone.now()).date()
    past = "past" in request.GET
    ahead = place.closures.filter(last_day__gte=today)
    rows = place.closures.filter(last_day__lt=today).order_by("-first_day") if past else ahead
    facts = {"place": place, "closures": rows[:200], "is_past": past, "visits": _to_move(place), "year": today.year}
    return render(request, "clinic/closures.html", facts)


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_SETUP)
def closure_add(request: HttpRequest, pk: int) -> HttpResponseBase:
    place = get_object_or_404(Location, pk=pk)
    form = ClosureForm(request.POST or None, initial={"first_day": request.GET.get("day")})
    back = reverse("setup:closures", args=[place.pk])

    def save(data: ClosureData, *, keep: bool) -> Closure:
        return hours.add_closure(location=place, data=data, by=staff(request), now=timezone.now(), keep_bookings=keep)

    answer = _save_closure(request, form, save, place=place, back=reverse("setup:closure_add", args=[place.pk]))
    return answer or render(
        request, "clinic/closure_form.html", {"form": form, "place": place, "back": back}, status=_status(form.errors)
    )


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_SETUP)
def closure(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = get_object_or_404(Closure.objects.select_related("location"), pk=pk)
    known = {field: getattr(row, field) for field in ClosureForm.base_fields}
    form = ClosureForm(request.POST or None, initial=known)

    def save(data: ClosureData, *, keep: bool) -> Closure:
        return hours.change_closure(closure=row, data=data, by=staff(request), now=timezone.now(), keep_bookings=keep)

    answer = _save_closure(request, form, save, place=row.location, back=reverse("setup:closure", args=[row.pk]))
    if answer:
        return answer
    fresh = Closure.objects.select_related("location").get(pk=pk)
    facts = {
        "form": form,
        "place": fresh.location,
        "closure": fresh,
        "back": reverse("setup:closures", args=[fresh.location_id]),
        "visits": visit_rows(hours.touching(fresh.location, [fresh], now=timezone.now())),
    }
    return render(request, "clinic/closure_form.html", facts, status=_status(form.errors))


def _save_closure(
    request: HttpRequest, form: ClosureForm, save: Callable[..., Closure], *, place: Location, back: str
) -> HttpResponseBase | None:
    """The answer to a sent form; None when there is nothing to save yet."""
    if request.method != "POST" or not form.is_valid():
        return None
    keep = keeps_bookings(request)
    try:
        row = save(ClosureData(**form.cleaned_data), keep=keep)
    except ValidationError as error:
        show_refusal(form, error)
        return None
    except BookingsInTheWayError as error:
        return ask_about(
            request,
            error.bookings,
            title="Visits are booked then",
            text=f"{place} would be closed at these times. Go back, or close and move them after.",
            back_url=back,
            go_ahead="Close, and keep them to move",
        )
    messages.success(request, f"{place} is closed then: {row.reason}. {KEPT if keep else ''}".strip())
    return go(request, "setup:closure" if keep else "setup:closures", row.pk if keep else place.pk)


@require_POST
@requires(Can.EDIT_SETUP)
def closure_delete(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = get_object_or_404(Closure.objects.select_related("location"), pk=pk)
    hours.remove_closure(closure=row, by=staff(request), now=timezone.now())
    messages.success(request, f"Removed: {row.reason}. {row.location} is open then as its weekly hours say.")
    return go(request, "setup:closures", row.location_id)


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_SETUP)
def public_holidays(request: HttpRequest, pk: int) -> HttpResponseBase:
    place = get_object_or_404(Location, pk=pk)
    today = place.local(timezone.now()).date()
    wanted = YearForm(request.POST or request.GET)
    year = wanted.cleaned_data["year"] if wanted.is_valid() else today.year
    proposed = hours.propose_holidays(place, year, today=today)
    if request.method == "POST":
        ticked = set(request.POST.getlist("day"))
        days = {holiday.day: holiday.name for holiday in proposed if holiday.day.isoformat() in ticked}
        if answer := _add_holidays(request, place, days, back=f"{request.path}?year={year}"):
            return answer
    facts = {"place": place, "year": year, "holidays": proposed, "years": range(today.year, today.year + 3)}
    return render(request, "clinic/holidays.html", facts)


def _add_holidays(request: HttpRequest, place: Location, days: dict[date, str], back: str) -> HttpResponseBase | None:
    """The answer; None when nothing was ticked."""
    keep = keeps_bookings(request)
    try:
        added = hours.add_holidays(location=place, days=days, by=staff(request), now=timezone.now(), keep_bookings=keep)
    except BookingsInTheWayError as error:
        return ask_about(
            request,
            error.bookings,
            title="Visits are booked on these holidays",
            text="Go back and leave those days out, or close them all and move the visits after.",
            back_url=back,
            go_ahead="Close, and keep them to move",
        )
    if not added:
        messages.warning(request, "Nothing to add: tick the days on which the location is closed.")
        return None
    count = f"{len(added)} public holiday{'s' if len(added) > 1 else ''}"
    messages.success(request, f"{count} added. {KEPT if keep else ''}".strip())
    return go(request, "setup:closures", place.pk)
