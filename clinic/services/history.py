"""What changed: the event tables that the database fills by itself, read as one list in readable words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from functools import cache
from typing import Any

from django.contrib.postgres.fields import ArrayField, DateTimeRangeField
from django.core.exceptions import FieldDoesNotExist
from django.db import connection, models
from django.db.models import CharField, Q, QuerySet, Value
from pghistory.core import event_models
from psycopg2 import sql

from clinic.models import Location, Resource, ResourceKind, User

PAGE = 50
WAYS_TO_PATIENT = (
    *("subject", "booking", "patient", "course", "phase", "infusion", "kept", "resource"),
    *("consultation", "request", "record", "visit", "item", "message"),
)
"""Fields that lead from a table to its patient, most telling first. Names only: the place knows no other package."""
OPEN_TABLES = frozenset(
    {"patients.patient", "patients.phone", "patients.externalid", "patients.merge", "patients.unavailability"}
    | {"courses.course", "courses.phase", "courses.phasestep", "courses.infusion", "courses.infusionvisit"}
    | {"patients.messagerule", "patients.messagetext"}
    | {"patients.intakesettings", "patients.priceitem", "patients.consenttext"}
    | {"courses.infusiondaysettings", "courses.followupsettings", "courses.druglot"}
    | {"courses.reportmail", "patients.privacysettings", "patients.retentionterm"}
    | {"courses.ruleoverride", "courses.protocol", "courses.protocolversion", "courses.protocolstep"}
)
"""Tables outside the place whose content every reader of the history may see. What is not named here is clinical: only
who may view clinical facts sees its values, so that a table that is added later is closed until somebody opens it."""
QUIET_FIELDS = frozenset({"id", "version", "created_at"})


class Change(StrEnum):
    """What the database did to a row; the values are django-pghistory's labels."""

    ADDED = "insert"
    CHANGED = "update"
    REMOVED = "delete"

    @property
    def label(self) -> str:
        return self.name.capitalize()


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page of the history ends; the next begins after it."""

    at: datetime
    table: str
    number: int

    def __str__(self) -> str:
        return f"{self.at.isoformat()}|{self.table}|{self.number}"

    @classmethod
    def parse(cls, text: str) -> Cursor | None:
        """None for anything that is no cursor."""
        parts = text.split("|")
        try:
            at = datetime.fromisoformat(parts[0])
            return cls(at, parts[1], int(parts[2])) if at.tzinfo else None
        except (ValueError, IndexError):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to show: the half-open span of time, and what else must fit."""

    since: datetime
    until: datetime
    user_id: int | None = None
    subject_id: int | None = None
    table: str = ""
    change: Change | None = None
    after: Cursor | None = None
    rows: Mapping[str, frozenset[int]] | None = None
    """Only these rows, by table; None: whatever else fits."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One row that changed."""

    at: datetime
    table: str
    thing: str
    change: Change
    fields: tuple[FieldChange, ...]
    is_hidden: bool


@dataclass(slots=True)
class Deed:
    """What one person did at one moment from one page: all rows that it changed."""

    at: datetime
    who: str
    path: str
    entries: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class HistoryPage:
    deeds: tuple[Deed, ...]
    count: int
    next: Cursor | None


@cache
def tables() -> dict[str, str]:
    """Tracked tables: label such as "clinic.closure" -> name in words, by name."""
    found = {label: str(_model_of(event)._meta.verbose_name).capitalize() for label, event in _events().items()}
    return dict(sorted(found.items(), key=lambda pair: pair[1]))


@cache
def _events() -> dict[str, type[models.Model]]:
    return {_model_of(event)._meta.label_lower: event for event in sorted(event_models(), key=lambda e: e._meta.label)}


def _model_of(event: type[models.Model]) -> type[models.Model]:
    tracked: type[models.Model] = event.pgh_tracked_model  # type: ignore[attr-defined]
    return tracked


@cache
def _way_to_patient(label: str) -> str:
    """The lookup from a table's events to the patient's resource ("course__patient__resource"); empty when none."""
    return _way(_model_of(_events()[label]), depth=6)


def _way(model: type[models.Model], *, depth: int) -> str:
    if model is Resource:
        return "id"
    for name in WAYS_TO_PATIENT:
        try:
            relation = model._meta.get_field(name)
        except FieldDoesNotExist:
            continue
        target = relation.related_model
        if not isinstance(relation, models.ForeignKey) or not isinstance(target, type) or not depth:
            continue
        if target is Resource:
            return name
        if rest := _way(target, depth=depth - 1):
            return f"{name}__{rest}"
    return ""


def patient_by_mrn(mrn: str) -> Resource | None:
    """The patient's resource, by the number that the clinic issued."""
    return Resource.objects.filter(kind=ResourceKind.PATIENT, patient__mrn__iexact=mrn.strip()).first()


