"""Rows of the flowsheet: stored once, judged by their own time, struck with a reason, never lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from clinic.tests.fixtures.parallel import Parallel
from courses.models import FlowsheetRow, InfusionDaySettings, InfusionRecord, LimitAlarm
from courses.pure.limits import POSSIBLE, Look
from courses.services.flowsheet import due_of, repeat_due, save_row, strike_row
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError, RecordSignedError
from courses.tests.day_kit import Day, in_chair, infusing, make_day, observing, put_row, ten
from patients.services.observations import UnusualValueError

pytestmark = pytest.mark.django_db


def look(minute: float, systolic: int | None = 140, diastolic: int | None = 88, **more: Any) -> Look:
    return Look(ten() + timedelta(minutes=minute), systolic, diastolic, **more)


def save(day: Day, what: Look, *, uid: UUID | None = None, now: datetime | None = None, **more: Any) -> FlowsheetRow:
    return save_row(day.pk, uid=uid or uuid4(), look=what, by=day.nurse, now=now or what.at, **more)


def test_a_look_is_stored_as_it_was_measured_with_the_scale_of_the_place() -> None:
    day = infusing()
    row = save(day, look(10, heart_rate_bpm=82, spo2_percent=98, moaas=5, dissociation=6, nausea=0), note=" Calm. ")
    row.refresh_from_db()
    assert (row.systolic_mmhg, row.diastolic_mmhg, row.heart_rate_bpm, row.spo2_percent) == (140, 88, 82, 98)
    assert (row.moaas, row.dissociation, row.dissociation_scale, row.nausea) == (5, 6, "cadss6", 0)
    assert (row.note, row.at, row.respiratory_rate, row.was_confirmed) == ("Calm.", ten(10), None, False)
    assert row.by == day.nurse


def test_the_same_key_sent_twice_is_one_row_and_one_alarm_and_no_new_version() -> None:
    day = infusing()
    uid = uuid4()
    first = save(day, look(10, 205, 118), uid=uid, confirmed=True)
    version = day.record.version
    again = save(day, look(10, 205, 118), uid=uid, confirmed=True, now=ten(12))
    assert again == first
    assert LimitAlarm.objects.filter(row=first).count() == 1
    assert day.record.version == version


@pytest.mark.parametrize("other", [0, 1, 2])
def test_the_same_key_with_other_values_is_a_conflict(other: int) -> None:
    day = infusing()
    uid = uuid4()
    save(day, look(10), uid=uid)
    changed = (look(10, 141), look(11), look(10))[other]
    with pytest.raises(ChangedMeanwhileError, match="with other values"):
        save(day, changed, uid=uid, note="something else" if other == 2 else "", now=ten(12))
    assert FlowsheetRow.objects.filter(uid=uid).count() == 1


def test_a_page_without_a_clock_may_be_sent_twice_as_well() -> None:
    day = infusing()
    uid = uuid4()
    first = save(day, look(10), uid=uid, timed=False)
    assert save(day, look(10.2), uid=uid, timed=False) == first


def test_a_key_of_another_visit_is_a_conflict() -> None:
    day = infusing()
    uid = uuid4()
    save(day, look(10), uid=uid)
    other = day.course.phases.get().infusions.get(number=2).visits.get().booking_id
    with pytest.raises(ChangedMeanwhileError):
        save_row(other, uid=uid, look=look(10), by=day.nurse, now=ten(11))


def test_an_unusual_value_is_saved_only_when_it_was_read_again() -> None:
    day = infusing()
    with pytest.raises(UnusualValueError, match="Read the display again: SpO2 61 %"):
        save(day, look(10, spo2_percent=61))
    assert len(day.desk(ten(10)).rows) == 1
    assert save(day, look(10, spo2_percent=61), confirmed=True).was_confirmed
    assert not save(day, look(11, spo2_percent=97), confirmed=True).was_confirmed  # nothing was odd about it


@pytest.mark.parametrize("name", [name for name in POSSIBLE if name not in ("systolic_mmhg", "diastolic_mmhg")])
def test_an_impossible_value_is_refused_at_its_field_and_by_the_table(name: str) -> None:
    day = infusing()
    too_high = POSSIBLE[name][1] + 1
    with pytest.raises(ValidationError) as caught:
        save(day, look(10, **{name: too_high}), confirmed=True)
    assert list(caught.value.message_dict) == [name]
    with pytest.raises(ValidationError):
        FlowsheetRow(record=day.record, at=ten(), received_at=ten(), by=day.nurse, **{name: too_high}).full_clean()
    FlowsheetRow(record=day.record, at=ten(), received_at=ten(), by=day.nurse, **{name: POSSIBLE[name][1]}).full_clean()


def test_the_long_scale_is_stored_where_the_place_uses_it() -> None:
    day = infusing()
    with pytest.raises(ValidationError):
        save(day, look(10, dissociation=40))
    InfusionDaySettings.objects.create(location=day.booking.location, dissociation_scale="cadss")
    assert save(day, look(10, dissociation=40)).dissociation_scale == "cadss"


def test_a_look_is_neither_ahead_nor_before_the_arrival() -> None:
    day = infusing()
    with pytest.raises(ValidationError, match="in the future"):
        save(day, look(10), now=ten(4))
    save(day, look(10), now=ten(5))
    with pytest.raises(ValidationError, match="before the arrival at 09:50"):
        save(day, look(-11), now=ten(10))
    save(day, look(-10), now=ten(10))


def test_a_row_that_comes_late_sorts_by_its_own_time() -> None:
    day = infusing()
    save(day, look(20), now=ten(20))
    save(day, look(10), now=ten(25))
    assert [row.at for row in day.desk(ten(25)).rows] == [ten(-2), ten(10), ten(20)]


def test_a_note_alone_is_a_row_but_no_look() -> None:
    day = infusing()
    save(day, Look(ten(9)), note="Feels lighter")
    assert due_of(day.desk(ten(9))) == ten(10)
    save(day, look(10))
    assert due_of(day.desk(ten(10))) == ten(20)


def test_without_the_role_and_after_the_signature_nothing_is_stored() -> None:
    day = infusing()
    uid = uuid4()
    with pytest.raises(PermissionDenied):
        save_row(day.pk, uid=uuid4(), look=look(10), by=day.clinic.desk, now=ten(10))
    save(day, look(10), uid=uid)
    who = {"completed_at": ten(11), "completed_by": day.nurse, "signed_at": ten(11), "signed_by": day.clinician}
    InfusionRecord.objects.filter(pk=day.record.pk).update(**who)
    with pytest.raises(RecordSignedError):
        save(day, look(20))
    assert save(day, look(10), uid=uid).uid == uid  # it was stored before: saved is saved
    assert due_of(day.desk(ten(20))) is None


def test_before_the_arrival_nothing_is_stored_and_nothing_due() -> None:
    day = make_day()
    assert due_of(day.desk(ten())) is None
    with pytest.raises(DayRefusedError, match="has not arrived"):
        save(day, look(0))


# -- striking ----------------------------------------------------------------------------------------------------------


def test_a_struck_row_stays_and_counts_no_more_and_its_alarms_ask_no_longer() -> None:
    day = infusing()
    row = save(day, look(10, 205, 118), confirmed=True)
    assert [one.act for one in day.desk(ten(10)).alarms] == ["stop"]
    strike_row(row.pk, reason=" Cuff was loose ", by=day.nurse, now=ten(11))
    desk = day.desk(ten(11))
    assert desk.alarms == ()
    assert [one.at for one in desk.rows] == [ten(-2)]
    struck = next(one for one in desk.all_rows if one.is_struck)
    assert (struck.struck_reason, struck.struck_by_id) == ("Cuff was loose", day.nurse.pk)
    with pytest.raises(ChangedMeanwhileError):
        strike_row(row.pk, reason="Again", by=day.nurse, now=ten(12))


def test_striking_wants_a_reason() -> None:
    day = infusing()
    row = save(day, look(10))
    with pytest.raises(ValidationError) as caught:
        strike_row(row.pk, reason="  ", by=day.nurse, now=ten(11))
    assert list(caught.value.message_dict) == ["reason"]
    assert not FlowsheetRow.objects.get(pk=row.pk).is_struck


# -- due ---------------------------------------------------------------------------------------------------------------


def test_the_baseline_is_due_from_the_arrival_on() -> None:
    waiting = in_chair()
    assert due_of(waiting.desk(ten())) == waiting.booking.arrived_at
    put_row(waiting, ten(-3))
    assert due_of(waiting.desk(ten())) is None


def test_the_first_look_is_due_ten_minutes_after_the_start() -> None:
    assert due_of(infusing().desk(ten(1))) == ten(10)


def test_the_end_is_due_and_then_every_quarter_of_an_hour() -> None:
    day = observing()
    assert due_of(day.desk(ten(41))) == ten(40)
    put_row(day, ten(41))
    assert due_of(day.desk(ten(42))) == ten(55)


def test_a_high_pressure_is_due_again_in_five_minutes_and_not_after_its_repeat() -> None:
    day = infusing()
    save(day, look(10, 184, 104), confirmed=True)
    assert due_of(day.desk(ten(11))) == ten(15)
    assert repeat_due(day.desk(ten(11))) == ten(15)
    save(day, look(15, 178, 102))
    assert repeat_due(day.desk(ten(16))) is None
    assert due_of(day.desk(ten(16))) == ten(25)


# -- two tablets -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_tablets_send_ten_rows_each_at_once_and_all_twenty_are_stored(parallel: Parallel) -> None:
    day = infusing()
    version = day.record.version

    def send_ten(tablet: int) -> None:
        for number in range(10):
            save(day, look(number + tablet / 2), now=ten(20))

    outcomes = parallel(2, send_ten)
    assert [one.error for one in outcomes] == [None, None]
    assert FlowsheetRow.objects.filter(record=day.record).count() == 21
    assert day.record.version == version + 20


@pytest.mark.django_db(transaction=True)
def test_one_entry_sent_eight_times_at_once_is_one_row_and_one_alarm(parallel: Parallel) -> None:
    day = infusing()
    uid = uuid4()
    outcomes = parallel(8, lambda _: save(day, look(10, 205, 118), uid=uid, confirmed=True))
    assert [one.error for one in outcomes] == [None] * 8
    assert FlowsheetRow.objects.filter(uid=uid).count() == 1
    assert LimitAlarm.objects.filter(record=day.record).count() == 1
