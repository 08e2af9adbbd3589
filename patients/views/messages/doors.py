"""The door of every page behind the one link of a message: limited, kept by no browser, giving nothing away.

The link is the only key. No cookie is set or needed, so no CSRF token either: the key to the forms is in their own
address, which no other site knows, and no sign-in is used.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

import pghistory
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from clinic.edge.limits import over_limit
from clinic.edge.numbers import number_in
from clinic.models import Location
from patients.services.intake_settings import public_settings_of, usual_settings
from patients.services.languages import speaking
from patients.services.messages.links import LinkRefusedError, Opened, Purpose, Refusal, purpose_of, read
from patients.views.language import chosen_language, in_asked_language, switch_of

RATE = "120/m"
"""By address. A waiting room may answer through one address."""
LARGEST_FORM = 2_048
"""Bytes. The forms carry a time and a short reason."""

View = Callable[..., HttpResponseBase]


def by_link(*purposes: Purpose) -> Callable[[View], View]:
    """The view ``(request, opened)`` is reached by a token of one of these purposes only.

    In the patient's language, or in the one that was pressed on the page.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, token: str) -> HttpResponseBase:
            # The history names the address of each change. This one is a key; a word stands in for it.
            with pghistory.context(url="/v/", user=None):
                answer = _refusal(request) or _opened(view, request, token, purposes)
            answer["Cache-Control"] = "no-store, private"
            answer["Referrer-Policy"] = "same-origin"  # no-referrer would take the Origin from our own forms too
            answer["X-Robots-Tag"] = "noindex, nofollow, noarchive"
            return answer

        # Until the link is read, nobody's language is known but the browser's.
        return csrf_exempt(in_asked_language(guarded))

    return decorate


def page_around(request: HttpRequest, opened: Opened) -> dict[str, Any]:
    """What each page shows around its content."""
    return switch_of(request) | {
        "opened": opened,
        "token": opened.token,
        "place": opened.location,
        "intake": public_settings_of(opened.location),
        "first_name": opened.first_name,
    }


def refused(request: HttpRequest, why: str, status: int, place: Location | None = None) -> HttpResponse:
    """Why the link opens nothing, and whom to call."""
    intake = public_settings_of(place) if place is not None else usual_settings()
    context = switch_of(request) | {"why": why, "place": place, "intake": intake}
    return render(request, "patients/visit_link/refused.html", context, status=status)


def _opened(view: View, request: HttpRequest, token: str, purposes: tuple[Purpose, ...]) -> HttpResponseBase:
    try:
        opened = _read(token, purposes)
        with speaking(chosen_language(request) or opened.message.language or opened.patient.language):
            return view(request, opened)
    except LinkRefusedError as refusal:
        return _no_way(request, refusal)


def _read(token: str, purposes: tuple[Purpose, ...]) -> Opened:
    purpose = purpose_of(token)
    if purpose not in purposes:
        raise LinkRefusedError(Refusal.UNKNOWN)
    return read(token, purpose=purpose, now=timezone.now())


def _no_way(request: HttpRequest, refusal: LinkRefusedError) -> HttpResponse:
    message = refusal.message
    if message is None:  # a link that never was gives away no location, unless there is only one
        places = list(Location.objects.active()[:2])
        place = places[0] if len(places) == 1 else None
        return refused(request, refusal.why.value, HTTPStatus.NOT_FOUND, place)
    recorded = message.language or (message.patient.language if message.patient else "")
    with speaking(chosen_language(request) or recorded):
        return refused(request, refusal.why.value, HTTPStatus.GONE, message.location)


def _refusal(request: HttpRequest) -> HttpResponseBase | None:
    """What is refused before anybody looks at the link."""
    if over_limit(request, group="visit-link", rate=RATE):
        return refused(request, "often", HTTPStatus.TOO_MANY_REQUESTS)
    length = number_in(request.META.get("CONTENT_LENGTH") or "0")
    if length is None or length > LARGEST_FORM:
        return refused(request, "big", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return None
