"""What Prometheus is told about the place: queues, workers, scheduler, tasks, backups, disk. Nothing about a person."""

from __future__ import annotations

import shutil
from datetime import datetime

from clinic.adapters.broker import BrokerAwayError, Look, look
from clinic.adapters.metrics import Gauge
from clinic.models import BackupRun, Beat, TaskFailure
from clinic.pure.version import VERSION
from clinic.services.operation import RECENT, SILENT_AFTER, queue_names
from clinic.services.system import disk_folder


def gauges(*, now: datetime) -> list[Gauge]:
    """Three queries and one round trip to Redis."""
    return [
        Gauge("cadence_info", "1 for the version that answers", {VERSION: 1}, "version"),
        *_of_redis(now),
        *_of_tasks(now),
        *_of_backups(),
        *_of_disk(),
    ]


def _of_redis(now: datetime) -> list[Gauge]:
    try:
        seen: Look | None = look(queue_names())
    except BrokerAwayError:
        seen = None
    up = Gauge("cadence_redis_up", "1 while Redis answers", 1 if seen else 0)
    if seen is None:
        return [up]
    at_work = [worker for worker in seen.workers if now - worker.at <= SILENT_AFTER]
    workers = {name: float(sum(name in worker.queues for worker in at_work)) for name in queue_names()}
    began = seen.scheduler_at.timestamp() if seen.scheduler_at else None
    return [
        up,
        Gauge("cadence_queue_tasks", "Tasks that wait for a worker", dict(seen.waiting), "queue"),
        Gauge("cadence_tasks_in_hand", "Tasks that workers hold", seen.in_hand),
        Gauge("cadence_queue_workers", "Workers that were seen in the last 90 seconds", workers, "queue"),
        Gauge("cadence_scheduler_seen_timestamp_seconds", "When the scheduler last began a task", began),
    ]


def _of_tasks(now: datetime) -> list[Gauge]:
    ran = {beat.name: beat.at.timestamp() for beat in Beat.objects.all()}
    failed = TaskFailure.objects.filter(at__gt=now - RECENT).count()
    return [
        Gauge("cadence_task_ran_timestamp_seconds", "When each scheduled task last ended", ran, "task"),
        Gauge("cadence_task_failures_24h", "Background tasks that failed in the last 24 hours", failed),
    ]


def _of_backups() -> list[Gauge]:
    last = BackupRun.objects.latest_done()
    at = last.finished_at.timestamp() if last and last.finished_at else None
    return [Gauge("cadence_backup_finished_timestamp_seconds", "When the last backup that is whole ended", at)]


def _of_disk() -> list[Gauge]:
    found = shutil.disk_usage(disk_folder())
    return [
        Gauge("cadence_disk_free_bytes", "Free where this server keeps its files", found.free),
        Gauge("cadence_disk_size_bytes", "Size of that disk", found.total),
    ]
