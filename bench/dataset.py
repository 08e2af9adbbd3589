"""The data set that everything is measured on (``manage.py load_demo --scale``), and what a measurement needs of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from clinic.models import Location, User
from courses.services.demo.scale.load import load_scale
from courses.services.demo.scale.people import FIRST_RESOURCE
from courses.services.demo.scale.place import SITES
from courses.services.demo.scale.size import WEEKS_AHEAD, Size

__all__ = ["FIRST_RESOURCE", "WEEKS_AHEAD", "Data", "build", "find", "next_weekday"]
COUNTED = {
    "patients": "patients_patient",
    "bookings": "clinic_booking",
    "allocations": "clinic_allocation",
    "courses": "courses_course",
    "infusions": "courses_infusion",
    "infusion records": "courses_infusionrecord",
    "flowsheet rows": "courses_flowsheetrow",
    "scores": "patients_assessment",
    "messages": "patients_message",
    "lines of the drug log": "courses_stockentry",
}


@dataclass(frozen=True)
class Data:
    """What the measurements need to know about the rows; ``location`` is the one that is measured."""

    size: Size
    today: date
    location: Location
    clinician: User
    desk: User
    nurse: User
    manager: User
    counts: dict[str, int]

    def described(self) -> dict[str, Any]:
        return {**asdict(self.size), "today": self.today.isoformat(), "rows": self.counts}


def build(size: Size, say: Callable[[str], None]) -> Data:
    """The connected (empty, migrated) database holds the data set."""
    load_scale(size, now=timezone.now(), say=say)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    return find(size)


def find(size: Size) -> Data:
    """The data set of this database, made just now or by an earlier run that was kept."""
    place = Location.objects.get(name=SITES[0][0])

    def user(name: str) -> User:
        return User.objects.get(username=name)

    return Data(
        size=size,
        today=place.local(timezone.now()).date(),
        location=place,
        clinician=user("clinician"),
        desk=user("desk"),
        nurse=user("nurse"),
        manager=user("manager"),
        counts={what: _count(table) for what, table in COUNTED.items()}
        | {f"bookings at {place}": place.bookings.count()},
    )


def _count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        return int(cursor.fetchone()[0])


def next_weekday(day: date, weekday: int) -> date:
    """The first such weekday after ``day``."""
    return day + timedelta(days=(weekday - day.weekday() - 1) % 7 + 1)
