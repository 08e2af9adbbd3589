"""Three locations of twenty chairs, and everybody who works there; made by the services, as a manager would."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from django.contrib.auth.hashers import make_password

from clinic.models import Closure, ClosureKind, Location, ResourceKind, User
from clinic.pure.roles import Role
from clinic.pure.week import Stretch
from clinic.services.hours import propose_holidays, set_opening_hours
from clinic.services.places import LocationData, StationData, add_location, add_station
from clinic.services.shifts import set_shifts
from clinic.services.staff import StaffData, add_staff
from courses.services.demo.place import PASSWORD
from courses.services.demo.scale.names import name_of

SITES = (
    ("Downtown", "America/New_York", "NY", "12 Mercer Street, New York"),
    ("Lakeside", "America/Chicago", "IL", "400 Shore Drive, Chicago"),
    ("Riverside", "America/New_York", "PA", "85 Water Street, Pittsburgh"),
)
CHAIRS, ROOMS = 20, 5
NURSES, STARTERS = 8, 4
"""Starters are the clinicians who attend the first minutes of infusions; as many again as rooms hold consultations."""
OPENS, CLOSES = time(8), time(18)
WEEKDAYS = range(5)
KEPT = ("New Year's Day", "Memorial Day", "Independence Day", "Labor Day", "Thanksgiving", "Christmas Day")
"""The holidays on which these clinics close."""
LANES = 3


@dataclass(frozen=True)
class Site:
    """One location: what can be booked there (ids of resources), who may sign (users), and when it is closed."""

    location: Location
    chairs: tuple[int, ...]
    rooms: tuple[int, ...]
    nurses: tuple[User, ...]
    starters: tuple[User, ...]
    consultants: tuple[User, ...]
    desk: User
    closed: frozenset[date]
    extra: date  # today, open even on a weekend

    def is_open(self, day: date) -> bool:
        return (day.weekday() in WEEKDAYS or day == self.extra) and day not in self.closed

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.location.time_zone)

    def midnight(self, day: date) -> int:
        """The instant that many minutes of the day are added to, in seconds since 1970; true from 08:00 on."""
        opens = datetime.combine(day, OPENS, self.zone).astimezone(UTC)
        return int(opens.timestamp()) - OPENS.hour * 3600


def build_place(*, first: date, last: date, today: date) -> list[Site]:
    """The clinic stands and is open from ``first`` on; everybody signs in with the demo's password.

    On a weekend the clinic is open today, too, so that there is something to see, and closed on the Friday before: what
    would have been given then is given today, as the rules of the protocol have it (R3).
    """
    opened = datetime.combine(first - timedelta(days=60), time(12), UTC)
    secret = make_password(PASSWORD)
    manager = User(username="manager", roles=[Role.MANAGER], date_joined=opened, password=secret)
    manager.first_name, manager.last_name, manager.title = "Ruth", "Adeyemi", "Practice manager"
    manager.email = "manager@clinic.example"
    manager.save()
    return [
        _site(number, manager, secret, days=(first, last, today), opened=opened) for number in range(1, len(SITES) + 1)
    ]


def _site(number: int, manager: User, secret: str, *, days: tuple[date, date, date], opened: datetime) -> Site:
    first, last, today = days
    name, zone, region, address = SITES[number - 1]
    data = LocationData(
        name=name, short_name=name, time_zone=zone, address=address, phone="+12125550100", holiday_region=region
    )
    place = add_location(data=data, by=manager, now=opened)
    if number == 1:
        manager.home_location = place
        manager.save(update_fields=["home_location"])
    chairs = _stations(place, ResourceKind.CHAIR, CHAIRS, manager, opened)
    rooms = _stations(place, ResourceKind.ROOM, ROOMS, manager, opened)
    hours = {day: (Stretch(OPENS, CLOSES),) for day in sorted({*WEEKDAYS, today.weekday()})}
    set_opening_hours(location=place, week=hours, by=manager, now=opened)

    def people(role: Role, count: int, *, begin: int = 1, lanes: int = 1) -> tuple[User, ...]:
        found = [_person(place, number, one, role, lanes) for one in range(begin, begin + count)]
        users = [add_staff(data=one, by=manager, now=opened) for one in found]
        for user in users:
            user.password = secret
            user.save(update_fields=["password"])
            if role != Role.FRONT_DESK:
                set_shifts(person=user, location=place, first_day=first, week=hours, by=manager, now=opened)
        return tuple(users)

    return Site(
        location=place,
        chairs=chairs,
        rooms=rooms,
        nurses=people(Role.NURSE, NURSES, lanes=LANES),
        starters=people(Role.CLINICIAN, STARTERS),
        consultants=people(Role.CLINICIAN, ROOMS, begin=STARTERS + 1),
        desk=people(Role.FRONT_DESK, 1)[0],
        closed=_closures(place, first, last, today),
        extra=today,
    )


def _stations(place: Location, kind: ResourceKind, count: int, by: User, now: datetime) -> tuple[int, ...]:
    wanted = [StationData(kind=kind, name=f"{kind.label} {number}") for number in range(1, count + 1)]
    return tuple(add_station(location=place, data=one, by=by, now=now).pk for one in wanted)


USERNAMES = {Role.NURSE: "nurse", Role.CLINICIAN: "clinician", Role.FRONT_DESK: "desk"}
TITLES = {Role.NURSE: "RN", Role.CLINICIAN: "MD", Role.FRONT_DESK: "Front desk"}


def _person(place: Location, number: int, one: int, role: Role, lanes: int) -> StaffData:
    """The first of each role at the first location has the name that the demo signs in with."""
    given, family = name_of(10_000 * number + 37 * one + len(role.value))
    plain = USERNAMES[role]
    username = plain if (number, one) == (1, 1) else f"{plain}-{number}-{one}"
    return StaffData(
        username=username,
        first_name=given,
        last_name=family,
        roles=frozenset({role}),
        email=f"{username}@clinic.example",
        title=TITLES[role],
        lanes=lanes,
        home_location=place,
    )


def _closures(place: Location, first: date, last: date, today: date) -> frozenset[date]:
    """The holidays of all the years, but never today."""
    days = {
        holiday.day: holiday.name
        for year in range(first.year, last.year + 1)
        for holiday in propose_holidays(place, year, today=date(year, 1, 1))
        if first <= holiday.day <= last and any(holiday.name.startswith(one) for one in KEPT)
    }
    if today.weekday() not in WEEKDAYS:
        days |= {today - timedelta(days=back): "Staff day" for back in range(1, today.weekday() - 3)}
    days.pop(today, None)
    Closure.objects.bulk_create(
        Closure(
            location=place,
            first_day=day,
            last_day=day,
            kind=ClosureKind.OTHER if reason == "Staff day" else ClosureKind.HOLIDAY,
            reason=reason,
        )
        for day, reason in sorted(days.items())
    )
    return frozenset(days)
