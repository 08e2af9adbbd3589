"""Outcomes by condition, severity, protocol, dose, clinician, location, referrer, previous failures and period."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.db import connection
from django.db.models import Case, CharField, F, QuerySet, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, NullIf, TruncMonth, TruncQuarter, TruncYear

from courses.models import CourseResult
from courses.pure.reports.contents import LEAST, Cell, Column, Kind, Table, Unit
from courses.pure.reports.filters import DOSES, FAILURES, LISTED, NONE, Filters, day_words
from courses.pure.reports.rates import share, wilson
from courses.reports.filtering import BANDS, FIELDS, SEVERITIES, Choices, band_of
from courses.reports.outcome_groups import Group

MOST = 20
"""Rows of a table; the others are named in its note and can be chosen by the filter."""
LONG, VERY_LONG = 18, 72
"""Months up to which a period is split into months, then into quarters."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """By what a table splits: the words over its first column, and where rows without a value stand."""

    name: str
    title: str
    column: str
    nothing: str = ""


DIMENSIONS = (
    Dimension("protocol", "By protocol", "Protocol"),
    Dimension("indication", "By condition", "Condition"),
    Dimension("severity", "By severity at baseline", "Severity", "No baseline or no band"),
    Dimension("dose", "By dose", "Median dose of the series", "Not recorded"),
    Dimension("failures", "By treatments without response before", "Treatments", "Not recorded"),
    Dimension("prescriber", "By clinician", "Clinician"),
    Dimension("location", "By location", "Location"),
    Dimension("referrer", "By referrer", "Referrer", "None recorded"),
    Dimension("period", "By start", "First infusion"),
)
COLUMNS = (
    Column("courses", "Courses", Kind.NUMBER),
    Column("completed", "Completed", Kind.NUMBER, Unit.PERCENT),
    Column("judged", "Evaluable", Kind.NUMBER),
    Column("response", "Response", Kind.NUMBER, Unit.PERCENT),
    Column("response_low", "95 % from", Kind.NUMBER, Unit.PERCENT),
    Column("response_high", "95 % to", Kind.NUMBER, Unit.PERCENT),
    Column("remission", "Remission", Kind.NUMBER, Unit.PERCENT),
)
SHARES = ("completed", "response", "remission")


@dataclass(frozen=True, slots=True)
class Line:
    """One row as counted."""

    value: str
    courses: int
    n: Mapping[str, int]
    of: Mapping[str, int]


def split(rows: QuerySet[CourseResult], groups: Mapping[str, Group], filters: Filters) -> dict[str, list[Line]]:
    """The lines of every table, by the name of its dimension; one query that reads each course once."""
    flags = {f"{key}_{part}": getattr(groups[key], part) for key in SHARES for part in ("n", "of")}
    inner = rows.order_by().values(
        **{f"by_{one.name}": NullIf(Cast(value_of(one.name, filters), CharField()), Value("")) for one in DIMENSIONS},
        **{name: Case(When(condition, then=1), default=0) for name, condition in flags.items()},
    )
    sql, params = inner.query.sql_with_params()
    columns = [f"by_{one.name}" for one in DIMENSIONS]
    counts = ", ".join(f"sum({name})" for name in flags)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT GROUPING({', '.join(columns)}), COALESCE({', '.join(columns)}), count(*), {counts} "  # noqa: S608
            f"FROM ({sql}) one GROUP BY GROUPING SETS ({', '.join(f'({name})' for name in columns)})",  # our own names
            params,
        )
        found: dict[str, list[Line]] = {one.name: [] for one in DIMENSIONS}
        for mask, value, courses, *numbers in cursor.fetchall():
            told = dict(zip(flags, map(int, numbers), strict=True))
            n, of = ({key: told[f"{key}_{part}"] for key in SHARES} for part in ("n", "of"))
            found[_grouped(mask)].append(Line(value or NONE, courses, n, of))
    return found


def _grouped(mask: int) -> str:
    """By which dimension a line is grouped: the one whose bit is not set, the last dimension being the lowest bit."""
    return next(one.name for place, one in enumerate(reversed(DIMENSIONS)) if not mask >> place & 1)


def value_of(name: str, filters: Filters) -> Combinable:
    """What a table groups by: the value that a filter of this name takes."""
    if name in BANDS:
        field, bands = BANDS[name]
        whens = [When(band_of(field, band), then=Value(band.key)) for band in bands]
        return Case(*whens, output_field=CharField())
    if name == "period":
        step = {"month": TruncMonth, "quarter": TruncQuarter, "year": TruncYear}[step_of(filters)]
        return step("started_on")
    return F(FIELDS[name])


def step_of(filters: Filters) -> str:
    """Into what the period is split."""
    if filters.since is None or filters.until is None:
        return "quarter"
    months = (filters.until.year - filters.since.year) * 12 + filters.until.month - filters.since.month + 1
    if months <= LONG:
        return "month"
    return "quarter" if months <= VERY_LONG else "year"


def tables(
    lines: Mapping[str, Sequence[Line]], filters: Filters, known: Choices, *, about: str, source: str
) -> Iterator[Table]:
    """Every table that splits anything: one with a single row says nothing that the figures do not."""
    for one in DIMENSIONS:
        ordered = _ordered(one.name, lines[one.name])
        if len(ordered) > 1:
            yield _table(one, ordered, words_for(one, filters, known), about=about, source=source)


def _table(
    dimension: Dimension, ordered: Sequence[Line], words: Callable[[str], str], *, about: str, source: str
) -> Table:
    shown, rest = ordered[:MOST], ordered[MOST:]
    more = sum(one.courses for one in rest)
    note = f"{len(rest)} more with {more} courses: choose one above to see it." if rest else ""
    return Table(
        key=f"by-{dimension.name}",
        title=dimension.title,
        definition=about,
        source=source,
        columns=(Column("name", dimension.column), *COLUMNS),
        rows=tuple((words(one.value), *_cells(one)) for one in shown),
        row_lists=tuple(f"by-{dimension.name}-{token_of(one.value)}" for one in shown),
        note=note,
    )


def _cells(line: Line) -> tuple[Cell, ...]:
    n, of = line.n, line.of
    low, high = wilson(n["response"], of["response"]) if of["response"] >= LEAST else (None, None)
    return (
        line.courses,
        _share(line, "completed"),
        of["response"],
        _share(line, "response"),
        low,
        high,
        _share(line, "remission"),
    )


def _share(line: Line, key: str) -> Cell:
    """Of fewer than ``LEAST`` only that they are few."""
    of = line.of[key]
    if of >= LEAST:
        return share(line.n[key], of)
    return f"n = {of}: too few" if of else None


def words_for(dimension: Dimension, filters: Filters, known: Choices) -> Callable[[str], str]:
    """How a value of the first column is called."""
    if dimension.name == "period":
        return lambda value: period_words(date.fromisoformat(value[:10]), step_of(filters))
    names = dict(known.of[dimension.name]) | dict(LISTED.get(dimension.name, {}))
    if dimension.nothing:
        names[NONE] = dimension.nothing
    return lambda value: _capital(names.get(value, value))


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def period_words(first: date, step: str) -> str:
    """Such as "Mar 2027", "Quarter 1 of 2027", "2027"."""
    if step == "month":
        return day_words(first).split(" ", 1)[1]
    return f"Quarter {(first.month + 2) // 3} of {first.year}" if step == "quarter" else str(first.year)


def _ordered(name: str, lines: Sequence[Line]) -> list[Line]:
    """Bands and days in their own order, everything else by how many there are; what is not recorded comes last."""
    order: dict[str, Sequence[str]] = {
        "severity": SEVERITIES,
        "dose": [one.key for one in DOSES],
        "failures": [one.key for one in FAILURES],
        "period": sorted(one.value for one in lines),
    }

    def place(line: Line) -> tuple[bool, int, int, str]:
        own = order.get(name, ())
        at = own.index(line.value) if line.value in own else len(own)
        return line.value == NONE, at, -line.courses, line.value

    return sorted(lines, key=place)


# -- the list behind a row ---------------------------------------------------------------------------------------------
def token_of(value: str) -> str:
    """A value as part of an address, which takes no spaces: itself, or a fingerprint of it."""
    is_plain = value.isascii() and value.replace("-", "").isalnum()
    return value if is_plain else hashlib.sha256(value.encode()).hexdigest()[:12]


def rows_of(
    rows: QuerySet[CourseResult], filters: Filters, name: str, token: str
) -> tuple[QuerySet[CourseResult], str] | None:
    """The courses of one row of a table, and its value; None where there is no such row. One query."""
    split_rows = rows.annotate(split=Cast(value_of(name, filters), CharField()))
    values = split_rows.order_by().values_list("split", flat=True).distinct()
    found = next((one for one in values if token_of(one or NONE) == token), None)
    return None if found is None else (split_rows.filter(split=found), found or NONE)
