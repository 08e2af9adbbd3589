"""For whom the slot finder looks: a request, a patient, or a visit that needs another time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone

from clinic.edge.numbers import number_in
from clinic.models import Booking, BookingKind, Location
from clinic.models.bookings import UPCOMING_STATUSES
from clinic.pure.visits import is_over
from patients.models import ConsultationRequest, Patient, PatientStatus
from patients.pure.slots import Mode, Part, Wish


@dataclass(frozen=True, slots=True)
class Subject:
    """For whom a time is sought: a request, a patient, or a visit that shall be elsewhere."""

    patient: Patient | None
    request: ConsultationRequest | None = None
    moving: Booking | None = None
    booked_at: datetime | None = None  # the start of a consultation that stands already, on the clocks of its place
    booked_id: int | None = None

    @property
    def address(self) -> dict[str, int]:
        if self.moving:
            return {"move": self.moving.pk}
        if self.request:
            return {"request": self.request.pk}
        return {"patient": self.patient.pk} if self.patient else {}

    @property
    def version(self) -> int | None:
        """Of what the person at the desk sees and changes; None when nothing of it is changed."""
        seen = self.moving or self.request
        return seen.version if seen else None

    @property
    def refusal(self) -> str:
        """Why nothing can be booked for them at all; empty when it can."""
        if self.patient and self.patient.status != PatientStatus.ACTIVE:
            return f"{self.patient.list_name} is {self.patient.get_status_display().lower()}, so nothing can be booked."
        if self.moving and is_over(self.moving.status):
            return "This visit is over, so it cannot be moved. Book a new one instead."
        if self.moving and self.moving.status not in UPCOMING_STATUSES:
            return "This visit has begun, so its time cannot change any more."
        return ""

    def usual(self, here: Location | None, locations: list[Location]) -> Wish:
        """What they asked for themselves, else what they have, else here and in person."""
        open_ids = {place.pk for place in locations}
        wished = self.request
        home = self.patient.home_location_id if self.patient else None
        candidates = (
            self.moving.location_id if self.moving else None,
            wished.location_id if wished else None,
            home,
            here.pk if here else None,
        )
        location = next((pk for pk in candidates if pk in open_ids), None)
        mode = getattr(getattr(self.moving, "consultation", None), "mode", "") or (wished.wished_mode if wished else "")
        return Wish(
            mode=Mode(mode or Mode.IN_PERSON),
            part=Part(wished.wished_part) if wished else Part.ANY,
            location_id=location,
            weekdays=frozenset(wished.wished_weekdays) if wished else frozenset(),
        )


def subject_of(request: HttpRequest) -> Subject | None:
    """Whom the address names; None when it names nobody. One query. 404 when there is no such person or visit."""
    values = request.GET
    if "move" in values:
        return _moving(number_in(values["move"]))
    if "request" in values:
        return of_request(number_in(values["request"]))
    if "patient" in values:
        return of_patient(number_in(values["patient"]))
    return None


def _moving(pk: int | None) -> Subject:
    rows = Booking.objects.filter(kind=BookingKind.CONSULTATION).select_related(
        "location", "subject__patient__resource", "consultation__clinician"
    )
    booking = get_object_or_404(rows, pk=pk)
    patient: Patient = booking.subject.patient  # type: ignore[union-attr]  # a consultation has a patient: a constraint
    return Subject(patient, moving=booking)


def of_request(pk: int | None) -> Subject:
    """The request, with its patient and the consultation that stands already."""
    standing = _standing().filter(consultation__request=OuterRef("pk"))
    rows = ConsultationRequest.objects.select_related("patient__resource", "location").annotate(
        booked_at=Subquery(standing.values("span__startswith")[:1]),
        booked_zone=Subquery(standing.values("location__time_zone")[:1]),
        booked_id=Subquery(standing.values("pk")[:1]),
    )
    row: Any = get_object_or_404(rows, pk=pk)
    return Subject(row.patient, request=row, booked_at=_booked_at(row), booked_id=row.booked_id)


def of_patient(pk: int | None) -> Subject:
    standing = _standing().filter(subject=OuterRef("resource"), span__startswith__gte=timezone.now())
    rows = Patient.objects.select_related("resource").annotate(
        booked_at=Subquery(standing.values("span__startswith")[:1]),
        booked_zone=Subquery(standing.values("location__time_zone")[:1]),
        booked_id=Subquery(standing.values("pk")[:1]),
    )
    row: Any = get_object_or_404(rows, pk=pk)
    return Subject(row, booked_at=_booked_at(row), booked_id=row.booked_id)


def _booked_at(row: Any) -> datetime | None:  # noqa: ANN401 (a row with annotations, for which there is no type)
    return row.booked_at.astimezone(ZoneInfo(row.booked_zone)) if row.booked_at else None


def _standing() -> QuerySet[Booking]:
    rows = Booking.objects.filter(kind=BookingKind.CONSULTATION, status__in=UPCOMING_STATUSES)
    return rows.order_by("span", "pk")
