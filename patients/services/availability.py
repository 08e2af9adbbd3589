"""When a patient cannot come. The planner reads it; what is already booked in such a time is said, never moved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time

from django.core.exceptions import ValidationError

from clinic.models import Booking, User
from clinic.services.recorded import recorded
from patients.models import Unavailability
from patients.services.registry import lock_patient, upcoming_bookings


@dataclass(frozen=True, slots=True)
class Span:
    """From `first_day` to `last_day`, both included; all day, or each day between two local clock times."""

    first_day: date
    last_day: date
    from_time: time | None = None
    until_time: time | None = None
    note: str = ""


def add_unavailability(*, patient_id: int, span: Span, by: User, now: datetime) -> tuple[Unavailability, list[Booking]]:
    """The patient cannot come in `span`.

    Also returns the visits ahead that fall into it: they stand until somebody moves them.

    Raises:
        ValidationError: days or times out of order, or the same span is already there.
        MergedPatientError: the record was merged away.
    """
    with recorded(by=by, now=now):
        patient = lock_patient(patient_id)
        row = Unavailability(
            patient=patient,
            first_day=span.first_day,
            last_day=span.last_day,
            from_time=span.from_time,
            until_time=span.until_time,
            note=span.note,
        )
        row.full_clean()
        twins = Unavailability.objects.filter(patient=patient, first_day=span.first_day, last_day=span.last_day)
        if twins.filter(from_time=span.from_time, until_time=span.until_time).exists():
            raise ValidationError("This time is already on the list.")
        row.save()
        return row, [booking for booking in upcoming_bookings(patient, now=now) if falls_into(booking, row)]


def remove_unavailability(*, patient_id: int, unavailability_id: int, by: User, now: datetime) -> None:
    """The patient can come again in that time; twice is once."""
    with recorded(by=by, now=now):
        Unavailability.objects.filter(pk=unavailability_id, patient_id=patient_id).delete()


def falls_into(booking: Booking, row: Unavailability) -> bool:
    """True when the visit touches the time in which the patient cannot come, on the clocks of the visit's location."""
    start, end = booking.location.local(booking.start), booking.location.local(booking.end)
    if not row.first_day <= start.date() <= row.last_day:
        return False
    if row.from_time is None or row.until_time is None:
        return True
    return start.time() < row.until_time and (end.time() > row.from_time or end.date() > start.date())
