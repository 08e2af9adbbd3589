"""An infusion day: the chair board of 20 occupied chairs, and one infusion's page, both whole and asked again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from bench.dataset import Data
from bench.harness import Figure, Missing, queries_of, timed
from clinic.models import Booking, BookingKind, BookingStatus
from courses.models import CheckAnswer, DoseCheck, DoseOrder, FlowsheetRow, InfusionRecord, InfusionVisit, RunEvent
from courses.pure.checklist import EARLIER, ITEMS, NONE, YES, Kind
from courses.services.board import board_stamp, read_board
from courses.services.infusion_desk import read_desk

TITLE = "Infusion day"
LOOKS_EACH = 9
RUNS_FOR = timedelta(minutes=25)
SAID = {Kind.YES_NO: YES, Kind.PERSON: YES, Kind.MOMENT: EARLIER, Kind.MEDICINES: NONE, Kind.NUMBER: "36.6"}
WHOLE = {
    "systolic_mmhg": 128,
    "diastolic_mmhg": 82,
    "heart_rate_bpm": 74,
    "spo2_percent": 98,
    "respiratory_rate": 14,
    "moaas": 5,
    "nausea": 0,
}


def measure(data: Data) -> Iterator[Figure]:
    """On the next day that is open, as if it were half past nine; what is written for that is undone afterwards."""
    now = _next_morning(data)
    with transaction.atomic(), mock.patch("django.utils.timezone.now", return_value=now):
        here = _in_chairs(data, now)
        if not here:
            raise Missing("nobody is booked at half past nine on the next open day")
        _write_records(data, here, now)
        place, one = data.location, here[0].booking_id
        said = (
            f"{len(here)} in chairs, {LOOKS_EACH} looks each; {data.counts['infusion records']:,} records beside them"
        )
        whole = "the chair board, whole (service)"
        yield _service(whole, lambda: read_board(place, now=now), bar_queries=12, result=said)
        yield _service("the chair board, asked again (service)", lambda: board_stamp(place, now), bar_queries=12)
        yield _service("one infusion day (service)", lambda: read_desk(one, now=now), bar_queries=12)
        yield from _pages(data, one)
        transaction.set_rollback(True)


def _next_morning(data: Data) -> datetime:
    found = Booking.objects.filter(
        location=data.location, kind=BookingKind.INFUSION, span__startswith__gt=data.location.at(data.today, time(23))
    )
    first = found.order_by("span")[0]
    moment = data.location.at(data.location.local(first.start).date(), time(9, 30))
    return moment if first.start <= moment < first.end else first.start + timedelta(minutes=40)


def _service(name: str, work: Callable[[], Any], **more: Any) -> Figure:
    return timed(name, lambda _: work(), runs=30, queries=queries_of(work), **more)


def _pages(data: Data, booking_id: int) -> Iterator[Figure]:
    """As a browser asks for them, but inside this process: with templates, without the network."""
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(data.nurse)
    for name, address, mark in (
        ("the chair board", reverse("board:board"), "data-board-stamp"),
        ("one infusion's page", reverse("infusion:day", args=[booking_id]), "data-day-stamp"),
    ):
        shown = client.get(address)
        kilobytes, stamp = (
            len(shown.content) // 1024,
            shown.content.decode().partition(f'{mark}="')[2].partition('"')[0],
        )

        def whole(address: str = address) -> int:
            return client.get(address).status_code

        def again(address: str = address, stamp: str = stamp) -> int:
            return client.get(address, {"seen": stamp}, headers={"HX-Request": "true"}).status_code

        is_right = (shown.status_code, bool(stamp)) == (200, True)
        yield timed(
            name,
            lambda _, whole=whole: whole(),
            runs=30,
            queries=queries_of(whole),
            bar_ms=100,
            bar_on="p95",
            bar_queries=12,
            result=f"{kilobytes} kB",
            is_right=is_right,
        )
        yield timed(
            f"{name}, asked again",
            lambda _, again=again: again(),
            runs=30,
            queries=queries_of(again),
            result=f"answers {again()}",
        )


# -- records -----------------------------------------------------------------------------------------------------------
def _in_chairs(data: Data, now: datetime) -> list[InfusionVisit]:
    rows = InfusionVisit.objects.filter(
        booking__location=data.location, booking__span__contains=now, outcome="open"
    ).select_related("booking")
    return list(rows.order_by("booking_id"))


def _write_records(data: Data, here: Sequence[InfusionVisit], now: datetime) -> None:
    """Those in the chairs have a record; written in bulk, history triggers off."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        Booking.objects.filter(pk__in=[one.booking_id for one in here]).update(
            status=BookingStatus.IN_CHAIR,
            arrived_at=now - timedelta(minutes=50),
            started_at=now - timedelta(minutes=45),
        )
        for visit in here:
            _record(visit, now - RUNS_FOR, data)
        cursor.execute("SET LOCAL session_replication_role = origin")


def _record(visit: InfusionVisit, start: datetime, data: Data) -> None:
    nurse, prescriber = data.nurse, data.clinician
    before = start - timedelta(minutes=10)
    record = InfusionRecord.objects.create(visit=visit, opened_at=before, opened_by=nurse, version=30)
    order = DoseOrder.objects.create(
        record=record,
        basis="mg_per_kg",
        amount=Decimal("0.5"),
        weight_kg=Decimal("82.4"),
        weight_on=before.date(),
        infusion_min=40,
        dose_mg=Decimal("41.2"),
        concentration_mg_per_ml=Decimal(10),
        volume_ml=Decimal("4.12"),
        contains_mg=Decimal("41.2"),
        bag_ml=100,
        rate_ml_h=Decimal(150),
        at=before,
        by=prescriber,
    )
    CheckAnswer.objects.bulk_create(
        CheckAnswer(record=record, item=item.code, value=SAID[item.kind], detail="Jordan", at=before, by=nurse)
        for item in ITEMS
    )
    DoseCheck.objects.bulk_create(
        DoseCheck(record=record, order=order, at=before, by=person) for person in (nurse, prescriber)
    )
    RunEvent.objects.create(record=record, kind="start", at=start, order=order, received_at=start, by=nurse)
    FlowsheetRow.objects.bulk_create(
        FlowsheetRow(record=record, at=at, received_at=at, by=nurse, **WHOLE)
        for at in (start + timedelta(minutes=3 * number - 3) for number in range(LOOKS_EACH))
    )
