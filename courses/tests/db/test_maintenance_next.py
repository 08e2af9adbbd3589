"""Infusions of a maintenance plan: booked ahead, moved by hand, set on another gap. Source: clinical.md A 9, 24-26, P9."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from clinic.tests.factories import make_closure
from courses.models import (
    RevisionKind,
)
from courses.planning.types import GapRule
from courses.services import maintenance_next as ahead
from courses.services import moves
from courses.services.planning_input import team_at
from courses.services.series_changes import (
    ChangedMeanwhileError,
    ChangeRefusedError,
    Preview,
    ReasonNeededError,
)
from courses.services.series_commit import commit
from courses.tests.maintenance_kit import NOW, Kept, make_kept, weekly
from courses.tests.series_kit import at, book

db = pytest.mark.django_db


@pytest.fixture
def kept() -> Kept:
    """Six infusions given, the last on Fri 2027-01-15; it is Saturday."""
    return make_kept()


def interval(kept: Kept, target: int, low: int, high: int, **known: Any) -> Preview:
    values = {"throughout": False, "replan": True, "now": NOW} | known
    found = kept.found(values["now"])
    gap = GapRule(low, high, target_days=target)
    return ahead.preview_interval(found, gap, team=team_at(found.course.location), **values)


def save(kept: Kept, offer: Preview, *, reason: str = "Holds for longer", now: Any = NOW, by: Any = None) -> None:
    ahead.save_change(kept.course.pk, offer.token, reason=reason, by=by or kept.clinician, now=now)


# -- booking ahead -----------------------------------------------------------------------------------------------------


@db
def test_one_or_several_are_booked_ahead_inside_their_windows(kept: Kept) -> None:
    kept.decide()
    kept.book_next()
    kept.book_next(4)
    days = [one.day for one in kept.plan_series.plan]
    assert days == [date(2027, 1, 22), *(date(2027, 1, 29) + timedelta(weeks=week) for week in (0, 1, 2, 4))]
    revision = kept.course.revisions.filter(kind=RevisionKind.BOOKED, phase=kept.plan.phase).latest("pk")
    assert revision.by == kept.desk
    assert revision.summary.startswith("Booked: infusion 2 on Fri 29 Jan, ")


@db
def test_the_next_dates_follow_the_day_on_which_the_last_was_really_given(kept: Kept) -> None:
    """R4, case 25 moved: the first was on Mon 25 January because Friday's chair was not wanted."""
    kept.decide("M-CANBIND")
    kept.book_next()
    infusion = kept.plan_series.row(1).infusion
    target = moves.Target(date(2027, 1, 23))
    with pytest.raises(ChangedMeanwhileError):  # Saturday is closed
        commit(
            moves.preview_move(infusion.pk, target=target, mode=moves.Mode.ONLY, now=NOW).token, by=kept.desk, now=NOW
        )
    target = moves.Target(date(2027, 1, 21))
    commit(moves.preview_move(infusion.pk, target=target, mode=moves.Mode.ONLY, now=NOW).token, by=kept.desk, now=NOW)
    kept.give_next(date(2027, 1, 21))
    assert [line.window.day for line in kept.found(at(date(2027, 1, 22))).lines][1:3] == [
        date(2027, 1, 28),
        date(2027, 2, 4),
    ]


@db
def test_fewer_are_offered_where_fewer_wait_and_none_where_none_does(kept: Kept) -> None:
    kept.decide("M-W4", steps=(weekly(2),))
    found = kept.found()
    offered = ahead.offers(found, count=4, now=NOW, team=team_at(found.course.location))
    assert offered.numbers == (1, 2)
    kept.book_next(4)
    with pytest.raises(ChangeRefusedError, match="nothing to book ahead"):
        kept.token()


@db
def test_where_one_of_two_times_is_gone_neither_is_booked(kept: Kept) -> None:
    """Whole or not at all: the clinic closed the second day meanwhile."""
    kept.decide("M-W4")
    token = kept.token(2)
    closure = make_closure(kept.clinic.location, date(2027, 1, 29))
    with pytest.raises(ChangedMeanwhileError, match="Infusion 2 would be on Fri 29 Jan, when the clinic is closed"):
        ahead.save_change(kept.course.pk, token, by=kept.desk, now=NOW)
    assert kept.statuses() == ["planned"] * 4
    closure.delete()
    ahead.save_change(kept.course.pk, token, by=kept.desk, now=NOW)
    assert kept.statuses() == ["booked", "booked", "planned", "planned"]


