"""What the machinery leaves behind about itself while it works: a row for each scheduled task, one for each failure.

Called by Celery's signals in workers only (``clinic.celery``). Nothing here may break a task: a database that is away
is written into the log, and that is all.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from clinic.adapters import broker
from clinic.models import Beat, TaskFailure

logger = logging.getLogger(__name__)

KEPT_FOR = timedelta(days=90)
"""Failures are forgotten then; the log of the server may have them longer."""
SAID_MAX, ERROR_MAX, TASK_MAX, ID_MAX = 200, 300, 120, 80


def scheduled_tasks() -> dict[str, str]:
    """Task -> what the schedule calls it."""
    return {str(entry["task"]): name for name, entry in settings.CELERY_BEAT_SCHEDULE.items()}


def note_run(task: str, *, took: timedelta, said: str, now: datetime) -> None:
    """The scheduled task ran and ended now; others leave no trace."""
    if task not in scheduled_tasks():
        return
    values = {"at": now, "took_ms": max(0, int(took.total_seconds() * 1000)), "said": said[:SAID_MAX]}
    try:
        Beat.objects.update_or_create(name=task[:60], defaults=values)
    except (DatabaseError, InterfaceError):
        logger.warning("%s ran, but that could not be written down.", task)


def note_failure(task: str, *, task_id: str, problem: BaseException, now: datetime) -> None:
    """The task ended with an error. Kept are its kind and place only: messages of errors repeat names and numbers."""
    row = TaskFailure(task=task[:TASK_MAX], task_id=task_id[:ID_MAX], error=where(problem)[:ERROR_MAX], at=now)
    try:
        TaskFailure.objects.filter(at__lt=now - KEPT_FOR).delete()
        row.save(force_insert=True)
    except (DatabaseError, InterfaceError):
        logger.warning("%s failed (%s), but that could not be written down.", task, row.error)


def note_worker(name: str, *, queues: Iterable[str], now: datetime) -> None:
    """The worker is there."""
    try:
        broker.note_seen(name, queues=queues, now=now)
    except broker.BrokerAwayError:
        logger.info("Redis is away: nobody sees this worker meanwhile.")


def note_worker_gone(name: str) -> None:
    """The worker was stopped in good order."""
    try:
        broker.note_gone(name)
    except broker.BrokerAwayError:
        logger.info("Redis is away: this worker is seen for a while yet.")


def note_scheduler(*, now: datetime) -> None:
    """The scheduler began a task."""
    note_worker(broker.SCHEDULER, queues=(), now=now)


def note_scheduler_start(*, now: datetime) -> None:
    """The scheduler starts; its first task may be a minute away."""
    try:
        broker.note_scheduler_start(now=now)
    except broker.BrokerAwayError:
        logger.info("Redis is away: nobody sees that the scheduler starts.")


def where(problem: BaseException) -> str:
    """As in "IntegrityError in patients/services/requests.py, line 120": the last place that is ours."""
    frames = traceback.extract_tb(problem.__traceback__)
    root = Path(settings.BASE_DIR)
    ours = [frame for frame in frames if _is_ours(Path(frame.filename), root)]
    kind = type(problem).__name__
    if not ours:
        return kind
    return f"{kind} in {Path(ours[-1].filename).relative_to(root)}, line {ours[-1].lineno}"


def _is_ours(file: Path, root: Path) -> bool:
    return file.is_relative_to(root) and ".venv" not in file.parts and "node_modules" not in file.parts
