"""A clinic with one freed time and patients whom it would help, for tests of offers: April 2027, New York."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from clinic.tests.factories import Clinic, make_clinic
from courses.models import FreedSlot, Task, TaskKind
from courses.models.following import TaskQuerySet
from courses.services import moves
from courses.services.freed import Freed, read_freed
from courses.services.freed_for import Candidate, candidates_for
from courses.services.offers import Plan, plan_token, read_plan
from courses.tests.series_kit import Booked, april, at, book
from patients.tests.factories import make_patient

NOW = at(april(10), "09:00")  # a Saturday: infusions 1 to 3 of a T-MWF6 from Mon 5 April are given


def ill(booked: Booked, number: int, *, now: datetime = NOW) -> None:
    """The patient cancels one visit, so that its infusion has no time."""
    moves.cancel_infusion(booked.infusion(number).pk, reason="Has a cold", by=booked.desk, now=now)


def owes(booked: Booked) -> None:
    """Infusion 4 was put off to Tue 13 April and then cancelled: it has no time, and Mon 12 April would suit."""
    target = moves.Target(april(13))
    token = moves.preview_move(booked.infusion(4).pk, target=target, mode=moves.Mode.ONLY, now=NOW).token
    moves.move_infusion(token, reason="Asked for it", by=booked.clinician, now=NOW)
    ill(booked, 4)


def tasks() -> TaskQuerySet:
    """The tasks about freed times; other tasks come and go with the courses."""
    return Task.objects.filter(kind=TaskKind.FREED_SLOT)


@dataclass
class Gap:
    """A time that somebody let go, and those who might like it."""

    clinic: Clinic
    left: Booked  # whose time it was
    slot: FreedSlot

    def freed(self, now: datetime = NOW) -> Freed:
        return read_freed(self.slot.pk, now)

    def candidates(self, now: datetime = NOW) -> list[Candidate]:
        return list(candidates_for(self.freed(now), now=now).candidates)

    def plan_for(self, booked: Booked, now: datetime = NOW) -> Plan:
        """What the page would show for this patient.

        Raises:
            LookupError: the time is not for them.
        """
        for one in self.candidates(now):
            if one.patient_id == booked.patient.pk:
                return read_plan(plan_token(self.freed(now), one), slot_id=self.slot.pk)
        raise LookupError(f"not for {booked.patient}")


def another(clinic: Clinic, given: str, family: str, *, phones: tuple[str, ...] = ("+12125550177",)) -> Booked:
    """One more T-MWF6 from Mon 5 April in the same clinic, infusions 1 to 3 given."""
    patient = make_patient(given, family, phones=phones, home_location=clinic.location)
    booked = book(clinic=clinic, patient=patient)
    booked.give(1, 2, 3)
    return booked


def make_gap(number: int = 4, *, chairs: int = 4) -> Gap:
    """Ada Okafor's infusion 4 on Mon 12 April is cancelled on Sat 10 April: its time became free."""
    clinic = make_clinic(chairs=chairs, phone="+12125550100")
    left = book(clinic=clinic)
    left.give(1, 2, 3)
    ill(left, number)
    return Gap(clinic, left, FreedSlot.objects.get())
