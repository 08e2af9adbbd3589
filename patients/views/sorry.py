"""What is said where a page could not be made: to staff in the house's words, to patients in their language.

Patients are told whom to call. Their addresses are links, questionnaires, offers and the request page; every other
page is one of staff.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from django.db import DatabaseError, InterfaceError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views import defaults
from django.views.csrf import csrf_failure as usual_csrf_failure

from clinic.edge.handover import handed_over_to
from clinic.models import Location
from patients.services.intake_settings import usual_settings
from patients.services.languages import speaking
from patients.views.language import language_of, switch_of

logger = logging.getLogger(__name__)

PUBLIC = ("/v/", "/q/", "/offer/", "/request/")
"""How the addresses of patients begin; a test compares them with the addresses there are."""


def is_public(request: HttpRequest) -> bool:
    """Whether a patient reads it: by the address, as no sign-in says so."""
    return f"{request.path_info.rstrip('/')}/".startswith(PUBLIC)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: what was sent cannot be read."""
    if is_public(request):
        return _sorry(request, "unreadable", HTTPStatus.BAD_REQUEST)
    return defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: not part of somebody's role."""
    if is_public(request):
        return _sorry(request, "nothing", HTTPStatus.FORBIDDEN)
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: there is no such page."""
    if is_public(request):
        return _sorry(request, "nothing", HTTPStatus.NOT_FOUND)
    return defaults.page_not_found(request, exception)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form without its key, because the page was too old or cookies are switched off."""
    if is_public(request):
        return _sorry(request, "form", HTTPStatus.FORBIDDEN)
    return usual_csrf_failure(request, reason)


def failed(request: HttpRequest) -> HttpResponse:
    """500: the fault is ours. Where even this page cannot be made, the plain one of the house is shown."""
    if is_public(request):
        try:
            return _sorry(request, "fault", HTTPStatus.INTERNAL_SERVER_ERROR)
        except Exception:  # whatever broke the page may break this one too, and something has to be said
            logger.exception("The page that says sorry to patients could not be made.")
    return defaults.server_error(request)


def _sorry(request: HttpRequest, why: str, status: int) -> HttpResponse:
    with speaking(language_of(request)):
        places = _places()
        context: dict[str, Any] = {
            "why": why,
            "place": places[0] if len(places) == 1 else None,
            "places": places,
            "intake": usual_settings(),
            "is_tablet": bool(handed_over_to(request)),
        }
        if request.method in ("GET", "HEAD"):  # the address of a form may know no other way to be asked
            context |= switch_of(request)
        answer = render(request, "patients/public/sorry.html", context, status=status)
    answer["Cache-Control"] = "no-store, private"
    answer["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    patch_vary_headers(answer, ["Accept-Language"])
    return answer


def _places() -> list[Location]:
    """The locations that can be called; none where the database does not answer."""
    with suppress(DatabaseError, InterfaceError), transaction.atomic():
        return list(Location.objects.active().exclude(phone=""))
    return []
