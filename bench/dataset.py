"""The data set: a made-up group of clinics, written in bulk by SQL, the same in every run but for the date.

Five locations with 20 chairs, 8 nurses (3 chairs each) and 4 clinicians. Every chair has four visits of 135 minutes on
each weekday; patients come twice a week for four weeks, so that bookings are series. Reaching from the past through 26
weeks to come, of which three quarters are taken. The first location, "Bench 1", is what is measured; the others are
the weight in the tables. Only its visits belong to courses; in the set ``COURSES`` those of all locations do, and each
course has what it is followed by (``bench.followed``).

The rows are legal (the exclusion constraint is built over them), but history triggers are off while they are written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, time, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from bench.followed import follow
from bench.names import name_of
from clinic.models import (
    Allocation,
    Booking,
    Location,
    OpeningHours,
    Resource,
    ResourceKind,
    Shift,
    User,
)
from clinic.pure.roles import Role
from courses.models import Course, Infusion, InfusionVisit, MaintenancePlan, Phase, PhaseStep
from courses.services.protocols import install_shipped_protocols
from courses.services.results import work_out_all
from patients.models import Assessment, Consent, Patient, Phone, ScreeningDecision
from patients.services.search_columns import rebuild_search

LOCATIONS, CHAIRS, NURSES, CLINICIANS = 5, 20, 8, 4
VISITS_A_DAY = 4
WEEKS_AHEAD = 26
FUTURE_TAKEN_PERCENT, PAST_TAKEN_PERCENT = 75, 92
FIRST_PATIENT_RESOURCE = 1_000_000
FOLLOWED_FOR = timedelta(weeks=26)  # a course that is followed is closed so long after its series
DESK = "bench-desk"
WRITTEN_IN_BULK: tuple[type[Model], ...] = (
    *(Resource, Patient, Phone, Booking, Allocation),
    *(Course, Phase, PhaseStep, Infusion, InfusionVisit, MaintenancePlan),
    *(Assessment, Consent, ScreeningDecision),
)


@dataclass(frozen=True)
class Scale:
    """How much of it there is."""

    patients: int
    bookings: int
    course_places: int = 1  # at so many locations the visits belong to courses
    is_followed: bool = False  # with scores, consents, decisions and plans; only series of two a week are courses


SMALL = Scale(patients=5_000, bookings=40_000)
USUAL = Scale(patients=100_000, bookings=100_000)
FULL = Scale(patients=100_000, bookings=1_000_000)
COURSES = Scale(patients=50_000, bookings=175_000, course_places=LOCATIONS, is_followed=True)


@dataclass(frozen=True)
class Data:
    """What the measurements need to know about the rows."""

    scale: Scale
    today: date
    location: Location
    clinician: User
    desk: User
    nurse: User
    counts: dict[str, int]

    def described(self) -> dict[str, Any]:
        return {**asdict(self.scale), "today": self.today.isoformat(), "rows": self.counts}


SLOTS = """
CREATE TEMP TABLE slot ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY day, place, turn, chair) AS id, s.*,
       dense_rank() OVER (ORDER BY stretch, rhythm, place, chair, turn) AS series,  -- so nobody is in two at a time
       (day + time '08:00' + (chair / %(nurses)s * 15 + turn * 135) * interval '1 min')
           AT TIME ZONE 'America/New_York' AS starts
FROM (
    SELECT day::date AS day, place, chair, turn, dow,
           CASE WHEN dow IN (1, 4) THEN 0 WHEN dow IN (2, 5) THEN 1 ELSE 2 END AS rhythm,
           week - week %% CASE WHEN dow IN (1, 2, 4, 5) THEN 4 ELSE 2 END AS stretch,
           abs(hashint8(day::date - date '2020-01-06' + 10000::bigint * (chair + 100 * (turn + 10 * place)))) %% 100
               AS dice
    FROM generate_series(%(first)s::date, %(last)s::date, interval '1 day') AS day
    CROSS JOIN LATERAL (SELECT extract(isodow FROM day)::int AS dow, (day::date - date '2020-01-06') / 7 AS week) AS w
    CROSS JOIN generate_series(0, %(locations)s - 1) AS place
    CROSS JOIN generate_series(0, %(chairs)s - 1) AS chair
    CROSS JOIN generate_series(0, %(turns)s - 1) AS turn
    WHERE dow <= 5 OR day::date = %(today)s::date  -- so that "Today" has something to show on a Sunday, too
) AS s
WHERE dice < CASE WHEN day < %(today)s THEN %(past)s ELSE %(future)s END
"""

BOOKINGS = """
INSERT INTO clinic_booking
    (id, kind, status, location_id, subject_id, span, title, note, confirmed_at, arrived_at, started_at, observing_at,
     left_at, ended_at, ended_reason, created_at, version)
