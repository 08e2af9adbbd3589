"""The demo clinic's two locations, its chairs, hours and a dozen people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.contrib.auth.hashers import make_password

from clinic.models import ClosureKind, Location, Resource, ResourceKind, User
from clinic.pure.roles import Role
from clinic.pure.week import Stretch, Week
from clinic.services.hours import ClosureData, add_closure, add_holidays, propose_holidays, set_opening_hours
from clinic.services.places import LocationData, StationData, add_location, add_station
from clinic.services.shifts import set_shifts
from clinic.services.staff import StaffData, add_staff

PASSWORD = "cadence-demo"  # noqa: S105 -- of a fictitious clinic, printed at every start
SIGN_INS = (
    ("desk", "front desk"),
    ("nurse", "nurse"),
    ("clinician", "clinician (prescriber)"),
    ("manager", "manager"),
)
DOWNTOWN, LAKESIDE = "Downtown", "Lakeside"


@dataclass(frozen=True, slots=True)
class Site:
    """One location with those who work there."""

    location: Location
    chairs: tuple[Resource, ...]
    rooms: tuple[Resource, ...]
    clinicians: tuple[User, ...]
    nurses: tuple[User, ...]
    desk: User


@dataclass(frozen=True, slots=True)
class Person:
    username: str
    first_name: str
    last_name: str
    title: str
    roles: frozenset[Role]
    site: str
    days: str  # "Mon-Fri" as weekday digits, Monday = 0
    hours: tuple[time, time]
    lanes: int = 1


def _p(  # noqa: PLR0917 -- the rows of the table below
    username: str, name: str, title: str, roles: str, site: str, days: str, hours: str, lanes: int = 1
) -> Person:
    first, last = name.split(" ", 1)
    starts, ends = (time.fromisoformat(text) for text in hours.split("-"))
    return Person(
        username, first, last, title, frozenset(Role(role) for role in roles.split()), site, days, (starts, ends), lanes
    )


PEOPLE = (
    _p("desk", "Maya Lindqvist", "Front desk", "front_desk", DOWNTOWN, "01234", "07:30-16:00"),
    _p("desk2", "Jonah Pryce", "Front desk", "front_desk", LAKESIDE, "01234", "08:00-17:00"),
    _p("nurse", "Rosa Delgado", "RN", "nurse", DOWNTOWN, "01234", "07:30-16:30", 3),
    _p("nurse2", "Thomas Keller", "RN", "nurse", DOWNTOWN, "0123456", "09:30-18:30", 3),
    _p("nurse3", "Aisha Rahman", "RN", "nurse", DOWNTOWN, "23456", "07:30-16:00", 2),
    _p("nurse4", "Grace Oduya", "RN", "nurse", LAKESIDE, "01234", "08:00-17:00", 3),
    _p("nurse5", "Petr Novák", "RN", "nurse", LAKESIDE, "0124", "08:00-15:00", 2),
    _p("clinician", "Elena Hart", "MD", "clinician", DOWNTOWN, "012345", "08:00-17:30"),
    _p("clinician2", "Samuel Osei", "MD", "clinician", DOWNTOWN, "0246", "08:30-18:30"),
    _p("clinician3", "Ingrid Solberg", "MD", "clinician", LAKESIDE, "01234", "08:00-17:00"),
    _p("clinician4", "Marcus Chen", "PMHNP", "clinician", LAKESIDE, "024", "08:00-16:00"),
    _p("manager", "Ruth Adeyemi", "Practice manager", "manager", DOWNTOWN, "01234", "09:00-17:00"),
)

SITES = {
    DOWNTOWN: ("Downtown", "America/New_York", "NY", "12 Mercer Street, New York", 5, 3),
    LAKESIDE: ("Lakeside", "America/Chicago", "IL", "400 Shore Drive, Chicago", 3, 2),
}
HOURS = {
    DOWNTOWN: {**dict.fromkeys(range(5), ("07:30", "18:30")), 5: ("07:30", "17:00"), 6: ("08:00", "16:30")},
    LAKESIDE: dict.fromkeys(range(5), ("08:00", "17:00")),
}


def on_duty(username: str, local: datetime) -> bool:
    """Whether this person's week says that they are in at this local moment."""
    person = next(one for one in PEOPLE if one.username == username)
    starts, ends = person.hours
    return str(local.weekday()) in person.days and starts <= local.time() < ends


