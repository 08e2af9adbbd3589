"""Free time in bulk: opening hours less closures, shifts less absences, less what is booked.

Whatever the number of days and resources, a question costs at most six queries, and none writes. Clock times belong to
the location; how long something takes is elapsed time, so a two-hour visit across a clock change ends when two hours
have passed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cached_property

import numpy as np
import numpy.typing as npt
from django.db import connection
from django.db.models import F, Q

from clinic.models.bookings import ATTENTION_LANE
from clinic.models.hours import Closure, ExceptionKind, OpeningHours, Shift, ShiftException
from clinic.models.places import Location, Resource, ResourceKind
from clinic.pure.grid import free_starts_for
from clinic.pure.lanes import full_spans
from clinic.pure.rota import without_closures, working_spans
from clinic.pure.walltime import (
    DAY_MIN,
    MIDNIGHT,
    BoolArray,
    IntArray,
    MinuteSpan,
    closing_minute,
    epoch_minutes,
    minute_of,
    runs,
)

FloatArray = npt.NDArray[np.float32]
NO_BOOKINGS: frozenset[int] = frozenset()
NOTHING: IntArray = np.zeros((0, 5), dtype=np.int64)
NO_SPANS: IntArray = np.zeros((0, 2), dtype=np.int64)

# As minutes since the epoch, outwards to whole minutes. Each pair of a resource and a stretch of days is one pass over
# the exclusion index, which holds only what is not released. The minutes of a lane come as one text, which numpy reads
# five times as fast as a row for each. OFFSET 0 keeps it so: left to itself, the planner may read
# the stretches of every resource there is and throw most of it away (1.4 s instead of 20 ms on 900,000 allocations).
TAKEN_SQL = """
SELECT taken.resource_id, taken.lane, (taken.role = 'blocked')::int,
       string_agg(floor(date_part('epoch', lower(taken.span)) / 60)::int || ' ' ||
                  ceil(date_part('epoch', upper(taken.span)) / 60)::int, ' ')
FROM unnest(%s::bigint[]) AS r (id)
CROSS JOIN unnest(%s::timestamptz[], %s::timestamptz[]) AS w (starts, ends)
CROSS JOIN LATERAL (
    SELECT a.resource_id, a.lane, a.role, a.span
    FROM clinic_allocation a
    WHERE int8range(a.resource_id, a.resource_id, '[]') && int8range(r.id, r.id, '[]')
      AND a.span && tstzrange(w.starts, w.ends)
      AND NOT a.released AND a.booking_id <> ALL(%s::bigint[])
    OFFSET 0
) AS taken
GROUP BY 1, 2, 3
"""
A_DAY = timedelta(days=1)
HOLE_DAYS = 6
"""Days that were not asked for, but are read along: fewer stretches cost less than a few rows more."""


@dataclass(frozen=True, slots=True)
class Need:
    """One part of a visit: any of ``resource_ids`` for ``duration_min``, from ``offset_min`` after the visit's start.

    ``attention`` asks for a person's full attention (free of other such moments) instead of one of the lanes.
    """

    resource_ids: tuple[int, ...]  # each once
    offset_min: int
    duration_min: int
    attention: bool = False


def free_matrix(
    location: Location,
    days: Sequence[date],
    minutes: Sequence[int],
    needs: Sequence[Need],
    *,
    ignoring: Collection[int] = NO_BOOKINGS,
    persons_at: Location | None = None,
) -> list[BoolArray]:
    """For each need ``[day, minute, resource]``: whether that resource is free for it when the visit starts then.

    Chairs and rooms are free inside the opening hours of ``location``, people inside their shifts there, patients at
    any hour; chairs, rooms and people never in a closure. A start that the spring change skips is never free.

    Args:
        location: whose clocks, hours, chairs and rooms are meant.
        days: local dates, need not be contiguous.
        minutes: starts of the visit in minutes after local midnight.
        needs: the parts of the visit; every part may ask for several resources at once.
        ignoring: ids of bookings that count as free, because the question is where to move them.
        persons_at: where the people's shifts count, if not at ``location``.
    """
    return Calendar(location).free_matrix(days, minutes, needs, ignoring=ignoring, persons_at=persons_at)


def open_days(location: Location, first: date, last: date) -> frozenset[date]:
    """The days from ``first`` to ``last`` (inclusive) on which the location is open at all."""
    return Calendar(location).open_days(first, last)


def starts_minutes(location: Location, days: Collection[date]) -> tuple[int, ...]:
    """Every start that the weekly hours of any of ``days`` allow, in the location's steps."""
    return Calendar(location).starts_minutes(days)


