"""The Celery application: `celery -A clinic.celery worker`. Tasks live in `<package>/tasks/<topic>.py`."""

from __future__ import annotations

import logging.config
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from celery import Celery, signals

from clinic.pure import requestid

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.settings")

PACKAGES = ("clinic", "patients", "courses")
ROOT = Path(__file__).resolve().parent.parent


def task_modules() -> list[str]:
    """The dotted names of all task modules, so that no list has to be kept by hand."""
    return sorted(
        f"{package}.tasks.{path.stem}"
        for package in PACKAGES
        for path in (ROOT / package / "tasks").glob("*.py")
        if path.stem != "__init__"
    )


app = Celery("cadence", task_cls="clinic.adapters.repeated:RepeatedTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(task_modules, related_name="")


# --- the log: the product's own, and the id of the request that a task came from -------------------------------------
REQUEST_ID = "cadence_request_id"


@signals.setup_logging.connect
def keep_our_log(**_: Any) -> None:
    """Celery sets up none of its own: its lines repeat results and errors, which ours leave out."""
    from django.conf import settings  # noqa: PLC0415 (needs the settings)

    logging.config.dictConfig(settings.LOGGING)


@signals.before_task_publish.connect
def send_request_id(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None and requestid.current.get():
        headers[REQUEST_ID] = requestid.current.get()


def _enter(task: Any, **_: Any) -> None:  # noqa: ANN401 (Celery has no types)
    proposed = getattr(task.request, REQUEST_ID, None) or (task.request.headers or {}).get(REQUEST_ID, "")
    task.request.cadence_id_before = requestid.current.set(requestid.request_id(str(proposed)))


def _leave(task: Any, **_: Any) -> None:  # noqa: ANN401 (Celery has no types)
    """Lines that this process writes between two tasks carry the id of neither."""
    requestid.current.reset(task.request.cadence_id_before)


# --- what workers and scheduler leave behind about themselves, for the page of operation ------------------------------
# Connected in those processes only: a web process, a command or a test that runs a task leaves no trace.


@signals.worker_init.connect
def listen(**_: Any) -> None:
    """Before the pool forks, so that every process of it listens."""
    signals.task_prerun.connect(_enter)
    signals.task_prerun.connect(_begin)
    signals.task_postrun.connect(_end)
    signals.task_postrun.connect(_leave)
    signals.task_failure.connect(_fail)


@signals.worker_ready.connect
def say_hello(sender: Any, **_: Any) -> None:  # noqa: ANN401 (Celery has no types)
    """The worker says that it is there, now and every few seconds, in the loop that also fetches tasks."""
    from clinic.services.operation import SEEN_EVERY  # noqa: PLC0415 (needs the settings)

    def hello() -> None:
        from django.utils import timezone  # noqa: PLC0415

        from clinic.services.pulse import note_worker  # noqa: PLC0415

        note_worker(sender.hostname, queues=list(app.amqp.queues.consume_from), now=timezone.now())

    hello()
    sender.timer.call_repeatedly(SEEN_EVERY.total_seconds(), hello)


@signals.worker_shutdown.connect
def say_goodbye(sender: Any, **_: Any) -> None:  # noqa: ANN401 (Celery has no types)
    from clinic.services.pulse import note_worker_gone  # noqa: PLC0415 (needs the settings)

    note_worker_gone(sender.hostname)


@signals.beat_init.connect
def watch_scheduler(**_: Any) -> None:
    from django.utils import timezone  # noqa: PLC0415

    from clinic.services.pulse import note_scheduler_start  # noqa: PLC0415 (needs the settings)

    note_scheduler_start(now=timezone.now())
    signals.before_task_publish.connect(_scheduled)


def _scheduled(**_: Any) -> None:
    from django.utils import timezone  # noqa: PLC0415

    from clinic.services.pulse import note_scheduler  # noqa: PLC0415

    note_scheduler(now=timezone.now())


def _begin(task: Any, **_: Any) -> None:  # noqa: ANN401 (Celery has no types)
    task.request.cadence_began = time.monotonic()


def _end(task: Any, state: str | None = None, retval: object = None, **_: Any) -> None:  # noqa: ANN401
    from django.utils import timezone  # noqa: PLC0415

    from clinic.services.pulse import note_run  # noqa: PLC0415

    took = time.monotonic() - getattr(task.request, "cadence_began", time.monotonic())
    said = "failed" if state != "SUCCESS" else str(retval) if isinstance(retval, str | int) else ""
    note_run(task.name, took=timedelta(seconds=took), said=said, now=timezone.now())


def _fail(sender: Any, task_id: str, exception: BaseException, **_: Any) -> None:  # noqa: ANN401
    from django.utils import timezone  # noqa: PLC0415

    from clinic.services.pulse import note_failure  # noqa: PLC0415

    note_failure(sender.name, task_id=task_id, problem=exception, now=timezone.now())
