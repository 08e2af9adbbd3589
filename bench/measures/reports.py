"""Reports over 20,000 courses: what keeping their results costs, and the pages and files that are made of them."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.db import connection
from django.urls import reverse
from django.utils import timezone

from bench.dataset import Data
from bench.harness import Figure, of_times, queries_of, timed
from bench.measures.asked import page
from clinic.models import Location
from courses.models import CourseResult, Infusion, InfusionStatus
from courses.services.results import bring_up_to_date, work_out, work_out_all
from patients.models import Assessment

TITLE = "Reports"
BUDGET_MS = 500
EVER = "?period=all"


def measure(data: Data) -> Iterator[Figure]:
    now = timezone.now()
    yield _all_results()
    one = CourseResult.objects.order_by("pk").values_list("patient", flat=True)[0]
    yield timed("the results of one patient, after a record", lambda _: work_out([one], now), runs=20)
    yield timed(
        "asking whether all results are up to date",
        lambda _: bring_up_to_date(now),
        queries=queries_of(lambda: bring_up_to_date(now)),
    )
    manager = data.manager
    outcomes, safety, operations = (
        reverse("reports:page", args=[kind]) for kind in ("outcomes", "safety", "operations")
    )
    other = Location.objects.exclude(pk=data.location.pk).order_by("pk")[0]
    two = f"&location={data.location.pk}&vs_location={other.pk}"
    for name, address in (
        ("outcomes of all courses", outcomes + EVER),
        ("outcomes of the last 12 months", outcomes),
        (
            "outcomes, two locations compared",
            outcomes + EVER + two,
        ),
        ("the list behind the responders", reverse("reports:list", args=["outcomes", "response"]) + EVER),
        ("safety of the last 3 months", safety + "?period=3-months"),
        ("safety of the last 12 months", safety + "?period=12-months"),
        ("safety of all five years (every pressure)", safety + EVER),
        ("operations of the last 3 months", operations + "?period=3-months"),
        ("operations of the last 12 months", operations + "?period=12-months"),
        ("outcomes as CSV", reverse("reports:file", args=["outcomes", "csv"]) + EVER),
        ("outcomes as XLSX", reverse("reports:file", args=["outcomes", "xlsx"]) + EVER),
    ):
        yield page(name, address, manager, bar_ms=BUDGET_MS, runs=10)


def _all_results() -> Figure:
    """Never needed in a clinic that uses the product from its first day: each record brings its own up to date."""
    begun, used = time.perf_counter(), time.process_time()
    written = work_out_all(timezone.now())
    took, cpu = (time.perf_counter() - begun) * 1000, (time.process_time() - used) * 1000
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE courses_courseresult")
    given = Infusion.objects.filter(status=InfusionStatus.GIVEN).count()
    said = f"{written:,} courses, {given:,} infusions given, {Assessment.objects.count():,} scores"
    return of_times("the results of all courses, worked out anew", [took], cpu_ms=cpu, result=said)
