"""A backup is tried: restored into a database beside, which has to hold every row and keep every rule."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pyrage.x25519 import Identity

from clinic.adapters import pg_databases, pg_dump
from clinic.services.backups import archive
from clinic.services.backups.contents import BackupError, Contents, Head, Manifest, differences, in_short, measure


class Unpacking:
    """A receiver: the database goes into ``name``, which is empty, and the files below ``media`` (None: nowhere).

    A context manager: at its end pg_restore has ended well, or the error says why not.
    """

    def __init__(self, name: str, *, media: Path | None = None, allow: Callable[[Head], None] | None = None) -> None:
        self.name, self.folder, self._allow = name, media, allow
        self._stack = ExitStack()
        self._pipe: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._stack.__exit__(kind, problem, trace)

    def begin(self, head: Head) -> None:
        """Raises: BackupError where this server or version cannot take it."""
        if self._allow is not None:
            self._allow(head)
        server = pg_databases.server_version()
        if head.server // 10000 > server // 10000:
            raise BackupError(
                f"The backup comes from PostgreSQL {head.server // 10000} and this server is {server // 10000}: "
                "restore it into a server of that version or a newer one."
            )
        programs = pg_dump.programs(server, at_least=head.dumped_by)
        self._pipe = self._stack.enter_context(programs.restore(self.name))

    def database(self, some: bytes) -> None:
        if self._pipe is None:
            raise BackupError("The backup does not begin as one of Cadence does.")
        self._pipe.write(some)

    def media(self, name: str, content: archive.Readable) -> None:
        if self.folder is None:
            while content.read(1 << 20):
                pass
            return
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            shutil.copyfileobj(content, file)
        target.chmod(0o600)


def check(path: Path, identities: Sequence[Identity], contents: Contents) -> None:
    """What is in the file is what was in the database. Call it inside ``pg_databases.alone``. Raises: BackupError."""
    with pg_databases.scratch(pg_databases.own_name()) as beside:
        _, manifest = unpack(path, identities, beside)
        if manifest.contents != contents:
            raise BackupError(f"{path.name} does not name what was in the database.")


def unpack(
    path: Path,
    identities: Sequence[Identity],
    name: str,
    *,
    media: Path | None = None,
    allow: Callable[[Head], None] | None = None,
) -> tuple[Head, Manifest]:
    """The backup stands in the empty database ``name`` and, where it is given, in the folder; it is all there.

    Args:
        allow: is asked before anything is restored, and raises BackupError where it must not be.

    Raises:
        BackupError: it is not what its manifest says, or one of the programs failed.
    """
    try:
        with Unpacking(name, media=media, allow=allow) as unpacking:
            head, manifest = archive.read(path, identities, unpacking)
    except (pg_dump.ProgramError, pg_databases.DatabaseError) as problem:
        raise BackupError(str(problem)) from None
    with pg_databases.standing_still(name) as (cursor, _):
        found = differences(manifest.contents, measure(cursor))
    if found:
        raise BackupError(f"What was restored is not what was backed up: {in_short(found)}.")
    return head, manifest
