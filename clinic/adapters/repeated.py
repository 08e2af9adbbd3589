"""Tasks that lose against another transaction are run again: PostgreSQL has undone what they wrote.

Every task here may run twice anyway (a worker can die at any moment, and tasks are acknowledged late), so unlike a
request (``clinic/edge/retry.py``) it need not be asked what was committed before.
"""

from __future__ import annotations

import random
import time
from typing import Any

from celery import Task
from django.db import OperationalError, connection

from clinic.pure.sqlstates import is_passing

ATTEMPTS = 3
PAUSE_S = 0.05
"""The longest pause before the second run, twice that before the third; random, so that two do not meet again."""
LATER_S = 30
"""When it stays so, the task goes back into its queue for half a minute, five times; then it counts as failed."""
LATER_TIMES = 5


def pause(attempt: int) -> None:
    """A moment for the other one to finish; longer after the second try."""
    time.sleep(random.uniform(0, PAUSE_S * attempt))  # noqa: S311 (no secret)


class RepeatedTask(Task):
    """The base of all tasks, named in ``clinic/celery.py``."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (whatever the task returns)
        # In a worker ``Task.__call__`` would put an empty request over the one that the worker has made.
        work = super().__call__ if self.request.called_directly else self.run
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return work(*args, **kwargs)
            except OperationalError as error:
                if connection.in_atomic_block or not is_passing(error):
                    raise
                if attempt < ATTEMPTS:
                    pause(attempt)
                elif self.request.called_directly:
                    raise
                else:
                    raise self.retry(exc=error, countdown=LATER_S, max_retries=LATER_TIMES) from error
        raise AssertionError("unreachable: the last attempt returns or raises")
