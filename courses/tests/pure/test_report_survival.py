"""Kaplan and Meier's estimate against an example reckoned by hand (clinical.md F1)."""

from __future__ import annotations

from decimal import Decimal

from courses.pure.reports.rates import rounded
from courses.pure.reports.survival import survival_of

SIX = [(5, True), (5, True), (8, False), (10, True), (10, False), (15, True)]
"""At 5: 6 at risk, 2 ended: 4/6. At 8: one leaves. At 10: 3 at risk (who leaves that day included), 1 ended: 4/6 · 2/3
= 4/9. At 15: 1 at risk, 1 ended: 0."""


def test_the_curve_with_ties_and_censoring() -> None:
    found = survival_of(SIX)
    assert (found.n, found.events) == (6, 4)
    assert [(step.day, step.at_risk, rounded(step.estimate, 2)) for step in found.steps] == [
        (0, 6, "100"),
        (5, 6, "66.67"),
        (8, 4, "66.67"),
        (10, 3, "44.44"),
        (15, 1, "0"),
    ]


def test_the_median_is_the_first_day_with_no_more_than_half() -> None:
    assert survival_of(SIX).median == 10
    assert survival_of([(7, True), (9, False)]).median == 7  # exactly half counts


def test_the_median_may_not_be_reached() -> None:
    found = survival_of([(7, True), (9, False), (9, False)])
    assert found.median is None


def test_the_band_is_by_greenwood_on_the_log_log_scale() -> None:
    """At 5: Σ d/(n(n−d)) = 2/(6·4) = 1/12; se = √(1/12) / ln 1.5 = 0.711960; e^(1.959964 · se) = 4.0367.

    Low (4/6)^4.0367 = 19.46 %, high (4/6)^(1/4.0367) = 90.44 %.
    """
    step = survival_of(SIX).steps[1]
    assert step.low is not None
    assert step.high is not None
    assert (rounded(step.low, 2), rounded(step.high, 2)) == ("19.46", "90.44")


def test_where_nobody_has_lost_it_the_curve_is_whole() -> None:
    found = survival_of([(20, False), (40, False)])
    assert [step.estimate for step in found.steps] == [Decimal(100)] * 3
    assert found.median is None


def test_one_who_loses_it_on_the_last_day_of_the_series() -> None:
    """Day 0: the first of two ends, half are left from the beginning."""
    found = survival_of([(0, True), (12, False)])
    assert [(step.day, rounded(step.estimate)) for step in found.steps] == [(0, "50"), (12, "50")]


def test_after_the_last_day_of_following_nothing_is_said() -> None:
    found = survival_of([(7, True), (9, False), (30, False)])
    at_28 = found.on(28)
    assert at_28 is not None
    assert rounded(at_28.estimate, 2) == "66.67"
    assert found.on(31) is None
    assert found.at_risk(10) == 1
    assert found.at_risk(31) == 0


def test_where_all_have_lost_it_that_stays_so() -> None:
    at_100 = survival_of([(7, True), (9, True)]).on(100)
    assert at_100 is not None
    assert at_100.estimate == 0


def test_nobody_has_no_curve() -> None:
    found = survival_of([])
    assert (found.n, found.steps, found.median, found.on(28)) == (0, (), None, None)
