"""A course that has something to sum up: T-MWF6 from Monday 5 April 2027, scores of case 2, doses and side effects."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from clinic.models import BookingStatus
from clinic.services import bookings
from courses.models import AdverseEvent, DoseCheck, DoseOrder, Infusion, RunEvent
from courses.services import moves
from courses.services.infusion_record import changing
from courses.tests.outcome_kit import BEFORE, CHECK_INS, put_score
from courses.tests.series_kit import Booked, april, at, book
from patients.models import Assessment
from patients.services.assessments import strike_assessment

CASE_2 = (19, 15, 12, 10, 9, 8)
"""PHQ-9 after infusions 1 to 6; the baseline is 22 (clinical.md, case 2)."""
DAYS = {1: april(5), 2: april(7), 3: april(9), 4: april(12), 5: april(14), 6: april(16)}


def put_case_2(booked: Booked) -> None:
    """The baseline four days before, then each score before the next infusion, the last one a day after."""
    for row in Assessment.objects.filter(patient=booked.patient, measure="phq9"):  # readiness asked for one
        strike_assessment(
            patient_id=booked.patient.pk, assessment_id=row.pk, reason="Another test", by=booked.nurse, now=at(BEFORE)
        )
    put_score(booked, BEFORE, 22)
    for day, total in zip(CHECK_INS, CASE_2, strict=True):
        put_score(booked, day, total)


def give_with_record(
    booked: Booked, number: int, *, mg: str = "41.2", effects: Mapping[str, str] | None = None, asked: bool = True
) -> Infusion:
    """The visit runs with an order of ``mg`` that went in whole over 40 minutes; side effects by code and severity."""
    booking = booked.series.row(number).booking
    assert booking is not None
    start = booking.start + timedelta(minutes=20)
    for step, when in ((BookingStatus.ARRIVED, booking.start), (BookingStatus.IN_CHAIR, start)):
        bookings.advance(booking.pk, to=step, by=booked.nurse, now=when)
    with changing(booking.pk, by=booked.nurse, now=start) as record:
        order = DoseOrder.objects.create(
            record=record,
            at=start,
            by=booked.clinician,
            basis="mg_per_kg",
            amount=Decimal("0.5"),
            weight_kg=Decimal("82.4"),
            weight_on=DAYS[number],
            infusion_min=40,
            dose_mg=Decimal(mg),
            concentration_mg_per_ml=Decimal(10),
            volume_ml=Decimal(mg) / 10,
            contains_mg=Decimal(mg),
            bag_ml=100,
            rate_ml_h=Decimal(150),
        )
        for person in (booked.nurse, booked.clinician):
            DoseCheck.objects.create(record=record, order=order, at=start, by=person)
        end = start + timedelta(minutes=40)
        RunEvent.objects.create(record=record, kind="start", at=start, received_at=start, by=booked.nurse, order=order)
        RunEvent.objects.create(record=record, kind="end", at=end, received_at=end, by=booked.nurse)
        for code, severity in (effects or {}).items():
            AdverseEvent.objects.create(
                record=record,
                code=code,
                severity=severity,
                onset_at=end,
                outcome="resolved",
                recorded_at=end,
                recorded_by=booked.nurse,
            )
        if asked and not effects:
            record.no_adverse_events_at, record.no_adverse_events_by = end, booked.nurse
            record.save(update_fields=["no_adverse_events_at", "no_adverse_events_by"])
    for step in (BookingStatus.OBSERVING, BookingStatus.DONE):
        bookings.advance(booking.pk, to=step, by=booked.nurse, now=booking.end)
    return moves.record_given(booking_id=booking.pk, by=booked.nurse, now=booking.end)


def whole_course() -> Booked:
    """All six given and recorded, scores of case 2; nausea at 2 and 3, nobody asked at 6."""
    booked = book()
    for number in range(1, 7):
        effects = (
            {"nausea": "mild"} if number == 2 else {"nausea": "moderate", "headache": "mild"} if number == 3 else {}
        )
        give_with_record(booked, number, effects=effects, asked=number != 6)
    put_case_2(booked)
    return booked
