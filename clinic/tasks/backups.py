"""The backup of every night."""

from celery import shared_task

from clinic.adapters.pg_databases import BusyError
from clinic.services.backups.writing import make_backup

HOURS = 60 * 60


@shared_task(soft_time_limit=5 * HOURS, time_limit=5 * HOURS + 600)
def back_up() -> str:
    """One backup was made and checked, and old ones removed. One that is running already is left to it.

    The broker hands a task that takes more than an hour to a second worker: that one finds it running and ends.
    """
    try:
        made = make_backup()
    except BusyError:
        return "another one is running"
    return f"{made.path.name}, {made.run.bytes:,} bytes, {len(made.removed)} removed"
