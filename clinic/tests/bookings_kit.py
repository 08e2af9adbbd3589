"""A small clinic with fixed names and hours, for tests about bookings and free time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from clinic.models import AllocationRole, BookingKind, Location, Resource, ResourceKind, User
from clinic.models.bookings import ATTENTION_LANE
from clinic.services.bookings import Claim, Wanted

NOW = datetime(2027, 1, 4, 8, 0, tzinfo=UTC)


def ny(text: str) -> datetime:
    """The instant of a wall time in New York, such as "2027-01-07 10:00"."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 (only here)

    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("America/New_York")).astimezone(UTC)


THURSDAY_AT_TEN = ny("2027-01-07 10:00")


@dataclass
class Clinic:
    """Two locations, four chairs and a room at the first; a nurse who watches three, and two clinicians."""

    location: Location
    other: Location
    chairs: list[Resource]
    room: Resource
    far_chair: Resource
    nurse: Resource
    clinicians: list[Resource]
    desk: User
    patients: list[Resource] = field(default_factory=list)

    def patient(self, number: int) -> Resource:
        while len(self.patients) <= number:
            name = f"Patient {len(self.patients) + 1}"
            self.patients.append(Resource.objects.create(kind=ResourceKind.PATIENT, name=name))
        return self.patients[number]

    def infusion(
        self,
        start: datetime = THURSDAY_AT_TEN,
        *,
        chair: Resource | None = None,
        nurse: Resource | None = None,
        patient: Resource | None = None,
        **changes: Any,
    ) -> Wanted:
        """Two hours with a nurse, of which the first quarter needs full attention; the chair a quarter longer."""
        chair, nurse, patient = chair or self.chairs[0], nurse or self.nurse, patient or self.patient(0)
        leaves, end = start + timedelta(minutes=120), start + timedelta(minutes=135)
        started = start + timedelta(minutes=15)
        claims = (
            Claim(chair.pk, AllocationRole.STATION, start, end),
            Claim(patient.pk, AllocationRole.PATIENT, start, leaves),
            Claim(nurse.pk, AllocationRole.NURSE, start, leaves),
            Claim(nurse.pk, AllocationRole.ATTENTION, start, started, lane=ATTENTION_LANE),
        )
        plain: dict[str, Any] = {
            "kind": BookingKind.INFUSION,
            "location_id": self.location.pk,
            "start": start,
            "end": end,
            "claims": claims,
            "subject_id": patient.pk,
        }
        return Wanted(**(plain | changes))

    def consultation(
        self,
        start: datetime = THURSDAY_AT_TEN,
        *,
        minutes: int = 60,
        clinician: Resource | None = None,
        patient: Resource | None = None,
    ) -> Wanted:
        """An hour with a clinician in the room."""
        patient, end = patient or self.patient(0), start + timedelta(minutes=minutes)
        taken = (
            (self.room, AllocationRole.STATION),
            (patient, AllocationRole.PATIENT),
            (clinician or self.clinicians[0], AllocationRole.CLINICIAN),
        )
        claims = tuple(Claim(resource.pk, role, start, end) for resource, role in taken)
        return Wanted(BookingKind.CONSULTATION, self.location.pk, start, end, claims, patient.pk)

    def block(self, resource: Resource, start: datetime, end: datetime, *, title: str = "") -> Wanted:
        claim = Claim(resource.pk, AllocationRole.BLOCKED, start, end)
        return Wanted(BookingKind.BLOCK, self.location.pk, start, end, (claim,), title=title)


def make_clinic() -> Clinic:
    location = Location.objects.create(name="Harbor Clinic", short_name="Harbor", time_zone="America/New_York")
    other = Location.objects.create(name="Hill Clinic", short_name="Hill", time_zone="Europe/Berlin")
    station = Resource.objects.create

    def chair(number: int, at: Location) -> Resource:
        return station(kind=ResourceKind.CHAIR, name=f"Chair {number}", location=at, position=number)

    def person(name: str, lanes: int = 1) -> Resource:
        return station(kind=ResourceKind.PERSON, name=name, lanes=lanes)

    return Clinic(
        location=location,
        other=other,
        chairs=[chair(number, location) for number in (1, 2, 3, 4)],
        room=station(kind=ResourceKind.ROOM, name="Room A", location=location),
        far_chair=chair(1, other),
        nurse=person("Rosa Diaz", lanes=3),
        clinicians=[person("Amy Lee"), person("Omar Haddad")],
        desk=User.objects.create(username="desk", roles=["front_desk"]),
    )
