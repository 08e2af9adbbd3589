"""The waiting list: who would come earlier if a time became free, and when they could."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time

from django.core.exceptions import PermissionDenied
from django.db.models import Min, Q, QuerySet

from clinic.models import Location, User
from clinic.models.hours import Weekday
from clinic.pure.roles import Can
from clinic.services.recorded import recorded
from courses.models import Course, InfusionStatus, WaitingEntry
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.planning.words import say_list


class WaitingRefusedError(Exception):
    """Nothing was changed; the message says why."""


def put_on_list(
    course_id: int,
    *,
    weekdays: Sequence[int] = (),
    from_time: time | None = None,
    to_time: time | None = None,
    notice_hours: int = 4,
    note: str = "",
    by: User,
    now: datetime,
) -> WaitingEntry:
    """The course waits for an earlier time; an entry that is open already says the new wishes from now on.

    Raises:
        PermissionDenied
        WaitingRefusedError: the course is closed.
        ValidationError: the earliest time is not before the latest.
    """
    _demand(by)
    with recorded(by=by, now=now):
        course = Course.objects.select_for_update(no_key=True).get(pk=course_id)
        if course.status not in OPEN_COURSE_STATUSES:
            raise WaitingRefusedError("This course is closed, so nothing earlier is looked for.")
        entry = WaitingEntry.objects.filter(course=course, closed_at__isnull=True).first()
        if entry is None:
            entry = WaitingEntry(patient_id=course.patient_id, course=course, opened_at=now, opened_by=by)
        entry.weekdays, entry.from_time, entry.to_time = sorted(set(weekdays)), from_time, to_time
        entry.notice_hours, entry.note = notice_hours, note.strip()
        entry.full_clean()
        entry.save()
        return entry


def take_off_list(course_id: int, *, reason: str = "", by: User, now: datetime) -> WaitingEntry:
    """The course waits no longer.

    Raises:
        PermissionDenied
        WaitingRefusedError: it does not wait.
    """
    _demand(by)
    with recorded(by=by, now=now):
        entry = (
            WaitingEntry.objects.select_for_update(no_key=True).filter(course=course_id, closed_at__isnull=True).first()
        )
        if entry is None:
            raise WaitingRefusedError("This patient is not on the waiting list any more.")
        entry.closed_at, entry.closed_by, entry.closed_reason = now, by, reason.strip()[:200]
        entry.save(update_fields=["closed_at", "closed_by", "closed_reason"])
        return entry


def waiting_at(location: Location) -> QuerySet[WaitingEntry]:
    """Who waits at a location, each with the day of the next visit (``next_day``)."""
    rows = WaitingEntry.objects.filter(
        closed_at__isnull=True, course__location=location, course__status__in=OPEN_COURSE_STATUSES
    )
    booked = Q(course__phases__infusions__status=InfusionStatus.BOOKED)
    return rows.select_related("patient", "course").annotate(
        next_day=Min("course__phases__infusions__day", filter=booked)
    )


def say_wishes(entry: WaitingEntry) -> str:
    """When the patient could come: "Mon or Wed, from 09:00 to 12:00, with 4 h notice"."""
    days = say_list([Weekday(day).label[:3] for day in entry.weekdays], "or") or "any day"
    hours = ""
    if entry.from_time:
        hours += f" from {entry.from_time:%H:%M}"
    if entry.to_time:
        hours += f" to {entry.to_time:%H:%M}" if entry.from_time else f" until {entry.to_time:%H:%M}"
    return f"{days}{',' if hours else ''}{hours}, with {entry.notice_hours} h notice"


def _demand(by: User) -> None:
    if not by.can(Can.MOVE_INFUSION):
        raise PermissionDenied("Your role does not include this.")
