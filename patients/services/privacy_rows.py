"""Everything in the database that is about one person, found by the foreign keys themselves.

No list of tables has to be kept: a table that is added later and leads to a patient is found, and the tests fail until
somebody has said what an export and an erasure do with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import Q, QuerySet
from pghistory.core import event_models
from pghistory.models import Event

from clinic.models import Resource, User
from patients.models import Patient

Model = type[models.Model]
PACKAGES = ("clinic", "patients", "courses")
TO_RESOURCE = ("subject", "resource")
"""The only fields that lead to a patient through a resource; others name a chair, a nurse, a clinician."""


@cache
def tables() -> tuple[Model, ...]:
    """Every table whose rows may be about a patient, parents before their children."""
    found: list[Model] = [Resource, Patient]
    waiting = [model for model in apps.get_models() if _is_table(model) and model not in found]
    while ready := [model for model in waiting if any(_leads(f, found) for f in model._meta.concrete_fields)]:
        found += ready
        waiting = [model for model in waiting if model not in ready]
    return tuple(_parents_first(found))


def _is_table(model: Model) -> bool:
    return (
        model._meta.app_label in PACKAGES
        and not model._meta.proxy
        and not issubclass(model, Event)
        and model is not User
    )


def _leads(column: models.Field[Any, Any], to: Iterable[Model]) -> bool:
    target: Any = column.related_model
    if not isinstance(column, models.ForeignKey) or target not in to or target is column.model:
        return False
    return target is not Resource or column.name in TO_RESOURCE


def _parents_first(models_: list[Model]) -> Iterator[Model]:
    done: list[Model] = []
    while len(done) < len(models_):
        step = [
            model
            for model in models_
            if model not in done and all(f.related_model in done for f in _all(model, models_))
        ]
        done += step or [next(model for model in models_ if model not in done)]  # a circle of nullable fields
    return iter(done)


def _all(model: Model, among: Iterable[Model]) -> list[models.ForeignKey[Any, Any]]:
    return [f for f in model._meta.concrete_fields if isinstance(f, models.ForeignKey) and _leads(f, among)]


@cache
def owners(model: Model) -> tuple[models.ForeignKey[Any, Any], ...]:
    """The fields that say whose row it is.

    A ``patient`` that is never empty decides alone: an offer names its own patient and the freed time of another one.
    """
    ways = _all(model, tables())
    sure = [f for f in ways if f.name == "patient" and not f.null]
    return tuple(sure or ways)


@cache
def events() -> dict[Model, Any]:
    """The event table of each tracked table."""
    found: dict[Model, Any] = {}
    for event in event_models():
        tracked: Model = event.pgh_tracked_model  # type: ignore[attr-defined]
        found[tracked] = event
    return found


def people(patient: Patient) -> list[Patient]:
    """The record with all records that were merged into it, one after the other."""
    found = [patient]
    while more := list(Patient.objects.filter(merged_into__in=found).exclude(pk__in=[row.pk for row in found])):
        found += more
    return found


def ids_of(patient: Patient, *, with_past: bool = False) -> dict[Model, frozenset[int]]:
    """The rows about this person: primary keys by table. Two to four queries a table.

    Args:
        with_past: also of rows that were removed since and are known from their history alone.
    """
    rows = people(patient)
    found: dict[Model, frozenset[int]] = {
        Patient: frozenset(row.pk for row in rows),
        Resource: frozenset(row.resource_id for row in rows),
    }
    for model in tables():
        if model in found:
            continue
        mine = owned(model, found)
        if mine is None:
            found[model] = frozenset()
            continue
        ids = set(model._base_manager.filter(mine).values_list("pk", flat=True))
        event = events().get(model)
        if with_past and event is not None and (past := owned(model, found, in_events=True)) is not None:
            ids |= set(event._base_manager.filter(past).values_list("pgh_obj_id", flat=True))
        found[model] = frozenset(ids)
    return found


def owned(model: Model, found: Mapping[Model, frozenset[int]], *, in_events: bool = False) -> Q | None:
    """The condition under which a row is about the person; None where nothing leads there."""
    wanted = Q()
    kept = {f.name for f in events()[model]._meta.fields} if in_events else None
    for column in owners(model):
        target: Any = column.related_model
        if (ids := found.get(target)) and (kept is None or column.name in kept):
            wanted |= Q(**{f"{column.attname}__in": ids})
    return wanted or None


def rows_of(model: Model, ids: Iterable[int]) -> QuerySet[Any]:
    """These rows in the order in which they were written."""
    return model._base_manager.filter(pk__in=list(ids)).order_by("pk")
