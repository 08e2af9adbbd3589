"""What happened in a period at the chosen locations: several questions in one statement, each answered by plain rows.

A day begins and ends on the clocks of its own location, also on the days on which they change. Every statement knows
``place``: the chosen locations, each with the instants between which its period lies, ``[lo, hi)``. ``earliest`` and
``latest`` are instants between which the period lies on any clock on earth: they leave out no row that ``lo`` and
``hi`` let in, but as constants they tell PostgreSQL how many rows to expect, which it cannot know of a join.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from courses.pure.reports.filters import Filters
from courses.pure.reports.rates import Quartiles

Row = dict[str, Any]
PLACES = Decimal("0.001")  # of a quartile, in whatever unit: what lies behind is the machine's, not the data's

AHEAD_OF_UTC, BEHIND_UTC = timedelta(hours=14), timedelta(hours=12)
"""How far clocks on earth are from UTC at most: Kiritimati, and the ships west of the date line."""
ROOM = "SELECT set_config('work_mem', '64MB', true);"
"""A year of visits is joined and sorted in memory; with PostgreSQL's usual 4 MB it goes by way of the disk and takes
half as long again. For the one statement: it ends with its transaction."""
PLACE = """
place AS MATERIALIZED (
    SELECT id, name, time_zone,
           COALESCE(%(since)s::date::timestamp AT TIME ZONE time_zone, '-infinity'::timestamptz) AS lo,
           COALESCE((%(until)s::date + 1)::timestamp AT TIME ZONE time_zone, 'infinity'::timestamptz) AS hi
    FROM clinic_location
    WHERE %(location)s::bigint IS NULL OR id = %(location)s
)"""


def read(
    filters: Filters, questions: Mapping[str, str], *, shared: Sequence[str] = (), params: Mapping[str, Any]
) -> dict[str, list[Row]]:
    """The rows of each question, by its name; one query. Numbers with a point come as decimals.

    Args:
        filters: of which the period and the location count.
        questions: a SELECT each, by name.
        shared: common table expressions that they stand on, after ``place``.
        params: what else the statement names.
    """
    asked = ",\n".join(
        f"(SELECT COALESCE(jsonb_agg(to_jsonb(one)), '[]') FROM ({sql}) AS one) AS {name}"  # noqa: S608 (constants)
        for name, sql in questions.items()
    )
    with connection.cursor() as cursor:
        cursor.execute(f"{ROOM} WITH {', '.join((PLACE, *shared))}\nSELECT {asked}", {**period_of(filters), **params})
        found = cursor.fetchone()
    return {name: json.loads(text, parse_float=Decimal) for name, text in zip(questions, found, strict=True)}


def page(
    filters: Filters, sql: str, part: tuple[int, int], *, shared: Sequence[str] = (), params: Mapping[str, Any]
) -> tuple[int, list[tuple[Any, ...]]]:
    """How many rows a question has, and those of the ``part`` (the first from 0 on, how many), as tuples; one query."""
    whole = f"""
        WITH {", ".join((PLACE, *shared))}, found AS MATERIALIZED ({sql})
        SELECT n.n, one.*
        FROM (SELECT count(*) AS n FROM found) AS n
        LEFT JOIN (SELECT TRUE AS is_row, * FROM found LIMIT %(page_count)s OFFSET %(page_first)s) AS one ON TRUE
    """  # noqa: S608 (constants of this package)
    with connection.cursor() as cursor:
        cursor.execute(whole, {**period_of(filters), **params, "page_first": part[0], "page_count": part[1]})
        rows = cursor.fetchall()
    return rows[0][0], [row[2:] for row in rows if row[1]]


def period_of(filters: Filters) -> dict[str, Any]:
    """What ``place`` names, and the instants around the period."""
    since, until = filters.since, filters.until
    return {
        "since": since,
        "until": until,
        "location": filters.location,
        "earliest": _midnight(since) - AHEAD_OF_UTC if since else "-infinity",
        "latest": _midnight(until) + timedelta(days=1) + BEHIND_UTC if until else "infinity",
    }


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def quartiles(name: str, value: str, *, where: str = "TRUE") -> str:
    """Columns ``name`` ([q1, median, q3] or null) and ``name_n`` of an aggregate, for ``spread_of``.

    Args:
        name: of the columns.
        value: an expression in SQL, a number; nulls do not count.
        where: which rows count.
    """
    return (
        f"to_jsonb(percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY {value}) FILTER (WHERE {where})) "
        f"AS {name}, count({value}) FILTER (WHERE {where}) AS {name}_n"
    )


def spread_of(row: Row, name: str) -> Quartiles:
    """The quartiles that ``quartiles`` asked for."""
    found = row[name]
    if not row[f"{name}_n"]:
        return Quartiles(0)
    low, middle, high = (Decimal(one).quantize(PLACES) for one in found)
    return Quartiles(row[f"{name}_n"], low, middle, high)
