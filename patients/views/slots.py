"""The slot finder: five free consultations, booked with a key and Enter; and what was booked, with its reminders."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from clinic.edge.access import requires, staff
from clinic.edge.context import active_locations, current_location
from clinic.edge.htmx import announce, is_fragment
from clinic.models import AllocationRole, Booking, BookingKind, Location
from clinic.models.bookings import RELEASED_STATUSES
from clinic.pure.roles import Can
from clinic.pure.week import DAYS
from clinic.services.access import record_reading
from clinic.services.bookings import BookingRefusedError
from patients.forms.slots import ANYWHERE, Asked, BookSlotForm, as_address, asked_in
from patients.models import ConsultationRequest, Patient, VisitMode
from patients.pure.slots import Help, Mode, Part
from patients.services.duplicates import Similar, similar_patients
from patients.services.messages.addressing import zone_of
from patients.services.reach import mark_reach
from patients.services.reminders import reminders_of
from patients.services.requests import RequestRefusedError, StaleRequestError, link_patient, register_from_request
from patients.services.search import search_patients
from patients.services.slots import Patience, Slot, book_slot, move_to_slot, read_desk
from patients.views.slot_subject import Subject, of_request, subject_of

FOUND = 8
PARTS = ((Part.ANY, "First free", "f"), (Part.MORNING, "Mornings", "m"), (Part.AFTERNOON, "Afternoons", "a"))
MODES = ((Mode.IN_PERSON, "In person", "p"), (Mode.VIDEO, "Video", "v"))
WHAT_HELPS = {
    Help.PART: "At another time of the day",
    Help.WEEKDAYS: "On another weekday",
    Help.CLINICIAN: "With another clinician",
    Help.LOCATION: "At another location",
    Help.VIDEO: "On video, which needs no room",
    Help.PATIENT: "If the patient can do otherwise: only their own visits or absences are in the way",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One offered time as the page shows it."""

    slot: Slot
    relative: str
    zone: str  # where several are mixed: the name of the clocks, "CST"
    theirs: str  # on video: the time on the patient's clocks, where those differ
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """What the finder has to say about an attempt to book."""

    form: BookSlotForm
    problem: str = ""
    similar: list[Similar] = field(default_factory=list)


class _RefusedError(Exception):
    """Nothing was booked."""

    def __init__(self, subject: Subject, problem: str = "", similar: list[Similar] | None = None) -> None:
        self.subject, self.problem, self.similar = subject, problem, similar or []
        super().__init__(problem)


@requires(Can.EDIT_BOOKING)
@require_http_methods(["GET", "POST"])
def slots(request: HttpRequest) -> HttpResponseBase:
    """Five free consultations for a request, a patient, or a visit that needs another time."""
    subject = subject_of(request)
    if subject is None:
        return _choose(request)
    if subject.patient and subject.patient.merged_into_id:
        return redirect(f"{reverse('intake:slots')}?patient={subject.patient.merged_into_id}")
    if request.method == "GET":
        return _finder(request, subject)
    form = BookSlotForm(request.POST, is_unknown=subject.patient is None)
    try:
        booking = _book(request, subject, form)
    except _RefusedError as refusal:
        return _finder(request, refusal.subject, Reply(form, refusal.problem, refusal.similar))
    if not is_fragment(request):
        return redirect("intake:booked", booking.pk)
    return announce(_show_booked(request, booking.pk), "requests-changed")


def _choose(request: HttpRequest) -> HttpResponseBase:
    """Nobody was named: the registry is searched, and each one found leads on."""
    text = request.GET.get("q", "").strip()[:80]
    now = timezone.now()
    hits = search_patients(text, limit=FOUND, today=_today(request, now)) if text else []
    mark_reach([hit.patient for hit in hits], person=staff(request), now=now)
    return render(request, "patients/intake/slots_who.html", {"text": text, "hits": hits})


def _today(request: HttpRequest, now: datetime) -> date:
    here = current_location(request)
    return here.local(now).date() if here else now.date()


# --- finding ----------------------------------------------------------------------------------------------------------


