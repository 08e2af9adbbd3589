"""What happens to courses by itself: interruptions are marked (R6), expired pencils released."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from courses.services.courses import mark_interrupted
from courses.services.pencils import release_expired_pencils


@shared_task
def sweep() -> int:
    """Once an hour, since midnight differs by location: too long a pause is marked, so that a prescriber decides."""
    return mark_interrupted(timezone.now())


@shared_task
def release_pencils() -> int:
    """Every five minutes: pencilled series that nobody confirmed in time hold nothing any more."""
    return release_expired_pencils(timezone.now())
