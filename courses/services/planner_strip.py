"""The planner's calendar strip as plain data: days as columns, minutes as rows, the clinic's load, the plan."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from courses.planning.types import Placed
from courses.planning.words import MONTHS, WEEKDAYS, say_day
from courses.services.planner import Desk, Draft

LOAD_LEVELS = 4
ROOM_AFTER_DAYS = 7


def strip_of(desk: Desk, draft: Draft | None) -> dict[str, Any]:
    """The calendar strip as data: days as columns, minutes as rows, the clinic's load, what is closed, the plan."""
    free, shape = desk.instance.free, desk.settings.shape
    if not free.minutes:
        return {}
    step = desk.location.start_step_min
    placed = draft.placed if draft is not None else ()
    days = _strip_days(desk, placed)
    index = {day: position for position, day in enumerate(free.days)}
    columns = [_column(desk, day, index.get(day)) for day in days]
    return {
        "step": step,
        "from": free.minutes[0] // 60 * 60,
        "to": -(-(free.minutes[-1] + step) // 60) * 60,
        "shape": [shape.preparation_min, shape.infusion_min, shape.observation_min, shape.turnaround_min],
        "days": columns,
        "plan": [
            {"number": one.number, "day": one.day.isoformat(), "start": one.start_min, "blocked": one.number in blocked}
            for blocked in [draft.blocked if draft is not None else frozenset()]
            for one in placed
            if one.start_min is not None
        ],
    }


def _strip_days(desk: Desk, placed: Sequence[Placed]) -> list[date]:
    """Whole weeks from the first day asked for to a week after the last infusion, without those nobody needs."""
    free = desk.instance.free
    planned = [one.day for one in placed] or [one.day for one in desk.answer.reference] or list(free.days[:1])
    if not planned:
        return []
    first = min(desk.instance.not_before, *planned)
    last = max(planned) + timedelta(days=ROOM_AFTER_DAYS)
    monday, count = first - timedelta(days=first.weekday()), 0
    usual = {day.weekday() for day in free.open_days}
    read = set(free.days) | set(planned)
    found: list[date] = []
    while monday + timedelta(days=7 * count) <= last:
        week = [monday + timedelta(days=7 * count + day) for day in range(7)]
        count += 1
        if any(day in read for day in week):
            found += [day for day in week if day.weekday() in usual or day in read]
    return found


def _column(desk: Desk, day: date, position: int | None) -> dict[str, Any]:
    instance = desk.instance
    state, note = "open", ""
    if day < instance.not_before:
        state, note = "past", "before the first day"
    elif day not in instance.free.open_days:
        state, note = "closed", desk.calendar.why_closed(day) or "closed"
    elif day in instance.wishes.unavailable:
        state, note = "away", "patient cannot come"
    parts = [
        [one.from_time.hour * 60 + one.from_time.minute, one.until_time.hour * 60 + one.until_time.minute]
        for one in desk.person.away
        if one.from_time and one.until_time and one.first_day <= day <= one.last_day
    ]
    return {
        "day": day.isoformat(),
        "weekday": WEEKDAYS[day.weekday()],
        "date": day.day,
        "month": MONTHS[day.month - 1],
        "said": say_day(day),
        "monday": day.weekday(),
        "state": state,
        "note": note,
        "away": parts if state == "open" else [],
        "load": _runs(desk, position) if position is not None and state != "closed" else [],
    }


def _runs(desk: Desk, position: int) -> list[list[int]]:
    """Stretches of the day with the same level of load, 1 to 4: [from minute, to minute, level]."""
    free, step = desk.instance.free, desk.location.start_step_min
    levels = np.ceil(np.clip(free.load[position], 0, 1) * LOAD_LEVELS).astype(int)
    runs: list[list[int]] = []
    for minute, level in zip(free.minutes, levels.tolist(), strict=True):
        if runs and runs[-1][1] == minute and runs[-1][2] == level:
            runs[-1][1] = minute + step
        elif level:
            runs.append([minute, minute + step, level])
    return runs
