"""From scores and infusions to outcome terms, exactly as clinical.md F1 and H1 define them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from courses.pure.outcomes.terms import SHIPPED, End, Speed, Terms

TENTH = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Score:
    """One valid score of the measure that is judged; ``danger``: the answer to its item about suicide, where known."""

    at: datetime  # aware
    day: date  # local
    value: Decimal
    danger: int | None = None
    pk: int = 0


@dataclass(frozen=True, slots=True)
class Given:
    """The k-th infusion that was given in the series, with its number there and when it ended."""

    number: int
    day: date  # local
    at: datetime  # aware
    began: datetime | None = None  # None: not known apart from its end

    @property
    def start(self) -> datetime:
        """A score before this instant tells about the infusion before."""
        return self.began or self.at


@dataclass(frozen=True, slots=True)
class Event:
    """What counts as a relapse at once: a psychiatric admission or a suicide attempt (F1)."""

    day: date  # local
    what: str  # in the middle of a sentence: "psychiatric admission"


@dataclass(frozen=True, slots=True)
class Relapse:
    """Response lost: at readings in a row, dated at the first of them, or by an event, dated at that."""

    day: date
    confirmed_on: date
    days: int  # from the last infusion of the series
    event: str = ""  # what happened, where an event and not a score tells


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a series achieved so far. Improvements are percent of the baseline, unrounded; negative when worse."""

    measure: str
    terms: Terms
    baseline: Score | None
    after: Mapping[int, Score] = field(default_factory=dict)  # infusion number -> the score after it
    improvement: Mapping[int, Decimal] = field(default_factory=dict)  # infusion number -> percent
    follow_up: tuple[tuple[Score, Decimal], ...] = ()  # scores after the series with their improvement
    first_improvement: int | None = None  # infusion numbers
    first_partial: int | None = None
    first_response: int | None = None
    speed: Speed | None = None
    end: End = End.NOT_BEGUN
    end_improvement: Decimal | None = None
    is_remission: bool = False  # at the end of the series; independent of response
    is_not_improving: bool = False  # below "improvement" at or after the infusion of ``terms.review_after`` (P25)
    any_increase_from: int | None = None
    worsening_from: int | None = None
    new_danger_from: int | None = None
    is_responder_lost: bool = False
    relapse: Relapse | None = None
    lost_since: date | None = None  # a single reading below response, not confirmed
    infusions: tuple[Given, ...] = ()  # of the series, ascending
    end_score: Score | None = None  # after the last infusion of a series that is over
    is_flat_after_three: bool = False  # below "improvement" after each of infusions 1, 2 and 3: a fact, no rule
    worse_on: date | None = None  # the first day with the points of worsening, follow-up included
    new_danger_on: date | None = None  # the first day with more in the item about suicide, whatever the hours since

    @property
    def is_evaluable(self) -> bool:
        """Whether the baseline is high enough to speak of response."""
        return self.baseline is not None and _evaluable(self.measure, self.baseline, self.terms)

    @property
    def latest(self) -> Score | None:
        """The latest score that the outcome rests on."""
        if self.follow_up:
            return self.follow_up[-1][0]
        return self.after[max(self.after)] if self.after else None

    @property
    def latest_improvement(self) -> Decimal | None:
        if self.follow_up:
            return self.follow_up[-1][1]
        return self.improvement[max(self.improvement)] if self.improvement else None

    @property
    def end_due_until(self) -> date | None:
        """The last day on which a score still counts for the last infusion given."""
        return self.infusions[-1].day + timedelta(days=self.terms.last_days) if self.infusions else None


@dataclass(frozen=True, slots=True)
class Reached:
    """What one score amounts to against the baseline of its series."""

    end: End
    improvement: Decimal | None  # percent, unrounded
    is_remission: bool


def reached_by(outcome: Outcome, score: Score) -> Reached:
    """What a later score of the same measure amounts to, by the words that are used for the end of the series."""
    terms, baseline = outcome.terms, outcome.baseline
    is_remission = _is_remission(outcome.measure, score, terms)
    if baseline is None:
        return Reached(End.NO_BASELINE, None, is_remission)
    percent = _percent(baseline, score) if baseline.value else None
    return Reached(_end(percent, terms, is_evaluable=outcome.is_evaluable), percent, is_remission)


def shown(percent: Decimal) -> Decimal:
    """A percentage as pages write it: one decimal, half-up. Only for reading; comparisons take it unrounded."""
    return percent.quantize(TENTH, rounding=ROUND_HALF_UP)


