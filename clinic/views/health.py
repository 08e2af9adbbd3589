"""For whoever watches: /healthz (this process is alive), /readyz (it can serve pages), and the way to /metrics.

Answered by the first middleware: no host, https, session or limit is asked for, so that a probe from 127.0.0.1 or from
a load balancer works. They say one word for each part, and nothing that helps a stranger.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed, JsonResponse

from clinic.adapters import broker
from clinic.services.release import is_migrated
from clinic.views.metrics import METRICS, metrics

logger = logging.getLogger(__name__)

HEALTH, READY = "/healthz", "/readyz"
ASKED_AGAIN_S = 2.0
"""An answer holds for so long in each process: a flood of questions costs the database nothing."""

Words = dict[str, str]


class Readiness:
    """Whether this process can serve pages; remembers its last answer for a moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at = float("-inf")
        self._words: Words = {}

    def words(self) -> Words:
        """``status`` ready, degraded (pages work, messages wait) or unavailable, and a word for each part."""
        with self._lock:
            if time.monotonic() - self._at >= ASKED_AGAIN_S:
                self._words = self._asked()
                self._at = time.monotonic()
            return self._words

    def _asked(self) -> Words:
        database, redis = self._database(), "ok" if broker.is_there() else "away"
        status = "unavailable" if database != "ok" else "ready" if redis == "ok" else "degraded"
        return {"status": status, "database": database, "redis": redis}

    def _database(self) -> str:
        try:
            if not is_migrated():
                return "migrations pending"
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except (DatabaseError, InterfaceError) as problem:
            logger.warning("Not ready: %s", problem)
            connection.close()
            return "away"
        return "ok"


READINESS = Readiness()


class Probes:
    """Answers these addresses before anything else has a say; every other request passes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info == METRICS and settings.METRICS_TOKEN:
            return metrics(request)
        if request.path_info not in (HEALTH, READY):
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        words = {"status": "alive"} if request.path_info == HEALTH else READINESS.words()
        away = words["status"] == "unavailable"
        answer = JsonResponse(words, status=HTTPStatus.SERVICE_UNAVAILABLE if away else HTTPStatus.OK)
        answer["Cache-Control"] = "no-store"
        answer["X-Content-Type-Options"] = "nosniff"
        return answer
