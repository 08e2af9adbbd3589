"""Locations, chairs and rooms."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest
from django.core.exceptions import ValidationError

from clinic.models import Allocation, AllocationRole, Booking, BookingKind, Location, Resource, ResourceKind, User
from clinic.pure.roles import Role
from clinic.services import places
from clinic.services.hours import BookingsInTheWayError
from clinic.services.places import LocationData, StationData
from clinic.tests.factories import make_chair, make_location, make_room, make_user
from clinic.tests.fixtures.parallel import Parallel
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 4, 15, tzinfo=UTC)


@pytest.fixture
def manager() -> User:
    return make_user(Role.MANAGER)


def visit_on(station: Resource, day: date = date(2027, 1, 7)) -> Booking:
    place = station.location
    span = (place.at(day, time(9)), place.at(day, time(11)))
    booking = Booking.objects.create(
        kind=BookingKind.INFUSION, location=place, subject=make_patient().resource, span=span, created_at=NOW
    )
    Allocation.objects.create(booking=booking, resource=station, role=AllocationRole.STATION, span=span)
    return booking


DOWNTOWN = LocationData(name="Downtown", short_name="Down", time_zone="America/New_York")


def test_a_location_is_added_as_said(manager) -> None:
    place = places.add_location(data=DOWNTOWN, by=manager, now=NOW)
    assert (place.name, place.short_name, place.start_step_min, place.is_active) == ("Downtown", "Down", 15, True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 10_000),
        ("short_name", "longer than twelve"),
        ("time_zone", "Mars/Olympus"),
        ("phone", "12"),
        ("holiday_country", "USA"),
    ],
)
def test_a_location_that_makes_no_sense_is_refused_at_its_field(manager, field, value) -> None:
    data = LocationData(**({"name": "A", "short_name": "A", "time_zone": "America/New_York"} | {field: value}))
    with pytest.raises(ValidationError) as refused:
        places.add_location(data=data, by=manager, now=NOW)
    assert field in refused.value.message_dict


def test_two_locations_do_not_share_a_name(manager) -> None:
    places.add_location(data=DOWNTOWN, by=manager, now=NOW)
    with pytest.raises(ValidationError) as refused:
        places.add_location(data=DOWNTOWN, by=manager, now=NOW)
    assert "name" in refused.value.message_dict


def changed(place: Location, **changes) -> LocationData:
    facts = {name: getattr(place, name) for name in LocationData.__dataclass_fields__}
    return LocationData(**(facts | changes))


def test_the_time_zone_stays_while_visits_are_booked_and_changes_without(manager) -> None:
    place = make_location()
    booking = visit_on(make_chair(place))
    west = changed(place, time_zone="America/Los_Angeles")
    with pytest.raises(ValidationError, match="1 visits are booked"):
        places.change_location(location=place, data=west, by=manager, now=NOW)
    booking.delete()
    assert places.change_location(location=place, data=west, by=manager, now=NOW).tz.key == "America/Los_Angeles"


def test_a_location_with_visits_is_not_switched_off(manager) -> None:
    place = make_location()
    visit_on(make_chair(place))
    with pytest.raises(ValidationError) as refused:
        places.change_location(location=place, data=changed(place, is_active=False), by=manager, now=NOW)
    assert "is_active" in refused.value.message_dict


CHAIR = StationData(kind=ResourceKind.CHAIR, name="Window")


def test_a_station_is_added_last_of_its_kind_and_a_room_counts_for_itself(manager) -> None:
    place = make_location()
    make_chair(place), make_chair(place), make_room(place)
    assert places.add_station(location=place, data=CHAIR, by=manager, now=NOW).position == 3
    room = StationData(kind=ResourceKind.ROOM, name="Window")
    assert places.add_station(location=place, data=room, by=manager, now=NOW).position == 2


def test_a_name_is_taken_only_once_among_the_chairs_of_a_location(manager) -> None:
    place = make_location()
    places.add_station(location=place, data=CHAIR, by=manager, now=NOW)
    for name in ("Window", "window"):
        with pytest.raises(ValidationError) as refused:
            places.add_station(
                location=place, data=StationData(kind=ResourceKind.CHAIR, name=name), by=manager, now=NOW
            )
        assert refused.value.message_dict == {"name": ["Another chair of this location has this name."]}
    assert places.add_station(location=make_location("Uptown"), data=CHAIR, by=manager, now=NOW).pk


def test_a_double_click_adds_one_chair(parallel: Parallel) -> None:
    place, manager = make_location(), make_user(Role.MANAGER)
    outcomes = parallel(6, lambda _: places.add_station(location=place, data=CHAIR, by=manager, now=NOW))
    assert [type(o.error) for o in outcomes if o.error] == [ValidationError] * 5
    assert Resource.objects.filter(location=place).count() == 1


def order(place: Location) -> list[str]:
    return [chair.name for chair in Resource.objects.chairs(place)]


def test_stations_change_places_and_the_ends_stay(manager) -> None:
    place = make_location()
    first, _, last = make_chair(place), make_chair(place), make_chair(place)
    places.move_station(station=last, up=True, by=manager, now=NOW)
    assert order(place) == ["Chair 1", "Chair 3", "Chair 2"]
    places.move_station(station=first, up=True, by=manager, now=NOW)
    places.move_station(station=Resource.objects.get(name="Chair 2"), up=False, by=manager, now=NOW)
    assert order(place) == ["Chair 1", "Chair 3", "Chair 2"]


def test_a_retired_station_cannot_be_booked_and_comes_back(manager) -> None:
    place = make_location()
    chair = make_chair(place)
    places.retire_station(station=chair, by=manager, now=NOW)
    assert order(place) == []
    places.restore_station(station=chair, by=manager, now=NOW)
    assert order(place) == ["Chair 1"]


def test_a_station_with_visits_to_come_is_not_retired_and_one_whose_visits_are_over_is(manager) -> None:
    chair = make_chair(make_location())
    booking = visit_on(chair)
    with pytest.raises(BookingsInTheWayError) as refused:
        places.retire_station(station=chair, by=manager, now=NOW)
    assert refused.value.bookings == [booking]
    assert Resource.objects.get(pk=chair.pk).is_active
    places.retire_station(station=chair, by=manager, now=datetime(2027, 1, 8, tzinfo=UTC))
    assert not Resource.objects.get(pk=chair.pk).is_active


def test_a_station_does_not_come_back_under_a_name_that_another_has(manager) -> None:
    place = make_location()
    chair = make_chair(place, "Window")
    places.retire_station(station=chair, by=manager, now=NOW)
    places.add_station(location=place, data=CHAIR, by=manager, now=NOW)
    with pytest.raises(ValidationError, match="has this name"):
        places.restore_station(station=chair, by=manager, now=NOW)
