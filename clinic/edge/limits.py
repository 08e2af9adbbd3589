"""How often a stranger may ask: limits for what needs no sign-in, counted in the cache.

The counting is django-ratelimit's. Its decorator answers 403; what a page answers is its own affair here (429, with a
telephone number), so pages ask `over_limit` and answer themselves. Below their limits lies one for everything that is
asked for without being signed in, also where nothing answers.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import Resolver404, resolve
from django_ratelimit.core import get_usage

SIGNED_OUT = "600/m"
"""By address, all pages together. A clinic's people and its waiting room may share one."""
TOO_OFTEN = "Too many requests came from your network. Wait a minute, then try again.\n"
OF_PATIENTS = frozenset({"public", "offer"})
OF_PATIENTS_TOGETHER = "3000/m"
"""The same for pages of patients, whose namespaces these are. It lies above the limits that each of them has of its
own, because those answer in the patient's language and say whom to call."""
NOWHERE = "0.0.0.0"  # noqa: S104 (stands for "not known", nothing listens here)


class SignedOutLimit:
    """Whoever is not signed in asks SIGNED_OUT often, and is then told to wait; nothing more is looked up for them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        rate = OF_PATIENTS_TOGETHER if _is_of_patients(request) else SIGNED_OUT
        if request.user.is_authenticated or not over_limit(request, group="signed out", rate=rate):
            return self.get_response(request)
        answer = HttpResponse(TOO_OFTEN, status=429, content_type="text/plain; charset=utf-8")
        answer["Retry-After"] = "60"
        return answer


def _is_of_patients(request: HttpRequest) -> bool:
    try:
        return resolve(request.path_info).namespace in OF_PATIENTS
    except Resolver404:
        return False


def client_address(request: HttpRequest) -> str:
    """The address of whoever asks: as our own TLS proxy saw it where there is one, else as the server did.

    Only the entries that our own proxies appended to X-Forwarded-For count; whatever a client wrote before them is
    theirs to invent. What is no address counts together, as one.
    """
    trusted: int = settings.ALLAUTH_TRUSTED_PROXY_COUNT
    seen = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    is_through_ours = bool(trusted) and len(seen) >= trusted
    found: str = seen[-trusted] if is_through_ours else request.META.get("REMOTE_ADDR") or NOWHERE
    try:
        return str(ipaddress.ip_address(_without_port(found)))
    except ValueError:
        return NOWHERE


def over_limit(request: HttpRequest, *, group: str, rate: str, key: str = "") -> bool:
    """Counts this request; True when there were more than ``rate`` of its group and key.

    Args:
        group: what is counted together, for example "request page".
        rate: "10/10m": ten in ten minutes. The window is fixed, so up to twice as many can fall around its edge.
        key: whose; the client's address when empty (of IPv6 the /64, which is one customer).
    """
    usage = get_usage(request, group=group, key=(lambda *_: key) if key else "ip", rate=rate, increment=True)
    return bool(usage and usage["should_limit"])


def is_over_limit(request: HttpRequest, *, group: str, rate: str, key: str) -> bool:
    """The same without counting this request: True when ``rate`` is used up already."""
    usage = get_usage(request, group=group, key=lambda *_: key, rate=rate, increment=False)
    return bool(usage and usage["count"] >= usage["limit"])


def _without_port(text: str) -> str:
    """Some proxies write 203.0.113.7:4711 and [2001:db8::1]:4711."""
    if text.startswith("["):
        return text[1:].split("]", 1)[0]
    return text.split(":", 1)[0] if text.count(":") == 1 else text
