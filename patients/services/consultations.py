"""Consultations as bookings: a patient, a clinician and a room, or a patient and a clinician on video.

Each has a record (`Consultation`) from the moment it is booked, and may belong to a request. What becomes of the visit
moves both along (`follow_visits`), whichever page it was done on.

Order of locks, here and in whatever calls this: bookings, then resources, then the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import F, OuterRef, Subquery

from clinic.models import AllocationRole, Booking, BookingKind, BookingStatus, Location, User
from clinic.models.bookings import RELEASED_STATUSES
from clinic.services.bookings import BookingRefusedError, Claim, Move, Wanted, book, rebook
from clinic.services.recorded import recorded
from patients.models import Consultation, ConsultationRequest, Patient, RequestStatus, VisitMode
from patients.services.requests import advance

WAITING = (RequestStatus.NEW, RequestStatus.CONTACTED)
ON_VIDEO = "video consultation"
"""What Today, calendar and feeds call a visit that needs no room."""
BEHIND_IT = (RequestStatus.SEEN, RequestStatus.DECIDED)  # a second consultation takes nothing back


class RequestBookedError(BookingRefusedError):
    """Somebody booked a consultation for this request in the meantime; nothing was booked twice."""

    def __init__(self, other: Consultation) -> None:
        self.other = other
        place, start = other.location, other.booking.start if other.booking else None
        when = f" for {place.local(start):%a %-d %b, %H:%M}" if start else ""
        super().__init__(
            f"A consultation was booked for this request already{when} by {other.created_by}. Move that one instead."
        )


def book_consultation(
    *,
    patient: Patient,
    location: Location,
    start: datetime,
    length_min: int,
    clinician_id: int,
    room_id: int | None,
    by: User,
    now: datetime,
    mode: VisitMode = VisitMode.IN_PERSON,
    request: ConsultationRequest | None = None,
    note: str = "",
) -> Booking:
    """Patient, clinician and room are held together for ``length_min`` minutes, and the consultation has its record.

    The request it answers stands at "booked". Where none is named, it is the patient's own that still waits for one.

    Args:
        clinician_id: the clinician's resource.
        room_id: None on video, when each is where they are.
        request: what the consultation answers; the patient's, or refused.

    Raises:
        TimeTakenError: one of the three is taken; the error names by what, and nothing is saved.
        RequestBookedError: the request has a consultation already.
        BookingRefusedError: the request is another patient's; or see ``clinic.services.bookings``.
    """
    _check_room(mode, room_id)
    wanted = _wanted(patient.resource_id, location, start, length_min, clinician_id, room_id, note=note)
    with recorded(by=by, now=now):
        booking = book([wanted], by=by, now=now)[0]
        answered = _named_request(request, patient) if request else _waiting_request(patient)
        Consultation.objects.create(
            patient=patient,
            request=answered,
            booking=booking,
            location=location,
            clinician=User.objects.get(resource_id=clinician_id),
            mode=mode,
            created_at=now,
            created_by=by,
        )
        if answered is not None and answered.status not in BEHIND_IT:
            advance(answered.pk, to=RequestStatus.BOOKED, by=by, now=now)
    return booking


def move_consultation(
    booking: Booking,
    *,
    location: Location,
    start: datetime,
    clinician_id: int,
    room_id: int | None,
    mode: VisitMode,
    expected_version: int,
    by: User | None,
    now: datetime,
) -> Booking:
    """The consultation is then, there and with them, as long as it was; whoever had confirmed is asked again.

    Raises:
        TimeTakenError, StaleBookingError, StepRefusedError: see ``clinic.services.bookings``; nothing is saved.
    """
    _check_room(mode, room_id)
    length_min = (booking.end - booking.start) // timedelta(minutes=1)
    wanted = _wanted(booking.subject_id or 0, location, start, length_min, clinician_id, room_id)
    with recorded(by=by, now=now):
        moved = rebook([Move(booking.pk, wanted, expected_version)], by=by, now=now)[0]
        Consultation.objects.filter(booking=moved, signed_at__isnull=True).exclude(mode=mode).update(mode=mode)
    return moved


def _check_room(mode: VisitMode, room_id: int | None) -> None:
    if (mode == VisitMode.VIDEO) != (room_id is None):
        raise ValueError("a consultation in person takes a room, one on video takes none")


def _wanted(  # noqa: PLR0917 (the same things in the same order as above)
    patient_id: int,
    location: Location,
    start: datetime,
    length_min: int,
    clinician_id: int,
    room_id: int | None,
    *,
    note: str = "",
) -> Wanted:
    end = start + timedelta(minutes=length_min)
    held = ((patient_id, AllocationRole.PATIENT), (room_id, AllocationRole.STATION))
    claims = [Claim(pk, role, start, end) for pk, role in held if pk is not None]
    claims.append(Claim(clinician_id, AllocationRole.CLINICIAN, start, end))
    return Wanted(
        BookingKind.CONSULTATION,
        location.pk,
        start,
        end,
        tuple(claims),
        subject_id=patient_id,
        title=ON_VIDEO if room_id is None else "",
        note=note,
    )


def _named_request(request: ConsultationRequest, patient: Patient) -> ConsultationRequest:
    locked = ConsultationRequest.objects.select_for_update(no_key=True).get(pk=request.pk)
    if locked.patient_id != patient.pk:
        raise BookingRefusedError("This request belongs to another patient by now. Open it again.")
    others = locked.consultations.exclude(booking__status__in=(*RELEASED_STATUSES, BookingStatus.DONE))
    other = others.filter(booking__isnull=False).select_related("booking", "location", "created_by").first()
    if other is not None:
        raise RequestBookedError(other)
    return locked


def _waiting_request(patient: Patient) -> ConsultationRequest | None:
    rows = ConsultationRequest.objects.select_for_update(no_key=True).filter(patient=patient, status__in=WAITING)
    return rows.order_by("-received_at", "-pk").first()


# --- what becomes of the visit ----------------------------------------------------------------------------------------


def follow_visits(bookings: Sequence[Booking], *, by: User | None, now: datetime) -> None:
    """Each consultation has the clinician and place of its visit, and its request stands as its visits stand.

    Took place: seen. Cancelled or missed, and none besides: contacted, so it is on the desk's list again, where the
    reason of the visit says why. Any other: booked. ``clinic.services.bookings`` calls this after each change.
    """
    with_whom = User.objects.filter(
        resource__allocations__booking=OuterRef("booking"), resource__allocations__role=AllocationRole.CLINICIAN
    )
    rows = Consultation.objects.filter(booking__in=[booking.pk for booking in bookings])
    places = {booking.pk: booking.location_id for booking in bookings}
    for row in rows.annotate(with_whom=Subquery(with_whom.values("pk")[:1]), request_status=F("request__status")):
        here = {"clinician_id": row.with_whom or row.clinician_id, "location_id": places[row.booking_id or 0]}
        if not row.is_signed and any(getattr(row, name) != value for name, value in here.items()):
            Consultation.objects.filter(pk=row.pk).update(**here)
        if row.request_id is not None:
            _follow_request(row.request_id, row.request_status, by=by, now=now)


def _follow_request(request_id: int, status: str, *, by: User | None, now: datetime) -> None:
    visits = set(
        Consultation.objects.filter(request=request_id, booking__isnull=False).values_list("booking__status", flat=True)
    )
    to = (
        RequestStatus.SEEN
        if BookingStatus.DONE in visits
        else RequestStatus.BOOKED
        if visits - set(RELEASED_STATUSES)
        else RequestStatus.CONTACTED
    )
    if to != status:
        advance(request_id, to=to, by=by, now=now)
