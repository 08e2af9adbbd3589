"""Danger alerts in the background: telling those who can act, and escalating what nobody acknowledged."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from patients.services.alerts import escalate_overdue, tell_about, tell_untold


@shared_task
def tell(alert_id: int) -> int:
    """Those who can act have an e-mail without any content; returns how many."""
    return tell_about(alert_id, now=timezone.now())


@shared_task
def escalate() -> int:
    """Every minute: what has waited too long is escalated, once; whoever was not told yet is told."""
    now = timezone.now()
    escalated = escalate_overdue(now)
    tell_untold(now)
    return escalated
