"""What the patient's page shows of treatment: the course at a glance, and its entries in the timeline. Three queries.

Registered with ``patients.services.panels`` when Django starts; ``patients`` does not know this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.contrib.postgres.aggregates import JSONBAgg
from django.db.models import F, FilteredRelation, Q
from django.db.models.functions import JSONObject
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from clinic.edge.access import staff
from clinic.edge.context import current_location
from clinic.models.bookings import UPCOMING_STATUSES
from clinic.pure.roles import Can
from courses.models import Course, CourseStatus, Infusion, InfusionStatus, Phase, Revision, VisitOutcome
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.planning.dates import gap_days
from courses.planning.protocols import FirstGap, Step, expand
from courses.planning.rules import gap_limits
from courses.planning.words import say_count, say_day, say_moment, say_numbers
from courses.services.care import care_timeline, with_care
from courses.services.course_summary import CLINICAL_KINDS, Dot
from courses.services.doses_given import dose_of, with_doses
from courses.services.events import events_timeline
from patients.models import Patient, PatientStatus
from patients.pure.indications import Indication
from patients.services.panels import TIMELINE_LENGTH, Concern, Level, Mark, TimelineEntry
from patients.services.readiness import Seen, readiness_facts, readiness_in, readiness_of

STEP_WORDS = ("count", "weekdays", "target_gap_days", "min_gap_days", "max_gap_days", "first_gap")
WAITING = (InfusionStatus.PLANNED, InfusionStatus.MISSED, InfusionStatus.WITHHELD, InfusionStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class PhaseGlance:
    """The latest phase of one course, as far as the patient's page needs it."""

    phase: Phase
    infusions: tuple[Infusion, ...]  # by number, with ``start`` and ``booking_status`` of the visit that counts
    now: datetime

    @property
    def course(self) -> Course:
        return self.phase.course

    @property
    def dots(self) -> tuple[Dot, ...]:
        return tuple(Dot(one.number, _dot(one)) for one in self.infusions)

    @property
    def given(self) -> tuple[Infusion, ...]:
        return tuple(one for one in self.infusions if one.status == InfusionStatus.GIVEN)

    @property
    def words(self) -> str:
        return f"{len(self.given)} of {self.phase.n_planned} given"

    @property
    def next(self) -> Infusion | None:
        """The next booked infusion."""
        coming = [one for one in self.infusions if one.status == InfusionStatus.BOOKED and _end(one) > self.now]
        return min(coming, key=lambda one: one.start, default=None)  # type: ignore[attr-defined]

    @property
    def waiting(self) -> tuple[int, ...]:
        return tuple(one.number for one in self.infusions if one.status in WAITING)

    @property
    def unrecorded(self) -> tuple[int, ...]:
        return tuple(
            one.number
            for one in self.infusions
            if one.status == InfusionStatus.BOOKED and _end(one) <= self.now and one.booking_status in UPCOMING_STATUSES  # type: ignore[attr-defined]
        )

    @property
    def window(self) -> tuple[int, int]:
        """How many gaps between given infusions were inside their limits, and how many there are."""
        days = [(one.number, one.day) for one in self.given if one.day is not None]
        rule = expand(_steps(self.phase), self.phase.n_planned)
        pairs = list(pairwise(days))
        kept = 0
        for (earlier, from_day), (later, to_day) in pairs:
            low, high = gap_limits(earlier, later, rule)
            kept += low <= gap_days(from_day, to_day) <= high
        return kept, len(pairs)


DOTS = {InfusionStatus.GIVEN.value: "given", InfusionStatus.BOOKED.value: "booked"}


def _dot(one: Infusion) -> str:
    return DOTS.get(one.status, "waiting")


def _end(one: Infusion) -> datetime:
    end: datetime = one.end  # type: ignore[attr-defined]
    return end


def _steps(phase: Phase) -> tuple[Step, ...]:
    rows: Sequence[Mapping[str, Any]] = phase.step_rows  # type: ignore[attr-defined]
    return tuple(
        Step(
            count=row["count"],
            min_gap_days=row["min_gap_days"],
            max_gap_days=row["max_gap_days"],
            weekdays=frozenset(row["weekdays"]),
            target_gap_days=row["target_gap_days"],
            first_gap=FirstGap(row["first_gap"]),
        )
        for row in rows
    )


