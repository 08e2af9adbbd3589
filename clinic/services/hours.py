"""When a location is open: weekly hours, closures, public holidays, and which visits they would strand.

A change that would leave visits in closed time never happens silently: it is refused with the list of them, or done
with ``keep_bookings=True``; then they stand on the to-move list (``stranded``) until somebody moves or cancels them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta

import holidays
from django.contrib.postgres.fields.ranges import RangeEndsWith, RangeStartsWith
from django.core.exceptions import ValidationError
from django.db.models import DateField, DateTimeField, Exists, F, Func, IntegerField, OuterRef, Q, QuerySet, TimeField

from clinic.models import Booking, BookingKind, Closure, ClosureKind, Location, OpeningHours, User
from clinic.pure.week import DAYS, Stretch, Week, day_problem, joined
from clinic.services.recorded import recorded

LISTED = 200
"""At most this many visits are listed by name; the page says how many more there are."""


class BookingsInTheWayError(Exception):
    """The change would strand visits. Nothing was changed."""

    def __init__(self, bookings: Sequence[Booking]) -> None:
        super().__init__(f"{len(bookings)} visits are in the way")
        self.bookings = list(bookings)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosureData:
    """What a manager says about a closure; both times or neither (the whole day)."""

    first_day: date
    last_day: date
    reason: str
    from_time: time | None = None
    until_time: time | None = None
    kind: ClosureKind = ClosureKind.OTHER


@dataclass(frozen=True, slots=True)
class Holiday:
    """A public holiday of a location's country; ``is_closed`` when a whole-day closure covers it already."""

    day: date
    name: str
    is_closed: bool


def with_names(bookings: QuerySet[Booking]) -> QuerySet[Booking]:
    """In order of time, with what a list of visits shows, at no query a row."""
    return bookings.select_related("location", "subject__patient").order_by(RangeStartsWith("span"), "id")


# --- weekly hours -------------------------------------------------------------------------------------------------


def week_of(location: Location) -> dict[int, tuple[Stretch, ...]]:
    """The opening hours, every weekday in order; a closed day has none."""
    return weeks_of([location])[location.pk]


def weeks_of(locations: Iterable[Location]) -> dict[int, dict[int, tuple[Stretch, ...]]]:
    """The opening hours of several locations in one query, by location id."""
    weeks: dict[int, dict[int, tuple[Stretch, ...]]] = {place.pk: dict.fromkeys(range(7), ()) for place in locations}
    for row in OpeningHours.objects.filter(location_id__in=list(weeks)).order_by("weekday", "opens"):
        weeks[row.location_id][row.weekday] += (Stretch(row.opens, row.closes),)
    return weeks


def set_opening_hours(
    *, location: Location, week: Week, by: User, now: datetime, keep_bookings: bool = False
) -> list[Booking]:
    """The location is open exactly as ``week`` says; the visits that now stand in closed time are returned.

    Raises:
        ValidationError: a day's stretches overlap or run backwards.
        BookingsInTheWayError: visits that were in open time would not be any more, and ``keep_bookings`` is off.
    """
    for day, stretches in week.items():
        if problem := day_problem(stretches):
            raise ValidationError(f"{DAYS[day]}: {problem}")
    with recorded(by=by, now=now):
        Location.objects.select_for_update().get(pk=location.pk)
        before = set(outside_hours(location, now=now).values_list("pk", flat=True))
        _write_week(location, week)
        after = list(with_names(outside_hours(location, now=now)))
        fresh = [booking for booking in after if booking.pk not in before]
        if fresh and not keep_bookings:
            raise BookingsInTheWayError(fresh)
    return after


def _write_week(location: Location, week: Week) -> None:
    """Only rows that differ are written, so that the history shows what changed."""
    wanted = {(day, stretch.start, stretch.end) for day, stretches in week.items() for stretch in joined(stretches)}
    rows = {(row.weekday, row.opens, row.closes): row for row in location.opening_hours.all()}
    for key, row in rows.items():
        if key not in wanted:
            row.delete()
    for day, opens, closes in sorted(wanted - set(rows)):
        OpeningHours.objects.create(location=location, weekday=day, opens=opens, closes=closes)


