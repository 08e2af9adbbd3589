"""When an infusion was given, and when a series is over."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from courses.pure.outcomes.judging import Given


def given_at(  # noqa: PLR0913 (what a visit says about its infusion)
    number: int,
    day: date,
    *,
    start: datetime,
    preparation_min: int,
    infusion_min: int,
    observing_at: datetime | None,
) -> Given:
    """When it began and ended, as nearly as the visit says: by its plan, or later where observing began later.

    Args:
        number: of the infusion in its series.
        day: the local day on which it was given.
        start: of the visit.
        preparation_min: before the infusion.
        infusion_min: how long it was planned to run.
        observing_at: when observing began, if that was on ``day``: a visit recorded days later ended on its day.
    """
    length = timedelta(minutes=infusion_min)
    ended = start + timedelta(minutes=preparation_min) + length
    if observing_at is not None:
        ended = max(ended, observing_at)
    return Given(number, day, ended, ended - length)


def is_series_over(*, is_closed: bool, n_planned: int, n_open: int, n_given: int, has_gone_on: bool) -> bool:
    """The course is closed, everything planned is given, or a later phase has begun.

    Args:
        is_closed: the course.
        n_planned: infusions of the series.
        n_open: infusions of the series that are not given and are still planned or owed.
        n_given: infusions of the series.
        has_gone_on: an infusion of a later phase was given.
    """
    return is_closed or has_gone_on or (n_given > 0 and n_open == 0 and n_given >= n_planned)
