"""The summaries of the morning."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from courses.services.digest import send_digests


@shared_task(soft_time_limit=4 * 60, time_limit=5 * 60)
def send() -> int:
    """Every quarter of an hour, since seven in the morning differs by location; returns how many left."""
    return send_digests(timezone.now())
