"""The outbox in a few numbers, for the page of operation (``clinic.services.operation.register_figures``)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q

from clinic.adapters.metrics import Gauge
from clinic.models import Location
from clinic.services.operation import Advice, Figure, Figures, Tone
from patients.models import DangerAlert, IncomingMessage, Message, MessageState

SLOW_AFTER = timedelta(minutes=15)
"""[D] A message that waits so long after its time waits for something that is broken."""
STUCK_AFTER = timedelta(minutes=20)
"""Twice as long as a worker may hold one."""
RECENT = timedelta(days=7)


def figures(*, now: datetime) -> Figures:
    """What is due, on its way, failed, or waits for a person. Four queries."""
    due, held, ended = _outbox(now)
    answers = IncomingMessage.objects.filter(handled_at__isnull=True).count()
    is_slow = due["oldest"] is not None and now - due["oldest"] > SLOW_AFTER
    is_stuck = held["oldest"] is not None and now - held["oldest"] > STUCK_AFTER
    rows = (
        Figure("Due now", due["count"], Tone.WARN if is_slow else Tone.OK, "Go out within a minute or two."),
        Figure("Oldest of these, due since", due["oldest"], Tone.WARN if is_slow else Tone.OK),
        Figure("Being sent", held["count"], Tone.WARN if is_stuck else Tone.OK),
        Figure("Sent in the last 7 days", ended["gone"]),
        Figure("Failed in the last 7 days", ended["failed"], Tone.WARN if ended["failed"] else Tone.OK),
        Figure("To call in the last 7 days", ended["to_call"], note="Can be neither texted nor written to."),
        Figure("Answers that wait for a person", answers),
    )
    return Figures("Messages", rows, tuple(_advice(is_slow=is_slow, is_stuck=is_stuck, failed=ended["failed"])))


def gauges(*, now: datetime) -> list[Gauge]:
    """The same for Prometheus, and how many danger alerts nobody has answered. Four queries."""
    due, held, ended = _outbox(now)
    alerts = DangerAlert.objects.waiting().aggregate(count=Count("pk"), oldest=Min("raised_at"))
    states = {"due": due["count"], "held": held["count"], "failed_7d": ended["failed"], "to_call_7d": ended["to_call"]}
    return [
        Gauge("cadence_messages", "Messages by what became of them", states, "state"),
        Gauge("cadence_messages_oldest_due_seconds", "Age of the oldest message that is due", _age(due["oldest"], now)),
        Gauge("cadence_danger_alerts_open", "Danger alerts that nobody has acknowledged", alerts["count"]),
        Gauge("cadence_danger_alerts_oldest_seconds", "Age of the oldest of these", _age(alerts["oldest"], now)),
    ]


def _age(moment: datetime | None, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds()) if moment else 0.0


def _outbox(now: datetime) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """What is due, what workers hold, what became of the last week's. Three queries."""
    due = Message.objects.due(now).aggregate(count=Count("pk"), oldest=Min("due_at"))
    held = Message.objects.filter(state=MessageState.SENDING).aggregate(count=Count("pk"), oldest=Min("claimed_at"))
    places = Location.objects.values("pk")  # named, so that the index by location and time is used
    ended = Message.objects.filter(location__in=places, due_at__gt=now - RECENT, due_at__lte=now).aggregate(
        failed=Count("pk", filter=Q(state=MessageState.FAILED)),
        gone=Count("pk", filter=Q(state__in=[MessageState.SENT, MessageState.DELIVERED])),
        to_call=Count("pk", filter=Q(state=MessageState.TO_CALL)),
    )
    return due, held, ended


def _advice(*, is_slow: bool, is_stuck: bool, failed: int) -> list[Advice]:
    found = []
    if is_slow:
        found.append(
            Advice(
                Tone.WARN,
                "Messages wait longer than they should",
                "If nothing else is said here, more is due than the provider may get in a minute "
                "(MESSAGES_PER_MINUTE): it is caught up by itself, and what is of no use any more is skipped and says "
                "so.",
            )
        )
    if is_stuck:
        found.append(
            Advice(
                Tone.WARN,
                "A message is held by a worker that does not answer",
                "It is given back within minutes; where nobody knows whether it went out, it goes on the list of "
                "failures instead of out a second time.",
            )
        )
    if failed:
        words = "1 message" if failed == 1 else f"{failed} messages"
        found.append(
            Advice(
                Tone.WARN,
                f"{words} failed in the last 7 days",
                "Each says why in the list of messages. Send it again from there, or call the patient.",
            )
        )
    return found
