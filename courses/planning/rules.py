"""The judge: the one place that knows whether a series of dated infusions is legal. It knows no solver.

Planner, drag and drop, move, waitlist and import all pass through ``judge``. Every finding is a complete sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from courses.planning.dates import gap_days, is_interruption, span_days
from courses.planning.types import (
    BoolArray,
    Finding,
    FreeStarts,
    GapRule,
    Placed,
    Rule,
    SeriesRule,
    Severity,
    Verdict,
    Wishes,
)
from courses.planning.words import say_day, say_days, say_list, say_minute, say_numbers, say_weekdays

IsOpen = Callable[[date], bool]


def judge(  # noqa: PLR0913  (everything that legality can depend on, by keyword)
    placed: Iterable[Placed],
    rule: SeriesRule,
    *,
    today: date | None = None,
    is_open: IsOpen = lambda _day: True,
    wishes: Wishes | None = None,
    free: FreeStarts | None = None,
    before: date | None = None,
    done: frozenset[int] = frozenset(),
) -> Verdict:
    """Everything the rules have to say about a complete or partial series is in the verdict.

    Args:
        placed: the infusions, in any order; numbers may be missing, then the hole must stay fillable.
        rule: the gaps and the rhythm.
        today: the location's local date; an infusion before it cannot be booked any more.
        is_open: whether the location can treat on a day.
        wishes: the patient's limits.
        free: the free starts; an infusion with a start must be free there, with its people where they are named.
        before: the last infusion of an earlier phase, for ``rule.entry``.
        done: numbers that are settled - given, or booked and not part of this change. They are not judged again;
            what is off between two of them is only noted.

    Raises:
        ValueError: a number twice, or outside the series.
    """
    series = sorted(placed, key=lambda one: one.number)
    _check_numbers(series, rule)
    case = _Case(rule, today, is_open, wishes or Wishes(), free, done)
    findings: list[Finding] = []
    for one in series:
        if one.number not in done:
            findings += case.about_one(one)
    if before is not None and rule.entry is not None:
        findings += case.about_pair(Placed(0, before), series[0]) if series else []
    for earlier, later in pairwise(series):
        findings += case.about_pair(earlier, later)
    findings += case.about_span(series)
    findings.sort(key=lambda finding: finding.number or rule.count + 1)
    gaps = tuple(gap_days(a.day, b.day) for a, b in pairwise(series))
    return Verdict(
        findings=tuple(findings),
        gaps_days=gaps,
        span_days=span_days(series[0].day, series[-1].day) if series else 0,
        on_window=sum(_is_on_window(a, b, rule) for a, b in pairwise(series)),
    )


def gap_limits(earlier_number: int, later_number: int, rule: SeriesRule) -> tuple[int, int]:
    """The smallest and largest legal distance in days of two infusions, with room for every one between them.

    Number 0 stands for the last infusion of the phase before.
    """
    gaps = [rule.into(number) for number in range(earlier_number + 1, later_number + 1)]
    known = [gap for gap in gaps if gap is not None]
    return sum(gap.min_days for gap in known), sum(gap.max_days for gap in known)


def _check_numbers(series: Sequence[Placed], rule: SeriesRule) -> None:
    numbers = [one.number for one in series]
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"an infusion number occurs twice: {numbers}")
    if numbers and not 1 <= numbers[0] <= numbers[-1] <= rule.count:
        raise ValueError(f"infusion numbers must be 1 to {rule.count}, not {numbers}")


def _is_on_window(earlier: Placed, later: Placed, rule: SeriesRule) -> bool:
    smallest, largest = gap_limits(earlier.number, later.number, rule)
    return smallest <= gap_days(earlier.day, later.day) <= largest


def _has_free(wanted: int | None, ids: tuple[int, ...], free: BoolArray) -> bool:
    if wanted is None:
        return bool(free.any())
    return wanted in ids and bool(free[ids.index(wanted)])


@dataclass(frozen=True, slots=True)
class _Case:
    """What the judge knows besides the dates."""

    rule: SeriesRule
    today: date | None
    is_open: IsOpen
    wishes: Wishes
    free: FreeStarts | None
    settled: frozenset[int]

    def about_one(self, one: Placed) -> Iterator[Finding]:
        """Findings about one infusion by itself."""
        name, when = f"Infusion {one.number}", say_day(one.day)

        def block(rule: Rule, message: str, actual: int | None = None, limit: int | None = None) -> Finding:
            return Finding(rule, Severity.BLOCK, one.number, message, actual, limit)

        if self.today is not None and one.day < self.today:
            late = gap_days(one.day, self.today)
            message = f"{name} would be on {when}, {say_days(late)} ago; choose {say_day(self.today)} or later."
            yield block(Rule.IN_THE_PAST, message, late, 0)
        if not self.is_open(one.day):
            yield block(Rule.CLOSED_DAY, f"{name} would be on {when}, when the clinic is closed; choose an open day.")
        if one.day in self.wishes.unavailable:
            message = f"{name} would be on {when}, when the patient is not available; choose another day."
            yield block(Rule.PATIENT_UNAVAILABLE, message)
        yield from self._about_hours(one)
        reason = self._why_not_free(one)
        if reason:
            yield block(Rule.NOT_FREE, f"{name} cannot start on {when}{reason}.")
        if one.number == 1 and self.rule.start_weekdays and one.day.weekday() not in self.rule.start_weekdays:
            yield self._off_weekdays(one, self.rule.start_weekdays)

    def _about_hours(self, one: Placed) -> Iterator[Finding]:
        start, earliest, latest = one.start_min, self.wishes.earliest_min, self.wishes.latest_min
        if start is None:
            return
        begin = f"Infusion {one.number} would start at {say_minute(start)} on {say_day(one.day)}, but the patient"
        advice = "choose another time, or change the wish if the patient agrees."
        if earliest is not None and start < earliest:
            message = f"{begin} cannot start before {say_minute(earliest)}; {advice}"
        elif latest is not None and start > latest:
            message = f"{begin} cannot start after {say_minute(latest)}; {advice}"
        else:
            return
        limit = earliest if earliest is not None and start < earliest else latest
        yield Finding(Rule.OUTSIDE_WISHED_HOURS, Severity.BLOCK, one.number, message, start, limit)

    def _why_not_free(self, one: Placed) -> str:
        """Why the start is not free, as the end of a sentence; empty when it is, or when nothing is known."""
        if self.free is None or one.start_min is None:
            return ""
        at = f" at {say_minute(one.start_min)}"
        if one.day not in self.free.days or one.start_min not in self.free.minutes:
            return f"{at}: this is outside the calendar that was read"
        day, time = self.free.days.index(one.day), self.free.minutes.index(one.start_min)
        taken = [
            role
            for role, wanted, ids, free in (
                ("chair", one.chair_id, self.free.chair_ids, self.free.chairs[day, time]),
                ("nurse", one.nurse_id, self.free.nurse_ids, self.free.nurses[day, time]),
                ("clinician", one.clinician_id, self.free.clinician_ids, self.free.clinicians[day, time]),
            )
            if not _has_free(wanted, ids, free) and (ids or role != "clinician")
        ]
        named = {"chair": one.chair_id, "nurse": one.nurse_id, "clinician": one.clinician_id}
        words = [f"the chosen {role} is taken" if named[role] is not None else f"no {role} is free" for role in taken]
        return f"{at}: {say_list(words)}" if words else ""

    def about_pair(self, earlier: Placed, later: Placed) -> Iterator[Finding]:
        """Findings about two neighbours; with infusions missing between them the hole must stay fillable."""
        actual = gap_days(earlier.day, later.day)
        are_facts = later.number in self.settled and (earlier.number in self.settled or earlier.number == 0)
        after = f"infusion {earlier.number}" if earlier.number else "the last infusion of the phase before"
        if actual < 1:
            message = (
                f"Infusion {later.number} would be on {say_day(later.day)}, not after {after} on "
                f"{say_day(earlier.day)}; infusions keep their order, one a day at most."
            )
            severity = Severity.NOTE if are_facts else Severity.BLOCK
            yield Finding(Rule.OUT_OF_ORDER, severity, later.number, message, actual, 1)
            return
        severity = Severity.NOTE if are_facts else Severity.BREACH
        gap = self.rule.into(later.number)
        broken = self._gap_breach(earlier, later, after, actual)
        if broken is not None:
            rule, message, limit = broken
            yield Finding(rule, severity, later.number, message, actual, limit)
        if gap is not None and later.number == earlier.number + 1 and later.number not in self.settled:
            yield from self._about_rhythm(later, gap, actual, after)

    def _gap_breach(self, earlier: Placed, later: Placed, after: str, actual: int) -> tuple[Rule, str, int] | None:
        smallest, largest = gap_limits(earlier.number, later.number, self.rule)
        holes = list(range(earlier.number + 1, later.number))
        verb = "is" if later.number in self.settled and earlier.number in (self.settled | {0}) else "would be"
        begin = f"Infusion {later.number} {verb} {say_days(actual)} after {after}"
        room = f" with room for {say_numbers(holes)} between them" if holes else ""
        gap = self.rule.into(later.number)
        if actual < smallest:
            return Rule.GAP_TOO_SHORT, f"{begin}; this protocol needs at least {say_days(smallest)}{room}.", smallest
        if actual <= largest:
            return None
        if gap is not None and not holes and is_interruption(actual, gap, self.rule):
            limit = self.rule.interrupted_after_days
            message = (
                f"{begin}: after more than {say_days(limit)} the series counts as interrupted, "
                "and the prescriber decides to continue, restart or close it."
            )
            return Rule.INTERRUPTED, message, limit
        return Rule.GAP_TOO_LONG, f"{begin}; this protocol allows at most {say_days(largest)}{room}.", largest

    def _about_rhythm(self, later: Placed, gap: GapRule, actual: int, after: str) -> Iterator[Finding]:
        if gap.weekdays:
            if later.number > 1 and later.day.weekday() not in gap.weekdays:
                yield self._off_weekdays(later, gap.weekdays)
        elif gap.target_days is not None and actual != gap.target_days:
            message = (
                f"Infusion {later.number} is {say_days(actual)} after {after}; "
                f"the usual distance here is {say_days(gap.target_days)}."
            )
            yield Finding(Rule.OFF_RHYTHM, Severity.NOTE, later.number, message, actual, gap.target_days)

    def _off_weekdays(self, one: Placed, weekdays: frozenset[int]) -> Finding:
        message = f"Infusion {one.number} is on {say_day(one.day)}, off the usual {say_weekdays(weekdays)} rhythm."
        return Finding(Rule.OFF_RHYTHM, Severity.NOTE, one.number, message)

    def about_span(self, series: Sequence[Placed]) -> Iterator[Finding]:
        """A note when first to last day take longer than the protocol's span."""
        limit = self.rule.span_warn_days
        if limit is None or not series:
            return
        actual = span_days(series[0].day, series[-1].day)
        if actual > limit:
            message = (
                f"The series takes {say_days(actual)} from {say_day(series[0].day)} to {say_day(series[-1].day)}; "
                f"this protocol expects at most {say_days(limit)}."
            )
            yield Finding(Rule.SPAN_TOO_LONG, Severity.NOTE, 0, message, actual, limit)