def history(wanted: Wanted, *, with_clinical: bool, location: Location | None) -> HistoryPage:
    """One page of changes, newest first, in a fixed number of queries.

    Args:
        with_clinical: whether the reader may see the values of clinical tables.
        location: whose clocks show the times; UTC without one.
    """
    keys = _keys(wanted)
    page, more = keys[:PAGE], keys[PAGE:]
    rows = _rows(page)
    names = _names(rows)
    deeds: dict[tuple[Any, datetime], Deed] = {}
    for table, number, at in page:
        raw = rows[table, number]
        path = str(raw["metadata"].get("url") or "")
        deed = deeds.setdefault((raw["context"], at), Deed(at, _who(raw["metadata"], names), path))
        deed.entries.append(_entry(table, at, raw, names=names, with_clinical=with_clinical, location=location))
    for deed in deeds.values():
        deed.entries.sort(key=lambda entry: (entry.table == "clinic.allocation", entry.table))
    end = Cursor(page[-1][2], page[-1][0], page[-1][1]) if more else None
    return HistoryPage(tuple(deeds.values()), len(page), end)


def _keys(wanted: Wanted) -> list[tuple[str, int, datetime]]:
    """(table, event number, instant) of one page and one row more, newest first: one query over all tables."""
    branches = []
    for label, event in _events().items():
        if (wanted.table and label != wanted.table) or (wanted.rows is not None and label not in wanted.rows):
            continue
        if wanted.subject_id is not None and not _way_to_patient(label):
            continue
        rows = event._default_manager.filter(_fits(label, wanted))
        named = rows.annotate(table=Value(label, output_field=CharField()))
        newest = named.order_by("-pgh_created_at", "-pgh_id")[: PAGE + 1]
        branches.append(newest.values_list("table", "pgh_id", "pgh_created_at"))
    if not branches:
        return []
    first, *rest = branches
    union: QuerySet[Any, Any] = first.union(*rest, all=True) if rest else first
    ordered = union.order_by("-pgh_created_at", "table", "-pgh_id") if rest else union
    return list(ordered[: PAGE + 1])


def _fits(label: str, wanted: Wanted) -> Q:
    fits = Q(pgh_created_at__gte=wanted.since, pgh_created_at__lt=wanted.until)
    if wanted.user_id is not None:
        fits &= Q(pgh_context__metadata__user=wanted.user_id)
    if wanted.change is not None:
        fits &= Q(pgh_label=wanted.change.value)
    if wanted.subject_id is not None:
        fits &= Q(**{_way_to_patient(label): wanted.subject_id})
    if wanted.rows is not None:
        fits &= Q(pgh_obj_id__in=wanted.rows[label])
    if wanted.after is not None:
        fits &= _after(label, wanted.after)
    return fits


def _after(label: str, cursor: Cursor) -> Q:
    """Rows that come later in the order (newest first, then by table, then newest number first)."""
    if label > cursor.table:
        return Q(pgh_created_at__lte=cursor.at)
    older = Q(pgh_created_at__lt=cursor.at)
    return older | Q(pgh_created_at=cursor.at, pgh_id__lt=cursor.number) if label == cursor.table else older


def _rows(keys: Iterable[tuple[str, int, datetime]]) -> dict[tuple[str, int], dict[str, Any]]:
    """The events, each with the state before it and its context: one query, whatever tables they come from."""
    numbers: dict[str, list[int]] = {}
    for table, number, _ in keys:
        numbers.setdefault(table, []).append(number)
    if not numbers:
        return {}
    branch = sql.SQL(
        "SELECT {label} AS label, e.pgh_id, e.pgh_label, e.pgh_context_id, c.metadata, to_jsonb(e) AS now, "
        "(SELECT to_jsonb(p) FROM {table} p WHERE p.pgh_obj_id = e.pgh_obj_id AND p.pgh_id < e.pgh_id "
        "ORDER BY p.pgh_id DESC LIMIT 1) AS before "
        "FROM {table} e LEFT JOIN pghistory_context c ON c.id = e.pgh_context_id WHERE e.pgh_id = ANY({numbers})"
    )
    query = sql.SQL(" UNION ALL ").join(
        branch.format(
            label=sql.Literal(label), table=sql.Identifier(_events()[label]._meta.db_table), numbers=sql.Literal(ids)
        )
        for label, ids in numbers.items()
    )
    with connection.cursor() as cursor:
        cursor.execute(query.as_string(cursor.connection))
        return {
            (label, number): {
                "change": change,
                "context": context,
                "metadata": _json(metadata) or {},
                "now": _json(now),
                "before": _json(before),
            }
            for label, number, change, context, metadata, now, before in cursor.fetchall()
        }


def _json(text: Any) -> Any:  # noqa: ANN401 (whatever the database holds)
    """Django leaves jsonb as text on its own cursors."""
    return json.loads(text) if isinstance(text, str) else text


Names = Mapping[type[models.Model], Mapping[int, str]]


