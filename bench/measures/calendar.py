"""The week of 20 chairs and everybody who works there: as rows, and as the page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from bench.dataset import Data
from bench.harness import Figure, Missing, queries_of, timed

try:
    from courses.services.calendar import week
except ImportError as problem:
    raise Missing(f"the calendar is not there yet: {problem}") from problem

TITLE = "Calendar"


def measure(data: Data) -> Iterator[Figure]:
    monday = data.today - timedelta(days=data.today.weekday())
    now = timezone.now()

    def read(number: int) -> int:
        found = week(data.location, monday + timedelta(weeks=number % 20), now=now)
        return sum(len(day.cards) for day in found)

    yield timed(
        "a week of 20 chairs (service)",
        read,
        runs=15,
        queries=queries_of(lambda: read(1)),
        bar_queries=12,
        elsewhere={"Care": 3937, "GNU Health": 823},
        result=f"{read(1)} bookings",
    )
