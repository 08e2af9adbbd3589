"""Freed times to offer: one task for each, settled when it is filled, given up, past, or taken otherwise.

The task is written with the freed time itself (``courses.services.freed.follow_freed``); a sweep opens what is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from courses.models import FreedSlot, Task, TaskKind
from courses.services.freed import close_spent, is_taken, key_of, slot_id_of, text_of
from courses.services.worklists.engine import Wanted


def wanted(now: datetime, course_id: int | None) -> Iterable[Wanted]:
    """One query; a freed time belongs to no course, so nothing when only one course is looked at."""
    if course_id is not None:
        return
    rows = FreedSlot.objects.filter(closed_at__isnull=True, start__gt=now).select_related("location", "chair")
    for slot in rows.annotate(is_taken=is_taken()).filter(is_taken=False):
        local = slot.location.local(slot.start)
        yield Wanted(
            kind=TaskKind.FREED_SLOT,
            key=key_of(slot.pk),
            location_id=slot.location_id,
            text=text_of(local, slot.chair.name),
            due_on=local.date(),
        )


def settled(tasks: Sequence[Task], now: datetime) -> Mapping[int, str]:
    """What became of the time; times that passed or were taken otherwise are closed on the way."""
    if not tasks:
        return {}
    close_spent(now)
    slots = FreedSlot.objects.in_bulk([slot_id_of(task.key) for task in tasks])
    closed = {pk: slot.closed_text for pk, slot in slots.items() if slot.closed_at is not None}
    return {task.pk: closed[pk] for task in tasks if (pk := slot_id_of(task.key)) in closed}
