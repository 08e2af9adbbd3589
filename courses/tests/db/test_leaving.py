"""Leaving in the database: case 34, the ticks, the discharge as one change, the REMS form, undo, two people at once."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError

from clinic.models import BookingStatus
from clinic.services import bookings
from clinic.tests.fixtures.ledger import Queries
from clinic.tests.fixtures.parallel import Parallel
from courses.models import CheckAnswer, Discharge, LimitAlarm, RemsForm, Task, TaskKind, VisitOutcome
from courses.pure.adverse import How
from courses.services.effects import answer_none, record_effect
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError
from courses.services.leaving import (
    NotReadyError,
    discharge,
    instructions_of,
    leave_against_advice,
    leaving_of,
    next_visit,
    send_to_hospital,
    tick,
)
from courses.services.visits import undo_step
from courses.services.worklists.engine import sweep
from courses.tests.day_kit import Day, in_chair, observing, put_order, put_row, put_tap, ten
from courses.tests.factories import make_protocol_version
from courses.tests.series_kit import at
from patients.pure.consultation import fingerprint

pytestmark = pytest.mark.django_db
EMPTY = fingerprint("")
TICKS = (("oriented", "yes"), ("gait", "yes"), ("no_si", "yes"), ("dissociation", "yes"))
LOOK: dict[str, Any] = {"systolic": 146, "diastolic": 88, "spo2_percent": 97, "moaas": 5, "nausea": 0}


def say(day: Day, item: str, value: str, when: datetime, base: str = EMPTY) -> CheckAnswer:
    return tick(booking_id=day.pk, item=item, value=value, base=base, by=day.nurse, now=when)


def case34(now: datetime | None = None) -> Day:
    """Case 34 two hours earlier in the day: ended at 11:40, observed for 60 min, all met but for the escort."""
    end = now or ten(100)
    day = observing(end)
    ready(day, end + timedelta(minutes=58))
    return day


def ready(day: Day, when: datetime) -> None:
    """Everything but the escort, at ``when``."""
    put_row(day, when, **LOOK)
    for item, value in TICKS:
        say(day, item, value, when)
    answer_none(booking_id=day.pk, by=day.nurse, now=when)


def leave(day: Day, when: datetime, way: str = "printed") -> Discharge:
    return discharge(booking_id=day.pk, way=way, by=day.nurse, now=when)


# -- case 34 -----------------------------------------------------------------------------------------------------------


def test_case_34_no_escort_no_discharge_and_the_same_with_one_from_60_minutes_on() -> None:
    day = case34()
    with pytest.raises(NotReadyError) as refusal:
        leave(day, ten(160))
    assert refusal.value.missing == ("Escort missing",)
    assert not Discharge.objects.exists()
    say(day, "escort", "Jordan Fictional", ten(159))
    with pytest.raises(NotReadyError, match=r"Observation until 12:40\."):
        leave(day, ten(160) - timedelta(seconds=1))
    left = leave(day, ten(160))
    assert (left.escort_name, left.at, left.instructions_way) == ("Jordan Fictional", ten(160), "printed")


def test_case_34_esketamine_leaves_two_hours_after_the_last_device_and_owes_its_form_in_seven_days() -> None:
    version = make_protocol_version(slug="T-ESK", observation_min=60)
    version.protocol.route = "nasal"
    version.protocol.save()
    day = in_chair(version=version)
    order = put_order(
        day,
        ten(-3),
        basis="total_mg",
        devices=2,
        volume_ml=None,
        concentration_mg_per_ml=None,
        weight_kg=None,
        weight_on=None,
    )
    put_row(day, ten(-2), spo2_percent=98, moaas=5)
    put_tap(day, "start", ten(), order=order)
    put_tap(day, "device", ten())
    put_tap(day, "device", ten(5))
    put_tap(day, "end", ten(6))
    bookings.advance(day.pk, to=BookingStatus.OBSERVING, by=day.nurse, now=ten(6))
    ready(day, ten(120))
    say(day, "escort", "Jordan Fictional", ten(120))
    assert leaving_of(day.desk(ten(120))).earliest == ten(125)
    with pytest.raises(NotReadyError, match=r"Missing: Observation until 12:05\.$"):
        leave(day, ten(124))
    leave(day, ten(125))
    form = RemsForm.objects.get()
    assert form.due_on - date(2027, 4, 5) == timedelta(days=7)  # case 27: 02-01 gives 02-08


def test_an_infusion_owes_no_form() -> None:
    day = case34()
    say(day, "escort", "Jordan Fictional", ten(159))
    leave(day, ten(160))
    assert not RemsForm.objects.exists()


# -- the list ----------------------------------------------------------------------------------------------------------


def test_the_refusal_names_everything_that_is_missing_at_once() -> None:
    day = observing()
    with pytest.raises(NotReadyError) as refusal:
        leave(day, ten(50))
    assert refusal.value.missing == (
        "Observation until 11:40",
        "MOAA/S: measure",
        "Oriented? Ask and tick",
        "Steady gait? Let them walk and tick",
        "Dissociation back to baseline? Measure, or tick",
        "Pressure: measure",
        "SpO₂: measure",
        "Nausea? Measure, or tick",
        "Suicidal thoughts? Ask and tick",
        "Escort missing",
        "Side effects not answered (none, or which)",
    )


@pytest.mark.parametrize(("act", "count"), [("pause", 1), ("stop", 1), ("urgent", 1), ("notify", 0)])
def test_an_alarm_that_nobody_answered_holds_them_back(act: str, count: int) -> None:
    day = case34()
    say(day, "escort", "Jordan Fictional", ten(159))
    row = put_row(day, ten(120), 184, 104)
    LimitAlarm.objects.create(
        record=day.record, row=row, rule="high", act=act, said="High", profile="default", raised_at=ten(120)
    )
    assert leaving_of(day.desk(ten(160))).missing == (("1 alarm not answered",) if count else ())


def test_reading_the_criteria_asks_nothing_of_the_database(queries: Queries) -> None:
    desk = case34().desk(ten(160))
    with queries("leaving", at_most=0):
        assert leaving_of(desk).missing == ("Escort missing",)


# -- ticks -------------------------------------------------------------------------------------------------------------


def test_two_people_who_answer_differently_do_not_overwrite_each_other() -> None:
    day = observing()
    say(day, "gait", "no", ten(50))
    with pytest.raises(ChangedMeanwhileError, match=r"answered “no” meanwhile"):
        say(day, "gait", "yes", ten(51), base=EMPTY)
    assert CheckAnswer.objects.get(item="leave_gait").value == "no"
    say(day, "gait", "yes", ten(52), base=fingerprint("no"))
    assert CheckAnswer.objects.get(item="leave_gait").value == "yes"


def test_nothing_is_ticked_before_the_end_nor_what_is_no_answer() -> None:
    day = in_chair()
    with pytest.raises(DayRefusedError, match="too early"):
        say(day, "gait", "yes", ten())
    for item, value in (("gait", "perhaps"), ("haircut", "yes"), ("escort", "x" * 121)):
        with pytest.raises(ValidationError):
            say(day, item, value, ten())
    assert not CheckAnswer.objects.exists()


# -- leaving -----------------------------------------------------------------------------------------------------------


def left_day() -> Day:
    day = case34()
    say(day, "escort", "Jordan Fictional", ten(159))
    leave(day, ten(161))
    return day


def test_leaving_ends_the_visit_counts_as_given_and_keeps_what_was_met() -> None:
    day = left_day()
    day.booking.refresh_from_db()
    visit = day.booking.infusion_visit
    assert (day.booking.status, day.booking.left_at) == (BookingStatus.DONE, ten(161))
    assert (visit.outcome, visit.infusion.status) == (VisitOutcome.GIVEN, "given")
    kept = {one["code"]: (one["is_met"], one["value"]) for one in Discharge.objects.get().criteria}
    assert kept["pressure"] == (True, "146/88, before 132/84")
    assert kept["escort"] == (True, "Jordan Fictional")
    later = leaving_of(day.desk(ten(300)))
    assert (later.missing, later.is_ready, later.has_left) == ((), False, True)


def test_no_driving_for_24_elapsed_hours_and_the_text_of_the_protocol_where_it_has_one() -> None:
    assert left_day().desk(ten(170)).discharge.no_driving_until == ten(100) + timedelta(hours=24)
    assert "until tomorrow" in Discharge.objects.get().instructions


def test_a_protocol_with_its_own_text_gives_that() -> None:
    day = observing(aftercare="Drink tea.\nSleep.")
    assert instructions_of(day.desk(ten(50))) == "Drink tea.\nSleep."


def test_nobody_leaves_without_a_word_on_the_instructions_or_by_the_front_desk() -> None:
    day = case34()
    say(day, "escort", "Jordan Fictional", ten(159))
    with pytest.raises(ValidationError):
        leave(day, ten(160), way="")
    with pytest.raises(PermissionDenied):
        discharge(booking_id=day.pk, way="told", by=day.clinic.desk, now=ten(160))
    assert leave(day, ten(160), way="told").instructions_way == "told"


def test_a_visit_that_nobody_moved_on_is_moved_on_with_it() -> None:
    day = case34()
    say(day, "escort", "Jordan Fictional", ten(159))
    bookings.undo(day.pk, by=day.nurse, now=ten(159))
    leave(day, ten(160))
    day.booking.refresh_from_db()
    assert day.booking.status == BookingStatus.DONE
    assert day.desk(ten(161)).discharge is not None


def test_undoing_the_last_step_strikes_the_discharge_and_they_can_leave_again() -> None:
    day = left_day()
    undo_step(booking_id=day.pk, by=day.nurse, now=ten(162))
    assert day.desk(ten(162)).discharge is None
    leave(day, ten(163))
    assert [one.is_struck for one in Discharge.objects.order_by("pk")] == [True, False]


def test_after_leaving_nothing_is_ticked_and_a_second_discharge_is_told_who_was_faster() -> None:
    day = left_day()
    with pytest.raises(ChangedMeanwhileError, match=f"left at 12:41 already .*{day.nurse.display_name}"):
        leave(day, ten(162))
    with pytest.raises(ChangedMeanwhileError):
        say(day, "gait", "no", ten(162), base=fingerprint("yes"))


def test_the_next_booked_infusion_is_found() -> None:
    found = next_visit(case34().desk(ten(150)))
    assert found is not None
    assert found.start == at(date(2027, 4, 7), "10:00")


def test_sent_to_hospital_ends_the_visit_without_the_criteria_but_only_with_such_an_effect() -> None:
    day = observing()
    with pytest.raises(DayRefusedError, match="Record the side effect first"):
        send_to_hospital(booking_id=day.pk, taken_over_by="Ambulance 12", by=day.nurse, now=ten(60))
    record_effect(
        booking_id=day.pk,
        code="unconscious",
        onset_at=ten(45),
        how=How(severity="severe", is_serious=True, outcome="transferred"),
        by=day.nurse,
        now=ten(60),
    )
    with pytest.raises(ValidationError):
        send_to_hospital(booking_id=day.pk, taken_over_by=" ", by=day.nurse, now=ten(60))
    left = send_to_hospital(booking_id=day.pk, taken_over_by="Ambulance 12", by=day.nurse, now=ten(61))
    assert left.escort_name == "Ambulance 12"
    assert any(one["is_met"] is None for one in left.criteria)
    day.booking.refresh_from_db()
    assert day.booking.status == BookingStatus.DONE


@pytest.mark.django_db(transaction=True)
def test_two_people_discharge_at_once_and_one_of_them_is_told(parallel: Parallel) -> None:
    day = case34()
    say(day, "escort", "Jordan Fictional", ten(159))
    people = (day.nurse, day.clinician)
    outcomes = parallel(
        6, lambda index: discharge(booking_id=day.pk, way="printed", by=people[index % 2], now=ten(160))
    )
    assert sorted(type(one.error).__name__ for one in outcomes) == ["ChangedMeanwhileError"] * 5 + ["NoneType"]
    assert Discharge.objects.count() == 1


def against(day: Day, when: datetime, told: str = "No driving; said they feel well", went_with: str = "") -> Discharge:
    return leave_against_advice(booking_id=day.pk, told=told, went_with=went_with, by=day.nurse, now=when)


def test_who_would_not_stay_has_left_against_advice_alone_with_the_criteria_as_they_stood() -> None:
    day = case34()
    left = against(day, ten(110))
    assert (left.escort_name, left.how) == ("", "alone against advice")
    assert {one["code"] for one in left.criteria if not one["is_met"]} >= {"escort", "observation"}
    assert left.no_driving_until >= ten(100) + timedelta(hours=24)
    day.booking.refresh_from_db()
    assert day.booking.status == BookingStatus.DONE
    with pytest.raises(ChangedMeanwhileError, match="left at 11:50 already"):
        against(day, ten(111))


def test_a_departure_against_advice_is_on_a_clinicians_list_until_it_is_ended_or_was_none() -> None:
    day = case34()
    left = against(day, ten(110), went_with="Jordan")
    task = Task.objects.get(key=f"worse:left:{left.pk}")
    assert (task.kind, task.course_id) == (TaskKind.WORSE, day.desk(ten(111)).course.pk)
    assert "Left an infusion with Jordan against advice" in task.facts["why"][0]
    assert "against" not in task.text
    undo_step(booking_id=day.pk, by=day.nurse, now=ten(112))
    sweep(ten(113), kinds=[TaskKind.WORSE])
    task.refresh_from_db()
    assert task.closed_text.startswith("They had not left")


@pytest.mark.parametrize(("told", "went_with"), [(" ", "Jordan"), ("x" * 301, ""), ("told", "x" * 121)])
def test_against_advice_is_refused_without_what_they_were_told_and_with_texts_too_long(
    told: str, went_with: str
) -> None:
    day = case34()
    with pytest.raises(ValidationError):
        against(day, ten(110), told=told, went_with=went_with)
    assert not Discharge.objects.exists()


def test_nobody_leaves_against_advice_while_the_infusion_goes_on() -> None:
    with pytest.raises(DayRefusedError, match="Stop the infusion first"):
        against(in_chair(), ten(20))


def test_where_nothing_is_missing_it_is_a_discharge_and_not_against_advice() -> None:
    day = case34()
    say(day, "escort", "Jordan Fictional", ten(159))
    with pytest.raises(DayRefusedError, match="Nothing is missing"):
        against(day, ten(160))


def test_the_database_knows_nobody_who_left_alone_but_against_advice() -> None:
    left = against(case34(), ten(110))
    with pytest.raises(IntegrityError, match="discharge_escort_or_against_advice"):
        Discharge.objects.filter(pk=left.pk).update(against_advice="")
