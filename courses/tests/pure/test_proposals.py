"""What a page gets: the best plan and different ones beside it, or what is in the way and what would help."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from courses.planning.objective import score_of
from courses.planning.proposals import answer
from courses.planning.question import reference_for
from courses.planning.templates import BY_ID
from courses.planning.types import Answer, FreeStarts, Instance, Placed, Proposal, Rule, Severity, Status, Wishes

MONDAY = date(2027, 1, 4)
MWF6 = BY_ID["T-MWF6"].rule()
MINUTES = tuple(range(540, 1020, 30))  # 09:00 to 16:30


def calendar(days: int = 40, *, closed: Iterable[date] = ()) -> FreeStarts:
    """Two chairs, two nurses and two clinicians, all free on every weekday that is not closed."""
    dates = tuple(MONDAY + timedelta(days=offset) for offset in range(days))
    shape = (days, len(MINUTES), 2)
    return FreeStarts(
        days=dates,
        minutes=MINUTES,
        chair_ids=(1, 2),
        nurse_ids=(3, 4),
        clinician_ids=(5, 6),
        chairs=np.ones(shape, dtype=bool),
        nurses=np.ones(shape, dtype=bool),
        clinicians=np.ones(shape, dtype=bool),
        load=np.zeros(shape[:2], dtype=np.float32),
        open_days=frozenset(day for day in dates if day.weekday() < 5 and day not in set(closed)),
    )


def given(*offsets: int) -> dict[int, Placed]:
    """Infusions 1, 2, ... on days after Monday 4 January, at nine in chair 1."""
    return {n: Placed(n, MONDAY + timedelta(days=offset), 540, 1, 3, 5) for n, offset in enumerate(offsets, start=1)}


def days(proposal: Proposal) -> list[int]:
    return [one.day.day for one in proposal.placed]


def by_key(found: Answer) -> dict[str, Proposal]:
    return {proposal.key: proposal for proposal in found.proposals}


def test_a_free_calendar_gives_the_reference_dates_first() -> None:
    found = answer(Instance(MWF6, MONDAY, calendar()))
    assert found.status is Status.OPTIMAL
    assert found.proposals[0].key == "best"
    assert days(found.proposals[0]) == [4, 6, 8, 11, 13, 15]
    assert found.proposals[0].costs == ()
    assert [one.day for one in found.reference] == [one.day for one in found.proposals[0].placed]
    assert (found.missing, found.explanation) == ((), "")


def test_a_free_calendar_still_gives_different_plans_to_choose_from() -> None:
    found = by_key(answer(Instance(MWF6, MONDAY, calendar())))
    assert list(found) == ["best", "other_half", "starts_later"]
    assert {one.start_min for one in found["other_half"].placed} == {720}
    assert found["starts_later"].label == "Starts Wed 6 Jan"
    assert days(found["starts_later"]) == [6, 8, 11, 13, 15, 18]
    assert found["starts_later"].costs == ("ends 3 days later", "starts 2 days later")


def test_a_patient_who_named_hours_is_not_offered_the_other_half_of_the_day() -> None:
    assert "other_half" not in by_key(answer(Instance(MWF6, MONDAY, calendar(), Wishes(latest_min=720))))


def test_every_proposal_is_legal_and_differs_from_those_before() -> None:
    free = calendar()
    free.chairs[7, :4] = False  # Mon 11 Jan is free from 11:00 only
    free.clinicians[2, :, 0] = False
    free.nurses[4, :, 1] = False
    found = answer(Instance(MWF6, MONDAY, free))
    assert len(found.proposals) >= 3
    assert all(proposal.verdict.is_legal for proposal in found.proposals)
    faces = {
        tuple((one.day, one.start_min, one.clinician_id, one.nurse_id) for one in proposal.placed)
        for proposal in found.proposals
    }
    assert len(faces) == len(found.proposals)


def test_always_the_same_time_is_proposed_with_what_it_costs() -> None:
    free = calendar()
    free.chairs[:, 4:] = False  # mornings only, 09:00 to 10:30
    free.chairs[7, :2] = False  # Mon 11 Jan from 10:00
    free.chairs[[0, 2, 4, 9, 11], 2:4] = False  # the other five days before 10:00
    found = by_key(answer(Instance(MWF6, MONDAY, free)))
    assert days(found["best"]) == [4, 6, 8, 11, 13, 15]
    assert found["same_time"].label == "Always 09:30"
    assert {one.start_min for one in found["same_time"].placed} == {570}
    assert found["same_time"].costs[0] == "ends 3 days later"
    assert "always 09:30" in found["same_time"].costs


def test_the_same_clinician_throughout_is_proposed_when_the_best_plan_changes_clinicians() -> None:
    free = calendar()
    free.clinicians[2, :, 0] = False  # the first is away on Wed 6 Jan
    free.clinicians[4, :, 1] = False  # the second on Fri 8 Jan
    free.clinicians[9, :, 1] = False  # and on Wed 13 Jan
    found = by_key(answer(Instance(MWF6, MONDAY, free)))
    assert {one.clinician_id for one in found["best"].placed} == {5, 6}
    assert len({one.clinician_id for one in found["same_clinician"].placed}) == 1
    assert "same clinician at every visit" in found["same_clinician"].costs


def test_a_plan_that_finishes_earlier_or_starts_earlier_is_proposed() -> None:
    found = by_key(answer(Instance(MWF6, date(2027, 1, 5), calendar())))
    assert days(found["best"])[0] == 6
    assert days(found["starts_earliest"])[0] == 5
    assert found["starts_earliest"].label == "Starts earliest"
    assert any("starts 1 day earlier" in cost for cost in found["starts_earliest"].costs)


def test_a_wholly_settled_series_is_answered_with_itself() -> None:
    found = answer(Instance(MWF6, MONDAY, calendar(), Wishes(), given(0, 2, 4, 7, 9, 11)))
    assert [proposal.key for proposal in found.proposals] == ["best"]
    assert found.proposals[0].verdict.is_legal


def test_case_20_after_a_no_show_the_answer_follows_r5() -> None:
    free = calendar(20)
    shifted = replace(free, days=tuple(day + timedelta(days=91) for day in free.days))
    april = replace(shifted, open_days=frozenset(day for day in shifted.days if day.weekday() < 5))
    done = {n: replace(one, day=one.day + timedelta(days=91)) for n, one in given(0, 2, 4).items()}
    instance = Instance(MWF6, date(2027, 4, 13), april, Wishes(), done, missed={4: date(2027, 4, 12)})
    found = answer(instance)
    assert [one.day.isoformat() for one in found.proposals[0].placed][3:] == ["2027-04-13", "2027-04-16", "2027-04-19"]
    assert found.proposals[0].verdict.is_legal


# -- when nothing fits -------------------------------------------------------------------------------------------------


def blocked_fourth() -> tuple[FreeStarts, dict[int, Placed]]:
    """Three are given; from Sat 9 to Tue 12 January every chair is taken, so the fourth cannot keep the 4 days."""
    free = calendar()
    free.chairs[5:9] = False
    return free, given(0, 2, 4)


def test_five_of_six_fit_and_the_ways_out_are_real() -> None:
    free, done = blocked_fourth()
    found = answer(Instance(MWF6, date(2027, 1, 9), free, Wishes(), done))
    assert found.status is Status.PARTIAL
    assert found.explanation == "5 of 6 fit. The 4th has no legal free time on Mon 11 Jan, its only legal day."
    partial = by_key(found)["partial"]
    assert partial.label == "5 of 6 fit"
    assert [one.number for one in partial.placed] == [1, 2, 3, 5, 6]
    assert partial.verdict.is_legal
    assert [(way.number, way.day, way.needs) for way in found.missing] == [
        (4, date(2027, 1, 11), None),
        (4, date(2027, 1, 13), Rule.GAP_TOO_LONG),
    ]
    assert "every chair is taken" in found.missing[0].message
    assert found.missing[1].message == (
        "All 6 fit if a clinician allows it with a reason: "
        "Infusion 4 would be 5 days after infusion 3; this protocol allows at most 4 days."
    )


def test_the_plan_by_permission_is_complete_and_names_its_breach() -> None:
    free, done = blocked_fourth()
    plan = by_key(answer(Instance(MWF6, date(2027, 1, 9), free, Wishes(), done)))["override"]
    assert days(plan) == [4, 6, 8, 13, 15, 18]
    assert not plan.verdict.is_legal
    assert plan.verdict.is_bookable
    assert [(f.rule, f.number, f.actual, f.limit) for f in plan.verdict.needs_override] == [
        (Rule.GAP_TOO_LONG, 4, 5, 4)
    ]


def test_one_free_start_inside_the_limits_is_enough_for_all_six() -> None:
    free, done = blocked_fourth()
    free.chairs[8, 3, 1] = True  # Tue 12 Jan at 10:30, chair 2
    found = answer(Instance(MWF6, date(2027, 1, 9), free, Wishes(), done))
    assert found.status is Status.OPTIMAL
    fourth = found.proposals[0].placed[3]
    assert (fourth.day, fourth.start_min, fourth.chair_id) == (date(2027, 1, 12), 630, 2)


def test_a_start_outside_the_wished_hours_is_offered_as_such() -> None:
    free, done = blocked_fourth()
    free.chairs[7, 2, 0] = True  # Mon 11 Jan at 10:00
    found = answer(Instance(MWF6, date(2027, 1, 9), free, Wishes(earliest_min=720), done))
    assert found.missing[0].message == (
        "Infusion 4: Mon 11 Jan at 10:00 is free, but outside the patient's hours; it fits if the patient agrees."
    )
    assert (found.missing[0].day, found.missing[0].start_min, found.missing[0].needs) == (date(2027, 1, 11), 600, None)


def test_a_day_on_which_the_patient_is_away_is_offered_as_such() -> None:
    free, done = blocked_fourth()
    free.chairs[7, :3] = True
    away = Wishes(unavailable=frozenset({date(2027, 1, 11)}))
    found = answer(Instance(MWF6, date(2027, 1, 9), free, away, done))
    assert found.missing[0].message == (
        "Infusion 4: Mon 11 Jan at 09:00, 09:30 or 10:00 is free, but the patient said to be away that day; "
        "it fits if that changes."
    )


@pytest.mark.parametrize(
    ("role", "words"),
    [("nurses", "a free chair, but no nurse"), ("clinicians", "a free chair and a nurse, but no clinician")],
)
def test_who_is_missing_is_named(role: str, words: str) -> None:
    free, done = blocked_fourth()
    free.chairs[7, 5] = True
    getattr(free, role)[7, 5] = False
    found = answer(Instance(MWF6, date(2027, 1, 9), free, Wishes(), done))
    assert any(words in way.message and way.start_min == MINUTES[5] for way in found.missing)


def test_a_start_where_two_people_are_missing_is_no_way_out() -> None:
    free, done = blocked_fourth()
    free.chairs[7, 5] = True
    free.nurses[7] = False
    free.clinicians[7] = False
    found = answer(Instance(MWF6, date(2027, 1, 9), free, Wishes(), done))
    assert [way.day for way in found.missing] == [date(2027, 1, 13)]


def test_a_gap_too_short_is_a_way_out_only_with_an_override() -> None:
    free = calendar()
    free.chairs[5:8] = False
    fixed = {n: one for n, one in given(0, 2, 4, 7, 9, 11).items() if n != 4}  # 5 and 6 are booked and stay
    found = answer(Instance(MWF6, date(2027, 1, 9), free, Wishes(), fixed))
    assert found.status is Status.INFEASIBLE
    assert found.explanation == "The 4th has no legal free time on Mon 11 Jan, its only legal day."
    way = found.missing[-1]
    assert (way.day, way.needs) == (date(2027, 1, 12), Rule.GAP_TOO_SHORT)
    assert "only 1 day before infusion 5 (at least 2)" in way.message


def test_no_plan_by_permission_ever_shortens_a_gap() -> None:
    found = answer(Instance(MWF6, MONDAY, calendar(8)))  # the calendar ends on Mon 11 Jan
    assert found.status is Status.PARTIAL
    assert [proposal.key for proposal in found.proposals] == ["partial"]
    assert found.explanation == (
        "4 of 6 fit. The 5th and 6th have no legal free time. "
        "The calendar that was read ends on Mon 11 Jan; reading further may help."
    )


def test_an_interrupted_series_needs_the_prescriber() -> None:
    found = answer(Instance(MWF6, date(2027, 1, 25), calendar(60), Wishes(), given(0)))
    assert found.status is Status.NEEDS_OVERRIDE
    assert [proposal.key for proposal in found.proposals] == ["override"]
    assert [f.rule for f in found.proposals[0].verdict.needs_override] == [Rule.INTERRUPTED]
    assert "the prescriber decides to continue, restart or close it" in found.explanation
    assert found.reference[1].interrupted


def test_a_long_closure_is_bridged_by_permission_and_leaving_out_comes_second() -> None:
    closed = [date(2027, 1, day) for day in range(9, 20)]
    found = answer(Instance(MWF6, MONDAY, calendar(closed=closed), Wishes(), given(0, 2, 4)))
    assert found.status is Status.NEEDS_OVERRIDE
    assert [proposal.key for proposal in found.proposals] == ["override", "partial"]
    assert days(found.proposals[0]) == [4, 6, 8, 20, 22, 25]
    assert found.reference[3].is_breach


def test_without_any_nurse_nothing_fits_and_the_reason_is_said_for_the_first_ones() -> None:
    free = calendar()
    free.nurses[:] = False
    found = answer(Instance(MWF6, MONDAY, free))
    assert (found.status, found.proposals) == (Status.INFEASIBLE, ())
    assert found.explanation == "None of the 6 infusions has a legal free time."
    assert [way.number for way in found.missing] == [1, 2, 3, 4]
    assert all("no nurse" in way.message for way in found.missing)


def test_a_clinic_without_open_days_is_answered_in_a_sentence() -> None:
    free = replace(calendar(10), open_days=frozenset())
    found = answer(Instance(MWF6, MONDAY, free))
    assert found.status is Status.INFEASIBLE
    assert "no open day" in found.explanation


def test_the_best_proposal_has_the_smallest_score_of_all() -> None:
    free = calendar()
    free.chairs[7, :4] = False
    free.clinicians[2, :, 0] = False
    instance = Instance(MWF6, MONDAY, free)
    dates = {one.number: one.day for one in reference_for(instance)}
    scores = [score_of(instance, proposal.placed, dates) for proposal in answer(instance).proposals]
    assert scores[0] == min(scores)


def test_severities_of_the_best_plan_are_notes_at_most() -> None:
    found = answer(Instance(MWF6, date(2027, 1, 11), calendar(40, closed=[date(2027, 1, 18)])))
    assert {finding.severity for finding in found.proposals[0].verdict.findings} == {Severity.NOTE}
