"""The rows that the reports read, kept up to date: worked out anew for every patient about whom something was written.

Triggers say about whom (``courses.models.result_sources``). A due row goes in the transaction that writes the results
which it asked for, before anything is read: what is written meanwhile leaves a due row of its own, and a worker that
dies leaves everything as it was. One patient is worked out by one worker at a time, so the later reading wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q

from clinic.services.jobs import enqueue_if_possible
from courses.models import Course, CourseResult, CourseStatus, ResultDue
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.pure.outcomes.leading import judge_by_leading
from courses.pure.outcomes.series import is_series_over
from courses.pure.reports.results import CourseFacts, Result, result_of
from courses.services.outcomes import next_start
from courses.services.result_facts import Basis, CourseRow, PhaseRow, read_basis, series_of
from patients.models import Patient

AT_ONCE = 40
"""So many patients are worked out inside a request; more are left to the task, and the page says so."""
BATCH = 200
"""Patients of one transaction: a few tenths of a second."""
ONE_WORKER = 7_421_003
"""Our class of PostgreSQL's two-part advisory locks: the second part is the patient's id."""
REFRESH = "courses.tasks.reports.refresh"
NAMES = tuple(one.name for one in fields(Result))
UPDATED = [one.name for one in CourseResult._meta.concrete_fields if not one.primary_key]

# Whose results are due: something was written about them, or a day has come on which a running course has dropped out.
DUE = """
    SELECT patient_id, id AS first FROM courses_resultdue
    UNION ALL
    SELECT r.patient_id, 0 FROM courses_courseresult r JOIN clinic_location l ON l.id = r.location_id
    WHERE r.changes_on <= (%(now)s AT TIME ZONE l.time_zone)::date
"""
COUNT = f"SELECT count(DISTINCT patient_id) FROM ({DUE}) due"  # noqa: S608 (constants)
# The lock is tried row by row until there are enough, so that a second worker goes past what the first one holds.
CLAIM = f"""
    SELECT patient_id FROM (
        SELECT patient_id FROM ({DUE}) due GROUP BY patient_id ORDER BY min(first), patient_id LIMIT %(looked_at)s
    ) waiting
    WHERE pg_try_advisory_xact_lock({ONE_WORKER}, (patient_id %% 2147483647)::int) LIMIT %(limit)s
"""  # noqa: S608 (constants)
LOCK = f"""
    SELECT pg_advisory_xact_lock({ONE_WORKER}, (id %% 2147483647)::int)
    FROM (SELECT id FROM unnest(%(ids)s::bigint[]) AS id ORDER BY id) patients
"""  # noqa: S608 (constants)


@dataclass(frozen=True, slots=True)
class UpToDate:
    """How current the results are: of so many patients something newer is on record than stands in them."""

    waiting: int
    as_of: datetime


def bring_up_to_date(now: datetime) -> UpToDate:
    """What is recorded stands in the results, or ``waiting`` says of how many patients it does not yet.

    One query when nothing is due. A few patients are worked out at once; more are left to a task that starts now.
    """
    waiting = count_due(now)
    if 0 < waiting <= AT_ONCE:
        refresh_due(limit=AT_ONCE, now=now)
        waiting = count_due(now)
    if waiting:
        enqueue_if_possible(REFRESH)
    return UpToDate(waiting, now)


def count_due(now: datetime) -> int:
    """Of how many patients the results are to be worked out anew."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"now": now})
        return int(cursor.fetchone()[0])


