"""Reference dates R1-R6. Expected values: clinical.md H3 (case numbers in the names), else counted by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from courses.planning.dates import NoOpenDayError, gap_days, next_target, reference_dates, span_days
from courses.planning.protocols import FirstGap, Step, expand
from courses.planning.templates import BY_ID
from courses.planning.types import GapRule, ReferenceDate, SeriesRule

MWF6 = BY_ID["T-MWF6"].rule()


def open_except(*closed: str) -> Callable[[date], bool]:
    days = {date.fromisoformat(day) for day in closed}
    return lambda day: day not in days


def weekdays_only(*closed: str) -> Callable[[date], bool]:
    is_open = open_except(*closed)
    return lambda day: day.weekday() < 5 and is_open(day)


def iso(found: Iterable[ReferenceDate]) -> list[str]:
    return [reference.day.isoformat() for reference in found]


def gaps(found: Iterable[ReferenceDate]) -> list[int | None]:
    return [reference.gap_days for reference in found]


def test_case_16_six_infusions_from_a_monday_take_twelve_days() -> None:
    found = reference_dates(MWF6, date(2027, 1, 4), weekdays_only())
    assert iso(found) == ["2027-01-04", "2027-01-06", "2027-01-08", "2027-01-11", "2027-01-13", "2027-01-15"]
    assert gaps(found) == [None, 2, 2, 3, 2, 2]
    assert span_days(found[0].day, found[-1].day) == 12
    assert not any(reference.moved for reference in found)


def test_case_17_a_closed_monday_moves_the_fourth_to_tuesday_and_the_fifth_to_friday() -> None:
    found = reference_dates(MWF6, date(2027, 1, 11), weekdays_only("2027-01-18"))
    assert iso(found) == ["2027-01-11", "2027-01-13", "2027-01-15", "2027-01-19", "2027-01-22", "2027-01-25"]
    assert gaps(found) == [None, 2, 2, 4, 3, 3]
    assert span_days(found[0].day, found[-1].day) == 15
    assert [reference.number for reference in found if reference.moved] == [4]
    assert found[3].target == date(2027, 1, 18)
    assert not any(reference.is_breach or reference.out_of_window for reference in found)


def test_case_19_eight_at_twice_a_week_end_on_day_25() -> None:
    found = reference_dates(BY_ID["T-2W6"].rule(8), date(2027, 2, 1), weekdays_only())
    assert found[-1].day == date(2027, 2, 25)
    assert span_days(found[0].day, found[-1].day) == 25
    assert (found[5].day, span_days(found[0].day, found[5].day)) == (date(2027, 2, 18), 18)
    assert span_days(found[0].day, found[6].day) == 22


def test_case_19_three_a_week_fits_eight_into_17_days() -> None:
    found = reference_dates(BY_ID["T-SEED8"].rule(8), date(2027, 2, 1), weekdays_only())
    assert found[-1].day == date(2027, 2, 17)
    assert span_days(found[0].day, found[-1].day) == 17


def test_case_20_a_no_show_is_slotted_again_the_next_day_and_the_rest_shifts() -> None:
    done = {1: date(2027, 4, 5), 2: date(2027, 4, 7), 3: date(2027, 4, 9)}
    found = reference_dates(MWF6, date(2027, 4, 13), weekdays_only(), done, {4: date(2027, 4, 12)})
    assert iso(found)[3:] == ["2027-04-13", "2027-04-16", "2027-04-19"]
    assert found[3].gap_days == 4
    assert [reference.is_done for reference in found] == [True, True, True, False, False, False]
    assert len(found) == 6


def test_case_21_a_held_infusion_is_slotted_again_and_the_rest_returns_to_the_rhythm() -> None:
    found = reference_dates(MWF6, date(2027, 4, 8), weekdays_only(), {1: date(2027, 4, 5)}, {2: date(2027, 4, 7)})
    assert iso(found) == ["2027-04-05", "2027-04-08", "2027-04-12", "2027-04-14", "2027-04-16", "2027-04-19"]
    assert gaps(found) == [None, 3, 4, 2, 2, 3]
    assert not any(reference.out_of_window for reference in found)


def test_case_22_a_series_across_the_clock_change_keeps_its_dates_and_its_local_time() -> None:
    rule = expand([Step(6, 3, 4, frozenset({1, 4}))])
    found = reference_dates(rule, date(2027, 3, 2), weekdays_only())
    assert iso(found) == ["2027-03-02", "2027-03-05", "2027-03-09", "2027-03-12", "2027-03-16", "2027-03-19"]
    assert gaps(found) == [None, 3, 4, 3, 4, 3]

    zone = ZoneInfo("America/New_York")
    starts = [datetime.combine(reference.day, time(13), tzinfo=zone).astimezone(UTC) for reference in found]
    assert [start.hour for start in starts] == [18, 18, 18, 18, 17, 17]
    assert starts[4] - starts[3] == timedelta(hours=95)
    assert gap_days(found[3].day, found[4].day) == 4


def test_case_24_a_day_of_elapsed_time_across_the_clock_change_is_another_local_time() -> None:
    zone = ZoneInfo("America/New_York")

    def a_day_later(end: datetime) -> datetime:
        return (end.astimezone(UTC) + timedelta(hours=24)).astimezone(zone)

    spring = a_day_later(datetime(2027, 3, 13, 13, 40, tzinfo=zone))
    autumn = a_day_later(datetime(2027, 11, 6, 13, 40, tzinfo=zone))
    assert spring.strftime("%a %m-%d %H:%M %Z") == "Sun 03-14 14:40 EDT"
    assert autumn.strftime("%a %m-%d %H:%M %Z") == "Sun 11-07 12:40 EST"


def test_case_25_the_taper_waits_two_weeks_before_its_two_week_step() -> None:
    found = reference_dates(BY_ID["M-CANBIND"].rule(), date(2027, 1, 16), weekdays_only(), before=date(2027, 1, 15))
    assert iso(found) == [
        *("2027-01-22", "2027-01-29", "2027-02-05", "2027-02-12"),
        *("2027-02-26", "2027-03-12", "2027-03-26", "2027-04-09"),
        *("2027-05-07", "2027-06-04", "2027-07-02"),
    ]
    assert gaps(found) == [7, 7, 7, 7, 14, 14, 14, 14, 28, 28, 28]
    assert not any(reference.interrupted for reference in found)


def test_case_26_four_weekly_maintenance_infusions_follow_the_series() -> None:
    found = reference_dates(BY_ID["M-W4"].rule(), date(2027, 1, 16), weekdays_only(), before=date(2027, 1, 15))
    assert iso(found) == ["2027-01-22", "2027-01-29", "2027-02-05", "2027-02-12"]


def test_case_27_esketamine_goes_from_induction_into_weeks_and_fortnights_without_a_pause() -> None:
    template = BY_ID["T-ESK"]
    fortnights = template.maintenance_steps[1]
    rule = expand((*template.steps, fortnights), 15)
    found = reference_dates(rule, date(2027, 2, 1), weekdays_only())
    assert iso(found) == [
        *("2027-02-01", "2027-02-04", "2027-02-08", "2027-02-11"),
        *("2027-02-15", "2027-02-18", "2027-02-22", "2027-02-25"),
        *("2027-03-01", "2027-03-08", "2027-03-15", "2027-03-22"),
        *("2027-03-29", "2027-04-12", "2027-04-26"),
    ]
    assert template.decision_after == (8,)  # end of week 4


def test_a_step_with_its_own_first_gap_waits_and_one_with_the_previous_gap_does_not() -> None:
    weekly = Step(2, 6, 9, target_gap_days=7)
    own = Step(1, 11, 17, target_gap_days=14)
    previous = Step(1, 11, 17, target_gap_days=14, first_gap=FirstGap.PREVIOUS)
    start = date(2027, 3, 15)
    assert iso(reference_dates(expand([weekly, own]), start, weekdays_only()))[-1] == "2027-04-05"
    assert iso(reference_dates(expand([weekly, previous]), start, weekdays_only()))[-1] == "2027-03-29"


def test_r1_a_gap_counts_dates_and_a_span_counts_both_ends() -> None:
    assert gap_days(date(2027, 3, 12), date(2027, 3, 16)) == 4
    assert span_days(date(2027, 3, 12), date(2027, 3, 16)) == 5


@pytest.mark.parametrize(
    ("previous", "expected"),
    [("2027-01-04", "2027-01-06"), ("2027-01-05", "2027-01-08"), ("2027-01-08", "2027-01-11")],
)
def test_r2_the_target_is_the_first_rhythm_weekday_at_the_minimum_gap_or_later(previous: str, expected: str) -> None:
    gap = GapRule(2, 4, frozenset({0, 2, 4}))
    assert next_target(date.fromisoformat(previous), gap).isoformat() == expected


def test_r3a_a_closed_target_moves_to_the_earliest_open_day_inside_the_maximum() -> None:
    found = reference_dates(expand([Step(2, 6, 9, target_gap_days=7)]), date(2027, 1, 4), open_except("2027-01-11"))
    assert (found[1].day, found[1].target, found[1].moved) == (date(2027, 1, 12), date(2027, 1, 11), True)


def test_r3b_when_nothing_later_is_open_inside_the_maximum_the_day_before_the_target_is_taken() -> None:
    closed = open_except("2027-01-11", "2027-01-12", "2027-01-13")
    found = reference_dates(expand([Step(2, 6, 9, target_gap_days=7)]), date(2027, 1, 4), closed)
    assert (found[1].day, found[1].gap_days, found[1].is_breach) == (date(2027, 1, 10), 6, False)


def test_r3c_when_no_day_inside_the_limits_is_open_the_first_open_day_is_a_breach() -> None:
    closed = open_except(*(f"2027-01-{day:02d}" for day in range(10, 15)))
    found = reference_dates(expand([Step(2, 6, 9, target_gap_days=7)]), date(2027, 1, 4), closed)
    assert (found[1].day, found[1].gap_days, found[1].is_breach) == (date(2027, 1, 15), 11, True)
    assert not found[1].interrupted


def test_r3c_one_open_day_inside_the_limits_is_enough_to_avoid_the_breach() -> None:
    closed = open_except("2027-01-10", "2027-01-11", "2027-01-12", "2027-01-14")
    found = reference_dates(expand([Step(2, 6, 9, target_gap_days=7)]), date(2027, 1, 4), closed)
    assert (found[1].day, found[1].is_breach) == (date(2027, 1, 13), False)


def test_r3b_does_not_pick_a_day_beyond_the_maximum_when_the_rhythm_is_slower_than_the_maximum() -> None:
    rule = SeriesRule(gaps=(GapRule(2, 4, frozenset({0})),), start_weekdays=frozenset({0}))
    found = reference_dates(rule, date(2027, 1, 4), open_except("2027-01-08"))
    assert (found[1].day, found[1].gap_days, found[1].is_breach) == (date(2027, 1, 7), 3, False)


def test_r4_the_targets_after_a_moved_date_follow_the_moved_date() -> None:
    rule = expand([Step(4, 6, 9, target_gap_days=7)])
    found = reference_dates(rule, date(2027, 1, 4), open_except("2027-01-11"))
    assert iso(found) == ["2027-01-04", "2027-01-12", "2027-01-19", "2027-01-26"]


def test_r5_a_miss_on_the_last_legal_day_waits_for_the_next_rhythm_weekday_out_of_window() -> None:
    done = {1: date(2027, 4, 5), 2: date(2027, 4, 7), 3: date(2027, 4, 9)}
    found = reference_dates(MWF6, date(2027, 4, 14), weekdays_only(), done, {4: date(2027, 4, 13)})
    assert (found[3].day, found[3].gap_days, found[3].out_of_window) == (date(2027, 4, 14), 5, True)
    assert iso(found)[4:] == ["2027-04-16", "2027-04-19"]


def test_r5_out_of_window_skips_days_off_the_rhythm_and_closed_days() -> None:
    done = {1: date(2027, 4, 5), 2: date(2027, 4, 7), 3: date(2027, 4, 9)}
    found = reference_dates(MWF6, date(2027, 4, 14), weekdays_only("2027-04-14"), done, {4: date(2027, 4, 13)})
    assert (found[3].day, found[3].out_of_window) == (date(2027, 4, 16), True)


def test_r5_a_missed_first_infusion_starts_on_the_next_open_day() -> None:
    found = reference_dates(MWF6, date(2027, 4, 5), weekdays_only("2027-04-06"), missed={1: date(2027, 4, 5)})
    assert iso(found)[:2] == ["2027-04-07", "2027-04-09"]
    assert found[0].gap_days is None


def test_r6_a_gap_of_more_than_14_days_is_an_interruption_and_one_of_14_is_not() -> None:
    done = {1: date(2027, 4, 5)}
    on_day_14 = reference_dates(MWF6, date(2027, 4, 19), weekdays_only(), done)
    on_day_15 = reference_dates(MWF6, date(2027, 4, 20), weekdays_only(), done)
    assert (on_day_14[1].gap_days, on_day_14[1].interrupted, on_day_14[1].is_breach) == (14, False, True)
    assert (on_day_15[1].gap_days, on_day_15[1].interrupted, on_day_15[1].is_breach) == (15, True, True)


def test_a_start_off_the_rhythm_waits_for_the_first_rhythm_weekday() -> None:
    assert iso(reference_dates(MWF6, date(2027, 1, 2), weekdays_only()))[0] == "2027-01-04"
    assert iso(reference_dates(MWF6, date(2027, 1, 6), weekdays_only()))[0] == "2027-01-06"


def test_a_booked_infusion_that_stays_leads_the_ones_after_it() -> None:
    found = reference_dates(MWF6, date(2027, 1, 4), weekdays_only(), {3: date(2027, 1, 9)})
    assert iso(found) == ["2027-01-04", "2027-01-06", "2027-01-09", "2027-01-11", "2027-01-13", "2027-01-15"]


def test_a_clinic_that_never_opens_again_is_refused_with_a_sentence() -> None:
    with pytest.raises(NoOpenDayError, match="no open day within 400 days"):
        reference_dates(MWF6, date(2027, 1, 4), lambda _day: False)
