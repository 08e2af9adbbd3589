"""The call list of the location: on the screen or on paper."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location, rail_count
from clinic.edge.htmx import announce, go, is_fragment
from clinic.edge.lists import listing
from clinic.pure.roles import Can
from patients.models import Message
from patients.services.messages.calls import (
    CallOutcome,
    by_urgency,
    calls_made,
    calls_of,
    calls_waiting,
    record_call,
)
from patients.services.messages.outbox import events_to_choose, name_of
from patients.services.messages.sending import MessageRefusedError
from patients.views.messages.message import OUTCOMES, read_or_404
from patients.views.messages.outbox import filter_in
from patients.views.record import moment_of


@require_GET
@requires(Can.VIEW_MESSAGES)
def call_list(request: HttpRequest) -> HttpResponse:
    """Whom to call, at which number, what to say; and who was called on the day. Filters and page in the address."""
    return _page(request)


@require_POST
@requires(Can.SEND_MESSAGES)
def called(request: HttpRequest, pk: int) -> HttpResponseBase:
    """How one call went, said on the list."""
    row, said = read_or_404(pk), request.POST.get("outcome", "")
    if said not in CallOutcome.values:
        return _page(request, problem="Say how the call went.", status=422)
    outcome, who = CallOutcome(said), name_of(row, staff(request)) or "The call"
    try:
        record_call(row, outcome=outcome, by=staff(request), now=timezone.now())
    except MessageRefusedError as refused:
        return _page(request, problem=f"{who}: {refused} {_last(row.pk)}", status=409)
    noted = f"{who}: {outcome.label.lower()}."
    if is_fragment(request):
        return announce(_page(request), "notice", text=noted)
    messages.success(request, noted)
    return go(request, "outbox:calls")


def _last(pk: int) -> str:
    """Who was faster."""
    step = read_or_404(pk).steps.select_related("by").order_by("-at", "-pk").first()
    return f"{step.text} {step.by or ''}".strip() if step is not None else ""


def _page(request: HttpRequest, *, problem: str = "", status: int = 200) -> HttpResponse:
    place, moment, by, wanted = current_location(request), moment_of(request), staff(request), filter_in(request)
    waiting = calls_waiting(wanted, location=place, by=by, today=moment.today) if place else Message.objects.none()
    page = listing(request, waiting, sorts={"until": ["useful_until"]}, default="until")
    calls = calls_of(page.rows, by=by, now=moment.now)
    count, counted = rail_count("outbox:list", place)
    context: dict[str, Any] = {
        "place": place,
        "wanted": wanted,
        "day": wanted.day,
        "events": events_to_choose(),
        "today": moment.today,
        "now": moment.now,
        "listing": page,
        "groups": by_urgency(calls, location=place, now=moment.now) if place else [],
        "made": calls_made(place, day=wanted.day or moment.today, by=by) if place else [],
        "outcomes": OUTCOMES,
        "problem": problem,
        "count": count,
        "counted": counted,
        "kept": f"?{request.GET.urlencode()}" if request.GET else "",
    }
    name = "patients/messages/_calls.html" if is_fragment(request) else "patients/messages/calls.html"
    return render(request, name, context, status=status)
