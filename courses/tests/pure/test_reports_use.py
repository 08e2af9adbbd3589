"""Use by hour and weekday, reckoned by hand, also on the days on which the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np

from courses.pure.reports.use import HOURS, NOTHING, Use, use_of

NY = ZoneInfo("America/New_York")
MONDAY = date(2027, 4, 5)
SPRING = date(2027, 3, 14)  # a Sunday: 02:00 becomes 03:00
AUTUMN = date(2027, 11, 7)  # a Sunday: 02:00 becomes 01:00
ALL_DAY = (0, 1440)


def minute(text: str) -> int:
    """A wall time in New York as minutes since the epoch."""
    return int(datetime.fromisoformat(text).replace(tzinfo=NY).timestamp()) // 60


def booked(*spans: tuple[str, str, int]) -> np.ndarray:
    rows = [(minute(start), minute(end), n) for start, end, n in spans]
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def at(use: Use, weekday: int, hour: int) -> tuple[int, int]:
    """Booked and there, in minutes."""
    return int(use.booked[weekday * HOURS + hour]), int(use.there[weekday * HOURS + hour])


def test_two_chairs_from_eight_to_ten_one_of_them_booked_for_an_hour_and_a_half():
    work = {MONDAY: [((480, 600), 2)]}
    spans = booked(("2027-04-05 08:15", "2027-04-05 09:45", 1))
    use = use_of(work, spans, first=MONDAY, last=MONDAY, tz=NY)
    assert at(use, 0, 8) == (45, 120)
    assert at(use, 0, 9) == (45, 120)
    assert use.minutes == (90, 240)
    assert use.share(0, 8) == Decimal("37.5")
    assert use.share(0, 10) is None
    assert (use.weekdays, list(use.hours)) == ([0], [8, 9])


def test_what_is_booked_outside_the_hours_or_beyond_the_chairs_is_left_out():
    work = {MONDAY: [((480, 540), 1)]}
    spans = booked(("2027-04-05 07:30", "2027-04-05 08:30", 1), ("2027-04-05 08:00", "2027-04-05 09:30", 1))
    assert use_of(work, spans, first=MONDAY, last=MONDAY, tz=NY).minutes == (60, 60)


def test_other_days_than_those_asked_for_do_not_count():
    work = {day: [(ALL_DAY, 1)] for day in (MONDAY, date(2027, 4, 6))}
    spans = booked(("2027-04-05 23:00", "2027-04-06 01:00", 1))
    use = use_of(work, spans, first=MONDAY, last=MONDAY, tz=NY)
    assert use.minutes == (60, 1440)
    assert at(use, 0, 23) == (60, 60)
    assert use_of(work, spans, first=MONDAY, last=date(2027, 4, 4), tz=NY) is NOTHING


def test_the_spring_day_has_23_hours_and_none_between_two_and_three():
    spans = booked(("2027-03-14 01:30", "2027-03-14 03:30", 1))
    use = use_of({SPRING: [(ALL_DAY, 1)]}, spans, first=SPRING, last=SPRING, tz=NY)
    assert use.minutes == (60, 23 * 60)  # half an hour before and half an hour after the change
    assert at(use, 6, 1) == (30, 60)
    assert at(use, 6, 2) == (0, 0)
    assert at(use, 6, 3) == (30, 60)


def test_the_autumn_day_has_25_hours_and_two_between_one_and_two():
    start = int(datetime(2027, 11, 7, 5, 0, tzinfo=UTC).timestamp()) // 60  # 01:00, before the change
    spans = np.array([(start, start + 150, 1)], dtype=np.int64)
    use = use_of({AUTUMN: [(ALL_DAY, 1)]}, spans, first=AUTUMN, last=AUTUMN, tz=NY)
    assert use.minutes == (150, 25 * 60)
    assert at(use, 6, 1) == (120, 120)
    assert at(use, 6, 2) == (30, 60)


def test_locations_are_added_hour_by_hour_on_their_own_clocks():
    there = {MONDAY: [((480, 540), 1)]}
    east = use_of(there, booked(("2027-04-05 08:00", "2027-04-05 08:30", 1)), first=MONDAY, last=MONDAY, tz=NY)
    west = ZoneInfo("America/Los_Angeles")
    # 11:00 in New York is 08:00 there.
    spans = booked(("2027-04-05 11:00", "2027-04-05 12:00", 1))
    both = east + use_of(there, spans, first=MONDAY, last=MONDAY, tz=west)
    assert at(both, 0, 8) == (90, 120)


def test_nothing_has_no_share():
    assert NOTHING.minutes == (0, 0)
    assert (NOTHING.weekdays, list(NOTHING.hours)) == ([], [])
