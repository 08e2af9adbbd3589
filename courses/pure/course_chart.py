"""Where the scores of one course lie on its chart on paper: parts of width and height from the top left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from courses.pure.outcomes.judging import Outcome, Score
from courses.pure.reports.contents import Unit
from courses.pure.reports.drawings import scale_up_to
from courses.pure.reports.rates import rounded

HUNDRED = Decimal(100)
FEWEST = 2
"""One score makes no line."""
PLACES = 4
Tick = tuple[float, str]


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Scores over the days, infusions of the series as ticks, and the lines below which response or remission is."""

    points: tuple[tuple[float, float, str], ...]
    infusions: tuple[float, ...]
    lines: tuple[Tick, ...]
    scale: tuple[Tick, ...]
    across: tuple[Tick, ...]


def trajectory_of(outcome: Outcome) -> Trajectory | None:
    """The chart of the leading measure from the baseline on; None for fewer than two scores."""
    scores = _scores(outcome)
    if len(scores) < FEWEST:
        return None
    days = [score.day for score in scores] + [one.day for one in outcome.infusions]
    first, last = min(days), max(days)
    most, steps = scale_up_to(max(score.value for score in scores), Unit.POINTS)

    def across(day: date) -> float:
        return round((day - first).days / max(1, (last - first).days), PLACES)

    def down(value: Decimal) -> float:
        return round(float(1 - value / most), PLACES)

    return Trajectory(
        points=tuple((across(one.day), down(one.value), rounded(one.value)) for one in scores),
        infusions=tuple(across(one.day) for one in outcome.infusions),
        lines=tuple((down(value), words) for value, words in _limits(outcome) if value <= most),
        scale=tuple((down(value), rounded(value)) for value in steps),
        across=((0.0, _said(first)), (1.0, _said(last))),
    )


def _scores(outcome: Outcome) -> list[Score]:
    """Those that the outcome rests on, each day once, in the order of time."""
    found = [*outcome.after.values(), *(score for score, _ in outcome.follow_up)]
    if outcome.baseline is not None:
        found.append(outcome.baseline)
    return sorted(set(found), key=lambda one: (one.day, one.at))


def _limits(outcome: Outcome) -> list[tuple[Decimal, str]]:
    terms, found = outcome.terms, []
    if outcome.baseline is not None and outcome.is_evaluable:
        response = outcome.baseline.value * (HUNDRED - terms.response_percent) / HUNDRED
        found.append((response, "response"))
    remission = terms.remission_max.get(outcome.measure)
    if remission is not None:
        found.append((remission, "remission"))
    return found


def _said(day: date) -> str:
    return f"{day:%b} {day.day}, {day.year}"