def _finder(request: HttpRequest, subject: Subject, reply: Reply | None = None) -> HttpResponseBase:
    places, now = active_locations(request), timezone.now()
    usual = subject.usual(current_location(request), places)
    asked = asked_in(request.GET, usual=usual, today=_today(request, now), locations=[place.pk for place in places])
    form = reply.form if reply else _fresh_form(subject, asked)
    context: dict[str, Any] = {
        "subject": subject,
        "patient": subject.patient,
        "request_row": subject.request,
        "moving": subject.moving,
        "here": current_location(request),
        "problem": subject.refusal or (reply.problem if reply else ""),
        "similar": reply.similar if reply else [],
        "form": form,
    }
    if places and not subject.refusal:
        context |= _found(request, subject, asked, now, chosen=str(form["slot"].value() or ""))
    template = "patients/intake/_slots.html" if is_fragment(request) else "patients/intake/slots.html"
    return render(request, template, context, status=422 if reply else 200)


def _fresh_form(subject: Subject, asked: Asked) -> BookSlotForm:
    initial = {
        "mode": asked.wish.mode,
        "birth_date": subject.request.birth_date if subject.request else None,
    }
    return BookSlotForm(initial=initial, is_unknown=subject.patient is None)


def _found(request: HttpRequest, subject: Subject, asked: Asked, now: datetime, *, chosen: str) -> dict[str, Any]:
    """The times, what would help where there are none, and everything that the filters offer."""
    desk = read_desk(
        locations=active_locations(request),
        ahead=Patience(asked.from_day),
        now=now,
        patient=subject.patient,
        moving=subject.moving,
    )
    team, today = desk.team, _today(request, now)
    if asked.wish.clinician_id not in team.clinicians:  # somebody who left, or no number of ours
        asked = replace(asked, wish=replace(asked.wish, clinician_id=None))
    wish = asked.wish
    answer = desk.find(wish)
    keys = [slot.key for slot in answer.slots]
    marked = chosen if chosen in keys else keys[0] if keys else ""
    mixed = len({slot.location.time_zone for slot in answer.slots}) > 1

    def address(other: Asked) -> str:
        return f"{reverse('intake:slots')}?{as_address(other, today=today, who=subject.address)}"

    return {
        "asked": asked,
        "wish": wish,
        "today": today,
        "who": subject.address,
        "lines": [_line(slot, subject, now, mixed=mixed, is_chosen=slot.key == marked) for slot in answer.slots],
        "answer": answer,
        "ways": [(WHAT_HELPS[way.help], way, address(replace(asked, wish=way.wish))) for way in answer.ways],
        "later": address(replace(asked, from_day=answer.next_day)),
        "here_address": address(asked),
        "parts": [(part.value, label, key, part is wish.part) for part, label, key in PARTS],
        "modes": [(mode.value, label, key, mode is wish.mode) for mode, label, key in MODES],
        "weekdays": [(number, name[:3], number in wish.weekdays) for number, name in enumerate(DAYS)],
        "clinicians": list(team.clinicians.values()),
        "places": list(team.locations.values()),
        "anywhere": ANYWHERE,
        "length_min": team.minutes.get(wish.location_id or 0) or next(iter(team.minutes.values())),
    }


def _line(slot: Slot, subject: Subject, now: datetime, *, mixed: bool, is_chosen: bool) -> Line:
    place = slot.location
    local = place.local(slot.start)
    days = (local.date() - place.local(now).date()).days
    theirs = ""
    if subject.patient and slot.mode == VisitMode.VIDEO:
        own = slot.start.astimezone(zone_of(subject.patient, place))
        theirs = f"{own:%H:%M} for the patient" if own.utcoffset() != local.utcoffset() else ""
    return Line(
        slot=slot,
        relative={0: "today", 1: "tomorrow"}.get(days, f"in {days} days"),
        zone=(local.tzname() or "") if mixed else "",
        theirs=theirs,
        is_chosen=is_chosen,
    )


# --- booking ----------------------------------------------------------------------------------------------------------


def _book(request: HttpRequest, subject: Subject, form: BookSlotForm) -> Booking:
    """The chosen slot is booked for a person who is in the registry by then.

    Raises:
        _RefusedError: nothing was booked; what is wrong stands in it or in the form.
    """
    if subject.refusal or not form.is_valid():
        raise _RefusedError(subject, subject.refusal)
    place = next((one for one in active_locations(request) if one.pk == form.cleaned_data["slot"].location_id), None)
    if place is None:
        raise _RefusedError(subject, "This location is no longer in use. Choose another time.")
    subject = _known(request, subject, form)
    try:
        return _take(request, subject, form, place)
    except BookingRefusedError as refusal:
        raise _RefusedError(of_request(subject.request.pk) if subject.request else subject, str(refusal)) from refusal


