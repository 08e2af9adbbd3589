"""A psychiatric admission or a suicide attempt is a relapse at once. Source: clinical.md F1 "Relapse", case 8."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from courses.pure.outcomes.judging import Event, Given, Outcome, Score, judge_outcome
from courses.pure.outcomes.terms import End

LAST = date(2027, 4, 16)  # day 0 of case 8
ATTEMPT = "suicide attempt"


def score(day: int, value: int) -> Score:
    at = datetime(2027, 4, 16, 15, tzinfo=UTC) + timedelta(days=day)
    return Score(at, at.date(), Decimal(value), None, day + 100)


def judged(
    *follow_up: tuple[int, int], end: int = 6, events: tuple[Event, ...] = (), until: int | None = None
) -> Outcome:
    """Case 8: baseline 20, ``end`` the day after the last infusion, then (day, score)."""
    first, last = (datetime(2027, 4, 16, 12, tzinfo=UTC) - timedelta(days=days) for days in (11, 0))
    infusions = (Given(1, first.date(), first), Given(6, LAST, last))
    scores = (score(-12, 20), score(1, end), *(score(day, value) for day, value in follow_up))
    return judge_outcome(
        "phq9", scores, infusions, is_over=True, events=events,
        until=LAST + timedelta(days=until) if until is not None else None,
    )  # fmt: skip


def event(day: int, what: str = ATTEMPT) -> Event:
    return Event(LAST + timedelta(days=day), what)


CASE_8 = ((7, 7), (14, 9), (21, 12), (28, 13))


def test_case_8_without_an_event_is_as_it_was() -> None:
    lost = judged(*CASE_8).relapse
    assert lost is not None
    assert (lost.day, lost.confirmed_on, lost.days, lost.event) == (
        LAST + timedelta(days=21),
        LAST + timedelta(days=28),
        21,
        "",
    )


def test_an_event_counts_on_its_day_whatever_the_scores_say() -> None:
    found = judged((7, 7), (14, 6), events=(event(10),))
    assert found.end is End.RESPONSE
    assert found.relapse is not None
    assert (found.relapse.day, found.relapse.confirmed_on) == (LAST + timedelta(days=10), LAST + timedelta(days=10))
    assert (found.relapse.days, found.relapse.event) == (10, ATTEMPT)


@pytest.mark.parametrize(("day", "days", "by"), [(20, 20, ATTEMPT), (21, 21, ATTEMPT), (22, 21, ""), (40, 21, "")])
def test_of_scores_and_an_event_the_earlier_day_is_the_relapse(day: int, days: int, by: str) -> None:
    lost = judged(*CASE_8, events=(event(day),)).relapse
    assert lost is not None
    assert (lost.days, lost.event) == (days, by)


def test_the_first_of_several_events_counts_in_whatever_order_they_were_recorded() -> None:
    lost = judged(events=(event(30, "psychiatric admission"), event(9))).relapse
    assert lost is not None
    assert (lost.days, lost.event) == (9, ATTEMPT)


def test_a_single_reading_below_response_is_no_longer_unconfirmed_once_an_event_has_told() -> None:
    assert judged((14, 12)).lost_since == LAST + timedelta(days=14)
    assert judged((14, 12), events=(event(16),)).lost_since is None


def test_what_was_before_the_last_infusion_is_no_relapse_after_the_series() -> None:
    assert judged(events=(event(-1),)).relapse is None
    lost = judged(events=(event(0),)).relapse
    assert lost is not None
    assert lost.days == 0


def test_without_a_response_there_is_nothing_to_lose() -> None:
    found = judged(end=15, events=(event(10),))
    assert found.end is End.NON_RESPONSE
    assert found.relapse is None


def test_after_a_new_series_has_begun_it_belongs_to_that() -> None:
    """F1: censored at the start of a new series."""
    assert judged(events=(event(10),), until=9).relapse is None
    assert judged(events=(event(10),), until=11).relapse is not None
