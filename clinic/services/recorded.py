"""One transaction whose history names its author, also outside a request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pghistory
from django.db import transaction

from clinic.models import User


@contextmanager
def recorded(*, by: User | None, now: datetime) -> Iterator[None]:
    """Everything written inside happens as a whole or not at all, and stands in the history under ``by``.

    Args:
        by: the author; None for the system itself.
        now: when the change was asked for; kept beside the database's own clock, which the history is ordered by.
    """
    with transaction.atomic(), pghistory.context(user=by.pk if by else None, asked_at=now.isoformat()):
        yield
