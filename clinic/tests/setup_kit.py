"""What the tests of the set-up pages share: addresses, words of an answer, a visit that stands in the way."""

from __future__ import annotations

import html
import re
from datetime import UTC, date, datetime, time

from django.urls import reverse

from clinic.models import (
    Allocation,
    AllocationRole,
    Booking,
    BookingKind,
    Location,
    Resource,
    User,
)
from patients.tests.factories import make_patient

NOW = datetime(2027, 1, 4, 15, tzinfo=UTC)  # Monday, 10:00 in New York
THURSDAY = date(2027, 1, 7)


def url(name: str, *args: int) -> str:
    return reverse(f"setup:{name}", args=args)


def words(answer) -> str:
    """The page as text, without tags and with its spaces in order."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def visit(
    place: Location, day: date, hour: int = 9, *, person: User | None = None, chair: Resource | None = None
) -> Booking:
    span = (place.at(day, time(hour)), place.at(day, time(hour + 2)))
    booking = Booking.objects.create(
        kind=BookingKind.INFUSION, location=place, subject=make_patient().resource, span=span, created_at=NOW
    )
    for resource, role in ((person and person.resource, AllocationRole.NURSE), (chair, AllocationRole.STATION)):
        if resource:
            Allocation.objects.create(booking=booking, resource=resource, role=role, span=span)
    return booking


def week(**changes: str) -> dict[str, str]:
    """The sent week form: Monday to Friday 08:00–18:00."""
    sent = {f"d{day}_0_{end}": clock for day in range(5) for end, clock in (("from", "08:00"), ("until", "18:00"))}
    return sent | changes
