"""The figures and charts of the outcomes page, from what was counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from courses.pure.reports import references
from courses.pure.reports.contents import (
    LEAST,
    Cell,
    Chart,
    Column,
    Drawing,
    Figure,
    Kind,
    Missing,
    Reference,
    Section,
    Table,
    Unit,
)
from courses.pure.reports.filters import AT, CENSOR, Filters
from courses.pure.reports.outcome_terms import TermWords
from courses.pure.reports.rates import count_figure, few_words, rate, share
from courses.pure.reports.survival import Step, Survival
from courses.reports.outcome_groups import REACHED, Counts, Group

F1 = "clinical reference F1"
OWN = "Clinic’s own"
KIT = "McInnes 2022, J Affect Disord"
WEEKS = {28: "4 weeks", 56: "8 weeks"}
MOST_STEPS, EVERY_DAYS = 60, 14
"""More days than that on which somebody relapsed: the curve's table has every second week alone."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the figures rest on."""

    filters: Filters
    counts: Counts
    groups: Mapping[str, Group]
    words: TermWords
    conditions: Mapping[str, int]  # how many courses treat each
    survival: Survival

    @property
    def condition(self) -> str:
        """Whose publications stand beside; "" where none would speak of this group."""
        return references.group_of(self.conditions)

    @property
    def when(self) -> str:
        return AT[self.filters.at]

    def rate(  # noqa: PLR0913 (what a figure says beside its counts)
        self,
        key: str,
        title: str,
        definition: str,
        *,
        source: str = "",
        beside: tuple[Reference, ...] = (),
        words: str = "",
    ) -> Figure:
        left_out = [
            Missing(why, self.counts.left_out(key, index)) for index, (why, _) in enumerate(self.groups[key].left_out)
        ]
        return rate(
            key=key,
            title=title,
            definition=definition,
            source=source or self.words.source,
            n=self.counts.n(key),
            of=self.counts.of(key),
            missing=left_out,
            references=beside,
            words=words,
        )


def figures_in(facts: Facts) -> Iterator[Figure]:
    """Every figure of the page."""
    for section in (headline(facts), series_section(facts), response_section(facts), staying_section(facts)):
        yield from (item for item in section.items if isinstance(item, Figure))


# -- the four that come first ------------------------------------------------------------------------------------------
def headline(facts: Facts) -> Section:
    return Section(
        "headline",
        "In short",
        (_completed(facts), _response(facts), _remission(facts), _held(facts, 28)),
        about=_mixed(facts),
    )


def _mixed(facts: Facts) -> str:
    if not references.is_mixed(facts.conditions):
        return ""
    if facts.condition:
        return (
            "Most of these courses treat depression, and the published figures are about it. Choose a condition to "
            "compare like with like."
        )
    return "These courses treat several conditions. Choose one to see what was published about it beside each figure."


def _completed(facts: Facts) -> Figure:
    return facts.rate(
        "completed",
        "Completed the series",
        "Series in which at least as many infusions were given as were planned, of the series that are over.",
        source=F1,
    )


def _response(facts: Facts) -> Figure:
    words = facts.words
    return facts.rate(
        "response",
        "Response",
        _joined(words.response, words.baseline, words.evaluable),
        beside=references.responses(facts.condition),
        words=facts.when,
    )


def _remission(facts: Facts) -> Figure:
    return facts.rate(
        "remission",
        "Remission, of the evaluable",
        _joined(facts.words.remission, facts.words.evaluable),
        beside=references.remissions(facts.condition),
        words=facts.when,
    )


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


# -- the series --------------------------------------------------------------------------------------------------------
def series_section(facts: Facts) -> Section:
    counts = facts.counts
    started, patients = counts.plain("started"), counts.plain("patients")
    items = (
        count_figure(
            key="started",
            title="Courses started",
            definition="Courses whose first infusion was given in the period.",
            source=OWN,
            n=started,
            words=f"of {patients} {'patient' if patients == 1 else 'patients'}" if started else "",
        ),
        facts.rate(
            "kit-completed",
            "4 to 8 infusions in 7 to 28 days",
            "Series that are over with 4 to 8 infusions given within 7 to 28 days, as McInnes 2022 counts a completed "
            "induction.",
            source=KIT,
        ),
        facts.rate(
            "dropped-out",
            "Dropped out",
            "Fewer infusions than planned and none for 14 days without a planned pause, of the series that are over "
            "or were left.",
            source=F1,
        ),
        rate(
            key="adherence",
            title="Gaps on window",
            definition="Gaps between infusions that lie within the protocol’s smallest and largest gap, of all gaps "
            "between infusions given in the series. What is counted are gaps, not courses.",
            source=F1,
            n=counts.plain("gaps_in_window"),
            of=counts.plain("gaps_in_all"),
        ),
    )
    steps = steps_of(counts)
    charts = (_funnel(counts, steps), _lost(counts, steps)) if started else ()
    return Section("series", "The series", (*items, *charts))


