"""Everything that a summary of one course says, read at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONObject

from courses.models import (
    AdverseEvent,
    AdverseOutcome,
    Course,
    Infusion,
    InfusionRecord,
    InfusionStatus,
    Phase,
    Route,
    VisitOutcome,
)
from courses.pure.adverse import label_of
from courses.pure.course_page import (
    Seen,
    say_day_year,
)
from courses.pure.doses_given import Given, Total, total_of
from courses.services.course_summary import Summary, read_summaries
from courses.services.doses_given import dose_of, with_doses
from courses.services.following import Following, read_following
from courses.services.outcomes import CourseOutcome, next_series_of, outcome_of
from patients.models import PreviousTreatment
from patients.pure.measures import MEASURES
from patients.services.privacy_part2 import is_near

UNSOLVED = (AdverseOutcome.IMPROVING, AdverseOutcome.UNCHANGED, AdverseOutcome.TRANSFERRED, AdverseOutcome.UNKNOWN)


class NothingGivenError(Exception):
    """There is nothing to sum up; the message says so."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One infusion that was given, with what is on record about it."""

    infusion: Infusion
    phase: Phase
    dose: Given | None
    effects: tuple[Seen, ...]
    unsolved: tuple[str, ...]  # effects that had not gone when the patient left
    is_asked: bool  # side effects were answered, "none" among the answers

    @property
    def day(self) -> str:
        return say_day_year(self.infusion.day) if self.infusion.day else ""


@dataclass(frozen=True, slots=True)
class Whole:
    """Everything that a summary of one course says, read once."""

    course: Course
    summaries: tuple[Summary, ...]  # every phase, the first one first
    following: Following
    outcome: CourseOutcome
    given: tuple[Recorded, ...]  # in its order, over all phases
    now: datetime
    tried: tuple[PreviousTreatment, ...] = ()  # before this course

    @property
    def is_closed(self) -> bool:
        return self.course.closed_on is not None

    @property
    def is_nasal(self) -> bool:
        return any(one.series.phase.protocol_version.protocol.route == Route.NASAL for one in self.summaries)

    @property
    def noun(self) -> str:
        """What a patient calls one of them."""
        return "treatment" if self.is_nasal else "infusion"

    @property
    def total(self) -> Total | None:
        """What went in, over the infusions of which the dose is on record."""
        return total_of(one.dose for one in self.given if one.dose is not None)

    @property
    def score_name(self) -> str:
        return MEASURES[self.outcome.measure].short_name

    def day(self, moment: datetime) -> str:
        return say_day_year(self.course.location.local(moment).date())


def to_sum_up() -> QuerySet[Course]:
    """Courses with what ``read_whole`` needs of them: whether the patient has others, and when the next was planned."""
    others = Course.objects.filter(patient=OuterRef("patient")).exclude(pk=OuterRef("pk"))
    later = Course.objects.filter(previous=OuterRef("pk")).order_by("pk").values("created_at")[:1]
    return Course.objects.select_related("patient", "location__intake_settings", "prescriber").annotate(
        has_others=Exists(others), followed_at=Subquery(later), is_part_two_near=is_near("patient")
    )


def read_whole(course: Course, now: datetime) -> Whole:
    """Reads all of it.

    Args:
        course: of ``to_sum_up``.
        now: the moment.

    Raises:
        NothingGivenError: no infusion of the course was given yet.
    """
    latest_first = read_summaries(course.pk, now)
    if not any(one.series.given for one in latest_first):
        raise NothingGivenError("Nothing was given in this course yet, so there is nothing to sum up.")
    following = read_following(course)
    until = next_series_of(course) if course.has_others else None  # type: ignore[attr-defined]
    outcome = outcome_of(course, latest_first, following, until=until)
    phases = {one.series.phase.pk: one.series.phase for one in latest_first}
    given = tuple(_recorded(row, phases[row.phase_id], now) for row in _given_in(course))
    tried = tuple(PreviousTreatment.objects.filter(patient=course.patient_id))
    return Whole(course, tuple(reversed(latest_first)), following, outcome, given, now, tried)


def _given_in(course: Course) -> QuerySet[Infusion]:
    """What was given, with the taps of its run and its side effects. One query."""
    ours = {"record__visit__infusion": OuterRef("pk"), "record__visit__outcome": VisitOutcome.GIVEN}
    effects = AdverseEvent.objects.valid().filter(**ours).order_by("onset_at", "id")
    facts = {name: F(name) for name in ("code", "text", "severity", "is_serious", "outcome")}
    none = InfusionRecord.objects.filter(
        visit__infusion=OuterRef("pk"), visit__outcome=VisitOutcome.GIVEN, no_adverse_events_at__isnull=False
    )
    return (
        Infusion.objects.filter(phase__course=course, status=InfusionStatus.GIVEN)
        .annotate(
            **with_doses(), is_none=Exists(none), effects=ArraySubquery(effects.values(whole=JSONObject(**facts)))
        )
        .order_by("day", "pk")
    )


def _recorded(row: Infusion, phase: Phase, now: datetime) -> Recorded:
    effects: list[dict[str, Any]] = row.effects  # type: ignore[attr-defined]
    return Recorded(
        infusion=row,
        phase=phase,
        dose=dose_of(row, now),
        effects=tuple(Seen(row.pk, one["code"], one["text"], one["severity"], one["is_serious"]) for one in effects),
        unsolved=tuple(
            f"{label_of(one['code'], one['text'])}: {AdverseOutcome(one['outcome']).label.lower()}."
            for one in effects
            if one["outcome"] in UNSOLVED
        ),
        is_asked=bool(effects) or row.is_none,  # type: ignore[attr-defined]
    )
