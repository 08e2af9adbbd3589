"""Whether a page failed because its records cannot be reached: no database, or no room on the disk.

That is no fault of the page, and it passes: people are told so (503) instead of being shown an error of ours (500).
A deadlock or a lock that was waited for too long is something else and stays what it is.
"""

from __future__ import annotations

import errno
from typing import Literal

from django.db import InterfaceError, OperationalError
from django.db.utils import Error

Away = Literal["database", "disk"]

RETRY_AFTER_S = 15
"""When a browser, a proxy or a provider's hook may ask again; also how soon a page loads itself anew."""

DISK_FULL = "53100"
AWAY_CLASSES = ("08", "53", "57P", "58")
"""Of SQLSTATE: connection lost, out of resources, being shut down or started, an error of the system below."""
READ_ONLY = "25006"
"""The address leads to a standby: a failover is under way."""
FULL = (errno.ENOSPC, errno.EDQUOT)


def why_away(problem: BaseException | None) -> Away | None:
    """What cannot be reached; None where the error means something else.

    Args:
        problem: as it came out of a view, with what caused it behind it (``__cause__``, ``__context__``).
    """
    seen: set[int] = set()
    while problem is not None and id(problem) not in seen:
        seen.add(id(problem))
        if found := _of_one(problem):
            return found
        problem = problem.__cause__ or problem.__context__
    return None


def _of_one(problem: BaseException) -> Away | None:
    if isinstance(problem, OSError) and problem.errno in FULL:
        return "disk"
    if not isinstance(problem, Error):
        return None
    cause = problem.__cause__
    state = str(getattr(cause, "pgcode", None) or getattr(cause, "sqlstate", None) or "")
    if state == DISK_FULL:
        return "disk"
    if state:
        return "database" if state.startswith(AWAY_CLASSES) or state == READ_ONLY else None
    # Without a number it did not come from the server: there is none, or the connection broke off.
    return "database" if isinstance(problem, OperationalError | InterfaceError) else None
