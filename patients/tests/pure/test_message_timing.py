"""When messages go out: wall-clock days and quiet hours in the patient's zone (clinical.md R11; H cases 22 and 24)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.pure.messages.timing import (
    NEAR,
    NOT_AFTER,
    NOT_BEFORE,
    Due,
    Offset,
    day_of,
    due,
    is_quiet,
    out_of_quiet_hours,
    wall,
)

NY, LA, HONOLULU = ZoneInfo("America/New_York"), ZoneInfo("America/Los_Angeles"), ZoneInfo("Pacific/Honolulu")
TWO_DAYS, DAY_BEFORE = Offset(days=-2, at=time(10)), Offset(days=-1, at=time(10))
DIRECTIONS = Offset(minutes=-120)
NEXT_DAY = Offset(days=1, at=time(10))
HALF_A_DAY = timedelta(hours=12)


def at(text: str, zone: ZoneInfo = NY) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def reminder(visit: datetime, offset: Offset, zone: ZoneInfo = NY, useful: timedelta = HALF_A_DAY) -> Due:
    """Of use until the visit begins."""
    return due(visit, offset, zone=zone, useful=useful, ends_at=visit.astimezone(UTC))


def local(visit: datetime, offset: Offset, zone: ZoneInfo = NY) -> str:
    return f"{reminder(visit, offset, zone).at.astimezone(zone):%a %d %b %H:%M}"


def test_two_days_and_one_day_before_at_ten_and_directions_two_hours_before() -> None:
    visit = at("2027-01-07 14:00")
    assert [local(visit, offset) for offset in (TWO_DAYS, DAY_BEFORE, DIRECTIONS)] == [
        "Tue 05 Jan 10:00",
        "Wed 06 Jan 10:00",
        "Thu 07 Jan 12:00",
    ]


def test_ten_in_the_morning_stays_ten_in_the_morning_when_the_clocks_go_forward() -> None:
    """DST starts on Sun 14 Mar 2027 (clinical.md, case 22): a visit on the Monday after it."""
    visit = at("2027-03-15 13:00")
    assert [reminder(visit, offset).at for offset in (TWO_DAYS, DAY_BEFORE, DIRECTIONS)] == [
        datetime(2027, 3, 13, 15, 0, tzinfo=UTC),  # EST, five hours
        datetime(2027, 3, 14, 14, 0, tzinfo=UTC),  # EDT, four
        datetime(2027, 3, 15, 15, 0, tzinfo=UTC),
    ]


def test_ten_in_the_morning_stays_ten_in_the_morning_when_the_clocks_go_back() -> None:
    """DST ends on Sun 7 Nov 2027."""
    visit = at("2027-11-08 12:00")
    hours = [reminder(visit, offset).at.hour for offset in (TWO_DAYS, DAY_BEFORE, DIRECTIONS)]
    assert hours == [14, 15, 15]  # 10:00 EDT, 10:00 EST, 10:00 EST


def test_two_hours_before_are_elapsed_hours_across_the_change() -> None:
    """At 04:30 on the night of the spring change, two hours ago it was 01:30: far inside the quiet hours."""
    assert local(at("2027-03-14 04:30"), DIRECTIONS) == "Sat 13 Mar 20:00"
    # 09:59 less two hours is 07:59, one minute too early on an ordinary day and on this one
    assert local(at("2027-03-14 09:59"), DIRECTIONS) == "Sun 14 Mar 08:00"


def test_a_plan_of_28_days_across_the_change_stays_at_ten() -> None:
    """Twelve infusions from Mon 1 Mar 2027 on, three a week: the day-after check-in is at 10:00 each time."""
    visits = [at("2027-03-01 09:00") + timedelta(days=7 * week + day) for week in range(4) for day in (0, 2, 4)]
    seen = [due(visit, NEXT_DAY, zone=NY, useful=HALF_A_DAY, ends_at=None).at for visit in visits]
    assert [moment.astimezone(NY).time() for moment in seen] == [time(10)] * 12
    assert [moment.hour for moment in seen] == [15] * 6 + [14] * 6  # UTC: before and after 14 March
    assert [moment.astimezone(NY).date() for moment in seen] == [visit.date() + timedelta(days=1) for visit in visits]


@pytest.mark.parametrize(
    ("visit", "directions"),
    [
        ("2027-01-07 10:00", "Thu 07 Jan 08:00"),  # exactly two hours, exactly when the quiet hours end
        ("2027-01-07 09:00", "Thu 07 Jan 08:00"),  # not before eight, and an hour is still of use
        ("2027-01-07 08:45", "Thu 07 Jan 08:00"),
        ("2027-01-07 08:30", "Wed 06 Jan 20:00"),  # too late to help: the evening before
        ("2027-01-07 08:00", "Wed 06 Jan 20:00"),
        ("2027-01-07 22:59", "Thu 07 Jan 20:59"),  # the last minute before the quiet hours
        ("2027-01-07 23:00", "Thu 07 Jan 20:00"),  # 21:00 is in them
        ("2027-01-07 23:30", "Thu 07 Jan 20:00"),
    ],
)
def test_directions_never_come_in_the_quiet_hours(visit: str, directions: str) -> None:
    assert local(at(visit), DIRECTIONS) == directions


def test_what_is_of_use_later_waits_for_the_morning() -> None:
    """A notice at 22:30 about a visit in a week: at 08:00, and of use for as long as if it had gone out at once."""
    visit, now = at("2027-01-14 10:00"), at("2027-01-07 22:30")
    found = due(now, Offset(minutes=0), zone=NY, useful=timedelta(hours=24), ends_at=visit)
    assert found == Due(at("2027-01-08 08:00"), at("2027-01-09 08:00"))


def test_nothing_is_of_use_after_the_visit_began() -> None:
    assert reminder(at("2027-01-07 14:00"), DIRECTIONS).useful_until == at("2027-01-07 14:00")
    assert reminder(at("2027-01-07 14:00"), DAY_BEFORE).useful_until == at("2027-01-06 22:00")


def test_the_clocks_are_the_patients_own() -> None:
    """A visit at 10:00 in New York is at 07:00 in Los Angeles and 05:00 in Honolulu."""
    visit = at("2027-01-07 10:00")
    assert [local(visit, offset, LA) for offset in (TWO_DAYS, DAY_BEFORE, DIRECTIONS)] == [
        "Tue 05 Jan 10:00",
        "Wed 06 Jan 10:00",
        "Wed 06 Jan 20:00",
    ]
    assert local(visit, DIRECTIONS, HONOLULU) == "Wed 06 Jan 20:00"


def test_a_late_visit_is_on_the_patients_own_date() -> None:
    """A video call at 19:00 in Honolulu is on the next date in New York."""
    assert local(at("2027-01-07 19:00", HONOLULU), TWO_DAYS, NY) == "Wed 06 Jan 10:00"


@pytest.mark.parametrize(
    ("clock", "is_in_them"),
    [("07:59", True), ("08:00", False), ("20:59", False), ("21:00", True), ("00:00", True)],
)
def test_the_quiet_hours_are_from_21_to_8(clock: str, is_in_them: bool) -> None:
    moment = at(f"2027-01-07 {clock}")
    assert is_quiet(moment, NY) is is_in_them
    assert (out_of_quiet_hours(moment, NY) != moment) is is_in_them


def test_the_night_of_a_change_ends_at_eight_as_any_other() -> None:
    """Ten hours from 22:00 in winter, nine when the clocks go forward, eleven when they go back."""
    for evening, hours in (("2027-01-09 22:00", 10), ("2027-03-13 22:00", 9), ("2027-11-06 22:00", 11)):
        waited = out_of_quiet_hours(at(evening), NY) - at(evening).astimezone(UTC)
        assert waited == timedelta(hours=hours)


def test_a_day_has_23_or_25_hours_on_a_change() -> None:
    for day, hours in (("2027-01-07", 24), ("2027-03-14", 23), ("2027-11-07", 25)):
        begins, ends = day_of(at(f"{day} 12:00"), NY)
        assert ends - begins == timedelta(hours=hours)
        assert begins.astimezone(NY).time() == ends.astimezone(NY).time() == time(0)


def test_a_time_that_spring_skips_is_an_hour_later() -> None:
    assert wall(date(2027, 3, 14), time(2, 30), NY).astimezone(NY).time() == time(3, 30)


@given(
    st.datetimes(datetime(2026, 6, 1), datetime(2028, 6, 1)),
    st.sampled_from(["America/New_York", "America/Phoenix", "Pacific/Honolulu", "Australia/Lord_Howe", "Asia/Kolkata"]),
    st.sampled_from([TWO_DAYS, DAY_BEFORE, DIRECTIONS, Offset(minutes=-30), Offset(days=0, at=time(7))]),
)
def test_no_reminder_is_ever_in_the_quiet_hours_or_after_the_visit(start: datetime, name: str, offset: Offset) -> None:
    visit, zone = start.replace(tzinfo=UTC), ZoneInfo(name)
    found = reminder(visit, offset, zone)
    assert NOT_BEFORE <= found.at.astimezone(zone).time() < NOT_AFTER
    assert found.useful_until <= visit
    assert abs(found.at - (visit + offset.reach())) < NEAR
    if offset.at is None or offset.days < 0:
        assert found.at < visit
