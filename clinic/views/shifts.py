"""When people work: the weekly table, days off and extra days, and the week of everybody."""

from __future__ import annotations

from datetime import date, timedelta

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.htmx import go
from clinic.forms.errors import show_refusal
from clinic.forms.setup import ExceptionForm
from clinic.forms.week import ShiftWeekForm, with_monday_copied
from clinic.models import Closure, ExceptionKind, Location, ShiftException, User
from clinic.pure.roles import Can
from clinic.services import shifts
from clinic.services.hours import BookingsInTheWayError
from clinic.services.shifts import ExceptionData
from clinic.services.staff import BOOKABLE_ROLES
from clinic.views.asking import ask_about, keeps_bookings

KEPT = "The visits that nobody is there for stand on the page until somebody moves them."


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_SETUP)
def weekly(request: HttpRequest, pk: int, location_pk: int) -> HttpResponseBase:
    person = get_object_or_404(User.objects.select_related("resource"), pk=pk)
    place = get_object_or_404(Location, pk=location_pk)
    today = place.local(timezone.now()).date()
    sent = with_monday_copied(request.POST) if "copy" in request.POST else request.POST
    form = ShiftWeekForm(sent or None, week=shifts.pattern_of(person, place, on=today), first_day=today)
    if request.method == "POST" and form.is_valid() and "copy" not in request.POST:
        try:
            left = shifts.set_shifts(
                person=person,
                location=place,
                first_day=form.cleaned_data["first_day"],
                week=form.week,
                by=staff(request),
                now=timezone.now(),
                keep_bookings=keeps_bookings(request),
            )
        except ValidationError as error:
            show_refusal(form, error)
        except BookingsInTheWayError as error:
            return _ask(request, person, error, back=request.path)
        else:
            messages.success(request, f"Shifts saved. {KEPT if left else ''}".strip())
            return go(request, "setup:person", person.pk)
    facts = {"form": form, "person": person, "place": place, "places": Location.objects.active()}
    return render(request, "clinic/shifts.html", facts, status=422 if form.errors else 200)


def _ask(request: HttpRequest, person: User, error: BookingsInTheWayError, *, back: str) -> HttpResponse:
    return ask_about(
        request,
        error.bookings,
        title=f"{person} has visits booked then",
        text="Nobody would be there for them. Go back, or save and move them after.",
        back_url=back,
        go_ahead="Save, and keep the visits to move",
    )


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_SETUP)
def exception_add(request: HttpRequest, pk: int) -> HttpResponseBase:
    person = get_object_or_404(User.objects.select_related("resource"), pk=pk)
    form = ExceptionForm(request.POST or None, initial={"kind": request.GET.get("kind", ExceptionKind.OFF)})
    if request.method == "POST" and form.is_valid():
        data = ExceptionData(**(form.cleaned_data | {"kind": ExceptionKind(form.cleaned_data["kind"])}))
        try:
            row = shifts.add_exception(
                person=person, data=data, by=staff(request), now=timezone.now(), keep_bookings=keeps_bookings(request)
            )
        except ValidationError as error:
            show_refusal(form, error)
        except BookingsInTheWayError as error:
            return _ask(request, person, error, back=request.path)
        else:
            messages.success(request, f"Saved: {row}.")
            return go(request, "setup:person", person.pk)
    facts = {"form": form, "person": person}
    return render(request, "clinic/exception_form.html", facts, status=422 if form.errors else 200)


@require_POST
@requires(Can.EDIT_SETUP)
def exception_delete(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = get_object_or_404(ShiftException.objects.select_related("user__resource"), pk=pk)
    back = reverse("setup:person", args=[row.user_id])
    try:
        shifts.remove_exception(row=row, by=staff(request), now=timezone.now(), keep_bookings=keeps_bookings(request))
    except BookingsInTheWayError as error:
        return _ask(request, row.user, error, back=back)
    messages.success(request, f"Removed: {row}.")
    return go(request, back)


@require_GET
@requires(Can.EDIT_SETUP)
def week(request: HttpRequest) -> HttpResponse:
    place = current_location(request)
    today = place.local(timezone.now()).date() if place else timezone.now().date()
    monday = _monday(request.GET.get("day", ""), today)
    days = [monday + timedelta(days=n) for n in range(7)]
    people = [p for p in User.objects.filter(is_active=True) if BOOKABLE_ROLES.intersection(p.roles)]
    here = shifts.presence(people, days[0], days[-1])
    places = {row.pk: row for row in Location.objects.all()}
    closures = Closure.objects.filter(first_day__lte=days[-1], last_day__gte=days[0]).select_related("location")
    facts = {
        "days": [(day, [row for row in closures if row.first_day <= day <= row.last_day]) for day in days],
        "rows": [(person, [_cell(here[person.pk][day], places) for day in days]) for person in people],
        "today": today,
        "before": monday - timedelta(days=7),
        "after": monday + timedelta(days=7),
    }
    return render(request, "clinic/staff_week.html", facts)


def _cell(presence: shifts.Presence, places: dict[int, Location]) -> dict[str, object]:
    stretches = [(places[place].short_name, stretch) for place, stretch in presence.stretches]
    return {"stretches": stretches, "notes": presence.notes}


def _monday(text: str, today: date) -> date:
    """The Monday of the wanted day's week; of this week when the address makes no sense."""
    try:
        day = date.fromisoformat(text)
        day = day if date(2000, 1, 1) <= day <= date(2100, 1, 1) else today
    except ValueError:
        day = today
    return day - timedelta(days=day.weekday())
