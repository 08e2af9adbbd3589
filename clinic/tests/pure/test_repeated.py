"""What is repeated after it lost against another transaction, and what is not; the deadlocks here are made of paper."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from celery import current_app
from django.db import OperationalError

from clinic.adapters import repeated
from clinic.adapters.repeated import RepeatedTask
from clinic.edge import retry
from clinic.pure.sqlstates import is_passing

NUMBERS = count(1)


def task_of(work: Any) -> RepeatedTask:
    """A task of its own name that does this; it is taken out of the register when the tests have run."""

    class Work(RepeatedTask):
        name = f"clinic.tests.work{next(NUMBERS)}"

        def run(self) -> Any:
            return work()

    task: RepeatedTask = current_app.register_task(Work())
    return task


class Deadlock(Exception):  # noqa: N818 (the driver's)
    pgcode = "40P01"


def losing(times: int, calls: list[int]) -> Any:
    def work() -> str:
        calls.append(1)
        if len(calls) <= times:
            raise OperationalError("deadlock detected") from Deadlock()
        return "done"

    return work


def test_a_task_that_goes_on_losing_waits_in_its_queue_and_fails_only_after_all_its_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(repeated, "pause", lambda _attempt: None)
    calls: list[int] = []
    assert task_of(losing(4, calls)).apply().get() == "done"  # as in a worker: the fourth try is a new turn
    calls.clear()
    gone = task_of(losing(99, calls)).apply()
    assert gone.failed()
    assert is_passing(gone.result)
    assert len(calls) == repeated.ATTEMPTS * (1 + repeated.LATER_TIMES)


def test_a_task_is_not_repeated_for_any_other_error() -> None:
    calls: list[int] = []

    def work() -> None:
        calls.append(1)
        raise OperationalError("server closed the connection unexpectedly")

    with pytest.raises(OperationalError):
        task_of(work)()
    assert len(calls) == 1


def test_every_task_of_the_product_is_of_this_kind() -> None:
    current_app.loader.import_default_modules()
    ours = [task for name, task in current_app.tasks.items() if name.startswith(("clinic.", "patients.", "courses."))]
    assert len(ours) > 10
    assert [task.name for task in ours if not isinstance(task, RepeatedTask)] == []


@pytest.mark.parametrize(
    ("sql", "is_write"),
    [
        ('SELECT "clinic_booking"."updated_at" FROM "clinic_booking" WHERE id = %s', False),
        ('SELECT "id" FROM "clinic_booking" WHERE id = %s FOR NO KEY UPDATE OF "clinic_booking"', False),
        ("SELECT pg_advisory_xact_lock(%s, %s)", False),
        ('INSERT INTO "clinic_accesslog" ("user_id") VALUES (%s)', False),
        ('INSERT INTO "clinic_booking" ("id") VALUES (%s)', True),
        ("WITH gone AS (DELETE FROM courses_resultdue RETURNING 1) SELECT count(*) FROM gone", True),
        (b'update "clinic_booking" set "version" = 2', True),
        ("SELECT nextval('patients_mrn')", True),
    ],
)
def test_a_lock_is_no_write_and_a_write_inside_a_query_is_one(sql: Any, is_write: bool) -> None:
    assert retry._is_write(sql) == is_write
