"""When to ask about a booster: scores that come back after the series, and few, different times to offer for it.

The rule asks; a person decides. Every number is a clinic setting [D]: no trial fixes the trigger (clinical.md A 20, 31,
32, B5 ``M-PRN``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum

THE_END = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BoosterRule:
    """What a clinic, or one course, watches for.

    Args:
        is_on: whether scores are watched at all.
        score_from: PHQ-9 back at or above it; None: not asked.
        gain_lost_percent: so much of the gain lost; None: not asked.
        readings: how many readings must agree, at least 1.
        apart_days: local dates between one counted reading and the next, at least.
    """

    is_on: bool = True
    score_from: int | None = 10
    gain_lost_percent: int | None = 50
    readings: int = 2
    apart_days: int = 5

    @property
    def said(self) -> str:
        """The rule in words, as pages show it."""
        if not self.is_on:
            return "Scores are not watched."
        parts = []
        if self.score_from is not None:
            parts.append(f"PHQ-9 back at {self.score_from} or more")
        if self.gain_lost_percent is not None:
            parts.append(f"{self.gain_lost_percent} % of the gain lost")
        if not parts:
            return "No score is watched."
        how = "at one reading"
        if self.readings > 1:
            unit = "day" if self.apart_days == 1 else "days"
            how = f"at {self.readings} readings in a row, at least {self.apart_days} {unit} apart"
        return f"{' or '.join(parts)}, {how}."


@dataclass(frozen=True, slots=True)
class Reading:
    """One valid score of one measure."""

    pk: int
    at: datetime  # aware
    day: date  # local
    value: Decimal


@dataclass(frozen=True, slots=True)
class Gain:
    """What a series brought: from the baseline to the score at its end, by the measure that the course is judged by."""

    baseline: Decimal
    end: Decimal

    def lost_percent(self, score: Decimal) -> Decimal | None:
        """How much of the gain a score has lost: (score - end) / (baseline - end) x 100, unrounded.

        None where there was no gain. 0 at the score of the end, 100 back at the baseline, more beyond it, negative
        where it got better still.
        """
        if self.baseline <= self.end:
            return None
        return (score - self.end) * 100 / (self.baseline - self.end)


class Because(StrEnum):
    """Which rule asked."""

    SCORE = "score"
    GAIN = "gain"


@dataclass(frozen=True, slots=True)
class Run:
    """Readings in a row that all meet one rule; confirmed when enough of them are far enough apart."""

    because: Because
    readings: tuple[Reading, ...]
    confirmed: Reading

    @property
    def first(self) -> Reading:
        return self.readings[0]


@dataclass(frozen=True, slots=True)
class Trigger:
    """The rules that ask now. The first of ``runs`` was confirmed first, and later readings do not change that."""

    runs: tuple[Run, ...]

    @property
    def first(self) -> Reading:
        return self.runs[0].first

    @property
    def confirmed(self) -> Reading:
        return self.runs[0].confirmed


@dataclass(frozen=True, slots=True)
class Since:
    """What was done for the patient from the end of the series on.

    Args:
        over: the end of the series, or its score there: only later readings count.
        boosters: when boosters were given.
        answers: when something else was done about it: an infusion of the maintenance, a person's decision.
    """

    over: datetime
    boosters: tuple[datetime, ...] = ()
    answers: tuple[datetime, ...] = ()


def trigger_of(
    rule: BoosterRule, *, phq9: Sequence[Reading], leading: Sequence[Reading], gain: Gain | None, since: Since
) -> Trigger | None:
    """Whether the scores ask about a booster now, and by which readings.

    A score is *back* only where it had been below the threshold before: somebody who never responded is a matter of
    the review, not of a booster. A booster begins the count anew. Any other answer (an infusion of the maintenance, a
    person's decision) ends a run that was confirmed before it, so that the same readings do not ask twice, and does not
    disturb one that is still being confirmed: in maintenance there is an infusion between any two readings.

    Args:
        rule: in force.
        phq9: its scores from the first infusion on, ascending by time.
        leading: those of the measure by which the course is judged, likewise.
        gain: of the series; None where it has none that counts.
        since: what was done after it.

    Source: clinical.md A 31, 32; all numbers are [D].
    """
    if not rule.is_on:
        return None
    found: list[Run | None] = []
    if rule.score_from is not None:
        limit = rule.score_from
        below = min((one.at for one in phq9 if one.value < limit), default=THE_END)
        found.append(_run(Because.SCORE, phq9, lambda one: below < one.at and one.value >= limit, rule, since))
    if rule.gain_lost_percent is not None and gain is not None:
        percent = rule.gain_lost_percent
        found.append(_run(Because.GAIN, leading, lambda one: _is_lost(gain, one, percent), rule, since))
    runs = sorted((one for one in found if one is not None), key=lambda one: one.confirmed.at)
    return Trigger(tuple(runs)) if runs else None


def _is_lost(gain: Gain, reading: Reading, percent: int) -> bool:
    lost = gain.lost_percent(reading.value)
    return lost is not None and lost >= percent


def _run(
    because: Because,
    readings: Sequence[Reading],
    holds: Callable[[Reading], bool],
    rule: BoosterRule,
    since: Since,
) -> Run | None:
    """The confirmed run that nothing has answered yet."""
    run: list[Reading] = []
    counted: list[Reading] = []

    def is_answered(until: datetime) -> bool:
        confirmed = counted[-1].at if len(counted) >= rule.readings else None
        by_booster = any(run[0].at < one <= until for one in since.boosters)
        return by_booster or (confirmed is not None and any(confirmed < one <= until for one in since.answers))

    for reading in (one for one in readings if one.at > since.over):
        if run and (not holds(reading) or is_answered(reading.at)):
            run, counted = [], []
        if not holds(reading):
            continue
        run.append(reading)
        far = not counted or (reading.day - counted[-1].day).days >= rule.apart_days
        if far and len(counted) < rule.readings:
            counted.append(reading)
    if len(counted) < rule.readings or is_answered(THE_END):
        return None
    return Run(because, tuple(run), counted[-1])


# -- times to offer ----------------------------------------------------------------------------------------------------

MOST_TIMES = 5
A_DAY = 2
APART_MIN = 60


def few_starts(
    free: Mapping[date, Sequence[int]], *, usual_min: int | None = None, most: int = MOST_TIMES
) -> tuple[tuple[date, int], ...]:
    """Few, different starts, the earliest days first: at most two a day, at least an hour apart.

    Args:
        free: day -> legal free starts, minutes of the day.
        usual_min: when the patient usually comes; the first start of a day is the one nearest to it.
        most: how many at most.

    Source: docs/decisions.md 42 (the slot finder of consultations offers the same way).
    """
    found: list[tuple[date, int]] = []
    for day in sorted(free):
        starts = sorted(free[day])
        if not starts:
            continue
        first = min(starts, key=lambda one: (abs(one - usual_min), one)) if usual_min is not None else starts[0]
        second = max(starts, key=lambda one: (abs(one - first), -one))
        chosen = [first] if abs(second - first) < APART_MIN else sorted([first, second])
        found += [(day, one) for one in chosen[:A_DAY]]
        if len(found) >= most:
            break
    return tuple(found[:most])