def build_place(*, now: datetime, password: str = PASSWORD) -> list[Site]:
    """Two locations that are open and staffed; everybody signs in with ``password``."""
    opened = now - timedelta(days=400)
    secret = make_password(password)  # hashed once: a dozen slow hashes would be felt at every first start
    manager = _first_manager(opened, secret)
    places = {key: _location(key, by=manager, now=opened) for key in SITES}
    staff = {person.username: _staff(person, places, manager, opened, secret) for person in PEOPLE}
    for place in places.values():
        _closures(place, by=manager, now=now)
    return [_site(key, place, staff) for key, place in places.items()]


def _first_manager(now: datetime, secret: str) -> User:
    """Somebody has to be there before anybody can be added: the manager makes the rest."""
    manager = User(username="manager", roles=[Role.MANAGER], date_joined=now, password=secret)
    manager.save()
    return manager


def _location(key: str, *, by: User, now: datetime) -> Location:
    short, zone, region, address, chairs, rooms = SITES[key]
    data = LocationData(
        name=key, short_name=short, time_zone=zone, address=address, phone="+12125550100", holiday_region=region
    )
    place = add_location(data=data, by=by, now=now)
    for number in range(1, chairs + 1):
        add_station(location=place, data=StationData(kind=ResourceKind.CHAIR, name=f"Chair {number}"), by=by, now=now)
    for number in range(1, rooms + 1):
        add_station(location=place, data=StationData(kind=ResourceKind.ROOM, name=f"Room {number}"), by=by, now=now)
    set_opening_hours(location=place, week=_week(HOURS[key]), by=by, now=now)
    return place


def _week(hours: dict[int, tuple[str, str]]) -> Week:
    return {day: (Stretch(time.fromisoformat(a), time.fromisoformat(b)),) for day, (a, b) in hours.items()}


def _staff(person: Person, places: dict[str, Location], manager: User, now: datetime, secret: str) -> User:
    if person.username == manager.username:
        user = manager
        user.first_name, user.last_name, user.title = person.first_name, person.last_name, person.title
        user.email, user.home_location = f"{person.username}@clinic.example", places[person.site]
    else:
        data = StaffData(
            username=person.username,
            first_name=person.first_name,
            last_name=person.last_name,
            roles=person.roles,
            email=f"{person.username}@clinic.example",
            title=person.title,
            lanes=person.lanes,
            home_location=places[person.site],
        )
        user = add_staff(data=data, by=manager, now=now)
        user.password = secret
    user.save()
    week = {int(day): (Stretch(*person.hours),) for day in person.days}
    if Role.MANAGER not in person.roles:
        set_shifts(person=user, location=places[person.site], first_day=now.date(), week=week, by=manager, now=now)
    return user


def _closures(place: Location, *, by: User, now: datetime) -> None:
    """The public holidays of the coming two months, and an afternoon of training in three weeks."""
    today = place.local(now).date()
    days: dict[date, str] = {
        holiday.day: holiday.name
        for year in {today.year, (today + timedelta(days=60)).year}
        for holiday in propose_holidays(place, year, today=today)
        if today + timedelta(days=1) < holiday.day <= today + timedelta(days=60)
    }
    add_holidays(location=place, days=days, by=by, now=now)
    training = today + timedelta(days=21 - today.weekday() + 2)
    data = ClosureData(
        first_day=training,
        last_day=training,
        from_time=time(13),
        until_time=time(15),
        kind=ClosureKind.OTHER,
        reason="Emergency training",
    )
    add_closure(location=place, data=data, by=by, now=now)


def _site(key: str, place: Location, staff: dict[str, User]) -> Site:
    here = [person for person in PEOPLE if person.site == key]

    def those(role: Role) -> tuple[User, ...]:
        return tuple(staff[person.username] for person in here if role in person.roles)

    return Site(
        location=place,
        chairs=tuple(Resource.objects.chairs(place)),
        rooms=tuple(Resource.objects.rooms(place)),
        clinicians=those(Role.CLINICIAN),
        nurses=those(Role.NURSE),
        desk=those(Role.FRONT_DESK)[0],
    )
