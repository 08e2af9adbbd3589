"""What is asked of the planner beyond the instance, and what an instance says about its days and starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np

from courses.planning.dates import reference_dates
from courses.planning.types import BoolArray, Instance, ReferenceDate


@dataclass(frozen=True, slots=True)
class Demand:
    """Conditions beyond the instance, for alternatives; and what may be relaxed when nothing fits."""

    minute: int | None = None  # every planned visit starts at this minute
    from_min: int | None = None  # no planned visit starts before this minute
    before_min: int | None = None  # every planned visit starts before this minute
    clinician_id: int | None = None  # every planned visit is with this clinician
    nurse_id: int | None = None
    first_day: date | None = None  # the first planned infusion is on this day
    last_day: date | None = None  # the last infusion is not after this day
    allow_missing: bool = False  # an infusion may stay without a start
    allow_longer: bool = False  # gaps may exceed their maximum, by as few days as possible; never fall short (R3c)


def open_on(instance: Instance) -> Callable[[date], bool]:
    """Whether the clinic treats on a day; beyond the calendar that was read, its usual weekdays count as open."""
    free = instance.free
    usual = {day.weekday() for day in free.open_days}
    last = max(free.days, default=instance.not_before)
    return lambda day: day in free.open_days or (day > last and day.weekday() in usual)


def reference_for(instance: Instance) -> tuple[ReferenceDate, ...]:
    """The reference dates of an instance by R1-R6."""
    return reference_dates(
        instance.rule,
        instance.not_before,
        open_on(instance),
        {number: one.day for number, one in instance.fixed.items()},
        instance.missed,
        instance.before,
    )


def allowed_starts(instance: Instance, *, ignore_hours: bool = False, ignore_absence: bool = False) -> BoolArray:
    """``[day, time]`` of the calendar: free together, inside the patient's hard limits, not before the first day."""
    free, wishes = instance.free, instance.wishes
    allowed = free.possible.copy()
    minutes = np.asarray(free.minutes, dtype=np.int64)
    if not ignore_hours:
        if wishes.earliest_min is not None:
            allowed[:, minutes < wishes.earliest_min] = False
        if wishes.latest_min is not None:
            allowed[:, minutes > wishes.latest_min] = False
    for index, day in enumerate(free.days):
        away = day in wishes.unavailable and not ignore_absence
        if away or day < instance.not_before or day not in free.open_days:
            allowed[index] = False
    return allowed


def demanded_starts(instance: Instance, demand: Demand) -> BoolArray:
    """``[day, time]`` of the calendar: the allowed starts that meet the demand."""
    free = instance.free
    allowed = allowed_starts(instance)
    minutes = np.asarray(free.minutes)
    if demand.minute is not None:
        allowed[:, minutes != demand.minute] = False
    if demand.from_min is not None:
        allowed[:, minutes < demand.from_min] = False
    if demand.before_min is not None:
        allowed[:, minutes >= demand.before_min] = False
    for wanted, ids, who in (
        (demand.clinician_id, free.clinician_ids, free.clinicians),
        (demand.nurse_id, free.nurse_ids, free.nurses),
    ):
        if wanted is not None:
            allowed &= who[:, :, ids.index(wanted)] if wanted in ids else np.zeros_like(allowed)
    return allowed
