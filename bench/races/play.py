"""All rounds of one kind."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from bench.races.pair import Pair, Played, Race

MISTAKES_KEPT = 5


def play(race: Race, rounds: int, *, until: float = math.inf, say: Callable[[str], None] = lambda _: None) -> Played:
    """Every round was raced and judged; only the races are timed, not what sets their scene.

    Args:
        until: no round begins after this moment of ``time.monotonic()``.
    """
    mistakes: list[str] = []
    wrong, raced, seconds = 0, 0, 0.0
    with Pair() as pair:
        for number in range(rounds):
            if time.monotonic() > until:
                break
            work = race.ready(number)
            begun = time.perf_counter()
            outcomes = pair.race(work)
            seconds += time.perf_counter() - begun
            raced += 1
            if said := race.wrong(outcomes):
                wrong += 1
                if len(mistakes) < MISTAKES_KEPT:
                    mistakes.append(f"round {number}: {said}")
            if number % 100 == 99:
                say(f"{race.name}: {number + 1} of {rounds}, {wrong} wrong")
    if wrong > len(mistakes):
        mistakes.append(f"… and {wrong - len(mistakes)} more")
    return Played(race.name, raced, seconds, tuple(mistakes))