def outside_hours(location: Location, *, now: datetime) -> QuerySet[Booking]:
    """Visits to come that do not lie in one open stretch of their weekday, on the location's clocks."""
    return _visits(now).filter(location=location).exclude(_IN_HOURS)


def _visits(now: datetime) -> QuerySet[Booking]:
    """Visits to come, each with its day and times on the clocks of its own location; none lasts past midnight."""
    zone = F("location__time_zone")
    start = Func(zone, RangeStartsWith("span"), function="timezone", output_field=DateTimeField())
    end = Func(zone, RangeEndsWith("span"), function="timezone", output_field=DateTimeField())
    return (
        Booking.objects.upcoming(now)
        .exclude(kind=BookingKind.BLOCK)
        .annotate(
            local_day=Func(start, template="(%(expressions)s)::date", output_field=DateField()),
            local_weekday=Func(
                start, template="EXTRACT(ISODOW FROM %(expressions)s)::int", output_field=IntegerField()
            ),
            local_start=Func(start, template="(%(expressions)s)::time", output_field=TimeField()),
            local_end=Func(end, template="(%(expressions)s)::time", output_field=TimeField()),
        )
    )


_IN_HOURS = Exists(
    OpeningHours.objects.filter(
        location=OuterRef("location"),
        weekday=OuterRef("local_weekday") - 1,
        opens__lte=OuterRef("local_start"),
        closes__gte=OuterRef("local_end"),
    )
)


def _in_closure(now: datetime) -> Exists:
    """Closures that are over are left out: looking at each of them for every visit to come cost most of the time."""
    return Exists(
        Closure.objects.filter(
            Q(from_time__isnull=True) | Q(from_time__lt=OuterRef("local_end"), until_time__gt=OuterRef("local_start")),
            location=OuterRef("location"),
            first_day__lte=OuterRef("local_day"),
            last_day__gte=OuterRef("local_day"),
        ).filter(last_day__gte=now.date() - timedelta(days=1))  # it is the day before west of Greenwich
    )


def stranded(*, now: datetime, location: Location | None = None) -> QuerySet[Booking]:
    """The to-move list: visits to come that stand in closed time, whatever closed it; one query, everywhere or here."""
    # Each of the two is asked of all visits at once; asked of one visit after the other they cost five times as much.
    shut, outside = _visits(now).filter(_in_closure(now)), _visits(now).exclude(_IN_HOURS)
    rows = Booking.objects.upcoming(now).filter(Q(pk__in=shut.values("pk")) | Q(pk__in=outside.values("pk")))
    return with_names(rows.filter(location=location) if location else rows)


# --- closures -----------------------------------------------------------------------------------------------------


def spans_of(location: Location, closure: ClosureData | Closure) -> list[tuple[datetime, datetime]]:
    """The instants that a closure shuts, half-open; one span for whole days, one a day for part of them."""
    if closure.from_time is None or closure.until_time is None:
        return [(location.at(closure.first_day, time()), location.at(closure.last_day + timedelta(days=1), time()))]
    days = (closure.first_day + timedelta(days=n) for n in range((closure.last_day - closure.first_day).days + 1))
    return [(location.at(day, closure.from_time), location.at(day, closure.until_time)) for day in days]


def touching(location: Location, closures: Iterable[ClosureData | Closure], *, now: datetime) -> list[Booking]:
    """Visits to come that any of the closures would strand, soonest first."""
    shut = Q()
    for closure in closures:
        for span in spans_of(location, closure):
            shut |= Q(span__overlap=span)
    return list(with_names(_visits(now).filter(shut, location=location))) if shut else []


