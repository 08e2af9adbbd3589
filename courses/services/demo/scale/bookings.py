"""All visits: infusions where the courses want them, consultations in the rooms, and what each of them holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from courses.services.demo.scale.bulk import Progress, analyze, copy, execute
from courses.services.demo.scale.people import FIRST_RESOURCE
from courses.services.demo.scale.place import CHAIRS, NURSES, ROOMS, STARTERS, Site
from courses.services.demo.scale.plan import VISIT_MIN, start_minute
from courses.services.demo.scale.size import Size

CONSULTATION_MIN, CONSULTATIONS_A_ROOM = 15, 40
PATIENT_MIN = 120  # of an infusion visit; the rest is turnaround
OVER_AFTER_MIN = 145
SPARE = 1.03  # so many more times are drawn than needed: a patient who has an infusion that day is left out
SEED = 20_261

VISITS = """
CREATE TEMP TABLE visit (
    id bigint, kind text, infusion_id bigint, patient_id bigint, location_id bigint, starts timestamptz, minutes int,
    status text, station_id bigint, nurse_id bigint, lane int, clinician_id bigint, clinician_min int, user_id bigint
) ON COMMIT DROP
"""
COLUMNS: tuple[str, ...] = (
    "id",
    "kind",
    "infusion_id",
    "patient_id",
    "location_id",
    "starts",
    "minutes",
    "status",
    "station_id",
)
COLUMNS += ("nurse_id", "lane", "clinician_id", "clinician_min", "user_id")

# An infusion begins 20 to 32 minutes after its visit; one in sixty is paused for five minutes (see ``records``).
BOOKINGS = """
INSERT INTO clinic_booking
    (id, kind, status, location_id, subject_id, span, title, note, confirmed_at, arrived_at, started_at, observing_at,
     left_at, ended_at, ended_reason, created_at, created_by_id, version)
SELECT id, kind, status, location_id, %(resources)s + patient_id,
       tstzrange(starts, starts + minutes * interval '1 min'), '', '',
       CASE WHEN status IN ('confirmed', 'done') THEN least(starts - interval '1 day', %(now)s - interval '1 hour') END,
       CASE WHEN status IN ('done', 'in_chair', 'withheld') THEN starts - id %% 5 * interval '1 min' END,
       CASE WHEN status IN ('done', 'in_chair') THEN starts + id %% 6 * interval '1 min' END,
       CASE WHEN status = 'done' AND kind = 'infusion' THEN over END,
       CASE WHEN status = 'done' AND kind = 'infusion' THEN over + (60 + id %% 8) * interval '1 min'
            WHEN status = 'done' THEN starts + minutes * interval '1 min' END,
       CASE status WHEN 'missed' THEN starts + interval '30 min' WHEN 'withheld' THEN starts + interval '25 min'
                   WHEN 'cancelled' THEN least(starts - (id %% 60) * interval '1 hour', %(now)s) END,
       CASE status WHEN 'cancelled' THEN 'Cannot come' WHEN 'withheld' THEN 'Pressure too high' ELSE '' END,
       starts - interval '40 days', %(desk)s, 1
FROM visit
CROSS JOIN LATERAL (
    SELECT starts + (60 + id * 7 %% 13 + CASE WHEN id %% 60 = 7 THEN 5 ELSE 0 END) * interval '1 min' AS over
) AS o
"""

ALLOCATIONS = """
INSERT INTO clinic_allocation (booking_id, resource_id, role, lane, span, released)
SELECT id, a.resource, a.role, a.lane, tstzrange(starts, starts + a.minutes * interval '1 min'),
       status IN ('missed', 'cancelled', 'withheld')
FROM visit
CROSS JOIN LATERAL (VALUES
    (station_id, 'station', 0, minutes),
    (%(resources)s + patient_id, 'patient', 0, least(minutes, %(patient_min)s)),
    (nurse_id, 'nurse', lane, %(patient_min)s),
    (nurse_id, 'attention', 100, 15),
    (clinician_id, 'clinician', 0, clinician_min)
) AS a (resource, role, lane, minutes)
WHERE a.resource IS NOT NULL
ORDER BY id
"""

CONSULTATIONS = """
INSERT INTO patients_consultation
    (patient_id, booking_id, location_id, clinician_id, created_at, created_by_id, indication, summary, signed_at,
     signed_by_id)
SELECT patient_id, id, location_id, user_id, starts - interval '40 days', %(desk)s, 'trd',
       CASE WHEN status = 'done' THEN 'Seen as planned; goes on as agreed.' ELSE '' END,
       CASE WHEN status = 'done' THEN starts + interval '20 min' END, CASE WHEN status = 'done' THEN user_id END
