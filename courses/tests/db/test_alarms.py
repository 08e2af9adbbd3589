"""Alarms of the limits: raised with their row, in the order of time, answered once and in words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from clinic.tests.fixtures.parallel import Parallel
from courses.models import FlowsheetRow, InfusionDaySettings, LimitAlarm
from courses.pure.limits import Look
from courses.services.alarms import answer_alarm, waiting
from courses.services.flowsheet import save_row, strike_row
from courses.services.infusion_record import ChangedMeanwhileError
from courses.tests.day_kit import Day, infusing, observing, ten

pytestmark = pytest.mark.django_db


def measure(
    day: Day, minute: float, systolic: int, diastolic: int, came: float | None = None, **more: Any
) -> FlowsheetRow:
    look = Look(ten() + timedelta(minutes=minute), systolic, diastolic, **more)
    now = ten() + timedelta(minutes=minute if came is None else came)
    return save_row(day.pk, uid=uuid4(), look=look, confirmed=True, by=day.nurse, now=now)


def raised(day: Day) -> list[tuple[str, str]]:
    return [(one.rule, one.act) for one in LimitAlarm.objects.order_by("pk")]


def test_case_32c_from_the_tablet_to_the_table() -> None:
    day = infusing()
    measure(day, 10, 184, 104)
    assert raised(day) == [("pressure_pause", "pause")]
    measure(day, 15, 178, 102)
    assert raised(day) == [("pressure_pause", "pause")]
    measure(day, 20, 205, 118)
    assert raised(day) == [("pressure_pause", "pause"), ("pressure_stop", "stop")]
    stop = LimitAlarm.objects.get(rule="pressure_stop")
    assert (stop.profile, stop.raised_at) == ("default", ten(20))
    assert "205/118 mmHg: systolic 205 is ≥200 mmHg" in stop.said


def test_the_profile_of_the_place_decides() -> None:
    day = infusing()
    InfusionDaySettings.objects.create(location=day.booking.location, limits_profile="one_clinic")
    measure(day, 10, 180, 110)
    assert raised(day) == []
    measure(day, 20, 181, 104)
    assert LimitAlarm.objects.get().profile == "one_clinic"


def test_after_the_end_there_is_nothing_to_stop() -> None:
    day = observing()
    measure(day, 50, 205, 118)
    assert raised(day) == [("pressure_stop", "notify")]


def test_a_row_that_comes_late_raises_its_alarm_when_it_comes_and_says_when_it_was() -> None:
    day = infusing()
    measure(day, 10, 184, 104, came=18)
    alarm = LimitAlarm.objects.get()
    assert alarm.raised_at == ten(18)
    assert "Measured at 10:10, came in at 10:18." in alarm.said


def test_a_row_that_comes_late_confirms_what_a_later_one_showed() -> None:
    day = infusing()
    later = measure(day, 15, 184, 104)
    assert raised(day) == [("pressure_pause", "pause")]
    earlier = measure(day, 10, 182, 104, came=18)
    found = {(one.row_id, one.rule) for one in LimitAlarm.objects.all()}
    assert {(earlier.pk, "pressure_pause"), (later.pk, "pressure_confirmed")} <= found


def test_what_a_struck_row_had_hidden_is_judged_anew() -> None:
    day = infusing()
    first = measure(day, 10, 184, 104)
    second = measure(day, 12, 183, 104)  # within five minutes: nothing new
    assert raised(day) == [("pressure_pause", "pause")]
    strike_row(first.pk, reason="Moved the arm", by=day.nurse, now=ten(13))
    assert [(one.row_id, one.rule) for one in day.desk(ten(13)).alarms] == [(second.pk, "pressure_pause")]


def test_an_answer_says_what_was_done_and_by_whom() -> None:
    day = infusing()
    measure(day, 10, 205, 118)
    alarm = LimitAlarm.objects.get()
    with pytest.raises(ValidationError) as caught:
        answer_alarm(alarm.pk, what_was_done=" ", by=day.nurse, now=ten(11))
    assert list(caught.value.message_dict) == ["what_was_done"]
    with pytest.raises(PermissionDenied):
        answer_alarm(alarm.pk, what_was_done="Stopped", by=day.clinic.desk, now=ten(11))
    assert len(waiting(day.desk(ten(11)).alarms)) == 1
    answered = answer_alarm(alarm.pk, what_was_done=" Stopped, prescriber here ", by=day.nurse, now=ten(11))
    assert (answered.what_was_done, answered.answered_by, answered.answered_at) == (
        "Stopped, prescriber here",
        day.nurse,
        ten(11),
    )
    assert waiting(day.desk(ten(12)).alarms) == []


def test_an_answer_counts_once_and_the_same_one_sent_again_is_no_conflict() -> None:
    day = infusing()
    measure(day, 10, 205, 118)
    alarm = LimitAlarm.objects.get()
    answer_alarm(alarm.pk, what_was_done="Stopped", by=day.nurse, now=ten(11))
    assert answer_alarm(alarm.pk, what_was_done="Stopped", by=day.nurse, now=ten(12)).answered_at == ten(11)
    with pytest.raises(ChangedMeanwhileError, match="answered this already"):
        answer_alarm(alarm.pk, what_was_done="Stopped", by=day.clinician, now=ten(12))


def test_the_alarm_of_a_struck_row_is_not_answered() -> None:
    day = infusing()
    row = measure(day, 10, 205, 118)
    strike_row(row.pk, reason="Wrong patient", by=day.nurse, now=ten(11))
    with pytest.raises(ChangedMeanwhileError, match="struck"):
        answer_alarm(LimitAlarm.objects.get().pk, what_was_done="Stopped", by=day.nurse, now=ten(12))


def test_stop_comes_before_pause_before_the_rest() -> None:
    day = infusing()
    measure(day, 10, 130, 80, spo2_percent=92)
    measure(day, 11, 184, 104, spo2_percent=88)
    measure(day, 12, 205, 118)
    assert [one.act for one in waiting(day.desk(ten(12)).alarms)] == ["stop", "pause", "urgent", "notify"]


@pytest.mark.django_db(transaction=True)
def test_two_people_answer_at_once_and_one_of_them_is_told(parallel: Parallel) -> None:
    day = infusing()
    measure(day, 10, 205, 118)
    alarm = LimitAlarm.objects.get()
    people = (day.nurse, day.clinician)
    outcomes = parallel(2, lambda i: answer_alarm(alarm.pk, what_was_done="Stopped", by=people[i], now=ten(11)))
    errors = [one.error for one in outcomes]
    assert errors.count(None) == 1
    assert sum(isinstance(one, ChangedMeanwhileError) for one in errors) == 1
