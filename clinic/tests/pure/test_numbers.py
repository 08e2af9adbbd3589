"""Numbers out of addresses and hidden fields."""

import pytest

from clinic.edge.numbers import number_in


@pytest.mark.parametrize(("text", "number"), [("7", 7), ("0", 0), ("007", 7), ("999999999", 999_999_999)])
def test_a_number_is_read(text: str, number: int) -> None:
    assert number_in(text) == number


@pytest.mark.parametrize("text", [None, "", "x", "-1", "1.5", "\u00b2", "1\x00", "9" * 10, "9" * 5000])
def test_anything_else_is_none(text: str | None) -> None:
    assert number_in(text) is None
