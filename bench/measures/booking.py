"""Writing: one infusion, a series of eight, a course with its series, a move of eight, a release."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta

from django.utils import timezone

from bench.dataset import FIRST_RESOURCE, WEEKS_AHEAD, Data
from bench.harness import Figure, queries_of, timed
from clinic.models import AllocationRole, BookingKind, BookingStatus, Resource, User
from clinic.models.bookings import ATTENTION_LANE
from clinic.pure.roles import Role
from clinic.services.bookings import Claim, Move, Wanted, book, rebook, release

TITLE = "Booking"


class Asker:
    """Requests for infusions at the measured location, beyond the weeks that are filled: each finds its place."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.chairs = list(Resource.objects.chairs(data.location).values_list("pk", flat=True))
        self.nurses = self._people(Role.NURSE)
        self.clinicians = self._people(Role.CLINICIAN)
        # What waits for a later day stands up to three weeks behind the weeks that are filled.
        self.monday = data.today + timedelta(weeks=WEEKS_AHEAD + 6, days=-data.today.weekday())

    def _people(self, role: Role) -> list[int]:
        found = User.objects.with_role(role).filter(home_location=self.data.location)
        return [pk for pk in found.values_list("resource_id", flat=True) if pk]

    def start(self, week: int, weekday: int, hour: int) -> datetime:
        day = self.monday + timedelta(weeks=week, days=weekday)
        return self.data.location.at(day, time(hour))

    def infusion(self, start: datetime, *, patient: int, chair: int = 0, nurse: int = 0, clinician: int = 0) -> Wanted:
        """Five allocations, as ``claims_for`` makes them."""
        who, end = FIRST_RESOURCE + patient, start + timedelta(minutes=135)
        leaves, quarter = start + timedelta(minutes=120), start + timedelta(minutes=15)
        claims = (
            Claim(who, AllocationRole.PATIENT, start, leaves),
            Claim(self.chairs[chair], AllocationRole.STATION, start, end),
            Claim(self.nurses[nurse], AllocationRole.NURSE, start, leaves),
            Claim(self.nurses[nurse], AllocationRole.ATTENTION, start, quarter, ATTENTION_LANE),
            Claim(self.clinicians[clinician], AllocationRole.CLINICIAN, start, quarter),
        )
        return Wanted(BookingKind.INFUSION, self.data.location.pk, start, end, claims, who)

    def series(self, week: int, *, patient: int, chair: int = 0, count: int = 8, hour: int = 10) -> list[Wanted]:
        """``count`` infusions on Mondays, Wednesdays and Fridays."""
        days = [(week + number // 3, (0, 2, 4)[number % 3]) for number in range(count)]
        return [self.infusion(self.start(*day, hour), patient=patient, chair=chair) for day in days]


def measure(data: Data) -> Iterator[Figure]:
    asker, by, now = Asker(data), data.desk, timezone.now()
    last = data.size.patients - 1

    def one(number: int) -> None:
        book([asker.infusion(asker.start(number, 1, 9), patient=last)], by=by, now=now)

    yield timed("one infusion", one, queries=queries_of(lambda: one(100)), elsewhere={"Care": 24, "GNU Health": 16})

    made: list[Sequence[int]] = []

    def series(number: int, count: int = 8) -> None:
        found = book(asker.series(4 * number, patient=last - 1, chair=1, count=count), by=by, now=now)
        made.append([booking.pk for booking in found])

    yield timed(
        "six in one go",
        lambda number: series(200 + number, 6),
        queries=queries_of(lambda: series(300, 6)),
        elsewhere={"Care": 143, "GNU Health (unchecked)": 22},
    )
    made.clear()
    yield timed("a series of 8 (40 allocations)", series, queries=queries_of(lambda: series(100)), bar_ms=50)

    def move(number: int) -> None:
        wanted = asker.series(4 * number, patient=last - 1, chair=1, hour=14)
        rebook([Move(pk, one) for pk, one in zip(made[number + 1], wanted, strict=True)], by=by, now=now)

    yield timed("moving all 8", move, runs=15)
    yield timed(
        "cancelling all 8",
        lambda number: release(made[number + 1], status=BookingStatus.CANCELLED, reason="", by=by, now=now),
        runs=15,
    )
