"""When is something free? One chair, and everything that a series could use."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from bench.dataset import Data, next_weekday
from bench.harness import Figure, queries_of, timed
from clinic.models import Resource, User
from clinic.pure.roles import Role
from clinic.services.freetime import Calendar, Need

TITLE = "Free time"


def measure(data: Data) -> Iterator[Figure]:
    chairs = tuple(Resource.objects.chairs(data.location).values_list("pk", flat=True))
    one, team = (Need(chairs[:1], 0, 135),), needs_of(data)

    def ask(days: int, needs: tuple[Need, ...], number: int) -> None:
        calendar = Calendar(data.location)
        start = next_weekday(data.today, 1) + timedelta(weeks=number % 20)
        read = sorted(calendar.open_days(start, start + timedelta(days=days - 1)))
        calendar.free_matrix(read, calendar.starts_minutes(read), needs)

    asked: tuple[tuple[str, int, tuple[Need, ...], dict[str, float]], ...] = (
        ("1 chair, 1 day", 1, one, {"Care": 30, "GNU Health": 22}),
        ("1 chair, 2 weeks", 14, one, {"Care": 375, "GNU Health": 85}),
        ("20 chairs, 8 nurses, 4 clinicians, 45 days", 45, team, {}),
        ("20 chairs, 8 nurses, 4 clinicians, 26 weeks", 182, team, {}),
    )
    for name, days, needs, elsewhere in asked:
        yield timed(
            name,
            partial(ask, days, needs),
            queries=queries_of(partial(ask, days, needs, 0)),
            bar_queries=12,
            elsewhere=elsewhere,
        )


def needs_of(data: Data) -> tuple[Need, ...]:
    """What an infusion needs, with everybody who could do it."""

    def people(role: Role) -> tuple[int, ...]:
        found = User.objects.with_role(role).filter(home_location=data.location)
        return tuple(pk for pk in found.values_list("resource_id", flat=True) if pk)

    chairs = tuple(Resource.objects.chairs(data.location).values_list("pk", flat=True))
    return (
        Need(chairs, 0, 135),
        Need(people(Role.NURSE), 0, 120),
        Need(people(Role.NURSE), 0, 15, attention=True),
        Need(people(Role.CLINICIAN), 0, 15),
    )
