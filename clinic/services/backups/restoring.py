"""A backup takes the place of the database: restored and checked beside it, exchanged by two names at the end.

Until the exchange nothing that is in use is touched. What must not happen afterwards: that a message goes out a second
time, that somebody who had signed out is signed in, that a number which left the clinic (in a link, in a file, on
paper) names another patient. ``_settle`` sees to each.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from pyrage.x25519 import Identity

from clinic.adapters import age, pg_databases
from clinic.models import BackupRun, BackupState, Restoration
from clinic.services.backups import keeping, writing
from clinic.services.backups.checking import unpack
from clinic.services.backups.contents import (
    BackupError,
    Head,
    Manifest,
    applied_migrations,
    guards,
    in_short,
    missing_guards,
    unknown_migrations,
)

SENT_MEANWHILE = timedelta(minutes=2)
"""What workers of the old database still send while the two are exchanged."""
IDS_SKIPPED = 100_000
"""[D] So many numbers of each table count as given away between the backup and whatever made it necessary."""
NUMBERS_SKIPPED = 1_000
"""[D] The same of numbers that people read, as that of a record."""
SEQUENCES = """
    SELECT format('%I.%I', n.nspname, c.relname), s.last_value, s.start_value, s.max_value,
        EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i'))
    FROM pg_sequences s JOIN pg_namespace n ON n.nspname = s.schemaname
    JOIN pg_class c ON c.relname = s.sequencename AND c.relnamespace = n.oid WHERE n.nspname = 'public'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore did.

    Attributes:
        was_migrated: the backup came from an older version and has all migrations now.
        before: the backup that was made of what was there, None where nothing was.
        kept_as: the name of the database that was replaced.
        held_until: messages due until then do not go out by themselves.
    """

    head: Head
    manifest: Manifest
    was_migrated: bool
    before: Path | None
    kept_as: str
    held_until: datetime | None


@dataclass(frozen=True, slots=True)
class _Old:
    """What is asked of the database that is replaced: its sessions, and how far its numbers went."""

    has_records: bool = False
    sessions: tuple[str, ...] = ()
    numbers: Mapping[str, int] | None = None


def identities(path: Path) -> list[Identity]:
    """Raises: BackupError."""
    try:
        return age.read_identities(path)
    except age.AgeError as problem:
        raise BackupError(str(problem)) from None


def restore(
    path: Path,
    *,
    keys: Sequence[Identity],
    replace: str = "",
    backup_first: bool = True,
    was_moved: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Restored:
    """The product's database and uploads are those of the backup, brought to this version.

    Args:
        replace: the name of the database, typed by whoever wants its records replaced.
        backup_first: make a backup of what is replaced; False where that cannot be read any more.
        was_moved: nothing went on after the backup (another machine takes over): messages due since then go out.

    Raises:
        BackupError: why not; what was there is untouched. BusyError: a backup or another restore is running.
    """
    name = pg_databases.own_name()
    old = _look_at(name)
    _refuse_to_lose(name, old, replace)
    before = None
    if old.has_records and backup_first:
        tell("first a backup of what is there")
        before = writing.make_backup(tell=tell, prune=False).path
    with pg_databases.alone(name):
        try:
            return _restore(path, keys, name, old, before, was_moved=was_moved, tell=tell)
        except pg_databases.DatabaseError as problem:
            raise BackupError(str(problem)) from None
        except OSError as problem:
            raise BackupError(writing.said_of_disk(problem)) from None


def _refuse_to_lose(name: str, old: _Old, replace: str) -> None:
    if replace and replace != name:
        raise BackupError(f"{replace!r} is not the name of this database, which is {name!r}: nothing was changed.")
    if old.has_records and not replace:
        raise BackupError(
            f"The database {name} holds records. To replace them say --replace --yes-replace {name}; a backup of them "
            "is made first."
        )


def _look_at(name: str) -> _Old:
    if not pg_databases.exists(name):
        return _Old()
    with pg_databases.connected(name) as opened, opened.cursor() as cursor:
        cursor.execute("SELECT to_regclass('public.clinic_user'), to_regclass('public.django_session')")
        users, sessions = cursor.fetchone()
        if users is None:
            return _Old()
        cursor.execute("SELECT EXISTS (SELECT FROM clinic_user)")
        has_records = bool(cursor.fetchone()[0])
        cursor.execute("SELECT session_key FROM django_session" if sessions else "SELECT '' WHERE false")
        keys = tuple(key for (key,) in cursor.fetchall())
        cursor.execute(SEQUENCES)
        return _Old(has_records, keys, {row[0]: int(row[1] or 0) for row in cursor.fetchall()})


def _restore(
    path: Path,
    keys: Sequence[Identity],
    name: str,
    old: _Old,
    before: Path | None,
    *,
    was_moved: bool,
    tell: Callable[[str], None],
) -> Restored:
    with _unpacked_media() as media, pg_databases.scratch(name) as beside:
        tell(f"restoring {path.name} beside, and comparing")
        head, manifest = unpack(path, keys, beside, media=media, allow=_refuse_newer)
        with pg_databases.pointed_at(beside):
            leaves = applied_migrations()
            call_command("migrate", verbosity=0, interactive=False)
            was_migrated = applied_migrations() != leaves
            if was_migrated:
                tell(f"brought from version {head.version} to this one")
            _refuse_unguarded()
            held_until = None if was_moved else timezone.now() + SENT_MEANWHILE
            sessions = _settle(path, head, old, held_until)
        kept_as = f"{name[:40]}_replaced_{datetime.now(UTC):%Y%m%d%H%M%S}"
        connection.close()
        pg_databases.put_in_place(beside, of=name, old=kept_as)
        _put_media_in_place(media)
    if not old.has_records:
        pg_databases.drop(kept_as)
    _forget_sessions([*sessions, *old.sessions])
    return Restored(
        head=head,
        manifest=manifest,
        was_migrated=was_migrated,
        before=before,
        kept_as=kept_as if old.has_records else "",
        held_until=held_until,
    )


def _refuse_newer(head: Head) -> None:
    if unknown := unknown_migrations(head):
        raise BackupError(
            f"This backup was made by version {head.version}, which is newer than this one ({in_short(unknown)}): "
            "install that version, then restore."
        )


def _refuse_unguarded() -> None:
    with connection.cursor() as cursor:
        found = guards(cursor)
    if missing := missing_guards(found):
        raise BackupError(f"What was restored lacks what keeps its rules: {in_short(missing)}.")


# --- what must not happen afterwards ----------------------------------------------------------------------------------
def _settle(path: Path, head: Head, old: _Old, held_until: datetime | None) -> list[str]:
    """In the restored database, before anybody uses it; returns the sessions that were in it."""
    now = timezone.now()
    with transaction.atomic(), connection.cursor() as cursor:
        Restoration.objects.create(
            at=now,
            backup_at=head.made_at,
            backup_name=path.name[:255],
            backup_version=head.version[:20],
            messages_held_until=held_until,
        )
        _end_runs(path, head, now)
        cursor.execute("SELECT session_key FROM django_session")
        sessions = [key for (key,) in cursor.fetchall()]
        cursor.execute("DELETE FROM usersessions_usersession")
        cursor.execute("DELETE FROM django_session")
        if held_until is not None:
            _skip_numbers(cursor, old.numbers or {})
    return sessions


def _end_runs(path: Path, head: Head, now: datetime) -> None:
    """The row of this backup was running when it was written."""
    for run in BackupRun.objects.filter(state=BackupState.RUNNING):
        if keeping.name_for(run.started_at) == path.name:
            run.state, run.name, run.finished_at, run.verified_at = BackupState.DONE, path.name, head.made_at, now
            run.bytes, run.sha256 = path.stat().st_size, writing.digest_of(path)
        else:
            run.state, run.finished_at, run.error = BackupState.FAILED, now, writing.KILLED
        run.save()


def _skip_numbers(cursor: CursorWrapper, went_to: Mapping[str, int]) -> None:
    cursor.execute(SEQUENCES)
    for name, last, start, most, is_id in cursor.fetchall():
        highest = max(last or start, went_to.get(name, 0)) + (IDS_SKIPPED if is_id else NUMBERS_SKIPPED)
        cursor.execute("SELECT setval(%s::regclass, %s)", [name, min(highest, most)])


def _forget_sessions(keys: Sequence[str]) -> None:
    """Nobody is signed in by a session that the cache still knows."""
    prefix = import_module(settings.SESSION_ENGINE).SessionStore.cache_key_prefix
    cache.delete_many([prefix + key for key in keys])


# --- uploads ----------------------------------------------------------------------------------------------------------
@contextmanager
def _unpacked_media() -> Iterator[Path]:
    """A folder inside that of the uploads, which may be a disk of its own; gone at the end."""
    root = Path(settings.MEDIA_ROOT)
    root.mkdir(parents=True, exist_ok=True)
    folder = root / ".restoring"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put_media_in_place(restored: Path) -> None:
    """What was there moves into a folder beside, which pages and backups do not see."""
    root = Path(settings.MEDIA_ROOT)
    there = [path for path in root.iterdir() if not path.name.startswith(".")]
    if there:
        kept = root / f".replaced-{datetime.now(UTC):%Y%m%d%H%M%S}"
        kept.mkdir(mode=0o700)
        for path in there:
            path.rename(kept / path.name)
    for path in list(restored.iterdir()):
        path.rename(root / path.name)
