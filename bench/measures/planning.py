"""One series of eight against 20 chairs and six months of bookings, with and without reading the calendar."""

from __future__ import annotations

import time as clock
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from django.utils import timezone

from bench.dataset import Data
from bench.harness import Figure, Missing, of_times, queries_of, timed
from patients.models import Patient

try:
    from courses.models import ProtocolVersion
    from courses.planning.proposals import answer
    from courses.planning.question import reference_for
    from courses.planning.settings import PlanSettings
    from courses.planning.solver import solve
    from courses.planning.types import Instance, Wishes
    from courses.services.planning_input import build_instance, settings_from_version
except ImportError as problem:
    raise Missing(f"the planner is not complete: {problem}") from problem

TITLE = "Planning a series of 8 (Mon-Wed-Fri)"


def settings_for(data: Data, days_from_now: int) -> PlanSettings:
    """The shipped protocol "8 in 3 weeks", for a patient who may begin so many days from now."""
    version = ProtocolVersion.objects.get(protocol__slug="T-SEED8")
    start = data.today + timedelta(days=days_from_now)
    settings = settings_from_version(version, location=data.location, not_before=start)
    return replace(settings, wishes=Wishes(preferred_min=10 * 60))


def patient(number: int) -> Patient:
    """Somebody who has no course yet, from the far end of the list."""
    return Patient.objects.filter(courses=None).order_by("-pk")[number]


def measure(data: Data) -> Iterator[Figure]:
    now = timezone.now()
    settings = [settings_for(data, 1 + number) for number in range(20)]
    who = patient(0)
    read: list[float] = []
    solved: list[float] = []
    both: list[float] = []
    proposed: list[float] = []

    def question(number: int) -> Instance:
        return build_instance(settings[number], patient=who, now=now)

    for number in [0, 1, *range(20)]:  # the first two warm up
        times = [clock.perf_counter()]
        instance = question(number)
        times.append(clock.perf_counter())
        reference = {one.number: one.day for one in reference_for(instance)}
        plan = solve(instance, None, reference)
        times.append(clock.perf_counter())
        if plan is None:
            raise Missing("no series of 8 fits into this data set")
        answer(instance)
        times.append(clock.perf_counter())
        reading, planning, proposing = ((later - earlier) * 1000 for earlier, later in pairwise(times))
        read.append(reading)
        solved.append(planning)
        both.append(reading + planning)
        proposed.append(reading + proposing)
    queries = queries_of(lambda: question(0))
    yield of_times("reading the calendar", read[2:], queries=queries)
    yield of_times("the exact plan, calendar read", solved[2:], bar_ms=10)
    yield of_times("both together", both[2:], queries=queries, bar_ms=50)
    yield of_times("both, with the other proposals", proposed[2:], queries=queries)
    instances = [question(number) for number in range(5)]
    yield timed("several different proposals, calendar read", lambda number: answer(instances[number % 5]), runs=10)
