"""Questionnaires in the background."""

from celery import shared_task
from django.utils import timezone

from patients.services.measure_links import forget_drafts as forget


@shared_task
def forget_drafts() -> None:
    """Answers that a patient never sent are gone once their link has expired."""
    forget(now=timezone.now())
