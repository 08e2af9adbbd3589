"""Lanes: as many claims at once as there are lanes, whatever the order in which they were booked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from clinic.pure.lanes import Ask, Held, cluster, distribute, fit, most_at_once

MIDNIGHT = datetime(2027, 1, 7, tzinfo=UTC)
ATTENTION = 100


def at(hour: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hour)


def held(first: float, last: float, lane: int = 0, *, blocked: bool = False) -> Held:
    return Held(at(first), at(last), lane, blocked, allocation_id=1)


def lanes_for(*asks: Ask, taken: tuple[Held, ...] = (), lanes: int = 2) -> list[tuple[int, ...]]:
    return [one.lanes for one in fit(asks, taken, lanes=lanes, special_from=ATTENTION)]


def test_the_lowest_free_lane_is_given() -> None:
    assert lanes_for(Ask(at(9), at(10)), Ask(at(9), at(10)), Ask(at(10), at(11))) == [(0,), (1,), (0,)]


def test_a_full_moment_refuses_and_names_what_fills_it() -> None:
    taken = (held(9, 11, 0), held(10, 12, 1))
    [answer] = fit([Ask(at(10.5), at(13))], taken, lanes=2, special_from=ATTENTION)
    assert answer.in_the_way == taken
    assert lanes_for(Ask(at(11), at(13)), taken=taken) == [(0,)]


def test_the_special_lane_stands_outside_the_count() -> None:
    taken = (held(9, 10, 0), held(9, 9.25, ATTENTION))
    assert lanes_for(Ask(at(9), at(10)), taken=taken) == [(1,)]
    assert lanes_for(Ask(at(9.25), at(9.5), lane=ATTENTION), taken=taken) == [(ATTENTION,)]
    assert lanes_for(Ask(at(9.2), at(9.5), lane=ATTENTION), taken=taken) == [()]


def test_blocked_time_takes_all_lanes_and_suffers_nothing_beside_it() -> None:
    assert lanes_for(Ask(at(9), at(10), blocked=True)) == [(0, 1, ATTENTION)]
    assert lanes_for(Ask(at(9), at(10), blocked=True), taken=(held(9.5, 11),)) == [()]
    assert lanes_for(Ask(at(9), at(10)), taken=(held(9, 12, 0, blocked=True),)) == [()]


def test_room_without_a_single_free_lane_is_a_tangle_and_no_refusal() -> None:
    taken = (held(9, 10, 0), held(10, 11, 1))
    [answer] = fit([Ask(at(9), at(11))], taken, lanes=2, special_from=ATTENTION)
    assert answer.is_tangled
    knot = [*taken, Held(at(9), at(11), -1)]
    assert distribute(knot, lanes=2) == [0, 0, 1]


def test_what_needs_not_move_keeps_its_lane() -> None:
    assert distribute([held(9, 10, 1), held(9, 10, 0), held(12, 13, 1)], lanes=2) == [1, 0, 1]


def test_too_many_at_once_cannot_be_distributed() -> None:
    assert distribute([held(9, 11), held(9.5, 10), held(9.7, 12)], lanes=2) is None


def test_a_cluster_ends_where_nothing_overlaps() -> None:
    rows = [held(8, 9), held(9, 10), held(9.5, 11), held(11, 12)]
    mine, start, end = cluster(rows, at(9.2), at(9.4))
    assert mine == rows[1:3]
    assert (start, end) == (at(9), at(11))


spans = st.tuples(st.integers(0, 20), st.integers(1, 8)).map(lambda one: (one[0], one[0] + one[1]))


@given(st.lists(spans, max_size=12), st.integers(1, 4))
def test_spans_fit_exactly_when_no_moment_holds_too_many(found: list[tuple[int, int]], lanes: int) -> None:
    rows = [held(first, last, lane=-1) for first, last in found]
    crowd = max((sum(first <= hour < last for first, last in found) for hour in range(30)), default=0)
    assert most_at_once(rows, at(0), at(40)) == crowd
    answer = distribute(rows, lanes=lanes)
    assert (answer is not None) == (crowd <= lanes)
    for hour in range(30) if answer else ():
        here = [lane for lane, (first, last) in zip(answer or [], found, strict=True) if first <= hour < last]
        assert len(here) == len(set(here))
        assert all(0 <= lane < lanes for lane in here)
