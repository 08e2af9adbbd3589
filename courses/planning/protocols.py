"""What a protocol is made of, and what it means: steps become a series rule and plain sentences.

Source: clinical.md B0 (fields), A2 C2 (number x frequency x span must fit each other).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from courses.planning.dates import next_target, reference_dates, span_days
from courses.planning.types import GapRule, SeriesRule
from courses.planning.words import WEEKDAY_NAMES, ordinal, say_count, say_day, say_days, say_list, say_weekdays

MONDAY = date(2001, 1, 1)  # any Monday: spans are counted on an ideal calendar without closures
DAYS_A_WEEK = 7
PER_WEEK = {1: "once a week", 2: "twice a week"}
THREE_A_WEEK = frozenset({0, 2, 4})
TWO_A_WEEK = frozenset({0, 3})


class FirstGap(StrEnum):
    """Whose rhythm leads into a step's first infusion."""

    OWN = "own"  # a taper: after the last weekly infusion the two-week step waits two weeks
    PREVIOUS = "previous"  # a label's weeks: the weekly step starts where the twice-weekly rhythm would go on


@dataclass(frozen=True, slots=True)
class Step:
    """A run of infusions in one rhythm.

    Args:
        count: infusions in this step, at least 1.
        min_gap_days: smallest legal gap of this rhythm.
        max_gap_days: largest legal gap of this rhythm.
        weekdays: the rhythm's weekdays, Monday = 0; empty for a plain interval.
        target_gap_days: the interval in days where there are no weekdays.
        first_gap: whose rhythm leads into the step's first infusion; without meaning for a first step.
    """

    count: int
    min_gap_days: int
    max_gap_days: int
    weekdays: frozenset[int] = frozenset()
    target_gap_days: int | None = None
    first_gap: FirstGap = FirstGap.OWN

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"a step has at least 1 infusion, not {self.count}")
        _ = self.gap  # the gap rule refuses impossible limits

    @property
    def gap(self) -> GapRule:
        """The rule that leads into each infusion of this rhythm."""
        return GapRule(self.min_gap_days, self.max_gap_days, self.weekdays, self.target_gap_days)

    @property
    def rhythm(self) -> str:
        """The rhythm in words: "twice a week (Mon-Thu)" or "every 14 days"."""
        if not self.weekdays:
            return (
                "once a week" if self.target_gap_days == DAYS_A_WEEK else f"every {say_days(self.target_gap_days or 1)}"
            )
        often = PER_WEEK.get(len(self.weekdays), f"{len(self.weekdays)} times a week")
        return f"{often} ({say_weekdays(self.weekdays)})"


def fit_count(steps: Sequence[Step], n: int) -> tuple[Step, ...]:
    """The steps add up to ``n`` infusions: later steps are dropped or cut, or the last one is made longer."""
    if n < 1:
        raise ValueError(f"a series has at least 1 infusion, not {n}")
    kept: list[Step] = []
    left = n
    for step in steps:
        if left > 0:
            kept.append(replace(step, count=min(step.count, left)))
            left -= step.count
    if left > 0:
        kept[-1] = replace(kept[-1], count=kept[-1].count + left)
    return tuple(kept)


def adapt(
    steps: Sequence[Step],
    n: int | None = None,
    weekdays: Iterable[int] | None = None,
    *,
    min_gap_days: int | None = None,
    max_gap_days: int | None = None,
) -> tuple[Step, ...]:
    """The steps carry another number, other weekdays or other limits; arguments and refusals as for ``expand``."""
    if not steps:
        raise ValueError("a protocol needs at least one step")
    chosen = None if weekdays is None else frozenset(weekdays)
    return tuple(
        replace(
            step,
            weekdays=chosen if chosen and step.weekdays else step.weekdays,
            min_gap_days=_or(min_gap_days, step.min_gap_days) if _is_like(step, steps[0]) else step.min_gap_days,
            max_gap_days=_or(max_gap_days, step.max_gap_days) if _is_like(step, steps[0]) else step.max_gap_days,
        )
        for step in (fit_count(steps, n) if n is not None else steps)
    )


