"""A course whose series is given, for tests of maintenance. T-MWF6 from Mon 2027-01-04, so the last is Fri 2027-01-15."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from courses.models import Infusion, MaintenancePlan, MaintenanceWay, ProtocolVersion
from courses.planning.protocols import Step
from courses.services import maintenance as service
from courses.services import maintenance_next as ahead
from courses.services import maintenance_plan as deciding
from courses.services.maintenance import Maintenance
from courses.services.maintenance_plan import Decision
from courses.services.planning_input import team_at
from courses.services.series_state import Series, read_series
from courses.tests.series_kit import Booked, at, book

LAST = date(2027, 1, 15)
NOW = at(date(2027, 1, 16), "09:00")  # the Saturday after the last infusion
REVIEW = date(2027, 4, 16)


@dataclass
class Kept(Booked):
    """A course that may go on."""

    @property
    def plan(self) -> MaintenancePlan:
        return MaintenancePlan.objects.get(course=self.course, ended_at__isnull=True)

    @property
    def plan_series(self) -> Series:
        assert self.plan.phase_id is not None
        return read_series(self.plan.phase_id)

    def found(self, now: datetime = NOW) -> Maintenance:
        """Read afresh."""
        self.course.refresh_from_db()
        return service.read_maintenance(self.course.pk, now)

    def decide(self, slug: str = "M-CANBIND", *, now: datetime = NOW, **known: Any) -> MaintenancePlan:
        """The clinician decides on a plan by a shipped protocol."""
        current = service.plan_in_force(self.course.pk)
        seen = known.pop("seen_plan", current.pk if current else None)
        by = known.pop("by", self.clinician)
        return deciding.decide_plan(self.course.pk, self.decision(slug, **known), seen_plan=seen, by=by, now=now)

    def decision(self, slug: str = "M-CANBIND", **known: Any) -> Decision:
        version = ProtocolVersion.objects.get(protocol__slug=slug, status="published")
        values: dict[str, Any] = {
            "way": MaintenanceWay.STEPS,
            "review_on": REVIEW,
            "reason": "Response held for two weeks",
            "version_id": version.pk,
            "steps": deciding.steps_for(version, self.found()),
        } | known
        return Decision(**values)

    def book_next(self, count: int = 1, *, now: datetime = NOW) -> None:
        """The desk books the best offer."""
        ahead.save_change(self.course.pk, self.token(count, now=now), by=self.desk, now=now)

    def token(self, count: int = 1, *, now: datetime = NOW) -> str:
        found = self.found(now)
        return ahead.offers(found, count=count, now=now, team=team_at(found.course.location)).found[0].preview.token

    def give_next(self, day: date | None = None) -> date:
        """The next booked infusion is given, on its day."""
        row = self.plan_series.booked[0]
        assert row.placed is not None
        assert day is None or row.placed.day == day
        booked = Booked(self.clinic, self.patient, self.course)
        booked.give(row.number)
        return row.placed.day

    def statuses(self) -> list[str]:
        rows = Infusion.objects.filter(phase__course=self.course, phase__kind="maintenance").order_by("phase", "number")
        return [row.status for row in rows]


def make_kept(given: int = 6) -> Kept:
    """The series is booked, and so many of its six infusions are given."""
    booked = book(date(2027, 1, 4))
    kept = Kept(booked.clinic, booked.patient, booked.course)
    kept.give(*range(1, given + 1))
    return kept


def weekly(count: int) -> Step:
    return Step(count, 6, 9, target_gap_days=7)
