"""Psychiatric admissions and suicide attempts: a small form to record one, and one to strike what was an error."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from clinic.edge.access import requires
from clinic.models import User
from clinic.pure.roles import Can
from courses.forms.care import StrikeForm
from courses.forms.events import EventForm
from courses.models import ClinicalEvent, Course
from courses.services import events as service
from courses.views.following.asking import ask

BACK = {"back": "following:response", "back_label": "Response"}


@requires(Can.EDIT_CARE)
@require_http_methods(["GET", "POST"])
def add(request: HttpRequest, pk: int) -> HttpResponseBase:
    """An admission or an attempt; it counts as a relapse at once and asks a prescriber to look."""
    course = get_object_or_404(Course.objects.select_related("patient", "location"), pk=pk)
    form = EventForm(request.POST or None, initial={"day": course.location.local(timezone.now()).date()})

    def write(data: dict[str, Any], by: User, now: datetime) -> object:
        return service.record_event(pk, kind=data["kind"], day=data["day"], note=data["note"], by=by, now=now)

    note = "After a response it counts as a relapse on its day, whatever the scores say. A prescriber is asked to look."
    said = {"head": "Admission or suicide attempt", "button": "Record it", "note": note}
    return ask(request, course, form, write, said | BACK | {"done": "Recorded. A prescriber is asked to look."})


@requires(Can.EDIT_CARE)
@require_http_methods(["GET", "POST"])
def strike(request: HttpRequest, pk: int, event_id: int) -> HttpResponseBase:
    """It was entered in error."""
    rows = ClinicalEvent.objects.valid().select_related("course__patient", "course__location")
    row = get_object_or_404(rows, pk=event_id, course=pk)
    form = StrikeForm(request.POST or None)

    def write(data: dict[str, Any], by: User, now: datetime) -> object:
        return service.strike_event(event_id, reason=data["reason"], by=by, now=now)

    said = {"head": f"{row.get_kind_display()}: entered in error", "button": "Strike it", "done": "It counts no more."}
    return ask(request, row.course, form, write, said | BACK | {"entry": row, "is_danger": True})
