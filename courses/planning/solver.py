"""The exact planner for one patient: the best plan by ``objective.Score``, by dynamic programming in three stages.

Gaps tie only dates together. Once the anchors are chosen - the usual time, the main clinician, chair and nurse - every
other cost belongs to one visit alone. So:

1. dates: a dynamic program over days finds the optimal sum of distances and *all* days and steps on optimal plans;
2. time: on that small graph, every anchor time at once (numpy axis), and the anchors that reach the best spread stay;
3. people, last day, leftovers: the same graph, all remaining anchors x clinicians x chairs x nurses at once, with one
   integer weight per visit that keeps the order of the objective.

Each stage keeps every optimal plan of the stage before, so the result is exact and not a greedy one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from courses.planning.day_costs import INF, IntArray
from courses.planning.objective import LEFTOVER_STEPS, Score, score_of
from courses.planning.problem import Mains, Problem
from courses.planning.question import Demand, reference_for
from courses.planning.types import BoolArray, Instance, Placed

CHUNK_CELLS = 2_000_000  # bounds the memory of stage 3 where very many anchors tie


@dataclass(frozen=True, slots=True)
class Solution:
    """An optimal plan; ``missing`` gives the day on which an infusion without a free start should have been."""

    placed: tuple[Placed, ...]
    missing: Mapping[int, date]
    score: Score


def solve(
    instance: Instance, demand: Demand | None = None, reference: Mapping[int, date] | None = None
) -> Solution | None:
    """The plan with the smallest score, or nothing when no plan meets the demand.

    Args:
        instance: the question.
        demand: further conditions, and what may be relaxed; strict when absent.
        reference: number -> reference date, where the caller has computed it already.
    """
    wanted = demand or Demand()
    dates = reference or {one.number: one.day for one in reference_for(instance)}
    problem = Problem.build(instance, wanted, dates)
    graph = _date_graph(problem)
    if graph is None:
        return None
    placed, missing = _best_on(problem, graph)
    return Solution(placed, missing, score_of(instance, placed, dates, missing))


@dataclass(frozen=True, slots=True)
class _Graph:
    """All date-optimal plans: per open number its days (axis indices), and which day may follow which."""

    nodes: list[npt.NDArray[np.intp]]
    edges: list[BoolArray]  # edges[k][i, j]: nodes[k - 1][i] -> nodes[k][j]; edges[0] is empty


def _date_graph(problem: Problem) -> _Graph | None:
    """Stage 1: every day and step that lies on a plan with the optimal sum of distances."""
    costs, steps = problem.day_costs, problem.steps
    if not costs:
        return _Graph([], [])
    forward = costs_up_to(problem)
    best = int(forward[-1].min())
    if best >= INF:
        return None
    behind = costs_after(problem)
    nodes = [np.flatnonzero(ahead + back == best) for ahead, back in zip(forward, behind, strict=True)]
    edges = [np.zeros((0, 0), dtype=bool)]
    for k in range(1, len(nodes)):
        i, j = nodes[k - 1], nodes[k]
        through = forward[k - 1][i][:, None] + steps[k][np.ix_(i, j)] + (costs[k] + behind[k])[j][None, :]
        edges.append(through == best)
    return _Graph(nodes, edges)


def costs_up_to(problem: Problem) -> list[IntArray]:
    """Per open number and day: the cheapest beginning that ends with this number on this day, its own cost included."""
    forward = problem.day_costs[:1]
    for cost, step in zip(problem.day_costs[1:], problem.steps[1:], strict=True):
        forward.append(np.minimum(INF, cost + (forward[-1][:, None] + step).min(axis=0)))
    return forward


def costs_after(problem: Problem) -> list[IntArray]:
    """Per open number and day: the cheapest rest of the series after this number on this day."""
    behind = [np.zeros(problem.size, dtype=np.int64)]
    for cost, step in zip(problem.day_costs[:0:-1], problem.steps[:0:-1], strict=True):
        behind.append(np.minimum(INF, (step + (cost + behind[-1])[None, :]).min(axis=1)))
    return behind[::-1]


def _best_on(problem: Problem, graph: _Graph) -> tuple[tuple[Placed, ...], dict[int, date]]:
    """Stages 2 and 3 on the graph of date-optimal plans."""
    settled = tuple(problem.instance.fixed.values())
    if not graph.nodes:
        return tuple(sorted(settled, key=lambda one: one.number)), {}
    anchors, spread = _best_anchors(problem, graph)
    chosen = _Choice(problem, graph, anchors, spread).best()
    placed = [*settled]
    missing: dict[int, date] = {}
    for number, node, start, mains in chosen:
        if number in problem.instance.fixed:
            continue
        day = problem.day_at(node)
        if start < 0:
            missing[number] = day
        else:
            placed.append(problem.place(number, node, start, mains))
    return tuple(sorted(placed, key=lambda one: one.number)), missing


def _best_anchors(problem: Problem, graph: _Graph) -> tuple[IntArray, int]:
    """Stage 2: the anchor minutes that reach the smallest time spread; one of a plan's own starts always does."""
    anchors = problem.anchor_minutes(graph.nodes)
    total = problem.settled_spread(anchors)[:, None]
    for k, nodes in enumerate(graph.nodes):
        reached = total if k == 0 else _cheapest_before(total, graph.edges[k])
        total = reached + problem.time_costs(k, nodes, anchors)
    per_anchor = total.min(axis=1)
    return anchors[per_anchor == per_anchor.min()], int(per_anchor.min())


