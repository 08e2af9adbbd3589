"""What Today says about series that have not begun: pencilled ones, released ones, and who comes today not ready."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q

from clinic.models import BookingKind, Location
from clinic.models.bookings import UPCOMING_STATUSES
from courses.models import Course, CourseStatus
from courses.planning.words import say_moment
from courses.services.attention import Need, NeedsYou
from courses.services.day import VisitCard
from courses.services.pencils import FIRST_DAY, TOLD, released_lately
from patients.services.readiness import Readiness, readiness_facts, readiness_in


@dataclass(frozen=True, slots=True)
class Starts:
    """Lines for "needs you", and the checklist of each course that would begin today and is not ready."""

    needs: list[NeedsYou] = field(default_factory=list)
    not_ready: dict[int, Readiness] = field(default_factory=dict)


def starts_at(location: Location, cards: Iterable[VisitCard], *, now: datetime, may_see: bool) -> Starts:
    """One query, whatever the number of visits.

    Args:
        cards: today's visits.
        may_see: the person may know what is missing, by name; else only that something is.
    """
    begins = {
        card.course_id
        for card in cards
        if card.kind is BookingKind.INFUSION and card.number == 1 and card.status in UPCOMING_STATUSES
    }
    rows = (
        Course.objects.filter(
            TOLD | released_lately(location, now) | Q(pk__in=begins, status=CourseStatus.PLANNED), location=location
        )
        .select_related("patient", "location")
        .annotate(**readiness_facts("patient_id"), first_day=FIRST_DAY)
        .order_by("pencilled_until", "pk")
    )
    found = Starts()
    for row in rows:
        found.needs.extend(_needs(row, now, may_see=may_see))
        if row.pk in begins and may_see and not (readiness := _readiness(row, now)).is_ready:
            found.not_ready[row.pk] = readiness
    return found


def _readiness(row: Any, now: datetime) -> Readiness:  # noqa: ANN401 (a course with annotations)
    known = {"patient": row.patient, "indication": row.indication, "location": row.location}
    return readiness_in(row, **known, now=now, first_day=row.first_day)


def _needs(row: Any, now: datetime, *, may_see: bool) -> Iterator[NeedsYou]:  # noqa: ANN401
    need, said = Need.RELEASED, "the pencilled series was released: not ready in time"
    if row.is_pencilled_at(now):
        readiness = _readiness(row, now)
        need, said = Need.PENCILLED, f"series pencilled until {say_moment(row.location.local(row.pencilled_until))}"
        if readiness.is_ready:
            said += ": everything is there, it can be confirmed"
        elif may_see:
            said += f", missing: {readiness.names}"
    elif row.status == CourseStatus.PLANNED and not row.has_lapsed_at(now):
        return
    yield NeedsYou(need, row.patient.list_name, said, patient_id=row.patient_id, course_id=row.pk)
