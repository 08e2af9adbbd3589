"""Opening hours, closures and holidays: what changes, what is refused, and no visit is ever stranded silently."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.core.exceptions import ValidationError

from clinic.models import Booking, BookingKind, BookingStatus, Closure, ClosureKind, Location, OpeningHours, User
from clinic.pure.roles import Role
from clinic.pure.week import Stretch
from clinic.services import hours
from clinic.services.hours import BookingsInTheWayError, ClosureData
from clinic.tests.factories import make_closure, make_hours, make_location, make_user
from clinic.tests.fixtures.parallel import Parallel
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 4, 15, tzinfo=UTC)  # Monday, 10:00 in New York
THURSDAY, FRIDAY = date(2027, 1, 7), date(2027, 1, 8)
DAY = (Stretch(time(8), time(18)),)
WEEK = dict.fromkeys(range(5), DAY)


@pytest.fixture
def place() -> Location:
    place = make_location()
    make_hours(place)
    return place


@pytest.fixture
def manager() -> User:
    return make_user(Role.MANAGER)


def book(place: Location, day: date, start: time, end: time, **fields) -> Booking:
    values = {"kind": BookingKind.INFUSION, "subject": None, "created_at": NOW} | fields
    if values["kind"] != BookingKind.BLOCK and values["subject"] is None:
        values["subject"] = make_patient().resource
    return Booking.objects.create(location=place, span=(place.at(day, start), place.at(day, end)), **values)


# --- weekly hours -------------------------------------------------------------------------------------------------


def test_the_week_is_stored_as_given_with_its_lunch_break(place, manager) -> None:
    week = WEEK | {5: (Stretch(time(9), time(12)), Stretch(time(13), time(15)))}
    hours.set_opening_hours(location=place, week=week, by=manager, now=NOW)
    assert hours.week_of(place) == {day: tuple(week.get(day, ())) for day in range(7)}


def test_only_the_days_that_differ_are_written(place, manager) -> None:
    before = set(OpeningHours.objects.values_list("pk", flat=True))
    hours.set_opening_hours(location=place, week=WEEK | {4: (Stretch(time(8), time(16)),)}, by=manager, now=NOW)
    after = set(OpeningHours.objects.values_list("pk", flat=True))
    assert len(before & after) == 4
    assert len(after - before) == 1


def test_hours_that_touch_are_one_stretch_so_that_a_visit_may_cross_the_seam(place, manager) -> None:
    week = {3: (Stretch(time(8), time(12)), Stretch(time(12), time(18)))}
    hours.set_opening_hours(location=place, week=week, by=manager, now=NOW)
    book(place, THURSDAY, time(11), time(13))
    assert list(hours.stranded(now=NOW, location=place)) == []


def test_overlapping_hours_are_refused_and_name_the_day(place, manager) -> None:
    week = {2: (Stretch(time(8), time(12)), Stretch(time(11), time(18)))}
    with pytest.raises(ValidationError, match="Wednesday: 08:00–12:00 and 11:00–18:00 overlap"):
        hours.set_opening_hours(location=place, week=week, by=manager, now=NOW)


def test_hours_that_would_strand_a_visit_are_refused_with_the_visit_and_nothing_changes(place, manager) -> None:
    visit = book(place, FRIDAY, time(15), time(17))
    shorter = WEEK | {4: (Stretch(time(8), time(16)),)}
    with pytest.raises(BookingsInTheWayError) as refused:
        hours.set_opening_hours(location=place, week=shorter, by=manager, now=NOW)
    assert refused.value.bookings == [visit]
    assert hours.week_of(place)[4] == DAY


def test_hours_may_strand_a_visit_when_said_so_and_then_it_stands_on_the_list(place, manager) -> None:
    visit = book(place, FRIDAY, time(15), time(17))
    shorter = WEEK | {4: (Stretch(time(8), time(16)),)}
    left = hours.set_opening_hours(location=place, week=shorter, by=manager, now=NOW, keep_bookings=True)
    assert left == [visit] == list(hours.stranded(now=NOW, location=place))


def test_a_visit_that_was_outside_before_does_not_block_another_change(place, manager) -> None:
    book(place, date(2027, 1, 9), time(10), time(12))  # a Saturday, never open
    week = WEEK | {0: (Stretch(time(9), time(18)),)}
    assert len(hours.set_opening_hours(location=place, week=week, by=manager, now=NOW)) == 1


# --- stranded -----------------------------------------------------------------------------------------------------


def test_only_real_visits_to_come_can_be_stranded(place) -> None:
    make_closure(place, THURSDAY)
    visit = book(place, THURSDAY, time(9), time(11))
    book(place, THURSDAY, time(9), time(11), status=BookingStatus.CANCELLED)
    book(place, THURSDAY, time(9), time(11), status=BookingStatus.MISSED)
    book(place, THURSDAY, time(9), time(11), kind=BookingKind.BLOCK, title="Cleaning")
    book(place, date(2026, 12, 31), time(3), time(4), status=BookingStatus.BOOKED)  # over
    assert list(hours.stranded(now=NOW)) == [visit]


def test_a_part_day_closure_strands_what_overlaps_it_and_leaves_what_touches_it(place) -> None:
    make_closure(place, THURSDAY, from_time=time(12), until_time=time(14))
    inside = book(place, THURSDAY, time(11), time(13))
    book(place, THURSDAY, time(10), time(12))
    book(place, THURSDAY, time(14), time(16))
    assert list(hours.stranded(now=NOW)) == [inside]


def test_hours_are_read_on_the_clocks_of_each_location_also_across_a_clock_change() -> None:
    east, west = make_location("East"), make_location("West", time_zone="America/Los_Angeles")
    for place in (east, west):
        make_hours(place, opens=time(8), closes=time(10))
        for day in (date(2027, 3, 12), date(2027, 3, 15)):  # Friday before and Monday after the spring change
            book(place, day, time(8), time(10))
    assert list(hours.stranded(now=NOW)) == []
    late = book(west, date(2027, 3, 15), time(9), time(11))
    assert list(hours.stranded(now=NOW)) == [late]


# --- closures -----------------------------------------------------------------------------------------------------


def close(place, manager, **changes) -> Closure:
    facts = {"first_day": THURSDAY, "last_day": THURSDAY, "reason": "Staff training"}
    keep = changes.pop("keep_bookings", False)
    return hours.add_closure(
        location=place, data=ClosureData(**(facts | changes)), by=manager, now=NOW, keep_bookings=keep
    )


def test_a_day_without_visits_is_closed_at_once(place, manager) -> None:
    assert close(place, manager).is_whole_day
    assert Closure.objects.count() == 1


def test_a_day_with_visits_is_not_closed_before_somebody_saw_them(place, manager) -> None:
    later, sooner = book(place, THURSDAY, time(13), time(15)), book(place, THURSDAY, time(9), time(11))
    with pytest.raises(BookingsInTheWayError) as refused:
        close(place, manager)
    assert refused.value.bookings == [sooner, later]
    assert Closure.objects.count() == 0
    close(place, manager, keep_bookings=True)
    assert list(hours.stranded(now=NOW)) == [sooner, later]


def test_a_closure_over_several_days_shuts_each_of_them_in_local_days(place, manager) -> None:
    row = close(place, manager, first_day=date(2027, 3, 13), last_day=date(2027, 3, 14))
    span = hours.spans_of(place, row)
    assert span == [(place.at(date(2027, 3, 13), time()), place.at(date(2027, 3, 15), time()))]
    assert span[0][1].astimezone(UTC) - span[0][0].astimezone(UTC) == timedelta(hours=47)  # the spring change


def test_a_part_of_several_days_shuts_the_same_hours_on_each(place, manager) -> None:
    noon = {"from_time": time(12), "until_time": time(13)}
    row = close(place, manager, first_day=THURSDAY, last_day=FRIDAY, **noon)
    assert hours.spans_of(place, row) == [
        (place.at(day, time(12)), place.at(day, time(13))) for day in (THURSDAY, FRIDAY)
    ]


def test_the_same_closure_twice_is_refused_at_its_field(place, manager) -> None:
    close(place, manager)
    with pytest.raises(ValidationError) as refused:
        close(place, manager, reason="Again")
    assert refused.value.message_dict == {"first_day": ["The location is closed then already: Staff training."]}
    close(place, manager, from_time=time(8), until_time=time(9))  # another closure of the same day is another matter
    close(make_location("Uptown"), manager)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"last_day": date(2027, 1, 6)}, "last day must not be before the first"),
        ({"from_time": time(12), "until_time": time(11)}, "the end after the start"),
        ({"from_time": time(12)}, "Give both times"),
        ({"reason": ""}, "cannot be blank"),
        ({"reason": "x" * 10_000}, "at most 120 characters"),
    ],
)
def test_an_impossible_closure_is_refused(place, manager, facts, words) -> None:
    with pytest.raises(ValidationError, match=words):
        close(place, manager, **facts)


def test_a_longer_closure_asks_only_about_the_visits_that_it_adds(place, manager) -> None:
    book(place, THURSDAY, time(9), time(11))
    row = close(place, manager, keep_bookings=True)
    added = book(place, FRIDAY, time(9), time(11))
    data = ClosureData(first_day=THURSDAY, last_day=FRIDAY, reason="Flood")
    with pytest.raises(BookingsInTheWayError) as refused:
        hours.change_closure(closure=row, data=data, by=manager, now=NOW)
    assert refused.value.bookings == [added]
    same = ClosureData(first_day=THURSDAY, last_day=THURSDAY, reason="Flood")
    assert hours.change_closure(closure=Closure.objects.get(), data=same, by=manager, now=NOW).reason == "Flood"


def test_removing_a_closure_takes_its_visits_off_the_list_and_twice_is_fine(place, manager) -> None:
    book(place, THURSDAY, time(9), time(11))
    row = close(place, manager, keep_bookings=True)
    hours.remove_closure(closure=row, by=manager, now=NOW)
    hours.remove_closure(closure=Closure(pk=row.pk or 1, location=place), by=manager, now=NOW)
    assert list(hours.stranded(now=NOW)) == []


def test_a_double_click_closes_once(parallel: Parallel) -> None:
    place, manager = make_location(), make_user(Role.MANAGER)
    outcomes = parallel(8, lambda _: close(place, manager))
    assert sum(outcome.error is None for outcome in outcomes) == 1
    assert all(isinstance(outcome.error, ValidationError) for outcome in outcomes if outcome.error)
    assert Closure.objects.count() == 1


# --- holidays -----------------------------------------------------------------------------------------------------


def test_holidays_of_the_country_and_the_region_are_proposed() -> None:
    # Federal holidays by 5 U.S.C. 6103; 4 July 2027 is a Sunday and so observed on Monday; Patriots' Day is Massachusetts'.
    names = {h.day: h.name for h in hours.propose_holidays(make_location(), 2027, today=date(2027, 1, 1))}
    assert names[date(2027, 1, 18)] == "Martin Luther King Jr. Day"
    assert date(2027, 7, 5) in names
    assert date(2027, 4, 19) not in names
    boston = make_location("Boston", holiday_region="MA")
    assert date(2027, 4, 19) in {h.day for h in hours.propose_holidays(boston, 2027, today=date(2027, 1, 1))}


def test_days_that_are_over_are_not_proposed_and_an_unknown_region_proposes_nothing() -> None:
    first = hours.propose_holidays(make_location(), 2027, today=date(2027, 7, 1))[0]
    assert first.day >= date(2027, 7, 1)
    assert hours.propose_holidays(make_location(holiday_region="ZZ"), 2027, today=date(2027, 1, 1)) == []


def test_a_holiday_is_not_added_twice_and_says_that_it_is_closed(place, manager) -> None:
    days = {date(2027, 5, 31): "Memorial Day", date(2027, 12, 24): "Christmas Eve"}
    make_closure(place, date(2027, 12, 20), date(2027, 12, 31), reason="Winter break")
    added = hours.add_holidays(location=place, days=days, by=manager, now=NOW)
    assert [(row.first_day, row.kind) for row in added] == [(date(2027, 5, 31), ClosureKind.HOLIDAY)]
    assert hours.add_holidays(location=place, days=days, by=manager, now=NOW) == []
    proposed = {h.day: h.is_closed for h in hours.propose_holidays(place, 2027, today=date(2027, 1, 4))}
    assert (proposed[date(2027, 5, 31)], proposed[date(2027, 12, 25)], proposed[date(2027, 7, 5)]) == (
        True,
        True,
        False,
    )


def test_a_holiday_with_visits_adds_none_of_them_before_somebody_saw_it(place, manager) -> None:
    visit = book(place, date(2027, 5, 31), time(9), time(11))
    days = {date(2027, 5, 31): "Memorial Day", date(2027, 7, 5): "Independence Day (observed)"}
    with pytest.raises(BookingsInTheWayError) as refused:
        hours.add_holidays(location=place, days=days, by=manager, now=NOW)
    assert refused.value.bookings == [visit]
    assert Closure.objects.count() == 0
    assert len(hours.add_holidays(location=place, days=days, by=manager, now=NOW, keep_bookings=True)) == 2
