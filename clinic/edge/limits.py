"""How often a stranger may ask: limits for pages that need no sign-in, counted in the cache.

The counting is django-ratelimit's. Its decorator answers 403; what a page answers is its own affair here (429, with a
telephone number), so pages ask `over_limit` and answer themselves.
"""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest
from django_ratelimit.core import get_usage

NOWHERE = "0.0.0.0"  # noqa: S104 (stands for "not known", nothing listens here)


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
