"""A request whose transaction lost against somebody else's is run again, and never ends as an error page.

PostgreSQL ends a deadlock by throwing one of the transactions out. Everything that it wrote is undone, so the view may
simply run again, but only where it had committed nothing before: a view with two transactions would do the first one
twice. ``Watch`` knows that. It sees each statement of the request (Django's ``execute_wrapper``) and hears of commits
(``on_commit``), so no database backend of our own is needed.

After ``ATTEMPTS`` runs, or where something was committed, ``settings.CADENCE_OVERTAKEN_VIEW`` says so.
"""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.db import OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.functional import SimpleLazyObject
from django.utils.module_loading import import_string

from clinic.adapters.repeated import ATTEMPTS, pause
from clinic.pure.sqlstates import is_passing, sqlstate

# SELECT … FOR UPDATE locks and writes nothing. Whatever else has one of these words counts as writing: taking a
# reading for a write costs a repetition, the reverse would do something twice.
_LOCKS = re.compile(r"\bFOR (?:NO KEY )?UPDATE\b", re.IGNORECASE)
_WRITES = re.compile(
    r"\b(?:INSERT|UPDATE|DELETE|MERGE|TRUNCATE|COPY|CREATE|ALTER|DROP|CALL|DO|REFRESH|NEXTVAL|SETVAL)\b", re.IGNORECASE
)
_READ_LOG = 'INSERT INTO "clinic_accesslog"'
"""That somebody looked stays true, whatever becomes of the request; the log leaves out what it has just noted."""

_PARSED = frozenset({"_post", "_files", "_body", "_stream", "_read_started", "_upload_handlers", "_encoding"})
"""What Django keeps on a request of the body it has read. The network does not bring it a second time."""
_KEY = "_cadence_watch"

logger = logging.getLogger(__name__)


class Watch:
    """Whether a request has committed anything yet."""

    def __init__(self) -> None:
        self.has_committed = False

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:  # noqa: ANN401, FBT001 (Django's signature)
        result = execute(sql, params, many, context)
        if not self.has_committed and _is_write(sql):
            if connection.in_atomic_block:
                transaction.on_commit(self._committed)
                # In front of the others: one of those may fail, after the commit.
                connection.run_on_commit.insert(0, connection.run_on_commit.pop())
            else:
                self.has_committed = True
        return result

    def _committed(self) -> None:
        self.has_committed = True


def _is_write(sql: Any) -> bool:  # noqa: ANN401 (text, bytes or psycopg's composed statements)
    text = sql.decode() if isinstance(sql, bytes) else str(sql)
    return not text.startswith(_READ_LOG) and bool(_WRITES.search(_LOCKS.sub("", text)))


class Before:
    """A request as its view found it: session, messages to the person, what was put on it, uploads at their start."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self._attributes = dict(vars(request))
        self._kept = [_contents(vars(request)[name]) for name in ("session", "_messages") if name in vars(request)]

    def restore(self) -> bool:
        """The request is as it was; False where an upload was closed and cannot be read again."""
        now = vars(self._request)
        parsed = {name: value for name, value in now.items() if name in _PARSED}
        now.clear()
        now.update(self._attributes | parsed)
        for thing, contents in self._kept:
            vars(thing).clear()
            vars(thing).update(_copied(contents))
        if now.pop("_cached_user", None) is not None:  # the failed run may have changed the person, in memory only
            now["user"] = SimpleLazyObject(lambda: get_user(self._request))
        return self._rewind()

    def _rewind(self) -> bool:
        files = vars(self._request).get("_files")
        for _, uploads in files.lists() if files else ():
            for upload in uploads:
                if upload.closed:
                    return False
                upload.seek(0)
        return True


def _contents(thing: object) -> tuple[object, dict[str, Any]]:
    return thing, _copied(vars(thing))


def _copied(contents: dict[str, Any]) -> dict[str, Any]:
    """The contents with their containers copied; what else an object holds (its cache, its request) is the same."""
    return {
        name: copy.deepcopy(one) if isinstance(one, dict) else copy.copy(one) if isinstance(one, list | set) else one
        for name, one in contents.items()
    }


class TryAgain:
    """Runs the view again when its transaction was thrown out and nothing was committed.

    Stands before the history's middleware, so that it sees the statements as they were written, and after all that
    could answer by itself: only what happens in the view is repeated.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if connection.in_atomic_block:  # a transaction around the request (in tests) is lost with what it did before
            return self.get_response(request)
        watch = vars(request)[_KEY] = Watch()
        with connection.execute_wrapper(watch):
            return self.get_response(request)

    def process_view(
        self, request: HttpRequest, _view: Callable[..., Any], _args: Sequence[Any], _kwargs: dict[str, Any]
    ) -> None:
        if _KEY in vars(request):
            vars(request)[_KEY].before = Before(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        watch = vars(request).get(_KEY)
        if watch is None or not is_passing(error):
            return None
        for attempt in range(1, ATTEMPTS):
            logger.warning("%s lost against another transaction (%s), run %s", _name(request), sqlstate(error), attempt)
            if watch.has_committed or not watch.before.restore():
                break
            pause(attempt)
            try:
                return _run(request)
            except OperationalError as again:
                if not is_passing(again):
                    raise
        logger.error("%s was given up after other transactions had been in the way", _name(request))
        answer: HttpResponse = import_string(settings.CADENCE_OVERTAKEN_VIEW)(request, is_saved=watch.has_committed)
        return answer


def _name(request: HttpRequest) -> str:
    """Which page it was, without the numbers in its address."""
    return f"{request.method} {request.resolver_match.view_name if request.resolver_match else ''}"


def _run(request: HttpRequest) -> HttpResponseBase:
    match = request.resolver_match
    assert match is not None  # noqa: S101 (process_exception is only called for a view)
    answer: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
    if hasattr(answer, "render") and callable(answer.render):  # a TemplateResponse reads the database only now
        answer = answer.render()
    return answer
