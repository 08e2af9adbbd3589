"""A location's day or week: every visit with its patient, place, people and stretches, in two queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from django.db.models import OuterRef, Subquery
from django.db.models.lookups import IsNull

from clinic.models import Allocation, AllocationRole, Booking, BookingKind, BookingStatus, Location, User
from clinic.models.bookings import UPCOMING_STATUSES
from clinic.pure.visits import STAMPS, Step, label
from patients.models import Phone
from patients.services.messages.acts import patients_act

if TYPE_CHECKING:
    from courses.models import InfusionVisit
    from patients.models import Patient


class Stage(StrEnum):
    """The stretches of an infusion visit, in order."""

    PREPARATION = "preparation"
    INFUSION = "infusion"
    OBSERVATION = "observation"
    TURNAROUND = "turnaround"
    WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Stretch:
    stage: Stage
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """One resource of a visit."""

    resource_id: int
    name: str
    role: AllocationRole
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class VisitCard:
    """One visit as the calendar, Today and the staff feeds show it."""

    booking_id: int
    version: int
    kind: BookingKind
    status: BookingStatus
    start: datetime
    end: datetime
    title: str
    patient: Patient | None
    station: Taken | None
    nurse: Taken | None
    clinician: Taken | None
    infusion_id: int | None = None
    number: int | None = None
    of: int | None = None
    phase_label: str = ""
    course_id: int | None = None
    stretches: tuple[Stretch, ...] = ()
    missing: tuple[str, ...] = ()
    people: tuple[Taken, ...] = ()
    blocked: tuple[Taken, ...] = ()  # everything that blocked time takes
    since: datetime | None = None  # when the visit reached its status
    pencilled_until: datetime | None = None  # the series is only held until then
    by_patient: str = ""  # "by link" where the patient confirmed, moved or cancelled it; empty where staff did
    booking: Booking | None = field(default=None, repr=False, compare=False)  # what the card was made of

    @property
    def who(self) -> str:
        """The patient as a list names them, or what the time is blocked for; never empty."""
        return self.patient.list_name if self.patient else self.title or "Blocked time"

    @property
    def short(self) -> str:
        """The same where there is little room."""
        return self.patient.family_name if self.patient else self.who

    @property
    def state(self) -> str:
        """The status in the words of the clinic: "In chair", and "With clinician" at a consultation."""
        words = label(self.kind, self.status)
        return words[:1].upper() + words[1:]

    def pencil_at(self, now: datetime) -> str:
        """What to say where the series is only held: "Pencilled", "Pencil ended" until it is swept, else nothing."""
        if self.pencilled_until is None or self.status not in UPCOMING_STATUSES:
            return ""
        return "Pencilled" if now < self.pencilled_until else "Pencil ended"

    @property
    def taken(self) -> tuple[Taken, ...]:
        """Everything but the patient that the visit holds: its chair or room first, then people."""
        return tuple(one for one in (self.station, *self.people, *self.blocked) if one is not None)

    @property
    def where(self) -> str:
        """The chair or room; for blocked time everything that is blocked."""
        return ", ".join(one.name for one in ((self.station,) if self.station else self.blocked))

    @property
    def what(self) -> str:
        """For example "infusion 3 of 6", "consultation", or the title of blocked time."""
        if self.kind is BookingKind.INFUSION and self.number:
            return f"infusion {self.number} of {self.of}"
        return self.title or BookingKind(self.kind).label.lower()

    @property
    def leaves_at(self) -> datetime:
        """When the patient leaves, before the turnaround of the chair; observation counts from when it really began."""
        watched = next((one for one in self.stretches if one.stage is Stage.OBSERVATION), None)
        if self.status is BookingStatus.OBSERVING and self.since and watched:
            return self.since + (watched.end - watched.start)
        kept = [stretch.end for stretch in self.stretches if stretch.stage is not Stage.TURNAROUND]
        return kept[-1] if kept else self.end


def day_span(location: Location, day: date, days: int = 1) -> tuple[datetime, datetime]:
    """Local midnight to local midnight ``days`` later: 23 or 25 hours when the clocks change."""
    return location.at(day, time.min), location.at(day + timedelta(days=days), time.min)


INFUSION_DAY = (
    "location__day_settings",
    "location__intake_settings",
    "infusion_visit__record",
    "infusion_visit__infusion__phase__course__patient",
    "infusion_visit__infusion__phase__protocol_version__protocol",
)
"""What ``courses.services.board.desks_of`` needs of a booking."""


def visits_between(
    location: Location, start: datetime, end: datetime, *, released: bool = False, with_day: bool = False
) -> list[VisitCard]:
    """Every booking of the location that touches ``[start, end)``, by start; two queries however many there are.

    Args:
        released: with those that were cancelled, missed or withheld.
        with_day: with what the infusion day of each booking needs (``INFUSION_DAY``).
    """
    phone = Phone.objects.filter(patient__resource=OuterRef("subject"))
    rows = (
        Booking.objects.filter(location=location)
        .overlapping(start, end)
        .select_related(
            "subject__patient", "infusion_visit__infusion__phase__course", *(INFUSION_DAY if with_day else ())
        )
        # One look for each booking: as EXISTS, PostgreSQL would rather gather the telephones of all patients first.
        .annotate(has_phone=IsNull(Subquery(phone.values("pk")[:1]), False), by_patient=patients_act())
        .order_by("span", "id")
    )
    found = list(rows if released else rows.real())
    taken = _taken_by(found)
    return [_card(row, taken.get(row.pk, ())) for row in found]


def _taken_by(bookings: Iterable[Booking]) -> dict[int, list[Taken]]:
    """What each booking holds beside its patient; one query, of plain values: a week has five thousand of them."""
    rows = (
        Allocation.objects.filter(booking__in=[booking.pk for booking in bookings])
        .exclude(role=AllocationRole.PATIENT)
        .order_by("role", "id")
        .values_list("booking_id", "resource_id", "role", "span", "resource__name", *NAMED_BY)
    )
    names: dict[int, str] = {}
    found: dict[int, list[Taken]] = {}
    for booking_id, resource_id, role, span, name, *person in rows:
        if resource_id not in names:
            names[resource_id] = User.named(*person) if person[-1] else name
        one = Taken(resource_id, names[resource_id], AllocationRole(role), span.lower, span.upper)
        found.setdefault(booking_id, []).append(one)
    return found


NAMED_BY = tuple(f"resource__user__{name}" for name in ("first_name", "last_name", "title", "username"))


def card(booking: Booking) -> VisitCard:
    """``booking`` with its allocations, patient and infusion already loaded, as a card."""
    return _card(
        booking,
        [
            Taken(a.resource_id, _name(a), AllocationRole(a.role), a.span.lower, a.span.upper)
            for a in booking.allocations.all()
        ],
    )


def _card(booking: Booking, taken: Sequence[Taken]) -> VisitCard:
    by_role = {one.role: one for one in taken}
    patient: Patient | None = getattr(booking.subject, "patient", None) if booking.subject else None
    visit: InfusionVisit | None = getattr(booking, "infusion_visit", None)
    infusion = visit.infusion if visit else None
    return VisitCard(
        booking_id=booking.pk,
        version=booking.version,
        kind=BookingKind(booking.kind),
        status=BookingStatus(booking.status),
        start=booking.start,
        end=booking.end,
        title=booking.title,
        patient=patient,
        station=by_role.get(AllocationRole.STATION),
        nurse=by_role.get(AllocationRole.NURSE),
        clinician=by_role.get(AllocationRole.CLINICIAN),
        infusion_id=infusion.pk if infusion else None,
        number=infusion.number if infusion else None,
        of=infusion.phase.n_planned if infusion else None,
        phase_label=infusion.phase.get_kind_display() if infusion else "",
        course_id=infusion.phase.course_id if infusion else None,
        stretches=tuple(_stretches(booking, visit)),
        missing=tuple(_missing(booking, patient)),
        people=_each_once(one for one in taken if one.role in PEOPLE),
        blocked=_each_once(one for one in taken if one.role == AllocationRole.BLOCKED),
        pencilled_until=infusion.phase.course.pencilled_until if infusion else None,
        since=getattr(booking, STAMPS[Step(booking.status)]) if booking.status in STAMPS else None,
        by_patient=getattr(booking, "by_patient", ""),
        booking=booking,
    )


PEOPLE = (AllocationRole.CLINICIAN, AllocationRole.NURSE)


def _each_once(taken: Iterable[Taken]) -> tuple[Taken, ...]:
    """One of each resource: blocked time holds every lane of a nurse in a row of its own."""
    return tuple({one.resource_id: one for one in taken}.values())


def _name(allocation: Allocation) -> str:
    user = getattr(allocation.resource, "user", None)
    return user.display_name if user else allocation.resource.name


def _stretches(booking: Booking, visit: InfusionVisit | None) -> Iterator[Stretch]:
    if visit is None:
        yield Stretch(Stage.WHOLE, booking.start, booking.end)
        return
    at = booking.start
    for stage, length_min in (
        (Stage.PREPARATION, visit.preparation_min),
        (Stage.INFUSION, visit.infusion_min),
        (Stage.OBSERVATION, visit.observation_min),
        (Stage.TURNAROUND, visit.turnaround_min),
    ):
        if length_min:
            yield Stretch(stage, at, at + timedelta(minutes=length_min))
            at += timedelta(minutes=length_min)


def _missing(booking: Booking, patient: Patient | None) -> Iterable[str]:
    """What the desk should still get for this visit."""
    if patient is None or booking.status not in UPCOMING_STATUSES:
        return
    if not booking.has_phone and not patient.email:  # type: ignore[attr-defined]
        yield "phone or e-mail"
    if booking.kind == BookingKind.INFUSION and not patient.emergency_name:
        yield "emergency contact"