FROM visit WHERE kind = 'consultation' ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One visit at which an infusion was, or is to be, given."""

    infusion_id: int
    patient: int
    site: int
    day: date
    slot: int
    status: str


def status_now(site: Site, day: date, slot: int, now: datetime) -> str:
    """How an infusion visit of this moment stands that was planned and not missed."""
    begins = site.midnight(day) + start_minute(slot) * 60
    at = now.timestamp()
    if begins + OVER_AFTER_MIN * 60 <= at:
        return "done"
    return "in_chair" if begins <= at else "booked"


def write_bookings(
    size: Size,
    sites: Sequence[Site],
    attempts: Sequence[Attempt],
    *,
    days: tuple[date, date],
    now: datetime,
    progress: Progress,
) -> None:
    """The visits stand in the table ``visit`` (until the end of the transaction), as bookings and as allocations."""
    rows = [*_infusions(sites, attempts), *_consultations(size, sites, attempts, days, now)]
    rows.sort(key=lambda row: (row[4], row[2]))
    execute(VISITS, {})
    copy("visit", COLUMNS, ((number, *row[:4], _instant(row[4]), *row[5:]) for number, row in enumerate(rows, 1)))
    progress("visits planned", len(rows), size.bookings)
    analyze(["visit"])
    values: dict[str, Any] = {
        "resources": FIRST_RESOURCE,
        "now": now,
        "desk": sites[0].desk.pk,
        "patient_min": PATIENT_MIN,
    }
    progress("bookings", execute(BOOKINGS, values), len(rows))
    progress("allocations", execute(ALLOCATIONS, values))
    progress("consultations", execute(CONSULTATIONS, values))


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _infusions(sites: Sequence[Site], attempts: Sequence[Attempt]) -> Iterator[tuple[Any, ...]]:
    for one in attempts:
        site, chair = sites[one.site], one.slot % CHAIRS
        nurse, starter = site.nurses[chair % NURSES], site.starters[chair % STARTERS]
        begins = site.midnight(one.day) + start_minute(one.slot) * 60
        yield (
            *("infusion", one.infusion_id, one.patient, site.location.pk, begins, VISIT_MIN, one.status),
            *(site.chairs[chair], nurse.resource_id, chair // NURSES, starter.resource_id, 15, starter.pk),
        )


def _consultations(
    size: Size, sites: Sequence[Site], attempts: Sequence[Attempt], days: tuple[date, date], now: datetime
) -> Iterator[tuple[Any, ...]]:
    """As many as are missing to the number of bookings, spread evenly; nobody has two visits on a day."""
    wanted = size.bookings - len(attempts)
    busy = {(one.patient, one.day) for one in attempts}
    random = np.random.default_rng(SEED)
    for place, site in enumerate(sites):
        here = wanted // len(sites) + (place < wanted % len(sites))
        open_days = [day for day in _days(*days) if site.is_open(day)]
        a_day = ROOMS * CONSULTATIONS_A_ROOM
        drawn = min(len(open_days) * a_day, round(here * SPARE) + 20)
        cells = np.sort(random.choice(len(open_days) * a_day, size=drawn, replace=False)).tolist()
        people = random.permutation([one for one in range(1, size.patients + 1) if one % len(sites) == place]).tolist()
        found = []
        for turn, cell in enumerate(cells):
            day, patient = open_days[cell // a_day], people[turn % len(people)]
            if (patient, day) not in busy:
                busy.add((patient, day))
                found.append((cell, day, patient))
        kept = sorted(random.choice(len(found), size=min(here, len(found)), replace=False).tolist())
        for index in kept:
            cell, day, patient = found[index]
            yield _consultation(site, day, cell % a_day, patient, now)


def _consultation(site: Site, day: date, turn: int, patient: int, now: datetime) -> tuple[Any, ...]:
    room, begins = turn % ROOMS, site.midnight(day) + (8 * 60 + turn // ROOMS * CONSULTATION_MIN) * 60
    who = site.consultants[room]
    dice = (patient * 31 + turn * 7 + day.toordinal()) % 20
    if begins + CONSULTATION_MIN * 60 <= now.timestamp():
        status = {0: "missed", 1: "cancelled"}.get(dice, "done")
    elif begins <= now.timestamp():
        status = "in_chair"
    else:
        status = "cancelled" if dice == 1 else "confirmed" if dice % 3 == 0 else "booked"
    return (
        *("consultation", None, patient, site.location.pk, begins, CONSULTATION_MIN, status),
        *(site.rooms[room], None, None, who.resource_id, CONSULTATION_MIN, who.pk),
    )


def _days(first: date, last: date) -> Iterator[date]:
    day = first
    while day <= last:
        yield day
        day += timedelta(days=1)
