"""Asking for a consultation without signing in: choose a location, answer a few questions, hear what happens next.

The answers of these pages are the same whether the clinic knows the person or not.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from clinic.edge.limits import over_limit
from clinic.models import Location
from clinic.services.hours import week_of
from patients.forms.requests import CHANNELS, PublicRequestForm, number_region
from patients.models import DangerAnswer
from patients.services.intake_settings import public_settings_of, usual_settings
from patients.services.requests import RequestData, receive_request
from patients.views.language import in_asked_language, is_switch, language_of, onward, switch_of

OPENED = "60/m"
SENT = "10/10m"
TAKEN = "200/h"
"""Limits: pages opened and forms sent by one address, requests taken by one location. Many people may share an address
(a family, a telephone company): the first two leave room. The third keeps a flood from many addresses off the desk."""


@never_cache
@in_asked_language
@require_GET
def choose_place(request: HttpRequest) -> HttpResponseBase:
    """The locations that take requests; with only one of them, its page at once."""
    if over_limit(request, group="request opened", rate=OPENED):
        return _too_many(request)
    places = list(Location.objects.active().exclude(intake_settings__takes_requests=False))
    if len(places) == 1:
        return onward(request, "public:request", places[0].pk)
    context = {"places": places, "intake": usual_settings()} | switch_of(request)
    return render(request, "patients/public/choose.html", context)


@never_cache
@in_asked_language
@require_http_methods(["GET", "POST"])
def ask(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The questions of one location. After a "yes" to danger every answer of this page begins with crisis lines."""
    place = get_object_or_404(Location.objects.active(), pk=pk)
    intake = public_settings_of(place)
    context: dict[str, Any] = {"place": place, "intake": intake} | switch_of(request)
    is_sent = request.method == "POST" and not is_switch(request)
    if over_limit(request, group="request sent" if is_sent else "request opened", rate=SENT if is_sent else OPENED):
        return _too_many(request, **context)
    if not intake.takes_requests:
        return render(request, "patients/public/closed.html", context, status=409 if is_sent else 200)
    form = _form(request, place, is_sent=is_sent)
    if is_sent and form.is_valid():
        if over_limit(request, group="request taken", rate=TAKEN, key=f"location {place.pk}"):
            return _too_many(request, **context)
        saved = receive_request(
            data=RequestData(**form.values(), language=language_of(request)),
            location=place,
            submission=form.submission,
            now=timezone.now(),
        )
        after = "public:request_sent_danger" if saved.is_urgent else "public:request_sent"
        return onward(request, after, place.pk)
    if is_sent:
        form.shown_again()
    context["says_danger"] = request.POST.get("danger") == DangerAnswer.YES
    context |= {"form": form, "channels": [form[name] for name in CHANNELS]}
    return render(request, "patients/public/request.html", context, status=422 if is_sent else 200)


@in_asked_language
@require_GET
def sent(request: HttpRequest, pk: int, *, says_danger: bool = False) -> HttpResponseBase:
    """What happens next, and how to reach a human. The page says nothing about who asked."""
    place = get_object_or_404(Location.objects.active(), pk=pk)
    if over_limit(request, group="request opened", rate=OPENED):
        return _too_many(request)
    context = {"place": place, "intake": public_settings_of(place), "says_danger": says_danger} | switch_of(request)
    return render(request, "patients/public/sent.html", context)


def _form(request: HttpRequest, place: Location, *, is_sent: bool) -> PublicRequestForm:
    form = PublicRequestForm(
        request.POST if is_sent else None,
        today=place.local(timezone.now()).date(),
        region=number_region(place),
        open_weekdays=[weekday for weekday, stretches in week_of(place).items() if stretches],
        initial={"stamp": PublicRequestForm.new_stamp()},
    )
    if is_switch(request):
        form.keep(request.POST)
    return form


def _too_many(request: HttpRequest, **context: Any) -> HttpResponse:
    context = {"intake": usual_settings()} | context
    return render(request, "patients/public/too_many.html", context, status=429)
