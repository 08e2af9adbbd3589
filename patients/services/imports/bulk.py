"""Many rows at once: COPY into a table, and one UPDATE for a thousand rows.

History is written all the same: the triggers work for each statement, and the author stands in the transaction's
settings, which django-pghistory sets with the first statement that is no SELECT.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from django.db import connection
from django.db.models import Field, Model

ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
UPDATED_AT_ONCE = 500


def new_ids(model: type[Model], count: int) -> list[int]:
    """`count` ids of the table that no row has or will get."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [model._meta.db_table, count],
        )
        return [number for (number,) in cursor.fetchall()]


def copy_rows(model: type[Model], rows: Sequence[Mapping[str, Any]]) -> None:
    """The rows are in the table; columns that they leave out have the model's default."""
    if not rows:
        return
    fields: list[Any] = [field for field in model._meta.concrete_fields if field.name != "id" or "id" in rows[0]]
    lines = (
        "\t".join([_text(row[field.attname] if field.attname in row else _default(field)) for field in fields])
        for row in rows
    )
    columns = ", ".join(f'"{field.column}"' for field in fields)
    with connection.cursor() as cursor:
        cursor.copy_expert(
            f'COPY "{model._meta.db_table}" ({columns}) FROM STDIN',
            io.StringIO("\n".join(lines) + "\n"),
        )


def update_rows(model: type[Model], rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Each row (with its id) has these values in `columns`."""
    if not columns:
        return
    kinds = [model._meta.get_field(name).db_type(connection) for name in columns]
    shape = "(%s::bigint, " + ", ".join(f"%s::{kind}" for kind in kinds) + ")"
    assigned = ", ".join(f'"{name}" = fresh."{name}"' for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    for begin in range(0, len(rows), UPDATED_AT_ONCE):
        some = rows[begin : begin + UPDATED_AT_ONCE]
        values = [_plain(value) for row in some for value in (row["id"], *(row[name] for name in columns))]
        with connection.cursor() as cursor:
            cursor.execute(
                f'UPDATE "{model._meta.db_table}" AS kept SET {assigned}'  # noqa: S608 (names of our own columns)
                f" FROM (VALUES {', '.join([shape] * len(some))}) AS fresh (id, {names}) WHERE kept.id = fresh.id",
                values,
            )


def batches(rows: Iterable[Any], size: int) -> Iterable[list[Any]]:
    batch: list[Any] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _default(field: Field[Any, Any]) -> Any:  # noqa: ANN401 (a column has its own type)
    return None if field.null and not field.has_default() else field.get_default()


def _text(value: Any) -> str:  # noqa: ANN401, PLR0911 (one line a type)
    """`value` as COPY reads it."""
    if value is None:
        return "\\N"
    if isinstance(value, str):
        return value.translate(ESCAPES)
    if isinstance(value, list):
        return "{" + ",".join(map(str, value)) + "}"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False).translate(ESCAPES)
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, date):  # and datetime
        return value.isoformat()
    return str(value)


def _plain(value: Any) -> Any:  # noqa: ANN401
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
