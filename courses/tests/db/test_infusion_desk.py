"""The record of an infusion day: read at once, written through one door, frozen when signed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction

from clinic.models import BookingStatus
from clinic.services import bookings
from clinic.services.bookings import StepRefusedError
from clinic.tests.fixtures.ledger import Queries
from clinic.tests.fixtures.parallel import Parallel
from courses.models import CheckAnswer, FlowsheetRow, InfusionRecord
from courses.services.infusion_record import DayRefusedError, RecordSignedError, changing
from courses.tests.day_kit import in_chair, infusing, make_day, observing, put_row, put_tap, ten

pytestmark = pytest.mark.django_db


def test_a_day_reads_as_it_was_written_in_three_queries(queries: Queries) -> None:
    day = observing()
    with queries("infusion desk", at_most=3):
        desk = day.desk(ten(50))
    assert desk.order is not None
    assert (desk.order.dose_mg, desk.order.volume_ml) == (Decimal("41.2"), Decimal("4.12"))
    assert len(desk.checks) == 2
    assert (desk.run.started_at, desk.run.ended_at) == (ten(), ten(40))
    assert desk.delivered_mg == Decimal("41.2")
    assert desk.baseline is not None
    assert (desk.baseline.systolic_mmhg, desk.baseline.at) == (132, ten(-2))
    assert desk.name(day.nurse.pk) == day.nurse.display_name


def test_twenty_rows_need_no_more_queries_than_two(queries: Queries) -> None:
    day = infusing()
    for number in range(20):
        put_row(day, ten(number))
    with queries("infusion desk", at_most=3):
        assert len(day.desk(ten(30)).rows) == 21


def test_stopped_at_half_time_half_was_delivered_by_r8() -> None:
    day = infusing()
    put_tap(day, "pause", ten(10))
    put_tap(day, "resume", ten(15))
    put_tap(day, "stop", ten(25), reason="Anxious")
    assert day.desk(ten(30)).delivered_mg == Decimal("20.6")


def test_nobody_writes_before_the_arrival_or_without_the_role() -> None:
    day = make_day()
    with pytest.raises(DayRefusedError, match="has not arrived"), changing(day.pk, by=day.nurse, now=ten()):
        pass
    with pytest.raises(PermissionDenied), changing(day.pk, by=day.clinic.desk, now=ten()):
        pass
    assert not InfusionRecord.objects.exists()


def test_each_write_counts_one_version_and_a_refused_one_none() -> None:
    day = in_chair()
    put_row(day, ten())
    assert day.record.version == 1
    with pytest.raises(ValueError, match="changed my mind"), changing(day.pk, by=day.nurse, now=ten()):
        raise ValueError("changed my mind")
    assert day.record.version == 1


def sign(day_record: InfusionRecord, day_nurse: object) -> None:
    InfusionRecord.objects.filter(pk=day_record.pk).update(
        completed_at=ten(), completed_by=day_nurse, signed_at=ten(), signed_by=day_nurse
    )


def test_a_signed_record_takes_no_row_neither_through_the_door_nor_past_it() -> None:
    day = in_chair()
    row = put_row(day, ten())
    sign(day.record, day.nurse)
    with pytest.raises(RecordSignedError), changing(day.pk, by=day.nurse, now=ten(1)):
        pass
    writes = (
        lambda: CheckAnswer.objects.create(record=day.record, item="identity", at=ten(), by=day.nurse),
        lambda: FlowsheetRow.objects.filter(pk=row.pk).update(systolic_mmhg=120),
        lambda: FlowsheetRow.objects.filter(pk=row.pk).delete(),
        lambda: InfusionRecord.objects.filter(pk=day.record.pk).update(session_note="quiet"),
    )
    for write in writes:
        with pytest.raises(DatabaseError), transaction.atomic():
            write()


def test_what_was_given_cannot_be_cancelled_away() -> None:
    day = infusing()
    with pytest.raises(StepRefusedError, match="was started"):
        bookings.release([day.pk], status=BookingStatus.WITHHELD, reason="Pressure", by=day.nurse, now=ten(5))
    with pytest.raises(StepRefusedError, match="was started"):
        bookings.undo(day.pk, by=day.nurse, now=ten(5))


@pytest.mark.django_db(transaction=True)
def test_two_people_at_once_open_one_record_and_neither_entry_is_lost(parallel: Parallel) -> None:
    day = in_chair()
    outcomes = parallel(8, lambda index: put_row(day, ten() + timedelta(seconds=index)))
    assert [one.error for one in outcomes] == [None] * 8
    assert day.record.version == 8
    assert FlowsheetRow.objects.filter(record=day.record).count() == 8