SELECT id, 'infusion', state, (%(places)s::bigint[])[place + 1], %(resources)s + series %% %(patients)s,
       tstzrange(starts, starts + interval '135 min'), '', '',
       CASE WHEN state IN ('confirmed', 'done') THEN starts - interval '1 day' END,
       CASE WHEN state IN ('done', 'in_chair') THEN starts END,
       CASE WHEN state IN ('done', 'in_chair') THEN starts + interval '10 min' END,
       CASE WHEN state = 'done' THEN starts + interval '60 min' END,
       CASE WHEN state = 'done' THEN starts + interval '2 hour' END,
       CASE WHEN state = 'missed' THEN starts + interval '30 min' END,
       '', starts - interval '20 days', 1
FROM slot
CROSS JOIN LATERAL (
    SELECT CASE WHEN starts + interval '2 hour' < %(now)s THEN CASE WHEN dice %% 12 = 0 THEN 'missed' ELSE 'done' END
                WHEN starts < %(now)s THEN 'in_chair'
                WHEN dice %% 3 = 0 THEN 'confirmed' ELSE 'booked' END AS state
) AS s
"""

ALLOCATIONS = """
INSERT INTO clinic_allocation (booking_id, resource_id, role, lane, span, released)
SELECT b.id, a.resource, a.role, a.lane, tstzrange(starts, starts + a.minutes * interval '1 min'), b.status = 'missed'
FROM slot
JOIN clinic_booking b USING (id)
CROSS JOIN LATERAL (VALUES
    ((%(chair_ids)s::bigint[])[place * %(chairs)s + chair + 1], 'station', 0, 135),
    (b.subject_id, 'patient', 0, 120),
    ((%(nurse_ids)s::bigint[])[place * %(nurses)s + chair %% %(nurses)s + 1], 'nurse', chair / %(nurses)s, 120),
    ((%(nurse_ids)s::bigint[])[place * %(nurses)s + chair %% %(nurses)s + 1], 'attention', 100, 15),
    (CASE WHEN chair %% %(nurses)s < %(clinicians)s
          THEN (%(clinician_ids)s::bigint[])[place * %(clinicians)s + chair %% %(nurses)s + 1] END, 'clinician', 0, 15)
) AS a (resource, role, lane, minutes)
WHERE a.resource IS NOT NULL
ORDER BY b.id
"""

COURSE_ROWS = """
INSERT INTO courses_course
    (id, patient_id, indication, location_id, prescriber_id, status, closed_on, closed_reason, closed_to, created_at,
     created_by_id, version)
SELECT series, patient, 'trd', (%(places)s::bigint[])[place + 1], (%(prescribers)s::bigint[])[place + 1],
       CASE WHEN last < %(open_since)s THEN 'completed' WHEN first < %(today)s THEN 'active' ELSE 'planned' END,
       CASE WHEN last < %(open_since)s THEN last + 7 END, '', '',
       starts - interval '20 days', (%(prescribers)s::bigint[])[place + 1], 1
FROM (
    SELECT *, row_number() OVER (PARTITION BY patient, last < %(open_since)s ORDER BY first) AS turn
    FROM (
        SELECT series, series %% %(patients)s + 1 AS patient, min(place) AS place, min(day) AS first, max(day) AS last,
               min(starts) AS starts
        FROM slot WHERE place < %(course_places)s AND rhythm < %(rhythms)s GROUP BY series
    ) AS s
) AS s
WHERE last < %(open_since)s OR turn = 1;  -- only one course of a person may be open

INSERT INTO courses_phase
    (course_id, kind, position, protocol_version_id, n_planned, not_before, preparation_min, infusion_min,
     observation_min, turnaround_min)
SELECT c.id, 'initial', 1, %(version)s, 8, (c.created_at + interval '20 days')::date, 20, 40, 60, 15
FROM courses_course c;

INSERT INTO courses_phasestep (phase_id, position, label, count, weekdays, min_gap_days, max_gap_days, first_gap)
SELECT p.id, s.position, s.label, 8, s.weekdays, s.min_gap_days, s.max_gap_days, s.first_gap
FROM courses_phase p
CROSS JOIN (SELECT * FROM courses_protocolstep WHERE version_id = %(version)s ORDER BY position LIMIT 1) AS s;