@db
def test_after_a_booster_the_next_infusion_waits_at_least_its_smallest_gap(kept: Kept) -> None:
    """Anchored on the last infusion that was really given: a booster on Thu 21 January, so not before the 26th."""
    kept.decide()
    booster = book(date(2027, 1, 21), slug="M-PRN", clinic=kept.clinic, patient=kept.patient, now=NOW)
    assert booster.days() == {1: date(2027, 1, 21)}
    booster.give(1)
    later = at(date(2027, 1, 22))
    placed = ahead.offers(kept.found(later), count=1, now=later, team=team_at(kept.clinic.location)).found[0].placed
    assert placed[0].day >= date(2027, 1, 26)


# -- one infusion of the plan, by hand ---------------------------------------------------------------------------------


def shifted(kept: Kept, number: int, day: date | None) -> Preview:
    """One infusion elsewhere with the rest behind it, or with its first time; saved by the desk."""
    pk, shift = kept.plan_series.row(number).infusion.pk, moves.Mode.SHIFT
    if day is None:
        offer = moves.preview_reslot(pk, mode=shift, now=NOW)
    else:
        offer = moves.preview_move(pk, target=moves.Target(day), mode=shift, now=NOW)
    assert not offer.missing
    moves.move_infusion(offer.token, by=kept.desk, now=NOW)
    return offer


@db
@pytest.mark.parametrize("day", [None, date(2027, 1, 22)])
def test_a_first_time_for_one_waiting_infusion_books_that_one_only(kept: Kept, day: date | None) -> None:
    """Case 25: M-CANBIND begins on Fri 22 January; the other ten wait for their windows."""
    kept.decide()
    offer = shifted(kept, 1, day)
    assert {one.number: one.day for one in offer.proposed.placed} == {1: date(2027, 1, 22)}
    assert kept.statuses() == ["booked", *["planned"] * 10]
    assert kept.found().lines[1].window.day == date(2027, 1, 29)  # counted from the booked one


@db
def test_the_rest_that_follows_is_what_is_booked_and_windows_of_the_others_move(kept: Kept) -> None:
    """Case 25 from Thu 21 January instead of Fri 22: the second a week later, the third waits for a week after that."""
    kept.decide()
    kept.book_next(2)
    assert [line.window.day for line in kept.found().lines[:3]] == [date(2027, 1, day) for day in (22, 29)] + [
        date(2027, 2, 5)
    ]
    shifted(kept, 1, date(2027, 1, 21))
    assert [one.day for one in kept.plan_series.plan] == [date(2027, 1, 21), date(2027, 1, 28)]
    assert kept.statuses() == ["booked", "booked", *["planned"] * 9]
    assert kept.found().lines[2].window.day == date(2027, 2, 4)


@db
def test_an_infusion_that_waits_between_booked_ones_stays_waiting_when_they_shift(kept: Kept) -> None:
    """1 and 3 are booked, 2 was cancelled: room for it stays between them (weekly, twice 5 to 9 days)."""
    kept.decide()
    kept.book_next(3)
    series = kept.plan_series
    moves.cancel_infusion(series.row(2).infusion.pk, reason="Has a cold", by=kept.desk, now=NOW)
    shifted(kept, 1, date(2027, 1, 21))
    days = {one.number: one.day for one in kept.plan_series.plan}
    assert days.keys() == {1, 3}
    assert days[1] == date(2027, 1, 21)
    assert timedelta(days=10) <= days[3] - days[1] <= timedelta(days=18)
    assert kept.statuses()[:4] == ["booked", "cancelled", "booked", "planned"]


@db
def test_a_nurse_books_nothing_ahead(kept: Kept) -> None:
    kept.decide("M-W4")
    token = kept.token()
    for other in (kept.nurse, kept.clinic.manager):
        with pytest.raises(PermissionDenied):
            ahead.save_change(kept.course.pk, token, by=other, now=NOW)
    assert kept.statuses() == ["planned"] * 4


