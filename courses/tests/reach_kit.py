"""One of each thing that an address may name, all at one location, for people of another."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from clinic.models import Location, User
from clinic.pure.roles import Role
from clinic.tests.factories import make_absence, make_closure, make_location, make_user
from courses.models import FreedSlot, Task, TaskKind
from courses.services.infusion_record import changing
from courses.services.stock_shelf import count_lot
from courses.tests.day_kit import DAY, Day, in_chair, ten
from courses.tests.stock_kit import make_lot
from patients.models import IncomingMessage, Meaning, Merge, PriceItem, PriceKind
from patients.tests.alert_kit import make_alert
from patients.tests.factories import make_consent, make_consent_text, make_patient, make_request
from patients.tests.messages_kit import make_message, make_rule


class There:
    """Everything at "Downtown": by what an address calls it."""

    def __init__(self) -> None:
        self.day: Day = in_chair()
        self.now: datetime = ten()
        self.place: Location = self.day.clinic.location
        with changing(self.day.pk, by=self.day.nurse, now=self.now):
            pass  # the record of the visit is there now
        self.rows: dict[str, Any] = self._of_place() | self._of_patient()

    def _of_place(self) -> dict[str, Any]:
        clinic, manager = self.day.clinic, self.day.clinic.manager
        lot = make_lot(self.place, self.day.nurse)
        _, discrepancy = count_lot(lot_id=lot.pk, counted_mg=Decimal(390), by=self.day.nurse, now=self.now)
        return {
            "location": self.place,
            "station": clinic.chairs[0],
            "closure": make_closure(self.place, DAY),
            "absence": make_absence(clinic.nurse, DAY),
            "rule": make_rule(self.place),
            "price": PriceItem.objects.create(location=self.place, kind=PriceKind.values[0], label="Visit", amount=200),
            "text": make_consent_text(self.place, version=9),
            "lot": lot,
            "discrepancy": discrepancy,
            "slot": FreedSlot.objects.create(
                booking=self.day.booking,
                location=self.place,
                chair=clinic.chairs[0],
                start=self.day.booking.start,
                end=self.day.booking.end,
                freed_at=self.now,
            ),
            "manager": manager,
        }

    def _of_patient(self) -> dict[str, Any]:
        patient, course = self.day.patient, self.day.course
        consultation = patient.consultations.get()
        other = make_patient("Adah", "Okafor", home_location=self.place)
        request = make_request(self.place, patient=patient)
        text = make_consent_text(self.place, version=8)
        return {
            "patient": patient,
            "other": other,
            "merge": Merge.objects.create(kept=patient, duplicate=other, by=self.day.clinician, at=self.now, moved={}),
            "request": request,
            "consultation": consultation,
            "decision": consultation.decisions.get(),
            "assessment": patient.assessments.first(),
            "consent": make_consent(patient, text, by=self.day.nurse, signed_on=DAY),
            "alert": make_alert(patient, self.place, self.now),
            "message": make_message(patient, self.place),
            "answer": IncomingMessage.objects.create(
                provider_id="reach", from_number="+1", to_number="+1", text="?", received_at=self.now,
                meaning=Meaning.values[0], patient=patient, location=self.place,
            ),
            "course": course,
            "infusion": course.phases.get().infusions.get(number=1),
            "booking": self.day.booking,
            "record": self.day.record,
            "task": Task.objects.create(
                kind=TaskKind.MEASURE, key="reach", patient=patient, location=self.place, course=course,
                text="Questionnaire", due_on=DAY, opened_at=self.now,
            ),
        }  # fmt: skip


def somebody_else(role: Role, *more: Role, place: Location | None = None) -> User:
    """A person of another location ("Uptown"), who works nowhere else."""
    return make_user(role, *more, username=f"{role.value}_up", home_location=place or make_location("Uptown"))
