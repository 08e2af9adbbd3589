"""The estimate: consultation + n × infusion + once a series (clinical.md A 105, 106)."""

from __future__ import annotations

from decimal import Decimal

from patients.pure.prices import Price, PriceUse, estimate

PRICES = (
    Price(PriceUse.CONSULTATION, "Consultation, 60 minutes", Decimal("295.00")),
    Price(PriceUse.INFUSION, "Infusion", Decimal("449.95")),
    Price(PriceUse.INFUSION, "Observation", Decimal("30.05")),
    Price(PriceUse.SERIES, "Review after the series", Decimal("120.00")),
    Price(PriceUse.OTHER, "Missed appointment", Decimal("75.00")),
)


def test_a_series_of_six_is_added_up_to_the_cent() -> None:
    found = estimate(PRICES, infusions=6)
    assert [(line.label, line.count, line.total) for line in found.lines] == [
        ("Consultation, 60 minutes", 1, Decimal("295.00")),
        ("Infusion", 6, Decimal("2699.70")),
        ("Observation", 6, Decimal("180.30")),
        ("Review after the series", 1, Decimal("120.00")),
    ]
    assert found.total == Decimal("3295.00")


def test_what_is_not_in_the_estimate_is_left_out_and_no_infusions_cost_nothing() -> None:
    found = estimate(PRICES, infusions=0)
    assert [line.label for line in found.lines] == ["Consultation, 60 minutes", "Review after the series"]
    assert found.total == Decimal("415.00")


def test_an_empty_price_list_gives_an_empty_estimate() -> None:
    found = estimate((), infusions=6)
    assert found.is_empty
    assert found.total == Decimal("0.00")
