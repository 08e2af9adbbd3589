"""The language in which a patient is spoken to: one we have a catalog of, else English."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.utils import translation

from patients.adapters.languages import ENGLISH, known, languages, own_names

__all__ = ["ENGLISH", "known", "languages", "own_names", "speaking"]


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Inside, words, days and clocks are in that language. ``code`` may be anything ("es-MX", "tlh", "")."""
    with translation.override(known(code)):
        yield
