"""What the pages of one course share: the head, the tabs, and who may see which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from clinic.edge.access import staff
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from courses.models import Course

TABS = (
    ("Course", "timeline", "courses:course", Can.VIEW_COURSE),
    ("Response", "chart-line", "following:response", Can.VIEW_CLINICAL),
    ("Follow-up", "clipboard-check", "following:schedule", Can.VIEW_COURSE),
    ("Maintenance", "repeat", "following:maintenance", Can.VIEW_COURSE),
    ("Boosters", "bolt", "following:booster", Can.VIEW_COURSE),
    ("Care beside", "heart-handshake", "following:care", Can.VIEW_CLINICAL),
)
"""Label, icon, address, who sees it; ``templates/courses/_course_tabs.html`` shows them on every page of a course."""


@dataclass(frozen=True, slots=True)
class Tab:
    label: str
    symbol: str
    url: str
    is_current: bool


def tabs_of(request: HttpRequest, course: Course) -> list[Tab]:
    """The tabs that this person may open."""
    found = []
    for label, symbol, name, needs in TABS:
        if staff(request).can(needs):
            url = reverse(name, args=[course.pk])
            found.append(Tab(label, symbol, url, request.path == url))
    return found


def open_course(request: HttpRequest, pk: int, *, page: str) -> tuple[Course, dict[str, Any]]:
    """The course with patient, location and prescriber, its reading noted, and what every page of it shows."""
    course = get_object_or_404(Course.objects.select_related("patient", "location", "prescriber"), pk=pk)
    note_reading(request, course, page=page)
    return course, frame_of(request, course)


def note_reading(request: HttpRequest, course: Course, *, page: str) -> None:
    """Somebody reads a page of this course's patient."""
    if request.method == "GET":
        subject = course.patient.resource_id
        record_reading(by=staff(request), subject_id=subject, page=page, path=request.path, now=timezone.now())


def frame_of(request: HttpRequest, course: Course) -> dict[str, Any]:
    """What every page of a course shows, for one that was read with patient, location and prescriber."""
    return {
        "course": course,
        "patient": course.patient,
        "place": course.location,
        "now": timezone.now(),
        "tabs": tabs_of(request, course),
    }
