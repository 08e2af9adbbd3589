"""The page of an offered time, for the patient to whom it was offered: take it, or keep the time that is there.

The link is the only key: no sign-in, no name beyond a first name, and not a word about the treatment. Looking at the
page accepts nothing; it works without JavaScript.
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
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from clinic.edge.limits import over_limit
from clinic.edge.numbers import number_in
from clinic.models import Location
from courses.services.offers import (
    Reply,
    Shown,
    UnknownOfferError,
    accept_link,
    accept_own,
    decline_link,
    decline_own,
    read_link,
    read_own,
)
from patients.services.intake_settings import public_settings_of, usual_settings
from patients.services.languages import speaking
from patients.services.messages.clocks import clocks_of
from patients.services.messages.links import LinkRefusedError, Opened, Refusal, note_opened
from patients.views.language import chosen_language, in_asked_language, onward, switch_of

RATE = "60/m"
"""By address. A waiting room may answer through one address."""
LARGEST_FORM = 2_048
"""Bytes. The form carries one word."""
ANSWERED = (Reply.YOURS, Reply.KEPT)
NO_LONGER = (Reply.GONE, Reply.WITHDRAWN, Reply.EXPIRED)

View = Callable[..., HttpResponseBase]


def by_link(view: View) -> View:
    """The view is reached by a link only: limited, never kept by a browser, and a link that opens nothing says so.

    No cookie is set or needed, so no CSRF token either: the key to the form is in its own address, which no other site
    knows, and no sign-in is used.
    """

    @wraps(view)
    def guarded(request: HttpRequest, token: str) -> HttpResponseBase:
        # The history names the address of each change. This one is a key; a word stands in for it.
        with pghistory.context(url="/offer/", user=None):
            answer = _refusal(request) or _opened(view, request, token)
        answer["Cache-Control"] = "no-store, private"
        answer["Referrer-Policy"] = "same-origin"  # no-referrer would take the Origin from our own form too
        answer["X-Robots-Tag"] = "noindex, nofollow, noarchive"
        return answer

    # Until the link is read, nobody's language is known but the browser's.
    return csrf_exempt(in_asked_language(guarded))


@by_link
@require_http_methods(["GET", "HEAD", "POST"])
def offer(request: HttpRequest, token: str) -> HttpResponseBase:
    """The offered time and the one that is there; "yes" gives it to whoever is first."""
    now = timezone.now()
    if request.method != "POST":
        return _page(request, read_link(token, now=now))
    answers = {"yes": accept_link, "no": decline_link}
    answer = answers.get(request.POST.get("answer", ""))
    if answer is None:
        return _unclear(request, read_link(token, now=now))
    answer(token, now=now)
    return onward(request, "offer:offer", token)


def by_message(request: HttpRequest, opened: Opened) -> HttpResponseBase:
    """The same page behind the one link of a message (``facts["offer"]``); ``patients.views.messages`` opens it."""
    now, own = timezone.now(), {"patient_id": opened.patient.pk}
    offer_id = opened.message.facts.get("offer", 0)
    try:
        if request.method != "POST":
            return _page(request, read_own(offer_id, now=now, **own))
        answers = {"yes": (accept_own, "The offer was accepted."), "no": (decline_own, "The offer was declined.")}
        answer, said = answers.get(request.POST.get("answer", ""), (None, ""))
        if answer is None:
            return _unclear(request, read_own(offer_id, now=now, **own))
        shown = answer(offer_id, now=now, **own)
        note_opened(opened.message, now=now, said=said if shown.reply in ANSWERED else "The offer was too late.")
    except UnknownOfferError as error:
        raise LinkRefusedError(Refusal.GONE, opened.message) from error
    return onward(request, "public:visit_link", opened.token)


# -- parts -------------------------------------------------------------------------------------------------------------


def _opened(view: View, request: HttpRequest, token: str) -> HttpResponseBase:
    try:
        return view(request, token)
    except UnknownOfferError:
        # A link that never was gives away no location, unless there is only one.
        places = list(Location.objects.active()[:2])
        context = {"place": places[0] if len(places) == 1 else None, "intake": usual_settings()}
        return render(request, "courses/offer/unknown.html", context, status=HTTPStatus.NOT_FOUND)


def _refusal(request: HttpRequest) -> HttpResponseBase | None:
    """What is refused before anybody looks at the link."""
    context: dict[str, Any] = {"intake": usual_settings()}
    if over_limit(request, group="offer", rate=RATE):
        return render(request, "courses/offer/too_often.html", context, status=HTTPStatus.TOO_MANY_REQUESTS)
    length = number_in(request.META.get("CONTENT_LENGTH") or "0")
    if length is None or length > LARGEST_FORM:
        return render(request, "courses/offer/too_big.html", context, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return None


def _unclear(request: HttpRequest, shown: Shown) -> HttpResponse:
    return _page(request, shown, problem=_("Choose one of the two."), status=HTTPStatus.UNPROCESSABLE_ENTITY)


def _page(
    request: HttpRequest, shown: Shown, *, problem: str | Promise = "", status: int = HTTPStatus.OK
) -> HttpResponse:
    if shown.reply in NO_LONGER:
        status = HTTPStatus.GONE
    patient, slot = shown.offer.patient, shown.offer.slot
    clocks = clocks_of(patient, slot.location)
    context = {
        "shown": shown,
        "reply": shown.reply.value,
        "slot": slot,
        "place": slot.location,
        "intake": public_settings_of(slot.location),
        "first_name": patient.preferred_name or patient.given_name,
        "clocks": clocks,
        "differs": clocks.differ(slot.start),
        "problem": problem,
    }
    with speaking(chosen_language(request) or patient.language):
        return render(request, "courses/offer/offer.html", context | switch_of(request), status=status)