def expand(  # noqa: PLR0913  (each is one thing that a course may change about its protocol)
    steps: Sequence[Step],
    n: int | None = None,
    weekdays: Iterable[int] | None = None,
    *,
    min_gap_days: int | None = None,
    max_gap_days: int | None = None,
    span_warn_days: int | None = None,
    interrupted_after_days: int = 14,
    continues: bool = False,
) -> SeriesRule:
    """A series rule says for each infusion which gap leads into it.

    Args:
        steps: the protocol's rhythm, at least one step.
        n: infusions in total; the protocol's own number when absent.
        weekdays: replaces the weekdays of every step that has a weekday rhythm.
        min_gap_days: replaces the smallest gap of the first step and of every step with the same rhythm kind.
        max_gap_days: replaces the largest gap in the same places.
        span_warn_days: longest span from first to last day that needs no remark.
        interrupted_after_days: R6.
        continues: the series follows an earlier phase (maintenance, booster), so its first infusion has a gap too.

    Raises:
        ValueError: no step, a count below 1, or gap limits that contradict each other.
    """
    adjusted = adapt(steps, n, weekdays, min_gap_days=min_gap_days, max_gap_days=max_gap_days)
    previous = [None, *adjusted]
    into = [gap for step, earlier in zip(adjusted, previous, strict=False) for gap in _gaps_of(step, earlier)]
    return SeriesRule(
        gaps=tuple(into[1:]),
        start_weekdays=adjusted[0].weekdays,
        entry=into[0] if continues else None,
        span_warn_days=span_warn_days,
        interrupted_after_days=interrupted_after_days,
    )


