"""Shares with their intervals. Expected values: Newcombe 1998 (Stat Med 17:857, table I), and the closed formula by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from courses.pure.reports.contents import Missing, Unit
from courses.pure.reports.rates import Quartiles, count_figure, median_figure, percent_words, rate, rounded, wilson

NAMES = {"key": "response", "title": "Response", "definition": "Half of the baseline.", "source": "Terms"}


@pytest.mark.parametrize(
    ("n", "of", "low", "high"),
    [
        (81, 263, "25.53", "36.62"),  # Newcombe 1998, table I, method 3
        (15, 148, "6.24", "16.05"),
        (0, 20, "0.00", "16.11"),
        (1, 29, "0.61", "17.18"),
    ],
)
def test_the_interval_is_that_of_wilson_as_published(n: int, of: int, low: str, high: str) -> None:
    found = [one.quantize(Decimal("0.01")) for one in wilson(n, of)]
    assert found == [Decimal(low), Decimal(high)]


def test_11_of_17_by_hand() -> None:
    """z² = 3.841459: centre (0.647059 + 0.112984) / 1.225968 = 0.619954; half 0.253713 / 1.225968 = 0.206950."""
    found = rate(**NAMES, n=11, of=17, missing=[Missing("no baseline", 2), Missing("baseline below 10", 0)])
    assert found.value is not None
    assert percent_words(found.value) == "64.7 %"
    assert (found.numerator, found.denominator) == (11, 17)
    assert [rounded(one, 1) for one in (found.low, found.high) if one is not None] == ["41.3", "82.7"]
    assert found.missing == (Missing("no baseline", 2),)  # nobody is missing for the other reason
    assert found.unit is Unit.PERCENT


def test_all_of_them_still_have_an_interval() -> None:
    """8 of 8: the lower bound is 1 / (1 + z²/n) = 1 / 1.480182 = 67.6 %."""
    low, high = wilson(8, 8)
    assert (rounded(low), rounded(high)) == ("67.6", "100")


@pytest.mark.parametrize(("of", "words"), [(4, "n = 4: too few to give a share"), (0, "Nothing to count yet")])
def test_of_fewer_than_five_no_share_is_said(of: int, words: str) -> None:
    found = rate(**NAMES, n=of, of=of)
    assert (found.value, found.numerator, found.low, found.high) == (None, None, None, None)
    assert (found.is_few, found.denominator, found.words) == (True, of, words)


def test_of_five_it_is() -> None:
    found = rate(**NAMES, n=0, of=5)
    assert (found.is_few, found.value, found.numerator) == (False, Decimal(0), 0)


def test_a_median_says_where_the_inner_half_lies() -> None:
    found = median_figure(**NAMES, unit=Unit.DAYS, spread=Quartiles.of([1, 2, 3, 4, 10, 20]))
    assert (found.value, found.denominator) == (Decimal("3.5"), 6)
    # positions 1.25 and 3.75 of 0 to 5: 2 + 0.25 · 1 and 4 + 0.75 · 6
    assert found.words == "half of them between 2.3 and 8.5 days"


def test_a_median_of_four_is_not_said() -> None:
    found = median_figure(**NAMES, unit=Unit.DAYS, spread=Quartiles.of([1, 2, 3, 4]))
    assert (found.value, found.is_few, found.words) == (None, True, "n = 4: too few for a median")


def test_one_value_is_its_own_quartiles_and_none_has_none() -> None:
    assert Quartiles.of([7]) == Quartiles(1, Decimal(7), Decimal(7), Decimal(7))
    assert Quartiles.of([]) == Quartiles(0)


def test_a_count_is_said_however_few() -> None:
    found = count_figure(**NAMES, n=1)
    assert (found.value, found.is_few) == (Decimal(1), False)


@pytest.mark.parametrize(("value", "said"), [("64.705882", "64.7"), ("35.25", "35.3"), ("100", "100"), ("18.0", "18")])
def test_numbers_are_rounded_half_up_without_zeros(value: str, said: str) -> None:
    assert rounded(Decimal(value)) == said
