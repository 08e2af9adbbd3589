"""Why a series was not booked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from clinic.services.bookings import Clash
from courses.models import Course
from courses.planning.types import Verdict
from patients.services.readiness import Readiness


class SeriesRefusedError(Exception):
    """Nothing was booked. Says what is wrong and, where times are taken, for which infusions.

    ``verdict`` is the judge's, where it came to that; ``clashes`` name what is in the way where the database refused;
    ``taken`` are the numbers of the infusions whose time is not free any more.
    """

    def __init__(
        self,
        message: str,
        *,
        verdict: Verdict | None = None,
        clashes: Sequence[Clash] = (),
        taken: Iterable[int] = (),
    ) -> None:
        super().__init__(message)
        self.verdict = verdict
        self.clashes = tuple(clashes)
        self.taken = frozenset(taken)


class OpenCourseError(SeriesRefusedError):
    """The patient already has an open course for this condition: ``course``."""

    def __init__(self, course: Course) -> None:
        super().__init__("This patient already has an open course for this condition.")
        self.course = course


class NotReadyError(SeriesRefusedError):
    """Something must be there before the series starts: ``readiness`` lists it."""

    def __init__(self, readiness: Readiness, said: str = "") -> None:
        super().__init__(said or f"Not ready to start. Missing: {readiness.names}.")
        self.readiness = readiness
