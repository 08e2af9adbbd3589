"""One question of the planner as arrays: which day may hold which infusion, which start, and what each choice costs.

The day axis is contiguous calendar days; index 0 is the last infusion before the open ones, or the first possible day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from courses.planning.day_costs import INF, DayCosts, IntArray, axis_of
from courses.planning.objective import LEFTOVER_STEPS
from courses.planning.question import Demand, demanded_starts
from courses.planning.types import BoolArray, Instance, Placed

ROLES = ("clinician", "chair", "nurse")


@dataclass(frozen=True, slots=True)
class Mains:
    """The people worth considering as main ones, and all their combinations as one axis."""

    candidates: tuple[npt.NDArray[np.intp], ...]  # per role; indices into its ids, [-1] where the role has nobody
    settled: IntArray  # [combination]: switches among the infusions before the open ones

    def combination(self, index: int) -> tuple[int, ...]:
        """The main one per role behind a position on the combinations' axis."""
        places = np.unravel_index(index, tuple(len(one) for one in self.candidates))
        return tuple(int(one[place]) for one, place in zip(self.candidates, places, strict=True))


@dataclass(frozen=True, slots=True)
class Problem:
    """The arrays of one question. ``numbers`` are the infusions after the settled beginning of the series."""

    instance: Instance
    numbers: tuple[int, ...]
    origin: int  # ordinal of axis index 0
    size: int
    calendar: npt.NDArray[np.intp]  # axis index -> index in ``free.days``, or -1
    starts: BoolArray  # [axis, time]
    day_costs: list[IntArray]
    steps: list[IntArray]
    settled: tuple[Placed, ...]  # infusions 1..k that are fixed without a gap
    minutes: IntArray
    leftover_table: IntArray
    free_of: tuple[BoolArray, ...]  # per role [day, time, id]
    ids_of: tuple[tuple[int, ...], ...]

    @classmethod
    def build(cls, instance: Instance, demand: Demand, reference: Mapping[int, date]) -> Problem:
        """The arrays for an instance, a demand and the reference dates."""
        count, free = instance.rule.count, instance.free
        beginning = 0
        while beginning + 1 in instance.fixed and beginning < count:
            beginning += 1
        settled = tuple(instance.fixed[number] for number in range(1, beginning + 1))
        numbers = tuple(range(beginning + 1, count + 1))
        previous = settled[-1].day if settled else (instance.before if instance.rule.entry is not None else None)
        origin, size = axis_of(instance, demand, numbers, previous)
        calendar = np.full(size, -1, dtype=np.intp)
        for index, day in enumerate(free.days):
            if 0 <= day.toordinal() - origin < size:
                calendar[day.toordinal() - origin] = index
        starts = np.zeros((size, len(free.minutes)), dtype=bool)
        inside = calendar >= 0
        starts[inside] = demanded_starts(instance, demand)[calendar[inside]]
        has_start: BoolArray = np.logical_or.reduce(starts, axis=1)
        days = DayCosts(instance, demand, reference, origin, size, has_start)
        load = np.clip(free.load.astype(np.float64), 0.0, 1.0)
        return cls(
            instance=instance,
            numbers=numbers,
            origin=origin,
            size=size,
            calendar=calendar,
            starts=starts,
            day_costs=days.costs(numbers, previous),
            steps=days.steps(numbers),
            settled=settled,
            minutes=np.asarray(free.minutes, dtype=np.int64),
            leftover_table=np.rint(LEFTOVER_STEPS * (1 - load)).astype(np.int64),
            free_of=(free.clinicians, free.chairs, free.nurses),
            ids_of=(free.clinician_ids, free.chair_ids, free.nurse_ids),
        )

    def day_at(self, node: int) -> date:
        """The date behind an axis index."""
        return date.fromordinal(self.origin + node)

    # -- time of day -------------------------------------------------------------------------------------------------

    def anchor_minutes(self, nodes: Sequence[npt.NDArray[np.intp]]) -> IntArray:
        """The minutes of the day that may be the common time: the wished one, else any start of a visit."""
        if self.instance.wishes.preferred_min is not None:
            return np.asarray([self.instance.wishes.preferred_min], dtype=np.int64)
        used = np.zeros(len(self.minutes), dtype=bool)
        for number, days in zip(self.numbers, nodes, strict=True):
            if number not in self.instance.fixed:
                used |= self.starts[days].any(axis=0)
        fixed = [one.start_min for one in self.instance.fixed.values() if one.start_min is not None]
        found = np.unique(np.concatenate([self.minutes[used], np.asarray(fixed, dtype=np.int64)]))
        return found if len(found) else np.zeros(1, dtype=np.int64)

    def settled_spread(self, anchors: IntArray) -> IntArray:
        """[anchor]: the time spread of the settled beginning."""
        known = np.asarray([one.start_min for one in self.settled if one.start_min is not None], dtype=np.int64)
        spread: IntArray = np.abs(known[None, :] - anchors[:, None]).sum(axis=1)
        return spread

    def _distances(self, nodes: npt.NDArray[np.intp], anchors: IntArray) -> IntArray:
        apart = np.abs(self.minutes[None, :] - anchors[:, None])
        return np.where(self.starts[nodes][None, :, :], apart[:, None, :], INF)

    def time_costs(self, k: int, nodes: npt.NDArray[np.intp], anchors: IntArray) -> IntArray:
        """[anchor, node]: minutes between the anchor and the nearest allowed start; 0 where no start exists."""
        fixed = self.instance.fixed.get(self.numbers[k])
        if fixed is not None:
            apart = np.zeros_like(anchors) if fixed.start_min is None else np.abs(anchors - fixed.start_min)
            return np.repeat(apart[:, None], len(nodes), axis=1)
        nearest = self._distances(nodes, anchors).min(axis=2)
        return np.where(nearest >= INF, 0, nearest)

    def nearest_starts(self, k: int, nodes: npt.NDArray[np.intp], anchors: IntArray) -> IntArray:
        """[anchor, node, 1 or 2]: the indices of the nearest starts (before and after the anchor), -1 for none."""
        if self.numbers[k] in self.instance.fixed:
            return np.full((len(anchors), len(nodes), 1), -1, dtype=np.int64)
        apart = self._distances(nodes, anchors)
        first = apart.argmin(axis=2)
        last = apart.shape[2] - 1 - apart[:, :, ::-1].argmin(axis=2)
        both = first[:, :, None] if np.array_equal(first, last) else np.stack([first, last], axis=2)
        return np.where(apart.min(axis=2)[:, :, None] >= INF, -1, both)

    # -- people and chairs -------------------------------------------------------------------------------------------

    @property
    def people_combinations(self) -> int:
        """How many choices of main people and chair there are at most."""
        return int(np.prod([max(1, len(ids)) for ids in self.ids_of]))

    def _available(self, role: int, k: int, nodes: npt.NDArray[np.intp], starts: IntArray) -> BoolArray:
        """[anchor, node, start, id]: whether this one could take the visit; true throughout where there is none."""
        ids = np.asarray(self.ids_of[role], dtype=np.int64)
        fixed = self.instance.fixed.get(self.numbers[k])
        if fixed is not None:
            return np.broadcast_to(_matches(fixed, role, ids), (*starts.shape, len(ids)))
        days = self.calendar[nodes][None, :, None]
        known: BoolArray = self.free_of[role][days, starts] | (starts < 0)[..., None]
        return known

    def mains(self, visits: Sequence[tuple[int, npt.NDArray[np.intp], IntArray]]) -> Mains:
        """The main ones worth considering: the wished one, else one of each pattern of availability."""
        candidates = []
        settled = np.zeros(1, dtype=np.int64)
        for role, ids in enumerate(self.ids_of):
            wished = getattr(self.instance.wishes, f"{ROLES[role]}_id")
            if not ids:
                chosen = np.asarray([-1], dtype=np.intp)
            elif wished in ids:
                chosen = np.asarray([ids.index(wished)], dtype=np.intp)
            else:
                chosen = self._distinct(role, visits)
            candidates.append(chosen)
            known = np.asarray(ids, dtype=np.int64)
            mine = np.zeros(len(chosen), dtype=np.int64)
            for one in self.settled if ids else ():
                mine += ~_matches(one, role, known)[chosen]
            settled = (settled[:, None] + mine[None, :]).ravel()
        return Mains(tuple(candidates), settled)

    def _distinct(
        self, role: int, visits: Sequence[tuple[int, npt.NDArray[np.intp], IntArray]]
    ) -> npt.NDArray[np.intp]:
        """One of several that are free at exactly the same visits is enough: they cost the same everywhere."""
        known = np.asarray(self.ids_of[role], dtype=np.int64)
        rows = [self._available(role, k, nodes, starts).reshape(-1, len(known)) for k, nodes, starts in visits]
        rows += [_matches(one, role, known)[None, :] for one in self.settled]
        patterns = np.ascontiguousarray(np.concatenate(rows).T)
        first: dict[bytes, int] = {}
        for index, pattern in enumerate(patterns):
            first.setdefault(pattern.tobytes(), index)
        return np.asarray(sorted(first.values()), dtype=np.intp)

    def role_misses(self, role: int, k: int, nodes: npt.NDArray[np.intp], starts: IntArray, mains: Mains) -> IntArray:
        """[anchor, node, candidate]: 1 where this main one could take none of the nearest starts."""
        available = self._available(role, k, nodes, starts)[..., mains.candidates[role]]
        return 1 - np.asarray(available.any(axis=2), dtype=np.int64)

    def switch_counts(self, k: int, nodes: npt.NDArray[np.intp], starts: IntArray, mains: Mains) -> IntArray:
        """[anchor, node, start, combination]: how many of clinician, chair and nurse would not be the main one."""
        total = np.zeros((*starts.shape, 1), dtype=np.int64)
        for role, candidates in enumerate(mains.candidates):
            if self.ids_of[role]:
                missed = (~self._available(role, k, nodes, starts)[..., candidates]).astype(np.int64)
                total = (total[..., :, None] + missed[..., None, :]).reshape(*starts.shape, -1)
        return total

    def leftovers(self, k: int, nodes: npt.NDArray[np.intp], starts: IntArray) -> IntArray:
        """[anchor, node, start]: what a start leaves unused around it; 0 where none is chosen here."""
        if self.numbers[k] in self.instance.fixed:
            return np.zeros(starts.shape, dtype=np.int64)
        return np.where(starts < 0, 0, self.leftover_table[self.calendar[nodes][None, :, None], starts])

    def place(self, number: int, node: int, start: int, mains: tuple[int, ...]) -> Placed:
        """The visit with its main people where they are free, else with the first who are."""
        day = int(self.calendar[node])
        chosen: list[int | None] = []
        for role, main in enumerate(mains):
            ids, free = self.ids_of[role], self.free_of[role]
            if not ids:
                chosen.append(None)
                continue
            row = free[day, start]
            chosen.append(ids[main if row[main] else int(row.argmax())])
        clinician, chair, nurse = chosen
        return Placed(number, self.day_at(node), int(self.minutes[start]), chair, nurse, clinician)


def _matches(one: Placed, role: int, ids: IntArray) -> BoolArray:
    """Which of the ids is the one of a settled visit; all of them where it is not known."""
    mine = getattr(one, f"{ROLES[role]}_id")
    return np.ones(len(ids), dtype=bool) if mine is None else ids == mine
