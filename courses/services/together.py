"""The rows that belong to one row, several tables in one query.

A page may ask twelve times (design.md), and the record of an infusion day has nine tables of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models import F, OuterRef, TextField
from django.db.models.functions import Cast, JSONObject

M = TypeVar("M", bound=models.Model)


def rows_as_json(model: type[models.Model], link: str, *order: str) -> ArraySubquery:
    """An annotation: every row of ``model`` whose ``link`` is the outer row, as JSON, in the given order."""
    rows = model._default_manager.filter(**{link: OuterRef("pk")}).order_by(*order)
    return ArraySubquery(rows.values(whole=whole_as_json(model)))


def whole_as_json(model: type[models.Model], path: str = "", **more: Any) -> JSONObject:
    """Every column of a row as one JSON object, for ``rows_from_json``.

    Args:
        model: of the row.
        path: from the rows that are asked for to this one: "protocol__".
        more: what else stands in the object.
    """
    return JSONObject(**{field.attname: _column(field, path) for field in model._meta.concrete_fields}, **more)


def _column(field: models.Field[Any, Any], path: str) -> Any:  # noqa: ANN401 (an expression)
    """Decimals as text: JSON would make them binary fractions on the way."""
    column = F(f"{path}{field.attname}")
    return Cast(column, TextField()) if isinstance(field, models.DecimalField) else column


def rows_from_json(model: type[M], found: Sequence[dict[str, Any]] | None) -> tuple[M, ...]:
    """The rows of such an annotation as instances, as if the database had been asked for them."""
    fields = list(model._meta.concrete_fields)
    names = [field.attname for field in fields]
    return tuple(
        model.from_db("default", names, [_value(field, values[field.attname]) for field in fields])
        for values in found or ()
    )


def _value(field: models.Field[Any, Any], value: Any) -> Any:  # noqa: ANN401
    if value is None or isinstance(field, models.JSONField):
        return value
    return field.target_field.to_python(value) if isinstance(field, models.ForeignKey) else field.to_python(value)
