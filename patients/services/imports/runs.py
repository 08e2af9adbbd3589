"""The life of an import: a file comes, is looked at, checked, imported; or is refused, or its worker dies."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.cache import cache
from django.core.files.uploadedfile import UploadedFile
from django.db import connection, transaction

from clinic.models import Location, User
from clinic.services.jobs import JobNotSentError, enqueue
from patients.adapters.tables import Record, Shape, UnreadableFileError, estimated_rows, look, records
from patients.models import DateOrder, DuplicateChoice, ImportRefusal, ImportRun, ImportSource, ImportState
from patients.pure.columns import guess_mapping
from patients.pure.people import told_order
from patients.services.imports.job import NOTES_KEPT, SYNTHEA_MAPPING, Job, Note, Outcome
from patients.services.imports.perform import AnotherImportError, ImportRefusedError, import_people

logger = logging.getLogger(__name__)

ALIVE = 7_421_002
"""Class of the advisory locks that a worker holds while it works on a run; they go when it dies."""
LOOKED_AT = 2000
"""Rows whose dates are looked at to tell in which order day and month stand."""
MAY_START = (ImportState.UPLOADED, ImportState.CHECKED, ImportState.REFUSED, ImportState.FAILED)
FILES_KEPT = timedelta(days=7)
UNEXPECTED = "Something unexpected went wrong; nothing was saved. The log of the worker says what. Try it once more."

FILE_GONE = "The file is no longer there. Choose it again."
NOT_SENT = "The background worker cannot be reached at this moment. Nothing was saved; try it again in a minute."


@dataclass(frozen=True, slots=True)
class Files:
    """Where the files of a run lie."""

    patients: Path
    conditions: Path | None = None
    allergies: Path | None = None


class NotNowError(Exception):
    """The run is being worked on, or is done; nothing was started."""


# --- a file comes --------------------------------------------------------------------------------------------------


def begin_run(
    *,
    file: UploadedFile,
    source: ImportSource,
    conditions: UploadedFile | None = None,
    allergies: UploadedFile | None = None,
    by: User,
    now: datetime,
) -> ImportRun:
    """The file is kept, and what it looks like, with a guess which column is what.

    Raises:
        UnreadableFileError: when it is no table; then nothing is kept.
    """
    run = ImportRun(source=source, file_name=Path(file.name or "file").name[:200], by=by, created_at=now)
    run.file.save("patients", file, save=False)
    if source == ImportSource.SYNTHEA and conditions:
        run.conditions_file.save("conditions", conditions, save=False)
    if source == ImportSource.SYNTHEA and allergies:
        run.allergies_file.save("allergies", allergies, save=False)
    try:
        look_at(run, files_of(run))
    except UnreadableFileError:
        forget_files(run)
        raise
    run.save()
    return run


def look_at(run: ImportRun, files: Files) -> None:
    """Encoding, delimiter, columns, mapping and the order of dates are those of the file. Saves nothing."""
    shape = look(files.patients, encoding=run.encoding, delimiter=run.delimiter)
    run.encoding, run.delimiter, run.columns = shape.encoding, shape.delimiter, list(shape.columns)
    run.rows_total = estimated_rows(files.patients, shape)
    run.sha256 = _digest(files.patients)
    if run.source == ImportSource.SYNTHEA:
        run.mapping = dict(SYNTHEA_MAPPING)
        return
    before = ImportRun.objects.filter(source=run.source, columns=run.columns, state=ImportState.DONE).first()
    run.mapping = guess_mapping(shape.columns, before.mapping if before else None)
    run.id_system = run.id_system or (before.id_system if before else "")
    order = _told_order(files.patients, shape, run.mapping)
    run.date_order = order or (before.date_order if before else DateOrder.MONTH_FIRST)


def _told_order(path: Path, shape: Shape, mapping: Mapping[str, str]) -> str | None:
    places = [shape.columns.index(mapping[name]) for name in ("birth_date", "deceased_on") if name in mapping]
    rows = islice(records(path, shape), LOOKED_AT)
    return told_order(row.values[place] for row in rows if row.values for place in places)


def first_rows(run: ImportRun, count: int = 5) -> list[Record]:
    """The first records of the file, for the preview.

    Raises:
        UnreadableFileError: as `records` does.
    """
    path = files_of(run).patients
    try:
        shape = look(path, encoding=run.encoding, delimiter=run.delimiter)
        return list(islice(records(path, shape), count))
    except FileNotFoundError as problem:
        raise UnreadableFileError(FILE_GONE) from problem


def files_of(run: ImportRun) -> Files:
    """Where the uploaded files lie."""

    def path(file: Any) -> Path | None:  # noqa: ANN401 (Django's FieldFile)
        return Path(file.path) if file else None

    return Files(Path(run.file.path), path(run.conditions_file), path(run.allergies_file))


def forget_files(run: ImportRun) -> None:
    """Nothing of the uploaded files is left on the disk: they hold more than Cadence keeps."""
    for file in (run.file, run.conditions_file, run.allergies_file):
        if file:
            file.delete(save=False)


def forget_old_files(*, now: datetime) -> int:
    """Uploads that nobody imported within FILES_KEPT are gone; their rows stay listed. Returns how many there were."""
    idle = ImportRun.objects.exclude(state=ImportState.RUNNING)
    old = idle.filter(created_at__lt=now - FILES_KEPT).exclude(file="")
    count = 0
    for run in old:
        forget_files(run)
        run.save(update_fields=["file", "conditions_file", "allergies_file"])
        count += 1
    return count


def earlier_run_of_file(run: ImportRun) -> ImportRun | None:
    """The last import of exactly this file, if any."""
    done = ImportRun.objects.filter(sha256=run.sha256, state=ImportState.DONE, is_dry_run=False)
    return done.exclude(pk=run.pk).exclude(sha256="").first()


def _digest(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


# --- it is checked and imported ------------------------------------------------------------------------------------


def request_run(run_id: int, *, is_dry_run: bool, good_rows_only: bool = False) -> None:
    """A worker will check (dry run) or import the file; the page shows how far it is.

    Raises:
        NotNowError: when the run is being worked on already, or is done, or nobody can be asked to work on it.
    """
    try:
        _ask_worker(run_id, is_dry_run=is_dry_run, good_rows_only=good_rows_only)
    except JobNotSentError as problem:
        logger.exception("import %s was not sent to a worker", run_id)
        waiting = ImportRun.objects.filter(pk=run_id, state=ImportState.RUNNING, started_at=None)
        waiting.update(state=ImportState.FAILED, message=NOT_SENT)
        raise NotNowError(NOT_SENT) from problem


def _ask_worker(run_id: int, *, is_dry_run: bool, good_rows_only: bool) -> None:
    with transaction.atomic():
        begun = ImportRun.objects.filter(pk=run_id, state__in=MAY_START).update(
            state=ImportState.RUNNING,
            is_dry_run=is_dry_run,
            good_rows_only=good_rows_only,
            started_at=None,
            finished_at=None,
            message="",
            rows_read=0,
        )
        if not begun:
            raise NotNowError("This import is being worked on already, or is done.")
        cache.delete(_progress_key(run_id))
        enqueue("patients.tasks.imports.run_import", run_id)


def perform_run(run_id: int, *, now: datetime, files: Files | None = None) -> None:
    """The run is checked or imported, and says so; called twice, the second call does nothing.

    A run that another worker began and did not end is failed instead of begun again: what killed one may kill the next.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [ALIVE, run_id])
        if not cursor.fetchone()[0]:
            return
    try:
        begun = ImportRun.objects.filter(pk=run_id, state=ImportState.RUNNING, started_at=None).update(started_at=now)
        if begun:
            _perform(ImportRun.objects.select_related("by").get(pk=run_id), now=now, files=files)
        else:
            _fail_lost(run_id, now)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [ALIVE, run_id])


