"""Background work starts by name, after the commit, and only for tasks that exist."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from celery import current_app, signals
from celery.contrib.testing.worker import start_worker
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from clinic import celery
from clinic.services import jobs
from clinic.services.jobs import JobNotSentError, enqueue, enqueue_if_possible

if TYPE_CHECKING:
    from pytest_django import DjangoCaptureOnCommitCallbacks

ROOT = Path(__file__).resolve().parents[3]


def waiting() -> int:
    """How many messages lie in the default queue."""
    with current_app.connection_for_read() as connection:
        return int(connection.default_channel.queue_declare("default", passive=False).message_count)


@pytest.fixture
def empty_queue() -> None:
    current_app.control.purge()


@pytest.mark.usefixtures("empty_queue")
@pytest.mark.django_db(transaction=True)
def test_a_task_is_sent_when_its_change_is_committed() -> None:
    with transaction.atomic():
        enqueue("clinic.tasks.housekeeping.clear_sessions")
        assert waiting() == 0
    assert waiting() == 1


@pytest.mark.usefixtures("empty_queue")
@pytest.mark.django_db(transaction=True)
def test_a_task_is_not_sent_when_its_change_is_rolled_back() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        enqueue("clinic.tasks.housekeeping.clear_sessions")
        raise ZeroDivisionError
    assert waiting() == 0


@pytest.mark.django_db
def test_the_same_work_asked_for_twice_in_one_transaction_is_begun_once(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        for argument in (1, 1, 2, 1):
            enqueue_if_possible("clinic.tasks.housekeeping.clear_sessions", argument)
    assert [callback.job[1] for callback in callbacks] == [(1,), (2,)]  # type: ignore[attr-defined]


@pytest.mark.django_db
def test_what_was_asked_for_in_a_part_that_was_undone_is_begun_all_the_same_when_asked_for_again(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        with transaction.atomic():
            enqueue_if_possible("clinic.tasks.housekeeping.clear_sessions")
            transaction.set_rollback(True)
        enqueue_if_possible("clinic.tasks.housekeeping.clear_sessions")
    assert len(callbacks) == 1


@pytest.mark.django_db
def test_a_task_can_be_caught_in_a_test(django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        enqueue("clinic.tasks.housekeeping.clear_sessions")
    assert len(callbacks) == 1


@pytest.fixture
def listeners_as_before() -> Iterator[None]:
    """A worker connects what it leaves behind about itself; the tests after it, in this same process, are no workers."""
    watched = (signals.task_prerun, signals.task_postrun, signals.task_failure)
    before = [list(signal.receivers or []) for signal in watched]
    yield
    for signal, receivers in zip(watched, before, strict=True):
        signal.receivers = receivers


@pytest.mark.slow
@pytest.mark.usefixtures("empty_queue", "listeners_as_before")
@pytest.mark.django_db(transaction=True)
def test_a_worker_does_what_was_enqueued() -> None:
    Session.objects.create(session_key="old", session_data="", expire_date=timezone.now())
    with start_worker(celery.app, perform_ping_check=False, shutdown_timeout=30):
        enqueue("clinic.tasks.housekeeping.clear_sessions")
        deadline = time.monotonic() + 10
        while Session.objects.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    assert not Session.objects.exists()


def enqueued_names() -> set[str]:
    """Every task name that the product passes to enqueue() as a literal."""
    names = set()
    for package in celery.PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if "tests" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "enqueue" and node.args:
                    names.add(str(getattr(node.args[0], "value", "<not a literal>")))
    return names


def test_every_name_that_is_enqueued_or_scheduled_is_a_task() -> None:
    celery.app.loader.import_default_modules()
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert enqueued_names() | scheduled <= set(celery.app.tasks)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What a broker was asked that lets each job wait for three seconds and then does not take it."""
    clock, tasks = [100.0], []

    def hang(task: str, **_: object) -> None:
        tasks.append(task)
        clock[0] += 3
        raise OperationalError("timed out")

    monkeypatch.setattr(jobs, "time", SimpleNamespace(monotonic=lambda: clock[0], later=clock))
    monkeypatch.setattr(current_app, "send_task", hang)
    yield tasks
    jobs._Silent.until = 0.0


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_hangs_lets_one_page_wait_and_not_each(asked: list[str]) -> None:
    for _ in range(4):
        enqueue_if_possible("clinic.tasks.housekeeping.clear_sessions")
    assert len(asked) == 1
    jobs.time.later[0] += jobs.ASKED_AGAIN_S  # type: ignore[attr-defined]
    enqueue_if_possible("clinic.tasks.housekeeping.clear_sessions")
    assert len(asked) == 2


@pytest.mark.django_db(transaction=True)
def test_who_needs_the_work_done_is_told_at_once_while_the_broker_hangs(asked: list[str]) -> None:
    for _ in range(2):
        with pytest.raises(JobNotSentError):
            enqueue("clinic.tasks.housekeeping.clear_sessions")
    assert len(asked) == 1
