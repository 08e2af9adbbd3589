"""Which lane of a resource a claim gets. A resource with three lanes serves three claims at any moment, never four.

The question "is there room?" is answered by counting, never by looking for one lane that happens to be free throughout:
two claims booked in an unlucky order may leave lane 0 free before ten and lane 1 free after ten, and a claim across ten
is then no reason to refuse. Spans are intervals on a line, so as long as no moment holds more than ``lanes`` of them a
distribution over the lanes exists, and :func:`distribute` finds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Held:
    """One lane taken for the half-open span ``[start, end)``.

    ``allocation_id`` and ``booking_id`` are None for what the same request took a moment ago; ``index`` is then its
    place in the request. ``blocked`` means that nothing else may happen beside it, in whatever lane.
    """

    start: datetime
    end: datetime
    lane: int
    blocked: bool = False
    allocation_id: int | None = None
    booking_id: int | None = None
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """A wish for one resource: any lane (None), a certain one, or all of them (``blocked``)."""

    start: datetime
    end: datetime
    lane: int | None = None
    blocked: bool = False
    index: int = 0


@dataclass(frozen=True, slots=True)
class Fit:
    """The lanes that one ask gets; or what is in its way; or neither, when the lanes must be distributed anew."""

    lanes: tuple[int, ...] = ()
    in_the_way: tuple[Held, ...] = ()

    @property
    def is_tangled(self) -> bool:
        return not self.lanes and not self.in_the_way


def overlapping(held: Iterable[Held], start: datetime, end: datetime) -> list[Held]:
    """What touches the half-open span ``[start, end)``; meeting end to start is no touch."""
    return [one for one in held if one.start < end and start < one.end]


def most_at_once(held: Sequence[Held], start: datetime, end: datetime) -> int:
    """The largest number of ``held`` at one moment inside ``[start, end)``.

    The number only grows where something begins, so looking at the beginnings is enough.
    """
    near = overlapping(held, start, end)
    moments = {max(one.start, start) for one in near}
    return max((sum(one.start <= moment < one.end for one in near) for moment in moments), default=0)


def fit(asks: Sequence[Ask], held: Sequence[Held], *, lanes: int, special_from: int) -> list[Fit]:
    """One answer for each ask, in order; an ask that got its lane stands in the way of those after it.

    Args:
        asks: all for the same resource.
        held: what is taken there already, at least everything that touches an ask.
        lanes: how many ordinary lanes there are, numbered from 0.
        special_from: lanes from this number on stand outside the count (a nurse's full attention).
    """
    taken, answers = list(held), []
    for ask in asks:
        near = overlapping(taken, ask.start, ask.end)
        answer = _answer(ask, near, lanes, special_from)
        answers.append(answer)
        if not answer.in_the_way:
            mine = Held(ask.start, ask.end, lane=-1, blocked=ask.blocked, index=ask.index)
            taken += [replace(mine, lane=lane) for lane in answer.lanes or (-1,)]
    return answers


def _answer(ask: Ask, near: Sequence[Held], lanes: int, special_from: int) -> Fit:
    if ask.blocked:
        return Fit(in_the_way=tuple(near)) if near else Fit(lanes=(*range(lanes), special_from))
    way = [one for one in near if one.blocked or one.lane == ask.lane]
    ordinary = [one for one in near if one.lane < special_from]
    counts = ask.lane is None or ask.lane < special_from
    if not way and counts and most_at_once(ordinary, ask.start, ask.end) >= lanes:
        way = ordinary
    if way:
        return Fit(in_the_way=tuple(way))
    if ask.lane is not None:
        return Fit(lanes=(ask.lane,))
    used = {one.lane for one in ordinary}
    return Fit(lanes=tuple(lane for lane in range(lanes) if lane not in used)[:1])


def cluster(held: Sequence[Held], start: datetime, end: datetime) -> tuple[list[Held], datetime, datetime]:
    """Everything that hangs together with ``[start, end)`` through chains of overlaps, and the stretch it fills."""
    while True:
        mine = overlapping(held, start, end)
        wider = (min([start, *(one.start for one in mine)]), max([end, *(one.end for one in mine)]))
        if wider == (start, end):
            return mine, start, end
        start, end = wider


def distribute(held: Sequence[Held], *, lanes: int) -> list[int] | None:
    """A lane for each of ``held``, its present one where possible; None when some moment holds more than ``lanes``.

    In the order of their beginnings any free lane will do: when one begins, all lanes in use hold something at this
    very moment, so a lane is free whenever the count allows it. Source: interval partitioning, Kleinberg and Tardos,
    Algorithm Design (2005), 4.1.
    """
    order = sorted(range(len(held)), key=lambda position: (held[position].start, held[position].end, position))
    free_from: dict[int, datetime] = {}
    found = [-1] * len(held)
    for position in order:
        one = held[position]
        free = [lane for lane in range(lanes) if lane not in free_from or free_from[lane] <= one.start]
        if not free:
            return None
        lane = one.lane if one.lane in free else free[0]
        free_from[lane] = one.end
        found[position] = lane
    return found


def full_spans(taken: IntArray, capacity: IntArray) -> IntArray:
    """When a resource has no room left, whichever lanes are in use: the bulk form of counting.

    Args:
        taken: rows (resource index, weight, lo, hi), half-open; the weight is how much of the capacity a row takes.
        capacity: per resource index how much there is.

    Returns:
        Rows (resource index, lo, hi) during which the weights sum to the capacity or more. Neighbours may touch.
    """
    rows = taken[(taken[:, 3] > taken[:, 2]) & (taken[:, 1] > 0)]
    if len(rows) == 0:
        return np.zeros((0, 3), dtype=np.int64)
    resource = np.concatenate([rows[:, 0], rows[:, 0]])
    moment = np.concatenate([rows[:, 2], rows[:, 3]])
    change = np.concatenate([rows[:, 1], -rows[:, 1]])
    order = np.lexsort((moment, resource))
    resource, moment, change = resource[order], moment[order], change[order]
    # Each resource's changes sum to zero, so one running sum serves all of them. Between two equal moments it may be
    # anything, but that stretch is empty.
    in_use = np.cumsum(change)[:-1]
    is_full = (in_use >= capacity[resource[:-1]]) & (moment[1:] > moment[:-1]) & (resource[1:] == resource[:-1])
    full: IntArray = np.stack([resource[:-1], moment[:-1], moment[1:]], axis=1)[is_full]
    return full