def glances_of(patient: Patient, now: datetime) -> list[PhaseGlance]:
    """Every phase of the patient's courses, the latest first, in two queries."""
    phases = (
        Phase.objects.filter(course__patient=patient)
        .select_related("course__location", "protocol_version")
        .annotate(
            step_rows=JSONBAgg(
                JSONObject(**{name: f"steps__{name}" for name in STEP_WORDS}), order_by="steps__position"
            ),
            **readiness_facts("course__patient_id"),
            **with_care("phases"),
        )
        .order_by("-course__created_at", "-position")
    )
    found: dict[int, list[Infusion]] = {}
    rows = list(phases)
    if not rows:
        return []
    infusions = (
        Infusion.objects.filter(phase__in=[phase.pk for phase in rows])
        .exclude(status=InfusionStatus.DROPPED)
        .annotate(
            counting=FilteredRelation(
                "visits", condition=Q(visits__outcome__in=[VisitOutcome.OPEN, VisitOutcome.GIVEN])
            )
        )
        .annotate(
            start=F("counting__booking__span__startswith"),
            end=F("counting__booking__span__endswith"),
            booking_status=F("counting__booking__status"),
            **with_doses(),
        )
        .order_by("number")
    )
    for one in infusions:
        found.setdefault(one.phase_id, []).append(one)
    return [PhaseGlance(phase, tuple(found.get(phase.pk, ())), now) for phase in rows]


def _once(request: HttpRequest, patient: Patient) -> list[PhaseGlance]:
    """Panel and timeline of one page read the courses once."""
    kept: tuple[int, list[PhaseGlance]] | None = getattr(request, "_cadence_glances", None)
    if kept is None or kept[0] != patient.pk:
        kept = (patient.pk, glances_of(patient, timezone.now()))
        request._cadence_glances = kept  # type: ignore[attr-defined]  # noqa: SLF001
    return kept[1]


# -- panel -------------------------------------------------------------------------------------------------------------


def panel(request: HttpRequest, patient: Patient) -> dict[str, Any]:
    """The course at a glance, with the ways on."""
    latest: dict[int, PhaseGlance] = {}
    for one in _once(request, patient):
        latest.setdefault(one.course.pk, one)
    running = [one for one in latest.values() if one.course.status in OPEN_COURSE_STATUSES]
    past = [one for one in latest.values() if one.course.status not in OPEN_COURSE_STATUSES]
    concerns = [concern for one in running for concern in _concerns(one)]
    ready = _ready(request, patient, running)
    context = {
        "ready": ready,
        "glances": running,
        "past": past,
        "patient": patient,
        "may_plan": staff(request).can(Can.PLAN_SERIES),
    }
    return {"template": "courses/_course_panel.html", "context": context, "concerns": concerns}


def _ready(request: HttpRequest, patient: Patient, running: Sequence[PhaseGlance]) -> Seen | None:
    """The checklist before a series: of the course that has not begun (read with it), or for planning one (a query)."""
    course = running[0].course if running else None
    known = getattr(patient, "condition_facts", None) or [Indication.MDD.value]
    place = course.location if course is not None else patient.home_location or current_location(request)
    if place is None or patient.status != PatientStatus.ACTIVE or (course and course.status != CourseStatus.PLANNED):
        return None
    now, by = timezone.now(), staff(request)
    if course is None:
        return readiness_of(patient, indication=known[0], location=place, now=now).seen_by(by)
    first_day = min((one.day for one in running[0].infusions if one.day is not None), default=None)
    return readiness_in(
        running[0].phase, patient=patient, indication=course.indication, location=place, now=now, first_day=first_day
    ).seen_by(by)