def judge_outcome(  # noqa: PLR0913 (everything an outcome rests on)
    measure: str,
    scores: tuple[Score, ...],
    infusions: tuple[Given, ...],
    *,
    is_over: bool,
    events: Sequence[Event] = (),
    until: date | None = None,
    terms: Terms = SHIPPED,
) -> Outcome:
    """The outcome of one series.

    Args:
        measure: its code, "phq9".
        scores: of that measure, ascending by time.
        infusions: that were given in the series, ascending.
        is_over: nothing more is given in this series, so the score after the last infusion is the end.
        events: that count as a relapse at once; those before the last infusion say nothing about keeping its effect.
        until: a later series began on this day: what comes after does not belong to this one.
        terms: the clinic's version.
    """
    given = tuple(sorted(infusions, key=lambda one: one.at))
    if not given:
        return Outcome(measure, terms, None)
    readings = sorted((one for one in scores if until is None or one.day <= until), key=lambda one: (one.at, one.pk))
    baseline = _baseline(readings, given[0], terms)
    after = _after(readings, given, terms)
    end_score = after.get(given[-1].number) if is_over else None
    facts = Outcome(
        measure,
        terms,
        baseline,
        after=after,
        infusions=given,
        end_score=end_score,
        is_remission=end_score is not None and _is_remission(measure, end_score, terms),
        end=End.NO_BASELINE if is_over else End.RUNNING,
    )
    if baseline is None:
        return facts
    happened = sorted((one for one in events if until is None or one.day <= until), key=lambda one: one.day)
    return _against(facts, baseline, readings, happened, is_over=is_over)


# -- parts -------------------------------------------------------------------------------------------------------------
def _baseline(readings: Sequence[Score], first: Given, terms: Terms) -> Score | None:
    """The last one before infusion 1, at most so many local days old."""
    fresh = [one for one in readings if one.at < first.start and (first.day - one.day).days <= terms.baseline_days]
    return fresh[-1] if fresh else None


def _after(readings: Sequence[Score], given: Sequence[Given], terms: Terms) -> dict[int, Score]:
    """Infusion number -> the first score long enough after it and before the next; the last has days instead.

    A score of the check-in is taken before its infusion begins: it tells about the one before (clinical.md E4).
    """
    found = {}
    for one, following in zip(given, [*given[1:], None], strict=True):
        for reading in readings:
            if reading.at - one.at < timedelta(hours=terms.after_hours):
                continue
            is_in = (
                reading.at < following.start
                if following is not None
                else (reading.day - one.day).days <= terms.last_days
            )
            if is_in:
                found[one.number] = reading
            break
    return found


def _against(
    facts: Outcome, baseline: Score, readings: Sequence[Score], events: Sequence[Event], *, is_over: bool
) -> Outcome:
    """Everything that needs a baseline."""
    terms, measure = facts.terms, facts.measure
    percents = {number: _percent(baseline, one) for number, one in facts.after.items()} if baseline.value else {}
    is_evaluable = _evaluable(measure, baseline, terms)
    later = _later(facts, readings) if is_over else ()
    end_percent = percents.get(facts.infusions[-1].number) if is_over else None
    end = _end(end_percent, terms, is_evaluable=is_evaluable) if is_over else End.RUNNING
    first_response = _first(percents, terms.response_percent) if is_evaluable else None
    since_start = [one for one in readings if one.at >= facts.infusions[0].start]
    points = terms.worsening_points.get(measure)
    follow_up = tuple((one, _percent(baseline, one)) for one in later) if baseline.value else ()
    last = facts.infusions[-1]
    relapse, lost_since = _lost(measure, follow_up, last, terms) if end is End.RESPONSE else (None, None)
    if end is End.RESPONSE:
        relapse = _earlier(relapse, _at_once(events, last))
        lost_since = None if relapse else lost_since
    reviewed = [number for number in percents if number >= terms.review_after]
    return replace(
        facts,
        improvement=percents,
        follow_up=follow_up,
        first_improvement=_first(percents, terms.improvement_percent),
        first_partial=_first(percents, terms.partial_percent) if is_evaluable else None,
        first_response=first_response,
        speed=_speed(first_response, terms),
        end=end,
        end_improvement=end_percent,
        is_not_improving=bool(reviewed) and percents[max(reviewed)] < terms.improvement_percent,
        any_increase_from=_first_number(facts.after, lambda one: one.value > baseline.value),
        worsening_from=_first_number(facts.after, lambda one: _is_worse(one, baseline, points)),
        new_danger_from=_first_number(facts.after, lambda one: _is_new_danger(one, baseline)),
        is_responder_lost=first_response is not None and end in (End.PARTIAL, End.NON_RESPONSE),
        relapse=relapse,
        lost_since=lost_since,
        is_flat_after_three=all(
            number in percents and percents[number] < terms.improvement_percent for number in (1, 2, 3)
        ),
        worse_on=_first_day(since_start, lambda one: _is_worse(one, baseline, points)),
        new_danger_on=_first_day(since_start, lambda one: _is_new_danger(one, baseline)),
    )


