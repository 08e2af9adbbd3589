"""One infusion visit on its day, for tests of the infusion day: Monday 5 April 2027, 10:00 in New York."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from clinic.models import Booking, BookingStatus, User
from clinic.services import bookings
from clinic.tests.factories import Clinic, make_clinic
from courses.models import Course, DoseCheck, DoseOrder, FlowsheetRow, InfusionRecord, ProtocolVersion, RunEvent
from courses.services.infusion_desk import Desk, read_desk
from courses.services.infusion_record import changing
from courses.services.visits import step_visit
from courses.tests.factories import make_course, make_protocol_version, make_settings
from courses.tests.series_kit import at
from patients.models import Patient
from patients.tests.factories import make_patient

DAY = date(2027, 4, 5)
BEFORE = at(date(2027, 3, 29))


def ten(minutes: int = 0) -> datetime:
    """Ten o'clock on the day, and so many minutes later (or earlier)."""
    return at(DAY, "10:00") + timedelta(minutes=minutes)


@dataclass
class Day:
    """One visit with its people."""

    clinic: Clinic
    patient: Patient
    course: Course
    booking: Booking

    @property
    def nurse(self) -> User:
        return self.clinic.nurse

    @property
    def clinician(self) -> User:
        return self.clinic.clinician

    @property
    def pk(self) -> int:
        return self.booking.pk

    def desk(self, now: datetime) -> Desk:
        return read_desk(self.pk, now=now)

    @property
    def record(self) -> InfusionRecord:
        return InfusionRecord.objects.get(visit__booking=self.booking)


def make_day(
    *steps: BookingStatus,
    clinic: Clinic | None = None,
    patient: Patient | None = None,
    version: ProtocolVersion | None = None,
    number: int = 1,
    **protocol: Any,
) -> Day:
    """The ``number``-th visit of a series of six that begins on ``DAY``; it has taken ``steps`` from 9:50 on."""
    clinic = clinic or make_clinic()
    patient = patient or make_patient(phones=["+12125550111"], emergency_name="Jordan Fictional")
    settings = make_settings(clinic, version or make_protocol_version(**protocol), DAY)
    course = make_course(clinic, patient, settings, now=BEFORE)
    visit = course.phases.get().infusions.get(number=number).visits.get()
    booking = visit.booking
    for offset, step in enumerate(steps):
        when = booking.start - timedelta(minutes=10 - 5 * offset)
        booking = step_visit(booking_id=booking.pk, to=step, by=clinic.nurse, now=when)
    return Day(clinic, patient, course, booking)


def in_chair(**known: Any) -> Day:
    """Arrived at 9:50, in the chair at 9:55; nothing recorded yet."""
    return make_day(BookingStatus.ARRIVED, BookingStatus.IN_CHAIR, **known)


def put_order(day: Day, when: datetime, **fields: Any) -> DoseOrder:
    """Case 28, 82.4 kg at 0.5 mg/kg, 10 mg/mL in 40 minutes, written straight into the tables and checked by two."""
    values: dict[str, Any] = {
        "basis": "mg_per_kg",
        "amount": Decimal("0.5"),
        "weight_kg": Decimal("82.4"),
        "weight_on": DAY,
        "infusion_min": 40,
        "dose_mg": Decimal("41.2"),
        "concentration_mg_per_ml": Decimal(10),
        "volume_ml": Decimal("4.12"),
        "contains_mg": Decimal("41.2"),
        "bag_ml": 100,
        "rate_ml_h": Decimal(150),
    }
    with changing(day.pk, by=day.nurse, now=when) as record:
        order = DoseOrder.objects.create(record=record, at=when, by=day.clinician, **(values | fields))
        for person in (day.nurse, day.clinician):
            DoseCheck.objects.create(record=record, order=order, at=when, by=person)
    return order


def put_tap(day: Day, kind: str, when: datetime, **fields: Any) -> RunEvent:
    """A tap, written straight into the table."""
    with changing(day.pk, by=day.nurse, now=when) as record:
        return RunEvent.objects.create(record=record, kind=kind, at=when, received_at=when, by=day.nurse, **fields)


def put_row(
    day: Day, when: datetime, systolic: int | None = 132, diastolic: int | None = 84, **fields: Any
) -> FlowsheetRow:
    """One look at the patient, written straight into the table."""
    values: dict[str, Any] = {"systolic_mmhg": systolic, "diastolic_mmhg": diastolic} | fields
    with changing(day.pk, by=day.nurse, now=when) as record:
        return FlowsheetRow.objects.create(record=record, at=when, received_at=when, by=day.nurse, **values)


def infusing(since: datetime | None = None, **known: Any) -> Day:
    """In the chair, ordered, checked, baseline 132/84 at 9:58, started at 10:00 unless said otherwise."""
    start = since or ten()
    day = in_chair(**known)
    order = put_order(day, start - timedelta(minutes=3))
    put_row(day, start - timedelta(minutes=2), heart_rate_bpm=78, spo2_percent=98, moaas=5)
    put_tap(day, "start", start, order=order)
    return day


def observing(ended: datetime | None = None, **known: Any) -> Day:
    """The infusion ran its 40 minutes and ended (at 10:40 unless said otherwise); the booking is observing."""
    end = ended or ten(40)
    day = infusing(end - timedelta(minutes=40), **known)
    put_tap(day, "end", end)
    day.booking = bookings.advance(day.pk, to=BookingStatus.OBSERVING, by=day.nurse, now=end)
    return day
