"""The state of the set-up in a few sentences, for the page that leads to all of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, Subquery, Value
from django.db.models.functions import Coalesce

from clinic.models import Closure, Location, Opening, Resource, ResourceKind, RolePolicy, Shift, User
from clinic.pure.roles import ROLE_LABELS, Role
from clinic.pure.week import DAYS, Week
from clinic.services.hours import stranded, weeks_of
from clinic.services.staff import BOOKABLE_ROLES, limited_roles


@dataclass(frozen=True, slots=True)
class PlaceStatus:
    """One location: what a manager should know at a glance. ``needs`` says what is missing, most important first."""

    location: Location
    chairs: int
    rooms: int
    hours: str
    next_closure: Closure | None
    stranded: int
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    places: tuple[PlaceStatus, ...]
    chairs: int
    people: int
    people_by_role: tuple[tuple[str, int], ...]
    without_shifts: tuple[User, ...]
    second_factor_roles: tuple[str, ...]
    limited_roles: tuple[str, ...]
    limited_without_place: tuple[User, ...]
    to_look_at: int
    stranded: int


def setup_cards(*, now: datetime) -> Overview:
    """Everything that the first page of set-up says, in a fixed number of queries."""
    places = list(Location.objects.active())
    weeks = weeks_of(places)
    stations = Counter(
        Resource.objects.filter(location__isnull=False, is_active=True).values_list("location_id", "kind").order_by()
    )
    lost = Counter(stranded(now=now).order_by().values_list("location_id", flat=True))
    closures: dict[int, Closure] = {}
    today = min((place.local(now).date() for place in places), default=now.date())
    for closure in Closure.objects.filter(last_day__gte=today).order_by("-first_day"):
        closures[closure.location_id] = closure
    people = list(User.objects.with_reach().annotate(to_look_at=_to_look_at()).filter(is_active=True))
    policies = list(RolePolicy.objects.all())
    working = set(
        Shift.objects.filter(Q(last_day__isnull=True) | Q(last_day__gte=today)).values_list("user_id", flat=True)
    )
    statuses = [_status(place, weeks[place.pk], stations, lost[place.pk], closures.get(place.pk)) for place in places]
    return Overview(
        places=tuple(statuses),
        chairs=sum(status.chairs for status in statuses),
        people=len(people),
        people_by_role=tuple((label, sum(role in p.roles for p in people)) for role, label in ROLE_LABELS.items()),
        without_shifts=tuple(p for p in people if BOOKABLE_ROLES.intersection(p.roles) and p.pk not in working),
        second_factor_roles=tuple(
            ROLE_LABELS[Role(role)] for role in (policy.role for policy in policies if policy.requires_second_factor)
        ),
        limited_roles=tuple(ROLE_LABELS[role] for role in limited_roles(policies)),
        limited_without_place=tuple(p for p in people if p.is_limited and p.reach is None),
        to_look_at=next((vars(p)["to_look_at"] for p in people), 0),
        stranded=sum(lost.values()),
    )


def _to_look_at() -> Coalesce:
    """How many openings wait for a manager, in the query that reads the people."""
    waiting = Opening.objects.to_look_at().order_by().annotate(all=Value(1)).values("all").annotate(n=Count("pk"))
    return Coalesce(Subquery(waiting.values("n")), 0)


def _status(
    place: Location, week: Week, stations: Counter[tuple[int, str]], lost: int, closure: Closure | None
) -> PlaceStatus:
    chairs, rooms = stations[place.pk, ResourceKind.CHAIR], stations[place.pk, ResourceKind.ROOM]
    is_open = any(week.values())
    needs = []
    if not chairs:
        needs.append("No chair yet: nothing can be planned here.")
    if not is_open:
        needs.append("No opening hours yet: nothing can be booked here.")
    return PlaceStatus(place, chairs, rooms, _hours(week) if is_open else "", closure, lost, tuple(needs))


def _hours(week: Week) -> str:
    """When it is shut, since that is what people ask: "no opening hours on Saturday and Sunday"."""
    shut = [DAYS[day] for day in range(7) if not week.get(day)]
    if not shut:
        return "Open every day"
    words = " and ".join([", ".join(shut[:-1]), shut[-1]] if len(shut) > 1 else shut)
    return f"No opening hours on {words}"


def station_counts() -> dict[int, dict[str, int]]:
    """Location id -> active chairs and rooms."""
    rows = Location.objects.annotate(
        chairs=Count("resources", filter=Q(resources__kind="chair", resources__is_active=True)),
        rooms=Count("resources", filter=Q(resources__kind="room", resources__is_active=True)),
    )
    return {row.pk: {"chairs": row.chairs, "rooms": row.rooms} for row in rows}
