"""Clock times made instants in bulk, compared with the standard library's own arithmetic."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinic.pure.lanes import full_spans
from clinic.pure.walltime import closing_minute, cut_out, epoch_minutes, runs

THURSDAY = date(2027, 1, 7)
NEW_YORK, BERLIN = ZoneInfo("America/New_York"), ZoneInfo("Europe/Berlin")


def instant(epoch_min: int) -> datetime:
    return datetime.fromtimestamp(int(epoch_min) * 60, tz=UTC)


@pytest.mark.parametrize(
    ("zone", "day", "clock", "utc", "exists"),
    [
        (NEW_YORK, date(2027, 3, 13), time(2, 30), "2027-03-13 07:30", True),
        (NEW_YORK, date(2027, 3, 14), time(1, 59), "2027-03-14 06:59", True),
        (NEW_YORK, date(2027, 3, 14), time(2, 0), "2027-03-14 07:00", False),  # clocks show 03:00 then
        (NEW_YORK, date(2027, 3, 14), time(2, 30), "2027-03-14 07:30", False),
        (NEW_YORK, date(2027, 3, 14), time(3, 0), "2027-03-14 07:00", True),
        (NEW_YORK, date(2027, 3, 14), time(10, 0), "2027-03-14 14:00", True),
        (NEW_YORK, date(2027, 11, 7), time(1, 30), "2027-11-07 05:30", True),  # the first of two
        (NEW_YORK, date(2027, 11, 7), time(2, 0), "2027-11-07 07:00", True),
        (BERLIN, date(2027, 3, 28), time(2, 30), "2027-03-28 01:30", False),
        (BERLIN, date(2027, 3, 28), time(3, 0), "2027-03-28 01:00", True),
        (BERLIN, date(2027, 10, 31), time(2, 30), "2027-10-31 00:30", True),
        (BERLIN, date(2027, 10, 31), time(3, 0), "2027-10-31 02:00", True),
    ],
)
def test_the_nights_when_clocks_change(zone: ZoneInfo, day: date, clock: time, utc: str, exists: bool) -> None:
    found, real = epoch_minutes([day], [clock.hour * 60 + clock.minute], zone)
    assert instant(found[0, 0]) == datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert bool(real[0, 0]) is exists
    assert instant(found[0, 0]) == datetime.combine(day, clock, tzinfo=zone).astimezone(UTC)  # as Location.at


def test_minute_1440_is_the_next_midnight_also_on_a_day_of_25_hours() -> None:
    found, _ = epoch_minutes([date(2027, 11, 6), date(2027, 11, 7)], [0, 1440], NEW_YORK)
    assert [int(last - first) for first, last in found] == [24 * 60, 25 * 60]


@given(
    st.dates(date(2026, 1, 1), date(2030, 12, 31)),
    st.lists(st.integers(0, 1439), min_size=1, max_size=5),
    st.sampled_from(["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "Asia/Kolkata"]),
)
def test_every_wall_time_means_what_the_standard_library_says(day: date, minutes: list[int], name: str) -> None:
    zone = ZoneInfo(name)
    found, exists = epoch_minutes([day, day + timedelta(days=1)], minutes, zone)
    for row, one in enumerate((day, day + timedelta(days=1))):
        for column, minute in enumerate(minutes):
            wall = datetime.combine(one, time(minute // 60, minute % 60), tzinfo=zone)
            assert instant(found[row, column]) == wall.astimezone(UTC)
            back = wall.astimezone(UTC).astimezone(zone)
            assert exists[row, column] == (back.replace(tzinfo=None) == wall.replace(tzinfo=None))


def test_cutting_leaves_what_is_outside() -> None:
    assert cut_out([(480, 720), (780, 1080)], 600, 840) == [(480, 600), (840, 1080)]
    assert cut_out([(480, 720)], 500, 600) == [(480, 500), (600, 720)]
    assert cut_out([(480, 720)], 720, 800) == [(480, 720)]
    assert cut_out([(480, 720)], 0, 1440) == []


def test_closing_at_2359_is_closing_at_midnight() -> None:
    assert (closing_minute(time(23, 59)), closing_minute(time(18, 0))) == (1440, 1080)


def test_days_without_a_hole_are_one_stretch() -> None:
    days = [date(2027, 1, 7), date(2027, 1, 5), date(2027, 1, 6), date(2027, 2, 1)]
    assert runs(days) == [(date(2027, 1, 5), date(2027, 1, 7)), (date(2027, 2, 1), date(2027, 2, 1))]
    assert runs([]) == []
    assert runs([THURSDAY + timedelta(days=n) for n in (0, 1, 4, 5, 9)], hole_days=2) == [
        (THURSDAY, THURSDAY + timedelta(days=5)),
        (THURSDAY + timedelta(days=9), THURSDAY + timedelta(days=9)),
    ]


spans = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 20), st.integers(0, 8))


@given(st.lists(spans, max_size=15))
def test_a_resource_is_full_exactly_while_its_weights_reach_its_capacity(
    found: list[tuple[int, int, int, int]],
) -> None:
    taken = np.asarray([(r, w, lo, lo + size) for r, w, lo, size in found], dtype=np.int64).reshape(-1, 4)
    capacity = np.asarray([1, 2, 3], dtype=np.int64)
    full = full_spans(taken, capacity)
    for resource in range(3):
        for minute in range(30):
            weight = sum(w for r, w, lo, hi in taken.tolist() if r == resource and lo <= minute < hi)
            said = any(r == resource and lo <= minute < hi for r, lo, hi in full.tolist())
            assert said == (weight >= capacity[resource])
