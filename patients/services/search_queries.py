"""The SQL behind the search. An *arm* is one way in which a record may be meant, from sure to loose."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from patients.pure.lookups import Reading
from patients.pure.names import GRAM, INSIDE, MISSPELT, START, WHOLE, edits_allowed, grams, key, misspellings

PROPOSED = 4000
"""Records that the keys of one arm may propose before the text decides. Text turns down few of them, so that only what
more patients share than fit into any answer is cut short."""
SCANNED = 1500
"""Records that one arm sorts."""
SHARING = 200
"""Records looked at for each way in which a single word may be misspelt, and how many of all these are judged."""
FIELDS = (
    *("id", "mrn", "given_name", "family_name", "preferred_name", "pronouns", "birth_date"),
    *("status", "deceased_on", "search_name"),
)
COLUMNS = ", ".join(FIELDS)


class Arm(IntEnum):
    """How surely a record is meant; the order of the answer."""

    WHOLE = 0  # every word typed is a whole word of the name
    OPENS = 1  # the family name begins with the one word typed
    BEGINS = 2  # every word typed begins a word of the name
    ANYWHERE = 3
    MISSPELT = 4


Statement = tuple[str, list[Any]]
"""SQL with placeholders, and what stands in them."""


def sure_statement(meant: Sequence[Reading], limit: int) -> Statement:
    """Arm, number of the reading and FIELDS of records in which everything typed occurs, surer ones first.

    At most ``limit`` for each reading. Without an ORDER BY the arms run one after the other and stop when that is full.
    """
    selects: list[Statement] = []
    for arm in (Arm.WHOLE, Arm.OPENS, Arm.BEGINS, Arm.ANYWHERE):
        for number, reading in enumerate(meant):
            select = _opening(reading, number, limit) if arm is Arm.OPENS else _select(arm, reading, number, limit)
            selects += [select] if select else []
    sql, params = _union(selects)
    return f"{sql} LIMIT {limit * len(meant)}", params


def misspelt_statement(meant: Sequence[Reading]) -> Statement | None:
    """The same for records that share a misspelling key with every word long enough; None when no word is."""
    selects = [
        (f"(SELECT {Arm.MISSPELT.value}, {number}, {COLUMNS} FROM ({source}) AS near)", values)  # noqa: S608
        for number, reading in enumerate(meant)
        if any(edits_allowed(word) for word in reading.words)
        for source, values in [_near(reading)]
    ]
    return _union(selects) if selects else None


def _union(selects: Sequence[Statement]) -> Statement:
    return " UNION ALL ".join(sql for sql, _ in selects), [value for _, values in selects for value in values]


def _select(arm: Arm, reading: Reading, number: int, limit: int) -> Statement | None:
    """At most ``limit`` records in which all of ``reading`` occurs as ``arm`` says, and not more surely.

    Active ones come first. None when the arm cannot add any record. The inner LIMIT keeps the planner from trading the
    keys for the text.
    """
    terms = _terms(reading)
    if not terms and arm is not Arm.WHOLE:
        return None
    if arm is Arm.ANYWHERE and all(len(term) < GRAM for term, _ in terms):
        return None
    keys = sorted({piece for term, _ in terms for piece in _keys(term, arm)})
    proposed, values = _all_of(
        ("merged_into_id IS NULL", []), ("search_keys @> %s::integer[]", [keys]) if keys else None, _born(reading)
    )
    texts = [("search_name LIKE %s", [_pattern(term, arm, is_number=is_number)]) for term, is_number in terms]
    if arm is not Arm.WHOLE:
        surer = Arm.WHOLE if arm is Arm.BEGINS else Arm.BEGINS
        patterns = [_pattern(term, surer, is_number=is_number) for term, is_number in terms]
        texts.append((f"NOT ({' AND '.join(['search_name LIKE %s'] * len(terms))})", patterns))
    decided, more = _all_of(("TRUE", []), *texts)
    sql = (
        f"(SELECT {arm.value}, {number}, {COLUMNS} FROM (SELECT * FROM"  # noqa: S608 (only words of this module)
        f" (SELECT {COLUMNS} FROM patients_patient WHERE {proposed} LIMIT {PROPOSED}) AS proposed"
        f" WHERE {decided} LIMIT {SCANNED}) AS found ORDER BY status <> 'active', search_name LIMIT {limit})"
    )
    return sql, values + more


def _opening(reading: Reading, number: int, limit: int) -> Statement | None:
    """Family names that begin with the one word typed, read in their order from the index on the name."""
    if len(reading.words) != 1 or reading.numbers or reading.born:
        return None
    word = reading.words[0]
    sql = (
        f"(SELECT {Arm.OPENS.value}, {number}, {COLUMNS} FROM patients_patient"  # noqa: S608
        " WHERE merged_into_id IS NULL AND status = 'active' AND search_name LIKE %s AND search_name NOT LIKE %s"
        f" ORDER BY search_name LIMIT {limit})"
    )
    return sql, [f" {word}%", f"% {word} %"]


def _terms(reading: Reading) -> list[tuple[str, bool]]:
    """The words and numbers of a reading, and whether each is a number."""
    return [*((word, False) for word in reading.words), *((number, True) for number in reading.numbers)]


def _all_of(*clauses: Statement | None) -> Statement:
    """The clauses joined by AND, their parameters in one list."""
    given = [clause for clause in clauses if clause]
    return " AND ".join(sql for sql, _ in given), [value for _, values in given for value in values]


def _keys(term: str, arm: Arm) -> set[int]:
    """The keys that every record has in which ``term`` occurs as ``arm`` says."""
    if arm is Arm.WHOLE:
        return {key(WHOLE, term)}
    inside = {key(INSIDE, piece) for piece in grams(term)}
    if arm is Arm.BEGINS or len(term) < GRAM:
        return inside | {key(START, term[:GRAM])}
    return inside


def _pattern(term: str, arm: Arm, *, is_number: bool) -> str:
    """How ``term`` occurs in the text: a number begins only at the MRN, since nobody types a country code alone."""
    if arm is Arm.WHOLE:
        return f"% {term} %"
    if arm is Arm.BEGINS or len(term) < GRAM:
        return f"%| {term}%" if is_number else f"% {term}%"
    return f"%{term}%"


def _born(reading: Reading) -> Statement | None:
    """Born on one of the days that the reading allows."""
    if not reading.born:
        return None
    days = [day for span in reading.born for day in (span.first, span.last)]
    return f"({' OR '.join(['birth_date BETWEEN %s AND %s'] * len(reading.born))})", days


def _near(reading: Reading) -> Statement:
    """Records that share a misspelling key with every word that may be misspelt.

    A single word is looked up key by key: the planner overrates how many records have one of 37 keys and would read the
    whole table. Several words are so few together that it does not.
    """
    others = [_near_word(word, alone=len(reading.words) == 1) for word in reading.words]
    others += [("search_name LIKE %s", [_pattern(number, Arm.ANYWHERE, is_number=True)]) for number in reading.numbers]
    if len(reading.words) > 1:
        where, values = _all_of(("merged_into_id IS NULL", []), *others, _born(reading))
        return f"SELECT {COLUMNS} FROM patients_patient WHERE {where} LIMIT {SCANNED}", values  # noqa: S608
    where, values = _all_of(("merged_into_id IS NULL", []), *others[1:], _born(reading))
    sql = (
        f"SELECT {COLUMNS} FROM patients_patient WHERE id IN ("  # noqa: S608
        "SELECT one.id FROM unnest(%s::integer[]) AS near (piece), LATERAL ("
        f"SELECT id FROM patients_patient WHERE search_keys @> ARRAY[near.piece] AND {where} LIMIT {SHARING}) AS one"
        f" GROUP BY one.id ORDER BY count(*) DESC LIMIT {SHARING})"
    )
    return sql, [sorted(key(MISSPELT, piece) for piece in misspellings(reading.words[0])), *values]


def _near_word(word: str, *, alone: bool) -> Statement:
    if not edits_allowed(word):
        return "search_keys @> %s::integer[]", [[key(START, word[:GRAM])]]
    keys = {key(MISSPELT, piece) for piece in misspellings(word)}
    if not alone:  # beside a misspelt word, another may be typed only halfway
        keys.add(key(START, word[:GRAM]))
    return "search_keys && %s::integer[]", [sorted(keys)]
