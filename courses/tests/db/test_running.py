"""The taps of an infusion: what has to be there before, who may, sent twice, late, at once, and corrected."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from clinic.models import BookingStatus, User
from clinic.services import bookings
from clinic.tests.fixtures.parallel import Parallel
from courses.models import DoseCheck, FlowsheetRow, LimitAlarm, Protocol, RunEvent
from courses.services import running
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError, changing
from courses.services.running import Tapped, correct_tap, lacking, tap
from courses.tests.day_kit import Day, in_chair, infusing, make_day, observing, put_order, put_row, put_tap, ten

pytestmark = pytest.mark.django_db
ARRIVED, IN_CHAIR, OBSERVING = BookingStatus.ARRIVED, BookingStatus.IN_CHAIR, BookingStatus.OBSERVING


@pytest.fixture(autouse=True)
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The check-in says “go” unless a test says otherwise; what makes it say so is tested with the check-in."""
    says = SimpleNamespace(is_go=True, stops=())
    monkeypatch.setattr(running, "gate_of", lambda _desk: says)
    return says


def ready(*steps: BookingStatus, **known: Any) -> Day:
    """Ordered, checked by two, baseline at 9:58."""
    day = make_day(*(steps or (ARRIVED, IN_CHAIR)), **known)
    put_order(day, ten(-3))
    put_row(day, ten(-2))
    return day


def do(
    day: Day,
    kind: str,
    at: datetime,
    *,
    by: User | None = None,
    now: datetime | None = None,
    uid: UUID | None = None,
    **more: Any,
) -> RunEvent:
    tapped = Tapped(kind=kind, uid=uid or uuid4(), at=at, **more)
    return tap(booking_id=day.pk, tapped=tapped, by=by or day.nurse, now=now or at)


def status(day: Day) -> BookingStatus:
    day.booking.refresh_from_db()
    return BookingStatus(day.booking.status)


# -- before the start --------------------------------------------------------------------------------------------------
def test_the_start_puts_the_patient_into_the_chair_at_its_own_time() -> None:
    day = ready(ARRIVED)
    event = do(day, "start", ten())
    assert (event.order, event.at) == (day.desk(ten()).order, ten())
    assert (status(day), day.booking.started_at) == (IN_CHAIR, ten())


def test_all_that_is_missing_is_listed_at_once(gate: SimpleNamespace) -> None:
    gate.is_go, gate.stops = False, ("Fasting is not answered.",)
    day = in_chair()
    with pytest.raises(DayRefusedError) as refusal:
        do(day, "start", ten())
    for part in ("the prescriber's order", "the baseline vital signs", "“go” at the check-in (1 point is open)"):
        assert part in str(refusal.value)
    assert not RunEvent.objects.exists()


def test_without_one_check_it_does_not_start_and_with_it_it_does() -> None:
    day = ready()
    second = DoseCheck.objects.filter(by=day.clinician).get()
    second.delete()
    with pytest.raises(DayRefusedError, match="1 more person to check the dose"):
        do(day, "start", ten())
    with changing(day.pk, by=day.nurse, now=ten()) as record:
        DoseCheck.objects.create(record=record, order=day.desk(ten()).order, at=ten(), by=day.clinician)
    assert do(day, "start", ten()).kind == "start"


def test_a_no_go_keeps_it_from_starting(gate: SimpleNamespace) -> None:
    day = ready()
    gate.is_go, gate.stops = False, ("Blood pressure 166/98.",)
    with pytest.raises(DayRefusedError, match="“go” at the check-in"):
        do(day, "start", ten())
    gate.is_go = True
    assert lacking(day.desk(ten())) == []


def test_the_real_gate_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(DayRefusedError, match="“go” at the check-in"):
        do(ready(), "start", ten())


def test_a_baseline_after_the_start_is_none() -> None:
    day = in_chair()
    put_order(day, ten(-3))
    put_row(day, ten(1))
    with pytest.raises(DayRefusedError, match="Measure first"):
        do(day, "start", ten(), now=ten(2))


