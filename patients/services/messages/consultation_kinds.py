"""What can be said about requests and consultations; registered when Django starts (``PatientsConfig.ready``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.utils.translation import gettext

from clinic.models import Booking, BookingKind, User
from patients.models import Consultation, ConsultationRequest, Message, MessageEvent, RequestStatus, VisitMode
from patients.services.languages import speaking
from patients.services.messages import visits
from patients.services.messages.kinds import Kind, Occasion, Scope, register_kind
from patients.services.messages.links import Purpose
from patients.services.messages.planning import announce
from patients.services.messages.visits import PLACEHOLDERS, VisitEvents

HERE = "patients.services.messages.consultation_kinds"
VISITS = "patients.services.messages.visits"
EVENTS = VisitEvents(
    standing=MessageEvent.CONSULTATION,
    booked=MessageEvent.CONSULTATION_BOOKED,
    moved=MessageEvent.CONSULTATION_MOVED,
    cancelled=MessageEvent.CONSULTATION_CANCELLED,
    missed=MessageEvent.CONSULTATION_MISSED,
)
CLOSED = "The request was closed."
ANSWERED = "The desk has been in touch already."


def register() -> None:
    """Every kind of message about requests and consultations can be planned and sent."""
    register_kind(Kind(event=MessageEvent.REQUEST_RECEIVED, still=f"{HERE}.why_not_received"))
    upcoming = f"{VISITS}.why_not_upcoming"
    values, link = f"{HERE}.values", Purpose.VISIT.value
    register_kind(
        Kind(
            event=EVENTS.standing,
            placeholders=PLACEHOLDERS,
            purpose=link,
            find=f"{HERE}.find",
            still=upcoming,
            values=values,
            asks_to_confirm=True,
        )
    )
    for event, more, still in (
        (EVENTS.booked, (), upcoming),
        (EVENTS.moved, ("old_when",), upcoming),
        (EVENTS.cancelled, (), f"{VISITS}.why_not_cancelled"),
        (EVENTS.missed, (), f"{VISITS}.why_not_missed"),
    ):
        register_kind(
            Kind(
                event=event,
                placeholders=(*PLACEHOLDERS, *more),
                purpose=link,
                still=still,
                values=values,
                is_change=event is not EVENTS.missed,
            )
        )


# --- requests ---------------------------------------------------------------------------------------------------------
def tell_received(request: ConsultationRequest, *, now: datetime) -> None:
    """Whoever asked by the web page is told that it arrived, once."""
    occasion = Occasion(
        event=MessageEvent.REQUEST_RECEIVED,
        key=f"request {request.pk}",
        location_id=request.location_id,
        anchor=now,
        patient_id=request.patient_id,
        request_id=request.pk,
    )
    announce([occasion], now=now)


def why_not_received(messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:  # noqa: ARG001 (StillHolds)
    rows = ConsultationRequest.objects.filter(pk__in=[one.request_id for one in messages])
    status = dict(rows.exclude(status=RequestStatus.NEW).values_list("pk", "status"))
    said = {pk: CLOSED if stands == RequestStatus.CLOSED else ANSWERED for pk, stands in status.items()}
    return {one.pk: said[one.request_id] for one in messages if one.request_id in said}


# --- consultations ----------------------------------------------------------------------------------------------------
def find(scope: Scope, *, since: datetime, until: datetime, now: datetime) -> Iterable[Occasion]:  # noqa: ARG001
    """Consultations that are to take place."""
    return visits.upcoming_visits(BookingKind.CONSULTATION, EVENTS.standing, scope, since=since, until=until)


def values(messages: Sequence[Message], *, now: datetime) -> Mapping[int, Mapping[str, str]]:
    """As for any visit; one on video takes place there."""
    found = visits.values_of_visits(messages, now=now)
    on_video = set(
        Consultation.objects.filter(booking__in=[one.booking_id for one in messages], mode=VisitMode.VIDEO).values_list(
            "booking_id", flat=True
        )
    )
    by_video = {}
    for one in messages:
        if one.booking_id in on_video:
            with speaking(one.language):
                by_video[one.pk] = {"where": gettext("By video")}
    return {pk: {**said, **by_video.get(pk, {})} for pk, said in found.items()}


def follow_booked(bookings: Sequence[Booking], *, by: User | None, now: datetime) -> None:
    """Called by ``clinic.services.bookings`` in the transaction that booked them."""
    visits.tell_booked(bookings, EVENTS, by=by, now=now)


def follow_changes(bookings: Sequence[Booking], *, by: User | None, now: datetime) -> None:
    """Called by ``clinic.services.bookings`` in the transaction of each change."""
    visits.tell_changed(bookings, EVENTS, by=by, now=now)
