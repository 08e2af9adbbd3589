"""The REMS forms of esketamine: which are due at this location, what each asks, and that one was sent."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.htmx import go
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from courses.forms.signing import RemsSentForm
from courses.models import InfusionRecord
from courses.services.infusion_desk import read_desk
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError
from courses.services.rems import RemsDue, mark_sent, rems_due, rems_lines, rems_of, rems_sent


@requires(Can.RUN_INFUSION)
@require_GET
def rems(request: HttpRequest) -> HttpResponseBase:
    """The forms that are due, overdue ones first, and those sent last."""
    place, now = current_location(request), timezone.now()
    due = rems_due(place, now) if place else []
    context = {
        "place": place,
        "due": due,
        "overdue": sum(one.is_overdue for one in due),
        "sent": rems_sent(place, now) if place else [],
    }
    return render(request, "courses/rems.html", context)


@requires(Can.RUN_INFUSION)
@require_GET
def rems_form(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What the form of one session asks, gathered from its record."""
    return _form_page(request, _session(pk))


@requires(Can.RUN_INFUSION)
@require_POST
def rems_mark_sent(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Somebody sent the form."""
    session, form = _session(pk), RemsSentForm(request.POST)
    if not form.is_valid():
        return _form_page(request, session, form=form, status=422)
    try:
        mark_sent(record_id=pk, reference=form.cleaned_data["reference"], by=staff(request), now=timezone.now())
    except ChangedMeanwhileError as faster:
        return _form_page(request, _session(pk), problem=str(faster), status=409)
    except DayRefusedError as refusal:
        return _form_page(request, session, form=form, problem=str(refusal), status=422)
    messages.success(request, f"The REMS form of {session.patient.name} is marked as sent.")
    return go(request, "courses:rems")


def _session(pk: int) -> RemsDue:
    try:
        return rems_of(pk, timezone.now())
    except InfusionRecord.DoesNotExist as error:
        raise Http404 from error


def _form_page(
    request: HttpRequest, session: RemsDue, *, form: RemsSentForm | None = None, problem: str = "", status: int = 200
) -> HttpResponse:
    now = timezone.now()
    subject_id = session.record.visit.booking.subject_id
    if request.method == "GET" and subject_id:
        record_reading(by=staff(request), subject_id=subject_id, page="REMS form", path=request.path, now=now)
    context = {
        "session": session,
        "place": session.record.visit.booking.location,
        "patient": session.patient,
        "lines": rems_lines(read_desk(session.booking_id, now=now)),
        "form": form or RemsSentForm(),
        "problem": problem,
    }
    return render(request, "courses/rems_form.html", context, status=status)
