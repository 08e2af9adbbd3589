"""The bench refuses a page that needs more statements than the ledger allows, on its own large data, too."""

from __future__ import annotations

from typing import Any

import pytest

from bench.run import refuse_what_breaks_the_ledger


def measured(**changed: Any) -> dict[str, Any]:
    figure = {"name": "Today", "queries": 12, "bar_queries": 12, "is_right": True, "result": "90 kB"} | changed
    free = {"name": "a sweep", "queries": 134, "bar_queries": None, "is_right": True, "result": ""}
    return {"measured": {"pages": {"title": "Pages", "figures": [free, figure]}}}


def test_twelve_statements_pass_and_a_thirteenth_is_named() -> None:
    assert refuse_what_breaks_the_ledger(measured()) is None  # type: ignore[func-returns-value]
    with pytest.raises(SystemExit, match="Today: 13 statements, at most 12 are allowed"):
        refuse_what_breaks_the_ledger(measured(queries=13))


def test_a_page_that_answers_wrongly_is_named() -> None:
    with pytest.raises(SystemExit, match="Today: answers 500"):
        refuse_what_breaks_the_ledger(measured(is_right=False, result="answers 500"))