def test_the_order_that_the_page_showed_is_the_one_that_is_started() -> None:
    day = ready()
    seen = day.desk(ten()).order
    assert seen is not None
    newer = put_order(day, ten(-1))
    with pytest.raises(ChangedMeanwhileError, match="new dose was ordered"):
        do(day, "start", ten(), order=seen.pk)
    assert do(day, "start", ten(), order=newer.pk).order == newer


def test_the_front_desk_starts_nothing() -> None:
    day = ready()
    with pytest.raises(PermissionDenied):
        do(day, "start", ten(), by=day.clinic.desk)


@pytest.mark.parametrize(("at", "now", "field"), [(6, 0, "at"), (-11, 0, "at")])
def test_a_time_ahead_or_before_the_arrival_is_refused(at: int, now: int, field: str) -> None:
    day = ready()
    with pytest.raises(ValidationError) as error:
        do(day, "start", ten(at), now=ten(now))
    assert field in error.value.message_dict


def test_a_tablet_may_be_five_minutes_ahead_and_an_hour_late() -> None:
    day = ready()
    do(day, "start", ten(5), now=ten())
    late = do(day, "pause", ten(12), now=ten(80))
    assert (late.at, late.received_at) == (ten(12), ten(80))


# -- running -----------------------------------------------------------------------------------------------------------
def test_paused_resumed_and_stopped_early_half_is_waste() -> None:
    day = infusing()
    do(day, "pause", ten(10))
    do(day, "resume", ten(15))
    event = do(day, "stop", ten(25), reason="Anxious", for_adverse_event=True)
    assert (event.reason, event.is_for_adverse_event) == ("Anxious", True)
    desk = day.desk(ten(60))
    assert (desk.delivered_mg, desk.run.stopped_early) == (Decimal("20.6"), True)  # R8
    assert (status(day), day.booking.observing_at) == (OBSERVING, ten(25))


def test_a_stop_says_why() -> None:
    day = infusing()
    with pytest.raises(ValidationError, match="why it was stopped"):
        do(day, "stop", ten(25), reason="  ")
    assert status(day) is IN_CHAIR


def test_the_end_leads_to_the_observation() -> None:
    day = infusing()
    do(day, "end", ten(40))
    assert (status(day), day.desk(ten(41)).delivered_mg) == (OBSERVING, Decimal("41.2"))


def test_an_end_before_its_time_says_why_because_all_would_count_as_given() -> None:
    day = infusing()
    with pytest.raises(ValidationError, match="20:00 are left"):
        do(day, "end", ten(20))
    assert do(day, "end", ten(37), reason="The bag is empty").reason == "The bag is empty"


def test_what_does_not_follow_says_how_it_stands() -> None:
    day = infusing()
    do(day, "pause", ten(10))
    with pytest.raises(ChangedMeanwhileError, match=r"it is not running. Paused at 10:10 by "):
        do(day, "pause", ten(11))


@pytest.mark.parametrize("kind", ["start", "stop"])
def test_sent_twice_it_stands_once_and_answers_as_done(kind: str) -> None:
    day, uid = (ready() if kind == "start" else infusing()), uuid4()
    first = do(day, kind, ten(5), uid=uid, reason="Anxious")
    version = day.record.version
    again = do(day, kind, ten(5), uid=uid, reason="Anxious", now=ten(30))
    assert (again.pk, day.record.version) == (first.pk, version)


def test_a_number_belongs_to_one_tap() -> None:
    day, uid = infusing(), uuid4()
    do(day, "pause", ten(5), uid=uid)
    with pytest.raises(ValidationError, match="another tap"):
        do(day, "resume", ten(6), uid=uid)


@pytest.mark.django_db(transaction=True)
def test_of_two_nurses_who_start_at_once_one_does_and_the_other_sees_it(parallel: Parallel) -> None:
    day = ready()
    people = (day.nurse, day.clinician)
    outcomes = parallel(2, lambda index: do(day, "start", ten(), by=people[index]))
    assert sorted(type(one.error).__name__ for one in outcomes) == ["ChangedMeanwhileError", "NoneType"]
    assert RunEvent.objects.filter(kind="start").count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_tap_that_comes_in_eight_times_at_once_is_stored_once(parallel: Parallel) -> None:
    day, uid = infusing(), uuid4()
    outcomes = parallel(8, lambda _: do(day, "pause", ten(10), uid=uid))
    assert [one.error for one in outcomes] == [None] * 8
    assert RunEvent.objects.filter(kind="pause").count() == 1


