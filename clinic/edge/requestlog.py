"""One line in the log for each request, the id that it has there and everywhere, and its time for the metrics."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.signals import got_request_exception
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase

from clinic.adapters import metrics
from clinic.adapters.logs import route_of
from clinic.pure import requestid

logger = logging.getLogger("clinic.access")

HEADER = "X-Request-ID"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestLog:
    """Method, route (the pattern, never the address), status, milliseconds, who and which request.

    An id that our own proxy sends is taken over where it is well-formed; without a proxy of ours nobody's is.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        proposed = request.headers.get(HEADER, "") if settings.SECURE_PROXY_SSL_HEADER else ""
        token = requestid.current.set(requestid.request_id(proposed))
        began = time.perf_counter()
        try:
            answer = self.get_response(request)
            answer.headers.setdefault(HEADER, requestid.current.get())
            if not request.path_info.startswith(settings.STATIC_URL):
                _note(request, answer, took_s=time.perf_counter() - began)
            return answer
        finally:
            requestid.current.reset(token)


def _note(request: HttpRequest, answer: HttpResponseBase, *, took_s: float) -> None:
    route, status = route_of(request), answer.status_code
    method = request.method if request.method in METHODS else "other"
    metrics.REQUESTS.labels(method, route, str(status)).observe(took_s)
    # Whoever was asked for on the way; a page that needed no person is not made to look one up for the log.
    person = getattr(getattr(request, "_cached_user", None), "pk", None)
    facts = {"method": method, "route": route, "status": status, "ms": round(took_s * 1000), "user_id": person}
    logger.info("%s %s %s in %s ms, user %s", method, route, status, facts["ms"], person or "-", extra=facts)


@receiver(got_request_exception)
def count_error(sender: Any, request: HttpRequest | None = None, **_: Any) -> None:  # noqa: ANN401, ARG001 (Django's)
    """An error that no page caught. Its kind only."""
    kind = sys.exc_info()[0]
    metrics.UNCAUGHT.labels(kind.__name__ if kind else "unknown").inc()
