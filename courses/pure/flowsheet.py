"""When vital signs are due during an infusion visit, and what a look is called: baseline, +20, end, after.

Intervals are minutes, instants are aware. Nothing here judges a value (``courses/pure/limits.py``).

Source: clinical.md D3 (every 10 min during, every 15 min after: P27), B3 (40 min after the first nasal device).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from courses.pure.running import Run

NASAL_FIRST_MIN = 40
"""Blood pressure again 40 minutes after the first device. Source: clinical.md B3, L1."""
NEAR_END = timedelta(minutes=5)
"""[D] A look up to five minutes before or after the end of an infusion is the one at the end."""


class Moment(StrEnum):
    """Where in the visit a look belongs. It is never stored: corrected taps would make it wrong."""

    BASELINE = "baseline"
    DURING = "during"
    END = "end"
    AFTER = "after"


MOMENT_LABELS = {
    Moment.BASELINE: "Baseline",
    Moment.DURING: "During",
    Moment.END: "End",
    Moment.AFTER: "After",
}


@dataclass(frozen=True, slots=True)
class Slot:
    """One time at which vital signs are wanted."""

    at: datetime
    label: str


def began_at(run: Run) -> datetime | None:
    """The start of the infusion; for a nasal dose without one, the first device."""
    return run.started_at or (run.devices[0] if run.devices else None)


def next_due(  # noqa: PLR0913 (a schedule has this many facts)
    run: Run,
    looked_at: Sequence[datetime],
    *,
    is_nasal: bool,
    during_min: int,
    after_min: int,
    arrived_at: datetime | None,
    now: datetime,
    left_at: datetime | None = None,
) -> datetime | None:
    """When vital signs are due next; in the past when they are late; None when none are wanted now.

    * Before the start: at once after the arrival, until there is one look (the baseline); then not before the start.
    * While the infusion goes on, paused or not: one interval after the last look, and never later than the next time
      of the schedule (start + 10, + 20 …). A look belongs to the nearest time of the schedule, so one at +9 answers
      for +10 and one at +12 does too; an extra look at +4 answers for none.
    * At the end: at once, unless the last look is no older than five minutes then (``NEAR_END``).
    * After it: as during, with its own interval, until the patient has left.
    * Nasal: baseline, 40 minutes after the first device, then every ``after_min``.

    Args:
        looked_at: the valid looks, in any order; those ahead of ``now`` by a fast clock count too.
        arrived_at: None: nobody is here, nothing is due.
        left_at: the patient has left, nothing is due any more.
    """
    if arrived_at is None or (left_at is not None and left_at <= now):
        return None
    began = began_at(run)
    if began is None:
        return None if looked_at else arrived_at
    if is_nasal:
        first = (run.devices[0] if run.devices else began) + timedelta(minutes=NASAL_FIRST_MIN)
        return _on_grid(first, after_min, looked_at, reach=timedelta(minutes=after_min) / 2, owed=True)
    if run.ended_at is not None:
        return _on_grid(run.ended_at, after_min, looked_at, reach=NEAR_END, owed=True)
    return _on_grid(began, during_min, looked_at, reach=timedelta(), owed=False)


def _on_grid(
    first: datetime, every_min: int, looked_at: Sequence[datetime], *, reach: timedelta, owed: bool
) -> datetime:
    """The next due time of the schedule that begins at ``first`` and goes on by ``every_min``.

    Args:
        reach: a look this long before ``first`` still counts for it.
        owed: ``first`` itself wants a look (the end does, the start has its baseline).
    """
    every = timedelta(minutes=every_min)
    counted = [at for at in looked_at if at >= first - reach]
    if not counted:
        return first if owed else first + every
    last = max(counted)
    nearest = max(0, (last - first + every / 2) // every)
    return min(last + every, first + every * (nearest + 1))


def is_late(due: datetime | None, *, now: datetime, grace_min: int) -> bool:
    """True when more than ``grace_min`` minutes have passed since vital signs were due."""
    return due is not None and now > due + timedelta(minutes=grace_min)


def moment_of(at: datetime, run: Run) -> Moment:
    """Where a look at this instant belongs."""
    began = began_at(run)
    if began is None or at < began:
        return Moment.BASELINE
    if run.ended_at is None or at < run.ended_at - NEAR_END:
        return Moment.DURING
    return Moment.END if at <= run.ended_at + NEAR_END else Moment.AFTER


def is_going_on(at: datetime, run: Run) -> bool:
    """True from the start (included) to the end (excluded): while there is something to pause or to stop."""
    began = began_at(run)
    return began is not None and began <= at and (run.ended_at is None or at < run.ended_at)


def minutes_since_start(at: datetime, run: Run) -> int | None:
    """Whole minutes since the start, rounded down; below zero before it; None before anything was started."""
    began = began_at(run)
    return None if began is None else (at - began) // timedelta(minutes=1)


def label_of(at: datetime, run: Run) -> str:
    """A short name for a look: "Baseline", "+20" (minutes since the start), "End", "End +15"."""
    moment = moment_of(at, run)
    if moment is Moment.AFTER and run.ended_at is not None:
        return f"End +{(at - run.ended_at) // timedelta(minutes=1)}"
    if moment is Moment.DURING:
        return f"+{minutes_since_start(at, run)}"
    return MOMENT_LABELS[moment]


def scheduled(  # noqa: PLR0913
    run: Run,
    *,
    is_nasal: bool,
    during_min: int,
    after_min: int,
    observation_min: int,
    now: datetime,
) -> tuple[Slot, ...]:
    """All times of the schedule from the start to the end of the observation, past and to come, in order.

    The end is the real one, or the one to be expected from what is left of the planned minutes (a pause moves it).
    Empty before the start.
    """
    began = began_at(run)
    if began is None:
        return ()
    if is_nasal:
        first = run.devices[0] if run.devices else began
        last = first + timedelta(minutes=max(observation_min, NASAL_FIRST_MIN))
        times = _steps(first + timedelta(minutes=NASAL_FIRST_MIN), after_min, last)
        return tuple(Slot(at, f"+{(at - began) // timedelta(minutes=1)}") for at in times)
    end = run.ended_at or max(now, now + run.remaining(now))
    during = [Slot(at, f"+{(at - began) // timedelta(minutes=1)}") for at in _steps(began, during_min, end)][1:]
    during = [slot for slot in during if slot.at < end]
    after = [
        Slot(at, "End" if at == end else f"End +{(at - end) // timedelta(minutes=1)}")
        for at in _steps(end, after_min, end + timedelta(minutes=observation_min))
    ]
    return (*during, *after)


def _steps(first: datetime, every_min: int, last: datetime) -> Iterator[datetime]:
    at = first
    while at <= last:
        yield at
        at += timedelta(minutes=every_min)
