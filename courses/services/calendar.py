"""The calendar's columns, week and staff feeds, from the same cards that Today shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

from django.db.models import Q, QuerySet
from icalendar import Calendar, Event, Timezone

from clinic.models import (
    Allocation,
    AllocationRole,
    Booking,
    BookingKind,
    BookingStatus,
    Location,
    Resource,
    ResourceKind,
    User,
)
from clinic.pure.walltime import MinuteSpan
from clinic.services.recorded import recorded
from courses.services.day import VisitCard, day_span, visits_between
from courses.services.hours import OpenDay, gaps, local_minutes, open_days_of, working

FEED_PAST_DAYS, FEED_FUTURE_DAYS = 14, 120


def columns(location: Location, day: date) -> tuple[list[Resource], list[Resource]]:
    """(chairs and rooms, people) that stand on the calendar of that day: two queries.

    People are those with a shift there that weekday, extra work that day, or something booked.
    """
    start, end = day_span(location, day)
    people = (
        Resource.objects.filter(kind=ResourceKind.PERSON, user__isnull=False)
        .filter(
            Q(
                user__shifts__location=location,
                user__shifts__weekday=day.weekday(),
                user__shifts__first_day__lte=day,
                is_active=True,
            )
            & (Q(user__shifts__last_day__isnull=True) | Q(user__shifts__last_day__gte=day))
            | Q(user__shift_exceptions__location=location, user__shift_exceptions__day=day, is_active=True)
            | Q(pk__in=_booked_people(location, start, end))
        )
        .select_related("user")
        .order_by("name", "id")
        .distinct()
    )
    return list(Resource.objects.stations(location)), list(people)


@dataclass(frozen=True, slots=True)
class Shade:
    """Time in which a column has nothing to offer, in minutes of the day, and why."""

    resource_ids: tuple[int, ...]
    since_min: int
    until_min: int
    why: str  # empty: simply not open, or not at work


def shades(
    location: Location,
    opened: OpenDay,
    stations: Iterable[Resource],
    people: Iterable[Resource],
    *,
    within: MinuteSpan,
) -> list[Shade]:
    """What of ``within`` is closed for chairs and rooms, or off for each person: two queries."""
    known, (lo, hi) = tuple(station.pk for station in stations), within
    found = [Shade(known, since, until, "") for since, until in gaps(opened.spans, lo, hi) if known]
    worked = working(location, people, opened.day)
    for person, spans in worked.items():
        there = [(max(a, c), min(b, d)) for a, b in spans for c, d in opened.spans if max(a, c) < min(b, d)]
        found += [Shade((person,), since, until, "") for since, until in gaps(there, lo, hi)]
    reasons = [
        Shade((*known, *worked), max(lo, a), min(hi, b), part.reason)
        for part in opened.closures
        for a, b in [part.span]
    ]
    return [*found, *reasons]


def _booked_people(location: Location, start: datetime, end: datetime) -> QuerySet[Allocation, int]:
    """By the bookings of the day, which an index finds; the allocations of a day lie among those of all days."""
    day = Booking.objects.filter(location=location).overlapping(start, end)
    return Allocation.objects.held().filter(booking__in=day).values_list("resource_id", flat=True)


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the week view. Chair time is counted inside the open minutes only, so what is free can be booked."""

    opened: OpenDay
    cards: tuple[VisitCard, ...]
    infusions: int
    consultations: int
    used_min: int  # open minutes of chairs that are taken
    chair_min: int  # open minutes of all chairs
    is_today: bool

    @property
    def day(self) -> date:
        return self.opened.day

    @property
    def used_share(self) -> int:
        """Per cent of the open chair time that is taken; 0 when closed."""
        return round(100 * self.used_min / self.chair_min) if self.chair_min else 0

    @property
    def free_h(self) -> float:
        return (self.chair_min - self.used_min) / 60


