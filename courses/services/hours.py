"""When a location is open and its people work, in minutes of a local day; what speaks against a time for a visit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from clinic.models import BookingKind, Closure, Location, OpeningHours, Resource, ResourceKind
from clinic.pure.walltime import DAY_MIN, MinuteSpan, closing_minute, cut_out, minute_of
from clinic.pure.week import DAYS
from clinic.services.shifts import presence
from patients.models import Patient, Unavailability


@dataclass(frozen=True, slots=True)
class PartClosure:
    """A piece of a day on which the location is shut although its weekly hours say otherwise."""

    span: MinuteSpan
    reason: str

    def __str__(self) -> str:
        return f"{say_span(self.span)}: {self.reason}"


@dataclass(frozen=True, slots=True)
class OpenDay:
    """One day of a location: ``spans`` are its open minutes after midnight, ``closed_because`` why there are none."""

    day: date
    spans: tuple[MinuteSpan, ...]
    closed_because: str = ""
    closures: tuple[PartClosure, ...] = ()  # of part of the day, where they touch its hours

    @property
    def is_open(self) -> bool:
        return bool(self.spans)

    @property
    def open_min(self) -> int:
        return sum(until - since for since, until in self.spans)

    @property
    def in_words(self) -> str:
        """The hours as on a door: "08:00–12:00 and 13:00–18:00"."""
        return " and ".join(say_span(span) for span in self.spans)


def say_span(span: MinuteSpan) -> str:
    return "–".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in span)


def open_days_of(location: Location, first: date, days: int = 1) -> dict[date, OpenDay]:
    """``days`` days from ``first`` on; two queries."""
    weekly: dict[int, list[MinuteSpan]] = defaultdict(list)
    for row in OpeningHours.objects.filter(location=location).order_by("opens"):
        weekly[row.weekday].append((minute_of(row.opens), closing_minute(row.closes)))
    last = first + timedelta(days=days - 1)
    closures = list(Closure.objects.filter(location=location, first_day__lte=last, last_day__gte=first))
    every = [first + timedelta(days=n) for n in range(days)]
    return {day: _open_day(day, weekly[day.weekday()], closures) for day in every}


def _open_day(day: date, weekly: Sequence[MinuteSpan], closures: Iterable[Closure]) -> OpenDay:
    here = [one for one in closures if one.first_day <= day <= one.last_day]
    whole = next((one for one in here if one.is_whole_day), None)
    if whole is not None:
        return OpenDay(day, (), whole.reason or "Closed")
    if not weekly:
        return OpenDay(day, (), f"No opening hours on {DAYS[day.weekday()]}s")
    spans, parts = list(weekly), []
    for one in here:
        if one.from_time is None or one.until_time is None:
            continue
        span = (minute_of(one.from_time), closing_minute(one.until_time))
        if any(since < span[1] and span[0] < until for since, until in weekly):
            parts.append(PartClosure(span, one.reason))
        spans = cut_out(spans, *span)
    reason = "" if spans else ", ".join(part.reason for part in parts)
    return OpenDay(day, tuple(spans), reason, tuple(parts))


def working(location: Location, people: Iterable[Resource], day: date) -> dict[int, tuple[MinuteSpan, ...]]:
    """When each person (with ``user`` loaded) works at ``location`` on ``day``, by resource id; two queries."""
    known = {person.pk: person.user for person in people if hasattr(person, "user")}
    where = presence(known.values(), day, day)
    return {
        pk: tuple(
            (minute_of(stretch.start), closing_minute(stretch.end))
            for place, stretch in where[user.pk][day].stretches
            if place == location.pk
        )
        for pk, user in known.items()
    }


def gaps(spans: Iterable[MinuteSpan], lo: int = 0, hi: int = DAY_MIN) -> list[MinuteSpan]:
    """What lies between ``lo`` and ``hi`` outside ``spans``."""
    left: list[MinuteSpan] = [(lo, hi)]
    for span in spans:
        left = cut_out(left, *span)
    return left


def local_minutes(location: Location, start: datetime, end: datetime, day: date) -> MinuteSpan:
    """The part of ``[start, end)`` that lies on ``day``, as the location's clocks show it."""

    def minute(at: datetime) -> int:
        local = location.local(at)
        return minute_of(local.time()) if local.date() == day else 0 if local.date() < day else DAY_MIN

    return minute(start), minute(end)


@dataclass(frozen=True, slots=True)
class Objections:
    """What speaks against a time. ``refusals`` cannot be overruled here; ``warnings`` may be, by saying so."""

    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def object_to(
    *,
    kind: BookingKind,
    location: Location,
    start: datetime,
    end: datetime,
    resources: Sequence[Resource] = (),
    patient: Patient | None = None,
    now: datetime,
) -> Objections:
    """What the clock, the door and the shifts say to a visit at ``[start, end)``; other bookings are not asked here.

    A visit may begin up to one calendar step ago, so that somebody who walked in can still be put down. Time outside
    the opening hours of an open day, or outside somebody's shift, is worth a question; a closed door is not. Blocked
    time is only refused in the past.
    """
    if start < now - timedelta(minutes=location.start_step_min):
        return Objections(refusals=("This time is over. Choose one from now on.",))
    if kind == BookingKind.BLOCK:
        return Objections()
    day = location.local(start).date()
    lo, hi = local_minutes(location, start, end, day)
    opened = open_days_of(location, day)[day]
    if not opened.is_open:
        words = f"{location.name} is closed on {_say_day(day)}: {opened.closed_because}. Choose another day."
        return Objections(refusals=(words,))
    shut = next((part for part in opened.closures if part.span[0] < hi and lo < part.span[1]), None)
    if shut is not None:
        words = (
            f"{location.name} is closed {say_span(shut.span)} on {_say_day(day)}: {shut.reason}. Choose another time."
        )
        return Objections(refusals=(words,))
    warnings = []
    if not _within(opened.spans, lo, hi):
        warnings.append(f"{location.name} is open {opened.in_words} on {_say_day(day)}.")
    people = [one for one in resources if one.kind == ResourceKind.PERSON]
    worked = working(location, people, day) if people else {}
    warnings += [
        _off(person, location, worked.get(person.pk, ()))
        for person in people
        if not _within(worked.get(person.pk, ()), lo, hi)
    ]
    if patient is not None:
        warnings += _unavailable(patient, day, lo, hi)
    return Objections(warnings=tuple(warnings))


def _within(spans: Iterable[MinuteSpan], lo: int, hi: int) -> bool:
    return any(since <= lo and hi <= until for since, until in spans)


def _say_day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"


def _off(person: Resource, location: Location, spans: Sequence[MinuteSpan]) -> str:
    if not spans:
        return f"{person.name} does not work at {location.name} that day."
    return f"{person.name} works {' and '.join(say_span(span) for span in spans)} that day."


def _unavailable(patient: Patient, day: date, lo: int, hi: int) -> list[str]:
    rows = Unavailability.objects.filter(patient=patient, first_day__lte=day, last_day__gte=day)
    spans = [
        (minute_of(row.from_time), closing_minute(row.until_time)) if row.from_time and row.until_time else (0, DAY_MIN)
        for row in rows
    ]
    return [
        f"{patient.list_name} cannot come {'that day' if span == (0, DAY_MIN) else say_span(span)}."
        for span in spans
        if span[0] < hi and lo < span[1]
    ]
