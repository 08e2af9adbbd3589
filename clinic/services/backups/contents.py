"""What is in a database, in figures that two databases can be compared by; and what a backup says about itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import pgtrigger
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from psycopg2 import sql

FORMAT = 1
"""Of the archive; a later one may not be readable here."""
NEVER_TWICE = "constraint clinic_allocation.allocation_never_in_two_places"
SAID_AT_MOST = 3
HISTORY_KEY = "pgh_id"

TABLES = """
    SELECT c.relname, EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = %s)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY c.relname
"""
GUARDS = """
    SELECT 'constraint ' || r.relname || '.' || c.conname FROM pg_constraint c
    JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
    WHERE n.nspname = 'public' AND c.contype <> 'n' AND c.convalidated
    UNION ALL
    SELECT 'trigger ' || r.relname || '.' || t.tgname FROM pg_trigger t
    JOIN pg_class r ON r.oid = t.tgrelid JOIN pg_namespace n ON n.oid = r.relnamespace
    WHERE n.nspname = 'public' AND NOT t.tgisinternal AND t.tgenabled <> 'D'
    UNION ALL
    SELECT 'index ' || i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_namespace n ON n.oid = i.relnamespace WHERE n.nspname = 'public' AND x.indisvalid
    ORDER BY 1
"""
# A sum does not depend on the order of the rows; 60 bits of each row's md5, of which the text is the same everywhere.
MEASURE = """
    SELECT count(*), coalesce(sum(('x' || left(md5(_row::text), 15))::bit(60)::bigint), 0)::text{last} FROM {table} _row
"""


class BackupError(Exception):
    """It cannot be done; the message is a sentence for the person at the keyboard, and nothing is half done."""


@dataclass(frozen=True, slots=True)
class Contents:
    """A database in figures.

    Attributes:
        tables: table -> how many rows, and a digest over all of them.
        history: table of events -> how many, and the highest number.
        guards: constraints that are validated, triggers that are enabled, indexes that are valid.
    """

    tables: Mapping[str, tuple[int, str]]
    history: Mapping[str, tuple[int, int]]
    guards: tuple[str, ...]

    @classmethod
    def parse(cls, known: Mapping[str, Any]) -> Contents:
        return cls(
            {name: (int(count), str(digest)) for name, (count, digest) in known["tables"].items()},
            {name: (int(count), int(last)) for name, (count, last) in known["history"].items()},
            tuple(known["guards"]),
        )

    @property
    def rows(self) -> int:
        return sum(count for count, _ in self.tables.values())

    @property
    def events(self) -> int:
        return sum(count for count, _ in self.history.values())


@dataclass(frozen=True, slots=True)
class Head:
    """What stands at the beginning of a backup: by whom and when it was made.

    Attributes:
        server: as PostgreSQL counts: 150020. dumped_by: the major version of pg_dump.
        migrations: app -> its last migrations that are applied.
    """

    version: str
    made_at: datetime
    server: int
    dumped_by: int
    migrations: Mapping[str, tuple[str, ...]]
    format: int = FORMAT

    @classmethod
    def parse(cls, known: Mapping[str, Any]) -> Head:
        """Raises: BackupError when it was written in a later format."""
        if int(known.get("format", 0)) > FORMAT:
            raise BackupError("This backup was written by a newer version of Cadence: install that one to restore it.")
        leaves = {app: tuple(names) for app, names in known["migrations"].items()}
        made_at = datetime.fromisoformat(known["made_at"])
        return cls(str(known["version"]), made_at, int(known["server"]), int(known["dumped_by"]), leaves)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"made_at": self.made_at.isoformat()}


@dataclass(frozen=True, slots=True)
class Manifest:
    """What stands at the end: what was to be in it. parts: name -> bytes and sha256."""

    contents: Contents
    parts: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    @classmethod
    def parse(cls, known: Mapping[str, Any]) -> Manifest:
        parts = {name: (int(size), str(digest)) for name, (size, digest) in known["parts"].items()}
        return cls(Contents.parse(known["contents"]), parts)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measure(cursor: Any) -> Contents:  # noqa: ANN401 (psycopg2 has no types)
    """The figures of the database as the cursor sees it (``standing_still``): one statement for each table."""
    cursor.execute(TABLES, [HISTORY_KEY])
    tables, history = {}, {}
    for name, has_history in cursor.fetchall():
        last = sql.SQL(", coalesce(max({}), 0)").format(sql.Identifier(HISTORY_KEY)) if has_history else sql.SQL("")
        cursor.execute(sql.SQL(MEASURE).format(last=last, table=sql.Identifier("public", name)))
        count, digest, *highest = cursor.fetchone()
        tables[name] = (int(count), str(digest))
        if highest:
            history[name] = (int(count), int(highest[0]))
    return Contents(tables, history, guards(cursor))


def guards(cursor: Any) -> tuple[str, ...]:  # noqa: ANN401 (psycopg2 has no types)
    """What keeps the rules in this database."""
    cursor.execute(GUARDS)
    return tuple(sorted(name for (name,) in cursor.fetchall()))


def differences(wanted: Contents, found: Contents) -> list[str]:
    """What is not as it was; empty when the two are the same."""
    said = []
    for name in sorted({*wanted.tables, *found.tables}):
        one, other = wanted.tables.get(name), found.tables.get(name)
        if one is None or other is None:
            said.append(f"table {name} is {'missing' if other is None else 'new'}")
        elif one[0] != other[0]:
            said.append(f"{name} has {other[0]} rows instead of {one[0]}")
        elif one != other:
            said.append(f"rows of {name} differ")
    events = sorted(wanted.history)
    said += [f"history of {name} differs" for name in events if found.history.get(name) != wanted.history[name]]
    said += [f"{name} is missing" for name in sorted(set(wanted.guards) - set(found.guards))]
    return said


def in_short(found: list[str]) -> str:
    """The first few, and how many more."""
    more = len(found) - SAID_AT_MOST
    return "; ".join(found[:SAID_AT_MOST]) + (f"; and {more} more" if more > 0 else "")


def missing_guards(guards: Iterable[str]) -> list[str]:
    """What this version wants in every database and is not there: its triggers, and that nothing is in two places."""
    there = set(guards)
    wanted = [f"trigger {model._meta.db_table}.{trigger.get_pgid(model)}" for model, trigger in pgtrigger.registered()]
    return [name for name in (NEVER_TWICE, *wanted) if name not in there]


# --- versions ---------------------------------------------------------------------------------------------------------
def applied_migrations() -> dict[str, tuple[str, ...]]:
    """App -> its last migrations that the database has."""
    loader = MigrationLoader(connections["default"])
    leaves: dict[str, list[str]] = {}
    applied = set(loader.applied_migrations)
    for key in sorted(applied & set(loader.graph.node_map)):
        children = {child.key for child in loader.graph.node_map[key].children}
        if not any(child in applied and child[0] == key[0] for child in children):
            leaves.setdefault(key[0], []).append(key[1])
    return {app: tuple(names) for app, names in leaves.items()}


def unknown_migrations(head: Head) -> list[str]:
    """Those of the backup that this version does not have: the backup comes from a newer one."""
    known = set(MigrationLoader(None).disk_migrations or {})
    return [f"{app} {name}" for app, names in head.migrations.items() for name in names if (app, name) not in known]
