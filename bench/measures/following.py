"""Following courses: what the sweep of the worklists costs, and the pages that show what it found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from bench.dataset import Data
from bench.harness import Figure, Missing, of_times, queries_of, timed
from bench.measures.asked import page
from courses.models import Course, CourseStatus, InfusionStatus, Task
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.services.worklists.engine import MODULES, sweep

TITLE = "Following courses"
SWEEP_BUDGET_MS = 20_000
"""The worker sweeps every five minutes, beside everything else."""
FEW, MANY = 2, 20


def measure(data: Data) -> Iterator[Figure]:
    now = timezone.now()
    yield _first(now)
    _analyze()
    yield _whole(now)
    for kind in MODULES:
        yield timed(f"… of it {kind.label.lower()}", lambda _, kind=kind: sweep(now, kinds=[kind]), runs=FEW, warm_up=0)
    yield _after_one_course(now)
    yield from _pages(data)


def _first(now: datetime) -> Figure:
    """As if nothing were known yet: every condition opens its task. Once, so there is one run; undone afterwards."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE courses_task CASCADE")
        begun, used = time.perf_counter(), time.process_time()
        done = sweep(now)
        took, cpu = (time.perf_counter() - begun) * 1000, (time.process_time() - used) * 1000
        transaction.set_rollback(True)
    return of_times("the first sweep of all courses", [took], cpu_ms=cpu, result=f"{done.opened:,} tasks opened")


def _whole(now: datetime) -> Figure:
    """Every five minutes: everything is looked at, and nearly nothing is new."""
    courses = Course.objects.filter(status__in=OPEN_COURSE_STATUSES).count()
    return timed(
        "a later sweep of all courses",
        lambda _: sweep(now),
        runs=FEW,
        warm_up=0,
        queries=queries_of(lambda: sweep(now)),
        bar_ms=SWEEP_BUDGET_MS,
        bar_on="p95",
        result=f"{courses:,} of {Course.objects.count():,} courses open, {Task.objects.open().count():,} tasks open",
    )


def _after_one_course(now: datetime) -> Figure:
    """As after each act on a course's page, in the request of that act."""
    rows = Course.objects.filter(status=CourseStatus.ACTIVE, tasks__isnull=False).distinct().order_by("pk")
    ids = list(rows.values_list("pk", flat=True)[: MANY + 2])
    return timed(
        "the sweep after an act on one course",
        lambda number: sweep(now, course_id=ids[number % len(ids)]),
        runs=MANY,
        queries=queries_of(lambda: sweep(now, course_id=ids[0])),
    )


def _pages(data: Data) -> Iterator[Figure]:
    """As a browser asks for them, but inside this process: with templates, without the network."""
    given = Course.objects.filter(
        location=data.location, status=CourseStatus.ACTIVE, phases__infusions__status=InfusionStatus.GIVEN
    )
    course = given.distinct().order_by("pk").first()
    if course is None:
        raise Missing("no course has begun")
    here, everywhere = f"?location={data.location.pk}", "?location=all"
    for name, address, user in (
        ("worklists of one location", reverse("worklists:all") + here, data.clinician),
        ("worklists of all locations", reverse("worklists:all") + everywhere, data.clinician),
        ("worklists of one location, front desk", reverse("worklists:all") + here, data.desk),
        ("one worklist: measures overdue", reverse("worklists:list", args=["measure"]) + here, data.clinician),
        ("a course’s response", reverse("following:response", args=[course.pk]), data.clinician),
        ("a course’s measures", reverse("following:schedule", args=[course.pk]), data.clinician),
        ("a course", reverse("courses:course", args=[course.pk]), data.clinician),
        ("Today", reverse("courses:today"), data.desk),
    ):
        yield page(name, address, user)


def _analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE courses_task")