def steps_of(counts: Counts) -> list[int]:
    """Infusions up to the last one that any series was planned for, at most the 8th."""
    return [k for k in (1, *REACHED) if k == 1 or counts.plain(f"planned_{k}")]


def _funnel(counts: Counts, steps: list[int]) -> Chart:
    started = counts.plain("started")
    table = Table(
        key="funnel",
        title="How far courses come",
        definition="Courses with at least so many infusions given in the series, of all that began. Series that still "
        "run and those planned shorter narrow it too: the table beside says which were lost.",
        source=OWN,
        columns=(
            Column("step", "Infusion"),
            Column("n", "Courses", Kind.NUMBER),
            Column("share", "Of those begun", Kind.NUMBER, Unit.PERCENT),
            Column("planned", "Planned so far", Kind.NUMBER),
        ),
        rows=tuple(
            (
                "Started" if k == 1 else f"{_ordinal(k)} infusion",
                counts.plain(f"reached_{k}"),
                share(counts.plain(f"reached_{k}"), started) if started >= LEAST else None,
                counts.plain(f"planned_{k}"),
            )
            for k in steps
        ),
        row_lists=tuple(f"reached-{k}" for k in steps),
    )
    return Chart(table=table, drawing=Drawing.FUNNEL, x_title="Courses")


def _lost(counts: Counts, steps: list[int]) -> Table:
    """Who left after which infusion, and why it was the last."""
    return Table(
        key="lost",
        title="Where courses stop short",
        definition="By the last infusion given. Dropped out: fewer than planned and none for 14 days without a planned "
        "pause. Ended early: fewer than planned, by a decision.",
        source=F1,
        columns=(
            Column("step", "After"),
            Column("reached", "Came so far", Kind.NUMBER),
            Column("dropped", "Dropped out", Kind.NUMBER),
            Column("share", "Share", Kind.NUMBER, Unit.PERCENT),
            Column("ended", "Ended early", Kind.NUMBER),
            Column("running", "Still running", Kind.NUMBER),
        ),
        rows=tuple(_lost_row(counts, k, is_last=k == REACHED[-1]) for k in steps),
        row_lists=tuple(f"dropped-{k}" for k in steps),
    )


def _lost_row(counts: Counts, k: int, *, is_last: bool) -> tuple[Cell, ...]:
    reached, dropped = counts.plain(f"reached_{k}"), counts.plain(f"dropped_{k}")
    return (
        f"infusion {k}{' or more' if is_last else ''}",
        reached,
        dropped,
        share(dropped, reached) if reached >= LEAST else f"n = {reached}: too few" if reached else None,
        counts.plain(f"ended_{k}"),
        counts.plain(f"running_{k}"),
    )


def _ordinal(number: int) -> str:
    return f"{number}{ {2: 'nd', 3: 'rd'}.get(number, 'th') }"


# -- response ----------------------------------------------------------------------------------------------------------
def response_section(facts: Facts) -> Section:
    words = facts.words
    ended = (words.baseline, words.evaluable)
    thoughts = (
        "On some day since the first infusion the answer about thoughts of death or self-harm is higher than at the "
        "baseline, by at least 1."
    )
    items = (
        facts.rate("partial", "Partial response", _joined(words.partial, *ended), words=facts.when),
        facts.rate("non-response", "Non-response", _joined(words.non_response, *ended), words=facts.when),
        facts.rate(
            "remission-all",
            "Remission, of all with a baseline",
            _joined(words.remission, "Those whose baseline is too low to be evaluable count here too."),
            words=facts.when,
        ),
        facts.rate(
            "responder-lost",
            "Response lost in the series",
            "A response after some infusion of the series and none at its end, of all who responded at some time.",
            source=F1,
        ),
        facts.rate("speed-early", "Early responders", _joined(words.early, SPEEDS)),
        facts.rate("speed-gradual", "Gradual responders", _joined(words.gradual, SPEEDS)),
        facts.rate("speed-late", "Late responders", _joined(words.late, SPEEDS)),
        facts.rate("worsening", "Worse by the clinic’s points", _joined(words.worsening, SAME), beside=()),
        facts.rate(
            "any-increase",
            "Any score above the baseline",
            _joined("A score after an infusion of the series above the baseline, by however little.", SAME),
            source=KIT,
            beside=references.any_increase(facts.condition),
        ),
        facts.rate(
            "new-danger",
            "New or more suicidal thoughts",
            _joined(thoughts, SAME),
            source=F1,
            beside=references.new_thoughts(facts.condition),
        ),
    )
    several = "This group was judged by several versions of the terms; each definition says which."
    return Section("response", "Response", items, about=several if words.are_several else "")


SPEEDS = "Of the courses with a response after at least one infusion. The three classes exclude each other."
SAME = "Of the courses with a baseline; one without any later score counts as not worse."