def load(location: Location, days: Sequence[date], minutes: Sequence[int]) -> FloatArray:
    """``[day, minute]``: the share of the location's active chairs that are in use then, 0 to 1."""
    return Calendar(location).load(days, minutes)


def calendars(
    locations: Sequence[Location],
    first: date,
    last: date,
    *,
    known: Iterable[Resource],
    ignoring: Collection[int] = NO_BOOKINGS,
) -> list[Calendar]:
    """One calendar for each location, read together: five queries, however many locations, days and resources.

    They answer about the days from ``first`` to ``last`` and the resources in ``known``, and about nothing else.

    Args:
        locations: may lie in different time zones.
        first, last: local dates, both included; a visit may end on the day after.
        known: chairs, rooms, people and patients, already loaded.
        ignoring: ids of bookings that count as free, as in ``free_matrix``, which needs not be told again.
    """
    resources = list(known)
    found = {place.pk: Calendar(place, known=resources) for place in locations}
    hours: dict[int, dict[int, list[MinuteSpan]]] = defaultdict(lambda: defaultdict(list))
    for row in OpeningHours.objects.filter(location__in=found).order_by():
        hours[row.location_id][row.weekday].append((minute_of(row.opens), closing_minute(row.closes)))
    shut: dict[int, list[Closure]] = defaultdict(list)
    for closure in Closure.objects.filter(location__in=found, first_day__lte=last, last_day__gte=first):
        shut[closure.location_id].append(closure)
    people = [one.pk for one in resources if one.kind == ResourceKind.PERSON]
    rota = _read_rota(people, list(found), first, last)
    ids = [one.pk for one in resources]
    taken = _read_taken(ids, [_midnight(first, UTC) - A_DAY], [_midnight(last, UTC) + 3 * A_DAY], ignoring)
    for pk, calendar in found.items():
        calendar.share(hours[pk], shut[pk], rota, taken)
    return list(found.values())