def settle_lost(run: ImportRun, *, now: datetime) -> None:
    """A run whose worker died is shown as failed. Asks the database whether somebody still holds the run's lock."""
    if run.state != ImportState.RUNNING or run.started_at is None:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [ALIVE, run.pk])
        if not cursor.fetchone()[0]:
            return
        try:
            _fail_lost(run.pk, now)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [ALIVE, run.pk])
    run.refresh_from_db()


def progress_of(run: ImportRun) -> int:
    """Rows read so far. The worker's own transaction is invisible until it ends, so it tells through the cache."""
    return int(cache.get(_progress_key(run.pk)) or run.rows_read)


def clinic_today(now: datetime) -> date:
    """The date on the clocks of the clinic's first location."""
    place = Location.objects.active().order_by("pk").first()
    return (place.local(now) if place else now).date()


def _perform(run: ImportRun, *, now: datetime, files: Files | None) -> None:
    key = _progress_key(run.pk)
    try:
        outcome = import_people(
            _job(run, files or files_of(run), now),
            by=run.by,
            now=now,
            progress=lambda rows: cache.set(key, rows, timeout=3600),
        )
    except ImportRefusedError as refused:
        _finish(run, ImportState.REFUSED, refused.outcome, str(refused), now)
    except UnreadableFileError as problem:
        _finish(run, ImportState.REFUSED, Outcome(), str(problem), now)
    except AnotherImportError:
        message = "Another import is running. Nothing was saved; start this one again when it is done."
        _finish(run, ImportState.FAILED, Outcome(), message, now)
    except FileNotFoundError:
        _finish(run, ImportState.FAILED, Outcome(), FILE_GONE, now)
    except BaseException as error:
        logger.exception("import %s failed", run.pk)
        _finish(run, ImportState.FAILED, Outcome(), UNEXPECTED, now)
        if not isinstance(error, Exception):  # Ctrl-C and the like go on
            raise
    else:
        _finish(run, ImportState.CHECKED if run.is_dry_run else ImportState.DONE, outcome, "", now)
        if not run.is_dry_run and run.file:
            forget_files(run)
            run.save(update_fields=["file", "conditions_file", "allergies_file"])


