"""One infusion from its taps: R8, pauses, what may follow, nasal devices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from courses.models import RunKind
from courses.pure.running import Tap, read_run, refused_tap, refused_taps, rest_left

TEN = datetime(2027, 4, 5, 14, 0, tzinfo=UTC)
MG = Decimal("41.2")
Taps = list[tuple[str, datetime]]


def at(minute: float) -> datetime:
    return TEN + timedelta(minutes=minute)


def taps(*said: str) -> Taps:
    """ "start 0", "pause 10" … as taps, minutes after ten."""
    pairs = [one.split() for one in said]
    return [(kind, at(float(minute))) for kind, minute in pairs]


def test_the_kinds_are_those_of_the_table() -> None:
    assert [tap.value for tap in Tap] == RunKind.values


def test_half_of_the_minutes_is_half_of_the_dose() -> None:
    run = read_run(taps("start 0", "stop 20"), planned_min=40)
    assert run.delivered_mg(MG, at(30)) == Decimal("20.6")  # R8: 41.2 × 20 / 40


def test_a_pause_delivers_nothing() -> None:
    run = read_run(taps("start 0", "pause 10", "resume 25"), planned_min=40)
    assert (run.run_for(at(35)), run.remaining(at(35))) == (timedelta(minutes=20), timedelta(minutes=20))
    assert run.delivered_mg(MG, at(35)) == Decimal("20.6")


def test_an_infusion_that_ended_by_itself_delivered_all_and_never_more() -> None:
    assert read_run(taps("start 0", "end 38"), planned_min=40).delivered_mg(MG, at(50)) == MG
    assert read_run(taps("start 0"), planned_min=40).delivered_mg(MG, at(90)) == MG


@pytest.mark.parametrize(
    ("before", "kind", "fits"),
    [
        ((), "start", True),
        ((), "pause", False),
        (("start 0",), "start", False),
        (("start 0",), "pause", True),
        (("start 0",), "resume", False),
        (("start 0", "pause 5"), "pause", False),
        (("start 0", "pause 5"), "resume", True),
        (("start 0", "pause 5"), "stop", True),
        (("start 0", "end 8"), "stop", False),
        (("start 0", "stop 8"), "resume", False),
    ],
)
def test_what_may_follow(before: tuple[str, ...], kind: str, fits: bool) -> None:
    assert (refused_tap(read_run(taps(*before), planned_min=40), kind, at(10)) == "") is fits


def test_nothing_goes_in_before_what_is_on_record() -> None:
    run = read_run(taps("start 0", "pause 10"), planned_min=40)
    assert refused_tap(run, "resume", at(9)) == "something later is on record already"
    assert refused_tap(run, "resume", at(10)) == ""


def test_taps_fit_together_in_the_order_of_their_time_whatever_order_they_come_in() -> None:
    good = taps("stop 20", "resume 12", "start 0", "pause 10")
    assert refused_taps(good, planned_min=40) == ""
    assert refused_taps([*good[:1], *taps("resume 9", "start 0", "pause 10")], planned_min=40) == "it is not paused"
    assert refused_taps(taps("pause 1", "start 2"), planned_min=40) == "it is not running"


def test_one_nasal_device_is_start_and_end_at_once() -> None:
    one = taps("end 0", "device 0", "start 0")
    assert refused_taps(one, planned_min=15) == ""
    run = read_run(one, planned_min=15)
    assert (run.is_over, run.delivered_mg(Decimal(28), at(1))) == (True, Decimal("28.0"))


def test_two_devices_are_56_mg_also_when_it_was_stopped_before_the_third() -> None:
    run = read_run(taps("start 0", "device 0", "device 5", "stop 7"), planned_min=15)
    assert run.delivered_mg(Decimal(84), at(9)) == Decimal("56.0")


@pytest.mark.parametrize(("minute", "left_s"), [(0, 300), (4.5, 30), (5, 0), (9, 0)])
def test_the_nose_rests_five_minutes(minute: float, left_s: int) -> None:
    assert rest_left([at(-10), at(0)], at(minute)) == timedelta(seconds=left_s)
    assert rest_left([], at(minute)) == timedelta()
