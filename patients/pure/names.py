"""Names and numbers as the search sees them: without accents, capitals and punctuation, cut into findable pieces.

A record is found through *keys*: small pieces of its names and numbers, each folded into one 32-bit integer, all of
them in one array with one inverted index (GIN). The database needs no extension for it, and integers compare the same
way on every server whatever its collation. A key only proposes a record; text decides, so that a collision costs time,
never a wrong hit.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, pairwise
from zlib import crc32

from anyascii import anyascii

APOSTROPHES = re.compile("['’‘ʼʻʹ`´＇′]")
NOT_A_LETTER = re.compile(r"[^a-z0-9]+")
GRAM = 3
"""Letters in a piece. Two would make pieces that many records have, four would not find "lim" inside "Olimpia"."""
ONE_EDIT_FROM = 4
TWO_EDITS_FROM = 8
"""Letters from which a word may be misspelt by one or two edits (a letter more, less, other, or two swapped)."""
TYPO_PREFIX = 8
"""Misspelling keys look at so many first letters; it bounds them to 37 a word however long the word is."""

WHOLE, START, INSIDE, MISSPELT = "=^*~"


@lru_cache(maxsize=50_000)
def normalise(text: str) -> str:
    """Plain small letters and digits, words apart by one space: "José O'Brien-Smith" -> "jose obrien smith"."""
    bare = unicodedata.normalize("NFKC", APOSTROPHES.sub("", text)).casefold()
    ascii_text = APOSTROPHES.sub("", anyascii(bare)).lower()
    return NOT_A_LETTER.sub(" ", ascii_text).strip()


def tokens(text: str) -> list[str]:
    """The words of ``text``, normalised, in their order."""
    return normalise(text).split()


def digits(text: str) -> str:
    """Only the digits: "+1 (415) 555-0123" -> "14155550123"."""
    return "".join(re.findall(r"[0-9]", unicodedata.normalize("NFKC", text)))


def grams(token: str) -> set[str]:
    """All pieces of three letters of ``token``."""
    return {token[at : at + GRAM] for at in range(len(token) - GRAM + 1)}


def starts(token: str) -> set[str]:
    """The first one, two and three letters of ``token``."""
    return {token[:length] for length in range(1, min(GRAM, len(token)) + 1)}


def edits_allowed(token: str) -> int:
    """How many edits still count as a misspelling of ``token``."""
    return 2 if len(token) >= TWO_EDITS_FROM else 1 if len(token) >= ONE_EDIT_FROM else 0


@lru_cache(maxsize=50_000)
def misspellings(token: str) -> frozenset[str]:
    """``token`` and what is left of its beginning when as many letters are taken out as edits are allowed.

    Two words within that many edits share at least one of these, so equality finds them: symmetric deletion.
    Source: W. Garbe, SymSpell, "1000x Faster Spelling Correction algorithm" (2012), with its prefix filtering.
    """
    beginning = token[:TYPO_PREFIX]
    found = {beginning}
    for removed in range(1, edits_allowed(token) + 1):
        kept = len(beginning) - removed
        found |= {"".join(letters) for letters in combinations(beginning, kept)}
    return frozenset(found)


def key(kind: str, piece: str) -> int:
    """``piece`` as a signed 32-bit integer, apart for each kind."""
    number = crc32(f"{kind}{piece}".encode())
    return number - (1 << 32) if number >= 1 << 31 else number


@lru_cache(maxsize=50_000)
def _name_keys(token: str, *, with_typos: bool) -> frozenset[int]:
    found = {key(WHOLE, token)}
    found |= {key(START, piece) for piece in starts(token)}
    found |= {key(INSIDE, piece) for piece in grams(token)}
    if with_typos and len(token) >= GRAM:
        found |= {key(MISSPELT, piece) for piece in misspellings(token)}
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class SearchColumns:
    """What a patient's row keeps for the search."""

    text: str  # " gomez jose eduardo joseeduardo | 10342 14155550123 "
    keys: list[int]


def search_columns(
    *, given_name: str, family_name: str, preferred_name: str, mrn: str, phones: Iterable[str]
) -> SearchColumns:
    """The derived columns of one patient.

    Its text holds the words (family name first, so that its beginning sorts), a bar, then MRN and telephone numbers;
    every word stands between spaces. Names of several words also appear in one piece, because people write "De la Cruz"
    both ways. ``phones`` are in E.164, with country code.
    """
    parts = [tokens(family_name), tokens(given_name), tokens(preferred_name)]
    words = list(dict.fromkeys(word for part in parts for word in part))
    joined = [word for word in dict.fromkeys("".join(part) for part in parts) if word and word not in words]
    number = normalise(mrn).replace(" ", "")
    calls = [call for call in dict.fromkeys(digits(phone) for phone in phones) if call]
    found: set[int] = set()
    for word in words:
        found |= _name_keys(word, with_typos=True)
    for word in joined:
        found |= _name_keys(word, with_typos=False)
    if number:
        found |= _name_keys(number, with_typos=False)
    for call in calls:
        found |= {key(WHOLE, call), *(key(INSIDE, piece) for piece in grams(call))}
    text = " ".join(["", *words, *joined, "|", *([number] if number else []), *calls, ""])
    return SearchColumns(text=text.replace("\x00", ""), keys=sorted(found))


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a shown text, and whether it is what was searched for."""

    text: str
    is_match: bool


def marked(text: str, words: Sequence[str]) -> list[Part]:
    """``text`` cut where normalised ``words`` occur, so that a page can mark them; joined it is unchanged.

    A word counts first where it begins a word of ``text``, and only where it begins none, inside one.
    """
    plain, origin = _aligned(text)
    hit = [False] * len(text)
    for word in words:
        for at in _places(plain, word):
            for place in range(origin[at], origin[at + len(word) - 1] + 1):
                hit[place] = True
    return list(_runs(text, hit))


def _aligned(text: str) -> tuple[str, list[int]]:
    """``text`` normalised letter by letter, and for each letter of that the position it came from."""
    letters: list[str] = []
    origin: list[int] = []
    for position, letter in enumerate(text):
        if APOSTROPHES.match(letter) or unicodedata.combining(letter):
            continue
        for plain in normalise(letter).replace(" ", "") or " ":
            letters.append(plain)
            origin.append(position)
    return "".join(letters), origin


def _places(plain: str, word: str) -> list[int]:
    if not word:
        return []
    everywhere = [match.start() for match in re.finditer(f"(?={re.escape(word)})", plain)]
    beginnings = [at for at in everywhere if at == 0 or plain[at - 1] == " "]
    return beginnings or everywhere


def _runs(text: str, hit: Sequence[bool]) -> Iterator[Part]:
    edges = [0, *(at for at in range(1, len(text)) if hit[at] != hit[at - 1]), len(text)]
    for begin, end in pairwise(edges):
        if begin < end:
            yield Part(text[begin:end], hit[begin])
