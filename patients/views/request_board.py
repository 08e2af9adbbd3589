"""The intake desk: the board of requests, those that were closed, and a request that comes by telephone."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods

from clinic.edge.access import requires, staff
from clinic.edge.context import active_locations, current_location
from clinic.edge.htmx import announce, go, is_fragment
from clinic.edge.lists import listing
from clinic.models import Location
from clinic.pure.roles import Can
from patients.forms.requests import DeskRequestForm, number_region
from patients.models import CloseReason, RequestSource
from patients.services.intake_settings import public_settings_of
from patients.services.request_board import MINE, NOBODY, BoardFilter, board, closed_requests, owners
from patients.services.requests import RequestData, take_phone_request
from patients.views.record import moment_of
from patients.views.requests import CHANGED, sheet_of

EVERYWHERE = "all"
TEXT_AT_MOST = 80
CLOSED_SORTS = {
    "name": ["family_name", "given_name"],
    "received": ["received_at"],
    "closed": ["closed_at"],
    "reason": ["closed_as", "closed_at"],
}


@require_GET
@requires(Can.VIEW_REQUESTS)
def intake_board(request: HttpRequest) -> HttpResponseBase:
    """Five columns; asked again every half minute by the page itself."""
    moment = moment_of(request)
    wanted = _filter(request)
    columns = board(wanted, by=staff(request), now=moment.now)
    context = {"columns": columns, **_filter_context(wanted), "now": moment.now}
    return render(
        request, "patients/intake/_board.html" if is_fragment(request) else "patients/intake/board.html", context
    )


@require_GET
@requires(Can.VIEW_REQUESTS)
def closed(request: HttpRequest) -> HttpResponseBase:
    """What left the board with a reason: found, sorted and paged."""
    wanted = _filter(request)
    reason = request.GET.get("reason", "")
    reason = reason if reason in CloseReason.values else ""
    rows = closed_requests(wanted, by=staff(request), reason=reason)
    context = {
        "listing": listing(request, rows, sorts=CLOSED_SORTS, default="-closed"),
        "reasons": CloseReason.choices,
        "reason": reason,
        **_filter_context(wanted),
    }
    name = "patients/intake/_closed_rows.html" if is_fragment(request) else "patients/intake/closed.html"
    return render(request, name, context)


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_REQUESTS)
def add(request: HttpRequest) -> HttpResponseBase:
    """A request that comes by telephone, at the desk or as a referral; it enters the same queue."""
    moment, place = moment_of(request), current_location(request)
    initial = {"location": place.pk if place else None, "token": uuid4().hex}
    form = DeskRequestForm(
        request.POST if request.method == "POST" else None,
        initial=initial,
        today=moment.today,
        region=number_region(place),
        reach=staff(request).reach,
    )
    if form.is_bound and form.is_valid():
        saved = take_phone_request(
            data=RequestData(**form.values()),
            location=form.cleaned_data["location"],
            source=RequestSource(form.cleaned_data["source"]),
            submission=form.cleaned_data["token"],
            by=staff(request),
            now=moment.now,
        )
        said = f"{saved.name} stands on the board."
        if is_fragment(request):
            answer = announce(sheet_of(request, saved.pk), "notice", text=said)
            return announce(answer, CHANGED)
        messages.success(request, said)
        return go(request, "intake:request", saved.pk)
    name = "patients/intake/_add.html" if is_fragment(request) else "patients/intake/add.html"
    context = {"form": form, "crisis": public_settings_of(place).crisis_text if place else ""}
    return render(request, name, context, status=422 if form.is_bound else 200)


def _filter(request: HttpRequest) -> BoardFilter:
    owner = request.GET.get("owner", "")
    return BoardFilter(
        location_id=_location_id(request),
        owner=owner if owner in (MINE, NOBODY) or (owner.isdecimal() and len(owner) < 10) else "",  # noqa: PLR2004
        text=request.GET.get("q", "").replace("\x00", "").strip()[:TEXT_AT_MOST],
    )


def _location_id(request: HttpRequest) -> int | None:
    """The location of the filter; where none is named, the one at which this person works."""
    text, places = request.GET.get("location", ""), active_locations(request)
    if text == EVERYWHERE:
        return None
    usual: Location | None = next((place for place in places if str(place.pk) == text), current_location(request))
    return usual.pk if usual else None


def _filter_context(wanted: BoardFilter) -> dict[str, Any]:
    return {
        "wanted": wanted,
        "owners": list(owners()),
        "is_filtered": bool(wanted.owner or wanted.text),
        "everywhere": EVERYWHERE,
    }
