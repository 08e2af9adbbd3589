"""How a request moves, and when somebody is tried again."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest

from patients.pure.requests import BACK, STEPS, next_try, step_after

THURSDAY, FRIDAY, MONDAY, TUESDAY = (date(2027, 1, day) for day in (7, 8, 11, 12))


@pytest.mark.parametrize(("earlier", "later"), list(pairwise(STEPS)))
def test_each_step_leads_to_the_next_and_never_back_by_itself(earlier: str, later: str) -> None:
    assert step_after(earlier, later) == later
    assert step_after(later, earlier) == (earlier if earlier in BACK.get(later, ()) else later)


def test_steps_may_be_left_out() -> None:
    assert step_after("new", "decided") == "decided"


def test_a_cancelled_consultation_leads_back_to_contacted_but_never_undoes_a_decision() -> None:
    assert step_after("booked", "contacted") == "contacted"
    assert step_after("decided", "contacted") == "decided"


def test_what_is_closed_comes_back_only_when_it_goes_on() -> None:
    assert step_after("closed", "contacted") == "closed"
    assert step_after("closed", "booked") == "booked"


def test_the_next_try_is_the_next_open_day() -> None:
    days = [TUESDAY, THURSDAY, MONDAY, FRIDAY]
    assert next_try(THURSDAY, days) == FRIDAY
    assert next_try(FRIDAY, days) == MONDAY
    assert next_try(THURSDAY, days, pause=2) == MONDAY
    assert next_try(MONDAY, days, pause=2) == TUESDAY  # the last that is known


def test_urgent_or_nowhere_open_means_today() -> None:
    assert next_try(THURSDAY, [FRIDAY], urgent=True) == THURSDAY
    assert next_try(THURSDAY, []) == THURSDAY
