"""What a course achieved, for the reports: one definition of every fact that they count (clinical.md F1).

Outcomes are judged by ``courses.pure.outcomes``; here they are put beside infusions, days and doses. A page, a file and
a PDF all read the result, so no two of them can count differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from statistics import median
from typing import Any

from courses.planning.dates import gap_days, span_days
from courses.planning.rules import gap_limits
from courses.planning.types import SeriesRule
from courses.pure.outcomes.judging import Outcome, Reached, Score, reached_by
from courses.pure.outcomes.terms import End

LATER_DAYS = (14, 31)
"""After the last infusion of the series: when P20 asked again, both days included."""
KIT_INFUSIONS = (4, 8)
KIT_SPAN_DAYS = (7, 28)
"""KIT-type completion (P20), both ends included."""
DROPPED_OUT_AFTER_DAYS = 14
"""Without an infusion, and without a planned pause (F1). A rhythm that is slower than this is a plan."""
FAILED_OUTCOMES = frozenset({"none", "partial", "worse"})
"""What came of an earlier treatment that was adequate and did not bring a response [D]: an effect that was lost again
was a response, and a treatment that was not tolerated was not an adequate one."""
PERCENT = Decimal("0.000001")
MG = Decimal("0.1")
MG_PER_KG = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class DoseGiven:
    """What went in at one infusion; ``weight_kg`` None: not ordered by weight."""

    mg: Decimal
    weight_kg: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InfusionGiven:
    """One infusion of the course that was given."""

    number: int  # in its phase
    day: date  # local
    is_in_series: bool = True
    dose: DoseGiven | None = None  # None: not recorded, or still running
    effects: int = 0  # side effects recorded at it
    serious: int = 0  # of these
    was_stopped: bool = False  # before its planned end, for a side effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """What makes a gap a planned one: a day that was allowed beyond the largest gap, or a decision to continue."""

    booked_for: date | None = None  # an infusion is booked for this day, and a clinician let it stand with a reason
    continued_on: date | None = None


NO_PAUSE = Pause()


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseFacts:
    """Everything that a result rests on."""

    outcome: Outcome  # by the leading measure
    readings: Sequence[Score]  # of that measure, ascending
    given: Sequence[InfusionGiven]  # in the whole course; at least one in the series
    n_planned: int
    rule: SeriesRule  # the gap that leads into each infusion of the series
    is_over: bool
    today: date  # local
    is_transferred: bool = False
    died_on: date | None = None
    has_died: bool = False
    next_series_on: date | None = None  # first infusion of the patient's next course
    pause: Pause = NO_PAUSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a course achieved. Names are those of ``CourseResult``, where each is explained."""

    started_on: date
    last_on: date
    n_planned: int
    n_given: int
    n_given_in_all: int
    given_mg: Decimal | None
    dose_mg_per_kg: Decimal | None
    span_days: int
    gaps: int
    gaps_on_window: int
    is_over: bool
    is_completed: bool
    is_kit_completed: bool
    is_dropped_out: bool
    changes_on: date | None
    measure: str
    baseline: Decimal | None
    is_evaluable: bool
    end: str
    end_score: Decimal | None
    end_improvement: Decimal | None
    is_remission: bool
    first_response: int | None
    speed: str
    is_responder_lost: bool
    has_any_increase: bool
    has_worsened: bool
    has_new_danger: bool
    later_score: Decimal | None
    later_improvement: Decimal | None
    later_end: str
    is_later_remission: bool
    held_days: int | None
    has_relapsed: bool
    censored_by: str
    maintenance_day: int | None
    infusions_with_effects: int
    infusions_stopped: int
    serious_effects: int


def result_of(facts: CourseFacts) -> Result:
    """What the course achieved, as far as is known on ``facts.today``.

    Raises:
        ValueError: nothing was given in the series, so there is nothing to report.
    """
    series = sorted((one for one in facts.given if one.is_in_series), key=lambda one: one.number)
    if not series:
        raise ValueError("nothing was given in the series")
    first, last = min(one.day for one in series), max(one.day for one in series)
    leaves_on = drop_out_day(facts, last)
    has_left = leaves_on is not None and facts.today >= leaves_on
    n_given, span = len(series), span_days(first, last)
    return Result(
        started_on=first,
        last_on=last,
        n_planned=facts.n_planned,
        n_given=n_given,
        n_given_in_all=len(facts.given),
        span_days=span,
        gaps=n_given - 1,
        gaps_on_window=sum(_is_on_window(a, b, facts.rule) for a, b in pairwise(series)),
        is_over=facts.is_over,
        is_completed=n_given >= facts.n_planned,
        is_kit_completed=_within(n_given, KIT_INFUSIONS) and _within(span, KIT_SPAN_DAYS),
        is_dropped_out=has_left,
        changes_on=None if has_left else leaves_on,
        **_doses(series, facts.given),
        **_outcome(facts.outcome),
        **_later(facts, last),
        **_held(facts, last),
        **_safety(facts.given),
    )


def drop_out_day(facts: CourseFacts, last: date) -> date | None:
    """The first day on which the course counts as dropped out unless something is given before; None: it never does.

    Fewer than planned and no infusion for 14 days without a planned pause (F1). Somebody who died, was transferred or
    went on to maintenance or to a new series within these days did not drop out [D].
    """
    given = [one.number for one in facts.given if one.is_in_series]
    has_gone_on = any(not one.is_in_series and one.day >= last for one in facts.given)
    if len(given) >= facts.n_planned or has_gone_on or facts.is_transferred:
        return None
    since = max(last, facts.pause.continued_on or last)
    until = since + timedelta(days=longest_wait_days(facts.rule, max(given)))
    until = max(until, facts.pause.booked_for or until)
    if facts.next_series_on is not None and facts.next_series_on <= until:
        return None
    if facts.has_died and (facts.died_on is None or facts.died_on <= until):
        return None
    return until + timedelta(days=1)


