"""When people work: weekly shifts from a day on, days off and extra days, and visits that nobody is there for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet

from clinic.models import Allocation, Booking, ExceptionKind, Location, Shift, ShiftException, User
from clinic.pure.week import DAYS, Stretch, Week, day_problem, joined, without
from clinic.services.hours import BookingsInTheWayError, with_names
from clinic.services.recorded import recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionData:
    """A day on which somebody is off (all day without times) or works in addition (with location and times)."""

    kind: ExceptionKind
    day: date
    starts: time | None = None
    ends: time | None = None
    location: Location | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Presence:
    """Where somebody is on one day: (location id, stretch) in order, and what was said about the day."""

    stretches: tuple[tuple[int, Stretch], ...]
    notes: tuple[str, ...] = ()


def pattern_of(person: User, location: Location, *, on: date) -> dict[int, tuple[Stretch, ...]]:
    """The weekly shifts of a person at a location that are in force on that day, every weekday in order."""
    return patterns_of(person, on=on).get(location, dict.fromkeys(range(7), ()))


def patterns_of(person: User, *, on: date) -> dict[Location, dict[int, tuple[Stretch, ...]]]:
    """The same for every active location, and for others at which the person works, in two queries."""
    rows = _in_force(on).filter(user=person).select_related("location").order_by("weekday", "starts")
    weeks: dict[Location, dict[int, tuple[Stretch, ...]]] = {
        place: dict.fromkeys(range(7), ()) for place in Location.objects.active()
    }
    for shift in rows:
        week = weeks.setdefault(shift.location, dict.fromkeys(range(7), ()))
        week[shift.weekday] += (Stretch(shift.starts, shift.ends),)
    return weeks


def _in_force(first: date, last: date | None = None) -> QuerySet[Shift]:
    return Shift.objects.filter(first_day__lte=last or first).filter(Q(last_day__isnull=True) | Q(last_day__gte=first))


def set_shifts(
    *,
    person: User,
    location: Location,
    first_day: date,
    week: Week,
    by: User,
    now: datetime,
    keep_bookings: bool = False,
) -> list[Booking]:
    """From ``first_day`` on the person works there exactly as ``week`` says; what was before that day stays.

    Returns:
        Visits for which the person is not there any more.

    Raises:
        ValidationError: a day overlaps itself or the person's shift at another location.
        BookingsInTheWayError: there are such visits, and ``keep_bookings`` is off.
    """
    _refuse_odd_days(week)
    week = {day: joined(stretches) for day, stretches in week.items()}
    with recorded(by=by, now=now):
        User.objects.select_for_update().get(pk=person.pk)
        _refuse_two_places(person, location, first_day, week)
        before = {booking.pk for booking in unattended(person, now=now)}
        _write_shifts(person, location, first_day, week)
        return _refuse_fresh(person, before, now=now, keep_bookings=keep_bookings)


def _refuse_odd_days(week: Week) -> None:
    for day, stretches in week.items():
        if problem := day_problem(stretches):
            raise ValidationError(f"{DAYS[day]}: {problem}")


def _refuse_fresh(person: User, before: set[int], *, now: datetime, keep_bookings: bool) -> list[Booking]:
    after = unattended(person, now=now)
    fresh = [booking for booking in after if booking.pk not in before]
    if fresh and not keep_bookings:
        raise BookingsInTheWayError(fresh)
    return after


def _refuse_two_places(person: User, location: Location, first_day: date, week: Week) -> None:
    elsewhere = Shift.objects.filter(user=person).exclude(location=location).select_related("location")
    for shift in elsewhere.filter(Q(last_day__isnull=True) | Q(last_day__gte=first_day)):
        there = Stretch(shift.starts, shift.ends)
        for stretch in week.get(shift.weekday, ()):
            if stretch.overlaps(there):
                raise ValidationError(
                    f"{DAYS[shift.weekday]}: {person.display_name} works at {shift.location} {there} then. "
                    "Change that shift first, or choose other hours."
                )


def _write_shifts(person: User, location: Location, first_day: date, week: Week) -> None:
    """Rows that go on unchanged are left alone; others end the day before, or vanish when they had not begun."""
    wanted = {(day, stretch.start, stretch.end) for day, stretches in week.items() for stretch in stretches}
    rows = Shift.objects.filter(user=person, location=location)
    for shift in rows.filter(Q(last_day__isnull=True) | Q(last_day__gte=first_day)):
        key = (shift.weekday, shift.starts, shift.ends)
        if key in wanted and shift.last_day is None and shift.first_day <= first_day:
            wanted.discard(key)
        elif shift.first_day >= first_day:
            shift.delete()
        else:
            shift.last_day = first_day - timedelta(days=1)
            shift.save(update_fields=["last_day"])
    for day, starts, ends in sorted(wanted):
        Shift.objects.create(user=person, location=location, weekday=day, starts=starts, ends=ends, first_day=first_day)


def add_exception(
    *, person: User, data: ExceptionData, by: User, now: datetime, keep_bookings: bool = False
) -> ShiftException:
    """The day is off, or is worked in addition.

    Raises:
        ValidationError: by field; also when exactly this stands there already.
        BookingsInTheWayError: visits are booked with the person then, and ``keep_bookings`` is off.
    """
    row = ShiftException(
        user=person,
        day=data.day,
        kind=data.kind,
        starts=data.starts,
        ends=data.ends,
        location=data.location if data.kind == ExceptionKind.EXTRA else None,
        reason=data.reason,
    )
    with recorded(by=by, now=now):
        User.objects.select_for_update().get(pk=person.pk)
        row.full_clean()
        if ShiftException.objects.filter(user=person, day=row.day, kind=row.kind, starts=row.starts).exists():
            raise ValidationError({"day": "This is written down for that day already."})
        if row.kind == ExceptionKind.EXTRA:
            _refuse_double_work(person, row)
        before = {booking.pk for booking in unattended(person, now=now)}
        row.save()
        _refuse_fresh(person, before, now=now, keep_bookings=keep_bookings)
    return row


def _refuse_double_work(person: User, row: ShiftException) -> None:
    extra = Stretch(row.starts or time.min, row.ends or time.max)
    here = presence([person], row.day, row.day)[person.pk][row.day]
    for _, stretch in here.stretches:
        if stretch.overlaps(extra):
            raise ValidationError({"starts": f"{person.display_name} works {stretch} on that day anyway."})


def remove_exception(*, row: ShiftException, by: User, now: datetime, keep_bookings: bool = False) -> None:
    """The day is an ordinary one again. Raises BookingsInTheWayError when visits stand on the extra time."""
    person = row.user
    with recorded(by=by, now=now):
        User.objects.select_for_update().get(pk=person.pk)
        before = {booking.pk for booking in unattended(person, now=now)}
        ShiftException.objects.filter(pk=row.pk).delete()
        _refuse_fresh(person, before, now=now, keep_bookings=keep_bookings)


def presence(people: Iterable[User], first: date, last: date) -> dict[int, dict[date, Presence]]:
    """Where each person works on each day of the closed range, in two queries; by user id."""
    ids = [person.pk for person in people]
    shifts: dict[int, list[Shift]] = defaultdict(list)
    for shift in _in_force(first, last).filter(user_id__in=ids):
        shifts[shift.user_id].append(shift)
    exceptions: dict[tuple[int, date], list[ShiftException]] = defaultdict(list)
    for row in ShiftException.objects.filter(user_id__in=ids, day__gte=first, day__lte=last):
        exceptions[row.user_id, row.day].append(row)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return {pk: {day: _presence_on(day, shifts[pk], exceptions[pk, day]) for day in days} for pk in ids}


def _presence_on(day: date, shifts: Iterable[Shift], exceptions: Iterable[ShiftException]) -> Presence:
    """Weekly shifts, less what is off, plus what is extra (extra work counts even on a day off)."""
    found: dict[int, tuple[Stretch, ...]] = defaultdict(tuple)
    for shift in shifts:
        until = shift.last_day or date.max
        if shift.weekday == day.weekday() and shift.first_day <= day <= until:
            found[shift.location_id] += (Stretch(shift.starts, shift.ends),)
    rows = list(exceptions)
    for row in rows:
        if row.kind == ExceptionKind.OFF:
            gap = Stretch(row.starts or time.min, row.ends or time.max)
            found = defaultdict(tuple, {place: without(stretches, gap) for place, stretches in found.items()})
    for row in rows:
        if row.kind == ExceptionKind.EXTRA and row.location_id and row.starts and row.ends:
            found[row.location_id] = joined((*found[row.location_id], Stretch(row.starts, row.ends)))
    stretches = sorted(((place, s) for place, many in found.items() for s in many), key=lambda pair: pair[1])
    return Presence(tuple(stretches), tuple(_note(row) for row in rows))


def _note(row: ShiftException) -> str:
    hours = f" {row.starts:%H:%M}–{row.ends:%H:%M}" if row.starts and row.ends else ""
    return f"{'Off' if row.kind == ExceptionKind.OFF else 'Extra'}{hours}{': ' + row.reason if row.reason else ''}"


def unattended(person: User, *, now: datetime) -> list[Booking]:
    """The person's to-move list: visits to come that hold them when they do not work there, or not any more."""
    if person.resource_id is None:
        return []
    held = (
        Allocation.objects.held()
        .filter(resource_id=person.resource_id, booking__in=Booking.objects.upcoming(now).exclude(kind="block"))
        .select_related("booking__location")
    )
    rows = [(allocation, _local_span(allocation)) for allocation in held]
    if not rows:
        return []
    days = [start.date() for _, (start, _) in rows]
    here = presence([person], min(days), max(days))[person.pk]
    missed = {row.booking_id for row, span in rows if not person.is_active or not _is_there(row, span, here)}
    return list(with_names(Booking.objects.filter(pk__in=missed)))


def _local_span(allocation: Allocation) -> tuple[datetime, datetime]:
    location = allocation.booking.location
    return location.local(allocation.span.lower), location.local(allocation.span.upper)


def _is_there(allocation: Allocation, span: tuple[datetime, datetime], here: Mapping[date, Presence]) -> bool:
    start, end = span
    return any(
        place == allocation.booking.location_id and stretch.covers(start.time(), end.time())
        for place, stretch in here[start.date()].stretches
    )
