"""Which measures are due around a course, and when: anchored on its infusions, so that they move with them.

An item hangs on what really happened (or, until then, on what is booked): an infusion, or the last one of the series.
Its key names that anchor and never a date, so whatever was done about an item stays with it when an infusion moves.

Source: clinical.md E4 (schedule), A 48-50, 58, 60, 128-131, 134-140, C10, P1 (followed to day 83), P20 (day 14 to 31).
Spans without a source are clinic settings [D].
"""

from __future__ import annotations

from bisect import bisect_right
from calendar import monthrange
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import count

from courses.planning.words import ordinal, say_count, say_day
from patients.pure.indications import Indication
from patients.pure.measures import MEASURES
from patients.pure.readiness import BASELINES, MOOD

INITIAL, MAINTENANCE, BOOSTER = "initial", "maintenance", "booster"

DAY_AFTER = (1, 3)  # E4 and A 49, 50: 24 to 72 hours
AFTER_FOUR = (1, 7)  # [D]; E4 says "after #4"
SERIES_END = (1, 7)  # E4: next day to day 7
SERIES_LATER = (14, 31)  # P20
FOLLOW_EARLY, FOLLOW_LATE = 1, 3  # [D] days around the day of a follow-up on which its score counts
COGNITION_AROUND = 14  # [D] days around the day of a cognition check
BLADDER_SLACK = 7  # [D] asked anew at a visit when it would be too old a week later
LONG_LATE = 365  # [D] a long-term check that is late is still a check: until then it counts
REVIEW_NUMBER = 4  # P25
WEEK = 7


class Group(StrEnum):
    """Where an item stands on the page, in this order."""

    BASELINE = "Before the series"
    SERIES = "During the series"
    END = "End of the series"
    FOLLOW = "Follow-up after the series"
    MAINTENANCE = "Maintenance and boosters"
    LONG_TERM = "Long-term checks"


class Timing(StrEnum):
    """Where today lies, whatever was done about the item."""

    LATER = "not yet due"
    DUE = "due"
    OVERDUE = "overdue"
    PASSED = "passed"  # an optional one that nobody asked for


@dataclass(frozen=True, slots=True)
class Dated:
    """One infusion on the local calendar. ``day`` is None while it waits for a time."""

    id: int
    number: int  # in its phase
    kind: str  # of the phase: initial, maintenance, booster
    day: date | None
    is_given: bool = False

    @property
    def name(self) -> str:
        return {MAINTENANCE: "maintenance infusion", BOOSTER: "booster"}.get(self.kind, "infusion") + f" {self.number}"


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often is asked: the clinic's settings [D]. Nought months, infusions or days: that check is not asked for."""

    weekly_weeks: int = 4
    follow_until_day: int = 83  # P1
    grace_days: int = 2
    bladder_days: int = 30
    cognition_months: int = 6
    cognition_infusions: int = 12
    baseline_days: int = 14


