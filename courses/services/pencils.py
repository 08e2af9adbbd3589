"""Pencilled series: the times are really held, for a while, until the patient is ready to start.

A pencil is judged by the clock wherever it is read (``Course.is_pencilled_at``), so one that has expired never looks
held; the sweep every few minutes then gives its times back.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F, OuterRef, Q, Subquery

from clinic.models import Booking, Location, User
from clinic.pure.roles import Can
from clinic.services.bookings import StepRefusedError
from courses.models import Course, CourseStatus, Infusion, RevisionKind
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.planning.words import say_moment
from courses.services.courses import end_course, locked_course
from courses.services.readiness_gate import admit
from courses.services.revisions import write_revision
from courses.services.series_changes import ChangedMeanwhileError, ChangeRefusedError
from patients.services.readiness import Readiness, readiness_facts, readiness_in

logger = logging.getLogger(__name__)

NOT_IN_TIME = "Not ready in time"
"""The reason with which a released course is closed; it says nothing clinical."""
NEWS = timedelta(days=3)
"""[D] For how long Today says that a pencilled series was released."""


FIRST_DAY = Subquery(
    Infusion.objects.filter(phase__course=OuterRef("pk"), day__isnull=False).order_by("day").values("day")[:1]
)


def readiness_now(course: Course, now: datetime) -> Readiness:
    """The checklist of a course that has not begun, for the day of its first infusion; one query."""
    rows = Course.objects.select_related("patient").annotate(**readiness_facts("patient_id"), first_day=FIRST_DAY)
    row: Any = rows.get(pk=course.pk)
    return readiness_in(
        row,
        patient=row.patient,
        indication=course.indication,
        location=course.location,
        now=now,
        first_day=row.first_day,
    )


def confirm_pencilled(course_id: int, *, by: User, now: datetime, override_reason: str = "") -> Course:
    """The series is firm: ready, or let start by a clinician with a reason.

    Raises:
        PermissionDenied: the person does not book series.
        ChangedMeanwhileError: it is firm already, or its times were released.
        NotReadyError: something is still missing.
        SeriesRefusedError: the person may not override.
    """
    if not by.can(Can.PLAN_SERIES):
        raise PermissionDenied("Your role does not include this.")
    with transaction.atomic():
        course, series = locked_course(course_id)
        if course.status not in OPEN_COURSE_STATUSES or course.has_lapsed_at(now):
            raise ChangedMeanwhileError("The pencilled times were released, so there is nothing to confirm. Plan anew.")
        if course.pencilled_until is None:
            raise ChangedMeanwhileError("Somebody confirmed this series already.")
        admission = admit(readiness_now(course, now), override_reason=override_reason, by=by, now=now)
        admission.write_override(course, by=by, now=now)
        until = course.pencilled_until
        Course.objects.filter(pk=course.pk).update(pencilled_until=None, version=F("version") + 1)
        allowed = " A clinician let it start although something was missing." if admission.override_reason else ""
        write_revision(
            course=course,
            phase=series.phase,
            kind=RevisionKind.CONFIRMED,
            summary=f"The pencilled times are firm; they were held until {_said(course, until)}.{allowed}",
            by=by,
            now=now,
        )
        course.refresh_from_db()
        return course


def release_expired_pencils(now: datetime) -> int:
    """Series whose pencil has expired hold nothing any more and are closed; returns how many were released just now."""
    expired = Course.objects.open().filter(pencilled_until__lte=now).order_by("pencilled_until", "pk")
    return sum(release_pencil(pk, now=now) for pk in expired.values_list("pk", flat=True))


def release_pencil(course_id: int, *, now: datetime) -> bool:
    """The course is closed and its times are free, if its pencil has expired; True when that happened just now.

    Judged after the lock: whoever confirmed a moment before has won.
    """
    try:
        with transaction.atomic():
            course, series = locked_course(course_id)
            if course.status not in OPEN_COURSE_STATUSES or not course.has_lapsed_at(now):
                return False
            until = course.pencilled_until
            end_course(
                series,
                status=CourseStatus.STOPPED,
                kind=RevisionKind.RELEASED,
                word=f"Not ready by {_said(course, until)}, so the pencilled times were released by themselves,",
                reason=NOT_IN_TIME,
                by=course.created_by,
                now=now,
            )
            return True
    except (StepRefusedError, ChangeRefusedError):
        logger.exception("The pencilled course %s could not be released", course_id)
        return False


def _said(course: Course, moment: datetime | None) -> str:
    return say_moment(course.location.local(moment)) if moment else "now"


def check_may_arrive(booking: Booking, *, now: datetime) -> None:
    """Nobody is checked in for a series that is only pencilled.

    Raises:
        StepRefusedError: it is; what is missing is listed by name.
    """
    held = Course.objects.filter(pencilled_until__isnull=False, phases__infusions__visits__booking=booking)
    course = held.select_related("patient", "location").first()
    if course is None:
        return
    readiness = readiness_now(course, now)
    todo = f"Missing: {readiness.names}." if readiness.missing else "Everything is there: a clinician can confirm it."
    raise StepRefusedError(f"This series is only pencilled, so nobody is checked in for it yet. {todo}")


TOLD = Q(pencilled_until__isnull=False, status__in=OPEN_COURSE_STATUSES)
"""Courses that are pencilled, or were and are about to be released."""


def released_lately(location: Location, now: datetime) -> Q:
    """Courses whose pencil expired in the last days: somebody should ring the patient."""
    since = location.local(now).date() - NEWS
    return Q(status=CourseStatus.STOPPED, closed_reason=NOT_IN_TIME, closed_on__gte=since)