@db
def test_a_proposal_of_a_plan_that_ended_books_nothing(kept: Kept) -> None:
    kept.decide("M-W4")
    token = kept.token()
    kept.decide("M-MONTHLY")
    with pytest.raises(ChangedMeanwhileError, match="plan ended meanwhile"):
        ahead.save_change(kept.course.pk, token, by=kept.desk, now=NOW)


# -- another gap -------------------------------------------------------------------------------------------------------


@db
def test_the_interval_is_stretched_from_the_next_infusion_on_and_what_is_booked_moves(kept: Kept) -> None:
    """A 9, 24: gradually spaced out as the response holds."""
    kept.decide("M-W4")
    kept.book_next(2)
    offer = interval(kept, 14, 11, 17)
    assert [one.day for one in offer.proposed.placed] == [date(2027, 1, 29), date(2027, 2, 12)]
    save(kept, offer)
    assert [one.day for one in kept.plan_series.plan] == [date(2027, 1, 29), date(2027, 2, 12)]
    assert kept.statuses() == ["booked", "booked", "planned", "planned"]
    assert kept.found().lines[2].window.day == date(2027, 2, 26)
    revision = kept.course.revisions.get(kind=RevisionKind.INTERVAL)
    assert (revision.reason, revision.by) == ("Holds for longer", kept.clinician)
    assert revision.summary == "From infusion 1 on: 4 infusions every 14 days; infusions 1 and 2 moved."
    assert revision.before["steps"][0][4] == 7
    assert revision.after["steps"][0][4] == 14


@db
def test_times_that_are_booked_stay_where_that_is_wanted(kept: Kept) -> None:
    kept.decide("M-W4")
    kept.book_next()
    save(kept, interval(kept, 14, 11, 17, replan=False))
    assert [one.day for one in kept.plan_series.plan] == [date(2027, 1, 22)]
    assert kept.found().lines[1].window.day == date(2027, 2, 5)


@db
def test_what_was_given_keeps_the_gap_that_it_had(kept: Kept) -> None:
    kept.decide()
    kept.book_next()
    kept.give_next(date(2027, 1, 22))
    later = at(date(2027, 1, 23))
    save(kept, interval(kept, 10, 8, 12, now=later), now=later)
    steps = [(step.count, step.target_gap_days) for step in kept.plan_series.settings.steps]
    assert steps == [(1, 7), (3, 10), (4, 14), (3, 28)]


@db
def test_an_interval_needs_a_reason_and_a_prescriber(kept: Kept) -> None:
    kept.decide("M-W4")
    offer = interval(kept, 14, 11, 17)
    with pytest.raises(ReasonNeededError):
        save(kept, offer, reason=" ")
    with pytest.raises(PermissionDenied):
        save(kept, offer, by=kept.desk)
    assert not kept.course.revisions.filter(kind=RevisionKind.INTERVAL).exists()


@db
def test_on_relapse_the_plan_goes_one_step_back_and_owes_more(kept: Kept) -> None:
    """P9: from the monthly step back to every 14 days. Here: from fortnights back to weeks, four of them more."""
    kept.decide("M-CANBIND", steps=(weekly(1), kept.decision().steps[1]))
    kept.book_next()
    kept.give_next(date(2027, 1, 22))
    later = at(date(2027, 1, 23))
    found = kept.found(later)
    assert ahead.can_step_back(found)
    offer = ahead.preview_step_back(found, replan=True, now=later, team=team_at(found.course.location))
    save(kept, offer, reason="PHQ-9 back at 14", now=later)
    assert [(step.count, step.target_gap_days) for step in kept.plan_series.settings.steps] == [(1, 7), (1, 7), (4, 14)]
    assert kept.statuses() == ["given", *["planned"] * 5]
    assert kept.found(later).lines[1].window.day == date(2027, 1, 29)
    revision = kept.course.revisions.get(kind=RevisionKind.STEPPED_BACK)
    assert revision.summary == "From infusion 2 on: 1 infusion once a week, then 4 infusions every 14 days."


@db
def test_in_the_first_step_there_is_no_step_to_go_back_to(kept: Kept) -> None:
    kept.decide()
    found = kept.found()
    assert not ahead.can_step_back(found)
    with pytest.raises(ChangeRefusedError, match="none to go back to"):
        ahead.preview_step_back(found, replan=True, now=NOW, team=team_at(found.course.location))
