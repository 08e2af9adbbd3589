"""One file into the registry, as a whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import connection

from clinic.models import User
from clinic.services.recorded import recorded
from patients.services.imports.bulk import batches
from patients.services.imports.clinical import read_clinical
from patients.services.imports.job import Job, Outcome
from patients.services.imports.matching import Matcher
from patients.services.imports.sources import open_patients, read_rows
from patients.services.imports.writing import create_patients, update_patients
from patients.services.search_columns import settle_index

BATCH = 2000
MANY = 1000
"""So many new rows change what the planner should know about the tables."""
ONE_AT_A_TIME = 7_421_001
"""The advisory lock of imports: two at once would not see each other's patients, and so not their duplicates."""

Progress = Callable[[int], None]


class ImportRefusedError(Exception):
    """Rows were refused, so nothing was saved; `outcome` says which and why."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        rows = "1 row was" if outcome.refused == 1 else f"{outcome.refused} rows were"
        super().__init__(f"{rows} refused; nothing was saved.")


class AnotherImportError(Exception):
    """Another import is writing just now."""


def import_people(job: Job, *, by: User | None, now: datetime, progress: Progress = lambda _: None) -> Outcome:
    """The file's patients are in the registry; in a dry run nothing is written and the outcome says what would be.

    One transaction: a reader sees all of it or nothing, and so does whoever looks after the machine broke down.

    Raises:
        UnreadableFileError: when a file is no table or columns are missing.
        ImportRefusedError: when rows were refused and the job is not to import the good ones alone. Nothing was saved.
        AnotherImportError: while another import is writing.
    """
    outcome = Outcome()
    if job.is_dry_run:
        _read(job, outcome, now, progress)
        return outcome
    with recorded(by=by, now=now):
        if not _only_import():
            raise AnotherImportError
        _read(job, outcome, now, progress)
        if outcome.refused and not job.good_rows_only:
            raise ImportRefusedError(outcome)
        settle_index()
    if outcome.created + outcome.updated >= MANY:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE patients_patient, patients_phone, patients_externalid")
    return outcome


def _read(job: Job, outcome: Outcome, now: datetime, progress: Progress) -> None:
    shape = open_patients(job)
    matcher = Matcher(job, outcome)
    for rows in batches(read_rows(job, shape), BATCH):
        outcome.read += len(rows)
        found = matcher.sort(rows)
        outcome.created += len(found.new)
        # After a refusal nothing will be kept, but the other mistakes of the file are worth knowing.
        is_writing = not job.is_dry_run and (job.good_rows_only or not outcome.refused)
        if is_writing:
            create_patients(job, found.new, now=now)
        if is_writing or job.is_dry_run:
            update_patients(job, found.changed, outcome, now=now)
        progress(outcome.read)
    read_clinical(job, matcher.accepted, outcome)


def _only_import() -> bool:
    """No other import is writing, and none can begin until this transaction ends."""
    with connection.cursor() as cursor:
        # Measured with this size; and, being no SELECT, the statement that gives COPY its author in the history.
        cursor.execute("SET LOCAL gin_pending_list_limit = '4MB'")
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
        return bool(cursor.fetchone()[0])
