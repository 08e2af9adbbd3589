"""/metrics for Prometheus: with the token of METRICS_TOKEN in "Authorization: Bearer …"; without one set, no such page.

Reached through the first middleware (``clinic.views.health``), because Prometheus asks each web server by itself, by an
address that no browser uses and without TLS.
"""

from __future__ import annotations

import hmac
import logging
from http import HTTPStatus

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST

from clinic.adapters.metrics import Gauge, exposition
from clinic.services.operation import registered_gauges

logger = logging.getLogger(__name__)

METRICS = "/metrics"


def metrics(request: HttpRequest) -> HttpResponse:
    """What the web processes counted, and how things stand; the latter without the database's while it is away."""
    if request.method != "GET":
        answer = HttpResponse(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET"})
    elif not _knows_the_token(request):
        answer = HttpResponse(status=HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"})
    else:
        answer = HttpResponse(exposition(_standing()), content_type=CONTENT_TYPE_LATEST)
    answer["Cache-Control"] = "no-store"
    return answer


def _knows_the_token(request: HttpRequest) -> bool:
    sent = request.headers.get("Authorization", "").encode()
    return hmac.compare_digest(sent, f"Bearer {settings.METRICS_TOKEN}".encode())


def _standing() -> list[Gauge]:
    now = timezone.now()
    found: list[Gauge] = []
    is_up = True
    try:
        for find in registered_gauges():
            found += find(now=now)
    except (DatabaseError, InterfaceError) as problem:
        logger.warning("The metrics lack what stands in the database: %s", problem)
        connection.close()
        is_up = False
    return [Gauge("cadence_database_up", "1 while the database answers", int(is_up)), *found]
