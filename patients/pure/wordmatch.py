"""Recognising whole words in what people write: accents, case, hyphens and apostrophes do not matter."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_APOSTROPHES = str.maketrans("", "", "'’‘`´")
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")


def plain(text: str) -> str:
    """Small letters and digits, single spaces between words: "St. John’s-wort" gives "st johns wort"."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_APOSTROPHES))
    bare = "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    return _NOT_A_WORD.sub(" ", bare.casefold()).strip()


def any_of(phrases: Iterable[str]) -> re.Pattern[str]:
    """A pattern that finds one of the phrases as whole words in text that went through `plain`; longest first.

    Without any phrase it finds nothing.
    """
    known = sorted({plain(phrase) for phrase in phrases} - {""}, key=lambda phrase: (-len(phrase), phrase))
    if not known:
        return re.compile(r"(?!)")
    return re.compile(rf"(?<![a-z0-9])(?:{'|'.join(map(re.escape, known))})(?![a-z0-9])")