@dataclass(frozen=True, slots=True)
class Ask:
    """One measure of an item, and which others answer it as well: "PHQ-9 or QIDS"."""

    measure: str
    accepts: tuple[str, ...] = ()

    def is_answered_by(self, measure: str) -> bool:
        return measure == self.measure or measure in self.accepts


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One item of the schedule.

    Args:
        key: names the anchor ("checkin:17", "series-end", "day-7"), never a date.
        first_day: from this day on somebody asks; local, like all days here.
        last_day: the last day that is in time.
        counts_from, counts_to: a score taken on one of these days answers it.
        anchor: on what it hangs, in a sentence.
        anchor_id: the infusion that it moves with; None where months decide.
        is_planned: the anchor is booked and has not happened yet.
        is_strict: what is answered after its last day is another score, not this one late (before an infusion).
    """

    key: str
    group: Group
    label: str
    asks: tuple[Ask, ...]
    first_day: date
    last_day: date
    counts_from: date
    counts_to: date
    anchor: str
    anchor_id: int | None
    is_planned: bool
    is_optional: bool = False
    is_strict: bool = False

    @property
    def measures(self) -> tuple[str, ...]:
        return tuple(ask.measure for ask in self.asks)

    @property
    def is_long_term(self) -> bool:
        return self.group is Group.LONG_TERM

    def counts_on(self, day: date) -> bool:
        return self.counts_from <= day <= self.counts_to

    def timing(self, today: date, grace_days: int) -> Timing:
        """An item that may be late is overdue when its last day and the days of grace are over."""
        if today < self.first_day:
            return Timing.LATER
        if self.is_optional:
            return Timing.DUE if today <= self.last_day else Timing.PASSED
        return Timing.DUE if today <= self.last_day + timedelta(days=grace_days) else Timing.OVERDUE


# -- what is asked -----------------------------------------------------------------------------------------------------

MOOD_ASK = Ask("phq9", MOOD)
ANXIETY, SUICIDE, ALCOHOL, DRUGS = Ask("gad7"), Ask("cssrs"), Ask("auditc"), Ask("dast10")
URINARY, COGNITION, CRAVING = Ask("icsi", ("icpi", "bpicss")), Ask("moca", ("slums",)), Ask("craving")
SHORT = Ask("pgic")


def own_ask(indication: str) -> Ask:
    """The measure that follows this condition, the same that the infusion day asks for."""
    accepted = BASELINES.get(Indication(indication), MOOD)
    return Ask(accepted[0], accepted)


def follow_days(weekly_weeks: int, until: int) -> tuple[int, ...]:
    """Days after the last infusion of the series: weekly, then every two weeks, the last on ``until`` itself.

    Source: clinical.md E4: weekly x 4, then every 2 weeks to day 83.
    """
    days = [WEEK * week for week in range(1, weekly_weeks + 1) if WEEK * week <= until]
    last = days[-1] if days else 0
    days += range(last + 2 * WEEK, until + 1, 2 * WEEK)
    last = days[-1] if days else 0
    return (*days, until) if until - last >= WEEK else tuple(days)


def many_given(days: Sequence[date], *, many: int, months: int) -> tuple[int, ...]:
    """After which infusions somebody looks at the number: each time ``many`` more were given within ``months``.

    Args:
        days: of every infusion given to the patient, the earliest first.

    Returns:
        Running numbers, counted from 1: (12, 24).

    Source: clinical.md A 131; the numbers are a clinic setting [D].
    """
    if many < 1 or months < 1:
        return ()
    found, last = [], 0
    for number in range(1, len(days) + 1):
        if number - last >= many and days[number - 1] < add_months(days[number - many], months):
            found.append(number)
            last = number
    return tuple(found)


# -- the schedule ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Followed:
    """What the schedule of one course hangs on.

    Args:
        infusions: of all phases, without those no longer planned.
        in_maintenance: a plan of maintenance is in force, also where nothing is booked.
        is_over: the course is closed: only what was given counts.
    """

    infusions: tuple[Dated, ...]
    indication: str
    in_maintenance: bool = False
    is_over: bool = False


def schedule(course: Followed, rhythm: Rhythm, available: Collection[str] = MEASURES) -> tuple[Due, ...]:
    """Every item of one course, the earliest first. What hangs on an infusion without a day waits until it has one.

    Args:
        available: codes of the measures that the clinic has; others are not asked for.
    """
    known = [one for one in course.infusions if one.is_given or not course.is_over]
    series = sorted((one for one in known if one.kind == INITIAL), key=lambda one: one.number)
    further = [one for one in known if one.kind != INITIAL]
    plan = _Plan(rhythm, own_ask(course.indication), frozenset(available))
    found = [*plan.around(series), *plan.visits(further)]
    found += plan.cognition(known, months=course.in_maintenance or bool(further))
    order = list(Group)
    return tuple(sorted(found, key=lambda one: (one.first_day, one.last_day, order.index(one.group), one.key)))


def taken_over(items: Iterable[Due], today: date) -> frozenset[str]:
    """Keys of the long-term checks after which a later one of the same sort has begun: doing that one is enough."""
    latest: dict[str, Due] = {}
    found = set()
    for one in sorted((item for item in items if item.is_long_term and item.first_day <= today), key=_by_day):
        sort = one.key.split(":", 1)[0]
        if sort in latest:
            found.add(latest[sort].key)
        latest[sort] = one
    return frozenset(found)


def _by_day(one: Due) -> tuple[date, str]:
    return one.first_day, one.key


@dataclass(frozen=True, slots=True)
class _What:
    """An item without its days."""

    key: str
    group: Group
    label: str
    asks: tuple[Ask, ...]
    is_optional: bool = False
    is_strict: bool = False


@dataclass(frozen=True, slots=True)
class _Span:
    """When it is asked, and around that when a score counts."""

    first: date
    last: date
    early: int = 0  # days before the first
    late: int = 0  # days after the last


@dataclass(frozen=True, slots=True)
class _Plan:
    rhythm: Rhythm
    own: Ask
    available: frozenset[str]

    def around(self, series: Sequence[Dated]) -> Iterator[Due]:
        """Before, during and after the series."""
        if not series:
            return
        yield from self._baseline(series[0])
        for one in series:
            yield from self._check_in(one, "checkin", Group.SERIES, _score_words(one))
            what = _What(f"day-after:{one.id}", Group.SERIES, f"The day after {one.name}", (SHORT,), is_optional=True)
            yield from self._after(one, DAY_AFTER, what)
        if len(series) > REVIEW_NUMBER:
            four = series[REVIEW_NUMBER - 1]
            yield from self._after(four, AFTER_FOUR, _What("after-4", Group.SERIES, f"After {four.name}", (ANXIETY,)))
        last, full = series[-1], self._with_own(MOOD_ASK, ANXIETY, SUICIDE)
        yield from self._after(last, SERIES_END, _What("series-end", Group.END, "End of the series", full))
        later = _What("series-14-31", Group.END, "Two to four weeks after the series", full)
        yield from self._after(last, SERIES_LATER, later)
        for day in follow_days(self.rhythm.weekly_weeks, self.rhythm.follow_until_day):
            what = _What(f"day-{day}", Group.FOLLOW, f"Day {day} after the series", (self.own,))
            yield from self._after(last, (day - FOLLOW_EARLY, day + FOLLOW_LATE), what)

    def visits(self, further: Iterable[Dated]) -> Iterator[Due]:
        """At each visit of maintenance and each booster: the score, and bladder and cravings where they are too old."""
        for one in further:
            key = "maint" if one.kind == MAINTENANCE else "checkin"
            yield from self._check_in(one, key, Group.MAINTENANCE, "The score of this visit.")
            if one.day is None or not self.rhythm.bladder_days:
                continue
            label = f"Bladder and cravings, {one.name}"
            what = _What(f"bladder:{one.id}", Group.LONG_TERM, label, (URINARY, CRAVING))
            covered = max(self.rhythm.bladder_days - BLADDER_SLACK, 1) - 1
            span = _Span(one.day, one.day, early=covered, late=LONG_LATE)
            yield from self._due(what, span, one, _given(one))

    def cognition(self, infusions: Iterable[Dated], *, months: bool) -> Iterator[Due]:
        """Every so many months (in maintenance) or infusions, whichever comes first, counted from the check before."""
        dated = sorted((one.day, one.id, one) for one in infusions if one.day is not None)
        if not dated:
            return
        days, rhythm = [day for day, _, _ in dated], self.rhythm
        since, done, horizon = days[0], 0, add_months(days[-1], rhythm.cognition_months)
        for number in count(1):
            nth = done + rhythm.cognition_infusions
            by_count = dated[nth - 1] if rhythm.cognition_infusions and nth <= len(dated) else None
            by_months = add_months(since, rhythm.cognition_months) if months and rhythm.cognition_months else None
            if by_months is not None and by_months > horizon:
                by_months = None
            if by_count is not None and (by_months is None or by_count[0] <= by_months):
                since, done, anchor = by_count[0], nth, by_count[2]
                said = f"{_given(anchor)} It is the {ordinal(nth)} of the course."
            elif by_months is not None:
                said = f"{say_count(rhythm.cognition_months, 'month')} after {say_day(since)}."
                since, done, anchor = by_months, bisect_right(days, by_months), None
            else:
                return
            what = _What(f"cognition:{number}", Group.LONG_TERM, "Memory and thinking", (COGNITION,))
            until = since + timedelta(days=COGNITION_AROUND)
            span = _Span(since, until, early=COGNITION_AROUND, late=LONG_LATE)
            yield from self._due(what, span, anchor, said)

    # -- parts ----------------------------------------------------------------------------------------------------

    def _baseline(self, first: Dated) -> Iterator[Due]:
        if first.day is not None:
            asks = self._with_own(MOOD_ASK, ANXIETY, SUICIDE, ALCOHOL, DRUGS, URINARY, COGNITION)
            begins = first.day - timedelta(days=self.rhythm.baseline_days)
            what = _What("baseline", Group.BASELINE, "Baseline", asks, is_strict=True)
            yield from self._due(what, _Span(begins, first.day), first, _given(first))

    def _check_in(self, one: Dated, key: str, group: Group, said: str) -> Iterator[Due]:
        """On the day itself, as the infusion day asks it: a score of another day is none of this visit."""
        if one.day is not None:
            what = _What(f"{key}:{one.id}", group, f"Check-in of {one.name}", (self.own,), is_strict=True)
            yield from self._due(what, _Span(one.day, one.day), one, f"{_given(one)} {said}".strip())

    def _after(self, one: Dated, days: tuple[int, int], what: _What) -> Iterator[Due]:
        if one.day is not None:
            first, last = (one.day + timedelta(days=number) for number in days)
            late = 0 if what.is_optional else self.rhythm.grace_days
            yield from self._due(what, _Span(first, last, late=late), one, _given(one))

    def _due(self, what: _What, span: _Span, anchor: Dated | None, said: str) -> Iterator[Due]:
        wanted = tuple(ask for ask in what.asks if ask.measure in self.available)
        if wanted:
            yield Due(
                key=what.key,
                group=what.group,
                label=what.label,
                asks=wanted,
                first_day=span.first,
                last_day=span.last,
                counts_from=span.first - timedelta(days=span.early),
                counts_to=span.last + timedelta(days=span.late),
                anchor=said,
                anchor_id=anchor.id if anchor is not None else None,
                is_planned=anchor is not None and not anchor.is_given,
                is_optional=what.is_optional,
                is_strict=what.is_strict,
            )

    def _with_own(self, *asks: Ask) -> tuple[Ask, ...]:
        """Those, and the condition's own measure where it is another one, such as PCL-5."""
        return asks if any(ask.measure == self.own.measure for ask in asks) else (*asks, self.own)


def _score_words(one: Dated) -> str:
    return f"It counts as the score after infusion {one.number - 1}." if one.number > 1 else ""


def _given(one: Dated) -> str:
    """On what an item hangs: "Infusion 4 was given on Mon 12 Apr." or that this is only booked."""
    day = say_day(one.day) if one.day is not None else ""
    if one.is_given:
        return f"{one.name.capitalize()} was given on {day}."
    return f"Planned by the booked date of {one.name}, {day}: it moves with it."


def add_months(day: date, months: int) -> date:
    """The same day so many months later; the last day of a month that is shorter."""
    month = day.month - 1 + months
    year, month = day.year + month // 12, month % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))
