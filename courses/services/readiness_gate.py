"""The gate before a series: ready, held with a pencil, or let through by a clinician with a reason; else refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, Min, Q

from clinic.models import Location, User
from clinic.pure.roles import Can
from courses.models import Course, PhaseKind, ReadinessOverride
from courses.services.refusals import NotReadyError, SeriesRefusedError
from patients.models import Patient
from patients.services.readiness import Readiness, readiness_for_phase, readiness_of


@dataclass(frozen=True, slots=True)
class Admission:
    """How a series may be booked: firmly, until a moment (pencilled), or by a clinician's word."""

    readiness: Readiness
    pencilled_until: datetime | None = None
    override_reason: str = ""

    def write_override(self, course: Course, *, by: User, now: datetime) -> None:
        """The override stays visible with what was missing; nothing where there was none."""
        if self.override_reason:
            ReadinessOverride.objects.create(
                course=course, at=now, by=by, reason=self.override_reason, missing=self.readiness.sentences
            )


@dataclass(frozen=True, slots=True)
class Running:
    """What counts of an open course when its next phase is planned."""

    first_day: date | None
    has_maintenance: bool


def running(course: Course | None) -> Running | None:
    """One query; none where there is no course."""
    if course is None:
        return None
    is_maintenance = Count("pk", filter=Q(kind=PhaseKind.MAINTENANCE), distinct=True)
    facts = course.phases.aggregate(first=Min("infusions__day"), maintenance=is_maintenance)
    return Running(facts["first"], facts["maintenance"] > 0)


def readiness_before(
    patient: Patient,
    *,
    indication: str,
    location: Location,
    kind: str,
    course: Running | None,
    first_day: date | None,
    now: datetime,
) -> Readiness:
    """What the next series of this kind asks for.

    Args:
        kind: of the phase (``PhaseKind``).
        course: the open course that it continues; None: a new one, which asks for everything whatever its kind.
        first_day: of the series; None: not known yet.

    Source: docs/decisions.md ("A further phase asks only for consent and no decision against it"), clinical.md G.
    """
    if course is None or kind == PhaseKind.INITIAL:
        return readiness_of(patient, indication=indication, location=location, now=now, first_day=first_day)
    return readiness_for_phase(
        patient,
        indication=indication,
        location=location,
        now=now,
        first_day=first_day or location.local(now).date(),
        is_maintenance=kind == PhaseKind.MAINTENANCE and not course.has_maintenance,
        since=course.first_day,
    )


def admit(
    readiness: Readiness, *, hold_before: datetime | None = None, override_reason: str = "", by: User, now: datetime
) -> Admission:
    """Whether and how the series may be booked.

    Args:
        hold_before: the start of the first infusion, where the times shall be held although something is missing;
            nothing is held beyond it. None: do not hold.
        override_reason: why a clinician lets it start although something is missing.

    Raises:
        NotReadyError: something is missing, and it is neither held nor let through.
        SeriesRefusedError: the person may not override.
    """
    if readiness.is_ready:
        return Admission(readiness)
    reason = override_reason.strip()[:300]
    if reason:
        if not by.can(Can.OVERRIDE_RULE):
            raise SeriesRefusedError("Only a clinician may let a series start although something is missing.")
        return Admission(readiness, override_reason=reason)
    if hold_before is None:
        raise NotReadyError(readiness)
    if not readiness.pencil_hours:
        said = f"This clinic does not hold a series that is not ready. Missing: {readiness.names}."
        raise NotReadyError(readiness, said)
    return Admission(readiness, pencilled_until=pencil_end(readiness, hold_before=hold_before, now=now))


def pencil_end(readiness: Readiness, *, hold_before: datetime, now: datetime) -> datetime:
    """Until when the times would be held: the clinic's hours, or the first infusion where that comes before."""
    return min(now + timedelta(hours=readiness.pencil_hours), hold_before)
