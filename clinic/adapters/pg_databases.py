"""Databases beside the product's own: made, dropped, exchanged; and a look that stands still while others write.

All of it on connections of its own, so that nothing depends on what Django's does at the moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
from django.db import connections
from psycopg2 import sql
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ

MAINTENANCE = ("postgres", "template1")
"""Where databases are made from; every server has at least one of them."""
LOCK_CLASS = 0x_CADE_B
"""Our class of PostgreSQL's two-part advisory locks for backup and restore; the second part is the database's name."""
EXCHANGE_TRIES = 20


class DatabaseError(Exception):
    """The server does not allow it; the message is a sentence for the person at the keyboard."""


class BusyError(DatabaseError):
    """Another backup or restore of this database is running."""


def parameters(name: str | None = None) -> dict[str, Any]:
    """What libpq needs to reach the product's database, or another one of the same server."""
    known = connections["default"].get_connection_params()
    found = {key: value for key, value in known.items() if isinstance(value, str | int)}
    return found | ({"dbname": name} if name else {})


def own_name() -> str:
    return str(connections["default"].settings_dict["NAME"])


@contextmanager
def connected(name: str | None = None) -> Iterator[Any]:
    """A connection in autocommit. Raises: DatabaseError when there is none to be had."""
    try:
        connection = psycopg2.connect(**parameters(name))
    except psycopg2.OperationalError as problem:
        raise DatabaseError(f"The PostgreSQL of DATABASE_URL does not answer: {first_line(problem)}") from None
    connection.autocommit = True
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def maintenance() -> Iterator[Any]:
    """A cursor on a database of the server that is not the product's."""
    with connected(_maintenance_name()) as connection, connection.cursor() as cursor:
        yield cursor


def _maintenance_name() -> str:
    for name in MAINTENANCE:
        with suppress(psycopg2.OperationalError):
            psycopg2.connect(**parameters(name)).close()
            return name
    return MAINTENANCE[0]  # whose refusal is then said


@contextmanager
def alone(name: str) -> Iterator[None]:
    """No other backup or restore of the database runs inside. The lock is the server's: it ends with the process.

    Raises:
        BusyError: one is running.
    """
    with maintenance() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", [LOCK_CLASS, name])
        if not cursor.fetchone()[0]:
            raise BusyError(f"Another backup or restore of {name} is running; wait until it has ended.")
        yield


def server_version() -> int:
    """As PostgreSQL counts: 150020 is 15.20."""
    with maintenance() as cursor:
        return int(cursor.connection.server_version)


def exists(name: str) -> bool:
    with maintenance() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        return cursor.fetchone() is not None


@contextmanager
def standing_still(name: str | None = None) -> Iterator[tuple[Any, str]]:
    """A cursor that sees the database as it is now until the end of the block, and the id of this snapshot.

    The settings are those under which the text of a value is the same on every server.
    """
    with connected(name) as connection:
        connection.autocommit = False
        connection.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ, readonly=True)
        with connection.cursor() as cursor:
            for setting, value in (
                ("idle_in_transaction_session_timeout", "0"),
                ("statement_timeout", "0"),
                ("TimeZone", "UTC"),
                ("DateStyle", "ISO"),
                ("IntervalStyle", "postgres"),
                ("bytea_output", "hex"),
                ("extra_float_digits", "1"),
            ):
                cursor.execute("SELECT set_config(%s, %s, false)", [setting, value])
            cursor.execute("SELECT pg_export_snapshot()")
            yield cursor, str(cursor.fetchone()[0])
        connection.rollback()


@contextmanager
def scratch(name: str) -> Iterator[str]:
    """An empty database beside ``name``, dropped afterwards, however the block ends, unless it was renamed.

    Those that a killed process left behind are dropped first: call it inside ``alone``. Raises: DatabaseError.
    """
    beside = f"{name[:40]}_scratch"
    drop(beside)
    with maintenance() as cursor:
        try:
            cursor.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' {}").format(
                    sql.Identifier(beside), _locale_of(cursor, name)
                )
            )
        except psycopg2.errors.InsufficientPrivilege:
            user = parameters().get("user", "the role of DATABASE_URL")
            raise DatabaseError(
                f"{user} may not make databases, and a backup is checked in one of its own: let the server's "
                f'administrator run ALTER ROLE "{user}" CREATEDB.'
            ) from None
        except psycopg2.Error as problem:
            raise DatabaseError(f"No database could be made to check in: {first_line(problem)}") from None
    try:
        yield beside
    finally:
        drop(beside)


def _locale_of(cursor: Any, name: str) -> sql.Composable:  # noqa: ANN401 (psycopg2 has no types)
    """What a new database is told to sort like ``name``, where that does not sort like all others of the server."""
    cursor.execute(
        "SELECT own.datcollate, own.datctype FROM pg_database own, pg_database usual "
        "WHERE own.datname = %s AND usual.datname = 'template0' "
        "AND (own.datcollate, own.datctype) <> (usual.datcollate, usual.datctype)",
        [name],
    )
    found = cursor.fetchone()
    if found is None:
        return sql.SQL("")
    return sql.SQL("LC_COLLATE {} LC_CTYPE {}").format(*map(sql.Literal, found))


def drop(name: str) -> None:
    """The database is gone, and whoever was connected to it is not any more."""
    with maintenance() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def put_in_place(new: str, *, of: str, old: str) -> None:
    """``new`` is called ``of`` from now on, and what was called so is called ``old``; both at once or neither.

    Raises:
        DatabaseError: others do not let go of it, or the role may not rename databases; nothing was changed.
    """
    with maintenance() as cursor:
        if not exists(of):
            cursor.execute(_rename(new, of))
            return
        try:
            _shut(cursor, of)
            for attempt in range(EXCHANGE_TRIES):
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY(%s)", [[of, new]]
                )
                try:
                    _exchange(cursor, new, of, old)
                except psycopg2.errors.ObjectInUse:
                    if attempt == EXCHANGE_TRIES - 1:
                        raise
                else:
                    return
        except psycopg2.Error as problem:
            with suppress(psycopg2.Error):
                _open(cursor, of)
            raise DatabaseError(f"{of} could not be exchanged, and is as it was: {first_line(problem)}") from None
        except BaseException:
            _open(cursor, of)
            raise


def _exchange(cursor: Any, new: str, of: str, old: str) -> None:  # noqa: ANN401 (psycopg2 has no types)
    cursor.execute("SELECT pg_sleep(0.1)")  # those that were sent away need a moment
    cursor.execute("BEGIN")
    try:
        cursor.execute(_rename(of, old))
        cursor.execute(_rename(new, of))
        cursor.execute("COMMIT")
    except BaseException:
        cursor.execute("ROLLBACK")
        raise
    _open(cursor, old)


def _shut(cursor: Any, name: str) -> None:  # noqa: ANN401 (psycopg2 has no types)
    cursor.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false").format(sql.Identifier(name)))


def _open(cursor: Any, name: str) -> None:  # noqa: ANN401 (psycopg2 has no types)
    cursor.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true").format(sql.Identifier(name)))


def _rename(name: str, to: str) -> sql.Composed:
    return sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(to))


@contextmanager
def pointed_at(name: str) -> Iterator[None]:
    """Django's connection of this thread leads to that database inside the block."""
    connection = connections["default"]
    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before


def first_line(problem: BaseException) -> str:
    return str(problem).strip().partition("\n")[0]