INSERT INTO courses_infusion (id, phase_id, number, status, day)
SELECT s.id, p.id, row_number() OVER (PARTITION BY s.series ORDER BY s.starts),
       CASE b.status WHEN 'done' THEN 'given' WHEN 'missed' THEN 'missed' ELSE 'booked' END, s.day
FROM slot s JOIN clinic_booking b USING (id) JOIN courses_phase p ON p.course_id = s.series
WHERE s.place < %(course_places)s;

INSERT INTO courses_infusionvisit
    (infusion_id, booking_id, preparation_min, infusion_min, observation_min, turnaround_min, outcome, reason)
SELECT i.id, i.id, 20, 40, 60, 15,
       CASE i.status WHEN 'given' THEN 'given' WHEN 'missed' THEN 'missed' ELSE 'open' END, ''
FROM courses_infusion i;
"""

PATIENTS = """
INSERT INTO clinic_resource (id, kind, name, lanes, position, is_active, note)
SELECT %(resources)s + number, 'patient', 'MRN P' || (100000 + number), 1, 0, true, ''
FROM generate_series(0, %(patients)s - 1) AS number;

INSERT INTO patients_patient
    (id, resource_id, mrn, given_name, family_name, preferred_name, pronouns, birth_date, sex, status, email, address,
     city, region, postal_code, country, language, time_zone, home_location_id, emergency_name, emergency_relation,
     emergency_phone, insurance_note, referrer, created_at, version, search_name, search_keys)
SELECT n.number + 1, %(resources)s + n.number, 'P' || (100000 + n.number), n.given, n.family, '', '',
       date '1940-01-01' + (n.number * 7919 %% 23000)::int, (ARRAY['female', 'male', 'unknown'])[n.number %% 3 + 1],
       'active', '', '', '', '', '', 'US', 'en', '', %(place)s, '', '', '', '', '', %(now)s, 1, '', '{}'
FROM unnest(%(given)s::text[], %(family)s::text[]) WITH ORDINALITY AS raw (given, family, place)
CROSS JOIN LATERAL (SELECT place - 1 AS number, given, family) AS n;