def _names(events: Mapping[tuple[str, int], Mapping[str, Any]]) -> Names:
    """The names behind the foreign keys that people know by name, one query for each of three tables."""
    ids: dict[type[models.Model], set[int]] = {User: set(), Location: set(), Resource: set()}
    for (table, _), raw in events.items():
        if user := raw["metadata"].get("user"):
            ids[User].add(int(user))
        for column in _columns(table):
            if isinstance(column, models.ForeignKey) and column.related_model in ids:
                states = (raw["now"], raw["before"] or {})
                ids[column.related_model] |= {state[column.column] for state in states if state.get(column.column)}
    found = {model: model._default_manager.filter(pk__in=numbers) for model, numbers in ids.items()}
    return {model: {row.pk: str(row) for row in rows} for model, rows in found.items()}


def _who(metadata: Mapping[str, Any], names: Names) -> str:
    user = metadata.get("user")
    return names[User].get(int(user), f"Person {user}") if user else "The system"


@cache
def _columns(table: str) -> tuple[models.Field[Any, Any], ...]:
    """The fields of the tracked model that its event table keeps too."""
    kept = {f.name for f in _events()[table]._meta.fields}
    return tuple(f for f in _model_of(_events()[table])._meta.fields if f.name in kept)


def _entry(
    table: str, at: datetime, raw: Mapping[str, Any], *, names: Names, with_clinical: bool, location: Location | None
) -> Entry:
    change = Change(raw["change"])
    now, before = raw["now"], raw["before"] if change is Change.CHANGED else None
    hidden = not with_clinical and not table.startswith("clinic.") and table not in OPEN_TABLES
    fields = []
    for column in _columns(table):
        if column.name in QUIET_FIELDS or (before is not None and before.get(column.column) == now.get(column.column)):
            continue
        old = _say(column, before.get(column.column), names, location) if before is not None else ""
        new = _say(column, now.get(column.column), names, location)
        if old or new:
            label = str(column.verbose_name)
            label = label[:1].upper() + label[1:]
            fields.append(FieldChange(label, "", "") if hidden else FieldChange(label, old, new))
    said = "" if hidden else _thing(table, now, names, location)
    thing = f"{tables()[table]} {said or 'no. ' + str(now.get('id'))}"
    return Entry(at, table, thing, change, tuple(fields), hidden)


def _thing(table: str, state: Mapping[str, Any], names: Names, location: Location | None) -> str:
    """What the row is called: its name, else whom or what it is about and when."""
    if state.get("family_name"):
        return f"{state.get('given_name', '')} {state['family_name']}".strip()
    if state.get("username"):
        return f"{state.get('first_name', '')} {state.get('last_name', '')}".strip() or str(state["username"])
    if called := next((state[key] for key in ("name", "reason", "title") if state.get(key)), ""):
        return f"“{called}”"
    columns = {column.name: column for column in _columns(table)}
    telling = ("subject", "resource", "user", "weekday", "day", "span", "role", "kind")
    told = [columns[key] for key in telling if key in columns]
    values = [_say(column, state.get(column.column or ""), names, location) for column in told]
    return ", ".join(value for value in values if value)


RANGE = re.compile(r'[\[(]"?([^",]+)"?,"?([^",)]+)"?[\])]')


def _say(column: models.Field[Any, Any], value: Any, names: Names, location: Location | None) -> str:  # noqa: ANN401
    """A stored value as a person says it; empty for nothing."""
    if value is None or value == "" or (isinstance(value, list) and not value):
        said = ""
    elif isinstance(column, models.ForeignKey):
        said = names.get(column.related_model, {}).get(value, f"no. {value}")
    elif isinstance(column, ArrayField):
        said = ", ".join(_say(column.base_field, item, names, location) for item in value)
    elif column.choices:
        said = str(dict(column.flatchoices).get(value, value))
    elif isinstance(value, bool):
        said = "yes" if value else "no"
    else:
        said = _say_time(column, str(value), location)
    return said


def _say_time(column: models.Field[Any, Any], text: str, location: Location | None) -> str:
    """Spans, instants, days and clock times as the clinic speaks them; anything else as it is."""
    if isinstance(column, DateTimeRangeField) and (found := RANGE.match(text)):
        start, end = (_clock(part, location) for part in found.groups())
        return f"{_day(start)}, {start:%H:%M}–{end:%H:%M}"
    if isinstance(column, models.DateTimeField):
        moment = _clock(text, location)
        return f"{_day(moment)}, {moment:%H:%M}"
    if isinstance(column, models.DateField):
        return _day(date.fromisoformat(text))
    if isinstance(column, models.TimeField):
        return f"{time.fromisoformat(text):%H:%M}"
    return text


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b %Y}"


def _clock(text: str, location: Location | None) -> datetime:
    moment = datetime.fromisoformat(re.sub(r"([+-]\d\d)$", r"\1:00", text.replace(" ", "T")))
    return location.local(moment) if location else moment


def editors() -> Sequence[User]:
    """Everybody who may stand in the history, by name."""
    return list(User.objects.order_by("last_name", "first_name", "id"))
