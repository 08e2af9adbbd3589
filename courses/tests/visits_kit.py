"""Visits with their records written straight into the tables, for reports that count many of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from clinic.models import Allocation, Booking, Resource
from clinic.tests.factories import Clinic
from courses.models import (
    AdverseEvent,
    Course,
    DoseOrder,
    FlowsheetRow,
    GateDecision,
    Infusion,
    InfusionRecord,
    InfusionVisit,
    LimitAlarm,
    RunEvent,
)
from courses.tests.follow_kit import MINUTES, make_plain_course
from patients.models import Patient

ENDED = {"missed": "missed", "withheld": "withheld", "cancelled": "cancelled"}
VISIT_MIN = 130  # 15 + 40 + 60 + 15


def put_booking(
    clinic: Clinic, patient: Patient, when: datetime, status: str = "booked", *, minutes: int = VISIT_MIN, **fields: Any
) -> Booking:
    """A booking with nothing allocated; an ending is recorded at its start unless ``ended_at`` says otherwise."""
    values: dict[str, Any] = {"kind": "infusion", "location": clinic.location, "created_at": when - timedelta(days=9)}
    if status in ENDED:
        values |= {"ended_at": when, "ended_reason": "Said so"}
    span = DateTimeTZRange(when, when + timedelta(minutes=minutes))
    return Booking.objects.create(status=status, subject=patient.resource, span=span, **(values | fields))


def put_allocation(booking: Booking, resource: Resource, role: str = "station", **fields: Any) -> Allocation:
    """The resource is taken for the whole booking."""
    return Allocation.objects.create(booking=booking, resource=resource, role=role, **({"span": booking.span} | fields))


def course_of(clinic: Clinic, patient: Patient) -> Course:
    """The patient's course; a new one where there is none."""
    return Course.objects.filter(patient=patient).first() or make_plain_course(clinic, patient)


def put_visit(
    clinic: Clinic, patient: Patient, when: datetime, outcome: str = "given", *, reason: str = "", **booking: Any
) -> InfusionVisit:
    """One attempt at one more infusion of the patient's course, with its booking and, once somebody came, a record."""
    course = course_of(clinic, patient)
    phase = course.phases.get()
    status = "done" if outcome == "given" else outcome
    infusion = Infusion.objects.create(
        phase=phase,
        number=phase.infusions.count() + 1,
        status=outcome,
        day=clinic.location.local(when).date() if outcome == "given" else None,
    )
    visit = InfusionVisit.objects.create(
        infusion=infusion,
        booking=put_booking(clinic, patient, when, status, **booking),
        outcome=outcome,
        reason=reason,
        at=when,
        by=clinic.nurse,
        **MINUTES,
    )
    if outcome in ("given", "withheld"):
        InfusionRecord.objects.create(visit=visit, opened_at=when, opened_by=clinic.nurse)
    return visit


def put_effect(visit: InfusionVisit, code: str = "nausea", severity: str = "mild", **fields: Any) -> AdverseEvent:
    """A side effect 30 minutes after the beginning of the visit, gone when they left."""
    at = visit.booking.start + timedelta(minutes=30)
    nurse = visit.by
    values = {"onset_at": at, "outcome": "resolved", "recorded_at": at, "recorded_by": nurse} | fields
    return AdverseEvent.objects.create(record=visit.record, code=code, severity=severity, **values)


def put_decision(visit: InfusionVisit, code: str = "pressure", severity: str = "soft") -> GateDecision:
    """Somebody let a finding through."""
    return GateDecision.objects.create(
        record=visit.record,
        code=code,
        severity=severity,
        said="The rule said so.",
        stamp=f"{code}-{severity}",
        reason="Judged at the chair" if severity == "hard" else "",
        at=visit.booking.start,
        by=visit.by,
    )


def put_order(visit: InfusionVisit, dose_mg: str = "41.2") -> DoseOrder:
    """So many mg in 40 minutes, of which the measured volume contains all."""
    return DoseOrder.objects.create(
        record=visit.record,
        basis="mg_per_kg",
        amount=Decimal("0.5"),
        weight_kg=Decimal("82.4"),
        weight_on=visit.booking.start.date(),
        infusion_min=40,
        dose_mg=Decimal(dose_mg),
        contains_mg=Decimal(dose_mg),
        concentration_mg_per_ml=Decimal(10),
        volume_ml=Decimal("4.12"),
        bag_ml=100,
        rate_ml_h=Decimal(150),
        at=visit.booking.start,
        by=visit.by,
    )


def put_run(visit: InfusionVisit, *taps: tuple[str, int], reason: str = "", for_effect: bool = False) -> None:
    """Taps, each with its minutes after the beginning of the visit; a start brings its order along."""
    for kind, minutes in taps:
        at = visit.booking.start + timedelta(minutes=minutes)
        RunEvent.objects.create(
            record=visit.record,
            kind=kind,
            at=at,
            received_at=at,
            by=visit.by,
            order=put_order(visit) if kind == "start" else None,
            reason=reason if kind in ("stop", "pause") else "",
            is_for_adverse_event=for_effect and kind == "stop",
        )


def put_look(visit: InfusionVisit, minutes: int, systolic: int, diastolic: int, **fields: Any) -> FlowsheetRow:
    """A look so many minutes after the beginning of the visit."""
    at = visit.booking.start + timedelta(minutes=minutes)
    values = {"systolic_mmhg": systolic, "diastolic_mmhg": diastolic, "at": at, "received_at": at} | fields
    return FlowsheetRow.objects.create(record=visit.record, by=visit.by, **values)


def put_alarm(row: FlowsheetRow, rule: str, act: str = "notify", **fields: Any) -> LimitAlarm:
    """The alarm of a look, without an answer unless said otherwise."""
    values = {"said": "A limit was reached.", "profile": "default", "raised_at": row.at} | fields
    return LimitAlarm.objects.create(record=row.record, row=row, rule=rule, act=act, **values)
