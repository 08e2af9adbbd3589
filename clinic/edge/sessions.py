"""Who may stay signed in: until a fixed end, as long as something happens, with the second factor that a role demands.

Each of the three stands in the way of whatever is asked for: pages, fragments, files, actions.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.signals import user_logged_in
from django.core.cache import cache
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect

from clinic.edge.handover import handed_over_to
from clinic.edge.htmx import details

Answer = Callable[[HttpRequest], HttpResponseBase]

BACKGROUND_HEADER = "X-Cadence-Background"
"""Sent by a page that asks by itself (``hx-headers='{"X-Cadence-Background": "1"}'``); that is no activity."""
BACKGROUND_PARAMETER = "background"
"""The same as a parameter of the address (``?background=1``), for what cannot send a header."""
MARK_EVERY_S = 15
"""Activity is written down at most this often; a person is signed out this much late at worst."""


SIGNED_IN_KEY = "signed_in_at"
"""In the session: when the person signed in, in seconds since 1970."""


def is_background(request: HttpRequest) -> bool:
    """True when the page asked by itself, not the person in front of it."""
    return BACKGROUND_HEADER in request.headers or BACKGROUND_PARAMETER in request.GET


def _mark_of(session_key: str) -> str:
    return "idle:" + hashlib.sha256(session_key.encode()).hexdigest()


@receiver(user_logged_in)
def start_counting(sender: Any, request: HttpRequest, **_: Any) -> None:  # noqa: ANN401, ARG001 (Django's signature)
    """Signing in is activity, and the end of the session is counted from it."""
    request.session[SIGNED_IN_KEY] = int(time.time())
    if request.session.session_key:
        _touch(request.session.session_key, time.time())


def _touch(session_key: str, now: float) -> None:
    # In the cache, not in the session: a page that only reads must not write the session table.
    cache.set(_mark_of(session_key), now, timeout=settings.SESSION_COOKIE_AGE)


def mark_activity(request: HttpRequest) -> None:
    """The idle clock of this session begins anew."""
    if request.session.session_key:
        _touch(request.session.session_key, time.time())


class SessionEnd:
    """Whoever signed in CADENCE_SESSION_HOURS ago signs in again, whatever they did meanwhile.

    A session that does not say when it began is over too. A device that is with a patient stays where it is, signed
    out: a link goes on without a session, so nobody is cut short in a questionnaire.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return self.get_response(request)
        began = request.session.get(SIGNED_IN_KEY, 0)
        if time.time() - began < settings.CADENCE_SESSION_HOURS * 60 * 60:
            return self.get_response(request)
        home = handed_over_to(request)
        logout(request)
        if home and request.path.startswith(home):
            return self.get_response(request)
        return to_sign_in(request, why="long")


class IdleSignOut:
    """A session without activity for CADENCE_IDLE_MINUTES is ended before it sees anything more.

    Not while it is handed to a patient: nobody is cut short in a questionnaire, and nothing else is shown anyway.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        key = request.session.session_key
        if handed_over_to(request):
            return _never_kept(self.get_response(request))
        if key and request.user.is_authenticated:
            now = time.time()
            last = cache.get(_mark_of(key))
            if last is not None and now - last > settings.CADENCE_IDLE_MINUTES * 60:
                logout(request)
                return to_sign_in(request, why="idle")
            # A mark that lies ahead was made before the clock was put back: left there, nobody would be signed out.
            is_ahead = last is not None and last > now + MARK_EVERY_S
            if last is None or is_ahead or (now - last > MARK_EVERY_S and not is_background(request)):
                _touch(key, now)
            return _never_kept(self.get_response(request))
        return self.get_response(request)


def _never_kept(answer: HttpResponseBase) -> HttpResponseBase:
    """No browser keeps a page of the clinic: front-desk computers are shared, and Back works after a sign-out too."""
    if not answer.has_header("Cache-Control"):
        patch_cache_control(answer, private=True, no_store=True)
    return answer


def to_sign_in(request: HttpRequest, *, why: Literal["idle", "out", "long"]) -> HttpResponseBase:
    """The sign-in page, which leads back to where the person was; htmx changes the whole page, not a piece of it.

    Args:
        why: "idle" after a quiet while; "long" after the longest time that a session lasts; "out" when they had signed
            out meanwhile, in another tab for example.
    """
    target = f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': came_from(request), why: 1})}"
    return HttpResponseClientRedirect(target) if details(request) else redirect(target)


def came_from(request: HttpRequest) -> str:
    """The page to come back to: this one, or for an action and a fragment the page that they were on."""
    if request.method == "GET" and not details(request):
        return request.get_full_path()
    page = details(request).current_url or request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(page, allowed_hosts={request.get_host()}):
        return "/"
    parts = urlsplit(page)
    return parts.path + (f"?{parts.query}" if parts.query else "")


class SecondFactorGate:
    """Whoever holds a role that demands a second factor, and has none, sets one up before anything else."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_due = getattr(request.user, "needs_second_factor", False) and not handed_over_to(request)
        if is_due and not self._is_on_the_way(request.path):
            messages.warning(request, "Your role needs a second factor. Set one up to go on.")
            target = reverse("mfa_index")
            return HttpResponseClientRedirect(target) if details(request) else redirect(target)
        return self.get_response(request)

    def _is_on_the_way(self, path: str) -> bool:
        names = ("mfa_index", "account_reauthenticate", "account_logout", "account_login")
        return path.startswith((*(reverse(name) for name in names), settings.STATIC_URL))
