"""The controlled drug in numbers: waste by R8, what may be drawn, what adds up. Expected values from clinical.md."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from courses.pure.stock import (
    LotFacts,
    OrderFacts,
    Split,
    Taken,
    amount_wrong,
    expiry_of,
    in_units,
    judge_split,
    lot_unfit,
    suggest_split,
)

TODAY = date(2027, 4, 5)
TEN = LotFacts("ketamine", False, Decimal(200), Decimal(10), date(2028, 1, 31), Decimal("400.0"))
DEVICES = LotFacts("esketamine", True, Decimal(28), None, date(2028, 1, 31), Decimal("84.0"))
IV, NASAL = OrderFacts(False, Decimal(10)), OrderFacts(True, None)


def split(given: str, wasted: str, returned: str = "0.0") -> Split:
    return Split(Decimal(given), Decimal(wasted), Decimal(returned))


# -- R8: waste = drawn − delivered -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("drawn", "delivered", "before", "given", "wasted"),
    [
        ("100.0", "41.2", "0.0", "41.2", "58.8"),  # case 28, all of it went in
        ("100.0", "20.6", "0.0", "20.6", "79.4"),  # stopped at half time
        ("41.2", "0.0", "0.0", "0.0", "41.2"),  # never started
        ("30.0", "41.2", "0.0", "30.0", "0.0"),  # the first of two draws
        ("30.0", "41.2", "30.0", "11.2", "18.8"),  # the second of them
        ("30.0", "20.0", "30.0", "0.0", "30.0"),  # more was accounted for than delivered: never below zero
        ("56.0", "56.0", "0.0", "56.0", "0.0"),  # two devices of 28 mg, both used
    ],
)
def test_given_is_what_the_record_says_and_the_rest_is_waste(
    drawn: str, delivered: str, before: str, given: str, wasted: str
) -> None:
    assert suggest_split(Decimal(drawn), Decimal(delivered), Decimal(before)) == split(given, wasted)


def test_a_split_that_adds_up_stands_and_one_tenth_off_does_not() -> None:
    taken = Taken(Decimal("100.0"), split("41.2", "58.8"), was_started=True)
    assert judge_split(taken, split("41.2", "58.8")) == {}
    assert "0.1 mg too little" in judge_split(taken, split("41.2", "58.7"))[""]
    assert "0.1 mg too much" in judge_split(taken, split("41.2", "58.8", "0.1"))[""]


def test_amounts_are_neither_below_zero_nor_finer_than_a_tenth() -> None:
    taken = Taken(Decimal("100.0"), split("41.2", "58.8"), was_started=True)
    assert "wasted_mg" in judge_split(taken, split("141.2", "-41.2"))
    assert "given_mg" in judge_split(taken, split("41.25", "58.75"))


def test_given_that_is_not_what_the_record_says_needs_a_reason() -> None:
    taken = Taken(Decimal("100.0"), split("41.2", "58.8"), was_started=True)
    said = judge_split(taken, split("40.0", "60.0"))
    assert "41.2 mg" in said["reason"]
    assert judge_split(taken, split("40.0", "60.0"), reason="1.2 mg stayed in the line") == {}


def test_nothing_is_given_at_an_infusion_that_was_not_started() -> None:
    taken = Taken(Decimal("100.0"), split("0.0", "100.0"), was_started=False)
    assert "given_mg" in judge_split(taken, split("41.2", "58.8"), reason="It went in")
    assert judge_split(taken, split("0.0", "0.0", "100.0")) == {}


def test_a_nasal_device_is_not_divided() -> None:
    taken = Taken(Decimal("56.0"), split("28.0", "28.0"), was_started=True, unit_mg=Decimal(28))
    assert judge_split(taken, split("28.0", "0.0", "28.0")) == {}
    assert "multiple of 28 mg" in judge_split(taken, split("20.0", "36.0"), reason="Half of it")["given_mg"]


# -- what may be drawn -------------------------------------------------------------------------------------------------
def test_a_lot_that_fits_is_drawn_from_and_each_thing_that_speaks_against_it_is_named() -> None:
    assert lot_unfit(TEN, IV, today=TODAY) == ""
    assert lot_unfit(DEVICES, NASAL, today=TODAY) == ""
    for wrong, order, said in (
        (replace(TEN, is_here=False), IV, "another location"),
        (DEVICES, IV, "ketamine vials"),
        (TEN, NASAL, "esketamine devices"),
        (replace(TEN, concentration_mg_per_ml=Decimal("50.0")), IV, "for 10 mg/mL, this lot has 50 mg/mL"),
        (replace(TEN, balance_mg=Decimal("0.0")), IV, "Nothing is left"),
    ):
        found = lot_unfit(wrong, order, today=TODAY)
        assert said in found


def test_a_lot_may_be_used_on_the_day_that_is_printed_on_it_and_not_after() -> None:
    last = replace(TEN, expires_on=TODAY)
    assert lot_unfit(last, IV, today=TODAY) == ""
    assert "expired on 5 Apr 2027" in lot_unfit(last, IV, today=date(2027, 4, 6))
    assert (expiry_of(TODAY, TODAY), expiry_of(TODAY, date(2027, 4, 6))) == ("soon", "expired")
    assert (expiry_of(date(2027, 6, 4), TODAY), expiry_of(date(2027, 6, 5), TODAY)) == ("soon", "")


def test_no_more_is_taken_than_the_log_says() -> None:
    assert amount_wrong(TEN, Decimal("400.0")) == ""
    assert "400.0 mg are left" in amount_wrong(TEN, Decimal("400.1"))
    assert "more than 0" in amount_wrong(TEN, Decimal("0.0"))
    assert "0.1 mg" in amount_wrong(TEN, Decimal("41.25"))
    assert "multiple of 28 mg" in amount_wrong(DEVICES, Decimal("40.0"))


def test_a_balance_is_said_as_what_stands_on_the_shelf() -> None:
    assert in_units(Decimal("400.0"), Decimal("200.0"), is_device=False) == "2 vials"
    assert in_units(Decimal("358.8"), Decimal("200.0"), is_device=False) == "1 vial + 158.8 mg"
    assert in_units(Decimal("28.0"), Decimal("28.0"), is_device=True) == "1 device"
    assert in_units(Decimal("0.0"), Decimal("200.0"), is_device=False) == "0 vials"
