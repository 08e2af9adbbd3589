"""What is asked of the bookings service, and how it refuses: plain values, and the checks that need no calendar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from clinic.models.bookings import ATTENTION_LANE, AllocationRole, BookingKind
from clinic.models.places import Location, Resource, ResourceKind

STATION_KINDS = (ResourceKind.CHAIR, ResourceKind.ROOM)


@dataclass(frozen=True, slots=True)
class Claim:
    """One resource for the half-open span ``[start, end)``; ``lane`` None means any lane that is free.

    A claim with the role BLOCKED takes every lane, so that nothing else happens beside it.
    """

    resource_id: int
    role: AllocationRole
    start: datetime
    end: datetime
    lane: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """One booking that is asked for. ``[start, end)`` covers every claim."""

    kind: BookingKind
    location_id: int
    start: datetime
    end: datetime
    claims: tuple[Claim, ...]
    subject_id: int | None = None
    title: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """An existing booking and where it shall be. An empty title or note keeps the one it has."""

    booking_id: int
    wanted: Wanted
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class Clash:
    """Why one claim cannot be had.

    ``index`` is the place of its ``Wanted`` in the request (moves first, then what is new); ``booking_id`` is the first
    booking in the way, ``booking_ids`` all of them; none when two parts of the same request are in each other's way.
    ``message`` never names a patient.
    """

    index: int
    claim: Claim
    resource_name: str
    booking_id: int | None
    message: str
    booking_ids: tuple[int, ...] = ()


class BookingRefusedError(Exception):
    """The request was not carried out, and nothing has changed. The text is a sentence for the person who asked."""


class TimeTakenError(BookingRefusedError):
    """Something that was asked for is in use at that time."""

    def __init__(self, clashes: Sequence[Clash]) -> None:
        self.clashes = tuple(clashes)
        super().__init__(" ".join(dict.fromkeys(clash.message for clash in clashes)))


class StaleBookingError(BookingRefusedError):
    """Somebody else changed the booking after the person who asks had looked at it."""

    def __init__(self, booking_id: int) -> None:
        self.booking_id = booking_id
        super().__init__("Somebody changed this visit after you opened it. Reload the page to see how it stands now.")


class StepRefusedError(BookingRefusedError):
    """The visit is not at a step from which this could follow."""


def check_request(wanted: Iterable[Wanted]) -> None:
    """Every span runs forward and covers its claims, and every visit has its patient.

    Raises:
        BookingRefusedError: with a sentence about the first that does not.
    """
    for one in wanted:
        if one.end <= one.start:
            raise BookingRefusedError("A booking must end after it starts.")
        if not one.claims:
            raise BookingRefusedError("A booking must take at least one chair, room or person.")
        for claim in one.claims:
            if claim.end <= claim.start:
                raise BookingRefusedError("A booking must end after it starts.")
            if claim.start < one.start or claim.end > one.end:
                raise BookingRefusedError("A resource cannot be taken for longer than the booking itself.")
        _check_patient(one)


def _check_patient(wanted: Wanted) -> None:
    patients = {claim.resource_id for claim in wanted.claims if claim.role == AllocationRole.PATIENT}
    if wanted.kind == BookingKind.BLOCK:
        if wanted.subject_id is not None or patients:
            raise BookingRefusedError("Blocked time has no patient.")
    elif wanted.subject_id is None or patients != {wanted.subject_id}:
        raise BookingRefusedError("A visit must take the time of the patient whom it is for, and of no other.")


def check_resources(
    wanted: Iterable[Wanted], resources: Mapping[int, Resource], locations: Mapping[int, Location]
) -> None:
    """Every resource and location is in use, of the right kind, and where the booking is.

    Raises:
        BookingRefusedError: with a sentence about the first that is not.
    """
    for one in wanted:
        location = locations.get(one.location_id)
        if location is None or not location.is_active:
            raise BookingRefusedError(f"{location or 'This location'} is no longer in use.")
        for claim in one.claims:
            resource = resources.get(claim.resource_id)
            if resource is None:
                raise BookingRefusedError("A chair, room or person of this booking no longer exists. Choose again.")
            refusal = _unfit(claim, resource, location)
            if refusal:
                raise BookingRefusedError(refusal)


def _unfit(claim: Claim, resource: Resource, location: Location) -> str:
    name = spoken_name(resource)
    if not resource.is_active:
        return (
            f"{name} is no longer active. Choose another."
            if resource.kind != ResourceKind.PATIENT
            else ("This patient is no longer active, so nothing can be booked.")
        )
    if resource.kind in STATION_KINDS and resource.location_id != location.pk:
        return f"{name} is not at {location}. Choose a chair or room of {location}."
    if resource.kind not in _KINDS_FOR[AllocationRole(claim.role)]:
        return f"{name} cannot be booked as “{AllocationRole(claim.role).label.lower()}”."
    if claim.lane is not None and claim.lane != ATTENTION_LANE and not 0 <= claim.lane < resource.lanes:
        return f"{name} can serve {resource.lanes} at the same time, so there is no place number {claim.lane + 1}."
    return ""


_KINDS_FOR: dict[AllocationRole, tuple[ResourceKind, ...]] = {
    AllocationRole.PATIENT: (ResourceKind.PATIENT,),
    AllocationRole.STATION: STATION_KINDS,
    AllocationRole.NURSE: (ResourceKind.PERSON,),
    AllocationRole.ATTENTION: (ResourceKind.PERSON,),
    AllocationRole.CLINICIAN: (ResourceKind.PERSON,),
    AllocationRole.BLOCKED: (*STATION_KINDS, ResourceKind.PERSON),
}


def spoken_name(resource: Resource) -> str:
    """The name to use in a message: a patient's is left to the page, which knows who may read it."""
    return "The patient" if resource.kind == ResourceKind.PATIENT else resource.name