class Calendar:
    """One location's calendar for one answer: what several questions share is read once. Not kept between requests.

    ``known`` are resources that the caller has read already; with one active chair of the location among them, all are.
    """

    def __init__(self, location: Location, *, known: Iterable[Resource] = ()) -> None:
        self.location = location
        self._known = {one.pk: one for one in known}
        self.tz = location.tz
        self._read: dict[tuple[date, ...], tuple[tuple[int, ...], IntArray]] = {}
        self._shut: dict[date, list[Closure]] = {}
        self._opened: dict[date, list[MinuteSpan]] = {}
        self._rota: _Rota | None = None
        self._all_taken: IntArray | None = None

    def share(self, hours: dict[int, list[MinuteSpan]], closures: list[Closure], rota: _Rota, taken: IntArray) -> None:
        """What ``calendars`` read for several locations at once; nothing is read again."""
        self._hours, self._closures, self._rota, self._all_taken = hours, closures, rota, taken

    # --- hours --------------------------------------------------------------------------------------------------------

    @cached_property
    def _hours(self) -> dict[int, list[MinuteSpan]]:
        weekly: dict[int, list[MinuteSpan]] = defaultdict(list)
        for row in OpeningHours.objects.filter(location=self.location).order_by():
            weekly[row.weekday].append((minute_of(row.opens), closing_minute(row.closes)))
        return weekly

    @cached_property
    def _closures(self) -> list[Closure]:
        return list(Closure.objects.filter(location=self.location))

    @cached_property
    def _chairs(self) -> tuple[int, ...]:
        here = (ResourceKind.CHAIR, self.location.pk)
        chairs = tuple(pk for pk, one in self._known.items() if (one.kind, one.location_id) == here and one.is_active)
        return chairs or tuple(Resource.objects.chairs(self.location).values_list("pk", flat=True))

    def _resources(self, ids: Collection[int]) -> dict[int, Resource]:
        unknown = [pk for pk in ids if pk not in self._known]
        return self._known | (Resource.objects.order_by().in_bulk(unknown) if unknown else {})

    def _without_closures(self, day: date, spans: Sequence[MinuteSpan]) -> list[MinuteSpan]:
        if day not in self._shut:
            self._shut[day] = [one for one in self._closures if one.first_day <= day <= one.last_day]
        return without_closures(day, spans, self._shut[day])

    def _open(self, day: date) -> list[MinuteSpan]:
        if day not in self._opened:
            self._opened[day] = self._without_closures(day, self._hours[day.weekday()])
        return self._opened[day]

    def open_spans(self, day: date) -> tuple[MinuteSpan, ...]:
        """When the location is open on that day, closures taken out; empty on a closed day."""
        return tuple(self._open(day))

    def why_closed(self, day: date) -> str:
        """The reason of a closure that shuts the location for the whole day; empty where there is none."""
        found = (one.reason for one in self._closures if one.is_whole_day and one.first_day <= day <= one.last_day)
        return next(found, "")

    def open_days(self, first: date, last: date) -> frozenset[date]:
        """As the function of that name."""
        every = (date.fromordinal(number) for number in range(first.toordinal(), last.toordinal() + 1))
        return frozenset(day for day in every if self._open(day))

    def starts_minutes(self, days: Collection[date]) -> tuple[int, ...]:
        """As the function of that name."""
        step = self.location.start_step_min
        spans = [span for weekday in {day.weekday() for day in days} for span in self._hours[weekday]]
        return tuple(sorted({minute for lo, hi in spans for minute in range(-(-lo // step) * step, hi, step)}))

    # --- free ---------------------------------------------------------------------------------------------------------

    def free_matrix(
        self,
        days: Sequence[date],
        minutes: Sequence[int],
        needs: Sequence[Need],
        *,
        ignoring: Collection[int] = NO_BOOKINGS,
        persons_at: Location | None = None,
    ) -> list[BoolArray]:
        """As the function of that name."""
        ids = tuple(dict.fromkeys(pk for need in needs for pk in need.resource_ids))
        resources = self._resources(ids)
        longest = max((need.offset_min + need.duration_min for need in needs), default=0)
        starts, exists = epoch_minutes(days, minutes, self.tz)
        opened = self._open_spans(days, [resources.get(pk) for pk in ids], persons_at or self.location, longest)
        at_hand = tuple(ids[index] for index in np.unique(opened[:, 0]))  # nobody else's bookings matter
        taken = _numbered(self._taken(days, at_hand, frozenset(ignoring), longest), ids)
        lanes = np.asarray([resources[pk].lanes if pk in resources else 1 for pk in ids], dtype=np.int64)
        busy = {attention: _busy(taken, lanes, attention=attention) for attention in {need.attention for need in needs}}
        found = []
        for need in needs:
            rows = [ids.index(pk) for pk in need.resource_ids]
            free = free_starts_for(
                starts.ravel() + need.offset_min,
                need.duration_min,
                _only(opened, rows, len(ids)),
                _only(busy[need.attention], rows, len(ids)),
                [1] * len(rows),
            )
            found.append(free.reshape(*starts.shape, len(rows)) & exists[:, :, None])
        return found

    def load(self, days: Sequence[date], minutes: Sequence[int]) -> FloatArray:
        """As the function of that name; without the bookings that the ``free_matrix`` before it had to ignore."""
        starts, _ = epoch_minutes(days, minutes, self.tz)
        if not self._chairs or not starts.size:
            return np.zeros(starts.shape, dtype=np.float32)
        step = self.location.start_step_min
        taken = _numbered(self._taken(days, self._chairs, None, step), self._chairs)
        ones = np.ones(len(self._chairs), dtype=np.int64)
        always = [(index, int(starts.min()), int(starts.max()) + step) for index in range(len(self._chairs))]
        free = free_starts_for(starts.ravel(), step, always, _busy(taken, ones, attention=False), ones.tolist())
        return (1 - free.mean(axis=1, dtype=np.float32)).reshape(starts.shape)

    # --- spans --------------------------------------------------------------------------------------------------------

    def _open_spans(
        self, days: Sequence[date], resources: Sequence[Resource | None], persons_at: Location, longest_min: int
    ) -> IntArray:
        """Rows (resource index, lo, hi) in minutes since the epoch."""
        worked = self._shift_spans(days, resources, persons_at)
        rows: list[tuple[int, int, int, int]] = []  # resource, day, minutes after midnight
        for index, resource in enumerate(resources):
            if resource is None or not resource.is_active:
                continue
            if resource.kind == ResourceKind.PERSON:
                rows += [(index, number, lo, hi) for number, spans in worked[resource.pk].items() for lo, hi in spans]
            elif resource.kind != ResourceKind.PATIENT and resource.location_id == self.location.pk:
                rows += [(index, number, lo, hi) for number, day in enumerate(days) for lo, hi in self._open(day)]
        clocks = sorted({clock for _, _, lo, hi in rows for clock in (lo, hi)} | {0, DAY_MIN})
        instants, _ = epoch_minutes(days, clocks, self.tz)
        place = np.searchsorted(clocks, np.asarray(rows, dtype=np.int64).reshape(-1, 4)[:, 2:])
        found = np.asarray(rows, dtype=np.int64).reshape(-1, 4)
        found[:, 2:] = np.stack([instants[found[:, 1], place[:, 0]], instants[found[:, 1], place[:, 1]]], axis=1)
        whole = [
            (index, int(instants.min(initial=0)), int(instants.max(initial=0)) + longest_min)
            for index, one in enumerate(resources)
            if one is not None and one.is_active and one.kind == ResourceKind.PATIENT and instants.size
        ]
        return np.concatenate([found[:, [0, 2, 3]], np.asarray(whole, dtype=np.int64).reshape(-1, 3)])

    def _shift_spans(
        self, days: Sequence[date], resources: Sequence[Resource | None], place: Location
    ) -> dict[int, dict[int, list[MinuteSpan]]]:
        """When each person works there, by resource id and index of the day: the pattern less absences, and extra work.

        The same as ``clinic.services.shifts.presence``, for scattered days and in minutes.
        """
        people = [one.pk for one in resources if one is not None and one.kind == ResourceKind.PERSON]
        worked: dict[int, dict[int, list[MinuteSpan]]] = defaultdict(lambda: defaultdict(list))
        if not people or not days:
            return worked
        rota = self._rota or _read_rota(people, [place.pk], min(days), max(days))
        calendar = self if place.pk == self.location.pk else Calendar(place)
        if place.tz != self.tz:
            raise ValueError(f"{place} and {self.location} have different clocks; ask for each of them alone")
        for person in people:
            shifts = rota.shifts.get((person, place.pk), ())
            for number, day in enumerate(days):
                known = rota.changes.get((person, day), ())
                changes = [one for one in known if one.kind == ExceptionKind.OFF or one.location_id == place.pk]
                if shifts or changes:
                    spans = working_spans(day, shifts, changes)
                    worked[person][number] = calendar._without_closures(day, spans)  # noqa: SLF001 (the same class)
        return worked

    def _taken(
        self, days: Sequence[date], ids: tuple[int, ...], ignoring: frozenset[int] | None, longest_min: int
    ) -> IntArray:
        """Rows (resource id, lane, blocked, lo, hi); ``ignoring`` None takes what was read before, if it will do."""
        if self._all_taken is not None:
            return self._all_taken
        key = tuple(days)
        known_ids, rows = self._read.get(key, ((), NOTHING))
        if ignoring is None and set(ids) <= set(known_ids):
            return rows
        found = self._fetch(days, ids, ignoring or NO_BOOKINGS, longest_min)
        self._read[key] = (ids, found)
        return found

    def _fetch(
        self, days: Sequence[date], ids: tuple[int, ...], ignoring: frozenset[int], longest_min: int
    ) -> IntArray:
        if not ids or not days:
            return NOTHING
        stretches = runs(days, hole_days=HOLE_DAYS)
        tz, reach = self.tz, timedelta(minutes=longest_min)
        starts = [datetime.combine(first, MIDNIGHT, tzinfo=tz).astimezone(UTC) for first, _ in stretches]
        ends = [
            datetime.combine(last + timedelta(days=1), MIDNIGHT, tzinfo=tz).astimezone(UTC) + reach
            for _, last in stretches
        ]
        rows = _read_taken(ids, starts, ends, ignoring)
        # What is long enough to touch two stretches was read twice, and must not count twice.
        is_long = rows[:, 4] - rows[:, 3] >= HOLE_DAYS * DAY_MIN
        return np.concatenate([rows[~is_long], np.unique(rows[is_long], axis=0)])


@dataclass(frozen=True, slots=True)
class _Rota:
    """Who works when, as it is written down."""

    shifts: dict[tuple[int, int], list[Shift]]  # by person's resource and location
    changes: dict[tuple[int, date], list[ShiftException]]  # by person's resource and day


def _read_rota(people: Sequence[int], places: Sequence[int], first: date, last: date) -> _Rota:
    """Two queries."""
    theirs = {"user__resource__in": people, "user__is_active": True}
    shifts: dict[tuple[int, int], list[Shift]] = defaultdict(list)
    rows = Shift.objects.filter(**theirs, location__in=places, first_day__lte=last)
    for row in (
        rows.filter(Q(last_day=None) | Q(last_day__gte=first)).order_by().annotate(person=F("user__resource_id"))
    ):
        shifts[row.person, row.location_id].append(row)
    changes: dict[tuple[int, date], list[ShiftException]] = defaultdict(list)
    known = ShiftException.objects.filter(**theirs, day__gte=first, day__lte=last)
    mine = known.filter(Q(kind=ExceptionKind.OFF) | Q(location__in=places)).order_by()
    for change in mine.annotate(person=F("user__resource_id")):
        changes[change.person, change.day].append(change)
    return _Rota(shifts, changes)


def _read_taken(
    ids: Sequence[int], starts: Sequence[datetime], ends: Sequence[datetime], ignoring: Collection[int]
) -> IntArray:
    with connection.cursor() as cursor:
        cursor.execute(TAKEN_SQL, [list(ids), list(starts), list(ends), list(ignoring)])
        return _lanes_as_rows(cursor.fetchall())


def _midnight(day: date, tz: tzinfo) -> datetime:
    return datetime.combine(day, MIDNIGHT, tzinfo=tz)


def _lanes_as_rows(found: Sequence[tuple[int, int, int, str]]) -> IntArray:
    """Rows (resource, lane, blocked, lo, hi) from one text "lo hi lo hi …" for each lane."""
    spans = [np.fromstring(text, dtype=np.int64, sep=" ").reshape(-1, 2) for *_, text in found]
    heads = np.asarray([head for *head, _ in found], dtype=np.int64).reshape(-1, 3)
    repeated = np.repeat(heads, [len(one) for one in spans], axis=0)
    return np.column_stack([repeated, np.concatenate([NO_SPANS, *spans])])


def _numbered(rows: IntArray, ids: Sequence[int]) -> IntArray:
    """The rows of these resources, with the place among ``ids`` instead of the id."""
    known = np.asarray(ids, dtype=np.int64)
    order = np.argsort(known)
    mine = rows[np.isin(rows[:, 0], known)]
    mine[:, 0] = order[np.searchsorted(known[order], mine[:, 0])]
    return mine


def _only(spans: IntArray, rows: Sequence[int], size: int) -> IntArray:
    """The spans of some resources, which are numbered anew in the order of ``rows``."""
    place = np.full(size, -1, dtype=np.int64)
    place[list(rows)] = np.arange(len(rows))
    mine = spans[place[spans[:, 0]] >= 0]
    mine[:, 0] = place[mine[:, 0]]
    return mine


def _busy(taken: IntArray, lanes: IntArray, *, attention: bool) -> IntArray:
    """Rows (resource index, 0, lo, hi) when nothing more fits: no attention to give, or as many as there are lanes."""
    resource, lane, blocked, lo, hi = taken.T
    if attention:
        rows = taken[(lane == ATTENTION_LANE) | (blocked == 1)][:, [0, 3, 4]]
    else:
        weight = np.where(blocked == 1, lanes[resource], (lane < ATTENTION_LANE).astype(np.int64))
        rows = full_spans(np.stack([resource, weight, lo, hi], axis=1), lanes)
    return np.insert(rows, 1, 0, axis=1)
