"""Background work starts by name, after the commit, and only for tasks that exist."""

from __future__ import annotations

import ast
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from celery import current_app
from celery.contrib.testing.worker import start_worker
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone

from clinic import celery
from clinic.services.jobs import enqueue, enqueue_if_possible

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


@pytest.mark.slow
@pytest.mark.usefixtures("empty_queue")
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
