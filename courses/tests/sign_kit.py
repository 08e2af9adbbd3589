"""Infusion days on their way to the signature, for tests: everything done, completed, signed; and a nasal one."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from clinic.models import BookingStatus
from clinic.services import bookings
from courses.models import Discharge, DrugDraw, DrugLot, Protocol, Route, StockEntry
from courses.services.infusion_record import changing
from courses.services.signing import complete, sign
from courses.tests.day_kit import DAY, Day, in_chair, observing, put_order, put_row, put_tap, ten
from courses.tests.factories import make_protocol_version


def put_draw(day: Day, drawn: datetime, closed: datetime | None, drawn_mg: str = "41.2") -> DrugDraw:
    """Drawn from a new lot and, when ``closed``, all of it given; the log says the same."""
    lot = DrugLot.objects.create(
        location=day.clinic.location,
        concentration_mg_per_ml=Decimal(10),
        content_mg=Decimal(200),
        lot_number="K-10",
        expires_on=DAY + timedelta(days=300),
        created_at=drawn,
        created_by=day.nurse,
    )
    amount = Decimal(drawn_mg)
    known: dict[str, Any] = {"lot": lot, "at": drawn, "by": day.nurse}
    StockEntry.objects.create(number=1, kind="received", amount_mg=200, change_mg=200, balance_mg=200, **known)
    with transaction.atomic(), changing(day.pk, by=day.nurse, now=drawn) as record:
        draw = DrugDraw.objects.create(record=record, lot=lot, drawn_mg=amount, drawn_at=drawn, drawn_by=day.nurse)
        known["draw"] = draw
        StockEntry.objects.create(
            number=2, kind="drawn", amount_mg=amount, change_mg=-amount, balance_mg=200 - amount, **known
        )
        if closed is not None:
            StockEntry.objects.create(
                number=3, kind="given", amount_mg=amount, change_mg=0, balance_mg=200 - amount, **known
            )
            DrugDraw.objects.filter(pk=draw.pk).update(
                given_mg=amount, wasted_mg=0, returned_mg=0, closed_at=closed, closed_by=day.nurse
            )
    return draw


def put_discharge(day: Day, when: datetime) -> Discharge:
    """Left with an escort, written straight into the table; the booking is done."""
    with changing(day.pk, by=day.nurse, now=when) as record:
        left = Discharge.objects.create(
            record=record,
            criteria=[],
            escort_name="Jordan Fictional",
            instructions="Rest.",
            instructions_way="told",
            no_driving_until=when + timedelta(hours=24),
            at=when,
            by=day.nurse,
        )
    day.booking = bookings.advance(day.pk, to=BookingStatus.DONE, by=day.nurse, now=when)
    return left


def put_no_effects(day: Day, when: datetime) -> None:
    with changing(day.pk, by=day.nurse, now=when) as record:
        record.no_adverse_events_at, record.no_adverse_events_by = when, day.nurse
        record.save(update_fields=["no_adverse_events_at", "no_adverse_events_by"])


def finished(**known: Any) -> Day:
    """Everything is there at 11:45: infused 10:00 to 10:40, drug accounted for, no effects, left at 11:45."""
    day = observing(**known)
    put_draw(day, ten(-4), ten(42))
    put_no_effects(day, ten(90))
    put_discharge(day, ten(105))
    return day


def completed(**known: Any) -> Day:
    day = finished(**known)
    complete(booking_id=day.pk, version=day.record.version, by=day.nurse, now=ten(110))
    return day


def signed(**known: Any) -> Day:
    day = completed(**known)
    sign(booking_id=day.pk, version=day.record.version, by=day.clinician, now=ten(112))
    return day


def nasal(*, devices: int = 3) -> Day:
    """84 mg of esketamine from 10:00 on, a device every five minutes; the pressure before and 40 minutes after."""
    version = make_protocol_version("T-NASAL", dose_basis="total_mg", dose_start=84, infusion_min=15)
    Protocol.objects.filter(pk=version.protocol_id).update(route=Route.NASAL)
    version.protocol.refresh_from_db()
    day = in_chair(version=version)
    dose = Decimal(28 * devices)
    fields: dict[str, Any] = {"weight_kg": None, "weight_on": None, "basis": "total_mg", "amount": dose}
    fields |= {"dose_mg": dose, "contains_mg": dose, "infusion_min": 15, "devices": devices}
    fields |= {"concentration_mg_per_ml": None, "volume_ml": None, "bag_ml": None, "rate_ml_h": None}
    order = put_order(day, ten(-5), **fields)
    put_row(
        day,
        ten(-2),
        128,
        82,
        spo2_percent=98,
        respiratory_rate=14,
        moaas=5,
        dissociation=0,
        dissociation_scale="cadss6",
    )
    put_tap(day, "start", ten(), order=order)
    for number in range(devices):
        put_tap(day, "device", ten(5 * number))
    last = 5 * (devices - 1)
    put_row(
        day,
        ten(last + 40),
        141,
        88,
        spo2_percent=96,
        respiratory_rate=12,
        moaas=4,
        dissociation=9,
        dissociation_scale="cadss6",
    )
    return day
