"""Many at once, each with a connection of its own: who gets in, who is told why not, and how long it takes."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator
from typing import Any

from django.utils import timezone

from bench.dataset import Data
from bench.harness import Figure, of_times
from bench.measures.booking import Asker
from clinic.services.bookings import TimeTakenError, book
from clinic.tests.fixtures.parallel import Outcome, run_parallel

TITLE = "Contention"
WRITERS, ROUNDS, LATE_ROUNDS, PAIR_ROUNDS = 50, 10, 50, 40


def measure(data: Data) -> Iterator[Figure]:
    asker = Asker(data)

    def race(threads: int, work: Callable[[int], Any]) -> tuple[float, list[Outcome]]:
        begun = clock.perf_counter()
        outcomes = run_parallel(threads, work)
        return (clock.perf_counter() - begun) * 1000, outcomes

    yield _same_slot(data, asker, race)
    yield _different_slots(data, asker, race)
    yield _a_little_later(data, asker, race)
    yield _two_series(data, asker, race)


def _same_slot(data: Data, asker: Asker, race: Any) -> Figure:  # noqa: ANN401 (the function above)
    times, winners, strange = [], [], 0
    for number in range(ROUNDS):
        start = asker.start(number, 0, 8)
        wanted = [asker.infusion(start, patient=1 + person, chair=2, nurse=2, clinician=1) for person in range(WRITERS)]
        took, outcomes = race(
            WRITERS, lambda person, wanted=wanted: book([wanted[person]], by=data.desk, now=timezone.now())
        )
        times.append(took)
        winners.append(sum(bool(one.value) for one in outcomes))
        strange += sum(bool(one.error) and not isinstance(one.error, TimeTakenError) for one in outcomes)
    result = (
        f"{min(winners)}–{max(winners)} of {WRITERS} got it in {ROUNDS} races; every other was told what is in the way"
    )
    right = set(winners) == {1} and not strange
    return of_times(f"{WRITERS} writers, one slot (all of them)", times, result=_said(result, strange), is_right=right)


def _different_slots(data: Data, asker: Asker, race: Any) -> Figure:  # noqa: ANN401
    times, winners, strange = [], [], 0
    for number in range(3):
        slots = [asker.start(number * WRITERS + week, 1, 13) for week in range(WRITERS)]
        wanted = [
            asker.infusion(slot, patient=1 + person, chair=3, nurse=3, clinician=2) for person, slot in enumerate(slots)
        ]
        took, outcomes = race(
            WRITERS, lambda person, wanted=wanted: book([wanted[person]], by=data.desk, now=timezone.now())
        )
        times.append(took)
        winners.append(sum(bool(one.value) for one in outcomes))
        strange += sum(bool(one.error) for one in outcomes)
    result = f"{min(winners)}–{max(winners)} of {WRITERS} got in"
    right = set(winners) == {WRITERS}
    return of_times(
        f"{WRITERS} writers, {WRITERS} slots of one chair", times, result=_said(result, strange), is_right=right
    )


def _a_little_later(data: Data, asker: Asker, race: Any) -> Figure:  # noqa: ANN401
    times, doubles = [], 0
    for number in range(LATE_ROUNDS):
        start, delay = asker.start(number, 2, 8), 0.040 * number / LATE_ROUNDS
        wanted = [asker.infusion(start, patient=1 + person, chair=4, nurse=4, clinician=3) for person in range(2)]

        def work(person: int, wanted: Any = wanted, delay: float = delay) -> Any:  # noqa: ANN401
            clock.sleep(delay * person)
            return book([wanted[person]], by=data.desk, now=timezone.now())

        took, outcomes = race(2, work)
        times.append(took)
        doubles += sum(bool(one.value) for one in outcomes) != 1
    result = f"{doubles} of {LATE_ROUNDS} booked twice or not at all"
    return of_times("the second 0–40 ms later", times, result=result, is_right=not doubles)


def _two_series(data: Data, asker: Asker, race: Any) -> Figure:  # noqa: ANN401
    times, wrong = [], 0
    for number in range(PAIR_ROUNDS):
        mine = asker.series(3 * number, patient=10, chair=5, count=6, hour=16)
        theirs = asker.series(3 * number, patient=11, chair=5, count=6, hour=16)[::-1]
        asked = (mine, theirs)
        took, outcomes = race(2, lambda person, asked=asked: book(asked[person], by=data.desk, now=timezone.now()))
        times.append(took)
        wrong += sorted(len(one.value or []) for one in outcomes) != [0, 6]
    result = f"one had all six and the other none in {PAIR_ROUNDS - wrong} of {PAIR_ROUNDS}"
    return of_times("two people, the same six slots in opposite order", times, result=result, is_right=not wrong)


def _said(result: str, strange: int) -> str:
    return f"{result}; {strange} failed for another reason" if strange else result
