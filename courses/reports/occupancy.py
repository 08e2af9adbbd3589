"""How chairs and people are used, by hour and weekday: booked minutes of the minutes that were there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import numpy as np

from clinic.pure.rota import without_closures, working_spans
from clinic.pure.walltime import IntArray, MinuteSpan, closing_minute, minute_of
from clinic.pure.week import DAYS
from courses.pure.reports.contents import Chart, Column, Drawing, Figure, Item, Kind, Section, Table, Unit
from courses.pure.reports.filters import Filters
from courses.pure.reports.rates import share
from courses.pure.reports.use import NOTHING, Minutes, Use, Work
from courses.reports.reading import Row

# Chairs and people by what they are; a nurse's moments of full attention lie within the hours that she watches anyway.
# The minutes of a location come as one text, which numpy reads five times as fast as a row for each; what begins and
# ends together is counted by the database, so that the text is a third as long.
BOOKABLE = """
bookable AS MATERIALIZED (
    SELECT r.id, CASE WHEN r.kind = 'chair' THEN 'chair' WHEN 'nurse' = ANY(u.roles) THEN 'nurse'
                      ELSE 'clinician' END COLLATE "C" AS who
    FROM clinic_resource r
    LEFT JOIN clinic_user u
        ON u.resource_id = r.id AND u.is_active AND u.roles && ARRAY['nurse', 'clinician']::varchar[]
    WHERE r.is_active AND r.kind IN ('chair', 'person') AND (r.kind = 'chair' OR u.id IS NOT NULL)
)"""
HELD = """
held AS MATERIALIZED (
    SELECT b.id, place.id AS location_id
    FROM place
    JOIN clinic_booking b
        ON b.location_id = place.id AND lower(b.span) >= place.lo - interval '1 day' AND lower(b.span) < place.hi
        AND lower(b.span) >= %(earliest)s::timestamptz - interval '1 day' AND lower(b.span) < %(latest)s
        AND lower(b.span) < %(now)s + interval '1 day' AND b.status NOT IN ('cancelled', 'missed', 'withheld')
)"""
SHARED = (BOOKABLE, HELD)
SPANS = """
    SELECT location_id, who, string_agg(since || ' ' || until || ' ' || n, ' ') AS spans
    FROM (
        SELECT taken.location_id, r.who, floor(date_part('epoch', lower(span)) / 60)::int AS since,
               ceil(date_part('epoch', upper(span)) / 60)::int AS until, count(*) AS n
        FROM (
            -- OFFSET 0: booking by booking; for a year PostgreSQL would rather read what chairs and people ever had.
            SELECT held.location_id, a.resource_id, a.span
            FROM held CROSS JOIN LATERAL (
                SELECT resource_id, span FROM clinic_allocation
                WHERE booking_id = held.id AND NOT released AND role IN ('station', 'nurse', 'clinician')
                OFFSET 0
            ) AS a
            OFFSET 0
        ) AS taken
        JOIN bookable r ON r.id = taken.resource_id
        GROUP BY taken.location_id, r.who, since, until
    ) AS together
    GROUP BY location_id, who"""
QUESTIONS = {
    "spans": SPANS,
    "zones": """
        SELECT place.id, place.time_zone, place.name,
               (SELECT count(*) FROM clinic_resource r
                WHERE r.location_id = place.id AND r.kind = 'chair' AND r.is_active) AS chairs,
               (SELECT (min(lower(b.span)) AT TIME ZONE place.time_zone)::date FROM clinic_booking b
                WHERE b.location_id = place.id) AS first_day
        FROM place""",
    "hours": """
        SELECT h.location_id, h.weekday, h.opens, h.closes
        FROM place JOIN clinic_openinghours h ON h.location_id = place.id""",
    "closures": """
        SELECT c.location_id, c.first_day, c.last_day, c.from_time, c.until_time
        FROM place JOIN clinic_closure c ON c.location_id = place.id""",
    "shifts": """
        SELECT s.location_id, s.user_id, s.weekday, s.starts, s.ends, s.first_day, s.last_day, r.lanes,
               'nurse' = ANY(u.roles) AS is_nurse
        FROM place JOIN clinic_shift s ON s.location_id = place.id
        JOIN clinic_user u ON u.id = s.user_id AND u.is_active AND u.roles && ARRAY['nurse', 'clinician']::varchar[]
        JOIN clinic_resource r ON r.id = u.resource_id AND r.is_active""",
    "changes": """
        SELECT x.location_id, x.user_id, x.day, x.kind, x.starts, x.ends, r.lanes, 'nurse' = ANY(u.roles) AS is_nurse
        FROM clinic_shiftexception x
        JOIN clinic_user u ON u.id = x.user_id AND u.is_active AND u.roles && ARRAY['nurse', 'clinician']::varchar[]
        JOIN clinic_resource r ON r.id = u.resource_id AND r.is_active
        WHERE (x.kind = 'off' OR x.location_id IN (SELECT id FROM place))
          AND (%(since)s::date IS NULL OR x.day >= %(since)s) AND (%(until)s::date IS NULL OR x.day <= %(until)s)""",
}
WHO = {"chair": "Chairs", "nurse": "Nurses", "clinician": "Clinicians"}
WHAT = {
    "chair": "Minutes for which a chair was booked, of the opening hours (closures taken out) times the chairs of "
    "today.",
    "nurse": "Minutes booked with nurses, of their working minutes there, each as often as they may watch patients at "
    "once; absences and closures taken out.",
    "clinician": "Minutes booked with clinicians, of their working minutes there, absences and closures taken out.",
}
HOW = (
    "Days and hours are those of each location's clocks, from its first booking on and up to the end of today. Booked "
    "are visits as the calendar stands now, turnaround included: what was cancelled, missed or withheld gave its time "
    "back. Blocked time does not count as booked, and what is booked outside the hours is left out."
)
SOURCE = "Bookings, opening hours, shifts, closures"


# -- rows as values ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Weekly:
    """A shift."""

    weekday: int
    starts: time
    ends: time
    first_day: date
    last_day: date | None


@dataclass(frozen=True, slots=True)
class Change:
    """An exception to the shifts of a day."""

    kind: str
    starts: time | None
    ends: time | None


@dataclass(frozen=True, slots=True)
class Shut:
    """A closure."""

    first_day: date
    last_day: date
    from_time: time | None
    until_time: time | None


def _time(said: str | None) -> time | None:
    return time.fromisoformat(said) if said else None


def _date(said: str | None) -> date | None:
    return date.fromisoformat(said) if said else None


# -- what was there ----------------------------------------------------------------------------------------------------
class Calendar:
    """What was there at each location, from the rows of the questions."""

    def __init__(self, rows: Mapping[str, list[Row]]) -> None:
        self.hours: dict[tuple[int, int], list[MinuteSpan]] = defaultdict(list)
        for row in rows["hours"]:
            span = minute_of(time.fromisoformat(row["opens"])), closing_minute(time.fromisoformat(row["closes"]))
            self.hours[row["location_id"], row["weekday"]].append(span)
        self.closures: dict[int, list[Shut]] = defaultdict(list)
        for row in rows["closures"]:
            days = date.fromisoformat(row["first_day"]), date.fromisoformat(row["last_day"])
            self.closures[row["location_id"]].append(Shut(*days, _time(row["from_time"]), _time(row["until_time"])))
        self.shifts: dict[tuple[int, int], list[Weekly]] = defaultdict(list)
        self.changes: dict[tuple[int, date], list[tuple[int | None, Change]]] = defaultdict(list)
        self.people: dict[int, tuple[str, int]] = {}  # user: nurse or clinician, and lanes
        for row in rows["shifts"]:
            self.shifts[row["location_id"], row["user_id"]].append(_weekly(row))
            self.people[row["user_id"]] = _kind(row), row["lanes"]
        for row in rows["changes"]:
            change = Change(row["kind"], _time(row["starts"]), _time(row["ends"]))
            self.changes[row["user_id"], date.fromisoformat(row["day"])].append((row["location_id"], change))
            self.people[row["user_id"]] = _kind(row), row["lanes"]

    def chairs(self, place: Row, days: list[date]) -> Work:
        """The opening hours, as often as there are chairs."""
        shut, n = self.closures[place["id"]], place["chairs"]
        return {
            day: [(span, n) for span in without_closures(day, self.hours[place["id"], day.weekday()], shut)]
            for day in days
        }

    def staff(self, place: Row, who: str, days: list[date]) -> Work:
        """The working times of the nurses or the clinicians, each as often as they may serve at once."""
        found: dict[date, list[tuple[MinuteSpan, int]]] = {day: [] for day in days}
        shut = self.closures[place["id"]]
        for user, (kind, lanes) in self.people.items():
            if kind != who:
                continue
            shifts = self.shifts.get((place["id"], user), [])
            usual = _usual(shifts, days)
            for day in days:
                known = self.changes.get((user, day), ())
                mine = [one for where, one in known if one.kind == "off" or where == place["id"]]
                if not (shifts or mine):
                    continue
                spans = working_spans(day, shifts, mine) if usual is None or mine else usual[day.weekday()]
                found[day] += [(span, lanes) for span in without_closures(day, spans, shut)]
        return found


def _usual(shifts: list[Weekly], days: list[date]) -> list[list[MinuteSpan]] | None:
    """The working times of each weekday, where all shifts hold on all the days; None where some begin or end."""
    if not all(one.first_day <= days[0] and (one.last_day is None or days[-1] <= one.last_day) for one in shifts):
        return None
    found: list[list[MinuteSpan]] = [[] for _ in DAYS]
    for one in shifts:
        found[one.weekday].append((minute_of(one.starts), closing_minute(one.ends)))
    return found


def _weekly(row: Row) -> Weekly:
    return Weekly(
        weekday=row["weekday"],
        starts=time.fromisoformat(row["starts"]),
        ends=time.fromisoformat(row["ends"]),
        first_day=date.fromisoformat(row["first_day"]),
        last_day=_date(row["last_day"]),
    )


def _kind(row: Row) -> str:
    return "nurse" if row["is_nurse"] else "clinician"


def uses(rows: Mapping[str, list[Row]], filters: Filters, now: datetime) -> dict[str, Use]:
    """The use of chairs, nurses and clinicians at the chosen locations, each by its own clocks."""
    calendar = Calendar(rows)
    booked = {(row["location_id"], row["who"]): row for row in rows["spans"]}
    found = dict.fromkeys(WHO, NOTHING)
    for place in rows["zones"]:
        tz = ZoneInfo(place["time_zone"])
        today = now.astimezone(tz).date()
        last = min(filters.until or today, today)
        opened = _date(place["first_day"]) or today
        first = max(filters.since or opened, opened)
        if last < first:
            continue
        minutes = Minutes(first, last, tz)
        for who in WHO:
            days = minutes.days
            work = calendar.chairs(place, days) if who == "chair" else calendar.staff(place, who, days)
            found[who] += minutes.use(work, _spans(booked.get((place["id"], who))))
    return found


def _spans(row: Row | None) -> IntArray:
    """Rows (start, end, how many)."""
    return np.fromstring(row["spans"] if row else "", dtype=np.int64, sep=" ").reshape(-1, 3)


# -- as it is shown ----------------------------------------------------------------------------------------------------
def section(rows: dict[str, list[Row]], filters: Filters, now: datetime) -> Section:
    """A figure and a heat map for chairs, nurses and clinicians."""
    return Section("use", "Use of chairs and people", tuple(_items(uses(rows, filters, now))), HOW)


def _items(found: Mapping[str, Use]) -> Iterator[Item]:
    for who, use in found.items():
        yield _figure(who, use)
    for who, use in found.items():
        if use.weekdays:
            yield _heat(who, use)


def _figure(who: str, use: Use) -> Figure:
    booked, there = use.minutes
    return Figure(
        key=f"use-{who}",
        title=f"{WHO[who]}: time used",
        definition=WHAT[who],
        source=SOURCE,
        unit=Unit.PERCENT,
        value=share(booked, there) if there else None,
        has_list=False,
        words=f"{booked / 60:,.0f} of {there / 60:,.0f} hours" if there else "No hours in this period",
    )


def _heat(who: str, use: Use) -> Chart:
    return Chart(
        table=Table(
            key=f"heat-{who}",
            title=f"{WHO[who]}: time used by hour and weekday",
            definition=f"{WHAT[who]} In percent; empty where there were no minutes.",
            source=SOURCE,
            columns=(
                Column("weekday", "Weekday"),
                *(Column(f"h{hour:02d}", f"{hour:02d}", Kind.NUMBER, Unit.PERCENT) for hour in use.hours),
            ),
            rows=tuple((DAYS[day], *(use.share(day, hour) for hour in use.hours)) for day in use.weekdays),
        ),
        drawing=Drawing.HEAT,
        x_title="Hour of the day",
        y_title="Weekday",
    )
