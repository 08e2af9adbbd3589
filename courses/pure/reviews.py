"""When a series is to be reviewed, what the one published rule about going on says there, and rhythms to change to.

Source: clinical.md A 15, 16, 35, 55, 142; B1 "Stop/continue rule" (P25); B3 (L3); B5 decision points; cases 4, 27c.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from courses.planning.protocols import THREE_A_WEEK, TWO_A_WEEK, Step, fit_count
from courses.planning.words import say_count
from courses.pure.outcomes.judging import Outcome, shown

DAYS_A_WEEK = 7
RISE_POINTS = Decimal(5)
"""PHQ-9 points that count as worse. Source: clinical.md case 27c; M4."""


class PointKind(StrEnum):
    AFTER = "after"  # a decision point inside the series
    END = "end"  # all infusions of the series are given
    RETURN = "return"  # a weekly session was missed and the patient is worse
    EVENT = "event"  # a psychiatric admission or a suicide attempt


OF_SERIES = frozenset({PointKind.AFTER, PointKind.END})
"""Points of which only the latest is asked for; a missed session and an event are each decided by themselves."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where a series is looked at: after so many infusions given."""

    kind: PointKind
    after: int

    @property
    def words(self) -> str:
        """As "after infusion 4" or "at the end, after 6 infusions"."""
        if self.kind is PointKind.END:
            return f"at the end, after {say_count(self.after, 'infusion')}"
        if self.kind is PointKind.RETURN:
            return "after a missed session"
        if self.kind is PointKind.EVENT:
            return "after an event"
        return f"after infusion {self.after}"


def point_reached(given: int, n: int, points: Sequence[int]) -> Point | None:
    """The latest decision point that a series has reached; its end is always one. None before the first.

    Args:
        given: infusions given so far.
        n: infusions planned.
        points: the protocol's decision points.
    """
    if given < 1:
        return None
    if given >= n:
        return Point(PointKind.END, n)
    reached = [point for point in points if 1 <= point <= given]
    return Point(PointKind.AFTER, max(reached)) if reached else None


# -- the rule after infusion 4 -----------------------------------------------------------------------------------------


class Said(StrEnum):
    """What the rule comes to. It never decides: it asks."""

    NOT_YET = "not yet"  # fewer infusions were given
    UNKNOWN = "unknown"  # no score after that infusion, or no baseline
    MET = "met"  # below the improvement: further infusions rarely helped
    NOT_MET = "not met"


@dataclass(frozen=True, slots=True)
class StopRule:
    """P25 at this patient: ``percent`` is the improvement after infusion ``after``, unrounded."""

    said: Said
    after: int
    below_percent: int
    percent: Decimal | None = None

    @property
    def is_met(self) -> bool:
        return self.said is Said.MET


def stop_rule(improvement: Mapping[int, Decimal], *, given: int, after: int, below_percent: int) -> StopRule:
    """Whether improvement after infusion ``after`` stayed below ``below_percent`` (P25: 20 % after infusion 4; case 4).

    Exactly 20 % is an improvement (F1: at least 20 %). A missing score is said, never guessed.
    """
    if given < after:
        return StopRule(Said.NOT_YET, after, below_percent)
    percent = improvement.get(after)
    if percent is None:
        return StopRule(Said.UNKNOWN, after, below_percent)
    return StopRule(Said.MET if percent < below_percent else Said.NOT_MET, after, below_percent, percent)


def say_standing(outcome: Outcome, name: str, rule: StopRule, point: Point) -> str:
    """Where the series stands at its point, in a line: "PHQ-9 20 → 17 after infusion 4, 15.0 % lower. ...".

    Args:
        outcome: of the series, by its leading measure.
        name: of that measure, "PHQ-9".
        rule: P25 at this series.
        point: that was reached.
    """
    if outcome.baseline is None:
        return f"No {name} from before the series."
    if not outcome.improvement:
        return f"No {name} since the first infusion."
    number = max(outcome.improvement)
    percent, score = shown(outcome.improvement[number]), outcome.after[number].value
    side = "higher" if percent < 0 else "lower"
    values = f"{name} {plain_score(outcome.baseline.value)} → {plain_score(score)}"
    said = f"{values} after infusion {number}, {abs(percent)} % {side}."
    if number < point.after:
        said += f" No score after infusion {point.after}."
    if rule.is_met:
        said += f" Below {rule.below_percent} % after infusion {rule.after}."
    return said


def plain_score(value: Decimal) -> str:
    """A score without needless zeros: "20", "7.5"."""
    return f"{value.normalize():f}"


# -- rhythms -----------------------------------------------------------------------------------------------------------


class Rhythm(StrEnum):
    THREE = "three"
    TWO = "two"
    WEEKLY = "weekly"
    FORTNIGHT = "fortnight"


RHYTHMS: Mapping[Rhythm, Step] = {
    Rhythm.THREE: Step(1, min_gap_days=2, max_gap_days=4, weekdays=THREE_A_WEEK),
    Rhythm.TWO: Step(1, min_gap_days=3, max_gap_days=5, weekdays=TWO_A_WEEK),
    Rhythm.WEEKLY: Step(1, min_gap_days=6, max_gap_days=9, target_gap_days=7),
    Rhythm.FORTNIGHT: Step(1, min_gap_days=11, max_gap_days=17, target_gap_days=14),
}
"""With the limits of the shipped protocols. Source: clinical.md B5; limits [D]. Each has a count of 1, to be set."""
RHYTHM_LABELS = {
    Rhythm.THREE: "Three times a week (Mon-Wed-Fri)",
    Rhythm.TWO: "Twice a week (Mon-Thu)",
    Rhythm.WEEKLY: "Once a week",
    Rhythm.FORTNIGHT: "Every 14 days",
}


def steps_from_now(steps: Sequence[Step], *, given: int, n: int, rhythm: Rhythm) -> tuple[Step, ...]:
    """What was given keeps its steps; everything still to come follows the new rhythm.

    Args:
        steps: as they are, adding up to ``n``.
        given: infusions given so far, below ``n``.
        n: infusions planned.
        rhythm: of the rest.

    Raises:
        ValueError: nothing is still to come.
    """
    if given >= n:
        raise ValueError("every infusion of the series is given, so there is no rhythm to change")
    kept = fit_count(steps, given) if given else ()
    return (*kept, replace(RHYTHMS[rhythm], count=n - given))


# -- esketamine: a missed weekly session -------------------------------------------------------------------------------


def is_weekly_or_slower(steps: Sequence[Step], number: int) -> bool:
    """Whether this infusion belongs to a step of at most one a week: the label's maintenance, week 5 and later (L1)."""
    last = 0
    for step in steps:
        last += step.count
        if number <= last:
            return len(step.weekdays) == 1 or (step.target_gap_days or 0) >= DAYS_A_WEEK
    return False


@dataclass(frozen=True, slots=True)
class Rise:
    """A score before the missed session and the latest one after it."""

    before: Decimal
    after: Decimal


def rise_after(
    scores: Sequence[tuple[datetime, Decimal]], missed_at: datetime, points: Decimal = RISE_POINTS
) -> Rise | None:
    """The rise of the score since a missed session, where it is ``points`` or more (L3, case 27c).

    Args:
        scores: moment and value, ascending.
        missed_at: when the session should have begun. The last score before it is compared with the latest since.
    """
    before = [value for at, value in scores if at < missed_at]
    since = [value for at, value in scores if at >= missed_at]
    if not before or not since or since[-1] - before[-1] < points:
        return None
    return Rise(before[-1], since[-1])