def _or(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value


def _is_like(step: Step, first: Step) -> bool:
    return bool(step.weekdays) == bool(first.weekdays) and step.target_gap_days == first.target_gap_days


def _gaps_of(step: Step, previous: Step | None) -> list[GapRule]:
    entry = previous.gap if previous is not None and step.first_gap is FirstGap.PREVIOUS else step.gap
    return [entry, *[step.gap] * (step.count - 1)]


def ideal_span_days(rule: SeriesRule, start: date | None = None) -> int:
    """The days from first to last infusion when nothing is closed; from the best weekday when no start is given."""
    starts = [start] if start else [MONDAY + timedelta(days=offset) for offset in range(7)]
    allowed = [day for day in starts if not rule.start_weekdays or day.weekday() in rule.start_weekdays] or starts
    return min(_span_from(rule, day) for day in allowed)


def _span_from(rule: SeriesRule, start: date) -> int:
    dates = reference_dates(rule, start, lambda _day: True)
    return span_days(dates[0].day, dates[-1].day)


def most_that_fit(step: Step, span_limit_days: int) -> int:
    """How many infusions of one rhythm fit into a span when nothing is closed, from the best starting weekday.

    Source: clinical.md A2 C2: twice a week (Mon/Thu) gives 6 in 18 days, 7 in 22, 8 in 25.
    """
    best = 0
    for offset in range(7):
        day = MONDAY + timedelta(days=offset)
        if step.weekdays and day.weekday() not in step.weekdays:
            continue
        last, count = day, 0
        while span_days(day, last) <= span_limit_days:
            count += 1
            last = next_target(last, step.gap)
        best = max(best, count)
    return best


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a protocol means in plain sentences; a contradiction when number, rhythm and span cannot all hold."""

    count: int
    span_days: int
    first: date | None
    last: date | None
    sentences: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def contradiction(self) -> bool:
        return bool(self.warnings)


def describe(
    steps: Sequence[Step],
    n: int | None = None,
    weekdays: Iterable[int] | None = None,
    *,
    span_limit_days: int | None = None,
    start: date | None = None,
) -> Meaning:
    """What number, rhythm and span mean together, and whether they contradict each other (C2, case 19).

    Args:
        steps: as for ``expand``.
        n: as for ``expand``.
        weekdays: as for ``expand``.
        span_limit_days: the span that is asked for, in days from first to last infusion, both counted.
        start: the first infusion's date, where there is one; else the best weekday is assumed.
    """
    wanted = None if weekdays is None else frozenset(weekdays)
    shown = [
        replace(step, weekdays=wanted) if wanted and step.weekdays else step
        for step in (fit_count(steps, n) if n is not None else steps)
    ]
    rule = expand(shown)
    span = ideal_span_days(rule, start)
    dates = reference_dates(rule, start, lambda _day: True) if start else ()
    first, last = (dates[0].day, dates[-1].day) if dates else (None, None)
    sentences = [_need(shown, rule, span)]
    if first is not None and last is not None:
        sentences.append(f"From {say_day(first)} {first.year} the last infusion is on {say_day(last)} {last.year}.")
    elif len(shown) == 1 and rule.start_weekdays:
        sentences += _other_starts(rule, span)
    warnings: list[str] = []
    if span_limit_days is not None and span > span_limit_days:
        warnings.append(_contradiction(shown, rule, span_limit_days))
    return Meaning(rule.count, span, first, last, tuple(sentences), tuple(warnings))


def _need(steps: Sequence[Step], rule: SeriesRule, span: int) -> str:
    if rule.count == 1:
        return "1 infusion, on one day."
    if len(steps) == 1:
        return f"{rule.count} infusions at {_short(steps[0])} need {say_days(span)}."
    parts = [f"{step.count} {step.rhythm}" for step in steps]
    return f"{rule.count} infusions need {say_days(span)}: {', then '.join(parts)}."


def _short(step: Step) -> str:
    return step.rhythm.split(" (")[0]


def _other_starts(rule: SeriesRule, best: int) -> list[str]:
    """Some starting weekdays take longer: "six in 12 days" holds only from a Monday (C2)."""
    spans = {
        weekday: ideal_span_days(rule, MONDAY + timedelta(days=weekday)) for weekday in sorted(rule.start_weekdays)
    }
    quick = [weekday for weekday, span in spans.items() if span == best]
    if len(quick) == len(spans):
        return []
    longer = sorted(set(spans.values()) - {best})
    slower = {span: [_name(day) for day in spans if spans[day] == span] for span in longer}
    parts = [f"{say_days(span)} from a {say_list(names, last='or')}" for span, names in slower.items()]
    return [f"That holds from a {say_list([_name(day) for day in quick], last='or')}; it is {say_list(parts)}."]


def _name(weekday: int) -> str:
    return WEEKDAY_NAMES[weekday]


def _contradiction(steps: Sequence[Step], rule: SeriesRule, limit: int) -> str:
    if len(steps) > 1:
        return f"This does not fit into {say_days(limit)}."
    fits = most_that_fit(steps[0], limit)
    message = f"At most {fits} fit into {say_days(limit)}"
    faster = _faster(steps[0], rule.count, limit)
    return f"{message}; {faster}." if faster else f"{message}."


def _faster(step: Step, count: int, limit: int) -> str:
    """The slowest usual rhythm that fits the number into the span, where there is one."""
    for often, weekdays, gaps in ((2, TWO_A_WEEK, (3, 5)), (3, THREE_A_WEEK, (2, 4))):
        if step.weekdays and often <= len(step.weekdays):
            continue
        span = ideal_span_days(expand([Step(count, *gaps, weekdays)]))
        if span <= limit:
            return f"{often} a week fits {count} in {say_days(span)}"
    return ""


def say_decisions(after: Sequence[int], *, at_end: bool) -> str:
    """Decision points in words: "after the 2nd and 4th infusion, and at the end"."""
    parts = []
    if after:
        parts.append(f"after the {say_list([ordinal(number) for number in after])} infusion")
    if at_end:
        parts.append("at the end")
    return ", and ".join(parts) or "none"


def say_steps(steps: Sequence[Step]) -> str:
    """Steps in words: "8 infusions twice a week (Mon-Thu), then 4 infusions once a week"."""
    return ", then ".join(f"{say_count(step.count, 'infusion')} {step.rhythm}" for step in steps)