def refresh_due(*, limit: int, now: datetime) -> int:
    """The results of up to ``limit`` patients who were due are worked out, those first who have waited longest.

    Whom another worker has in hand is left to it. Returns how many patients were worked out.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, {"now": now, "looked_at": 4 * limit, "limit": limit})
            patients = [pk for (pk,) in cursor.fetchall()]
        if patients:
            ResultDue.objects.filter(patient__in=patients).delete()
            _write(patients, now)
    return len(patients)


def work_out(patient_ids: Iterable[int], now: datetime) -> int:
    """The results of all courses of these patients are worked out from what is on record now.

    Waits for a worker that has one of them in hand. Returns how many courses have a row.
    """
    patients = sorted(set(patient_ids))
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(LOCK, {"ids": patients})
        ResultDue.objects.filter(patient__in=patients).delete()
        return _write(patients, now)


def work_out_all(now: datetime, progress: Callable[[int, int], None] | None = None) -> int:
    """The results of every course are worked out anew, a batch of patients at a time. Returns how many have a row.

    Args:
        now: the moment.
        progress: told after each batch (patients done, patients in all).
    """
    patients = sorted(Course.objects.order_by().values_list("patient", flat=True).distinct())
    written = 0
    for start in range(0, len(patients), BATCH):
        batch = patients[start : start + BATCH]
        written += work_out(batch, now)
        if progress is not None:
            progress(start + len(batch), len(patients))
    # Nothing rests on those who have no course (any more).
    ResultDue.objects.exclude(patient__in=Course.objects.values("patient")).delete()
    return written


# -- writing -----------------------------------------------------------------------------------------------------------
def _write(patients: Sequence[int], now: datetime) -> int:
    """Reading comes after claiming: whatever a claimed due row tells of is seen."""
    basis = read_basis(_with_merged(patients), now)
    erased = set(Patient.objects.filter(pk__in=patients, erasure__isnull=False).values_list("pk", flat=True))
    rows = [
        row
        for course in basis.courses
        if course.patient_id not in erased and (row := _row(course, basis, now)) is not None
    ]
    CourseResult.objects.bulk_create(rows, update_conflicts=True, unique_fields=["course"], update_fields=UPDATED)
    kept = {row.course_id for row in rows}
    gone = [course.pk for course in basis.courses if course.pk not in kept]
    if gone:
        CourseResult.objects.filter(course__in=gone).delete()
    return len(rows)


def _with_merged(patients: Sequence[int]) -> set[int]:
    """Both records of a merge: a course may be on its way from one to the other while something else is written."""
    pairs = Patient.objects.filter(Q(pk__in=patients) | Q(merged_into__in=patients), merged_into__isnull=False)
    found = {pk for pair in pairs.order_by().values_list("pk", "merged_into") for pk in pair if pk is not None}
    return found | set(patients)


def _row(course: CourseRow, basis: Basis, now: datetime) -> CourseResult | None:
    """None: nothing was given in its series."""
    phases = basis.phases.get(course.pk, [])
    series = series_of(phases)
    if series is None or not series.given:
        return None
    facts, severity, terms_number = _facts(course, phases, series, basis, now)
    result = result_of(facts)
    return CourseResult(
        course_id=course.pk,
        patient_id=course.patient_id,
        worked_out_at=now,
        terms_number=terms_number,
        location_id=course.location.pk,
        prescriber_id=course.prescriber_id,
        protocol_version_id=series.version_id,
        indication=course.indication,
        status=course.status,
        severity=severity,
        referrer=course.referrer,
        previous_failures=basis.failures.get(course.patient_id),
        **{name: getattr(result, name) for name in NAMES},
    )


def _facts(
    course: CourseRow, phases: Sequence[PhaseRow], series: PhaseRow, basis: Basis, now: datetime
) -> tuple[CourseFacts, str, int]:
    """What the pure core asks for, the band of the baseline, and the version of the terms."""
    terms = basis.terms[course.definition_id]
    readings = basis.readings_of(course)
    until = next_start(course.pk, basis.starts.get(course.patient_id, {}))
    is_over = is_series_over(
        is_closed=course.status not in OPEN_COURSE_STATUSES,
        n_planned=series.n_planned,
        n_open=series.n_open,
        n_given=len(series.given),
        has_gone_on=any(one.given for one in phases if one.position > series.position),
    )
    outcome = judge_by_leading(
        course.indication,
        {code: tuple(one.score for one in found) for code, found in readings.items()},
        basis.moments_of(course, series),
        is_over=is_over,
        events=basis.events.get(course.pk, ()),
        until=until,
        terms=terms,
    ).outcome
    led = readings[outcome.measure]
    baseline = outcome.baseline
    facts = CourseFacts(
        outcome=outcome,
        readings=[one.score for one in led],
        given=basis.infusions_of(course),
        n_planned=series.n_planned,
        rule=series.rule,
        is_over=is_over,
        today=course.location.local(now).date(),
        is_transferred=course.status == CourseStatus.TRANSFERRED,
        died_on=course.died_on,
        has_died=course.has_died,
        next_series_on=until,
        pause=basis.pause_of(course),
    )
    severity = next((one.band for one in led if baseline is not None and one.score.pk == baseline.pk), "")
    return facts, severity, terms.number
