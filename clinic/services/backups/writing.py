"""A backup is made: dump and figures out of one snapshot, encrypted, checked, and only then called a backup.

The file has a temporary name until it is whole and on the disk: one that was interrupted is never taken for a backup.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.utils import timezone
from pyrage.x25519 import Identity, Recipient

from clinic.adapters import age, pg_databases, pg_dump
from clinic.models import BackupRun, BackupState
from clinic.pure.version import VERSION
from clinic.services.backups import archive, checking, keeping
from clinic.services.backups.contents import (
    BackupError,
    Contents,
    Head,
    applied_migrations,
    in_short,
    measure,
    missing_guards,
)

Tell = Callable[[str], None]
KILLED = "It was stopped before it was whole."
UNEXPECTED = "An error stopped it; the log has it."
ERROR_MAX = 300


@dataclass(frozen=True, slots=True)
class Made:
    """A whole backup. ``removed``: older files that are not kept any longer."""

    path: Path
    run: BackupRun
    contents: Contents
    removed: tuple[Path, ...]


def recipients(*, now: datetime, tell: Tell) -> list[Recipient]:
    """Those of BACKUP_RECIPIENT; in development a key of this machine's own, made when first needed.

    Raises:
        BackupError: production has none, or one is no recipient.
    """
    named = list(settings.BACKUP_RECIPIENTS)
    if not named and settings.PRODUCTION:
        raise BackupError(
            "BACKUP_RECIPIENT is not set, and a clinic's records are not written unencrypted: run "
            "`manage.py backup --make-key FILE`, keep the file away from this server, set the variable to what it "
            "prints."
        )
    try:
        return [age.recipient(one) for one in named or [_own_key(now, tell)]]
    except age.AgeError as problem:
        raise BackupError(str(problem)) from None


def _own_key(now: datetime, tell: Tell) -> str:
    path = Path(settings.BACKUP_OWN_KEY)
    if path.exists():
        return str(age.read_identities(path)[0].to_public())
    tell(f"development: a key was made, {path}")
    return age.write_identity(path, now=now)


def make_backup(*, tell: Tell = lambda _: None, verify: bool = True, prune: bool = True) -> Made:
    """A backup of database and uploads stands in BACKUP_DIR, with its row; older ones that are not kept are gone.

    Args:
        verify: restore it into a database beside, and compare every table, the history and all constraints.
        prune: remove what the settings do not keep; never without having checked this one.

    Raises:
        BackupError: why there is none; the row says the same. BusyError (of ``pg_databases``): another is running.
    """
    now = timezone.now()
    with pg_databases.alone(pg_databases.own_name()):
        to = recipients(now=now, tell=tell)
        folder = keeping.folder()
        keeping.tidy(folder)
        BackupRun.objects.filter(state=BackupState.RUNNING).update(
            state=BackupState.FAILED, finished_at=now, error=KILLED
        )
        run = BackupRun.objects.create(started_at=now, version=VERSION)
        with _noted(run):
            return _make(run, folder, to, tell=tell, verify=verify, prune=prune)


@contextmanager
def _noted(run: BackupRun) -> Iterator[None]:
    """However it ends, the row says so; errors of disk and programs become sentences."""
    try:
        yield
    except (BackupError, age.AgeError, pg_dump.ProgramError, pg_databases.DatabaseError) as problem:
        _fail(run, str(problem))
        raise BackupError(str(problem)) from None
    except OSError as problem:
        said = said_of_disk(problem)
        _fail(run, said)
        raise BackupError(said) from None
    except BaseException as problem:
        _fail(run, KILLED if not isinstance(problem, Exception) else UNEXPECTED)
        raise


def _fail(run: BackupRun, why: str) -> None:
    BackupRun.objects.filter(pk=run.pk).update(
        state=BackupState.FAILED, finished_at=timezone.now(), error=why[:ERROR_MAX]
    )


def said_of_disk(problem: OSError) -> str:
    where = f" ({problem.filename})" if problem.filename else ""
    if problem.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"The disk is full{where}: nothing half was kept. Make room, or set BACKUP_DIR to another disk."
    return f"A file could not be written or read{where}: {problem.strerror or problem}."


def _make(run: BackupRun, folder: Path, to: Sequence[Recipient], *, tell: Tell, verify: bool, prune: bool) -> Made:
    own = Identity.generate()  # opens the file for the check, here and now, and is never written down
    path = folder / keeping.name_for(run.started_at)
    half = path.with_name(path.name + keeping.HALF)
    try:
        contents = _write(half, [*to, own.to_public()], tell=tell)
        run.bytes, run.sha256 = half.stat().st_size, digest_of(half)
        if verify:
            tell("checking: restoring it into a database beside")
            checking.check(half, [own], contents)
            run.verified_at = timezone.now()
        half.rename(path)
        _sync(folder)
    except BaseException:
        half.unlink(missing_ok=True)
        raise
    run.name, run.state, run.finished_at = path.name, BackupState.DONE, timezone.now()
    run.save()
    removed = keeping.prune(folder) if prune and verify else ()
    return Made(path, run, contents, removed)


def _write(half: Path, to: Sequence[Recipient], *, tell: Tell) -> Contents:
    programs = pg_dump.programs(pg_databases.server_version())
    head = Head(VERSION, timezone.now(), pg_databases.server_version(), programs.major, applied_migrations())
    handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    name = pg_databases.own_name()
    with os.fdopen(handle, "wb") as file, pg_databases.standing_still() as (cursor, snapshot):
        tell("counting every table")
        contents = measure(cursor)
        if missing := missing_guards(contents.guards):
            raise BackupError(
                f"The database lacks what keeps its rules ({in_short(missing)}): run `manage.py migrate`, then "
                "`manage.py pgtrigger install`."
            )
        tell(f"writing {contents.rows:,} rows of {len(contents.tables)} tables")
        with programs.dump(name, snapshot=snapshot) as dump:
            age.encrypt(archive.chunks(head, contents, dump, Path(settings.MEDIA_ROOT)), file, to)
        file.flush()
        os.fsync(file.fileno())
    return contents


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    """The new name is on the disk, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_key(path: Path) -> str:
    """The recipient of a new identity in ``path``. Raises: BackupError."""
    if path.resolve().is_relative_to(Path(settings.BACKUP_DIR).resolve()):
        raise BackupError("The key must not lie beside the backups that it opens: name a file elsewhere.")
    try:
        return age.write_identity(path, now=datetime.now(UTC))
    except age.AgeError as problem:
        raise BackupError(str(problem)) from None