def _percent(baseline: Score, one: Score) -> Decimal:
    return (baseline.value - one.value) / baseline.value * 100


def _evaluable(measure: str, baseline: Score, terms: Terms) -> bool:
    return baseline.value > 0 and baseline.value >= terms.evaluable_min.get(measure, Decimal(0))


def _is_remission(measure: str, one: Score, terms: Terms) -> bool:
    return measure in terms.remission_max and one.value <= terms.remission_max[measure]


def _is_worse(one: Score, baseline: Score, points: Decimal | None) -> bool:
    return points is not None and one.value - baseline.value >= points


def _is_new_danger(one: Score, baseline: Score) -> bool:
    """From 0 to 1 or more, or up by 1 or more. Where either answer is unknown nothing is said."""
    return one.danger is not None and baseline.danger is not None and one.danger > baseline.danger


def _first(percents: Mapping[int, Decimal], threshold: int) -> int | None:
    return next((number for number, percent in percents.items() if percent >= threshold), None)


def _first_number(after: Mapping[int, Score], holds: Callable[[Score], bool]) -> int | None:
    return next((number for number, one in after.items() if holds(one)), None)


def _first_day(readings: Iterable[Score], holds: Callable[[Score], bool]) -> date | None:
    return next((one.day for one in readings if holds(one)), None)


def _speed(number: int | None, terms: Terms) -> Speed | None:
    if number is None:
        return None
    if number <= terms.early_last:
        return Speed.EARLY
    return Speed.GRADUAL if number <= terms.gradual_last else Speed.LATE


def _end(percent: Decimal | None, terms: Terms, *, is_evaluable: bool) -> End:
    """``percent`` is None where there is no score: a baseline that can be judged is above 0."""
    if not is_evaluable:
        return End.NOT_EVALUABLE
    if percent is None:
        return End.NO_SCORE
    if percent >= terms.response_percent:
        return End.RESPONSE
    return End.PARTIAL if percent >= terms.partial_percent else End.NON_RESPONSE


def _later(facts: Outcome, readings: Sequence[Score]) -> tuple[Score, ...]:
    """Follow-up: what comes after the end score, or after the days in which one would have counted."""
    if facts.end_score is not None:
        end = facts.end_score
        return tuple(one for one in readings if (one.at, one.pk) > (end.at, end.pk))
    last = facts.infusions[-1]
    return tuple(one for one in readings if (one.day - last.day).days > facts.terms.last_days)


def _lost(
    measure: str, follow_up: Sequence[tuple[Score, Decimal]], last: Given, terms: Terms
) -> tuple[Relapse | None, date | None]:
    """The relapse, or the day since which readings are below response without being enough for one.

    Readings closer together than the terms say count as one, so that three within a week do not make a relapse.
    """
    at_once = terms.relapse_scores.get(measure)
    run: list[Score] = []  # readings below response in a row, each far enough from the one before
    for reading, percent in follow_up:
        if at_once is not None and reading.value >= at_once:
            return Relapse(reading.day, reading.day, (reading.day - last.day).days), None
        if percent >= terms.response_percent:
            run = []
            continue
        if not run or (reading.day - run[-1].day).days >= terms.relapse_apart_days:
            run.append(reading)
        if len(run) >= terms.relapse_readings:
            return Relapse(run[0].day, reading.day, (run[0].day - last.day).days), None
    return None, run[0].day if run else None


def _at_once(events: Sequence[Event], last: Given) -> Relapse | None:
    """The first event on the day of the last infusion or later; nobody knows which came first on that day."""
    first = next((one for one in events if one.day >= last.day), None)
    return Relapse(first.day, first.day, (first.day - last.day).days, first.what) if first else None


def _earlier(by_score: Relapse | None, by_event: Relapse | None) -> Relapse | None:
    """The relapse is on the earlier day; on the same day the event says more."""
    if by_score is None or by_event is None:
        return by_score or by_event
    return by_event if by_event.day <= by_score.day else by_score
