"""Imports of patients in the background."""

from celery import shared_task
from django.utils import timezone

from patients.services.imports.runs import forget_old_files, perform_run


@shared_task(soft_time_limit=50 * 60, time_limit=55 * 60)
def run_import(run_id: int) -> None:
    """The import is checked or done, and its row says how it ended.

    The limits stay below the hour after which the broker would hand the task to another worker.
    """
    perform_run(run_id, now=timezone.now())


@shared_task
def forget_files() -> None:
    """Uploaded lists that nobody imported for a week are gone: they hold more about people than Cadence keeps."""
    forget_old_files(now=timezone.now())
