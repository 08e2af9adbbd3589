"""What tests of the link of a message about a consultation share: the visit on a Thursday, and what stands about it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from clinic.models import Booking
from clinic.tests.factories import Clinic
from patients.models import (
    Message,
    Patient,
    VisitMode,
)
from patients.services.consultations import book_consultation

NY = ZoneInfo("America/New_York")
DAY = date(2027, 1, 7)  # a Thursday


def ny(clock: str, day: date = DAY) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), tzinfo=NY).astimezone(UTC)


NOW = ny("09:00", date(2027, 1, 4))
VISIT = ny("10:00")


def consult(clinic: Clinic, patient: Patient, start: datetime = VISIT, **more: Any) -> Booking:
    values: dict[str, Any] = {"length_min": 60, "room_id": clinic.room.pk, "mode": VisitMode.IN_PERSON} | more
    return book_consultation(
        patient=patient,
        location=clinic.location,
        start=start,
        clinician_id=clinic.clinician.resource_id or 0,
        by=clinic.desk,
        now=NOW - timedelta(days=1),
        **values,
    )


def status(booking: Booking) -> str:
    return Booking.objects.get(pk=booking.pk).status


def steps(message: Message) -> list[str]:
    return list(message.steps.values_list("text", flat=True))


def times(answer: Any) -> list[str]:
    """The keys of the times that a page offers."""
    return [key for _start, rows in answer.context["days"] for key in (one.key for one in rows)]