def _job(run: ImportRun, files: Files, now: datetime) -> Job:
    is_synthea = run.source == ImportSource.SYNTHEA
    return Job(
        path=files.patients,
        source=ImportSource(run.source),
        mapping=run.mapping,
        today=clinic_today(now),
        conditions=files.conditions if is_synthea else None,
        allergies=files.allergies if is_synthea else None,
        encoding=run.encoding,
        delimiter=run.delimiter,
        date_order=DateOrder(run.date_order),
        id_system=run.id_system,
        duplicates=DuplicateChoice(run.duplicates),
        good_rows_only=run.good_rows_only,
        is_dry_run=run.is_dry_run,
    )


@transaction.atomic
def _finish(run: ImportRun, state: ImportState, outcome: Outcome, message: str, now: datetime) -> None:
    saved = state in (ImportState.DONE, ImportState.CHECKED)
    run.state, run.message, run.finished_at = state, message, now
    run.rows_read = outcome.read
    run.rows_total = outcome.read or run.rows_total
    run.created, run.updated, run.unchanged = (
        (outcome.created, outcome.updated, outcome.unchanged) if saved else (0, 0, 0)
    )
    run.refused, run.likely_duplicates = outcome.refused, outcome.likely_duplicates
    run.counts = {name: dict(counts) for name, counts in outcome.counts.items()} if saved else {}
    run.save()
    run.refusals.all().delete()
    ImportRefusal.objects.bulk_create([_refusal(run, note) for note in outcome.notes], batch_size=NOTES_KEPT // 10)


def _refusal(run: ImportRun, note: Note) -> ImportRefusal:
    return ImportRefusal(
        run=run,
        kind=note.kind,
        file_name=note.file_name[:200],
        row=note.line,
        column=note.column[:80],
        value=note.value[:200],
        reason=note.reason[:300],
    )


def _fail_lost(run_id: int, now: datetime) -> None:
    ImportRun.objects.filter(pk=run_id, state=ImportState.RUNNING, started_at__isnull=False).update(
        state=ImportState.FAILED,
        finished_at=now,
        message="The worker was stopped in the middle. Nothing was saved; start the import again.",
    )


def _progress_key(run_id: int) -> str:
    return f"import-progress:{run_id}"
