"""Two threads, each with a database connection of its own, and what one race is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from django.db import connections

from clinic.tests.fixtures.parallel import Outcome

PATIENCE_S = 120


class Pair:
    """The same two connections race again and again; connecting is slow, and the race is about what comes after."""

    def __enter__(self) -> Self:
        self._gate = threading.Barrier(2)
        self._threads = ThreadPoolExecutor(max_workers=2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.race(lambda _: connections.close_all())
        self._threads.shutdown()

    def race(self, work: Callable[[int], Any]) -> list[Outcome]:
        """What ``work(0)`` and ``work(1)`` came to."""
        futures = [self._threads.submit(self._run, work, index) for index in (0, 1)]
        return [future.result(PATIENCE_S) for future in futures]

    def _run(self, work: Callable[[int], Any], index: int) -> Outcome:
        self._gate.wait(PATIENCE_S)  # each of the two threads takes one: neither comes past this alone
        try:
            return Outcome(value=work(index))
        except Exception as error:  # noqa: BLE001 (whatever it is, it is judged)
            return Outcome(error=error)


class Race(Protocol):
    """One kind of race. The scene is set when it is made."""

    @property
    def name(self) -> str:
        """What is raced for, in words."""

    @property
    def refusals(self) -> tuple[type[Exception], ...]:
        """What the loser may be told with."""

    def ready(self, number: int) -> Callable[[int], Any]:
        """What the two do in the round of this number, on rows that are there now."""

    def wrong(self, outcomes: list[Outcome]) -> str:
        """What is not as it must be; "" when one won and the other was told."""


@dataclass(frozen=True)
class Played:
    """What came of all rounds of one kind."""

    name: str
    rounds: int
    seconds: float
    mistakes: tuple[str, ...]


def one_won(outcomes: list[Outcome], refusals: tuple[type[Exception], ...]) -> str:
    """Empty when one came through and the other was refused by the service, with words for a person."""
    errors = [one.error for one in outcomes if one.error is not None]
    if len(errors) != 1:
        return f"{2 - len(errors)} of 2 won: {outcomes}"
    if not isinstance(errors[0], refusals):
        return f"the loser saw {type(errors[0]).__name__}: {errors[0]}"
    return "" if str(errors[0]).strip() else f"the loser was told nothing: {errors[0]!r}"
