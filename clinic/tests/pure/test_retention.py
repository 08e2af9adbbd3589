"""Which backups are kept: the last of each day, week and month, the newest always."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from clinic.pure.retention import Keep, kept

NEWEST = datetime(2027, 3, 31, 7, 30, tzinfo=UTC)


def nights(count: int) -> list[datetime]:
    return [NEWEST - timedelta(days=number) for number in range(count)]


def test_of_two_years_of_nights_days_weeks_and_months_are_kept() -> None:
    days = sorted({at.date().isoformat() for at in kept(nights(730), Keep(daily=3, weekly=2, monthly=3))})
    # Wed 31 Mar 2027; the week before ended on Sun 28 Mar; February and January by their last nights.
    assert days == ["2027-01-31", "2027-02-28", "2027-03-28", "2027-03-29", "2027-03-30", "2027-03-31"]


def test_the_last_of_a_day_is_kept_not_the_first() -> None:
    morning, evening = NEWEST, NEWEST + timedelta(hours=10)
    assert kept([morning, evening], Keep(daily=1, weekly=0, monthly=0)) == {evening}


def test_days_without_a_backup_do_not_count() -> None:
    after_a_holiday = [NEWEST, NEWEST - timedelta(days=20), NEWEST - timedelta(days=21)]
    assert kept(after_a_holiday, Keep(daily=2, weekly=0, monthly=0)) == set(after_a_holiday[:2])


def test_the_newest_is_kept_even_where_nothing_is_to_be() -> None:
    assert kept(nights(5), Keep(daily=0, weekly=0, monthly=0)) == {NEWEST}
    assert kept([], Keep()) == set()


@given(
    st.lists(st.integers(0, 20_000), min_size=1, max_size=60, unique=True),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 9),
)
def test_pruning_every_night_keeps_what_pruning_once_would(
    hours: list[int], daily: int, weekly: int, monthly: int
) -> None:
    keep = Keep(daily, weekly, monthly)
    times = sorted(NEWEST + timedelta(hours=one) for one in hours)
    there: set[datetime] = set()
    for at in times:
        there = kept(there | {at}, keep)
    assert there == kept(times, keep)
    assert max(times) in there
    assert len(there) <= max(1, daily + weekly + monthly)
