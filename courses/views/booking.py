"""Consultations and blocked time: a new one, and another time for one, by a form or by dragging."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.htmx import go, is_fragment
from clinic.edge.numbers import number_in
from clinic.models import AllocationRole, Booking, BookingKind, BookingStatus, Location, Resource, ResourceKind
from clinic.pure.roles import Can, Role
from clinic.pure.walltime import YEARS
from clinic.services import bookings
from clinic.services.visits import block_time, shift_visit
from courses.forms.calendar import NewVisitForm, VisitTimeForm, exact_instant
from courses.services.day import VisitCard, card
from courses.services.hours import object_to
from courses.views.calendar import parse_day
from courses.views.today import safe_return
from courses.views.visits import calendar_at, opened_on, read_booking
from patients.models import Patient
from patients.services.consultations import book_consultation
from patients.services.reach import mark_reach
from patients.services.search import Hit, search_patients


@requires(Can.EDIT_BOOKING)
@require_http_methods(["GET", "POST"])
def new_visit(request: HttpRequest) -> HttpResponseBase:
    place = current_location(request)
    if place is None:
        return redirect("courses:today")
    now = timezone.now()

    def find(text: str) -> list[Hit]:
        return search_patients(text, limit=8, today=place.local(now).date())

    form = NewVisitForm(request.POST or None, initial=_initial(request, place, now), location=place, find=find)
    warnings: tuple[str, ...] = ()
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        if elsewhere := _elsewhere(request, data.get("who"), now):
            form.add_error("patient", elsewhere)
        else:
            warnings, problem = _judged(data, BookingKind(data["kind"]), place, data.get("who"), now)
            problem = problem or ("" if warnings else _book(form, place, request, now))
            if not problem and not warnings:
                messages.success(request, f"Booked: {place.local(data['at']):%a %-d %b, %H:%M}.")
                return go(request, calendar_at(place, data["at"]))
            if problem:
                form.add_error(None, problem)
    mark_reach(form.choices, person=staff(request), now=now)
    context = {"form": form, "place": place, "warnings": warnings, "token": _token(warnings)}
    context["known"] = _known_patient(form)
    template = "courses/_new_visit.html" if is_fragment(request) else "courses/new_visit.html"
    return render(request, template, context, status=422 if form.errors or warnings else 200)


def _elsewhere(request: HttpRequest, patient: Patient | None, now: datetime) -> str:
    """What to say when the words that were typed mean somebody whom this person does not reach."""
    mark_reach([patient] if patient else [], person=staff(request), now=now)
    if patient is None or not patient.elsewhere:
        return ""
    return f"{patient.list_name} belongs to {patient.elsewhere}. Open the record first, with a reason; then book here."


def _known_patient(form: NewVisitForm) -> Patient | None:
    """The patient whom the form already knows: chosen before, or the page where it was opened is theirs."""
    pk = form["patient_id"].value()
    if form.is_bound and form.is_valid():
        return form.cleaned_data.get("who")
    number = number_in(str(pk or ""))
    return Patient.objects.current().filter(pk=number).first() if number is not None else None


def _initial(request: HttpRequest, place: Location, now: datetime) -> dict[str, Any]:
    """What the address says (a click into the calendar, a patient's page), else the next full step of today."""
    local = place.local(now)
    later = local.hour * 60 + local.minute
    step = place.start_step_min
    minute = min(-(-later // step) * step, 23 * 60)
    known: dict[str, Any] = {k: v for k, v in request.GET.items() if k in NewVisitForm.base_fields}
    known["day"] = parse_day(known.get("day"), local.date())
    start = f"{minute // 60:02d}:{minute % 60:02d}" if known["day"] == local.date() else "09:00"
    number = number_in(known.get("station"))
    station = Resource.objects.filter(pk=number).first() if number is not None else None
    if station is not None and station.kind == ResourceKind.CHAIR:
        known.setdefault("kind", BookingKind.BLOCK)
    return {"kind": BookingKind.CONSULTATION, "start": start} | known


def _judged(
    data: dict[str, Any], kind: BookingKind, place: Location, patient: Patient | None, now: datetime
) -> tuple[tuple[str, ...], str]:
    """(warnings that were not accepted yet, what is refused)."""
    said = object_to(
        kind=kind,
        location=place,
        start=data["at"],
        end=data["end"],
        resources=data["resources"],
        patient=patient,
        now=now,
    )
    return (() if data.get("anyway") == _token(said.warnings) else said.warnings), " ".join(said.refusals)


def _token(warnings: Sequence[str]) -> str:
    """Stands for exactly these warnings: a tick for one of them does not count for another."""
    return hashlib.sha256("\n".join(warnings).encode()).hexdigest()[:16] if warnings else ""


def _book(form: NewVisitForm, place: Location, request: HttpRequest, now: datetime) -> str:
    """Empty when it was booked, else what stands in the way."""
    data, by = form.cleaned_data, staff(request)
    try:
        if data["kind"] == BookingKind.BLOCK:
            block_time(
                location=place,
                resource_ids=[one.pk for one in data["resources"]],
                start=data["at"],
                end=data["end"],
                title=data["title"],
                by=by,
                now=now,
            )
        else:
            book_consultation(
                patient=data["who"],
                location=place,
                start=data["at"],
                length_min=data["length_min"],
                clinician_id=data["clinician"].pk,
                room_id=data["station"].pk,
                by=by,
                now=now,
            )
    except bookings.BookingRefusedError as refusal:
        return str(refusal)
    return ""


# -- another time ------------------------------------------------------------------------------------------------------


@requires(Can.EDIT_BOOKING)
@require_http_methods(["GET", "POST"])
def visit_time(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """Dragging with fields: another time, room or clinician for a consultation, another time for blocked time."""
    booking = read_booking(booking_id)
    if booking.kind == BookingKind.INFUSION:
        return go(request, "courses:move", booking.infusion_visit.infusion_id)
    place, now, shown = booking.location, timezone.now(), card(booking)
    initial = {
        "day": place.local(booking.start).date(),
        "start": place.local(booking.start).time(),
        "station": shown.station.resource_id if shown.station else None,
        "clinician": shown.clinician.resource_id if shown.clinician else None,
        "version": booking.version,
    }
    form = VisitTimeForm(
        request.POST or None,
        initial=initial,
        location=place,
        kind=shown.kind,
        has_room=shown.station is not None,
    )
    warnings: tuple[str, ...] = ()
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        data["end"] = data["at"] + (booking.end - booking.start)
        warnings, problem = _judged(data, shown.kind, place, shown.patient, now)
        if not problem and not warnings:
            instead = {
                old.resource_id: new.pk
                for old, new in ((shown.station, data.get("station")), (shown.clinician, data.get("clinician")))
                if old and new and old.resource_id != new.pk
            }
            problem = _shift(request, booking, data, instead)
        if not problem and not warnings:
            messages.success(request, _moved_words(shown, place, data["at"]))
            return go(request, safe_return(request, "courses:calendar"))
        if problem:
            form.add_error(None, problem)
    context = {
        "form": form,
        "card": shown,
        "place": place,
        "warnings": warnings,
        "token": _token(warnings),
        "next": opened_on(request, shown, place),
    }
    template = "courses/_visit_time.html" if is_fragment(request) else "courses/visit_time.html"
    return render(request, template, context, status=422 if form.errors or warnings else 200)


def _shift(request: HttpRequest, booking: Booking, data: dict[str, Any], instead: dict[int, int]) -> str:
    """Empty when it was moved, else what stands in the way."""
    try:
        shift_visit(
            booking,
            start=data["at"],
            instead=instead,
            by=staff(request),
            now=timezone.now(),
            expected_version=data["version"],
        )
    except bookings.BookingRefusedError as refusal:
        return str(refusal)
    return ""


def _moved_words(before: VisitCard, place: Location, start: datetime) -> str:
    words = f"Moved to {place.local(start):%a %-d %b, %H:%M}."
    if before.status is BookingStatus.CONFIRMED and start != before.start:
        words += f" {before.who} had confirmed the old time: ask again."
    return words


@requires(Can.EDIT_BOOKING)
@require_POST
def move_visit(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """Moves a consultation or blocked time to where it was dropped, and answers with what to do or undo (JSON).

    An infusion goes through the judge, so nothing is saved: its move page is named, with the wish.
    """
    booking = read_booking(booking_id)
    try:
        day, clock = _dropped_on(request)
        version = int(request.POST.get("version", ""))
        dropped = [int(request.POST[key]) for key in ("from", "to") if request.POST.get(key)]
    except ValueError:
        return JsonResponse({"problem": "This move could not be read. Load the page again."}, status=422)
    if booking.kind == BookingKind.INFUSION:
        return JsonResponse({"sheet": _infusion_move_url(booking, day, clock, dropped)})
    place, now, before = booking.location, timezone.now(), card(booking)
    start = exact_instant(place, day, clock)
    if start is None:
        return JsonResponse({"problem": "This time does not exist on that day: the clocks go forward."}, status=422)
    instead = {dropped[0]: dropped[1]} if len(dropped) == 2 and dropped[0] != dropped[1] else {}  # noqa: PLR2004
    new, problem = _replacement(before, place, instead)
    if not problem:
        data = {
            "at": start,
            "end": start + (booking.end - booking.start),
            "resources": [*_people_of(before, instead), *new],
            "anyway": request.POST.get("anyway", ""),
        }
        warnings, problem = _judged(data, before.kind, place, before.patient, now)
        if warnings and not problem:
            return JsonResponse({"ask": list(warnings), "anyway": _token(warnings)})
    problem = problem or _shift(request, booking, {"at": start, "version": version}, instead)
    if problem:
        return JsonResponse({"problem": problem}, status=422)
    return JsonResponse(
        {"done": _moved_words(before, place, start), "undo": _way_back(before, place, instead, version + 1, now)}
    )


def _dropped_on(request: HttpRequest) -> tuple[date, time]:
    day, clock = date.fromisoformat(request.POST.get("day", "")), time.fromisoformat(request.POST.get("start", ""))
    if day.year not in YEARS or clock.tzinfo is not None:
        raise ValueError("no day or wall time of a calendar")
    return day, clock


def _infusion_move_url(booking: Booking, day: date, clock: time, dropped: Sequence[int]) -> str:
    wish: dict[str, Any] = {"day": day.isoformat(), "start": f"{clock:%H:%M}"}
    if len(dropped) == 2:  # noqa: PLR2004 (from and to)
        wish["chair"] = dropped[1]
    return f"{reverse('courses:move', args=[booking.infusion_visit.infusion_id])}?{urlencode(wish)}"


def _replacement(before: VisitCard, place: Location, instead: dict[int, int]) -> tuple[list[Resource], str]:
    """What the visit gets instead, and why it cannot be that: a room stays a room, a clinician a clinician."""
    if not instead:
        return [], ""
    (old_id, new_id), held = next(iter(instead.items())), {one.resource_id: one for one in before.taken}
    rows = Resource.objects.select_related("user").in_bulk([old_id, new_id])
    if old_id not in held or new_id not in rows or old_id not in rows:
        return [], "This visit has changed. Load the page again."
    old, new = rows[old_id], rows[new_id]
    if old.kind != new.kind or (new.location_id and new.location_id != place.pk):
        words = {ResourceKind.ROOM: "a room", ResourceKind.CHAIR: "a chair", ResourceKind.PERSON: "a person"}
        return [], f"{old.name} is {words[ResourceKind(old.kind)]}: drop this on {words[ResourceKind(old.kind)]}."
    if held[old_id].role == AllocationRole.CLINICIAN and Role.CLINICIAN not in new.user.roles:
        return [], f"{new.name} is no clinician, so the consultation cannot go there."
    return [new], ""


def _people_of(before: VisitCard, instead: dict[int, int]) -> list[Resource]:
    kept = [one.resource_id for one in before.taken if one.resource_id not in instead]
    return list(Resource.objects.filter(pk__in=kept, kind=ResourceKind.PERSON).select_related("user"))


def _way_back(
    before: VisitCard, place: Location, instead: dict[int, int], version: int, now: datetime
) -> dict[str, Any] | None:
    """What to send to undo the move; None when the old time could not be booked any more."""
    old = list(Resource.objects.filter(pk__in=[t.resource_id for t in before.people]).select_related("user"))
    said = object_to(
        kind=before.kind,
        location=place,
        start=before.start,
        end=before.end,
        resources=old,
        patient=before.patient,
        now=now,
    )
    if said.refusals:
        return None
    local = place.local(before.start)
    swap = {"from": next(iter(instead.values())), "to": next(iter(instead))} if instead else {}
    back = {"day": f"{local:%Y-%m-%d}", "start": f"{local:%H:%M}", "version": version}
    return back | {"anyway": _token(said.warnings)} | swap
