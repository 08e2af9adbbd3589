"""Synthea's conditions.csv and allergies.csv: what its patients had and have, with SNOMED CT codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from patients.adapters.tables import Record, UnreadableFileError, look, records
from patients.models import Allergy, ExternalId, Problem
from patients.models.background import CodeSystem
from patients.pure.people import Reader
from patients.services.imports.bulk import batches, copy_rows, update_rows
from patients.services.imports.job import Job, Note, Outcome

COLUMNS = ("START", "STOP", "PATIENT", "CODE", "DESCRIPTION")
BATCH = 5000
LONGEST = {"CODE": 32, "DESCRIPTION": 200}


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: a coded fact about a patient that began and perhaps ended."""

    line: int
    patient: str  # Synthea's id
    code: str
    description: str
    started_on: date
    ended_on: date | None


@dataclass(slots=True)
class ClinicalFile:
    """One of the two files. `accepted` are the ids of the patients' file whose rows are good."""

    job: Job
    path: Path
    model: type[Problem | Allergy]
    accepted: set[str]
    outcome: Outcome

    @property
    def counts(self) -> Counter[str]:
        return self.outcome.counts.setdefault(str(self.model._meta.verbose_name_plural), Counter())

    def read(self) -> None:
        """Every row is in the registry (or counted, in a dry run); what was there before is not added again.

        Raises:
            UnreadableFileError: when it is no table or columns are missing.
        """
        try:
            self._read()
        except UnreadableFileError as problem:
            raise UnreadableFileError(f"{self.path.name}: {problem}") from None

    def _read(self) -> None:
        shape = look(self.path)
        for name in COLUMNS:
            if name not in shape.columns:
                raise UnreadableFileError(f"The column “{name}” is missing.", line=shape.header_line)
        places = {name: shape.columns.index(name) for name in COLUMNS}
        for batch in batches(records(self.path, shape), BATCH):
            self._take([entry for record in batch if (entry := self._entry(record, places))])

    def _entry(self, record: Record, places: dict[str, int]) -> Entry | None:
        """The row as an entry; None when something is wrong with it, which then is noted."""
        if record.problem:
            self._refuse(record.line, "", "", record.problem)
            return None
        reader = Reader()
        cells = {name: reader.text(name, record.values[place]) for name, place in places.items()}
        for name, longest in LONGEST.items():
            if not cells[name]:
                reader.refuse(name, "", "is empty")
            elif len(cells[name]) > longest:
                reader.refuse(name, cells[name], f"is longer than {longest} characters")
        if not cells["START"]:
            reader.refuse("START", "", "is empty")
        started_on, ended_on = reader.day("START", cells["START"]), reader.day("STOP", cells["STOP"])
        if started_on and ended_on and ended_on < started_on:
            reader.refuse("STOP", cells["STOP"], f"is before the start, {started_on}")
        if reader.problems or started_on is None:
            first = reader.problems[0]
            self._refuse(record.line, first.target, first.value, first.reason)
            return None
        return Entry(record.line, cells["PATIENT"], cells["CODE"], cells["DESCRIPTION"], started_on, ended_on)

    def _refuse(self, line: int, column: str, value: str, reason: str) -> None:
        self.outcome.refused += 1
        self.counts["refused"] += 1
        self.outcome.note(Note(line, column, value[:200], reason, file_name=self.path.name))

    def _take(self, entries: Sequence[Entry]) -> None:
        wanted = {entry.patient for entry in entries}
        known = dict(
            ExternalId.objects.filter(source=self.job.system, value__in=wanted).values_list("value", "patient_id")
        )
        there = self._there(list(known.values()))
        new: dict[tuple[str, str, date], dict[str, Any]] = {}
        ended: list[dict[str, Any]] = []
        for entry in entries:
            if entry.patient not in known and entry.patient not in self.accepted:
                self._refuse(entry.line, "PATIENT", entry.patient, "is the id of no patient who was imported")
                continue
            patient_id = known.get(entry.patient)
            before = there.get((patient_id, entry.code, entry.started_on)) if patient_id else None
            if before is None:
                place = (entry.patient, entry.code, entry.started_on)
                self.counts["unchanged" if place in new else "created"] += 1
                new[place] = self._row(entry, patient_id)
            elif entry.ended_on and before[1] is None:
                self.counts["updated"] += 1
                ended.append({"id": before[0], "ended_on": entry.ended_on})
            else:
                self.counts["unchanged"] += 1
        if not self.job.is_dry_run:
            copy_rows(self.model, [row for row in new.values() if row["patient_id"]])
            update_rows(self.model, ended, ["ended_on"])

    def _there(self, patient_ids: Sequence[int]) -> dict[tuple[int, str, date | None], tuple[int, date | None]]:
        """Patient, code, start -> id, end of what the registry holds. An end that the clinic wrote stays."""
        rows = self.model.objects.filter(patient_id__in=patient_ids, code_system=CodeSystem.SNOMED)
        return {
            (patient_id, code, started_on): (pk, ended_on)
            for patient_id, code, started_on, pk, ended_on in rows.values_list(
                "patient_id", "code", "started_on", "pk", "ended_on"
            )
        }

    def _row(self, entry: Entry, patient_id: int | None) -> dict[str, Any]:
        return {
            "patient_id": patient_id,
            "code_system": CodeSystem.SNOMED.value,
            "code": entry.code,
            "description": entry.description,
            "started_on": entry.started_on,
            "ended_on": entry.ended_on,
        }


def read_clinical(job: Job, accepted: set[str], outcome: Outcome) -> None:
    """The conditions are problems and the allergies allergies of their patients, as far as the job has such files."""
    if job.conditions:
        ClinicalFile(job, job.conditions, Problem, accepted, outcome).read()
    if job.allergies:
        ClinicalFile(job, job.allergies, Allergy, accepted, outcome).read()