def _known(request: HttpRequest, subject: Subject, form: BookSlotForm) -> Subject:
    """The person who asked is a patient: has been, is linked to one of the registry, or is registered now."""
    row = subject.request
    if subject.patient is not None or row is None:
        return subject
    if similar := _who_might_it_be(form, row):
        mark_reach([one.patient for one in similar], person=staff(request), now=timezone.now())
        words = "Somebody like this is in the registry. Say who it is, then book."
        raise _RefusedError(subject, words, similar)
    try:
        _make_known(request, row, form)
    except ValidationError as refusal:
        for name, errors in refusal.message_dict.items():
            form.add_error(name if name in form.fields else None, errors)
        raise _RefusedError(subject) from refusal
    except (StaleRequestError, RequestRefusedError) as refusal:
        # Somebody else (or the other half of a double click) linked them in the meantime: then they are known.
        subject = of_request(row.pk)
        if subject.patient is None:
            raise _RefusedError(subject, str(refusal)) from refusal
        return subject
    return of_request(row.pk)


def _who_might_it_be(form: BookSlotForm, row: ConsultationRequest) -> list[Similar]:
    """Nobody is registered a second time by a hurried Enter."""
    if form.cleaned_data["who"] is not None or form.is_surely_new:
        return []
    return similar_patients(
        given=row.given_name,
        family=row.family_name,
        birth_date=form.cleaned_data["birth_date"] or row.birth_date,
        phone=str(row.phone or ""),
    )


def _make_known(request: HttpRequest, row: ConsultationRequest, form: BookSlotForm) -> None:
    data, by, now = form.cleaned_data, staff(request), timezone.now()
    version = data["version"] if data["version"] is not None else row.version
    if data["who"] is not None:
        link_patient(request_id=row.pk, patient_id=data["who"].pk, expected_version=version, by=by, now=now)
    else:
        born = data["birth_date"]
        register_from_request(request_id=row.pk, birth_date=born, expected_version=version, by=by, now=now)


def _take(request: HttpRequest, subject: Subject, form: BookSlotForm, place: Location) -> Booking:
    data, patient, now = form.cleaned_data, subject.patient, timezone.now()
    if patient is None:
        raise _RefusedError(subject, "Say for whom this is.")
    wanted = {"key": data["slot"], "mode": data["mode"], "patient": patient, "location": place}
    if subject.moving is not None:
        version = data["version"] or 0
        return move_to_slot(**wanted, booking=subject.moving, expected_version=version, by=staff(request), now=now)
    consultation = book_slot(**wanted, request=subject.request, by=staff(request), now=now)
    return Booking.objects.get(pk=consultation.booking_id or 0)


# --- booked -----------------------------------------------------------------------------------------------------------


@requires(Can.EDIT_BOOKING)
@require_GET
def booked(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """What was booked: date, time, place, with whom, how, and the reminders that go out."""
    return _show_booked(request, booking_id)


def _show_booked(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    rows = Booking.objects.filter(kind=BookingKind.CONSULTATION).select_related(
        "location", "subject__patient", "consultation__clinician", "consultation__request"
    )
    now, booking = (
        timezone.now(),
        get_object_or_404(rows.prefetch_related("allocations__resource__user"), pk=booking_id),
    )
    patient: Patient = booking.subject.patient  # type: ignore[union-attr]  # a consultation has a patient: a constraint
    record_reading(by=staff(request), subject_id=patient.resource_id, page="Visit", path=request.path, now=now)
    consultation = getattr(booking, "consultation", None)
    held = {allocation.role: allocation.resource for allocation in booking.allocations.all()}
    with_whom = held.get(AllocationRole.CLINICIAN)
    context = {
        "booking": booking,
        "patient": patient,
        "place": booking.location,
        "mode": VisitMode(consultation.mode) if consultation else VisitMode.IN_PERSON,
        "room": held.get(AllocationRole.STATION),
        "clinician": with_whom.user if with_whom else None,
        "phones": list(patient.phones.all()),
        "request_row": consultation.request if consultation else None,
        "is_released": booking.status in RELEASED_STATUSES,
        "reminders": reminders_of(patient, location=booking.location, start=booking.start, now=now, booking=booking),
    }
    template = "patients/intake/_slots_booked.html" if is_fragment(request) else "patients/intake/slots_booked.html"
    return render(request, template, context)
