"""What must be true after every fault, asked of the database."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from bench.faults.people import Wish
from bench.faults.report import Report

TWICE = """
SELECT count(*) FROM clinic_allocation one JOIN clinic_allocation other
    ON one.resource_id = other.resource_id AND one.lane = other.lane AND one.id < other.id AND one.span && other.span
WHERE NOT one.released AND NOT other.released
"""
HALVES = """
SELECT count(*) FROM courses_phase phase JOIN LATERAL (
    SELECT count(*) AS wanted, count(*) FILTER (WHERE status = 'booked') AS booked
    FROM courses_infusion WHERE phase_id = phase.id) AS found ON true
WHERE phase.course_id IN (SELECT id FROM courses_course WHERE created_at >= %s) AND found.wanted <> found.booked
"""
VISITS_WITHOUT = """
SELECT count(*) FROM clinic_booking booking
WHERE booking.created_at >= %s AND booking.status NOT IN ('cancelled', 'no_show')
  AND NOT EXISTS (SELECT FROM clinic_allocation WHERE booking_id = booking.id AND NOT released)
"""
UNTRACKED = """
SELECT count(*) FROM courses_course course WHERE course.created_at >= %s
  AND NOT EXISTS (SELECT FROM courses_courseevent event WHERE event.pgh_obj_id = course.id)
"""


def one(statement: str, values: Sequence[object] = ()) -> int:
    """The number that a statement answers."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.fetchone()[0])


def now() -> object:
    """The clock of the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def some_patients(count: int) -> list[int]:
    """Grown-up patients who live and have no course."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id FROM patients_patient patient WHERE status = 'active' AND merged_into_id IS NULL
               AND birth_date < now() - interval '20 years'
               AND NOT EXISTS (SELECT FROM courses_course WHERE patient_id = patient.id)
               ORDER BY md5(id::text) LIMIT %s""",
            [count],
        )
        return [row[0] for row in cursor.fetchall()]


def calendar(report: Report, *, since: object) -> None:
    """Nothing is in two places, no series is half booked, no visit stands without its chair, history has everything."""
    report.check("nothing is in two places at once", holds=one(TWICE) == 0, seen=one(TWICE))
    report.check("no series is booked by half", holds=one(HALVES, [since]) == 0, seen=one(HALVES, [since]))
    missing = one(VISITS_WITHOUT, [since])
    report.check("no visit stands without its resources", holds=missing == 0, seen=missing)
    report.check("history has every new course", holds=one(UNTRACKED, [since]) == 0, seen=one(UNTRACKED, [since]))


def series(report: Report, wishes: Sequence[Wish], *, since: object) -> None:
    """Every series that was acknowledged is there once; every other one not at all, or whole."""
    acknowledged = [wish for wish in wishes if wish.course]
    ids = [wish.patient for wish in wishes]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT patient_id, count(*) FROM courses_course WHERE patient_id = ANY(%s) GROUP BY patient_id", [ids]
        )
        courses = dict(cursor.fetchall())
    there = [wish for wish in acknowledged if courses.get(wish.patient) == 1]
    report.check(
        "every series that was acknowledged is there, once",
        holds=len(there) == len(acknowledged),
        seen=f"{len(there)} of {len(acknowledged)}; {len(wishes)} were asked for",
    )
    twice = sum(count > 1 for count in courses.values())
    report.check("nobody has a series twice", holds=twice == 0, seen=twice)
    left = [(wish.patient, wish.tries, wish.refused[-1:]) for wish in wishes if not wish.course]
    report.check("every series was booked in the end", holds=not left, seen=left or len(acknowledged))
    calendar(report, since=since)
