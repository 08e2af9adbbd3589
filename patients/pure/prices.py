"""What a planned series would cost: plain sums over the clinic's price list, to the cent.

Source: clinical.md A 105, 106 (cover varies, the cost is told openly).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

CENT = Decimal("0.01")


class PriceUse(StrEnum):
    """When a price is due. The same words as ``patients.models.PriceKind``."""

    CONSULTATION = "consultation"
    INFUSION = "infusion"
    SERIES = "series"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Price:
    """One line of the price list."""

    use: PriceUse
    label: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class EstimateLine:
    """One line of the estimate: so many of it, each, together."""

    label: str
    count: int
    each: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class Estimate:
    """The lines and their sum, in one currency."""

    lines: tuple[EstimateLine, ...]
    total: Decimal
    infusions: int

    @property
    def is_empty(self) -> bool:
        return not self.lines


def estimate(prices: Iterable[Price], *, infusions: int) -> Estimate:
    """Consultation + ``infusions`` × each infusion + what is due once a series; "other" prices are left out.

    Args:
        prices: in the order in which they are shown.
        infusions: how many the series has, at least 0.
    """
    counts = {PriceUse.CONSULTATION: 1, PriceUse.INFUSION: infusions, PriceUse.SERIES: 1, PriceUse.OTHER: 0}
    lines = tuple(
        EstimateLine(price.label, counts[price.use], _cents(price.amount), _cents(price.amount * counts[price.use]))
        for price in prices
        if counts[price.use]
    )
    return Estimate(lines, sum((line.total for line in lines), Decimal("0.00")), infusions)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def money(amount: Decimal, currency: str) -> str:
    """An amount as people write it: "$3,295.00", or "3,295.00 CHF" where the sign is not known."""
    sign = {"USD": "$", "EUR": "€", "GBP": "£"}.get(currency)
    return f"{sign}{amount:,.2f}" if sign else f"{amount:,.2f} {currency}".strip()
