"""The search palette: whom the typed text may mean."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from clinic.edge.access import requires, staff
from clinic.pure.roles import Can
from patients.models import Patient
from patients.pure.lookups import proposed_name, readings
from patients.pure.names import Part, marked
from patients.services.reach import mark_reach
from patients.services.search import Hit, search_patients

SHOWN = 8


@dataclass(frozen=True, slots=True)
class Option:
    """One line of the palette."""

    patient: Patient
    name: list[Part]
    preferred: list[Part]
    age: int
    hit: Hit
    is_marked: bool  # the one that Enter opens


@require_GET
@requires(Can.VIEW_PATIENT)
def quick(request: HttpRequest) -> HttpResponseBase:
    """The options for what was typed, as a fragment; empty while nothing is.

    Rendered without the request, so that a keystroke does not also read the locations for the frame of a page. The day
    is that of UTC: it only bounds birth dates and gives an age, which the record shows on the location's day.
    """
    text = request.GET.get("q", "").strip()
    today = timezone.now().date()
    if not readings(text, today=today):
        return HttpResponse()
    hits = search_patients(text, today=today, limit=SHOWN)
    mark_reach([hit.patient for hit in hits], person=staff(request), now=timezone.now())
    options = [_option(hit, today, is_marked=place == 0) for place, hit in enumerate(hits)]
    context = {
        "text": text,
        "found": [option for option in options if option.hit.exact],
        "guesses": [option for option in options if not option.hit.exact],
        "add_url": _add_url(text, today) if staff(request).can(Can.EDIT_PATIENT) else "",
        "all_url": f"{reverse('patients:list')}?{urlencode({'q': text})}" if len(options) == SHOWN else "",
    }
    return HttpResponse(render_to_string("patients/_quick.html", context))


def _option(hit: Hit, today: date, *, is_marked: bool) -> Option:
    patient, words = hit.patient, hit.why.words
    return Option(
        patient=patient,
        name=marked(patient.legal_name, words),
        preferred=marked(patient.preferred_name, words),
        age=patient.age_on(today),
        hit=hit,
        is_marked=is_marked,
    )


def _add_url(text: str, today: date) -> str:
    """The page that adds a patient, begun with what was typed."""
    given_name, family_name = proposed_name(text)
    days = {span.first for reading in readings(text, today=today) for span in reading.born if span.first == span.last}
    begun = {"given_name": given_name, "family_name": family_name, "birth_date": days.pop() if len(days) == 1 else ""}
    return f"{reverse('patients:add')}?{urlencode({name: value for name, value in begun.items() if value})}"
