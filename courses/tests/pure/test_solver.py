"""The exact planner against brute force on small instances, and against the worked cases where everything is free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from courses.planning.objective import Score, score_of
from courses.planning.protocols import expand
from courses.planning.question import Demand, open_on, reference_for
from courses.planning.rules import judge
from courses.planning.solver import Solution, solve
from courses.planning.templates import BY_ID
from courses.planning.types import FreeStarts, GapRule, Instance, Placed, SeriesRule, Wishes

MONDAY = date(2027, 1, 4)
EXACT = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], database=None
)
MINUTES = (540, 600, 630)


def calendar(  # noqa: PLR0917
    days: int,
    chairs: Sequence[bool],
    nurses: Sequence[bool],
    clinicians: Sequence[bool],
    load: Sequence[int],
    width: int,
) -> FreeStarts:
    shape = (days, len(MINUTES))
    dates = tuple(MONDAY + timedelta(days=offset) for offset in range(days))
    return FreeStarts(
        days=dates,
        minutes=MINUTES,
        chair_ids=(1, 2),
        nurse_ids=(3, 4),
        clinician_ids=tuple(range(5, 5 + width)),
        chairs=np.asarray(chairs, dtype=bool).reshape(*shape, 2),
        nurses=np.asarray(nurses, dtype=bool).reshape(*shape, 2),
        clinicians=np.asarray(clinicians, dtype=bool).reshape(*shape, width),
        load=(np.asarray(load) / 10).astype(np.float32).reshape(shape),
        open_days=frozenset(dates),
    )


@st.composite
def instances(draw: st.DrawFn) -> Instance:
    """Small questions: 2 or 3 infusions, about a week, two of everything, mostly taken."""
    days, width = draw(st.integers(4, 7)), draw(st.integers(0, 2))
    cells = days * len(MINUTES)

    def taken(each: int) -> list[bool]:
        return draw(st.lists(st.booleans(), min_size=cells * each, max_size=cells * each))

    load = draw(st.lists(st.integers(0, 10), min_size=cells, max_size=cells))
    free = calendar(days, taken(2), taken(2), taken(width), load, width)
    count = draw(st.integers(2, 3))
    weekdays = draw(st.sampled_from([frozenset({0, 2, 4}), frozenset({0, 3}), frozenset[int]()]))
    low = draw(st.integers(1, 3))
    gap = GapRule(low, low + draw(st.integers(0, 2)), weekdays, None if weekdays else low)
    before = draw(st.sampled_from([None, MONDAY - timedelta(days=2)]))
    wishes = Wishes(
        earliest_min=draw(st.sampled_from([None, 541])),
        latest_min=draw(st.sampled_from([None, 600])),
        preferred_min=draw(st.sampled_from([None, None, 600, 615])),
        clinician_id=draw(st.sampled_from([None, 5, 99])),
        nurse_id=draw(st.sampled_from([None, 3])),
        chair_id=draw(st.sampled_from([None, 2])),
        unavailable=draw(st.sampled_from([frozenset[date](), frozenset({MONDAY + timedelta(days=2)})])),
    )
    fixed: dict[int, Placed] = {}
    if draw(st.booleans()):
        number, day = draw(st.integers(1, count)), MONDAY + timedelta(days=draw(st.integers(0, 5)))
        fixed[number] = Placed(
            number, day, draw(st.sampled_from([None, 540, 615])), draw(st.sampled_from([None, 1, 9]))
        )
    rule = SeriesRule(gaps=(gap,) * (count - 1), start_weekdays=weekdays, entry=gap if before else None)
    return Instance(rule, MONDAY + timedelta(days=draw(st.integers(0, 1))), free, wishes, fixed, before)


@st.composite
def tied_instances(draw: st.DrawFn) -> Instance:
    """Longer questions with whole days taken and wide gaps, so that many plans are equally near to their dates."""
    days = draw(st.integers(8, 11))
    rows = draw(st.lists(st.sampled_from([(0, 0, 0), (1, 0, 0), (1, 1, 1)]), min_size=days, max_size=days))
    free = calendar(
        days,
        [bool(cell) for row in rows for cell in row for _ in range(2)],
        [True] * (days * 6),
        [],
        draw(st.lists(st.integers(0, 2), min_size=days * 3, max_size=days * 3)),
        0,
    )
    gap = GapRule(draw(st.integers(1, 2)), 5, target_days=3)
    return Instance(SeriesRule(gaps=(gap, gap)), MONDAY, free)


# -- brute force: every plan, by definition --------------------------------------------------------------------------


def naive_starts(instance: Instance) -> dict[date, list[int]]:
    free, wishes = instance.free, instance.wishes
    found: dict[date, list[int]] = {}
    for d, day in enumerate(free.days):
        if day < instance.not_before or day in wishes.unavailable:
            continue
        for t, minute in enumerate(free.minutes):
            if wishes.earliest_min is not None and minute < wishes.earliest_min:
                continue
            if wishes.latest_min is not None and minute > wishes.latest_min:
                continue
            people = [free.chairs[d, t], free.nurses[d, t], *([free.clinicians[d, t]] if free.clinician_ids else [])]
            if all(any(one) for one in people):
                found.setdefault(day, []).append(minute)
    return found


DatePlan = tuple[tuple[int, int, int], dict[int, date], frozenset[int]]  # (missing, breach, distance), days, missing


def date_plans(instance: Instance, demand: Demand) -> Iterator[DatePlan]:
    starts = naive_starts(instance)
    reference = {one.number: one.day for one in reference_for(instance)}
    horizon = [instance.not_before + timedelta(days=offset) for offset in range(30)]

    def go(
        number: int, days: dict[int, date], missing: frozenset[int], cost: tuple[int, int, int]
    ) -> Iterator[DatePlan]:
        if number > instance.rule.count:
            yield cost, days, missing
            return
        fixed = instance.fixed.get(number)
        options = [(day, False) for day in starts] if fixed is None else [(fixed.day, False)]
        if fixed is None and demand.allow_missing:
            options += [(day, True) for day in horizon]
        previous = days.get(number - 1, instance.before if number == 1 and instance.rule.entry else None)
        gap = instance.rule.into(number)
        settled = fixed is not None and (number - 1 in instance.fixed or number == 1)
        for day, misses in options:
            over = 0
            if previous is not None and gap is not None and not settled:
                apart = (day - previous).days
                over = max(apart - gap.max_days, 0)
                if apart < gap.min_days or (over and not demand.allow_longer):
                    continue
            distance = 0 if fixed is not None else abs((day - reference[number]).days)
            total = (cost[0] + misses, cost[1] + over, cost[2] + distance)
            yield from go(number + 1, days | {number: day}, missing | ({number} if misses else frozenset()), total)

    yield from go(1, {}, frozenset(), (0, 0, 0))


def naive_switches(ids: Sequence[int], options: Sequence[list[int | None]], wished: int | None) -> int:
    best = 999
    for used in product(*options):
        named = [one for one in used if one is not None]
        if wished in ids:
            count = sum(one != wished for one in named)
        else:
            known = Counter(one for one in named if one in ids)
            count = len(named) - max(known.values(), default=0)
        best = min(best, count)
    return best if ids else 0


def naive_best(instance: Instance, demand: Demand) -> tuple[int, ...] | None:
    """The smallest score over all plans; people are tried in every assignment, anchors at every minute that matters."""
    plans = list(date_plans(instance, demand))
    if not plans:
        return None
    best_dates = min(cost for cost, _, _ in plans)
    starts, free, wishes = naive_starts(instance), instance.free, instance.wishes
    best: tuple[int, ...] | None = None
    for cost, days, missing in plans:
        if cost != best_dates:
            continue
        visits = [number for number in days if number not in missing]
        fixed = instance.fixed
        minutes = [[fixed[n].start_min] if n in fixed else starts[days[n]] for n in visits]
        for chosen in product(*minutes):
            known = [minute for minute in chosen if minute is not None]
            anchors = range(530, 640) if wishes.preferred_min is None else [wishes.preferred_min]
            spread = min(sum(abs(minute - anchor) for minute in known) for anchor in anchors)
            if best is not None and (*cost, spread) > best[:4]:
                continue
            switches = 0
            for role, ids, who in (
                ("clinician_id", free.clinician_ids, free.clinicians),
                ("chair_id", free.chair_ids, free.chairs),
                ("nurse_id", free.nurse_ids, free.nurses),
            ):
                options: list[list[int | None]] = []
                for n, minute in zip(visits, chosen, strict=True):
                    if n in fixed:
                        options.append([getattr(fixed[n], role)])
                    else:
                        assert minute is not None
                        row = who[free.days.index(days[n]), free.minutes.index(minute)]
                        options.append([one for one, ok in zip(ids, row, strict=True) if ok])
                switches += naive_switches(ids, options, getattr(wishes, role)) if ids else 0
            leftovers = sum(
                round(100 * (1 - float(free.load[free.days.index(days[n]), free.minutes.index(minute)])))
                for n, minute in zip(visits, chosen, strict=True)
                if n not in fixed and minute is not None
            )
            found = (*cost, spread, switches, days[instance.rule.count].toordinal(), leftovers)
            best = found if best is None else min(best, found)
    return best


def judged(instance: Instance, solution: Solution) -> bool:
    settled = frozenset(instance.fixed)
    verdict = judge(
        solution.placed,
        instance.rule,
        today=instance.not_before,
        is_open=open_on(instance),
        wishes=instance.wishes,
        free=instance.free,
        before=instance.before,
        done=settled,
    )
    return verdict.is_legal


@EXACT
@given(instances())
def test_the_planner_finds_the_optimum_of_brute_force_and_the_judge_calls_it_legal(instance: Instance) -> None:
    solution, best = solve(instance), naive_best(instance, Demand())
    assert (solution.score if solution else None) == best
    if solution is not None:
        assert judged(instance, solution)


@EXACT
@given(tied_instances())
def test_among_plans_that_are_equally_near_the_later_goals_decide_as_in_brute_force(instance: Instance) -> None:
    solution = solve(instance)
    assert (solution.score if solution else None) == naive_best(instance, Demand())


@EXACT
@given(instances())
def test_with_gaps_missing_the_planner_leaves_out_as_few_as_brute_force(instance: Instance) -> None:
    demand = Demand(allow_missing=True)
    solution, best = solve(instance, demand), naive_best(instance, demand)
    assert (solution.score if solution else None) == best
    if solution is not None:
        assert judged(instance, solution)
        assert len(solution.placed) + len(solution.missing) == instance.rule.count


@EXACT
@given(instances())
def test_with_an_override_the_planner_exceeds_the_maximum_by_as_few_days_as_brute_force(instance: Instance) -> None:
    demand = Demand(allow_longer=True)
    solution, best = solve(instance, demand), naive_best(instance, demand)
    assert (solution.score if solution else None) == best


# -- worked examples -------------------------------------------------------------------------------------------------


def all_free(days: int = 40, *, closed: Mapping[date, bool] | None = None, start: date = MONDAY) -> FreeStarts:
    dates = tuple(start + timedelta(days=offset) for offset in range(days))
    is_open = frozenset(day for day in dates if day.weekday() < 5 and day not in (closed or {}))
    shape = (days, len(MINUTES))
    return FreeStarts(
        dates,
        MINUTES,
        (1, 2),
        (3, 4),
        (5,),
        np.ones((*shape, 2), dtype=bool),
        np.ones((*shape, 2), dtype=bool),
        np.ones((*shape, 1), dtype=bool),
        np.zeros(shape, dtype=np.float32),
        is_open,
    )


def must(instance: Instance, demand: Demand | None = None) -> Solution:
    solution = solve(instance, demand)
    assert solution is not None
    return solution


@pytest.mark.parametrize(
    ("start", "closed", "expected"),
    [
        (date(2027, 1, 4), {}, [4, 6, 8, 11, 13, 15]),
        (date(2027, 1, 11), {date(2027, 1, 18): True}, [11, 13, 15, 19, 22, 25]),
    ],
    ids=["case 16", "case 17"],
)
def test_where_the_reference_dates_are_free_the_best_plan_is_exactly_those(
    start: date, closed: Mapping[date, bool], expected: list[int]
) -> None:
    instance = Instance(BY_ID["T-MWF6"].rule(), start, all_free(closed=closed, start=start))
    solution = must(instance)
    assert [one.day.day for one in solution.placed] == expected
    assert solution.score[:5] == (0, 0, 0, 0, 0)


def test_a_full_wednesday_moves_the_second_to_thursday_and_the_rest_follows_as_after_a_closure() -> None:
    free = all_free()
    free.chairs[2, :, :] = False  # Wed 6 Jan
    solution = must(Instance(BY_ID["T-MWF6"].rule(), MONDAY, free))
    assert [one.day.day for one in solution.placed] == [4, 7, 11, 13, 15, 18]  # as R3a and R4 would have it


def test_the_wished_time_clinician_chair_and_nurse_are_kept_where_they_are_free() -> None:
    wishes = Wishes(preferred_min=600, chair_id=2, nurse_id=4, clinician_id=5)
    solution = must(Instance(BY_ID["T-MWF6"].rule(), MONDAY, all_free(), wishes))
    seen = {(one.start_min, one.chair_id, one.nurse_id, one.clinician_id) for one in solution.placed}
    assert seen == {(600, 2, 4, 5)}


def test_a_given_infusion_pulls_the_rest_to_its_time_and_its_chair() -> None:
    fixed = {1: Placed(1, MONDAY, 630, 2, 4, 5)}
    solution = must(Instance(BY_ID["T-MWF6"].rule(), MONDAY + timedelta(days=1), all_free(), Wishes(), fixed))
    assert {(one.start_min, one.chair_id, one.nurse_id) for one in solution.placed} == {(630, 2, 4)}


def test_chair_nurse_and_clinician_must_be_free_at_the_same_start() -> None:
    free = all_free(days=1)
    free.chairs[0, 0, :] = False
    free.nurses[0, 1, :] = False
    free.clinicians[0, 2, :] = False
    instance = Instance(expand(BY_ID["T-PAIN1"].steps), MONDAY, free)
    assert solve(instance) is None
    free.clinicians[0, 2, :] = True
    assert must(instance).placed == (Placed(1, MONDAY, 630, 1, 3, 5),)


def test_the_main_chair_is_left_only_where_it_is_taken() -> None:
    free = all_free()
    free.chairs[4, :, 0] = False  # chair 1 on Fri 8 Jan
    free.chairs[7, :, 1] = False  # chair 2 on Mon 11 Jan
    free.chairs[9, :, 1] = False  # chair 2 on Wed 13 Jan
    solution = must(Instance(BY_ID["T-MWF6"].rule(), MONDAY, free))
    assert [one.chair_id for one in solution.placed] == [1, 1, 2, 1, 1, 1]
    assert solution.score.switches == 1


def test_busy_times_are_preferred_so_that_quiet_hours_stay_in_one_piece() -> None:
    free = all_free()
    free.load[:, 1] = 0.5
    solution = must(Instance(BY_ID["T-MWF6"].rule(), MONDAY, free))
    assert {one.start_min for one in solution.placed} == {600}


def test_two_equally_near_days_are_never_joined_by_an_illegal_gap() -> None:
    free = all_free(days=8)
    free.chairs[[1, 3, 6]] = False  # the reference days 4 + 3 and 4 + 6 are taken, their neighbours are free
    open_all_week = replace(free, open_days=frozenset(free.days))
    open_all_week.load[4] = 1.0  # day 4 would be the best second day, if only day 5 were not one day after it
    gap = GapRule(2, 5, target_days=3)
    solution = must(Instance(SeriesRule(gaps=(gap, gap)), MONDAY, open_all_week))
    assert [(one.day - MONDAY).days for one in solution.placed] == [0, 2, 5]


def test_maintenance_keeps_its_distance_from_the_series_before() -> None:
    instance = Instance(BY_ID["M-W4"].rule(), MONDAY, all_free(), before=date(2027, 1, 4))
    assert must(instance).placed[0].day == date(2027, 1, 11)


def test_a_demand_for_one_minute_or_one_person_is_met_or_refused() -> None:
    free = all_free()
    free.nurses[:, :, 1] = False
    instance = Instance(BY_ID["T-MWF6"].rule(), MONDAY, free)
    assert {one.start_min for one in must(instance, Demand(minute=630)).placed} == {630}
    assert solve(instance, Demand(minute=615)) is None
    assert {one.nurse_id for one in must(instance, Demand(nurse_id=3)).placed} == {3}
    assert solve(instance, Demand(nurse_id=4)) is None
    assert solve(instance, Demand(clinician_id=77)) is None


def test_a_series_that_is_wholly_settled_is_its_own_answer() -> None:
    fixed = {1: Placed(1, MONDAY, 540, 1, 3, 5)}
    instance = Instance(expand(BY_ID["T-PAIN1"].steps), MONDAY, all_free(days=3), Wishes(), fixed)
    assert must(instance).placed == (fixed[1],)


def test_the_score_is_a_definition_that_can_be_counted_by_hand() -> None:
    free = all_free()
    free.load[:, :] = 0.25
    instance = Instance(expand(BY_ID["T-MWF6"].steps, 3), MONDAY, free)
    placed = [
        Placed(1, date(2027, 1, 4), 540, 1, 3, 5),
        Placed(2, date(2027, 1, 7), 600, 1, 4, 5),  # a day after its reference date, another nurse, an hour later
        Placed(3, date(2027, 1, 11), 540, 1, 3, 5),  # three days after
    ]
    reference = {1: date(2027, 1, 4), 2: date(2027, 1, 6), 3: date(2027, 1, 8)}
    assert score_of(instance, placed, reference) == Score(0, 0, 4, 60, 1, date(2027, 1, 11).toordinal(), 225)
