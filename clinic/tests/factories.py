"""Plain functions that make the place for a test: fixed, speaking values, and everything can be said differently.

Each call makes one more of its kind; a name that is taken gets a number. Nothing here goes through a service, so a test of
a service starts from rows that it did not write.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from clinic.models import (
    Closure,
    ExceptionKind,
    Location,
    OpeningHours,
    Resource,
    ResourceKind,
    Shift,
    ShiftException,
    User,
)
from clinic.pure.roles import Role

WEEKDAYS = range(5)
OPENS, CLOSES = time(8), time(18)
LONG_AGO = date(2020, 1, 1)

PEOPLE = {
    Role.FRONT_DESK: ("desk", "Maya", "Lindqvist", "Front desk"),
    Role.NURSE: ("nurse", "Ines", "Moreau", "RN"),
    Role.CLINICIAN: ("clinician", "Samuel", "Hart", "MD"),
    Role.MANAGER: ("manager", "Ruth", "Adeyemi", "Practice manager"),
}
BOOKABLE = {Role.NURSE: 3, Role.CLINICIAN: 1}
"""Roles whose holders stand in the calendar -> how many bookings they serve at once."""


def make_user(*roles: Role, username: str = "", **fields: Any) -> User:
    """Somebody who can sign in and holds `roles`; nurses (3 lanes) and clinicians also have a resource to book.

    Without roles the user is signed in and may do nothing.
    """
    usual = PEOPLE[roles[0]] if roles else ("stranger", "Noa", "Stern", "")
    wanted = username or usual[0]
    taken = User.objects.filter(username__startswith=wanted).count()
    user = User(
        username=f"{wanted}{taken + 1}" if taken else wanted,
        roles=[role.value for role in roles],
        **({"first_name": usual[1], "last_name": usual[2], "title": usual[3]} | fields),
    )
    user.set_unusable_password()
    if user.resource is None and any(role in BOOKABLE for role in roles):
        user.resource = make_person(user.get_full_name(), lanes=max(BOOKABLE.get(role, 1) for role in roles))
    user.save()
    return user


def make_person(name: str, *, lanes: int = 1) -> Resource:
    """The bookable side of a member of staff."""
    return Resource.objects.create(kind=ResourceKind.PERSON, name=name, lanes=lanes)


def make_location(name: str = "Downtown", **fields: Any) -> Location:
    """A location in New York (GMT-5 in winter, GMT-4 in summer), without hours, chairs or staff."""
    taken = Location.objects.filter(name__startswith=name).count()
    unique = f"{name} {taken + 1}" if taken else name
    return Location.objects.create(
        **({"name": unique, "short_name": unique[:12], "time_zone": "America/New_York"} | fields)
    )


def make_chair(location: Location, name: str = "", **fields: Any) -> Resource:
    """One more chair of the location: "Chair 1", "Chair 2" ..."""
    return _station(location, ResourceKind.CHAIR, name or "Chair", numbered=not name, **fields)


def make_room(location: Location, name: str = "", **fields: Any) -> Resource:
    """One more room of the location: "Room 1", "Room 2" ..."""
    return _station(location, ResourceKind.ROOM, name or "Room", numbered=not name, **fields)


def _station(location: Location, kind: ResourceKind, name: str, *, numbered: bool, **fields: Any) -> Resource:
    number = Resource.objects.filter(location=location, kind=kind).count() + 1
    values = {"name": f"{name} {number}" if numbered else name, "position": number} | fields
    return Resource.objects.create(location=location, kind=kind, **values)


def make_hours(
    location: Location, *, weekdays: Iterable[int] = WEEKDAYS, opens: time = OPENS, closes: time = CLOSES
) -> list[OpeningHours]:
    """The location is open on these weekdays, Monday to Friday 08:00-18:00 unless said otherwise."""
    return OpeningHours.objects.bulk_create(
        OpeningHours(location=location, weekday=weekday, opens=opens, closes=closes) for weekday in weekdays
    )


def make_shifts(
    user: User,
    location: Location,
    *,
    weekdays: Iterable[int] = WEEKDAYS,
    starts: time = OPENS,
    ends: time = CLOSES,
    first_day: date = LONG_AGO,
    last_day: date | None = None,
) -> list[Shift]:
    """The person works there every week, Monday to Friday 08:00-18:00 unless said otherwise."""
    return Shift.objects.bulk_create(
        Shift(
            user=user,
            location=location,
            weekday=weekday,
            starts=starts,
            ends=ends,
            first_day=first_day,
            last_day=last_day,
        )
        for weekday in weekdays
    )


def make_closure(location: Location, first_day: date, last_day: date | None = None, **fields: Any) -> Closure:
    """The location is shut from the first to the last day (one day unless said otherwise)."""
    values = {"reason": "Staff training"} | fields
    return Closure.objects.create(location=location, first_day=first_day, last_day=last_day or first_day, **values)


def make_absence(user: User, day: date, **fields: Any) -> ShiftException:
    """The person is off on that day, all day unless `starts` and `ends` say otherwise."""
    return ShiftException.objects.create(user=user, day=day, **({"kind": ExceptionKind.OFF} | fields))


@dataclass(frozen=True, slots=True)
class Clinic:
    """A location that works: open and staffed Monday to Friday, 08:00-18:00."""

    location: Location
    chairs: list[Resource]
    room: Resource
    desk: User
    nurse: User
    clinician: User
    manager: User

    @property
    def users(self) -> dict[Role, User]:
        return {
            Role.FRONT_DESK: self.desk,
            Role.NURSE: self.nurse,
            Role.CLINICIAN: self.clinician,
            Role.MANAGER: self.manager,
        }


def make_clinic(name: str = "Downtown", *, chairs: int = 2, **fields: Any) -> Clinic:
    """A location with hours, chairs, a room, and one person of each role with shifts."""
    location = make_location(name, **fields)
    make_hours(location)
    people = {role: make_user(role, home_location=location) for role in Role}
    for role in BOOKABLE:
        make_shifts(people[role], location)
    return Clinic(
        location=location,
        chairs=[make_chair(location) for _ in range(chairs)],
        room=make_room(location),
        desk=people[Role.FRONT_DESK],
        nurse=people[Role.NURSE],
        clinician=people[Role.CLINICIAN],
        manager=people[Role.MANAGER],
    )
