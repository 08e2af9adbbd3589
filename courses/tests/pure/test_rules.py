"""The judge: every rule has a series that it lets pass and one that it stops."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pytest

from courses.planning.protocols import Step, expand
from courses.planning.rules import gap_limits, judge
from courses.planning.templates import BY_ID
from courses.planning.types import FreeStarts, Placed, Rule, SeriesRule, Severity, Verdict, Wishes

MWF6 = BY_ID["T-MWF6"].rule()
START = date(2027, 1, 4)
LEGAL_OFFSETS = (0, 2, 4, 7, 9, 11)


def series(*offsets: int, start_min: int | None = None) -> list[Placed]:
    return [Placed(n, START + timedelta(days=offset), start_min) for n, offset in enumerate(offsets, start=1)]


def rules_of(verdict: Verdict) -> list[tuple[Rule, Severity, int]]:
    return [(finding.rule, finding.severity, finding.number) for finding in verdict.findings]


def one_chair(days: Sequence[date], minutes: tuple[int, ...] = (540, 600), *, clinicians: int = 1) -> FreeStarts:
    shape = (len(days), len(minutes))
    return FreeStarts(
        days=tuple(days),
        minutes=minutes,
        chair_ids=(11, 12),
        nurse_ids=(21,),
        clinician_ids=tuple(range(31, 31 + clinicians)),
        chairs=np.ones((*shape, 2), dtype=bool),
        nurses=np.ones((*shape, 1), dtype=bool),
        clinicians=np.ones((*shape, clinicians), dtype=bool),
        load=np.zeros(shape, dtype=np.float32),
        open_days=frozenset(days),
    )


def test_case_16_is_legal_with_every_gap_on_window() -> None:
    verdict = judge(series(*LEGAL_OFFSETS), MWF6)
    assert verdict.findings == ()
    assert (verdict.gaps_days, verdict.span_days, verdict.on_window) == ((2, 2, 3, 2, 2), 12, 5)
    assert verdict.is_legal
    assert verdict.is_bookable


def test_case_17_is_legal_with_a_note_about_the_tuesday() -> None:
    days = ["2027-01-11", "2027-01-13", "2027-01-15", "2027-01-19", "2027-01-22", "2027-01-25"]
    verdict = judge([Placed(n, date.fromisoformat(day)) for n, day in enumerate(days, start=1)], MWF6)
    assert verdict.is_legal
    assert (verdict.gaps_days, verdict.span_days, verdict.on_window) == ((2, 2, 4, 3, 3), 15, 5)
    assert [finding.message for finding in verdict.findings] == [
        "Infusion 4 is on Tue 19 Jan, off the usual Mon-Wed-Fri rhythm."
    ]


def test_a_gap_below_the_minimum_is_a_breach_and_the_minimum_itself_is_not() -> None:
    verdict = judge(series(0, 2, 4, 5), MWF6)
    assert [(f.message, f.actual, f.limit) for f in verdict.needs_override] == [
        ("Infusion 4 would be 1 day after infusion 3; this protocol needs at least 2 days.", 1, 2)
    ]
    assert not verdict.is_legal
    assert verdict.is_bookable
    assert verdict.on_window == 2
    assert judge(series(0, 2, 4, 6), MWF6).is_legal


def test_a_gap_above_the_maximum_is_a_breach_and_the_maximum_itself_is_not() -> None:
    verdict = judge(series(0, 5), MWF6)
    assert [(f.rule, f.message) for f in verdict.needs_override] == [
        (Rule.GAP_TOO_LONG, "Infusion 2 would be 5 days after infusion 1; this protocol allows at most 4 days.")
    ]
    assert judge(series(0, 4), MWF6).is_legal


def test_more_than_14_days_is_an_interruption_and_14_days_is_a_long_gap() -> None:
    assert rules_of(judge(series(0, 14), MWF6)) == [(Rule.GAP_TOO_LONG, Severity.BREACH, 2)]
    interrupted = judge(series(0, 16), MWF6)
    assert (Rule.INTERRUPTED, Severity.BREACH, 2) in rules_of(interrupted)
    assert interrupted.needs_override[0].message == (
        "Infusion 2 would be 16 days after infusion 1: after more than 14 days the series counts as interrupted, "
        "and the prescriber decides to continue, restart or close it."
    )


def test_a_slow_maintenance_rhythm_is_no_interruption_until_its_own_maximum() -> None:
    monthly = expand([Step(2, 21, 35, target_gap_days=28)])
    assert judge(series(0, 28), monthly).findings == ()
    assert rules_of(judge(series(0, 36), monthly))[0] == (Rule.INTERRUPTED, Severity.BREACH, 2)


def test_infusions_out_of_order_or_on_one_day_are_blocked() -> None:
    same_day = judge(series(0, 0), MWF6)
    assert rules_of(same_day) == [(Rule.OUT_OF_ORDER, Severity.BLOCK, 2)]
    assert not same_day.is_bookable
    assert rules_of(judge(series(2, 0), MWF6)) == [(Rule.OUT_OF_ORDER, Severity.BLOCK, 2)]
    assert judge(series(0, 2), MWF6).is_bookable


def test_a_day_in_the_past_is_blocked_and_today_is_not() -> None:
    verdict = judge(series(0, 2), MWF6, today=date(2027, 1, 5))
    assert [(f.rule, f.severity, f.message) for f in verdict.findings] == [
        (
            Rule.IN_THE_PAST,
            Severity.BLOCK,
            "Infusion 1 would be on Mon 4 Jan, 1 day ago; choose Tue 5 Jan or later.",
        )
    ]
    assert judge(series(0, 2), MWF6, today=START).is_legal


def test_a_closed_day_is_blocked_and_an_open_one_is_not() -> None:
    closed = judge(series(0, 2), MWF6, is_open=lambda day: day != START + timedelta(days=2))
    assert rules_of(closed) == [(Rule.CLOSED_DAY, Severity.BLOCK, 2)]
    assert "Wed 6 Jan, when the clinic is closed" in closed.findings[0].message
    assert judge(series(0, 2), MWF6, is_open=lambda _day: True).is_legal


def test_a_day_on_which_the_patient_is_away_is_blocked_and_another_is_not() -> None:
    away = Wishes(unavailable=frozenset({START + timedelta(days=2)}))
    assert rules_of(judge(series(0, 2), MWF6, wishes=away)) == [(Rule.PATIENT_UNAVAILABLE, Severity.BLOCK, 2)]
    assert judge(series(0, 4), MWF6, wishes=away).is_legal


@pytest.mark.parametrize(
    ("start_min", "expected"),
    [(539, ["539 540"]), (540, []), (720, []), (721, ["721 720"])],
)
def test_the_patients_hours_hold_to_the_minute(start_min: int, expected: list[str]) -> None:
    wishes = Wishes(earliest_min=540, latest_min=720)
    verdict = judge(series(0, start_min=start_min), MWF6, wishes=wishes)
    assert [f"{f.actual} {f.limit}" for f in verdict.findings] == expected
    assert all((f.rule, f.severity) == (Rule.OUTSIDE_WISHED_HOURS, Severity.BLOCK) for f in verdict.findings)


def test_a_taken_start_is_blocked_with_who_is_missing_and_a_free_one_is_not() -> None:
    free = one_chair([START, START + timedelta(days=2)])
    free.chairs[1, 0, :] = False
    plan = [Placed(1, START, 540, 11, 21, 31), Placed(2, START + timedelta(days=2), 540, 11, 21, 31)]
    verdict = judge(plan, MWF6, free=free)
    assert rules_of(verdict) == [(Rule.NOT_FREE, Severity.BLOCK, 2)]
    assert verdict.findings[0].message == "Infusion 2 cannot start on Wed 6 Jan at 09:00: the chosen chair is taken."
    free.chairs[1, 0, 0] = True
    assert judge(plan, MWF6, free=free).is_legal


def test_a_start_without_named_people_needs_anyone_of_each_kind() -> None:
    free = one_chair([START])
    assert judge([Placed(1, START, 600)], MWF6, free=free).is_legal
    free.nurses[0, 1, 0] = False
    free.clinicians[0, 1, 0] = False
    message = judge([Placed(1, START, 600)], MWF6, free=free).findings[0].message
    assert message == "Infusion 1 cannot start on Mon 4 Jan at 10:00: no nurse is free and no clinician is free."


def test_no_clinician_is_needed_where_the_protocol_asks_for_none() -> None:
    free = one_chair([START], clinicians=0)
    assert judge([Placed(1, START, 600, 11, 21, None)], MWF6, free=free).is_legal


def test_a_start_outside_the_calendar_that_was_read_is_not_free() -> None:
    free = one_chair([START])
    assert "outside the calendar" in judge([Placed(1, START, 615)], MWF6, free=free).findings[0].message


def test_a_day_off_the_rhythm_is_only_noted() -> None:
    verdict = judge([Placed(1, date(2027, 1, 5))], MWF6)
    assert rules_of(verdict) == [(Rule.OFF_RHYTHM, Severity.NOTE, 1)]
    assert verdict.is_legal
    weekly = judge(series(0, 8), expand([Step(2, 6, 9, target_gap_days=7)]))
    assert weekly.findings[0].message == "Infusion 2 is 8 days after infusion 1; the usual distance here is 7 days."


def test_a_series_longer_than_its_span_is_noted_and_one_that_fits_is_not() -> None:
    twice_a_week = expand([Step(8, 3, 5, frozenset({0, 3}))], span_warn_days=21)
    verdict = judge(series(0, 3, 7, 10, 14, 17, 21, 24), twice_a_week)
    assert [(f.rule, f.number, f.actual, f.limit) for f in verdict.findings] == [(Rule.SPAN_TOO_LONG, 0, 25, 21)]
    assert verdict.is_legal
    assert judge(series(0, 3, 7, 10, 14, 17), twice_a_week).findings == ()


def test_a_hole_must_leave_room_for_the_missing_infusion() -> None:
    assert gap_limits(1, 3, MWF6) == (4, 8)
    without_second = [Placed(1, START), Placed(3, START + timedelta(days=4))]
    assert judge(without_second, MWF6).is_legal
    too_near = [Placed(1, START), Placed(3, START + timedelta(days=3))]
    assert judge(too_near, MWF6).needs_override[0].message == (
        "Infusion 3 would be 3 days after infusion 1; "
        "this protocol needs at least 4 days with room for infusion 2 between them."
    )
    too_far = [Placed(1, START), Placed(3, START + timedelta(days=9))]
    assert rules_of(judge(too_far, MWF6))[0][0] is Rule.GAP_TOO_LONG


def test_the_gap_from_an_earlier_phase_is_judged_when_there_is_one() -> None:
    weekly: SeriesRule = BY_ID["M-W4"].rule()
    first = [Placed(1, date(2027, 1, 22))]
    assert judge(first, weekly, before=date(2027, 1, 15)).findings == ()
    near = judge(first, weekly, before=date(2027, 1, 18))
    assert near.needs_override[0].message == (
        "Infusion 1 would be 4 days after the last infusion of the phase before; this protocol needs at least 6 days."
    )
    assert judge(first, weekly).findings == ()


def test_what_is_settled_is_not_judged_again_but_its_gaps_are_noted() -> None:
    plan = series(0, 6, 8)
    verdict = judge(plan, MWF6, today=START + timedelta(days=7), is_open=lambda _day: False, done=frozenset({1, 2}))
    assert rules_of(verdict) == [
        (Rule.GAP_TOO_LONG, Severity.NOTE, 2),
        (Rule.CLOSED_DAY, Severity.BLOCK, 3),
        (Rule.OFF_RHYTHM, Severity.NOTE, 3),
    ]
    assert verdict.findings[0].message == "Infusion 2 is 6 days after infusion 1; this protocol allows at most 4 days."


def test_a_new_infusion_next_to_a_settled_one_is_still_judged() -> None:
    verdict = judge(series(0, 1), MWF6, done=frozenset({1}))
    assert (Rule.GAP_TOO_SHORT, Severity.BREACH, 2) in rules_of(verdict)


def test_numbers_that_are_not_a_series_are_refused() -> None:
    with pytest.raises(ValueError, match="occurs twice"):
        judge([Placed(1, START), Placed(1, START)], MWF6)
    with pytest.raises(ValueError, match="must be 1 to 6"):
        judge([Placed(7, START)], MWF6)


def test_nothing_placed_yet_is_legal_and_empty() -> None:
    verdict = judge([], MWF6)
    assert (verdict.findings, verdict.gaps_days, verdict.span_days) == ((), (), 0)