# -- staying well ------------------------------------------------------------------------------------------------------
def staying_section(facts: Facts) -> Section:
    figures = (_median(facts), _held(facts, 56))
    charts = (_curve(facts),) if facts.survival.n >= LEAST else ()
    return Section(
        "staying",
        "Staying well",
        (*figures, *charts),
        about=f"Of those who responded at the end of the series, followed {CENSOR[facts.filters.censor]}.",
    )


def _followed(facts: Facts) -> str:
    ways = "the last assessment, a new series or death"
    if facts.filters.censor == "maintenance":
        ways += ", or the first infusion of maintenance"
    return f"Days count from the last infusion of the series. Followed until {ways}: Kaplan and Meier’s estimate."


def _held(facts: Facts, day: int) -> Figure:
    """How many still responded on a day, estimated with those whose following ended before."""
    curve = facts.survival
    is_few = curve.at_risk(day) < LEAST and curve.on(day) is not None
    step = None if is_few or curve.n < LEAST else curve.on(day)
    return Figure(
        key=f"held-{day}",
        title=f"Still responding after {WEEKS[day]}",
        definition=_joined("Of those who responded at the end of the series.", facts.words.relapse, _followed(facts)),
        source=facts.words.source,
        unit=Unit.PERCENT,
        value=step.estimate if step else None,
        denominator=curve.n,
        low=step.low if step else None,
        high=step.high if step else None,
        references=references.held(facts.condition, day),
        is_few=is_few or curve.n < LEAST,
        words=_held_words(curve, day),
    )


def _held_words(curve: Survival, day: int) -> str:
    followed = curve.at_risk(day)
    if curve.n < LEAST:
        return few_words(curve.n) if curve.n else "No response to follow yet"
    if curve.on(day) is None:
        return f"None of {curve.n} responders is followed for {WEEKS[day]} yet"
    if followed < LEAST:
        return f"{followed} of {curve.n} responders followed so long: too few to give a share"
    return f"{followed} of {curve.n} responders followed so long"


def _median(facts: Facts) -> Figure:
    curve = facts.survival
    found = curve.median if curve.n >= LEAST else None
    return Figure(
        key="held-median",
        title="Median time until the response was lost",
        definition=_joined(
            "The first day on which no more than half still respond.", facts.words.relapse, _followed(facts)
        ),
        source=facts.words.source,
        unit=Unit.DAYS,
        value=None if found is None else Decimal(found),
        denominator=curve.n,
        low=_days(curve.median_low) if found is not None else None,
        high=_days(curve.median_high) if found is not None else None,
        references=references.medians(facts.condition),
        is_few=curve.n < LEAST,
        words=_median_words(curve),
    )


def _days(day: int | None) -> Decimal | None:
    return None if day is None else Decimal(day)


def _median_words(curve: Survival) -> str:
    if curve.n < LEAST:
        return few_words(curve.n) if curve.n else "No response to follow yet"
    if curve.median is None:
        return f"Not reached: more than half of {curve.n} still respond when following ends, on day {curve.last_day}"
    return f"{curve.events} of {curve.n} responders lost it"


def _curve(facts: Facts) -> Chart:
    curve = facts.survival
    table = Table(
        key="durability",
        title="How long a response lasts",
        definition=_joined(facts.words.relapse, _followed(facts), "The band is the 95 % interval."),
        source=facts.words.source,
        columns=(
            Column("day", "Day", Kind.NUMBER, Unit.DAYS),
            Column("estimate", "Still responding", Kind.NUMBER, Unit.PERCENT),
            Column("low", "95 % from", Kind.NUMBER, Unit.PERCENT),
            Column("high", "95 % to", Kind.NUMBER, Unit.PERCENT),
            Column("at_risk", "Followed until then", Kind.NUMBER),
        ),
        rows=tuple((step.day, step.estimate, step.low, step.high, step.at_risk) for step in _steps(curve)),
    )
    beside = tuple(one for day in WEEKS for one in references.held(facts.condition, day))
    return Chart(
        table=table,
        drawing=Drawing.SURVIVAL,
        x_title="Days after the last infusion of the series",
        y_title="Still responding",
        references=beside,
    )


def _steps(curve: Survival) -> list[Step]:
    """Each day on which somebody was lost, every second week, and the last day; of very many only the weeks."""
    lost = {
        step.day
        for index, step in enumerate(curve.steps)
        if not index or step.estimate != curve.steps[index - 1].estimate
    }
    days = set(range(0, curve.last_day + 1, EVERY_DAYS)) | {curve.last_day}
    if len(lost) <= MOST_STEPS:
        days |= lost
    found = [(day, curve.on(day)) for day in sorted(days)]
    return [Step(day, step.estimate, step.low, step.high, curve.at_risk(day)) for day, step in found if step]
