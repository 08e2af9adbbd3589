"""What every measurement needs: a clock that repeats, a figure, and a way to say that a part is missing."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

BOOKKEEPING = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK", "SET ")


class Missing(Exception):  # noqa: N818 (no error: a part of the product that is not there yet)
    """This cannot be measured here, and why."""


@dataclass(frozen=True)
class Figure:
    """One line of the table. Times in milliseconds; ``bar_ms`` is design.md's budget for the median or the p95."""

    name: str
    median_ms: float | None = None
    p95_ms: float | None = None
    best_ms: float | None = None  # the quickest run: nearest to what an idle machine would show
    runs: int = 0
    cpu_ms: float | None = None  # of this process alone (not PostgreSQL's), a mean: what other programs cannot stretch
    queries: int | None = None
    bar_ms: float | None = None
    bar_on: str = "median"
    bar_queries: int | None = None
    result: str = ""
    is_right: bool = True  # False: the outcome itself is wrong, whatever the time
    elsewhere: dict[str, float] = field(default_factory=dict)  # peers.md "Measured": milliseconds on another day

    @property
    def keeps_bar(self) -> bool | None:
        """Whether time and queries are inside their budgets; None where there is none."""
        took = self.p95_ms if self.bar_on == "p95" else self.median_ms
        answers = []
        if self.bar_ms is not None and took is not None:
            answers.append(took <= self.bar_ms)
        if self.bar_queries is not None and self.queries is not None:
            answers.append(self.queries <= self.bar_queries)
        return (all(answers) and self.is_right) if answers else (None if self.is_right else False)


def timed(name: str, work: Callable[[int], Any], *, runs: int = 20, warm_up: int = 2, **more: Any) -> Figure:
    """The figure of ``work(0)``, ``work(1)`` … after some runs that do not count."""
    for number in range(warm_up):
        work(number)
    times, used = [], time.process_time()
    for number in range(warm_up, warm_up + runs):
        begun = time.perf_counter()
        work(number)
        times.append((time.perf_counter() - begun) * 1000)
    return of_times(name, times, cpu_ms=(time.process_time() - used) * 1000 / runs, **more)


def of_times(name: str, times: list[float], **more: Any) -> Figure:
    """The figure of times that were taken elsewhere."""
    return Figure(name, statistics.median(times), percentile(times, 95), min(times), len(times), **more)


def percentile(times: list[float], percent: int) -> float:
    """The nearest rank: with 20 runs the 95th is the second slowest."""
    ordered = sorted(times)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def queries_of(work: Callable[[], Any]) -> int:
    """How many statements ``work`` sends, without transaction bookkeeping. Not timed: counting costs."""
    with CaptureQueriesContext(connection) as seen:
        work()
    return sum(not one["sql"].startswith(BOOKKEEPING) for one in seen.captured_queries)
