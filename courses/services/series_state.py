"""A running series as it stands: every infusion with its visit, where it is booked and with whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Prefetch, QuerySet, prefetch_related_objects
from django.db.models.functions import JSONObject

from clinic.models import Allocation, AllocationRole, Booking, Location
from courses.models import Course, Infusion, InfusionStatus, InfusionVisit, Phase, PhaseStep, RuleOverride, VisitOutcome
from courses.models.protocol_fields import STEP_FIELDS
from courses.planning.settings import PlanSettings
from courses.planning.types import Placed, SeriesRule, VisitShape
from courses.services.absences import absences_from, absences_of
from courses.services.planning_input import last_day_before, settings_from_phase
from courses.services.together import rows_as_json, rows_from_json
from patients.models import Patient, Unavailability

UNSETTLED = (InfusionStatus.PLANNED, InfusionStatus.MISSED, InfusionStatus.WITHHELD, InfusionStatus.CANCELLED)
PEOPLE = {
    AllocationRole.STATION: "chair_id",
    AllocationRole.NURSE: "nurse_id",
    AllocationRole.CLINICIAN: "clinician_id",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One infusion of the series, with the visit that counts and the earlier attempts."""

    infusion: Infusion
    visit: InfusionVisit | None  # open or given
    attempts: tuple[InfusionVisit, ...]  # missed, withheld, cancelled ones, oldest first
    placed: Placed | None  # where it is, when it has a day

    @property
    def overrides(self) -> tuple[RuleOverride, ...]:
        """What a clinician allowed against a rule; a query, unless ``PHASES_WITH_OVERRIDES`` was read."""
        return tuple(self.infusion.overrides.all())

    @property
    def number(self) -> int:
        return self.infusion.number

    @property
    def booking(self) -> Booking | None:
        return self.visit.booking if self.visit is not None else None

    @property
    def last_attempt(self) -> InfusionVisit | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def is_given(self) -> bool:
        return self.infusion.status == InfusionStatus.GIVEN

    @property
    def is_booked(self) -> bool:
        return self.infusion.status == InfusionStatus.BOOKED

    @property
    def is_unsettled(self) -> bool:
        return self.infusion.status in UNSETTLED

    @property
    def shape(self) -> VisitShape | None:
        if self.visit is None:
            return None
        visit = self.visit
        return VisitShape(visit.preparation_min, visit.infusion_min, visit.observation_min, visit.turnaround_min)


@dataclass(frozen=True, slots=True)
class Series:
    """One phase of a course: what the moves, changes and pages of a running series start from."""

    course: Course
    phase: Phase
    patient: Patient
    location: Location
    settings: PlanSettings
    rows: tuple[Row, ...]  # by number, without those no longer planned
    before: date | None  # the last infusion of an earlier phase
    away: tuple[Unavailability, ...] = ()  # when the patient cannot come

    @property
    def rule(self) -> SeriesRule:
        return self.settings.rule

    def row(self, number: int) -> Row:
        """The infusion with a number.

        Raises:
            KeyError: the series has no such infusion.
        """
        for one in self.rows:
            if one.number == number:
                return one
        raise KeyError(number)

    @property
    def plan(self) -> tuple[Placed, ...]:
        """Every infusion that has a day, given or booked."""
        return tuple(one.placed for one in self.rows if one.placed is not None)

    @property
    def given(self) -> dict[int, Placed]:
        return {one.number: one.placed for one in self.rows if one.is_given and one.placed is not None}

    @property
    def booked(self) -> tuple[Row, ...]:
        return tuple(one for one in self.rows if one.is_booked)

    @property
    def waiting(self) -> tuple[Row, ...]:
        """Owed to the patient and without a time."""
        return tuple(one for one in self.rows if one.is_unsettled)

    @property
    def last_given(self) -> date | None:
        return max((one.day for one in self.given.values()), default=None)

    def missed_on(self, number: int) -> date | None:
        """The latest local day on which an attempt at this infusion came to nothing (R5)."""
        days = [self.local_day(one.booking.start) for one in self.row(number).attempts]
        return max(days, default=None)

    def local_day(self, instant: datetime) -> date:
        return self.location.local(instant).date()

    def today(self, now: datetime) -> date:
        return self.local_day(now)

    def booking_ids(self, numbers: Iterable[int]) -> frozenset[int]:
        """The bookings behind these infusions."""
        wanted = set(numbers)
        return frozenset(one.booking.pk for one in self.rows if one.number in wanted and one.booking is not None)

    def shape_of(self, number: int) -> VisitShape:
        """The minutes of one infusion: its own where they were adapted, else those of the phase."""
        row = next((one for one in self.rows if one.number == number), None)
        return row.shape if row is not None and row.shape is not None else self.settings.shape

    @property
    def longest_shape(self) -> VisitShape:
        """Minutes that are enough for every visit still to come, for asking the calendar."""
        shapes = [self.settings.shape, *(one.shape for one in self.booked if one.shape is not None)]
        return VisitShape(
            preparation_min=max(shape.preparation_min for shape in shapes),
            infusion_min=max(shape.infusion_min for shape in shapes),
            observation_min=max(shape.observation_min for shape in shapes),
            turnaround_min=max(shape.turnaround_min for shape in shapes),
        )

    @property
    def question(self) -> PlanSettings:
        """The settings to ask the calendar with."""
        return replace(self.settings, shape=self.longest_shape)


