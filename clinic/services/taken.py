"""Files that leave: every package writes down what somebody took; where the list is kept, a higher one says."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from django.utils.module_loading import import_string

from clinic.models import User


class RecordTaken(Protocol):
    """Writes down that this person took this file."""

    def __call__(self, *, what: str, about: str, path: str, by: User, now: datetime) -> object: ...


_recorders: list[str] = []


def register_taken(function: str) -> None:
    """The dotted name of a ``RecordTaken`` that keeps the list from now on."""
    if function not in _recorders:
        _recorders.append(function)


def record_taken(*, what: str, about: str, path: str, by: User, now: datetime) -> None:
    """That this person took the file stands in the list of files taken.

    Args:
        what: the file in words: "Refused rows of an import, CSV".
        about: what chose its rows, in words.
        path: the address that was opened.
    """
    for name in _recorders:
        record: RecordTaken = import_string(name)
        record(what=what, about=about, path=path, by=by, now=now)
