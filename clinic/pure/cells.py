"""Cells of files that people open in a spreadsheet: no text in them is run as a formula."""

from __future__ import annotations

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""A spreadsheet takes a cell that begins so for a formula and runs it; the last four are the signs in full width."""


def safe_cell(text: str) -> str:
    """``text`` that no spreadsheet runs: an apostrophe before what would begin a formula.

    Source: OWASP, "CSV Injection".
    """
    return f"'{text}" if text.startswith(FORMULA_SIGNS) or text.lstrip().startswith(FORMULA_SIGNS) else text