def add_closure(
    *, location: Location, data: ClosureData, by: User, now: datetime, keep_bookings: bool = False
) -> Closure:
    """The location is shut then.

    Raises:
        ValidationError: by field; also when exactly this closure exists already.
        BookingsInTheWayError: visits are booked then, and ``keep_bookings`` is off.
    """
    closure = Closure(location=location, **asdict(data))
    with recorded(by=by, now=now):
        _save_closure(closure, now=now, keep_bookings=keep_bookings)
    return closure


def change_closure(
    *, closure: Closure, data: ClosureData, by: User, now: datetime, keep_bookings: bool = False
) -> Closure:
    """The closure is as ``data`` says. Raises as ``add_closure``; visits that it stranded before do not count again."""
    known = {booking.pk for booking in touching(closure.location, [closure], now=now)}
    for field, value in asdict(data).items():
        setattr(closure, field, value)
    with recorded(by=by, now=now):
        _save_closure(closure, now=now, keep_bookings=keep_bookings, known=known)
    return closure


def remove_closure(*, closure: Closure, by: User, now: datetime) -> None:
    """The location is open then again, as its weekly hours say. A closure that is gone already is fine."""
    with recorded(by=by, now=now):
        Closure.objects.filter(pk=closure.pk).delete()


def _save_closure(
    closure: Closure, *, now: datetime, keep_bookings: bool, known: frozenset[int] | set[int] = frozenset()
) -> None:
    # The location's row is locked, so that a double click meets its own first closure and not an empty table.
    Location.objects.select_for_update().get(pk=closure.location_id)
    closure.full_clean()
    same = Closure.objects.filter(
        location=closure.location,
        first_day=closure.first_day,
        last_day=closure.last_day,
        from_time=closure.from_time,
        until_time=closure.until_time,
    ).exclude(pk=closure.pk)
    if twin := same.first():
        raise ValidationError({"first_day": f"The location is closed then already: {twin.reason}."})
    fresh = [booking for booking in touching(closure.location, [closure], now=now) if booking.pk not in known]
    if fresh and not keep_bookings:
        raise BookingsInTheWayError(fresh)
    closure.save()


# --- public holidays ----------------------------------------------------------------------------------------------


def holiday_regions() -> dict[str, list[str]]:
    """Country -> regions whose public holidays are known, by ISO code."""
    return holidays.list_supported_countries()


def propose_holidays(location: Location, year: int, *, today: date) -> list[Holiday]:
    """The public holidays of the location's country and region in that year that are not over, in order."""
    country, region = location.holiday_country, location.holiday_region or None
    try:
        found = holidays.country_holidays(country, subdiv=region, years=year, language="en_US")
    except NotImplementedError:  # a country or region that the package does not know
        return []
    closed = list(
        location.closures.filter(
            from_time__isnull=True, first_day__lte=date(year, 12, 31), last_day__gte=date(year, 1, 1)
        )
    )
    return [
        Holiday(day, name, any(closure.first_day <= day <= closure.last_day for closure in closed))
        for day, name in sorted(found.items())
        if day >= today
    ]


def add_holidays(
    *, location: Location, days: Mapping[date, str], by: User, now: datetime, keep_bookings: bool = False
) -> list[Closure]:
    """The location is shut on each of ``days`` (day -> name); a day that is closed already is left as it is.

    Raises:
        BookingsInTheWayError: visits are booked on one of them, and ``keep_bookings`` is off; then none is added.
    """
    with recorded(by=by, now=now):
        Location.objects.select_for_update().get(pk=location.pk)
        whole = list(location.closures.filter(from_time__isnull=True))
        fresh = [
            Closure(location=location, first_day=day, last_day=day, reason=name[:120], kind=ClosureKind.HOLIDAY)
            for day, name in sorted(days.items())
            if not any(closure.first_day <= day <= closure.last_day for closure in whole)
        ]
        in_the_way = touching(location, fresh, now=now)
        if in_the_way and not keep_bookings:
            raise BookingsInTheWayError(in_the_way)
        return Closure.objects.bulk_create(fresh)