def _cheapest_before(total: IntArray, edges: BoolArray) -> IntArray:
    """Per node the cheapest predecessor, all anchors at once: [anchor, i] -> [anchor, j]."""
    best: IntArray = np.where(edges[None, :, :], total[:, :, None], INF).min(axis=1)
    return best


_Path = list[tuple[int, int, int, tuple[int, ...]]]  # number, axis index, start index (-1: none), main per role


class _Choice:
    """Stage 3: the best time anchor, main people and starts together, on the graph of date-optimal plans."""

    def __init__(self, problem: Problem, graph: _Graph, anchors: IntArray, spread: int) -> None:
        self.problem, self.graph, self.anchors = problem, graph, anchors
        visits = problem.instance.rule.count
        # One integer per visit keeps the lexicographic order: each weight exceeds all that the smaller ones can add up.
        self.last_weight = visits * LEFTOVER_STEPS + 1
        self.switch_weight = self.last_weight * (problem.size + 1)
        self.time_weight = self.switch_weight * (3 * visits + 1)
        self.spread_value = self.time_weight * spread

    def best(self) -> _Path:
        """The optimal path; anchors that cannot reach the fewest switches any more are left out."""
        cells = sum(len(nodes) for nodes in self.graph.nodes) * 2 * self.problem.people_combinations
        size = max(1, CHUNK_CELLS // max(1, cells))
        found: tuple[int, _Path] | None = None
        bounds = self._fewest_switches()
        for bound in np.unique(bounds):
            if found is not None and self.switch_weight * int(bound) + self.spread_value > found[0]:
                break
            anchors = self.anchors[bounds == bound]
            for i in range(0, len(anchors), size):
                one = self._best_of(anchors[i : i + size])
                found = one if found is None or one[0] < found[0] else found
        return found[1] if found is not None else []

    def _fewest_switches(self) -> IntArray:
        """[anchor]: no plan has fewer switches; each role is looked at alone, with its own best days and starts."""
        problem, graph = self.problem, self.graph
        bound = np.zeros(len(self.anchors), dtype=np.int64)
        if len(self.anchors) == 1:
            return bound
        starts = [problem.nearest_starts(k, nodes, self.anchors) for k, nodes in enumerate(graph.nodes)]
        mains = problem.mains([(k, nodes, starts[k]) for k, nodes in enumerate(graph.nodes)])
        for role, ids in enumerate(problem.ids_of):
            if not ids:
                continue
            total = problem.role_misses(role, 0, graph.nodes[0], starts[0], mains)
            for k in range(1, len(starts)):
                misses = problem.role_misses(role, k, graph.nodes[k], starts[k], mains)
                total = self._forward(total, graph.edges[k]) + misses
            bound += total.min(axis=(1, 2))
        return bound

    def _best_of(self, anchors: IntArray) -> tuple[int, _Path]:
        problem, graph = self.problem, self.graph
        starts = [problem.nearest_starts(k, nodes, anchors) for k, nodes in enumerate(graph.nodes)]
        mains = problem.mains([(k, nodes, starts[k]) for k, nodes in enumerate(graph.nodes)])
        costs = [self._visit_costs(k, starts[k], anchors, mains) for k in range(len(starts))]
        cheapest = [cost.min(axis=2) for cost in costs]  # [anchor, node, people]
        total = self._settled(anchors, mains)[:, None, :] + cheapest[0]
        totals = [total]
        for k in range(1, len(cheapest)):
            total = self._forward(total, graph.edges[k]) + cheapest[k]
            totals.append(total)
        total = total + self.last_weight * graph.nodes[-1][None, :, None]
        a, j, p = (int(part) for part in np.unravel_index(int(total.argmin()), total.shape))
        path: _Path = []
        value = int(total[a, j, p])
        main = tuple(int(part) for part in mains.combination(p))
        for k in range(len(starts) - 1, -1, -1):
            which = int(costs[k][a, j, :, p].argmin())
            path.append((problem.numbers[k], int(graph.nodes[k][j]), int(starts[k][a, j, which]), main))
            if k:
                before = np.where(graph.edges[k][:, j], totals[k - 1][a, :, p], INF)
                j = int(before.argmin())
        return value, path[::-1]

    def _forward(self, total: IntArray, edges: BoolArray) -> IntArray:
        columns = [total[:, np.flatnonzero(edges[:, j]), :].min(axis=1) for j in range(edges.shape[1])]
        return np.stack(columns, axis=1)

    def _visit_costs(self, k: int, starts: IntArray, anchors: IntArray, mains: Mains) -> IntArray:
        """[anchor, node, which of the nearest starts, people]: one integer that keeps the order of the objective."""
        problem = self.problem
        misses = problem.switch_counts(k, self.graph.nodes[k], starts, mains)
        alone = self.time_weight * problem.time_costs(k, self.graph.nodes[k], anchors)[:, :, None] + problem.leftovers(
            k, self.graph.nodes[k], starts
        )
        return self.switch_weight * misses + alone[..., None]

    def _settled(self, anchors: IntArray, mains: Mains) -> IntArray:
        spread = self.problem.settled_spread(anchors)
        return self.time_weight * spread[:, None] + self.switch_weight * mains.settled[None, :]
