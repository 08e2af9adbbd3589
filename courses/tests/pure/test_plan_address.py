"""A plan survives the address of a page, and an address that is none is refused."""

from __future__ import annotations

from datetime import date

import pytest

from courses.planning.types import Placed
from courses.services.plan_address import decode, encode

THIRD = Placed(3, date(2027, 1, 15), 9 * 60 + 30, 12, 7, 9)


def test_an_infusion_reads_number_day_start_and_people() -> None:
    assert encode(THIRD) == "3.20270115.0930.12.7.9"
    assert encode(Placed(1, date(2027, 1, 11), 600, 12, 7)) == "1.20270111.1000.12.7.0"


def test_a_plan_comes_back_in_order() -> None:
    first = Placed(1, date(2027, 1, 11), 600, 12, 7)
    assert decode([encode(THIRD), encode(first)]) == (first, THIRD)


def test_an_infusion_without_a_start_has_no_text() -> None:
    with pytest.raises(ValueError, match="infusion 3 has no start"):
        encode(Placed(3, date(2027, 1, 15)))


@pytest.mark.parametrize(
    "texts",
    [
        ["3.20270115.0930.12.7"],
        ["3.20270230.0930.12.7.9"],  # no such day
        ["3.20270115.2460.12.7.9"],  # no such time
        ["3.20270115.0930.12.7.-9"],
        ["3.20270115.0930.12.7.9", "3.20270116.0930.12.7.9"],
        [""],
    ],
)
def test_anything_else_is_refused(texts: list[str]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (any of the reasons)
        decode(texts)
