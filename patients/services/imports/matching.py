"""Which patient of the registry a row means, if any, and which row would make a likely duplicate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from zlib import crc32

from patients.models import DuplicateChoice, ExternalId, Patient, RefusalKind
from patients.pure.names import normalise
from patients.pure.people import Person
from patients.services.imports.job import Job, Note, Outcome
from patients.services.imports.sources import MADE, Row


@dataclass(slots=True)
class Changed:
    """A row whose source says something else than the last time."""

    line: int
    person: Person
    known: ExternalId


@dataclass(slots=True)
class Sorted:
    """One batch of rows, by what has to be done."""

    new: list[tuple[int, Person]] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)


@dataclass(slots=True)
class Matcher:
    """Sorts batches of rows of one file, and remembers which persons of the file have been before."""

    job: Job
    outcome: Outcome
    accepted: set[str] = field(default_factory=set)  # ids of rows that are in the registry now, or will be
    _lines_by_id: dict[int, int] = field(default_factory=dict)
    _lines_by_name: dict[int, int] = field(default_factory=dict)

    def sort(self, rows: Sequence[Row]) -> Sorted:
        """At most three queries for a batch: known ids, patients of changed rows, patients born on days of new ones."""
        good = [row for row in rows if self._stands_alone(row)]
        wanted = [row.person.external_id for row in good if row.person]
        known = {one.value: one for one in ExternalId.objects.filter(source=self.job.system, value__in=wanted)}
        found, new, differing = Sorted(), [], []
        for row in good:
            if row.person is None:
                continue
            before = known.get(row.person.external_id)
            if before is None:
                new.append((row.line, row.person))
            elif before.imported == row.person.said:
                self.outcome.unchanged += 1
                self.accepted.add(row.person.external_id)
            else:
                differing.append(Changed(row.line, row.person, before))
        found.changed = self._without_strangers(differing)
        found.new = self._without_duplicates(new)
        return found

    def _stands_alone(self, row: Row) -> bool:
        """The row is a person, and its id has not been in the file before."""
        if row.person is None:
            self.outcome.refused += 1
            for column, value, reason in row.problems:
                self.outcome.note(Note(row.line, column, value, reason))
            return False
        before = self._lines_by_id.setdefault(_number(row.person.external_id), row.line)
        if before == row.line:
            return True
        self.outcome.refused += 1
        column, value = self.job.column("external_id"), row.person.external_id
        reason = f"is the same id as in line {before}"
        if value.startswith(MADE):
            value = f"{row.person.values['given_name']} {row.person.values['family_name']}"
            reason = f"has the same name and birth date as line {before}; a column with ids tells two such people apart"
        self.outcome.note(Note(row.line, column, value, reason))
        return False

    def _without_strangers(self, differing: Sequence[Changed]) -> list[Changed]:
        """Rows whose name or birth date is still that of the patient who has the id.

        Where both are others, the id was given to another person, or the file is from another system.
        """
        patients = Patient.objects.defer("search_keys").in_bulk([one.known.patient_id for one in differing])
        kept = []
        for one in differing:
            patient = patients[one.known.patient_id]
            name = normalise(f"{patient.family_name} {patient.given_name}")
            if _name_of(one.person) == name or one.person.born == patient.birth_date:
                kept.append(one)
                self.accepted.add(one.person.external_id)
                continue
            self.outcome.refused += 1
            reason = (
                f"is the id of MRN {patient.mrn}, {patient.legal_name}, born {patient.birth_date.isoformat()}, but this"
                " row has another name and birth date. Is the file from another system? Then name that system."
            )
            self.outcome.note(Note(one.line, self.job.column("external_id"), one.person.external_id, reason))
        return kept

    def _without_duplicates(self, new: Sequence[tuple[int, Person]]) -> list[tuple[int, Person]]:
        """The new persons, less those of the same name and birth date as somebody known where these are left out."""
        theirs = _same_birth_dates({person.born for _, person in new})
        kept = []
        for line, person in new:
            name = _name_of(person)
            before = self._lines_by_name.setdefault(_number(f"{name}|{person.born.isoformat()}"), line)
            mrn = theirs.get((name, person.born), "")
            double = f"line {before} of this file" if before != line else f"MRN {mrn}" if mrn else ""
            if double:
                self._note_duplicate(line, person, double)
            if not double or self.job.duplicates == DuplicateChoice.IMPORT:
                kept.append((line, person))
                self.accepted.add(person.external_id)
        return kept

    def _note_duplicate(self, line: int, person: Person, double: str) -> None:
        done = "imported as a new patient" if self.job.duplicates == DuplicateChoice.IMPORT else "left out"
        self.outcome.likely_duplicates += 1
        self.outcome.note(
            Note(
                line,
                self.job.column("external_id"),
                f"{person.values['given_name']} {person.values['family_name']}",
                f"likely duplicate of {double}: same name and birth date; {done}",
                RefusalKind.DUPLICATE,
            )
        )


def _number(text: str) -> int:
    """A 64-bit number for a text, so that the memory of a file of 100,000 rows stays small."""
    data = text.encode()
    return crc32(data) << 32 | crc32(data[::-1])


def _name_of(person: Person) -> str:
    return normalise(f"{person.values['family_name']} {person.values['given_name']}")


def _same_birth_dates(days: set[date]) -> dict[tuple[str, date], str]:
    """Normalised name and birth date -> MRN, of the registry's patients born on these days."""
    rows = Patient.objects.current().filter(birth_date__in=days).order_by("-pk")
    return {
        (normalise(f"{family} {given}"), born): mrn
        for family, given, born, mrn in rows.values_list("family_name", "given_name", "birth_date", "mrn")
    }