INSERT INTO patients_phone (patient_id, number, kind, is_primary)
SELECT number + 1, '+1212' || lpad((2000000 + number * 61 %% 7999999)::text, 7, '0'), 'mobile', true
FROM generate_series(0::bigint, %(patients)s - 1) AS number;
"""


def build(scale: Scale, say: Callable[[str], None]) -> Data:
    """The connected (empty, migrated) database holds the data set."""
    now = timezone.now()
    today = now.astimezone(timezone.get_current_timezone()).date()
    say("the place: locations, chairs, people, hours")
    places, chairs, nurses, clinicians = _build_place({*range(5), today.weekday()})
    versions = {one.protocol.slug: one.pk for one in install_shipped_protocols(now=now)}
    first = today - timedelta(days=_days_back(scale))
    values = {
        "locations": LOCATIONS,
        "chairs": CHAIRS,
        "nurses": NURSES,
        "clinicians": CLINICIANS,
        "turns": VISITS_A_DAY,
        "first": first,
        "last": today + timedelta(weeks=WEEKS_AHEAD),
        "today": today,
        "now": now,
        "past": PAST_TAKEN_PERCENT,
        "future": FUTURE_TAKEN_PERCENT,
        "patients": scale.patients,
        "resources": FIRST_PATIENT_RESOURCE,
        "places": [place.pk for place in places],
        "place": places[0].pk,
        "course_places": scale.course_places,
        "rhythms": 2 if scale.is_followed else 3,
        "open_since": today - (FOLLOWED_FOR if scale.is_followed else timedelta()),
        "chair_ids": chairs,
        "nurse_ids": [user.resource_id for user in nurses],
        "clinician_ids": [user.resource_id for user in clinicians],
        "prescribers": [user.pk for user in clinicians[::CLINICIANS]],
        "version": versions["T-2W6"],
        "maintenance": versions["M-W4"],
    }
    names = [name_of(number) for number in range(scale.patients)]
    values |= {"given": [given for given, _ in names], "family": [family for _, family in names]}
    _load(values, say)
    if scale.is_followed:
        follow(places, clinicians, values, say)
    say("search columns of the patients")
    rebuild_search()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    say("what the courses achieved")
    work_out_all(timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE courses_courseresult")
    User.objects.create(username=DESK, roles=[Role.FRONT_DESK.value, Role.MANAGER.value], home_location=places[0])
    return _data(scale, today, places[0])


def find(scale: Scale) -> Data:
    """The data set of an earlier run that was kept."""
    today = timezone.now().astimezone(timezone.get_current_timezone()).date()
    return _data(scale, today, Location.objects.get(name="Bench 1"))


def _data(scale: Scale, today: date, place: Location) -> Data:
    def user(name: str) -> User:
        return User.objects.get(username=name)

    counts = {
        "patients": Patient.objects.count(),
        "bookings": _count("clinic_booking"),
        "allocations": Allocation.objects.count(),
        "courses": _count("courses_course"),
        "bookings at Bench 1": place.bookings.count(),
    }
    return Data(scale, today, place, user("clinician-1-1"), user(DESK), user("nurse-1-1"), counts)


def _count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        return int(cursor.fetchone()[0])


def _days_back(scale: Scale) -> int:
    """So many days that past and future together hold the wanted number of bookings."""
    a_day = LOCATIONS * CHAIRS * VISITS_A_DAY
    ahead = WEEKS_AHEAD * 5 * a_day * FUTURE_TAKEN_PERCENT / 100
    weeks = max(4, (scale.bookings - ahead) / (5 * a_day * PAST_TAKEN_PERCENT / 100))
    return round(weeks * 7)


def _build_place(weekdays: set[int]) -> tuple[list[Location], list[int], list[User], list[User]]:
    places, chairs, nurses, clinicians = [], [], [], []
    for number in range(1, LOCATIONS + 1):
        place = Location.objects.create(name=f"Bench {number}", short_name=f"B{number}", time_zone="America/New_York")
        places.append(place)
        OpeningHours.objects.bulk_create(
            OpeningHours(location=place, weekday=weekday, opens=time(8), closes=time(18)) for weekday in weekdays
        )
        rows = [
            Resource(kind=ResourceKind.CHAIR, name=f"Chair {chair}", location=place, position=chair)
            for chair in range(1, CHAIRS + 1)
        ]
        chairs += [row.pk for row in Resource.objects.bulk_create(rows)]
        nurses += [_person(place, number, one, Role.NURSE, lanes=3) for one in range(1, NURSES + 1)]
        clinicians += [_person(place, number, one, Role.CLINICIAN) for one in range(1, CLINICIANS + 1)]
    return places, chairs, nurses, clinicians


def _person(place: Location, number: int, one: int, role: Role, *, lanes: int = 1) -> User:
    given, family = name_of(1000 * number + 10 * one + lanes)
    resource = Resource.objects.create(kind=ResourceKind.PERSON, name=f"{given} {family}", lanes=lanes)
    user = User.objects.create(
        username=f"{role.value}-{number}-{one}",
        first_name=given,
        last_name=family,
        roles=[role.value],
        resource=resource,
        home_location=place,
    )
    Shift.objects.bulk_create(
        Shift(user=user, location=place, weekday=weekday, starts=time(8), ends=time(18), first_day=date(2010, 1, 1))
        for weekday in range(5)
    )
    return user


def _know_defaults() -> None:
    """What a bulk insert does not name gets the default of its model, which Django does not leave in the database."""
    with connection.cursor() as cursor:
        for model in WRITTEN_IN_BULK:
            for field in model._meta.concrete_fields:
                value = None if field.primary_key or field.null else field.get_default()
                if value is not None:
                    prepared = field.get_db_prep_save(value, connection)
                    cursor.execute(
                        f"ALTER TABLE {model._meta.db_table} ALTER {field.column} SET DEFAULT %s", [prepared]
                    )


def _load(values: dict[str, Any], say: Callable[[str], None]) -> None:
    _know_defaults()
    constraint = next(one for one in Allocation._meta.constraints if one.name == "allocation_never_in_two_places")
    with connection.schema_editor() as editor:
        editor.remove_constraint(Allocation, constraint)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # neither history nor foreign keys, row by row
        for what, statement in (
            ("patients", PATIENTS),
            ("slots", SLOTS),
            ("bookings", BOOKINGS),
            ("allocations", ALLOCATIONS),
            ("courses", COURSE_ROWS),
        ):
            say(what)
            cursor.execute(statement, values)
        for table in ("clinic_resource", "clinic_booking", "patients_patient", "courses_course", "courses_infusion"):
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
    say("the exclusion constraint, built over all of it")
    with connection.schema_editor() as editor:
        editor.add_constraint(Allocation, constraint)


def next_weekday(day: date, weekday: int) -> date:
    """The first such weekday after ``day``."""
    return day + timedelta(days=(weekday - day.weekday() - 1) % 7 + 1)
