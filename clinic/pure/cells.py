"""Cells of files that people open in a spreadsheet: no text in them is run as a formula."""

from __future__ import annotations

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins so for a formula and runs it."""


def safe_cell(text: str) -> str:
    """``text`` that no spreadsheet runs: an apostrophe before what would begin a formula.

    Source: OWASP, "CSV Injection".
    """
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_SIGNS) else text
