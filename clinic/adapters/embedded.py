"""A real PostgreSQL and a real Redis that this checkout starts for itself while no others are named.

Several processes may use them at once (`make start`, a `manage.py` command, the test run): each holds a shared lock on
one file, whoever finds that nobody else holds it stops the servers. The kernel drops the lock of a process that was
killed, so no count can go wrong; servers it left behind are found running by the next user, and stopped after it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clinic.adapters import embedded_postgres, embedded_redis

if TYPE_CHECKING:
    from collections.abc import Iterator

SOCKET_PATH_MAX_BYTES = 100
"""A unix socket's path may have 107 bytes on Linux and 103 on macOS; a little is left over for both."""
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")
POSTGRES_SOCKET = ".s.PGSQL.5432"
REDIS_SOCKET = "redis.sock"


@dataclass(frozen=True)
class Place:
    """Where the embedded servers keep their data and where their sockets are."""

    data: Path
    sockets: Path

    @classmethod
    def in_folder(cls, folder: Path) -> Place:
        """The place for a checkout's `var/`: known without asking any server, so settings can name it."""
        return cls(data=folder, sockets=socket_folder(folder))

    def database_settings(self) -> dict[str, Any]:
        """What Django's DATABASES needs to reach the embedded PostgreSQL."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": embedded_postgres.NAME,
            "USER": embedded_postgres.NAME,
            "HOST": str(self.sockets),
            "PORT": "5432",
        }

    def redis_url(self) -> str:
        """The address of the embedded Redis for redis-py."""
        return f"unix://{self.sockets / REDIS_SOCKET}?db=0"

    def broker_url(self) -> str:
        """The same address as Celery spells it."""
        return f"redis+socket://{self.sockets / REDIS_SOCKET}?virtual_host=0"


def socket_folder(folder: Path) -> Path:
    """`folder`/run, or a short name in the temporary folder where that path is too long or has odd characters."""
    near = folder / "run"
    longest = near / f"{POSTGRES_SOCKET}.lock"
    if len(os.fsencode(longest)) <= SOCKET_PATH_MAX_BYTES and PLAIN_PATH.fullmatch(str(near)):
        return near
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"cadence-{os.getuid()}-{name}"


@contextmanager
def running(place: Place, *, postgres: bool, redis: bool) -> Iterator[None]:
    """The wanted servers answer inside this block; after the last user's block they are stopped.

    Raises:
        EmbeddedError: one sentence about what cannot be started and what to do instead.
    """
    if not (postgres or redis):
        yield
        return
    place.data.mkdir(parents=True, exist_ok=True)
    _make_private(place.sockets)
    with (place.data / "users.lock").open("w") as users:
        with _gate(place):
            fcntl.flock(users, fcntl.LOCK_SH)
            if postgres:
                embedded_postgres.start(place.data / "postgres", sockets=place.sockets)
            if redis:
                embedded_redis.start(place.data / "redis", socket=place.sockets / REDIS_SOCKET)
        try:
            yield
        finally:
            with _gate(place):
                _stop_when_last(place, users.fileno())


def _stop_when_last(place: Place, users: int) -> None:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    embedded_redis.stop(place.sockets / REDIS_SOCKET)
    embedded_postgres.stop(place.data / "postgres")


@contextmanager
def _gate(place: Place) -> Iterator[None]:
    """One process at a time starts or stops servers."""
    with (place.data / "gate.lock").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


def _make_private(folder: Path) -> None:
    """`folder` exists, belongs to us or to the database's user, and nobody else can enter it.

    Raises:
        EmbeddedError: when somebody else made it first, as anybody can in the temporary folder.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    owners = {os.getuid(), *([embedded_postgres.server_account().pw_uid] if os.getuid() == 0 else [])}
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
        raise embedded_postgres.EmbeddedError(f"{folder} belongs to somebody else; remove it and start again.")
    folder.chmod(0o700)
    if os.getuid() == 0:
        os.chown(folder, embedded_postgres.server_account().pw_uid, -1)
