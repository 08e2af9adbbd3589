"""What is said where a page could not be made: to staff in the house's words, to patients in their language.

Patients are told whom to call. Their addresses are links, questionnaires, offers and the request page; every other
page is one of staff.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import DatabaseError, InterfaceError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.template import loader
from django.utils.cache import patch_vary_headers
from django.views import defaults
from django.views.csrf import csrf_failure as usual_csrf_failure

from clinic.edge.database_away import RETRY_AFTER_S, Away, why_away
from clinic.edge.handover import handed_over_to
from clinic.edge.htmx import is_fragment
from clinic.edge.sessions import to_sign_in
from clinic.models import Location
from patients.services.intake_settings import usual_settings
from patients.services.languages import speaking
from patients.views.language import language_of, switch_of

logger = logging.getLogger(__name__)

TOO_BIG = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)
PUBLIC = ("/v/", "/q/", "/offer/", "/request/")
"""How the addresses of patients begin; a test compares them with the addresses there are."""

OVERTAKEN = "Somebody else was writing at the same time"
NOT_SAVED = (
    "Nothing of yours was saved, because somebody else was writing to the same place at that moment. Go back and press "
    "again: what you typed is usually still there."
)
PARTLY_SAVED = (
    "Somebody else was writing to the same place at that moment. A part of what you did is saved, another part may not "
    "be: load the page again and look before you repeat it."
)


def is_public(request: HttpRequest) -> bool:
    """Whether a patient reads it: by the address, as no sign-in says so."""
    return f"{request.path_info.rstrip('/')}/".startswith(PUBLIC)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """400: what was sent cannot be read; 413 when it is too much.

    Where the session ended while the request was on its way (another tab, a manager), the sign-in page says so.
    """
    if isinstance(exception, SessionInterrupted) and not is_public(request):
        return to_sign_in(request, why="out")
    is_too_big = isinstance(exception, TOO_BIG)
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if is_too_big else HTTPStatus.BAD_REQUEST
    if is_public(request):
        return _sorry(request, "unreadable", status)
    return render(request, "400.html", {"code": status.value, "is_too_big": is_too_big}, status=status)


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
    """500: the fault is ours. Where even this page cannot be made, the plain one of the house is shown.

    503 where there is no fault but the records cannot be reached: Django asks here while it handles the error.
    """
    if away := why_away(sys.exception()):
        return _away(request, away)
    if is_public(request):
        try:
            return _sorry(request, "fault", HTTPStatus.INTERNAL_SERVER_ERROR)
        except Exception:  # whatever broke the page may break this one too, and something has to be said
            logger.exception("The page that says sorry to patients could not be made.")
    return defaults.server_error(request)


def overtaken(request: HttpRequest, *, is_saved: bool) -> HttpResponse:
    """503: several times in a row another transaction was in the way (see ``clinic/edge/retry.py``).

    Not 409, which our pages read as "somebody changed what you see": here the same again is right, and what sends by
    itself (the flowsheet's outbox, fields that save themselves) does that after a 503.

    Args:
        is_saved: a part of it was saved before.
    """
    if is_public(request):
        answer = _sorry(request, "fault" if is_saved else "busy", HTTPStatus.SERVICE_UNAVAILABLE)
    elif is_fragment(request):
        answer = HttpResponse(PARTLY_SAVED if is_saved else NOT_SAVED, content_type="text/plain; charset=utf-8")
    else:
        said = {"title": OVERTAKEN, "text": PARTLY_SAVED if is_saved else NOT_SAVED}
        answer = render(request, "overtaken.html", said)
    answer.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    answer["Retry-After"] = "1"
    return answer


def _away(request: HttpRequest, why: Away) -> HttpResponse:
    """The database does not answer, or the disk is full: what that means for what was just done, and when to try."""
    if is_public(request):
        answer = _sorry(request, "away", HTTPStatus.SERVICE_UNAVAILABLE)
    else:
        is_reading = request.method in ("GET", "HEAD")
        context = {"why": why, "is_reading": is_reading, "again_s": RETRY_AFTER_S}
        text = loader.render_to_string("503.html", context)  # without the request: its context asks the database
        answer = HttpResponse(text, status=HTTPStatus.SERVICE_UNAVAILABLE)
        answer["Cache-Control"] = "no-store, private"
    answer["Retry-After"] = str(RETRY_AFTER_S)
    return answer


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
