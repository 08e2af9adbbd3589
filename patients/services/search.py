"""Finding a patient: by any part of a name in any order, MRN, telephone, birth date, with or without misspellings.

How it stays quick with 100,000 patients whatever is typed: the database proposes records through one inverted index of
integer keys (patients.pure.names), in *arms* from sure to loose (whole words, beginnings, anywhere), each stopped after
``SCANNED`` records; a later arm runs only while earlier ones have not filled the answer. Only when they find next to
nothing are misspellings tried. Ranking happens here, on the few records that came back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection
from rapidfuzz.distance import OSA
from rapidfuzz.fuzz import token_sort_ratio

from patients.models import Patient, PatientStatus
from patients.pure.lookups import Reading, readings
from patients.pure.names import GRAM, edits_allowed
from patients.services.duplicates import Similar, similar_patients
from patients.services.search_columns import rebuild_search, refresh_search
from patients.services.search_queries import FIELDS, Arm, Statement, misspelt_statement, sure_statement

__all__ = ["Hit", "Similar", "Why", "rebuild_search", "refresh_search", "search_patients", "similar_patients"]

ENOUGH = 5
"""With so many sure hits nobody has misspelt anything."""


@dataclass(frozen=True, slots=True)
class Why:
    """What in the record was found."""

    words: tuple[str, ...] = ()  # normalised words to mark in the name
    mrn: bool = False
    birth_date: bool = False
    phone: str = ""  # in E.164


@dataclass(frozen=True, slots=True)
class Hit:
    """One patient of the answer, loaded as far as FIELDS."""

    patient: Patient
    why: Why
    exact: bool  # False: found only by assuming a misspelling


@dataclass(frozen=True, slots=True)
class _Row:
    arm: Arm
    reading: Reading
    values: tuple[Any, ...]
    edits: int = 0

    def __getitem__(self, field: str) -> Any:  # noqa: ANN401 (a column has its own type)
        return self.values[FIELDS.index(field)]


def search_patients(text: str, *, today: date, limit: int = 20) -> list[Hit]:
    """The patients whom ``text`` may mean, the likeliest first; those inactive or deceased after all others.

    One query, and a second one when that finds next to nothing. Merged records are left out. ``today`` is for reading
    birth dates (patients.pure.lookups).
    """
    meant = readings(text, today=today)
    if not meant:
        return []
    rows = _fetch(sure_statement(meant, limit), meant)
    if len(rows) < ENOUGH:
        known = {row["id"] for row in rows}
        rows += [row for row in _misspelt(meant) if row["id"] not in known]
    best: dict[int, _Row] = {}
    for row in sorted(rows, key=_rank):
        best.setdefault(row["id"], row)
    return [_hit(row) for row in list(best.values())[:limit]]


def _fetch(statement: Statement, meant: Sequence[Reading]) -> list[_Row]:
    with connection.cursor() as cursor:
        cursor.execute(*statement)
        return [_Row(Arm(arm), meant[number], tuple(values)) for arm, number, *values in cursor.fetchall()]


def _misspelt(meant: Sequence[Reading]) -> list[_Row]:
    """Records in which every word occurs, at least one of them with as many edits as its length allows."""
    statement = misspelt_statement(meant)
    if statement is None:
        return []
    distances: dict[tuple[str, str], int | None] = {}
    rows = ((row, _edits(row, distances)) for row in _fetch(statement, meant))
    return [_Row(row.arm, row.reading, row.values, edits) for row, edits in rows if edits is not None]


def _edits(row: _Row, distances: dict[tuple[str, str], int | None]) -> int | None:
    """How many edits lie between what was typed and this record; None when a word is too far from all of its words."""
    total = 0
    for word in row.reading.words:
        nearest: int | None = None
        for name in row["search_name"].partition("|")[0].split():
            pair = (word, name)
            if pair not in distances:
                distances[pair] = _distance(word, name)
            distance = distances[pair]
            if distance is not None and (nearest is None or distance < nearest):
                nearest = distance
        if nearest is None:
            return None
        total += nearest
    return total


def _distance(word: str, name: str) -> int | None:
    if name.startswith(word):
        return 0
    allowed = edits_allowed(word)
    distance = OSA.distance(word, name, score_cutoff=allowed)
    return distance if distance <= allowed else None


def _rank(row: _Row) -> tuple[Any, ...]:
    typed = " ".join(row.reading.words)
    name = row["search_name"].partition("|")[0].strip()
    likeness = token_sort_ratio(typed, name) if len(typed) >= GRAM else 0
    is_last = row["status"] != PatientStatus.ACTIVE
    return (row.arm is Arm.MISSPELT, is_last, row.edits, _coarse(row.arm), -likeness, name, row["id"])


def _coarse(arm: Arm) -> Arm:
    """Two arms are equally sure: a given name that begins with the word counts like a family name that does."""
    return Arm.BEGINS if arm is Arm.OPENS else arm


def _hit(row: _Row) -> Hit:
    patient = Patient.from_db(connection.alias, FIELDS, row.values)
    words, number, calls = row.reading.words, row["mrn"].casefold(), row["search_name"].partition("|")[2].split()[1:]
    if row.arm is Arm.MISSPELT:
        words = tuple(name for word in words for name in _nearest_names(word, row["search_name"]))
    phones = [call for call in calls if any(typed in call for typed in row.reading.numbers)]
    is_mrn = any(typed in number for typed in (*row.reading.numbers, *row.reading.words))
    return Hit(
        patient=patient,
        why=Why(
            words=words,
            mrn=is_mrn,
            birth_date=bool(row.reading.born),
            phone=f"+{phones[0]}" if phones and not is_mrn else "",
        ),
        exact=row.arm is not Arm.MISSPELT,
    )


def _nearest_names(word: str, search_name: str) -> list[str]:
    """The words of the name that ``word`` stood for."""
    near = [
        (distance, name)
        for name in search_name.partition("|")[0].split()
        if (distance := _distance(word, name)) is not None
    ]
    return [word if min(near)[0] == 0 else min(near)[1]] if near else []
