"""History: every insert, update and delete of a tracked table is written down by the database itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pghistory
from django.db import models

M = TypeVar("M", bound=models.Model)


def track(*, exclude: list[str] | None = None) -> Callable[[type[M]], type[M]]:
    """Each change of the decorated model leaves a row in its event table: who, when, from which page.

    The trackers are made anew for every model: django-pghistory writes the fields of the first model that uses one
    into it, so one shared by several models would watch the wrong columns.
    """
    trackers = (pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent())
    by_time = models.Index(fields=["pgh_created_at"])  # the history page reads all tables by spans of time
    return pghistory.track(*trackers, exclude=exclude, meta={"indexes": [by_time]})
