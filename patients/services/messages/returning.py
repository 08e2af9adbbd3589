"""A provider that was away for hours is back: what it surely never took goes out then, without a click for each.

While it was away each message was tried for an hour and a half, and then stood on the list of failures, where somebody
could call instead. That the provider takes messages again the next new one finds out, or one of the old, which is tried
every quarter of an hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from clinic.models import Location
from clinic.services.at_once import update_at_once
from patients.models import Message, MessageState, MessageStep
from patients.services.messages.delivering import BACKOFF

NOT_TAKEN = "_not_taken"
"""Is true in ``Message.facts`` of one that failed because its provider could not take it: no other may be repeated."""
AT_ONCE = 500
BACK, ASKED = "The provider takes messages again.", "Tried once more: the provider may be back."
PROBE_EVERY = timedelta(minutes=15)


def noted(facts: dict[str, Any], *, is_not_taken: bool) -> dict[str, Any]:
    """``facts`` that say so, or no longer do."""
    rest = {key: value for key, value in facts.items() if key != NOT_TAKEN}
    return {**rest, NOT_TAKEN: True} if is_not_taken else rest


def take_up(sent: Iterable[Message], *, now: datetime) -> int:
    """Failed messages that these providers never took, and that are still of use, are due again; returns how many.

    Args:
        sent: messages that were tried just now; only what left counts.
    """
    names = {one.provider for one in sent if one.state == MessageState.SENT}
    if not names:
        return 0
    with transaction.atomic():
        rows = list(_not_taken(now).filter(provider__in=names)[:AT_ONCE])
        _due_again(rows, now, attempts=0, said=BACK)
    return len(rows)


def probe(*, now: datetime) -> int:
    """Of each provider that took nothing for a quarter of an hour one message is due again; returns how many.

    If it is refused it is on the list again at once.
    """
    chosen: dict[str, Message] = {}
    with transaction.atomic():
        rows = list(_not_taken(now)[:AT_ONCE])
        for one in rows:
            chosen.setdefault(one.provider, one)
        recent = {one.provider for one in rows if now - one.state_at < PROBE_EVERY}
        wanted = [one for name, one in chosen.items() if name not in recent]
        _due_again(wanted, now, attempts=len(BACKOFF), said=ASKED)
    return len(wanted)


def _not_taken(now: datetime) -> QuerySet[Message]:
    """Still of use, the longest due first, locked."""
    places = Location.objects.values("pk")  # named, so that the index by location and state is used
    failed = Message.objects.filter(location__in=places, state=MessageState.FAILED, facts__has_key=NOT_TAKEN)
    rows = failed.filter(useful_until__gt=now).order_by("due_at", "pk")
    return rows.select_for_update(skip_locked=True, of=("self",))


def _due_again(rows: Sequence[Message], now: datetime, *, attempts: int, said: str) -> None:
    for one in rows:
        one.state, one.state_at, one.due_at, one.attempts, one.error = MessageState.PLANNED, now, now, attempts, ""
        one.facts = noted(one.facts, is_not_taken=False)
        one.save(update_fields=["facts"])
    update_at_once(rows, ["state", "state_at", "due_at", "attempts", "error"])
    MessageStep.objects.bulk_create(MessageStep(message=one, at=now, state=one.state, text=said) for one in rows)
