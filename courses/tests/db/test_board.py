"""The chair board: who is on which chair, in which phase, for how long, and what somebody there has to know."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from clinic.models import BookingStatus
from clinic.services import bookings
from clinic.services.bookings import StepRefusedError
from clinic.services.visits import block_time
from clinic.tests.factories import make_clinic
from courses.models import AdverseEvent, GateDecision, LimitAlarm
from courses.pure.phases import DayPhase
from courses.services.board import Board, Level, Seat, board_stamp, read_board
from courses.services.infusion_record import changing
from courses.services.visits import step_visit
from courses.tests.day_kit import BEFORE, Day, in_chair, infusing, make_day, observing, put_row, put_tap, ten
from courses.tests.sign_kit import put_draw
from patients.models import Allergy
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db


def board(day: Day, now: datetime) -> Board:
    return read_board(day.clinic.location, now=now)


def seat(day: Day, now: datetime) -> Seat:
    """Where the patient of this day sits."""
    (found,) = [
        chair.seat
        for chair in board(day, now).chairs
        if chair.seat is not None and chair.seat.card.booking_id == day.pk
    ]
    return found


def flags(day: Day, now: datetime) -> list[str]:
    return [flag.text for flag in seat(day, now).flags]


# -- phases and clocks -------------------------------------------------------------------------------------------------


def test_an_empty_chair_says_until_when_it_is_free_and_for_whom() -> None:
    day = make_day()
    shown = board(day, ten(-30))
    (first, second) = shown.chairs
    assert (first.seat, second.seat, shown.waiting) == (None, None, ())
    (awaited,) = [chair for chair in shown.chairs if chair.next]
    assert awaited.next is not None
    assert (awaited.next.booking_id, awaited.next.start, awaited.next_is_late) == (day.pk, ten(), False)
    (late,) = [chair for chair in board(day, ten(1)).chairs if chair.next]
    assert late.next_is_late


def test_who_has_arrived_waits_and_their_chair_says_so() -> None:
    day = make_day(BookingStatus.ARRIVED)
    shown = board(day, ten(-2))
    assert [one.card.booking_id for one in shown.waiting] == [day.pk]
    assert seat(day, ten(-2)).phase is DayPhase.ARRIVED
    assert seat(day, ten(-2)).clocks.main.length == timedelta(minutes=8)


def test_in_the_chair_the_baseline_is_asked_for_until_it_is_there() -> None:
    day = in_chair()
    assert (seat(day, ten()).phase, seat(day, ten()).needs_baseline) == (DayPhase.PREPARING, True)
    assert board(day, ten()).waiting == ()
    put_row(day, ten(-1))
    assert not seat(day, ten()).needs_baseline


def test_an_infusion_counts_what_ran_and_what_is_left_without_its_pauses() -> None:
    day = infusing()
    put_tap(day, "pause", ten(10))
    paused = seat(day, ten(13))
    assert paused.phase is DayPhase.PAUSED
    assert paused.clocks.main.length == timedelta(minutes=3)
    assert [clock.length for clock in paused.clocks.more] == [timedelta(minutes=10), timedelta(minutes=30)]
    put_tap(day, "resume", ten(15))
    shown = seat(day, ten(25))
    assert (shown.phase, shown.clocks.main.until, shown.clocks.main.length) == (
        DayPhase.INFUSING,
        ten(45),
        timedelta(minutes=20),
    )
    assert (shown.clocks.more[0].length, shown.clocks.percent) == (timedelta(minutes=20), 50)


def test_an_infusion_that_should_have_ended_says_so() -> None:
    day = infusing()
    assert not seat(day, ten(40)).clocks.main.is_over
    assert "Should have ended" not in flags(day, ten(40))
    over = seat(day, ten(41))
    assert (over.clocks.main.is_over, over.clocks.main.length) == (True, timedelta(minutes=1))
    assert "Should have ended" in flags(day, ten(41))


def test_after_the_end_the_observation_counts_down_then_the_chair_is_cleaned_then_it_is_free() -> None:
    day = observing()
    shown = seat(day, ten(50))
    minutes = day.booking.infusion_visit.observation_min
    assert (shown.phase, shown.clocks.main.until) == (DayPhase.OBSERVING, ten(40 + minutes))
    assert shown.clocks.more[0].length == timedelta(minutes=10)
    bookings.advance(day.pk, to=BookingStatus.DONE, by=day.nurse, now=day.booking.end - timedelta(minutes=5))
    left = seat(day, day.booking.end - timedelta(minutes=1))
    assert (left.phase, left.clocks.main.length) == (DayPhase.TURNAROUND, timedelta(minutes=1))
    assert all(chair.seat is None for chair in board(day, day.booking.end).chairs)


def test_blocked_time_is_no_free_chair() -> None:
    day = make_day()
    busy = block_time(
        location=day.clinic.location,
        resource_ids=[day.clinic.chairs[1].pk],
        start=ten(-60),
        end=ten(-30),
        title="Repair",
        by=day.clinic.desk,
        now=BEFORE,
    )
    (chair,) = [one for one in board(day, ten(-45)).chairs if one.pk == day.clinic.chairs[1].pk]
    assert (chair.busy_with, chair.busy_until) == ("Repair", busy.end)
    (later,) = [one for one in board(day, ten(-30)).chairs if one.pk == day.clinic.chairs[1].pk]
    assert later.busy_with == ""


def test_somebody_who_waits_for_a_taken_chair_stands_behind_the_one_who_sits_there() -> None:
    first = observing(clinic=make_clinic(chairs=1))
    version = first.course.phases.get().protocol_version
    second = make_day(clinic=first.clinic, version=version, patient=make_patient("Bo", "Lind"))
    step_visit(booking_id=second.pk, to=BookingStatus.ARRIVED, by=first.nurse, now=ten(45))
    shown = board(first, ten(46))
    (chair,) = shown.chairs
    assert (chair.seat and chair.seat.card.booking_id, chair.next and chair.next.booking_id) == (first.pk, second.pk)
    assert [one.card.booking_id for one in shown.waiting] == [second.pk]


# -- vital signs -------------------------------------------------------------------------------------------------------


def test_vital_signs_are_late_when_the_minutes_of_grace_are_over() -> None:
    day = infusing()  # every 10 minutes: due at 10:10; grace 2 minutes (clinic setting)
    assert seat(day, ten(9)).due == ten(10)
    assert not seat(day, ten(12)).is_late
    assert seat(day, ten(12) + timedelta(seconds=1)).is_late
    put_row(day, ten(12))
    assert (seat(day, ten(13)).due, seat(day, ten(13)).is_late) == (ten(20), False)


def test_before_the_start_nobody_is_called_late() -> None:
    assert seat(in_chair(), ten(30)).due is None


def test_the_last_pressure_stands_against_the_baseline() -> None:
    day = infusing()  # baseline 132/84
    only = seat(day, ten(5)).pressure
    assert only is not None
    assert (only.said, only.change) == ("132/84", "")
    put_row(day, ten(10), 148, 92)
    higher = seat(day, ten(11)).pressure
    assert higher is not None
    assert (higher.said, higher.change) == ("148/92", "+16")
    put_row(day, ten(20), 118, 76)
    lower = seat(day, ten(21)).pressure
    assert lower is not None
    assert (lower.said, lower.change) == ("118/76", "−14")


def test_a_struck_row_is_no_last_pressure() -> None:
    day = infusing()
    row = put_row(day, ten(10), 248, 92)
    with changing(day.pk, by=day.nurse, now=ten(11)):
        row.struck_at, row.struck_by, row.struck_reason = ten(11), day.nurse, "Typed wrongly"
        row.save()
    shown = seat(day, ten(12)).pressure
    assert shown is not None
    assert shown.said == "132/84"


# -- flags -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("systolic", "diastolic", "said", "level"),
    [
        (166, 98, "Hold 166/98", Level.DANGER),  # D3: hold from 160 or 100
        (148, 92, "Above soft limit 148/92", Level.WARN),  # D3: soft above 140 or 90
        (140, 90, "", None),
    ],
)
def test_a_pressure_before_the_start_holds_by_the_profile(
    systolic: int, diastolic: int, said: str, level: Level | None
) -> None:
    day = in_chair()
    put_row(day, ten(), systolic, diastolic, heart_rate_bpm=80)
    found = [(flag.text, flag.level) for flag in seat(day, ten(1)).flags]
    assert found == ([(said, level)] if said else [])


def decide(day: Day, severity: str, when: datetime) -> None:
    with changing(day.pk, by=day.clinician, now=when) as record:
        GateDecision.objects.create(
            record=record, code="pressure", severity=severity, said="166/98", stamp=str(when), reason="Known", at=when,
            by=day.clinician,
        )  # fmt: skip


def test_a_hold_is_over_with_a_prescriber_s_decision_or_a_better_pressure() -> None:
    day = in_chair()
    put_row(day, ten(), 166, 98)
    decide(day, "soft", ten(1))
    assert flags(day, ten(2)) == ["Hold 166/98"]  # an acknowledgement is not enough
    decide(day, "hard", ten(3))
    assert flags(day, ten(4)) == []
    put_row(day, ten(5), 170, 98)
    assert flags(day, ten(6)) == ["Hold 170/98"]  # new facts ask anew
    put_row(day, ten(15), 138, 84)
    assert flags(day, ten(16)) == []


def raise_alarm(day: Day, when: datetime, act: str) -> LimitAlarm:
    row = put_row(day, when, 184, 104)
    with changing(day.pk, by=day.nurse, now=when) as record:
        return LimitAlarm.objects.create(
            record=record, row=row, rule="pressure_pause", act=act, said="184/104", profile="default", raised_at=when
        )


def test_an_alarm_stands_on_the_board_until_it_is_answered() -> None:
    day = infusing()
    alarm = raise_alarm(day, ten(10), "pause")
    assert flags(day, ten(11)) == ["Pause: 184/104"]
    with changing(day.pk, by=day.nurse, now=ten(12)):
        alarm.answered_at, alarm.answered_by, alarm.what_was_done = ten(12), day.nurse, "Paused"
        alarm.save()
    assert flags(day, ten(13)) == []


def test_an_alarm_that_only_notifies_is_left_to_the_page() -> None:
    day = infusing()
    raise_alarm(day, ten(10), "notify")
    assert flags(day, ten(11)) == []


def test_a_side_effect_stands_there_while_it_goes_on() -> None:
    day = infusing()
    with changing(day.pk, by=day.nurse, now=ten(10)) as record:
        effect = AdverseEvent.objects.create(
            record=record, code="nausea", onset_at=ten(8), severity="moderate", outcome="unchanged",
            recorded_at=ten(10), recorded_by=day.nurse,
        )  # fmt: skip
    assert flags(day, ten(11)) == ["Nausea (moderate)"]
    with changing(day.pk, by=day.nurse, now=ten(20)):
        effect.outcome, effect.resolved_at = "resolved", ten(20)
        effect.save()
    assert flags(day, ten(21)) == []


def test_allergies_are_said_latex_by_name_and_none_known_is_none() -> None:
    day = in_chair()
    put_row(day, ten(-1), 120, 80)
    Allergy.objects.create(patient=day.patient, description="No known allergies")
    assert flags(day, ten()) == []
    Allergy.objects.create(patient=day.patient, description="Natural rubber latex")
    Allergy.objects.create(patient=day.patient, description="Penicillin")
    assert flags(day, ten()) == ["Latex allergy", "Allergy: Penicillin"]


def test_a_drug_that_is_not_accounted_for_is_asked_about_after_the_end() -> None:
    day = infusing()
    put_draw(day, ten(-2), None, "50.0")
    assert flags(day, ten(5)) == []
    put_tap(day, "end", ten(40))
    assert "Drug not accounted for" in flags(day, ten(41))


# -- news --------------------------------------------------------------------------------------------------------------


def test_the_stamp_changes_with_each_step_and_entry_and_minute_and_else_stays() -> None:
    day = make_day()
    place, now = day.clinic.location, ten(5)
    seen = [board_stamp(place, now)]
    assert board_stamp(place, now + timedelta(seconds=30)) == seen[0]
    step_visit(booking_id=day.pk, to=BookingStatus.ARRIVED, by=day.nurse, now=now)
    seen.append(board_stamp(place, now))
    put_row(day, now)
    seen.append(board_stamp(place, now))
    put_row(day, now, 120, 80)
    seen.append(board_stamp(place, now))
    seen.append(board_stamp(place, now + timedelta(minutes=1)))
    assert len(set(seen)) == 5


# -- steps that the record takes ---------------------------------------------------------------------------------------


def test_nobody_steps_an_infusion_to_observing_or_done_by_hand_not_even_in_order() -> None:
    day = infusing()
    with pytest.raises(StepRefusedError, match="end the infusion there"):
        step_visit(booking_id=day.pk, to=BookingStatus.OBSERVING, by=day.nurse, now=ten(40))
    put_tap(day, "end", ten(40))
    bookings.advance(day.pk, to=BookingStatus.OBSERVING, by=day.nurse, now=ten(40))
    with pytest.raises(StepRefusedError, match="discharge the patient there"):
        step_visit(booking_id=day.pk, to=BookingStatus.DONE, by=day.clinic.desk, now=ten(120))
    day.booking.refresh_from_db()
    assert day.booking.status == BookingStatus.OBSERVING
    assert day.booking.infusion_visit.outcome == "open"