def longest_wait_days(rule: SeriesRule, after: int) -> int:
    """How many days may pass after an infusion of the series: 14, or its own gap where that is longer (R6)."""
    gap = rule.into(after + 1) if after + 1 <= rule.count else None
    return max(DROPPED_OUT_AFTER_DAYS, gap.max_days if gap is not None else 0)


def failed_treatments(found: Iterable[tuple[str, str]]) -> int | None:
    """How many adequate treatments brought no response; None where of none it is recorded whether it was adequate.

    Args:
        found: for each treatment whether it was adequate ("yes", "no" or "") and what came of it.
    """
    known = [(adequate, outcome) for adequate, outcome in found if adequate]
    if not known:
        return None
    return sum(adequate == "yes" and outcome in FAILED_OUTCOMES for adequate, outcome in known)


# -- parts -------------------------------------------------------------------------------------------------------------
def _within(value: int, limits: tuple[int, int]) -> bool:
    return limits[0] <= value <= limits[1]


def _is_on_window(earlier: InfusionGiven, later: InfusionGiven, rule: SeriesRule) -> bool:
    """Whether the days between are what the template allows; local dates, whatever the clock did between (R1)."""
    return _within(gap_days(earlier.day, later.day), gap_limits(earlier.number, later.number, rule))


def _doses(series: Sequence[InfusionGiven], given: Sequence[InfusionGiven]) -> dict[str, Any]:
    recorded = [one.dose.mg for one in given if one.dose is not None]
    by_weight = [one.dose.mg / one.dose.weight_kg for one in series if one.dose is not None and one.dose.weight_kg]
    return {
        "given_mg": sum(recorded, Decimal(0)).quantize(MG, rounding=ROUND_HALF_UP) if recorded else None,
        "dose_mg_per_kg": median(by_weight).quantize(MG_PER_KG, rounding=ROUND_HALF_UP) if by_weight else None,
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    baseline, end = outcome.baseline, outcome.end_score
    return {
        "measure": outcome.measure,
        "baseline": baseline.value if baseline is not None else None,
        "is_evaluable": outcome.is_evaluable,
        "end": outcome.end.name,
        "end_score": end.value if end is not None else None,
        "end_improvement": _six_places(outcome.end_improvement),
        "is_remission": outcome.is_remission,
        "first_response": outcome.first_response,
        "speed": outcome.speed.name if outcome.speed is not None else "",
        "is_responder_lost": outcome.is_responder_lost,
        "has_any_increase": outcome.any_increase_from is not None,
        "has_worsened": outcome.worse_on is not None,
        "has_new_danger": outcome.new_danger_on is not None,
    }


def _six_places(percent: Decimal | None) -> Decimal | None:
    return percent.quantize(PERCENT, rounding=ROUND_HALF_UP) if percent is not None else None


def _later(facts: CourseFacts, last: date) -> dict[str, Any]:
    """The first score 14 to 31 days after the last infusion of a series that is over."""
    until = facts.next_series_on or date.max
    found = next(
        (one for one in facts.readings if _within((one.day - last).days, LATER_DAYS) and one.day <= until), None
    )
    if found is None or not facts.is_over:
        return {"later_score": None, "later_improvement": None, "later_end": "", "is_later_remission": False}
    reached: Reached = reached_by(facts.outcome, found)
    return {
        "later_score": found.value,
        "later_improvement": _six_places(reached.improvement),
        "later_end": reached.end.name,
        "is_later_remission": reached.is_remission,
    }


def _held(facts: CourseFacts, last: date) -> dict[str, Any]:
    """How long a response at the end of the series held, from the last infusion of the series (P1 counts so).

    Without a relapse until the last assessment: nothing is known of the days after it, also where a new series or
    death came later. ``censored_by`` says which of them ended the following.
    """
    after = [(one.day - last).days for one in facts.given if not one.is_in_series and one.day >= last]
    found: dict[str, Any] = {
        "held_days": None,
        "has_relapsed": False,
        "censored_by": "",
        "maintenance_day": min(after, default=None),
    }
    outcome = facts.outcome
    if outcome.end is not End.RESPONSE or outcome.latest is None:
        return found
    if outcome.relapse is not None:
        return found | {"held_days": outcome.relapse.days, "has_relapsed": True}
    days = (outcome.latest.day - last).days
    if facts.has_died and facts.died_on is not None:
        days = min(days, max(0, (facts.died_on - last).days))
    return found | {"held_days": days, "censored_by": _why_no_further(facts)}


def _why_no_further(facts: CourseFacts) -> str:
    """A value of ``Censored``; somebody who had a new series and died later is followed until the new series."""
    if facts.next_series_on is not None:
        return "next_series"
    return "death" if facts.has_died else "last_score"


def _safety(given: Sequence[InfusionGiven]) -> dict[str, Any]:
    return {
        "infusions_with_effects": sum(one.effects > 0 for one in given),
        "infusions_stopped": sum(one.was_stopped for one in given),
        "serious_effects": sum(one.serious for one in given),
    }
