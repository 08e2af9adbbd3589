"""Starting work in the background: by the task's name, once the change it belongs to is committed.

By name, so that services never import tasks (tasks import services); after the commit, so that no worker looks for a
row that is not there yet, or acts on one that was rolled back.
"""

import time
from functools import partial
from typing import Any

from celery import current_app
from django.db import connection, transaction
from kombu.exceptions import OperationalError

SLOW_S, ASKED_AGAIN_S = 2.0, 15.0
"""A broker that let one job wait for so long is not asked again for so long: it hangs, and each page would wait."""


class _Silent:
    until = 0.0  # by time.monotonic, of this process


class JobNotSentError(Exception):
    """The change is saved, and the work that belongs to it was not begun: the broker cannot be reached."""


def enqueue(task: str, *arguments: Any) -> None:
    """`task` will run in a worker after the current transaction commits; nothing happens if it rolls back.

    Args:
        task: the dotted name, for example "courses.tasks.planning.run".
        arguments: ids and plain values; a row would be stale by the time the worker reads it.

    Raises:
        JobNotSentError: out of the ``atomic()`` whose commit should have sent it.
    """
    transaction.on_commit(partial(_send, task, arguments))


def enqueue_if_possible(task: str, *arguments: Any) -> None:
    """As ``enqueue``, for work that somebody else notices when it is missing: a broker that is away is only logged.

    The same work asked for again in one transaction runs once: an import records hundreds of scores of a patient.
    """
    job = (task, arguments)
    if any(getattr(entry[1], "job", None) == job for entry in connection.run_on_commit):
        return

    def send() -> None:  # a function with a name: Django writes it into the log
        _send(task, arguments)

    send.job = job  # type: ignore[attr-defined]
    transaction.on_commit(send, robust=True)


def _send(task: str, arguments: tuple[Any, ...]) -> None:
    begun = time.monotonic()
    if begun < _Silent.until:
        raise JobNotSentError(f"{task} was not sent: the broker did not answer a moment ago")
    try:
        current_app.send_task(task, args=arguments)
    except OperationalError as problem:
        if time.monotonic() - begun > SLOW_S:
            _Silent.until = time.monotonic() + ASKED_AGAIN_S
        raise JobNotSentError(f"{task} was not sent: {problem}") from problem
