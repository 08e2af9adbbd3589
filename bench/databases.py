"""A database that a measurement has for itself, and that is gone after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

from clinic.adapters import embedded


@contextmanager
def own_database(name: str, *, template: str = "", keep: bool = False) -> Iterator[bool]:
    """This process works in the database ``name``, made anew; yields True, or False when one was kept from before.

    Args:
        template: a migrated database to copy; without one the migrations run.
        keep: it stays, and one that is there is used again.
    """
    settings.DEBUG = False  # or every query would be remembered
    with embedded.running(settings.EMBEDDED, postgres=settings.EMBEDDED_POSTGRES, redis=settings.EMBEDDED_REDIS):
        usual = settings.DATABASES["default"]["NAME"]
        is_new = _made(name, template=template, keep=keep)
        _use(name)
        try:
            if is_new and not template:
                call_command("migrate", verbosity=0)
            yield is_new
        finally:
            _use(usual)
            if not keep:
                _execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            connections.close_all()


def _made(name: str, *, template: str, keep: bool) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", [name])
        exists = bool(cursor.rowcount)
    if exists and keep:
        return False
    if exists:
        _execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    _execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
    return True


def _use(name: str) -> None:
    connections.close_all()
    settings.DATABASES["default"]["NAME"] = name
    connection.settings_dict["NAME"] = name


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
