"""True deadlocks on demand: views that take two rows in one order, and a stranger who takes them in the other."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Self

import psycopg2
from django.contrib import messages
from django.db import connection, connections, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from clinic.services.access import record_reading
from clinic.urls import handler400, handler403, handler404, handler500
from clinic.urls import urlpatterns as of_the_product

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

ROWS = "deadlock_rows"
ADD = f"UPDATE {ROWS} SET added = added + 1 WHERE id = %s"  # noqa: S608
after_commit: list[str] = []
runs: list[str] = []


def make_rows() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {ROWS} (id int PRIMARY KEY, added int NOT NULL DEFAULT 0)")
        cursor.execute(f"INSERT INTO {ROWS} VALUES (1), (2), (3)")  # noqa: S608


def drop_rows() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {ROWS}")


def added() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT added FROM {ROWS} ORDER BY id")  # noqa: S608
        return [row[0] for row in cursor.fetchall()]


# --- what loses -------------------------------------------------------------------------------------------------------
class Meeting:
    """How often the two still get in each other's way, and whether our side has its first row."""

    left = 0
    has_first = threading.Event()


def add_to_both() -> None:
    """Row 1, then row 2. Who closes the circle looks for it first: the stranger waits already, so we are thrown out."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL deadlock_timeout = '20ms'")
        cursor.execute(ADD, [1])
        if Meeting.left:
            Meeting.has_first.set()
            _wait_for_company(cursor)
        cursor.execute(ADD, [2])
        transaction.on_commit(lambda: after_commit.append("done"))


def _wait_for_company(cursor: Any) -> None:
    for _ in range(6000):
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))")
        if cursor.fetchone()[0]:
            return
        time.sleep(0.005)
    raise TimeoutError("the stranger did not come to wait for row 1")


def one_transaction(request: HttpRequest, **_: str) -> HttpResponse:
    """Leaves a trace wherever a failed run might: session, message, request, upload, hook after the commit."""
    runs.append("one")
    seen = getattr(request, "was_here", 0)
    request.was_here = seen + 1  # type: ignore[attr-defined]
    request.session["runs"] = [*request.session.get("runs", []), "one"]
    messages.success(request, "Added")
    upload = request.FILES["paper"].read().decode() if "paper" in request.FILES else ""
    add_to_both()
    return JsonResponse({"was_here": seen, "upload": upload, "word": request.POST.get("word", "")})


def two_transactions(_request: HttpRequest) -> HttpResponse:
    runs.append("two")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(ADD, [3])
    add_to_both()
    return HttpResponse("both")


def one_statement_first(_request: HttpRequest) -> HttpResponse:
    """As the view above, without ``atomic()``: such a statement commits by itself."""
    runs.append("statement")
    with connection.cursor() as cursor:
        cursor.execute(ADD, [3])
    add_to_both()
    return HttpResponse("both")


def undone_before(_request: HttpRequest) -> HttpResponse:
    """What was written first is taken back by the view itself: nothing of it is committed."""
    runs.append("undone")
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(ADD, [3])
        transaction.set_rollback(True)
    add_to_both()
    return HttpResponse("both")


def looked_before(request: HttpRequest) -> HttpResponse:
    runs.append("looked")
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM clinic_resource ORDER BY id LIMIT 1")
        [subject] = cursor.fetchone()
    told: Any = {"by": request.user, "subject_id": subject, "page": "Test", "path": request.path}
    from clinic.tests.bookings_kit import NOW  # noqa: PLC0415 (its factories need the apps)

    record_reading(now=NOW, **told)
    add_to_both()
    return HttpResponse("both")


urlpatterns = [
    path("deadlock/one/", one_transaction),
    path("deadlock/two/", two_transactions),
    path("deadlock/statement/", one_statement_first),
    path("deadlock/undone/", undone_before),
    path("deadlock/looked/", looked_before),
    path("v/<slug:key>/deadlock/", one_transaction),
    *of_the_product,
]


# --- who wins ---------------------------------------------------------------------------------------------------------
class Stranger:
    """A connection that holds row 2 and, as soon as our side has row 1, asks for that too: so often, no more."""

    def __init__(self, deadlocks: int) -> None:
        known = connections["default"].get_connection_params()
        server = {key: known[key] for key in ("dbname", "user", "password", "host", "port") if known.get(key)}
        self.connection = psycopg2.connect(**server)
        self.cursor = self.connection.cursor()
        self.cursor.execute("SET deadlock_timeout = '30s'")  # so that it is never the stranger who is thrown out
        self.hold(2)
        Meeting.left = deadlocks
        Meeting.has_first.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def hold(self, row: int) -> None:
        self.cursor.execute(f"SELECT 1 FROM {ROWS} WHERE id = %s FOR UPDATE", [row])  # noqa: S608

    def win(self) -> None:
        """All its deadlocks were won; then both rows are free."""
        while Meeting.left:
            if not Meeting.has_first.wait(30):
                raise TimeoutError("nobody came to take row 1")
            Meeting.has_first.clear()
            self.cursor.execute("SAVEPOINT before")
            self.hold(1)
            Meeting.left -= 1
            self.cursor.execute("ROLLBACK TO SAVEPOINT before")  # frees row 1, holds row 2
        self.connection.rollback()
