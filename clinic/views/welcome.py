"""The first steps of a new clinic: a page that lists them, and a bar that leads from one set-up page to the next."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from clinic.edge.access import requires
from clinic.edge.context import FIRST_STEP_KEY
from clinic.pure.roles import Can
from clinic.services.welcome import FirstSteps, Step, first_steps


@require_GET
@requires(Can.EDIT_SETUP)
def welcome(request: HttpRequest) -> HttpResponse:
    request.session.pop(FIRST_STEP_KEY, None)
    return render(request, "clinic/welcome.html", {"found": first_steps(now=timezone.now())})


@require_GET
@requires(Can.EDIT_SETUP)
def step(request: HttpRequest, key: str) -> HttpResponseBase:
    """To the page where this step is done; the bar above it says which one it is."""
    found = first_steps(now=timezone.now())
    return _open(request, found, next((one for one in found.steps if one.key == key and one.url), None))


@require_GET
@requires(Can.EDIT_SETUP)
def onward(request: HttpRequest) -> HttpResponseBase:
    """To the step after the one that the bar shows, or to the next part of that; after the last to the list."""
    found = first_steps(now=timezone.now())
    here = request.session.get(FIRST_STEP_KEY) or {}
    following = found.after(str(here.get("key", "")))
    same = next((one for one in found.steps if one.key == here.get("key")), None)
    if same and not same.is_done and same.url not in ("", here.get("url")):  # the shifts of the next person
        following = same
    return _open(request, found, following) if following else redirect("setup:welcome")


@require_POST
@requires(Can.EDIT_SETUP)
def later(request: HttpRequest) -> HttpResponseBase:
    """The bar is gone; the steps stay where they are, and Set-up leads back to them."""
    request.session.pop(FIRST_STEP_KEY, None)
    return redirect("setup:index")


def _open(request: HttpRequest, found: FirstSteps, wanted: Step | None) -> HttpResponseBase:
    if wanted is None:
        raise Http404
    request.session[FIRST_STEP_KEY] = {
        "key": wanted.key,
        "number": found.number(wanted.key),
        "of": len(found.steps),
        "url": wanted.url,
        "title": wanted.title,
        "text": wanted.text,
        "is_last": found.after(wanted.key) is None,
    }
    return redirect(wanted.url)
