"""What is recorded about a patient opens and settles the tasks of their courses at once, not at the next sweep."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from courses.models import Course, TaskKind
from courses.services.worklists.engine import Swept, sweep
from patients.services.followers import Noted

KINDS_AFTER: Mapping[Noted, tuple[TaskKind, ...]] = {
    Noted.SCORE: (
        *(TaskKind.WORSE, TaskKind.REVIEW, TaskKind.BOOSTER, TaskKind.MAINTENANCE_REVIEW),
        *(TaskKind.MEASURE, TaskKind.LONG_TERM),
    ),
    Noted.CONSENT: (TaskKind.EXPIRING,),
    Noted.DECISION: (TaskKind.EXPIRING,),
}
"""The lists that each kind of record can change."""


def sweep_patient(patient_id: int, noted: Noted, now: datetime) -> Swept:
    """The tasks of this patient's courses, closed ones too, fit what was recorded. Repeat freely."""
    courses = Course.objects.filter(patient=patient_id).order_by("pk").values_list("pk", flat=True)
    done = [sweep(now, course_id=pk, kinds=KINDS_AFTER[noted]) for pk in courses]
    return Swept(sum(one.opened for one in done), sum(one.settled for one in done))
