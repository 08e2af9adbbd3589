"""Writing many rows at once: what watches each single row steps aside, and the database checks the whole afterwards.

Meanwhile neither history nor any other trigger runs. Foreign keys, the exclusion constraint and all indexes but the
primary keys are dropped and made anew from their own definitions, which validates every row; checks, uniqueness by
constraint and NOT NULL hold all the time. All of it belongs to one transaction: either the rows are legal and
everything stands as before, or nothing has happened. Needs the owner of the tables, not a superuser.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, models

Say = Callable[[str], None]
LINES_AT_ONCE = 50_000
TOLD_EVERY = 40

CONSTRAINTS = """
    SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid)
    FROM pg_constraint WHERE contype = %s AND conrelid = ANY(%s::regclass[]) ORDER BY 1, 2"""
INDEXES = """
    SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
    FROM pg_index i
    WHERE i.indrelid = ANY(%s::regclass[]) AND NOT EXISTS (
        SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x'))
    ORDER BY 1"""


class Progress:
    """What is done, how many of how many, and for how long it has been going on."""

    def __init__(self, say: Say) -> None:
        self._say, self._begun = say, time.monotonic()

    def __call__(self, what: str, done: int | None = None, total: int | None = None) -> None:
        counted = "" if done is None else f": {done:,}" if total is None else f": {done:,} of {total:,}"
        self._say(f"{time.monotonic() - self._begun:6.0f} s  {what}{counted}")


@contextmanager
def written_in_bulk(written: Sequence[type[models.Model]], progress: Progress) -> Iterator[None]:
    """The tables of these models take rows without triggers inside the block, and are as before, checked, after it."""
    tables = [model._meta.db_table for model in written]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks that wait cannot be changed
        cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
        cursor.execute("SET LOCAL work_mem = '256MB'")
        keys = _rows(cursor, CONSTRAINTS, ["f", tables])
        exclusions = _rows(cursor, CONSTRAINTS, ["x", tables])
        for table, name, _ in [*keys, *exclusions]:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        indexes = _rows(cursor, INDEXES, [tables])
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
        defaults = list(_know_defaults(cursor, written))
        _triggers(cursor, "DISABLE", tables)
        yield
        for table, column in defaults:
            cursor.execute(f"ALTER TABLE {table} ALTER {column} DROP DEFAULT")
        for table in tables:
            _count_on(cursor, table)
        _run(cursor, "indexes", [definition for _, definition in indexes], progress)
        _run(cursor, "nothing is in two places at once", _added(exclusions), progress)
        _run(cursor, "references checked", _added(keys), progress)
        _triggers(cursor, "ENABLE", tables)
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    analyze(tables)


def _added(constraints: Sequence[tuple[str, str, str]]) -> list[str]:
    return [f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}" for table, name, definition in constraints]


def _run(cursor: Any, what: str, statements: Sequence[str], progress: Progress) -> None:  # noqa: ANN401
    for number, statement in enumerate(statements, 1):
        cursor.execute(statement)
        if number % TOLD_EVERY == 0 or number == len(statements):
            progress(what, number, len(statements))


def _triggers(cursor: Any, how: str, tables: Sequence[str]) -> None:  # noqa: ANN401
    for table in tables:
        cursor.execute(f"ALTER TABLE {table} {how} TRIGGER USER")


def analyze(tables: Iterable[str]) -> None:
    """The planner of PostgreSQL knows what was just written; no other process can see it to tell it."""
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(tables)}")


def copy(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """The rows stand in the table; returns how many. None is NULL, a list becomes an array of numbers."""
    said = ", ".join(f'"{column}"' for column in columns)
    count = 0
    with connection.cursor() as cursor:
        buffer = io.StringIO()

        def flush() -> None:
            nonlocal buffer
            buffer.seek(0)
            cursor.copy_expert(f"COPY {table} ({said}) FROM STDIN", buffer)
            buffer = io.StringIO()

        for count, row in enumerate(rows, 1):
            buffer.write("\t".join(_field(value) for value in row))
            buffer.write("\n")
            if count % LINES_AT_ONCE == 0:
                flush()
        flush()
    return count


def execute(statement: str, values: dict[str, Any]) -> int:
    """Runs it; returns how many rows the last of its statements wrote."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def _field(value: Any) -> str:  # noqa: ANN401 (whatever a column holds)
    if value is None:
        return "\\N"
    if isinstance(value, str):
        return value.replace("\\", "\\\\").replace("\t", " ").replace("\n", "\\n")
    if isinstance(value, (list, tuple)):
        return "{" + ",".join(map(str, value)) + "}"
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value)


def _rows(cursor: Any, sql: str, values: list[Any]) -> list[tuple[Any, ...]]:  # noqa: ANN401
    cursor.execute(sql, values)
    return list(cursor.fetchall())


def _know_defaults(cursor: Any, written: Sequence[type[models.Model]]) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    """What a bulk insert does not name gets the default of its model, which Django does not leave in the database."""
    for model in written:
        for field in model._meta.concrete_fields:
            random = isinstance(field, models.UUIDField)
            value = None if field.primary_key or field.null or random else field.get_default()
            if value is None and not (random and not field.null):
                continue
            table, column = model._meta.db_table, f'"{field.column}"'
            if random:
                cursor.execute(f"ALTER TABLE {table} ALTER {column} SET DEFAULT gen_random_uuid()")
            else:
                prepared = field.get_db_prep_save(value, connection)
                cursor.execute(f"ALTER TABLE {table} ALTER {column} SET DEFAULT %s", [prepared])
            yield table, column


def _count_on(cursor: Any, table: str) -> None:  # noqa: ANN401
    """The next row gets the next number."""
    last = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"  # noqa: S608
    cursor.execute(last)
