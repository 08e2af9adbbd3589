"""The planner's answer to a page: the best plan, genuinely different ones beside it, or what is in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import chain

from courses.planning.alternatives import alternatives, other_half_of_day
from courses.planning.dates import NoOpenDayError, gap_days
from courses.planning.problem import Problem
from courses.planning.question import Demand, open_on, reference_for
from courses.planning.rules import judge
from courses.planning.solver import Solution, solve
from courses.planning.types import Answer, Instance, Placed, Proposal, ReferenceDate, Status, Verdict, WayOut
from courses.planning.ways_out import Window, ways_out, window_of
from courses.planning.words import ordinal, say_count, say_day, say_days, say_list, say_minute

MOST_ALTERNATIVES = 3
MOST_WAYS = 4
ENOUGH_ALTERNATIVES = 2  # with so many real trade-offs, another half of the day or a later start adds nothing
MOST_DAYS_LATER = 7  # [D] nobody chooses a series that ends later than this for its other merits
CONTINUITY = ("same_clinician", "same_nurse")


def answer(instance: Instance) -> Answer:
    """The best plan and up to three different ones; where nothing fits, the nearest thing to it and the ways out."""
    try:
        reference = reference_for(instance)
    except NoOpenDayError:
        text = "The clinic has no open day in the calendar that was read; check opening hours and closures."
        return Answer(Status.INFEASIBLE, (), (), explanation=text)
    dates = {one.number: one.day for one in reference}
    best = solve(instance, None, dates)
    if best is None:
        return _nothing_fits(instance, reference, dates)
    first = _proposal("best", "Best fit", instance, best)
    others = _others(instance, best, first, dates) if len(best.placed) > len(instance.fixed) else []
    return Answer(Status.OPTIMAL, (first, *others), reference)


def verdict_of(instance: Instance, placed: Sequence[Placed], done: frozenset[int] | None = None) -> Verdict:
    """The judge's word on a plan for an instance; what is fixed counts as settled unless said otherwise."""
    return judge(
        placed,
        instance.rule,
        today=instance.not_before,
        is_open=open_on(instance),
        wishes=instance.wishes,
        free=instance.free,
        before=instance.before,
        done=frozenset(instance.fixed) if done is None else done,
    )


def _proposal(key: str, label: str, instance: Instance, found: Solution, costs: Sequence[str] = ()) -> Proposal:
    return Proposal(key, label, found.placed, verdict_of(instance, found.placed), tuple(costs))


def _others(instance: Instance, best: Solution, first: Proposal, dates: Mapping[int, date]) -> list[Proposal]:
    problem = Problem.build(instance, Demand(), dates)
    seen = [best.placed]
    found: list[Proposal] = []
    for option in chain(alternatives(problem, best), other_half_of_day(problem, best), [None]):
        if len(found) >= (MOST_ALTERNATIVES if option and option.key != "other_half" else ENOUGH_ALTERNATIVES):
            break
        if option is None:
            found += _a_later_start(instance, first)
            continue
        solution = solve(instance, option.demand, dates)
        is_continuity = option.key in CONTINUITY
        if solution is None or any(_is_alike(solution.placed, other, people=is_continuity) for other in seen):
            continue
        if gap_days(best.placed[-1].day, solution.placed[-1].day) > MOST_DAYS_LATER:
            continue
        seen.append(solution.placed)
        costs = costs_in_words(instance, first.placed, solution.placed, dates)
        found.append(_proposal(option.key, option.label, instance, solution, costs))
    return found


def _a_later_start(instance: Instance, first: Proposal) -> list[Proposal]:
    """The same series from the rhythm's next day, for a patient whose first day is still open."""
    if instance.fixed or instance.before is not None:
        return []
    later = replace(instance, not_before=first.placed[0].day + timedelta(days=1))
    try:
        dates = {one.number: one.day for one in reference_for(later)}
    except NoOpenDayError:
        return []
    solution = solve(later, None, dates)
    if solution is None or gap_days(first.placed[0].day, solution.placed[0].day) > MOST_DAYS_LATER:
        return []
    costs = costs_in_words(later, first.placed, solution.placed, None)
    return [_proposal("starts_later", f"Starts {say_day(solution.placed[0].day)}", instance, solution, costs)]


def _is_alike(one: Sequence[Placed], other: Sequence[Placed], *, people: bool) -> bool:
    """Same days and times; where continuity is the point, the same people too. Another chair is no other plan."""

    def face(visit: Placed) -> tuple[object, ...]:
        who = (visit.clinician_id, visit.nurse_id) if people else ()
        return (visit.number, visit.day, visit.start_min, *who)

    return [face(visit) for visit in one] == [face(visit) for visit in other]


def costs_in_words(
    instance: Instance, first: Sequence[Placed], other: Sequence[Placed], dates: Mapping[int, date] | None
) -> tuple[str, ...]:
    """What a plan costs or gains against the first, in short phrases; no dates where both have dates of their own."""
    mine = [one for one in other if one.number not in instance.fixed]
    theirs = [one for one in first if one.number not in instance.fixed]
    phrases = [
        _moved("ends", gap_days(theirs[-1].day, mine[-1].day)),
        _moved("starts", gap_days(theirs[0].day, mine[0].day)),
        _times(theirs, mine),
        _people("clinician", {one.clinician_id for one in theirs}, {one.clinician_id for one in mine}),
        _people("nurse", {one.nurse_id for one in theirs}, {one.nurse_id for one in mine}),
        _off_dates(theirs, mine, dates) if dates is not None else "",
    ]
    return tuple(phrase for phrase in phrases if phrase) or ("other days, the same length",)


