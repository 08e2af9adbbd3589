"""What happened to the patient of a course and counts at once: psychiatric admissions, suicide attempts.

Source: clinical.md F1 "Relapse". An event ends a response on its day, whatever the scores say, and asks a prescriber to
look at the course.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

from django.core.exceptions import ValidationError
from django.db.models import Min, Model
from django.urls import reverse

from clinic.models import Location, User
from clinic.services.recorded import recorded
from courses.models import ClinicalEvent, ClinicalEventKind, Course, Infusion, InfusionStatus, TaskKind
from courses.pure.course_page import say_day_year
from courses.services.care import demand_care, lock_course, refuse_ahead, strike_row
from courses.services.together import rows_from_json
from courses.services.worklists.engine import sweep_after
from patients.services.panels import TimelineEntry

ICON = "alert-octagon"


@dataclass(frozen=True, slots=True)
class EventLine:
    """One event with the names of those who recorded and struck it."""

    event: ClinicalEvent
    by: str
    struck_by: str


def lines_of(events: Sequence[ClinicalEvent]) -> tuple[EventLine, ...]:
    """The latest first. A query where there are any."""
    ids = {pk for one in events for pk in (one.by_id, one.struck_by_id) if pk}
    names = {person.pk: person.display_name for person in User.objects.filter(pk__in=ids)} if ids else {}
    return tuple(
        EventLine(one, names.get(one.by_id, ""), names.get(one.struck_by_id or 0, "")) for one in reversed(events)
    )


KINDS_TO_SWEEP = (TaskKind.WORSE, TaskKind.REVIEW, TaskKind.BOOSTER)
"""Lists that an event changes."""


def record_event(course_id: int, *, kind: str, day: date, note: str, by: User, now: datetime) -> ClinicalEvent:
    """It happened on this day; a prescriber is asked to look.

    Args:
        course_id: the course, open or closed.
        kind: one of ``ClinicalEventKind``.
        day: the local day of the event: of the admission, not of the discharge.
        note: what is known about it, may be empty.
        by: who records it.
        now: the moment.

    Raises:
        PermissionDenied: only nurses and clinicians write about care.
        ValidationError: by field.
    """
    demand_care(by)
    with recorded(by=by, now=now):
        course = lock_course(course_id)
        event = ClinicalEvent(course=course, kind=kind, day=day, note=note.strip()[:300], at=now, by=by)
        event.clean_fields(exclude=["course", "by"])
        refuse_ahead("day", day, course, now)
        _refuse_before(day, course)
        if ClinicalEvent.objects.valid().filter(course=course, kind=kind, day=day).exists():
            said = ClinicalEventKind(kind).label.lower()
            raise ValidationError({"day": f"A {said} on {say_day_year(day)} is recorded already."})
        event.save()
        sweep_after(course_id, now, kinds=KINDS_TO_SWEEP)
        return event


def strike_event(event_id: int, *, reason: str, by: User, now: datetime) -> ClinicalEvent:
    """The event was entered in error: it counts no more, and stays readable.

    Raises:
        PermissionDenied
        ValidationError: no reason, or somebody struck it meanwhile.
    """
    demand_care(by)
    with recorded(by=by, now=now):
        event = ClinicalEvent.objects.select_for_update(of=("self",), no_key=True).get(pk=event_id)
        if event.is_struck:
            raise ValidationError("This was struck meanwhile.")
        strike_row(event, reason, by=by, now=now)
        sweep_after(event.course_id, now, kinds=KINDS_TO_SWEEP)
        return event


def _refuse_before(day: date, course: Course) -> None:
    first = Infusion.objects.filter(phase__course=course, status=InfusionStatus.GIVEN).aggregate(first=Min("day"))
    began = min(filter(None, (course.location.local(course.created_at).date(), first["first"])))
    if day < began:
        raise ValidationError(
            {"day": f"This course began on {say_day_year(began)}. What was before belongs into the patient’s history."}
        )


def events_timeline(row: Model, place: Location) -> Iterable[TimelineEntry]:
    """Each on its day, for the patient's page; no query.

    Args:
        row: read ``with_care``.
        place: where the course is given.
    """
    for one in rows_from_json(ClinicalEvent, row.event_rows):  # type: ignore[attr-defined]
        if not one.is_struck:
            url = reverse("following:response", args=[one.course_id])
            yield TimelineEntry(place.at(one.day, time(12)), ICON, one.get_kind_display(), one.note, url, is_day=True)
