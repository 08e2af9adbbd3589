"""Who is planned for, and by which protocols: what the planner's page reads besides the calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, Max, Min, OuterRef, Q
from django.db.models.functions import JSONObject

from courses.models import Course, CourseStatus, InfusionStatus, PhaseKind, ProtocolStep, ProtocolVersion, VersionStatus
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.planning.words import say_count, say_day
from courses.services.absences import absences_from, absences_of
from courses.services.readiness_gate import Running
from patients.models import Patient, TreatedCondition, Unavailability
from patients.services.readiness import readiness_facts


@dataclass(frozen=True, slots=True)
class OpenCourse:
    """A course of the patient that is not closed."""

    pk: int
    indication: str
    phases: int
    last_day: date | None
    first_day: date | None = None
    has_maintenance: bool = False

    @property
    def running(self) -> Running:
        return Running(self.first_day, self.has_maintenance)


@dataclass(frozen=True, slots=True)
class ClosedCourse:
    """A course of the patient that is over, and could be restarted."""

    pk: int
    indication: str
    status: str
    first_day: date | None  # of what was given
    closed_on: date | None
    given: int

    @property
    def said(self) -> str:
        """How it ended, in words: "stopped on Mon 26 Apr after 3 infusions"."""
        when = f" on {say_day(self.closed_on)}" if self.closed_on else ""
        return f"{CourseStatus(self.status).label.lower()}{when} after {say_count(self.given, 'infusion')}"


@dataclass(frozen=True, slots=True)
class Person:
    """The patient, with what planning must know."""

    patient: Patient
    indications: tuple[str, ...]
    open_courses: tuple[OpenCourse, ...]
    away: tuple[Unavailability, ...]
    closed_courses: tuple[ClosedCourse, ...] = ()

    def closed_course(self, pk: int | None) -> ClosedCourse | None:
        """The patient's closed course with a key."""
        return next((one for one in self.closed_courses if one.pk == pk), None)

    def course_for(self, indication: str) -> OpenCourse | None:
        return next((one for one in self.open_courses if one.indication == indication), None)


def read_person(patient_id: int, *, since: date) -> Person:
    """The patient with conditions, courses, unavailable times from ``since`` on and readiness, in one query.

    Raises:
        Patient.DoesNotExist: there is no such patient.
    """
    mine = {"patient": OuterRef("pk")}
    courses = (
        Course.objects.open()
        .filter(**mine)
        .order_by("pk")
        .annotate(
            first=Min("phases__infusions__day"),
            last=Max("phases__infusions__day"),
            number=Count("phases", distinct=True),
            maintained=Count("phases", filter=Q(phases__kind=PhaseKind.MAINTENANCE), distinct=True),
        )
        .values(
            json=JSONObject(
                pk="pk", indication="indication", phases="number", first="first", last="last", maintained="maintained"
            )
        )
    )
    is_given = Q(phases__infusions__status=InfusionStatus.GIVEN)
    closed = (
        Course.objects.filter(**mine)
        .exclude(status__in=OPEN_COURSE_STATUSES)
        .order_by("pk")
        .annotate(
            first=Min("phases__infusions__day", filter=is_given),
            given=Count("phases__infusions", filter=is_given, distinct=True),
        )
        .values(
            json=JSONObject(
                pk="pk", indication="indication", status="status", first="first", closed="closed_on", given="given"
            )
        )
    )
    conditions = TreatedCondition.objects.filter(**mine).order_by("pk").values("indication")
    patient: Any = (
        Patient.objects.select_related("resource")
        .annotate(
            plan_courses=ArraySubquery(courses),
            plan_closed=ArraySubquery(closed),
            plan_away=absences_of(OuterRef("pk"), since=since),
            plan_conditions=ArraySubquery(conditions),
            **readiness_facts("pk"),
        )
        .get(pk=patient_id)
    )
    return Person(
        patient=patient,
        indications=tuple(patient.plan_conditions),
        open_courses=tuple(
            OpenCourse(
                pk=row["pk"],
                indication=row["indication"],
                phases=row["phases"],
                last_day=_date(row["last"]),
                first_day=_date(row["first"]),
                has_maintenance=row["maintained"] > 0,
            )
            for row in patient.plan_courses
        ),
        away=absences_from(patient.pk, patient.plan_away),
        closed_courses=tuple(
            ClosedCourse(
                row["pk"], row["indication"], row["status"], _date(row["first"]), _date(row["closed"]), row["given"]
            )
            for row in patient.plan_closed
        ),
    )


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def published_versions() -> list[ProtocolVersion]:
    """Every version that may be planned with, steps included, by phase and name; one query."""
    found: dict[int, ProtocolVersion] = {}
    steps: dict[int, list[ProtocolStep]] = {}
    rows = (
        ProtocolStep.objects.filter(version__status=VersionStatus.PUBLISHED, version__protocol__is_active=True)
        .select_related("version__protocol")
        .order_by("version__protocol__phase_kind", "version__title", "version_id", "position")
    )
    for step in rows:
        found.setdefault(step.version_id, step.version)
        steps.setdefault(step.version_id, []).append(step)
    for pk, version in found.items():
        version._prefetched_objects_cache = {"steps": steps[pk]}  # type: ignore[attr-defined] # noqa: SLF001
    order = list(PhaseKind.values)
    return sorted(found.values(), key=lambda version: order.index(version.protocol.phase_kind))
