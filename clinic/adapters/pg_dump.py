"""PostgreSQL's own programs for backup and restore, of a version that fits the server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import psycopg2.extensions

from clinic.adapters import embedded_postgres
from clinic.adapters.pg_databases import parameters

USUAL_FOLDERS = (
    *("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql*/bin"),
    *("/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin"),
)
"""Where Debian, Red Hat, the sources and Homebrew put them, each version in a folder of its own."""
LAST_LINES = 2


class ProgramError(Exception):
    """A program is missing, too old, or ended with an error; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Programs:
    """A folder with pg_dump and pg_restore, and their major version."""

    folder: Path
    major: int

    @contextmanager
    def dump(self, name: str, *, snapshot: str) -> Iterator[IO[bytes]]:
        """The database as that snapshot sees it, in pg_dump's custom format. Raises: ProgramError."""
        arguments = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}"]
        with self._running("pg_dump", *arguments, name=name, writes=True) as process:
            yield cast("IO[bytes]", process.stdout)

    @contextmanager
    def restore(self, name: str) -> Iterator[IO[bytes]]:
        """What is written into it is restored into the empty database ``name``. Raises: ProgramError."""
        arguments = ["--no-owner", "--no-privileges", "--exit-on-error"]
        with self._running("pg_restore", *arguments, name=name, writes=False) as process:
            yield cast("IO[bytes]", process.stdin)

    @contextmanager
    def _running(self, program: str, *arguments: str, name: str, writes: bool) -> Iterator[subprocess.Popen[bytes]]:
        known = parameters(name)
        secret = str(known.pop("password", "") or "")
        dsn = psycopg2.extensions.make_dsn(**known)
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                [str(self.folder / program), *arguments, f"--dbname={dsn}"],
                stdin=subprocess.DEVNULL if writes else subprocess.PIPE,
                stdout=subprocess.PIPE if writes else subprocess.DEVNULL,
                stderr=said,
                env=os.environ | {"LC_ALL": "C"} | ({"PGPASSWORD": secret} if secret else {}),
            )
            try:
                yield process
                self._close(process)
                status = process.wait()
            except BrokenPipeError:
                status = process.wait()  # it died, and says why below
            except BaseException:
                process.kill()
                process.wait()
                raise
            finally:
                for pipe in (process.stdin, process.stdout):
                    _close_quietly(pipe)
            if status:
                raise ProgramError(f"{program} ended with an error: {_last(said, status)}")

    @staticmethod
    def _close(process: subprocess.Popen[bytes]) -> None:
        if process.stdin is not None:
            process.stdin.close()


def _close_quietly(pipe: IO[bytes] | None) -> None:
    try:
        if pipe is not None:
            pipe.close()
    except BrokenPipeError:
        return


def _last(said: IO[bytes], status: int) -> str:
    said.seek(0)
    lines = [line.strip() for line in said.read().decode("utf-8", "replace").splitlines() if line.strip()]
    if lines:
        return " ".join(lines[:LAST_LINES])
    return f"it was killed (signal {-status})." if status < 0 else f"status {status}."


def programs(server: int, *, at_least: int = 0) -> Programs:
    """Those of the server's own major version, else the next newer ones.

    Args:
        server: the server's version as PostgreSQL counts (150020).
        at_least: the major version of the pg_dump whose file is to be read.

    Raises:
        ProgramError: there are none, or only older ones.
    """
    wanted = max(server // 10000, at_least)
    found = sorted(_all(), key=lambda one: one.major)
    for one in found:
        if one.major >= wanted:
            return one
    if not found:
        raise ProgramError(
            f"pg_dump was not found: install PostgreSQL's client programs, version {wanted} "
            f"(Debian: apt install postgresql-client-{wanted})."
        )
    raise ProgramError(
        f"The server is PostgreSQL {server // 10000} and pg_dump here is {found[-1].major}, which must not be older"
        + (f"; the backup was written by pg_dump {at_least}" if at_least else "")
        + f": install the client programs of version {wanted}."
    )


def _all() -> Iterator[Programs]:
    """The folders in the order in which they are taken where versions are equal."""
    on_path = shutil.which("pg_dump")
    folders = [Path(on_path).parent] if on_path else []
    for pattern in USUAL_FOLDERS:
        folders += sorted(Path("/").glob(pattern.lstrip("/")))
    with suppress(embedded_postgres.EmbeddedError):
        folders.append(embedded_postgres.binaries())
    for folder in dict.fromkeys(folders):
        if major := _major(folder / "pg_dump"):
            yield Programs(folder, major)


def _major(program: Path) -> int:
    """0 where it does not run, or has no pg_restore beside it."""
    if not (program.exists() and program.with_name("pg_restore").exists()):
        return 0
    try:
        said = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    number = re.search(r"(\d+)", said.stdout)
    return int(number[1]) if number and said.returncode == 0 else 0
