"""Results while other people write: nobody waits for a due row, two workers share the work, a killed one loses nothing."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from clinic.tests.fixtures.parallel import Parallel
from courses.models import Course, CourseResult, ResultDue
from courses.services import results as service
from courses.services.results import refresh_due, work_out
from courses.tests.cohort import NOW, load_cohort, only
from patients.models import Assessment

pytestmark = pytest.mark.django_db(transaction=True)


def put(course: Course, total: int, *, day: int = 30) -> Assessment:
    """One more score, so many days after Wed 30 June 2027: later than every score of the courses here."""
    at = datetime(2027, 6, 30, 14, 0, tzinfo=UTC) + timedelta(days=day)
    values: dict[str, Any] = {"measure": "phq9", "taken_at": at, "source": "staff", "score": total, "recorded_at": at}
    return Assessment.objects.create(patient=course.patient, **values)


def test_two_open_transactions_about_one_patient_do_not_wait_for_each_other(parallel: Parallel) -> None:
    course = load_cohort(only("16")).courses["16"]
    ResultDue.objects.all().delete()
    both_wrote = threading.Barrier(2, timeout=20)

    def write(index: int) -> None:
        with transaction.atomic():
            put(course, 9, day=index)
            both_wrote.wait()  # while neither has committed

    assert [one.error for one in parallel(2, write)] == [None, None]
    assert list(ResultDue.objects.values_list("patient", flat=True)) == [course.patient_id] * 2


def test_two_workers_share_the_work_and_nobody_is_worked_out_twice(parallel: Parallel) -> None:
    cohort = load_cohort(is_worked_out=False)
    patients = {course.patient_id for course in cohort.courses.values()}
    both_claimed = threading.Barrier(2, timeout=20)

    def work(_index: int) -> int:
        with transaction.atomic():
            done = refresh_due(limit=19, now=NOW)
            both_claimed.wait()  # both hold what they claimed
        return done

    done = parallel(2, work)
    assert [one.error for one in done] == [None, None]
    assert [one.value for one in done] == [19, 19]
    assert len(patients) == 38  # two of the forty courses are second ones
    assert set(CourseResult.objects.values_list("patient", flat=True)) == patients
    assert not ResultDue.objects.filter(patient__in=patients).exists()


def test_a_patient_whom_another_worker_has_in_hand_is_left_to_it(parallel: Parallel) -> None:
    course = load_cohort(only("16")).courses["16"]
    put(course, 9)
    ResultDue.objects.exclude(patient=course.patient_id).delete()
    one_claimed, other_looked = threading.Event(), threading.Event()

    def work(index: int) -> int:
        if index == 1:
            one_claimed.wait(20)
            found = refresh_due(limit=5, now=NOW)
            other_looked.set()
            return found
        with transaction.atomic():
            found = refresh_due(limit=5, now=NOW)
            one_claimed.set()
            other_looked.wait(20)
        return found

    assert [one.value for one in parallel(2, work)] == [1, 0]


def test_what_is_written_while_a_worker_reads_stays_due_and_is_in_the_next_result(
    parallel: Parallel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The score is committed after the worker has read the scores and before it commits."""
    course = load_cohort(only("16")).courses["16"]
    held = CourseResult.objects.get(course=course).held_days
    put(course, 8, day=1)
    has_read, has_written = threading.Event(), threading.Event()
    read = service.read_basis

    def slow(*args: Any) -> Any:
        found = read(*args)
        has_read.set()
        has_written.wait(20)
        return found

    monkeypatch.setattr(service, "read_basis", slow)

    def act(index: int) -> None:
        if index == 0:
            refresh_due(limit=5, now=NOW)
            return
        has_read.wait(20)
        put(course, 8, day=60)
        has_written.set()

    assert [one.error for one in parallel(2, act)] == [None, None]
    monkeypatch.setattr(service, "read_basis", read)
    first = CourseResult.objects.get(course=course).held_days
    assert list(ResultDue.objects.values_list("patient", flat=True)) == [course.patient_id]
    assert refresh_due(limit=5, now=NOW) == 1
    second = CourseResult.objects.get(course=course).held_days
    assert held is not None
    assert first is not None
    assert second is not None
    assert held < first < second


def test_without_the_lock_the_earlier_reading_may_win(parallel: Parallel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why a patient is one worker's at a time: the first reads, the second reads more and writes, the first writes."""
    course = load_cohort(only("16")).courses["16"]
    put(course, 8, day=1)
    assert _race(course, parallel, monkeypatch, lock="SELECT 1 WHERE %(ids)s::bigint[] IS NOT NULL") == "stale"


def test_with_the_lock_the_later_reading_wins(parallel: Parallel, monkeypatch: pytest.MonkeyPatch) -> None:
    course = load_cohort(only("16")).courses["16"]
    put(course, 8, day=1)
    assert _race(course, parallel, monkeypatch, lock=service.LOCK) == "current"


def _race(course: Course, parallel: Parallel, monkeypatch: pytest.MonkeyPatch, *, lock: str) -> str:
    """Somebody works the patient out by hand, as nobody is due; meanwhile a score comes and another worker."""
    ResultDue.objects.all().delete()
    has_read, second_done = threading.Event(), threading.Event()
    read, slow_one = service.read_basis, threading.local()

    def slow(*args: Any) -> Any:
        found = read(*args)
        if getattr(slow_one, "is_me", False):
            has_read.set()
            second_done.wait(3)  # with the lock the second waits for this one, so this one cannot wait for ever
        return found

    monkeypatch.setattr(service, "read_basis", slow)
    monkeypatch.setattr(service, "LOCK", lock)

    def act(index: int) -> None:
        if index == 0:
            slow_one.is_me = True
            work_out([course.patient_id], NOW)
            return
        has_read.wait(20)
        put(course, 8, day=60)
        work_out([course.patient_id], NOW)
        second_done.set()

    assert [one.error for one in parallel(2, act)] == [None, None]
    row = CourseResult.objects.get(course=course)
    assert row.held_days is not None
    last = course.patient.assessments.latest("taken_at").taken_at.date()
    return "current" if row.held_days == (last - row.last_on).days else "stale"


def test_a_worker_that_is_killed_leaves_everything_due(parallel: Parallel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection dies after the rows were claimed and written, before the commit."""
    cohort = load_cohort(only("16", "17"), is_worked_out=False)
    patients = {course.patient_id for course in cohort.courses.values()}
    write = service._write

    def die(*args: Any) -> int:
        write(*args)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        raise AssertionError("a dead connection answered")

    monkeypatch.setattr(service, "_write", die)
    (killed,) = parallel(1, lambda _index: refresh_due(limit=50, now=NOW))
    assert isinstance(killed.error, OperationalError)
    assert not CourseResult.objects.exists()
    assert patients <= set(ResultDue.objects.values_list("patient", flat=True))
    monkeypatch.setattr(service, "_write", write)
    refresh_due(limit=50, now=NOW)
    assert CourseResult.objects.count() == 2
    assert not ResultDue.objects.exists()
