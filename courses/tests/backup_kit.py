"""A small clinic in a database of its own, for tests that back up, restore, replace and migrate whole databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection, connections
from psycopg2 import sql
from pytest_django import DjangoDbBlocker, Settings

from clinic.adapters import pg_databases
from clinic.adapters.age import write_identity
from courses.tests.series_kit import LONG_BEFORE


@contextmanager
def database(name: str, *, copied: str = "") -> Iterator[str]:
    """A copy of ``copied`` (nothing: there is none) that Django's connection leads to; gone afterwards."""
    pg_databases.drop(name)
    if copied:
        copy(copied, name)
    try:
        with pg_databases.pointed_at(name):
            yield name
    finally:
        connections.close_all()
        for one in [name, *replaced(name)]:
            pg_databases.drop(one)


def own_name(what: str) -> str:
    """As in "test_cadence_gw1_source": of this worker of the test run, and never the name of a real database."""
    name = str(connection.settings_dict["NAME"])
    return f"{name if name.startswith('test_') else f'test_{name}'}_{what}"


def copy(source: str, name: str) -> None:
    with pg_databases.maintenance() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, source))))


def replaced(name: str) -> list[str]:
    """What a restore kept of the databases that it replaced, and what it should not have left behind."""
    with pg_databases.maintenance() as cursor:
        cursor.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s) AND datname <> %s", [f"{name[:40]}_", name]
        )
        return [found for (found,) in cursor.fetchall()]


def template() -> str:
    """The migrated database that the tests' own are copied from."""
    return str(connection.settings_dict["TEST"]["TEMPLATE"])


def set_up(settings: Settings, folder: Path) -> Path:
    """Backups go below ``folder``, encrypted for a key there; returns the file of that key."""
    key = folder / "key.txt"
    settings.BACKUP_RECIPIENTS = [write_identity(key, now=LONG_BEFORE)]
    settings.BACKUP_DIR = folder / "backups"
    settings.MEDIA_ROOT = folder / "media"
    settings.BACKUP_OWN_KEY = folder / "own-key.txt"
    (folder / "media" / "imports").mkdir(parents=True)
    (folder / "media" / "imports" / "list.csv").write_text("given_name\nAda\n", encoding="utf-8")
    return key


@contextmanager
def unblocked(blocker: DjangoDbBlocker) -> Iterator[None]:
    with blocker.unblock():
        try:
            yield
        finally:
            connections.close_all()
