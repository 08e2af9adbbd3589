"""Shares, medians and counts as figures: with numerator, denominator and interval, or with why nothing is said.

Source: Wilson's score interval at 95 % [D: clinical.md F names no interval; it holds at small n and near 0 and 100 %].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from statistics import median, quantiles

from scipy.stats import binomtest

from courses.pure.reports.contents import LEAST, Figure, Missing, Reference, Unit

HUNDRED = Decimal(100)
PLACES = Decimal("0.000001")


def wilson(n: int, of: int) -> tuple[Decimal, Decimal]:
    """The 95 % interval of ``n`` out of ``of``, in percent."""
    found = binomtest(n, of).proportion_ci(confidence_level=0.95, method="wilson")
    return percent_of(found.low), percent_of(found.high)


def share(n: int, of: int) -> Decimal:
    """Percent, unrounded."""
    return Decimal(n) / Decimal(of) * HUNDRED


def percent_of(proportion: float) -> Decimal:
    """A proportion of a library as percent with six places: more would be the machine's, not the data's."""
    return (Decimal(str(float(proportion))) * HUNDRED).quantize(PLACES)


def rate(  # noqa: PLR0913 (everything a figure says)
    *,
    key: str,
    title: str,
    definition: str,
    source: str,
    n: int,
    of: int,
    missing: Sequence[Missing] = (),
    references: Sequence[Reference] = (),
    has_list: bool = True,
    words: str = "",
) -> Figure:
    """``n`` of ``of`` as percent with its Wilson interval; of fewer than ``LEAST`` only that they are few."""
    left_out = tuple(one for one in missing if one.n)
    is_few = of < LEAST
    low, high = (None, None) if is_few else wilson(n, of)
    return Figure(
        key=key,
        title=title,
        definition=definition,
        source=source,
        unit=Unit.PERCENT,
        value=None if is_few else share(n, of),
        numerator=None if is_few else n,
        denominator=of,
        low=low,
        high=high,
        missing=left_out,
        references=tuple(references),
        is_few=is_few,
        has_list=has_list,
        words=few_words(of) if is_few else words,
    )


def few_words(of: int) -> str:
    return f"n = {of}: too few to give a share" if of else "Nothing to count yet"


@dataclass(frozen=True, slots=True)
class Quartiles:
    """The middle of ``n`` values and where their inner half lies; reckoned here or by the database alike."""

    n: int
    low: Decimal | None = None
    middle: Decimal | None = None
    high: Decimal | None = None

    @classmethod
    def of(cls, values: Sequence[Decimal | int]) -> Quartiles:
        """As PostgreSQL's ``percentile_cont``: between two values the line between them counts."""
        ordered = sorted(Decimal(one) for one in values)
        if not ordered:
            return cls(0)
        if len(ordered) == 1:
            return cls(1, ordered[0], ordered[0], ordered[0])
        low, _, high = quantiles(ordered, n=4, method="inclusive")
        return cls(len(ordered), low, median(ordered), high)


def median_figure(  # noqa: PLR0913 (everything a figure says)
    *,
    key: str,
    title: str,
    definition: str,
    source: str,
    unit: Unit,
    spread: Quartiles,
    missing: Sequence[Missing] = (),
    references: Sequence[Reference] = (),
    has_list: bool = True,
    words: str = "",
) -> Figure:
    """The median, with the quartiles in words; of fewer than ``LEAST`` values only that they are few."""
    is_few = spread.n < LEAST or spread.middle is None
    said = few_median(spread.n) if is_few else ", ".join(part for part in (quartile_words(spread, unit), words) if part)
    return Figure(
        key=key,
        title=title,
        definition=definition,
        source=source,
        unit=unit,
        value=None if is_few else spread.middle,
        denominator=spread.n,
        missing=tuple(one for one in missing if one.n),
        references=tuple(references),
        is_few=is_few,
        has_list=has_list,
        words=said,
    )


def few_median(n: int) -> str:
    return f"n = {n}: too few for a median" if n else "Nothing to count yet"


def quartile_words(spread: Quartiles, unit: Unit) -> str:
    """Where the inner half lies: "half of them between 3 and 7 days"."""
    if spread.low is None or spread.high is None:
        return ""
    return f"half of them between {rounded(spread.low)} and {rounded(spread.high)} {unit}".rstrip()


def count_figure(  # noqa: PLR0913 (everything a figure says)
    *,
    key: str,
    title: str,
    definition: str,
    source: str,
    n: int,
    unit: Unit = Unit.COUNT,
    missing: Sequence[Missing] = (),
    references: Sequence[Reference] = (),
    has_list: bool = True,
    words: str = "",
) -> Figure:
    """A plain number: how many there are is said however few."""
    return Figure(
        key=key,
        title=title,
        definition=definition,
        source=source,
        unit=unit,
        value=Decimal(n),
        missing=tuple(one for one in missing if one.n),
        references=tuple(references),
        has_list=has_list,
        words=words,
    )


def rounded(value: Decimal, places: int = 1) -> str:
    """As pages write it, half-up, without zeros at the end: 64.7, 18."""
    step = Decimal(1).scaleb(-places)
    said = f"{value.quantize(step, rounding=ROUND_HALF_UP):f}"
    return said.rstrip("0").rstrip(".") if "." in said else said


def percent_words(value: Decimal) -> str:
    """A share with one decimal always, so that columns line up: "64.7 %", "50.0 %"."""
    return f"{value.quantize(Decimal('0.1'), rounding=ROUND_HALF_UP)} %"