# Steps, absences and people come as JSON with the rows that they belong to: one query less for each, on every page that
# shows a course or moves an infusion. ``series_of`` turns them back into what the models say.
STEP_COLUMNS = ("position", *STEP_FIELDS)
STEPS = ArraySubquery(
    PhaseStep.objects.filter(phase=OuterRef("pk"))
    .order_by("position")
    .values(json=JSONObject(**{name: name for name in STEP_COLUMNS}))
)
TAKEN = ArraySubquery(
    Allocation.objects.filter(booking=OuterRef("booking"), role__in=list(PEOPLE)).values(
        json=JSONObject(role="role", pk="resource_id", name="resource__name")
    )
)
VISITS = InfusionVisit.objects.select_related("booking").annotate(taken=TAKEN).order_by("id")
_ALONE = Phase.objects.select_related(
    "course__patient__resource",
    "course__location",
    "course__prescriber",
    "course__previous",
    "protocol_version__protocol",
    "preferred_clinician",
    "preferred_nurse",
    "preferred_chair",
).annotate(step_rows=STEPS, away_rows=absences_of(OuterRef("course__patient")))
PHASES = _ALONE.prefetch_related(
    Prefetch("infusions", queryset=Infusion.objects.exclude(status=InfusionStatus.DROPPED).order_by("number")),
    Prefetch("infusions__visits", queryset=VISITS),
)
PHASES_IN_TWO = _ALONE.annotate(infusion_rows=rows_as_json(Infusion, "phase", "number"))
"""For pages that need the queries elsewhere: the infusions come along as well. ``read_in_two`` reads them."""
PHASES_WITH_OVERRIDES = PHASES.prefetch_related(
    Prefetch("infusions__overrides", queryset=RuleOverride.objects.select_related("by").order_by("id"))
)


def read_in_two(phases: QuerySet[Phase]) -> list[Phase]:
    """Phases of ``PHASES_IN_TWO`` with what ``PHASES`` has, in two queries instead of three."""
    found: list[Any] = list(phases)  # with what is read along
    for phase in found:
        infusions = rows_from_json(Infusion, phase.infusion_rows)
        planned = [one for one in infusions if one.status != InfusionStatus.DROPPED]
        phase._prefetched_objects_cache = {"infusions": planned}  # noqa: SLF001
        for one in planned:
            one.phase = phase
    prefetch_related_objects([one for phase in found for one in phase.infusions.all()], Prefetch("visits", VISITS))
    return found


def series_of(phase: Phase, *, before: date | None = None) -> Series:
    """The series of a phase that was read with ``PHASES``, or with steps, infusions and visits prefetched; no query.

    Without ``PHASES``, as in a list, nobody is named and no absence is known.

    Args:
        phase: with everything that belongs to it.
        before: the last infusion of an earlier phase.
    """
    course = phase.course
    location = course.location
    if hasattr(phase, "step_rows"):
        phase._prefetched_objects_cache["steps"] = [  # type: ignore[attr-defined] # noqa: SLF001
            PhaseStep(phase=phase, **row) for row in phase.step_rows
        ]
    away = absences_from(course.patient_id, getattr(phase, "away_rows", ()))
    rows = tuple(_row(infusion, location) for infusion in phase.infusions.all())
    return Series(course, phase, course.patient, location, settings_from_phase(phase), rows, before, away)


def read_series(phase_id: int) -> Series:
    """The series of a phase, read afresh.

    Raises:
        Phase.DoesNotExist: there is no such phase.
    """
    return _with_before(PHASES.get(pk=phase_id))


def _with_before(phase: Phase) -> Series:
    before = last_day_before(phase.course, phase.position) if phase.position > 1 else None
    return series_of(phase, before=before)


def read_latest_series(course_id: int) -> Series:
    """The series of a course's last phase: the one that changes.

    Raises:
        Phase.DoesNotExist: there is no such course, or it has no series.
    """
    phase = PHASES.filter(course=course_id).order_by("-position").first()
    if phase is None:
        raise Phase.DoesNotExist(f"course {course_id} has no series")
    return _with_before(phase)


def read_series_of(infusion_id: int) -> Series:
    """The series to which an infusion belongs.

    Raises:
        Phase.DoesNotExist: there is no such infusion.
    """
    return _with_before(PHASES.get(infusions=infusion_id))


def locked_series(phase_id: int) -> Series:
    """The series, read after the patient's row was locked: one person changes a patient's plan at a time.

    The lock is the one that booking a series takes, so that planning and moving wait for each other as well.
    """
    patient_id = Phase.objects.values_list("course__patient_id", flat=True).get(pk=phase_id)
    Patient.objects.select_for_update(no_key=True).get(pk=patient_id)
    return read_series(phase_id)


def _row(infusion: Infusion, location: Location) -> Row:
    visits = list(infusion.visits.all())
    counting = [one for one in visits if one.outcome in (VisitOutcome.OPEN, VisitOutcome.GIVEN)]
    visit = counting[0] if counting else None
    attempts = tuple(one for one in visits if one is not visit)
    return Row(infusion, visit, attempts, _placed(infusion, visit, location))


def _placed(infusion: Infusion, visit: InfusionVisit | None, location: Location) -> Placed | None:
    """Where an infusion is, on the clocks of the location."""
    if infusion.day is None or infusion.status not in (InfusionStatus.BOOKED, InfusionStatus.GIVEN):
        return None
    if visit is None:
        return Placed(infusion.number, infusion.day)
    start = location.local(visit.booking.start)
    people = {PEOPLE[AllocationRole(one["role"])]: one["pk"] for one in _taken(visit)}
    return Placed(number=infusion.number, day=infusion.day, start_min=start.hour * 60 + start.minute, **people)


def _taken(visit: InfusionVisit) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = getattr(visit, "taken", [])
    return found


def names_in(series: Series) -> dict[int, str]:
    """Resource id -> name, of everybody and every chair that the series uses."""
    return {one["pk"]: one["name"] for row in series.rows if row.visit is not None for one in _taken(row.visit)}
