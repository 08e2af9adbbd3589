"""Messages in the background: planned, sent, taken back from dead workers. Every task may run twice, or not at all.

``dispatch`` looks every minute for what is due and gives out as many batches as may leave in that minute. A batch that
nobody got to within a minute expires: the next ``dispatch`` gives out another, so a queue that stood still does not
grow, and nothing hangs on a task that was lost with Redis.
"""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from patients.models import Message
from patients.services.messages import planning, returning, sending
from patients.services.messages.pace import most_a_minute
from patients.services.messages.rules import ensure_everywhere

NEAR_FUTURE = timedelta(days=3)
"""The sweep of every five minutes repairs what is due soon; the one of every night looks as far as pages show."""
EXPIRES_S = 55


@shared_task(soft_time_limit=4 * 60, time_limit=5 * 60)
def plan() -> str:
    """Every five minutes: rows of the next days are those that the rules want.

    Locations that were added meanwhile, and languages, get the shipped rules before.
    """
    now = timezone.now()
    ensure_everywhere(now=now)
    done = planning.sweep(now=now, horizon=NEAR_FUTURE)
    return _said(done)


@shared_task(soft_time_limit=25 * 60, time_limit=30 * 60)
def plan_ahead() -> str:
    """Every night: the same for as far ahead as messages are planned."""
    done = planning.sweep(now=timezone.now())
    return _said(done)


def _said(done: planning.Swept) -> str:
    return f"{done.planned} planned, {done.moved} moved, {done.withdrawn} withdrawn"


@shared_task(soft_time_limit=45, time_limit=55)
def dispatch() -> int:
    """Every minute: batches for what is due, as many as may leave in this minute; returns how many."""
    now = timezone.now()
    returning.probe(now=now)
    due = Message.objects.due(now).order_by()[: most_a_minute()].count()
    batches = -(-due // sending.BATCH)
    for _ in range(batches):
        send_batch.apply_async(expires=EXPIRES_S)
    return batches


@shared_task(soft_time_limit=4 * 60, time_limit=5 * 60)
def send_batch() -> int:
    """One batch of due messages was claimed and sent; returns how many left.

    Where the provider was away and takes messages again, what it could not take is due again.
    """
    now = timezone.now()
    claimed = sending.claim_due(now=now)
    sent = sending.send_claimed(claimed, now=now).sent
    returning.take_up(claimed, now=now)
    return sent


@shared_task(soft_time_limit=45, time_limit=55)
def release_stale() -> int:
    """Every minute: what a killed worker held is due again."""
    return sending.release_stale(now=timezone.now())