def week(location: Location, monday: date, *, now: datetime, keep: frozenset[BookingKind] | None = None) -> list[Day]:
    """Seven days from ``monday``: their visits, counts and free chair time; as many queries for 2 visits as for 200.

    Args:
        keep: which kinds are listed; counts and chair time always speak of all of them.
    """
    start, end = day_span(location, monday, 7)
    cards = visits_between(location, start, end)
    opened = open_days_of(location, monday, 7)
    chairs = frozenset(r.pk for r in Resource.objects.chairs(location))
    today = location.local(now).date()

    def one(day: date) -> Day:
        here = [c for c in cards if location.local(c.start).date() <= day <= location.local(c.end - A_MOMENT).date()]
        begun = [c.kind for c in here if location.local(c.start).date() == day]
        return Day(
            opened=opened[day],
            cards=tuple(c for c in here if keep is None or c.kind in keep),
            infusions=begun.count(BookingKind.INFUSION),
            consultations=begun.count(BookingKind.CONSULTATION),
            used_min=sum(_open_min_taken(location, opened[day], c, chairs) for c in here),
            chair_min=opened[day].open_min * len(chairs),
            is_today=day == today,
        )

    return [one(monday + timedelta(days=n)) for n in range(7)]


A_MOMENT = timedelta(seconds=1)


def _open_min_taken(location: Location, opened: OpenDay, card: VisitCard, chairs: frozenset[int]) -> int:
    """How much open chair time the visit takes on that day."""
    total = 0
    for taken in card.taken:
        if taken.resource_id in chairs:
            lo, hi = local_minutes(location, taken.start, taken.end, opened.day)
            total += sum(max(0, min(hi, until) - max(lo, since)) for since, until in opened.spans)
    return total


# --- staff feeds ----------------------------------------------------------------------------------------------------
def feed_owner(token: UUID) -> User | None:
    """The person whose private calendar address carries ``token``, while they work here."""
    return User.objects.filter(calendar_token=token, is_active=True).select_related("home_location").first()


def renew_feed(*, user: User, now: datetime) -> UUID:
    """The person's feed has a new private address; one that was there before answers no more."""
    with recorded(by=user, now=now):
        user.calendar_token = uuid4()
        user.save(update_fields=["calendar_token"])
    return user.calendar_token


def switch_off_feed(*, user: User, now: datetime) -> None:
    """The person has no feed; the address that was there answers no more."""
    with recorded(by=user, now=now):
        user.calendar_token = None
        user.save(update_fields=["calendar_token"])


def feed(user: User, *, now: datetime) -> bytes:
    """The person's bookings as iCalendar (RFC 5545), without a word about patients: three queries.

    Times are in UTC, so they stay right on every device and across clock changes. Titles of blocked time are left out
    as well, because anybody may have typed a name into one.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//Cadence//staff feed//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", f"Cadence · {user.get_full_name() or user.username}")
    # A calendar needs at least one component, also while nothing is booked.
    calendar.add_component(Timezone.from_tzid(user.home_location.time_zone if user.home_location else "UTC"))
    for allocation in _own(user, now):
        calendar.add_component(_event(allocation, now))
    return calendar.to_ical()


def _own(user: User, now: datetime) -> Iterable[Allocation]:
    """What holds the person around now, each booking once (blocked time holds every lane of a nurse)."""
    if user.resource_id is None:
        return ()
    window = (now - timedelta(days=FEED_PAST_DAYS), now + timedelta(days=FEED_FUTURE_DAYS))
    held = Allocation.objects.held().of(user.resource_id).overlapping(*window)
    rows = (
        held.exclude(role=AllocationRole.ATTENTION)
        .select_related("booking__location")
        .prefetch_related("booking__allocations__resource")
        .order_by("span", "id")
    )
    return {(row.booking_id, row.role): row for row in rows}.values()


def _event(allocation: Allocation, now: datetime) -> Event:
    booking = allocation.booking
    station = next((a.resource.name for a in booking.allocations.all() if a.role == AllocationRole.STATION), "")
    event = Event()
    event.add("uid", f"booking-{booking.pk}-{allocation.role}@cadence")
    event.add("dtstamp", now.astimezone(UTC))
    event.add("sequence", booking.version)
    event.add("dtstart", allocation.span.lower.astimezone(UTC))
    event.add("dtend", allocation.span.upper.astimezone(UTC))
    event.add("summary", " · ".join(filter(None, [booking.get_kind_display(), station])))
    event.add("location", booking.location.name)
    event.add("status", "TENTATIVE" if booking.status == BookingStatus.BOOKED else "CONFIRMED")
    return event
