"""Worklists keep themselves: what waits for an act is opened, what an act has ended is settled."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from courses.services.worklists import after, engine
from patients.services.followers import Noted


@shared_task
def sweep() -> list[int]:
    """Every five minutes; two workers at once do no harm. How many tasks were opened, and how many settled."""
    done = engine.sweep(timezone.now())
    return [done.opened, done.settled]


@shared_task
def sweep_patient(patient_id: int, noted: str) -> list[int]:
    """After something was recorded about the patient; what it does not do, the next ``sweep`` does."""
    done = after.sweep_patient(patient_id, Noted(noted), timezone.now())
    return [done.opened, done.settled]