def _concerns(one: PhaseGlance) -> Iterable[Concern]:
    url = one.course.get_absolute_url()
    if one.course.pencilled_until is not None:
        until = say_moment(one.course.location.local(one.course.pencilled_until))
        held = one.course.is_pencilled_at(one.now)
        text = f"The series is pencilled until {until}." if held else f"The pencilled times lapsed on {until}."
        yield Concern(Level.WARN, text, url, "Open course")
    if one.course.status == CourseStatus.INTERRUPTED:
        text = "The course is interrupted: the prescriber decides to continue, restart or close it."
        yield Concern(Level.DANGER, text, url, "Open course")
    if one.unrecorded:
        verb = "was" if len(one.unrecorded) == 1 else "were"
        text = f"{say_numbers(one.unrecorded).capitalize()} {verb} recorded neither as given nor as missed."
        yield Concern(Level.WARN, text, url, "Open course")
    if one.waiting and one.course.status != CourseStatus.INTERRUPTED:
        first = next(row for row in one.infusions if row.number == one.waiting[0])
        verb = "has" if len(one.waiting) == 1 else "have"
        text = f"{say_numbers(one.waiting).capitalize()} {verb} no time."
        yield Concern(Level.WARN, text, reverse("courses:move", args=[first.pk]), "Find a time")
    if len(one.given) >= one.phase.n_planned:
        text = f"All {say_count(one.phase.n_planned, 'infusion')} are given: plan what follows or close the course."
        yield Concern(Level.INFO, text, url, "Open course")


# -- timeline ----------------------------------------------------------------------------------------------------------


def timeline(request: HttpRequest, patient: Patient) -> list[TimelineEntry]:
    """Infusions that were given, every change of the patient's courses, and what takes place beside them."""
    may_see = staff(request).can(Can.VIEW_INFUSION)
    found = [entry for one in _once(request, patient) for entry in _given(one, with_dose=may_see)]
    revisions = Revision.objects.filter(course__patient=patient).select_related("by")[:TIMELINE_LENGTH]
    may_read = staff(request).can(Can.VIEW_CLINICAL)
    for row in revisions:
        reason = row.reason if may_read or row.kind not in CLINICAL_KINDS else ""
        text = f"{row.summary} {f'“{reason}” ' if reason else ''}{row.by or 'the patient, by a link'}"
        url = reverse("courses:course", args=[row.course_id])
        found.append(TimelineEntry(row.at, "history", row.get_kind_display(), text, url))
    if may_read:
        latest = {one.course.pk: one.phase for one in _once(request, patient)}
        for phase in latest.values():
            found.extend(care_timeline(phase, phase.course.location))
            found.extend(events_timeline(phase, phase.course.location))
    return sorted(found, key=lambda entry: entry.at, reverse=True)[:TIMELINE_LENGTH]


def _given(one: PhaseGlance, *, with_dose: bool) -> Iterable[TimelineEntry]:
    for infusion in one.given:
        start: datetime | None = infusion.start  # type: ignore[attr-defined]
        if start is None or infusion.day is None:
            continue
        dose = dose_of(infusion, one.now) if with_dose else None
        said = f"{dose.said}, " if dose else ""
        yield TimelineEntry(
            at=start,
            icon="droplet",
            title=f"Infusion {infusion.number} of {one.phase.n_planned} given",
            text=f"{said}{say_day(infusion.day)}, {one.phase.protocol_version.title}",
            url=reverse("infusion:day", args=[dose.booking_id]) if dose else one.course.get_absolute_url(),
        )


# -- marks on charts ---------------------------------------------------------------------------------------------------


def marks(request: HttpRequest, patient: Patient) -> list[Mark]:
    """Each infusion that was given, with its number and dose: the ticks on charts of scores."""
    may_see = staff(request).can(Can.VIEW_INFUSION)
    return [
        Mark(
            day=infusion.day,
            short=str(infusion.number),
            label=f"Infusion {infusion.number} of {one.phase.n_planned}{f', {dose.said}' if dose else ''}",
            url=reverse("infusion:day", args=[dose.booking_id]) if dose else one.course.get_absolute_url(),
        )
        for one in _once(request, patient)
        for infusion in one.given
        if infusion.day is not None
        for dose in [dose_of(infusion, one.now) if may_see else None]
    ]
