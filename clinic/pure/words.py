"""Marks words that a patient reads, in modules that know nothing of languages."""

from __future__ import annotations


def translatable(text: str) -> str:
    """``text`` itself: the catalogs of other languages have it, and whoever shows it asks for its translation."""
    return text
