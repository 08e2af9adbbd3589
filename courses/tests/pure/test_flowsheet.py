"""When vital signs are due: baseline, every 10 minutes, the end, every 15 minutes; 40 minutes for a nasal dose."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from courses.pure.flowsheet import Moment, is_late, label_of, moment_of, next_due, scheduled
from courses.pure.running import Run, read_run

START = datetime(2027, 4, 5, 14, 0, tzinfo=UTC)


def minute(number: float) -> datetime:
    return START + timedelta(minutes=number)


def run(*taps: tuple[str, float]) -> Run:
    return read_run([(kind, minute(when)) for kind, when in taps], planned_min=40)


BEFORE = run()
RUNNING = run(("start", 0))
ENDED = run(("start", 0), ("end", 40))


def due(state: Run, *looks: float, now: float = 0, **more: Any) -> float | None:
    facts: dict[str, Any] = {"is_nasal": False, "during_min": 10, "after_min": 15, "arrived_at": minute(-10)} | more
    found = next_due(state, [minute(look) for look in looks], now=minute(now), **facts)
    return None if found is None else (found - START).total_seconds() / 60


def test_nobody_is_here_and_nothing_is_due() -> None:
    assert due(BEFORE, arrived_at=None) is None


def test_the_baseline_is_due_at_once_after_the_arrival_and_then_nothing_before_the_start() -> None:
    assert due(BEFORE) == -10
    assert due(BEFORE, -5) is None


def test_after_the_start_the_first_look_is_due_in_ten_minutes_whenever_the_baseline_was() -> None:
    assert due(RUNNING, -2) == 10
    assert due(RUNNING) == 10


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([10], 20),
        ([9], 19),  # one interval after the last look
        ([12], 20),  # late, and still never later than the schedule
        ([4], 10),  # an extra look answers for no time of the schedule
        ([5], 15),  # half-way it counts for +10
        ([16], 26),  # so late that it counts for +20
        ([10, 20, 31], 40),
        ([10, 15], 25),  # a repeat after five minutes
    ],
)
def test_during_the_infusion(looks: list[float], expected: float) -> None:
    assert due(RUNNING, -2, *looks, now=looks[-1]) == expected


def test_a_pause_changes_nothing_for_the_vital_signs() -> None:
    paused = run(("start", 0), ("pause", 12))
    assert due(paused, -2, 10, now=13) == 20


def test_the_end_wants_a_look_of_its_own_unless_one_is_at_most_five_minutes_old() -> None:
    assert due(ENDED, -2, 10, 20, 30, now=41) == 40
    assert due(ENDED, -2, 10, 20, 34.9, now=41) == 40
    assert due(ENDED, -2, 10, 20, 35, now=41) == 50
    assert due(ENDED, -2, 10, 20, 30, 41, now=42) == 55


def test_afterwards_every_fifteen_minutes_until_the_patient_has_left() -> None:
    assert due(ENDED, 40, 55, now=56) == 70
    assert due(ENDED, 40, 55, now=101, left_at=minute(100)) is None
    assert due(ENDED, 40, 55, now=99, left_at=minute(100)) == 70


def test_a_stop_is_an_end() -> None:
    assert due(run(("start", 0), ("stop", 23)), -2, 10, now=24) == 23


def test_a_clinic_may_set_other_intervals() -> None:
    assert due(RUNNING, -2, 5, now=6, during_min=5) == 10
    assert due(ENDED, 40, now=41, after_min=30) == 70


def test_nasal_baseline_forty_minutes_and_then_every_quarter_of_an_hour() -> None:
    given = run(("device", 0), ("device", 5))
    assert due(run(), is_nasal=True) == -10
    assert due(given, -2, now=6, is_nasal=True) == 40
    assert due(given, -2, 20, now=21, is_nasal=True) == 40  # an earlier look does not stand for the 40 minutes
    assert due(given, -2, 41, now=42, is_nasal=True) == 55


def test_late_is_later_than_the_grace() -> None:
    assert not is_late(minute(10), now=minute(12), grace_min=2)
    assert is_late(minute(10), now=minute(12) + timedelta(seconds=1), grace_min=2)
    assert not is_late(None, now=minute(12), grace_min=2)


@pytest.mark.parametrize(
    ("when", "state", "moment", "label"),
    [
        (-2, BEFORE, Moment.BASELINE, "Baseline"),
        (-0.1, RUNNING, Moment.BASELINE, "Baseline"),
        (0, RUNNING, Moment.DURING, "+0"),
        (20.9, RUNNING, Moment.DURING, "+20"),
        (34.9, ENDED, Moment.DURING, "+34"),
        (35, ENDED, Moment.END, "End"),
        (45, ENDED, Moment.END, "End"),
        (45.1, ENDED, Moment.AFTER, "End +5"),
        (55, ENDED, Moment.AFTER, "End +15"),
    ],
)
def test_a_look_has_a_name(when: float, state: Run, moment: Moment, label: str) -> None:
    assert (moment_of(minute(when), state), label_of(minute(when), state)) == (moment, label)


def labels(state: Run, now: float, **more: Any) -> list[str]:
    facts: dict[str, Any] = {"is_nasal": False, "during_min": 10, "after_min": 15, "observation_min": 60} | more
    return [slot.label for slot in scheduled(state, now=minute(now), **facts)]


def test_the_whole_schedule_of_a_forty_minute_infusion() -> None:
    expected = ["+10", "+20", "+30", "End", "End +15", "End +30", "End +45", "End +60"]
    assert labels(RUNNING, 0) == expected
    assert labels(ENDED, 50) == expected
    assert labels(BEFORE, 0) == []


def test_a_pause_moves_the_end_that_is_to_come() -> None:
    paused = run(("start", 0), ("pause", 20))
    slots = scheduled(paused, is_nasal=False, during_min=10, after_min=15, observation_min=60, now=minute(25))
    assert next(slot.at for slot in slots if slot.label == "End") == minute(45)


def test_the_schedule_of_a_nasal_dose() -> None:
    given = run(("device", 0), ("device", 5))
    assert labels(given, 6, is_nasal=True, observation_min=120) == ["+40", "+55", "+70", "+85", "+100", "+115"]
