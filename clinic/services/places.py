"""Locations, chairs and rooms: adding, renaming, ordering, retiring."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db.models import Max, QuerySet
from phonenumber_field.phonenumber import PhoneNumber

from clinic.models import Booking, Location, Resource, ResourceKind, User
from clinic.services.hours import BookingsInTheWayError, with_names
from clinic.services.recorded import recorded

STATION_KINDS = (ResourceKind.CHAIR, ResourceKind.ROOM)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationData:
    """What a manager says about a location."""

    name: str
    short_name: str
    time_zone: str
    address: str = ""
    phone: PhoneNumber | str = ""
    holiday_country: str = "US"
    holiday_region: str = ""
    start_step_min: int = 15
    is_active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StationData:
    """What a manager says about a chair or a room."""

    kind: ResourceKind
    name: str
    note: str = ""


def add_location(*, data: LocationData, by: User, now: datetime) -> Location:
    """The location exists; it has no hours, chairs or staff yet. Raises ValidationError by field."""
    location = Location(**asdict(data))
    with recorded(by=by, now=now):
        location.full_clean()
        location.save()
    return location


def change_location(*, location: Location, data: LocationData, by: User, now: datetime) -> Location:
    """The location is as ``data`` says. Raises ValidationError by field.

    The time zone stays while visits are booked: their instants are fixed, so another zone would move every clock time.
    """
    upcoming = location.bookings.upcoming(now).count()
    if data.time_zone != location.time_zone and upcoming:
        refusal = f"{upcoming} visits are booked here, and another zone would move their times."
        raise ValidationError({"time_zone": refusal})
    if location.is_active and not data.is_active and upcoming:
        raise ValidationError({"is_active": f"{upcoming} visits are booked here. Move or cancel them first."})
    for field, value in asdict(data).items():
        setattr(location, field, value)
    with recorded(by=by, now=now):
        location.full_clean()
        location.save()
    return location


def add_station(*, location: Location, data: StationData, by: User, now: datetime) -> Resource:
    """The chair or room stands last in the order of its kind. Raises ValidationError by field."""
    with recorded(by=by, now=now):
        _lock(location)
        last = _siblings(location, data.kind).aggregate(last=Max("position"))["last"] or 0
        station = Resource(location=location, kind=data.kind, name=data.name, note=data.note, position=last + 1)
        _check(station)
        station.save()
    return station


def change_station(*, station: Resource, data: StationData, by: User, now: datetime) -> Resource:
    """The chair or room has this name, kind and note. Raises ValidationError by field."""
    station.name, station.kind, station.note = data.name, data.kind, data.note
    with recorded(by=by, now=now):
        _check(station)
        station.save()
    return station


def move_station(*, station: Resource, up: bool, by: User, now: datetime) -> None:
    """The station has changed places with its neighbour in the order; the first cannot go up, nor the last down."""
    with recorded(by=by, now=now):
        _lock(_location(station))
        row = list(_siblings(_location(station), station.kind).order_by("position", "name", "id"))
        here = row.index(station)
        there = here - 1 if up else here + 1
        if 0 <= there < len(row):
            row[here], row[there] = row[there], row[here]
        for position, sibling in enumerate(row, 1):
            if sibling.position != position:
                sibling.position = position
                sibling.save(update_fields=["position"])


def retire_station(*, station: Resource, by: User, now: datetime) -> None:
    """Nothing new can be booked on the station; its past stays.

    Raises:
        BookingsInTheWayError: with the visits that still stand on it.
    """
    with recorded(by=by, now=now):
        _lock(_location(station))
        booked = bookings_on(station, now=now)
        if booked:
            raise BookingsInTheWayError(booked)
        station.is_active = False
        station.save(update_fields=["is_active"])


def restore_station(*, station: Resource, by: User, now: datetime) -> None:
    """The station can be booked again. Raises ValidationError when its name was given to another meanwhile."""
    station.is_active = True
    with recorded(by=by, now=now):
        _check(station)
        station.save(update_fields=["is_active"])


def bookings_on(station: Resource, *, now: datetime) -> list[Booking]:
    """Visits and blocks to come that hold the station, soonest first."""
    rows = Booking.objects.real().filter(
        allocations__resource=station, allocations__released=False, span__endswith__gt=now
    )
    return list(with_names(rows).distinct())


def _siblings(location: Location, kind: str) -> QuerySet[Resource]:
    return Resource.objects.filter(location=location, kind=kind, is_active=True)


def _location(station: Resource) -> Location:
    if station.location is None:
        raise ValueError(f"{station} is neither a chair nor a room")
    return station.location


def _lock(location: Location) -> None:
    """Two people who order or add at once wait for each other."""
    Location.objects.select_for_update().get(pk=location.pk)


def _check(station: Resource) -> None:
    try:
        station.full_clean(exclude=["location"])
    except ValidationError as problem:
        if "resource_name_unique_at_location" not in str(problem) and "__all__" not in problem.message_dict:
            raise
        station_kind = station.get_kind_display().lower()
        raise ValidationError({"name": f"Another {station_kind} of this location has this name."}) from None
    taken = _siblings(_location(station), station.kind).filter(name__iexact=station.name).exclude(pk=station.pk)
    if station.is_active and taken.exists():
        raise ValidationError({"name": f"Another {station.get_kind_display().lower()} of this location has this name."})