# -- after a limit -----------------------------------------------------------------------------------------------------
def alarm(day: Day, row: FlowsheetRow, act: str) -> LimitAlarm:
    with changing(day.pk, by=day.nurse, now=row.at) as record:
        return LimitAlarm.objects.create(
            record=record, row=row, rule="pressure", act=act, said="184/104", profile="default", raised_at=row.at
        )


@pytest.mark.parametrize("is_answered", [False, True])
def test_case_32c_after_a_limit_only_a_prescriber_resumes(is_answered: bool) -> None:
    day = infusing()
    raised = alarm(day, put_row(day, ten(10), 184, 104), "pause")
    do(day, "pause", ten(10))
    if is_answered:
        LimitAlarm.objects.filter(pk=raised.pk).update(
            answered_at=ten(11), answered_by=day.nurse, what_was_done="Paused"
        )
    with pytest.raises(DayRefusedError, match="Only a prescriber"):
        do(day, "resume", ten(16))
    assert do(day, "resume", ten(16), by=day.clinician).by == day.clinician
    LimitAlarm.objects.filter(pk=raised.pk).update(answered_at=ten(17), answered_by=day.nurse, what_was_done="Seen")
    do(day, "pause", ten(20))
    assert do(day, "resume", ten(21)).by == day.nurse  # that limit is dealt with


def test_a_nurse_resumes_what_a_nurse_paused() -> None:
    day = infusing()
    alarm(day, put_row(day, ten(5), 150, 90), "notify")
    do(day, "pause", ten(10))
    assert do(day, "resume", ten(12)).kind == "resume"


# -- nasal -------------------------------------------------------------------------------------------------------------
def nasal(devices: int = 2) -> Day:
    day = make_day(ARRIVED, dose_basis="total_mg", dose_start=Decimal(56), infusion_min=15)
    Protocol.objects.update(route="nasal")
    mg = Decimal(28 * devices)
    none = dict.fromkeys(("weight_kg", "weight_on", "concentration_mg_per_ml", "volume_ml", "bag_ml", "rate_ml_h"))
    put_order(
        day, ten(-3), basis="total_mg", amount=mg, dose_mg=mg, contains_mg=mg, devices=devices, infusion_min=15, **none
    )
    put_row(day, ten(-2))
    return day


def test_two_devices_with_five_minutes_between_are_start_and_end() -> None:
    day = nasal()
    do(day, "device", ten(), number=1)
    assert (day.desk(ten()).run.started_at, status(day)) == (ten(), IN_CHAIR)
    with pytest.raises(DayRefusedError, match="30 seconds are left"):
        do(day, "device", ten() + timedelta(minutes=4, seconds=30), number=2)
    do(day, "device", ten(5), number=2)
    desk = day.desk(ten(6))
    assert (desk.run.ended_at, desk.delivered_mg, status(day)) == (ten(5), Decimal("56.0"), OBSERVING)


def test_one_device_is_start_and_end_at_once() -> None:
    day = nasal(1)
    do(day, "device", ten())
    assert (day.desk(ten()).run.is_over, status(day)) == (True, OBSERVING)


def test_nasal_stopped_early_after_the_first() -> None:
    day = nasal(3)
    do(day, "device", ten())
    do(day, "stop", ten(3), reason="Vomited")
    assert (day.desk(ten(4)).delivered_mg, status(day)) == (Decimal("28.0"), OBSERVING)


def test_a_device_that_somebody_recorded_already_is_not_used_twice() -> None:
    day = nasal(3)
    do(day, "device", ten(), number=1)
    with pytest.raises(ChangedMeanwhileError, match="Device 1 is on record"):
        do(day, "device", ten(6), number=1)


@pytest.mark.parametrize(("is_nasal", "kind"), [(True, "pause"), (True, "start"), (True, "end"), (False, "device")])
def test_each_treatment_has_its_own_steps(is_nasal: bool, kind: str) -> None:
    day = nasal() if is_nasal else ready()
    with pytest.raises(ValidationError, match="no step of this treatment"):
        do(day, kind, ten())