def _moved(verb: str, days: int) -> str:
    if days == 0:
        return ""
    return f"{verb} {say_days(abs(days))} {'later' if days > 0 else 'earlier'}"


def _times(first: Sequence[Placed], other: Sequence[Placed]) -> str:
    before = {one.start_min for one in first}
    minutes = sorted({one.start_min for one in other if one.start_min is not None})
    if not minutes or before == set(minutes):
        return ""
    if len(minutes) == 1:
        return f"always {say_minute(minutes[0])}"
    return f"times from {say_minute(minutes[0])} to {say_minute(minutes[-1])}"


def _people(role: str, before: set[int | None], now: set[int | None]) -> str:
    if len(now) == len(before):
        return ""
    return f"same {role} at every visit" if len(now) == 1 else f"{say_count(len(now), f'different {role}')}"


def _off_dates(first: Sequence[Placed], other: Sequence[Placed], dates: Mapping[int, date]) -> str:
    """How many more infusions leave the protocol's own dates."""
    more = sum(one.day != dates[one.number] for one in other) - sum(one.day != dates[one.number] for one in first)
    return f"{say_count(more, 'more infusion')} off the protocol's own dates" if more > 0 else ""


# -- when nothing fits -------------------------------------------------------------------------------------------------


def _nothing_fits(instance: Instance, reference: tuple[ReferenceDate, ...], dates: Mapping[int, date]) -> Answer:
    partial = solve(instance, Demand(allow_missing=True), dates)
    override = solve(instance, Demand(allow_longer=True), dates)
    if partial is not None and len(partial.placed) == len(instance.fixed):
        partial = None
    # Where the calendar of closures or a long pause alone forbids a legal date, leaving infusions out helps nobody.
    dates_break = any(one.is_breach or one.out_of_window or one.interrupted for one in reference if not one.is_done)
    proposals = []
    if override is not None:
        label = "All, with a clinician's permission"
        proposals.append(_proposal("override", label, instance, override))
    if partial is not None:
        count = f"{len(partial.placed)} of {instance.rule.count}"
        proposals.append(_proposal("partial", f"{count} fit", instance, partial))
    if partial is not None and not (dates_break and override is not None):
        proposals.reverse()
        numbers = sorted(partial.missing)
        last = _by_permission(proposals[1:], instance.rule.count)
        ways = ways_out(instance, partial.placed, numbers, dates, limit=MOST_WAYS - len(last))
        text = f"{len(partial.placed)} of {instance.rule.count} fit. {_missing_words(instance, partial.placed, dates)}"
        return Answer(Status.PARTIAL, tuple(proposals), reference, (*ways, *last), text)
    if override is not None:
        text = _override_words(proposals[0].verdict, instance.rule.count)
        return Answer(Status.NEEDS_OVERRIDE, tuple(proposals), reference, (), text)
    settled = tuple(instance.fixed.values())
    open_numbers = _open_numbers(instance, settled)
    ways = ways_out(instance, settled, open_numbers, dates, limit=MOST_WAYS)
    return Answer(Status.INFEASIBLE, (), reference, ways, _missing_words(instance, settled, dates))


def _by_permission(proposals: Sequence[Proposal], count: int) -> list[WayOut]:
    """The way that a clinician's permission opens, where the rest of the series may shift with it."""
    for proposal in proposals:
        breaches = proposal.verdict.needs_override
        for finding in breaches[:1]:
            one = next(visit for visit in proposal.placed if visit.number == finding.number)
            more = f" ({say_count(len(breaches) - 1, 'more gap')} likewise.)" if len(breaches) > 1 else ""
            message = f"All {count} fit if a clinician allows it with a reason: {finding.message}{more}"
            return [WayOut(finding.number, message, one.day, one.start_min, finding.rule)]
    return []


def _open_numbers(instance: Instance, placed: Sequence[Placed]) -> list[int]:
    there = {one.number for one in placed}
    return [number for number in range(1, instance.rule.count + 1) if number not in there]


def _missing_words(instance: Instance, placed: Sequence[Placed], dates: Mapping[int, date]) -> str:
    """Which infusions have no legal free time, between which open days, and whether the calendar is what ends."""
    numbers = _open_numbers(instance, placed)
    if len(numbers) == 1:
        window = window_of(numbers[0], instance, placed, dates)
        text = f"The {ordinal(numbers[0])} has no legal free time{_between(instance, window)}."
    elif len(numbers) == instance.rule.count:
        text = f"None of the {len(numbers)} infusions has a legal free time."
    else:
        text = f"The {say_list([ordinal(number) for number in numbers])} have no legal free time."
    last = max(instance.free.days, default=instance.not_before)
    if any(dates[number] > last for number in numbers):
        text += f" The calendar that was read ends on {say_day(last)}; reading further may help."
    return text


def _between(instance: Instance, window: Window) -> str:
    is_open = open_on(instance)
    length = gap_days(window.earliest, window.latest) + 1
    days = [window.earliest + timedelta(days=offset) for offset in range(length)]
    legal = [day for day in days if is_open(day)]
    if not legal:
        return ": no legal day is open" if days else ""
    if len(legal) == 1:
        return f" on {say_day(legal[0])}, its only legal day"
    return f" from {say_day(legal[0])} to {say_day(legal[-1])}"


def _override_words(verdict: Verdict, count: int) -> str:
    breaches = [finding.message for finding in verdict.needs_override]
    return " ".join([f"All {count} fit only if a clinician allows it with a reason.", *breaches])
