"""Which version this database belongs to: whether it has all migrations, and since when the version is here."""

from __future__ import annotations

from typing import Any

from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from clinic.models import Release
from clinic.pure.version import VERSION

_migrated: set[str] = set()


def is_migrated() -> bool:
    """Whether the database has every migration of this code. Raises DatabaseError where it does not answer.

    Once true it stays true for this process, so that is asked of the database only until then.
    """
    name = str(connection.settings_dict["NAME"])
    if name not in _migrated:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return False
        _migrated.add(name)
    return True


def note_release(using: str = "default", **_: Any) -> None:
    """After each `migrate`: a version that is new here is written down with the time."""
    if Release._meta.db_table in connections[using].introspection.table_names():  # not after a way back
        Release.objects.using(using).get_or_create(version=VERSION, defaults={"at": timezone.now()})