def test_a_corrected_device_takes_its_start_and_end_along() -> None:
    day = nasal(1)
    event = do(day, "device", ten())
    correct_tap(booking_id=day.pk, event_id=event.pk, at=ten(2), reason="Typed late", by=day.nurse, now=ten(5))
    run = day.desk(ten(6)).run
    assert (run.started_at, run.ended_at, run.devices) == (ten(2), ten(2), (ten(2),))


# -- correcting --------------------------------------------------------------------------------------------------------
def fix(day: Day, event: RunEvent, at: datetime | None, reason: str = "Tapped late") -> RunEvent | None:
    return correct_tap(booking_id=day.pk, event_id=event.pk, at=at, reason=reason, by=day.nurse, now=ten(60))


def test_a_correction_strikes_the_old_tap_and_keeps_it_visible() -> None:
    day = infusing()
    old = do(day, "pause", ten(12))
    new = fix(day, old, ten(10))
    old.refresh_from_db()
    assert new is not None
    assert (new.corrects_id, new.kind, new.at) == (old.pk, "pause", ten(10))
    assert (old.struck_reason, old.struck_by) == ("Tapped late", day.nurse)
    assert day.desk(ten(20)).run.ran == timedelta(minutes=10)
    with pytest.raises(ChangedMeanwhileError):
        fix(day, old, ten(11))


def test_a_correction_has_a_reason_and_keeps_the_order() -> None:
    day = infusing()
    old = do(day, "pause", ten(12))
    do(day, "resume", ten(15))
    with pytest.raises(ValidationError, match="Say why"):
        fix(day, old, ten(10), reason=" ")
    with pytest.raises(DayRefusedError, match="would not fit together"):
        fix(day, old, ten(16))
    assert RunEvent.objects.valid().count() == 3


def test_the_start_moves_but_is_not_taken_out_when_more_is_on_record() -> None:
    day = infusing()
    start = day.desk(ten()).taps[0]
    put_row(day, ten(10))
    with pytest.raises(DayRefusedError, match="Correct its time"):
        fix(day, start, None)
    moved = fix(day, start, ten(1))
    assert moved is not None
    assert moved.order_id == start.order_id
    with pytest.raises(DayRefusedError, match="No baseline"):
        fix(day, moved, ten(-5))


def test_a_start_that_never_was_can_be_taken_out() -> None:
    day = infusing()
    assert fix(day, day.desk(ten()).taps[0], None) is None
    assert not day.desk(ten(61)).run.is_started


def test_an_end_that_never_was_puts_the_patient_back_into_the_chair() -> None:
    day = observing()
    fix(day, day.desk(ten(41)).taps[-1], None)
    assert (status(day), day.desk(ten(61)).run.is_running) == (IN_CHAIR, True)


def test_the_end_stays_when_the_patient_has_left() -> None:
    day = observing()
    end = day.desk(ten(41)).taps[-1]
    bookings.advance(day.pk, to=BookingStatus.DONE, by=day.nurse, now=ten(100))
    with pytest.raises(DayRefusedError, match="has left"):
        correct_tap(booking_id=day.pk, event_id=end.pk, at=None, reason="No", by=day.nurse, now=ten(110))


def test_a_corrected_stop_keeps_why_it_was_stopped() -> None:
    day = infusing()
    stop = do(day, "stop", ten(25), reason="Anxious", for_adverse_event=True)
    new = fix(day, stop, ten(20))
    assert new is not None
    assert (new.reason, new.is_for_adverse_event, day.desk(ten(60)).delivered_mg) == (
        "Anxious",
        True,
        Decimal("20.6"),
    )


def test_a_second_tap_of_the_same_page_has_the_same_number() -> None:
    day = infusing()
    put_tap(day, "pause", ten(5))
    desk = day.desk(ten(6))
    assert running.tap_id(desk, "resume", day.nurse) == running.tap_id(desk, "resume", day.nurse)
    assert running.tap_id(desk, "resume", day.nurse) != running.tap_id(desk, "resume", day.clinician)
