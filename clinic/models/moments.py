"""The present moment inside a query that is built once and read for as long as the process lives."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import DateTimeField, Expression
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone


class Moment(Expression):
    """The moment at which the statement is sent, or ``ahead`` of it.

    As a parameter, by our own clock as everything else, not by PostgreSQL's.
    """

    def __init__(self, ahead: timedelta = timedelta(0)) -> None:
        super().__init__(output_field=DateTimeField())
        self.ahead = ahead

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:  # noqa: ARG002
        return "%s", (timezone.now() + self.ahead,)
