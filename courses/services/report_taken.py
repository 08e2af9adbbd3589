"""Who took what out of the reports as a file: written down before the file leaves."""

from __future__ import annotations

from datetime import datetime

from clinic.models import User
from courses.models import ReportTaken


def record_taken(
    *, what: str, about: str, path: str, by: User, now: datetime, courses: int | None = None
) -> ReportTaken:
    """That this person took the file stands in a log that nobody can change.

    Args:
        what: the file in words: "Outcomes, CSV".
        about: its filters in words.
        path: the address that was opened, with its filters.
        courses: how many had a row of their own in it; None for sums.
        by: who took it.
        now: the moment.
    """
    return ReportTaken.objects.create(
        at=now, user=by, what=what[:80], about=about[:300], path=path[:300], courses=courses
    )
