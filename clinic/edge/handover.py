"""A device handed to a patient: the signed-in session shows one place and nothing else until staff take it back.

The place is an address and what lies below it; this module knows nothing of what is shown there. The lock stands in the
session, so it holds in each tab, for typed addresses, for Back, and for what scripts ask for.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from clinic.edge.htmx import details

Answer = Callable[[HttpRequest], HttpResponseBase]

HOME_KEY = "handed_over_to"
BACK_KEY = "handed_over_from"


def handed_over_to(request: HttpRequest) -> str:
    """The address that this session is locked to; empty when it is not handed over."""
    session = getattr(request, "session", None)
    return session.get(HOME_KEY, "") if session is not None else ""


def hand_over(request: HttpRequest, *, home: str, back: str) -> None:
    """From now on this session answers only ``home`` and what lies below it.

    Call it before anything of ``home`` is shown. The session gets a new key: a request that began before, and would
    save the session without the lock after it, finds its own session gone.

    Args:
        home: an address that ends with a slash.
        back: where staff come out when they take the device back.
    """
    if not home.endswith("/"):
        raise ValueError("The place must end with a slash, or its neighbours would be open too.")
    request.session[HOME_KEY] = home
    request.session[BACK_KEY] = back
    _renew(request)


def take_back(request: HttpRequest) -> str:
    """The lock is off; where to go on is returned. Who may do this was asked by the caller."""
    request.session.pop(HOME_KEY, None)
    back: str = request.session.pop(BACK_KEY, "/")
    _renew(request)
    return back


def _renew(request: HttpRequest) -> None:
    before = request.session.session_key
    request.session.cycle_key()
    # "Where am I signed in" goes on listing this device, and can end it.
    UserSession.objects.filter(session_key=before).update(session_key=request.session.session_key)


class HandOverLock:
    """Whatever a handed-over session asks for outside its place, it gets the page that asks staff for their password.

    Stands before the middleware that signs out or sends to set-up, so that those pages are locked too.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        home = handed_over_to(request)
        if not home or self._is_open(request.path, home):
            return self.get_response(request)
        if details(request):
            return HttpResponseClientRedirect(reverse("handover"))
        if request.method in {"GET", "HEAD"}:
            return redirect("handover")
        return render(request, "clinic/handover.html", {"home": home}, status=HTTPStatus.LOCKED)

    def _is_open(self, path: str, home: str) -> bool:
        return path.startswith((home, settings.STATIC_URL)) or path == reverse("handover")
