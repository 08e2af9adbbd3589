"""The pages of a questionnaire link: a first page, one question a screen, everything once more, thank you.

The link is the only key: these pages ask for no sign-in, name nobody beyond a first name, and write to no other
patient. They work without JavaScript; with it, an answer is also saved as soon as it is chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from http import HTTPStatus
from typing import Any

import pghistory
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from clinic.edge.handover import handed_over_to
from clinic.edge.limits import over_limit
from clinic.edge.numbers import number_in
from clinic.models import Location
from patients.models import AlertKind, DangerAlert, MeasureLink
from patients.pure.questionnaire import (
    Step,
    answered,
    find_step,
    first_open,
    minutes_for,
    shows_danger,
    steps_of,
)
from patients.services.intake_settings import public_settings_of, usual_settings
from patients.services.languages import ENGLISH, speaking
from patients.services.measure_links import (
    AnswerRefusedError,
    LinkRefusedError,
    NothingAnsweredError,
    Overlap,
    Refusal,
    begin,
    finish,
    finished_link,
    open_link,
    save_answer,
)
from patients.views.language import chosen_language, in_asked_language, is_switch, onward, switch_of

RATE = "300/m"
"""By address. A question takes three requests; a waiting room may answer through one address."""
LARGEST_FORM = 8_192
"""Bytes. The forms of these pages carry a few numbers."""
NOT_AN_ANSWER = _("Choose one of the answers below.")
AUTOSAVE_HEADER = "X-Cadence-Autosave"

View = Callable[..., HttpResponseBase]


def by_link(view: View) -> View:
    """The view is reached by a link only: limited, never kept by a browser, and a link that opens nothing says why.

    No cookie is set or needed, so no CSRF token either: the key to these forms is in their own address, which no other
    site knows, and no sign-in is used. Telephones that block cookies (as windows inside other apps do) get through.
    """

    @wraps(view)
    def guarded(request: HttpRequest, token: str, **kwargs: Any) -> HttpResponseBase:
        # The history names the address of each change. This one is a key; a word stands in for it.
        with pghistory.context(url="/q/", user=None):
            answer = _refusal(request) or _opened(view, request, token, **kwargs)
        answer["Cache-Control"] = "no-store, private"
        answer["Referrer-Policy"] = "same-origin"  # no-referrer would take the Origin from our own forms too
        answer["X-Robots-Tag"] = "noindex, nofollow, noarchive"
        return answer

    # Until the link is read, nobody's language is known but the browser's.
    return csrf_exempt(in_asked_language(guarded))


@by_link
@require_http_methods(["GET", "HEAD", "POST"])
def questionnaire(request: HttpRequest, token: str) -> HttpResponseBase:
    """What this is, how long it takes, who reads it; a press begins, or goes on where somebody stopped."""
    now = timezone.now()
    link = begin(token, now=now) if request.method == "POST" else open_link(token, now=now)
    steps = steps_of(link.measures)
    if request.method == "POST":
        return _to(request, token, first_open(steps, link.draft))
    context = _page(request, link, token) | {
        "minutes": minutes_for(steps),
        "questions": len(steps),
        "answered": answered(steps, link.draft),
        "names": [one.name for one in dict.fromkeys(step.measure for step in steps)],
    }
    return _spoken(request, link, "welcome", context)


@by_link
@require_http_methods(["GET", "HEAD", "POST"])
def question(request: HttpRequest, token: str, measure: str, item: int) -> HttpResponseBase:
    """One question. What is chosen is saved, and the next one opens; a skip is saved as a skip."""
    now = timezone.now()
    if request.method == "POST":
        return _answer(request, token, measure, item, now)
    link = open_link(token, now=now)
    return _question(request, link, token, _step(link, measure, item))


@by_link
@require_http_methods(["GET", "HEAD", "POST"])
def review(request: HttpRequest, token: str) -> HttpResponseBase:
    """Everything once more, with what was skipped; a press sends it, once."""
    now, status = timezone.now(), HTTPStatus.OK
    if request.method == "POST":
        try:
            finish(token, now=now)
        except NothingAnsweredError:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
        else:
            return onward(request, "public:questionnaire_done", token)
    link = open_link(token, now=now)
    steps = steps_of(link.measures)
    groups: dict[str, list[dict[str, Any]]] = {}
    for step in steps:
        groups.setdefault(step.measure.name, []).append({"step": step, "said": step.said(link.draft)})
    context = _page(request, link, token) | {
        "groups": groups,
        "answered": answered(steps, link.draft),
        "skipped": sum(step.answer(link.draft) is None for step in steps),
        "is_danger": shows_danger(steps, link.draft),
        "last": steps[-1],
    }
    return _spoken(request, link, "review", context, status=status)


@by_link
@require_safe
def done(request: HttpRequest, token: str) -> HttpResponseBase:
    """Thank you, and how soon it is read. Shows no answer."""
    link = finished_link(token)
    is_danger = DangerAlert.objects.filter(assessment__link=link).exclude(kind=AlertKind.URGENT_REQUEST).exists()
    context = _page(request, link, token) | {"is_danger": is_danger}
    return _spoken(request, link, "done", context)


# --- parts ------------------------------------------------------------------------------------------------------------
def _opened(view: View, request: HttpRequest, token: str, **kwargs: Any) -> HttpResponseBase:
    try:
        return view(request, token, **kwargs)
    except LinkRefusedError as refused:
        return _no_way(request, refused)


def _refusal(request: HttpRequest) -> HttpResponseBase | None:
    """What is refused before anybody looks at the link."""
    if over_limit(request, group="questionnaire", rate=RATE):
        context = {"intake": usual_settings()}
        return render(request, "patients/questionnaire/too_often.html", context, status=HTTPStatus.TOO_MANY_REQUESTS)
    length = number_in(request.META.get("CONTENT_LENGTH") or "0")
    if length is None or length > LARGEST_FORM:
        context = {"intake": usual_settings()}
        return render(
            request, "patients/questionnaire/too_big.html", context, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        )
    return None


def _no_way(request: HttpRequest, refused: LinkRefusedError) -> HttpResponse:
    """Why the link opens nothing, and whom to call. A link that never was gives away no location."""
    status = HTTPStatus.NOT_FOUND if refused.why is Refusal.UNKNOWN else HTTPStatus.GONE
    if request.headers.get(AUTOSAVE_HEADER):
        return HttpResponse(status=status)
    if refused.link is None:
        places = list(Location.objects.active())
        place = places[0] if len(places) == 1 else None
        intake = usual_settings()
    else:
        place, places = refused.link.location, []
        intake = public_settings_of(place)
    context = {
        "why": refused.why.value,
        "place": place,
        "places": places if place is None else [],
        "intake": intake,
        "link": refused.link,
        "is_tablet": bool(handed_over_to(request)),
    }
    if refused.link is None:
        return render(request, "patients/questionnaire/refused.html", context, status=status)
    return _spoken(request, refused.link, "refused", context, status=status)


def _spoken(
    request: HttpRequest, link: MeasureLink, page: str, context: dict[str, Any], *, status: int = HTTPStatus.OK
) -> HttpResponse:
    """A page in the language of the patient. The questions themselves stay in the words in which they are on file."""
    with speaking(chosen_language(request) or link.patient.language):
        context |= switch_of(request) | {"is_translated": translation.get_language() != ENGLISH}
        return render(request, f"patients/questionnaire/{page}.html", context, status=status)


def _page(request: HttpRequest, link: MeasureLink, token: str) -> dict[str, Any]:
    """What each page of an open link shows around its content."""
    note = request.GET.get("note", "")
    return {
        "link": link,
        "token": token,
        "place": link.location,
        "intake": public_settings_of(link.location),
        "first_name": link.patient.preferred_name or link.patient.given_name,
        "is_tablet": bool(handed_over_to(request)),
        "note": note if note in {Overlap.REPLACED, Overlap.KEPT} else "",
    }


def _step(link: MeasureLink, measure: str, item: int) -> Step:
    step = find_step(steps_of(link.measures), measure, item)
    if step is None:
        raise LinkRefusedError(Refusal.UNKNOWN)
    return step


def _to(request: HttpRequest, token: str, step: Step | None, *, note: str = "") -> HttpResponseBase:
    """To a question, or to everything once more."""
    if step is None:
        return onward(request, "public:questionnaire_review", token, note=note)
    return onward(request, "public:questionnaire_question", token, step.measure.code, step.item.number, note=note)


def _answer(request: HttpRequest, token: str, measure: str, item: int, now: datetime) -> HttpResponseBase:
    given, is_skip = request.POST.get("value", ""), "skip" in request.POST
    value = None if is_skip else number_in(given)
    is_autosave = bool(request.headers.get(AUTOSAVE_HEADER))
    if is_switch(request):  # the answer that was chosen stands in the other language too; "Next" saves it
        link = open_link(token, now=now)
        return _question(request, link, token, _step(link, measure, item), typed=value)
    if value is None and not is_skip:
        link = open_link(token, now=now)
        problem = _("Choose an answer, or skip this question.") if not given else NOT_AN_ANSWER
        return _question(request, link, token, _step(link, measure, item), problem=problem)
    try:
        seen = number_in(request.POST.get("seen"))
        link, overlap = save_answer(
            token, measure=measure, item=item, value=value, seen=seen, is_final=not is_autosave, now=now
        )
    except AnswerRefusedError:
        link = open_link(token, now=now)
        step = _step(link, measure, item)
        return _question(request, link, token, step, problem=NOT_AN_ANSWER)
    if is_autosave:
        return HttpResponse(status=HTTPStatus.CONFLICT if overlap else HTTPStatus.NO_CONTENT)
    steps = steps_of(link.measures)
    step = _step(link, measure, item)
    after = None if "review" in request.POST else next(iter(steps[step.number :]), None)
    return _to(request, token, after, note=overlap.value)


def _question(  # noqa: PLR0913 (what the page is made of)
    request: HttpRequest,
    link: MeasureLink,
    token: str,
    step: Step,
    *,
    problem: str | Promise = "",
    typed: int | None = None,
) -> HttpResponseBase:
    steps = steps_of(link.measures)
    before = steps[step.number - 2] if step.number > 1 else None
    chosen = step.answer(link.draft)
    is_back_to_review = "review" in request.GET or "review" in request.POST
    context = _page(request, link, token) | {
        "step": step,
        "before": before,
        "chosen": chosen if typed is None else typed,
        "seen": "" if chosen is None else chosen,
        "is_skipped": chosen is None and step.is_reached(link.draft),
        "percent": round(100 * (step.number - 1) / step.total),
        "problem": problem,
        "is_danger": before is not None and bool(before.dangers(link.draft)),
        "is_saved": step.number > 1,
        "is_back_to_review": is_back_to_review,
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK
    return _spoken(request, link, "question", context, status=status)
