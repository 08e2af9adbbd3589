"""Maintenance: when each infusion of a plan may be, and what another gap or a step back makes of the plan.

A window is counted from the infusion before it: from the day on which that one was really given or is booked, else from
its own reference date. Source: clinical.md A 9, 24-27, 33, B5 (M-W4, M-CANBIND), H0 R1-R6, cases 25-27.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from courses.planning.dates import reference_dates
from courses.planning.protocols import FirstGap, Step, fit_count
from courses.planning.types import GapRule, SeriesRule

MOST_INFUSIONS = 60
"""What one phase holds at most (the constraint ``phase_number_plausible``)."""


class StepsRefusedError(ValueError):
    """The steps cannot be changed like this; the message says why and what to do."""


# -- windows -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Window:
    """When one infusion of a plan may be: local dates of the location."""

    number: int
    step: int  # position of its step, from 1
    day: date  # given or booked on, else where the rhythm puts it
    earliest: date
    latest: date
    is_settled: bool = False  # given, or booked
    is_sure: bool = False  # counted from a day that is given or booked, not from another estimate

    def is_open_on(self, today: date) -> bool:
        """The window has begun, and the infusion has no day."""
        return not self.is_settled and today >= self.earliest

    def is_late_on(self, today: date) -> bool:
        """The last legal day is over, and the infusion has no day."""
        return not self.is_settled and today > self.latest


def windows(  # noqa: PLR0913  (the facts of a course that decide its dates, by keyword)
    rule: SeriesRule,
    steps: Sequence[Step],
    *,
    today: date,
    settled: Mapping[int, date],
    before: date | None,
    is_open: Callable[[date], bool],
    missed: Mapping[int, date] | None = None,
) -> tuple[Window, ...]:
    """The window of every infusion of a plan, in order.

    Args:
        rule: of the whole phase; ``entry`` leads into its first infusion.
        steps: that the rule was made of.
        today: nothing that has no day yet is put before it.
        settled: number -> day on which it was given or is booked.
        before: the last infusion of the phase before; without one the first infusion is due today.
        is_open: whether the location treats on a day.
        missed: number -> latest day on which it came to nothing (R5).

    Raises:
        courses.planning.dates.NoOpenDayError: no day is open within reach.
    """
    found: list[Window] = []
    previous, is_sure = before, before is not None
    for one in reference_dates(rule, today, is_open, settled, missed, before):
        gap = rule.into(one.number)
        earliest = latest = one.day
        if previous is not None and gap is not None:
            earliest = previous + timedelta(days=gap.min_days)
            latest = previous + timedelta(days=gap.max_days)
        there = one.number in settled
        found.append(Window(one.number, step_of(steps, one.number) + 1, one.day, earliest, latest, there, is_sure))
        previous, is_sure = one.day, there
    return tuple(found)


# -- steps -------------------------------------------------------------------------------------------------------------


def step_of(steps: Sequence[Step], number: int) -> int:
    """The index of the step to which an infusion belongs; the last one for a number beyond them all."""
    last = 0
    for index, step in enumerate(steps):
        last += step.count
        if number <= last:
            return index
    return len(steps) - 1


def led_into_by(steps: Sequence[Step], before: Step | None) -> tuple[Step, ...]:
    """A first step that goes on in the rhythm before it (``FirstGap.PREVIOUS``) as steps that say so by themselves.

    A phase of its own has no step before its first; its one first infusion then gets a step with the gap of the phase
    before. Source: case 27 (after weekly infusions the first fortnightly one comes after a week).
    """
    first, *rest = steps
    if before is None or first.first_gap is not FirstGap.PREVIOUS or before.gap == first.gap:
        return tuple(steps)
    entry = replace(before, count=1, first_gap=FirstGap.OWN)
    if first.count == 1:
        return (entry, *rest)
    # The gap of its own leads into the second infusion now.
    return (entry, replace(first, count=first.count - 1, first_gap=FirstGap.OWN), *rest)


def with_gap(steps: Sequence[Step], n: int, number: int, gap: GapRule, *, throughout: bool = False) -> tuple[Step, ...]:
    """The same plan with another gap from one infusion on: through its step, or throughout the rest.

    Args:
        steps: of the plan.
        n: infusions of the plan.
        number: the first infusion that follows the new gap.
        gap: usual, smallest and largest days.
        throughout: also for the later steps.

    Raises:
        StepsRefusedError: the number is outside the plan.
    """
    done, mine, later = _split(steps, n, number)
    count = mine.count + (sum(step.count for step in later) if throughout else 0)
    changed = Step(count, gap.min_days, gap.max_days, gap.weekdays, gap.target_days)
    return (*done, changed, *(() if throughout else later))


def stepped_back(steps: Sequence[Step], n: int, number: int) -> tuple[Step, ...]:
    """The step before the present one once more, from one infusion on; then the plan goes on where it was.

    Raises:
        StepsRefusedError: there is no step before it, or the plan would become too long.

    Source: P9 (B5 ``M-CANBIND``): on relapse back to every 2 weeks; that the whole step is repeated is [D].
    """
    fitted = fit_count(steps, n)
    index = step_of(fitted, number)
    if index == 0:
        raise StepsRefusedError("This is the first step of the plan: there is none to go back to. Shorten the gap.")
    done, mine, later = _split(fitted, n, number)
    again = replace(fitted[index - 1], first_gap=FirstGap.OWN)
    found = (*done, again, replace(mine, first_gap=FirstGap.OWN), *later)
    if sum(step.count for step in found) > MOST_INFUSIONS:
        raise StepsRefusedError(
            f"With the step repeated the plan would have more than {MOST_INFUSIONS} infusions. Decide a new plan."
        )
    return found


def _split(steps: Sequence[Step], n: int, number: int) -> tuple[tuple[Step, ...], Step, tuple[Step, ...]]:
    """What is before an infusion, the rest of its step from it on, and the later steps."""
    if not 1 <= number <= n:
        raise StepsRefusedError(f"There is no infusion {number} in this plan of {n}: everything is given or booked.")
    fitted = fit_count(steps, n)
    index = step_of(fitted, number)
    first = sum(step.count for step in fitted[:index]) + 1
    mine, gone = fitted[index], number - first
    done = (*fitted[:index], *((replace(mine, count=gone),) if gone else ()))
    return done, replace(mine, count=mine.count - gone), fitted[index + 1 :]


def gap_words(step: Step) -> str:
    """The rhythm and its limits: "every 14 days (11 to 17)"."""
    return f"{step.rhythm} ({step.min_gap_days} to {step.max_gap_days} days)"


# -- dates -------------------------------------------------------------------------------------------------------------


def months_later(day: date, months: int) -> date:
    """The same day of the month, so many months on; the month's last day where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
