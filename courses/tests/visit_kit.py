"""A clinic with visits on a Thursday in January, for tests of Today, the calendar and one visit."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from clinic.models import Booking, BookingKind, BookingStatus, User
from clinic.services import bookings
from clinic.services.visits import block_time
from clinic.tests.factories import Clinic, make_clinic
from courses.services import moves
from courses.services.visits import BY_THE_RECORD, step_visit
from patients.models import Patient
from patients.services.consultations import book_consultation
from patients.tests.factories import make_patient

DAY = date(2027, 1, 7)  # a Thursday; New York is at GMT-5
NY = ZoneInfo("America/New_York")
LONG_BEFORE = datetime(2027, 1, 2, 14, 0, tzinfo=UTC)


def ny(clock: str, day: date = DAY) -> datetime:
    """The instant when New York's clocks show ``clock`` on ``day``."""
    return datetime.combine(day, time.fromisoformat(clock), tzinfo=NY).astimezone(UTC)


def person(number: int) -> Patient:
    """A patient of whom nothing is missing."""
    return make_patient(
        "Robin", f"Fictional{number:02d}", phones=[f"+121255501{number:02d}"], emergency_name="Jordan Fictional"
    )


def consult(
    clinic: Clinic,
    clock: str = "10:00",
    *,
    patient: Patient | None = None,
    day: date = DAY,
    length_min: int = 60,
    now: datetime = LONG_BEFORE,
) -> Booking:
    """A consultation in the clinic's room with its clinician."""
    return book_consultation(
        patient=patient or make_patient(phones=["+12125550123"]),
        location=clinic.location,
        start=ny(clock, day),
        length_min=length_min,
        clinician_id=clinic.clinician.resource_id or 0,
        room_id=clinic.room.pk,
        by=clinic.desk,
        now=now,
    )


def block(
    clinic: Clinic, clock: str, resource_ids: list[int], *, minutes: int = 60, title: str = "Staff meeting"
) -> Booking:
    return block_time(
        location=clinic.location,
        resource_ids=resource_ids,
        start=ny(clock),
        end=ny(clock) + timedelta(minutes=minutes),
        title=title,
        by=clinic.desk,
        now=LONG_BEFORE,
    )


def take(booking: Booking, *steps: str, by: User, at: datetime | None = None) -> Booking:
    """The visit has taken these steps, at its start unless said otherwise; an infusion's last ones as by its record."""
    for step in map(BookingStatus, steps):
        when = at or booking.start
        if booking.kind != BookingKind.INFUSION or step not in BY_THE_RECORD:
            booking = step_visit(booking_id=booking.pk, to=step, by=by, now=when)
            continue
        booking = bookings.advance(booking.pk, to=step, by=by, now=when)
        if step is BookingStatus.DONE:
            moves.record_given(booking_id=booking.pk, by=by, now=when)
    return booking


def release(booking: Booking, status: BookingStatus, *, by: User, at: datetime) -> Booking:
    return bookings.release([booking.pk], status=status, reason="Called", by=by, now=at)[0]


def full_clinic(visits: int, *, name: str = "Downtown") -> Clinic:
    """A clinic with so many consultations on ``DAY``, a quarter of an hour each, from eight in the morning."""
    clinic = make_clinic(name)
    for number in range(visits):
        minute = 8 * 60 + 15 * number
        consult(clinic, f"{minute // 60:02d}:{minute % 60:02d}", patient=person(number), length_min=15)
    return clinic
