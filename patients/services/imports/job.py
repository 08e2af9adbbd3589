"""What an import is asked to do, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from patients.models import DateOrder, DuplicateChoice, ImportSource, RefusalKind

SYNTHEA_MAPPING = {
    "external_id": "Id",
    "given_name": "FIRST",
    "family_name": "LAST",
    "birth_date": "BIRTHDATE",
    "deceased_on": "DEATHDATE",
    "sex": "GENDER",
    "address": "ADDRESS",
    "city": "CITY",
    "region": "STATE",
    "postal_code": "ZIP",
}
NOTES_KEPT = 10_000
"""Refused rows that are listed one by one; the rest is counted. More are one mistake in the file, not thousands."""


@dataclass(frozen=True, slots=True)
class Job:
    """One file and how it is to be read."""

    path: Path
    source: ImportSource
    mapping: Mapping[str, str]
    today: date
    conditions: Path | None = None
    allergies: Path | None = None
    encoding: str = ""
    delimiter: str = ""
    date_order: DateOrder = DateOrder.MONTH_FIRST
    id_system: str = ""
    duplicates: DuplicateChoice = DuplicateChoice.SKIP
    good_rows_only: bool = False
    is_dry_run: bool = False

    def column(self, name: str) -> str:
        """The column of the file that stands for one of our names."""
        return self.mapping.get(name, "")

    @property
    def system(self) -> str:
        """Whose ids these are."""
        return "synthea" if self.source == ImportSource.SYNTHEA else self.id_system or "generic"


@dataclass(frozen=True, slots=True)
class Note:
    """A row that was refused, or left out or doubted as a likely duplicate."""

    line: int
    column: str
    value: str
    reason: str
    kind: RefusalKind = RefusalKind.REFUSED
    file_name: str = ""


@dataclass(slots=True)
class Outcome:
    """Counts of rows; `notes` holds the first NOTES_KEPT reasons."""

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    likely_duplicates: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def note(self, note: Note) -> None:
        if len(self.notes) < NOTES_KEPT:
            self.notes.append(note)
