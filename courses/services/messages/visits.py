"""Infusion visits: what is said before one, and the question how it went on the day after.

Source: clinical.md A 99-117 (preparation), A 50 and E4 (24 to 72 hours after), R11.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from clinic.models import Booking, BookingKind, User
from clinic.models.bookings import UPCOMING_STATUSES
from courses.models import AdverseEvent, AdverseOutcome, InfusionVisit, VisitOutcome
from courses.services.messages.said import language_of, visit_values
from patients.models import Message, MessageEvent
from patients.services.messages.kinds import Occasion, Scope
from patients.services.messages.planning import sweep_after
from patients.services.messages.visits import upcoming_visits, why_not_upcoming

PATIENT = "infusion__phase__course__patient_id"
PENCILLED = Q(infusion__phase__course__pencilled_until__isnull=False)
ONLY_PENCILLED = "The visit is only pencilled."


# -- before ------------------------------------------------------------------------------------------------------------


def find_visits(scope: Scope, *, since: datetime, until: datetime, now: datetime) -> Iterable[Occasion]:  # noqa: ARG001
    """Each infusion that is booked and firm; two queries. What is only pencilled is told to nobody."""
    held = InfusionVisit.objects.filter(PENCILLED, outcome=VisitOutcome.OPEN)
    pencilled = set(_within(held, scope, since, until).values_list("booking_id", flat=True))
    found = upcoming_visits(BookingKind.INFUSION, MessageEvent.INFUSION, scope, since=since, until=until)
    return (one for one in found if one.booking_id not in pencilled)


def visits_still(messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:
    """Still booked, at that time, and firm; two queries."""
    said = dict(why_not_upcoming(messages, now=now))
    bookings = {one.booking_id for one in messages if one.booking_id is not None}
    held = set(InfusionVisit.objects.filter(PENCILLED, booking__in=bookings).values_list("booking_id", flat=True))
    return {one.pk: ONLY_PENCILLED for one in messages if one.booking_id in held} | said


def visits_values(messages: Sequence[Message], *, now: datetime) -> Mapping[int, Mapping[str, str]]:  # noqa: ARG001
    """One query."""
    bookings = read_bookings(messages)
    found = {}
    for message in messages:
        booking = bookings.get(message.booking_id or 0)
        if booking is not None:
            found[message.pk] = visit_values(booking.start, booking.location, language_of(message))
    return found


def follow_changes(bookings: Sequence[Booking], *, by: User | None, now: datetime) -> None:  # noqa: ARG001
    """Reminders follow a visit that was booked or changed, once that is saved; ``clinic.services.bookings`` calls this.

    The patient is told of changes by the revision of the course (``changes``), which knows what belongs together.
    """
    sweep_after(Scope(booking_ids=frozenset(booking.pk for booking in bookings)), now=now)


# -- after -------------------------------------------------------------------------------------------------------------


def find_after(scope: Scope, *, since: datetime, until: datetime, now: datetime) -> Iterable[Occasion]:  # noqa: ARG001
    """Each infusion that was given, unless the patient was handed over to a hospital; one query."""
    rows = _within(InfusionVisit.objects.filter(outcome=VisitOutcome.GIVEN), scope, since, until)
    columns = ("booking_id", "booking__span", "booking__location_id", PATIENT)
    for booking_id, span, location_id, patient_id in rows.exclude(_in_hospital()).values_list(*columns):
        yield Occasion(
            event=MessageEvent.AFTER_INFUSION,
            key=f"after {booking_id}",
            location_id=location_id,
            anchor=span.lower,
            patient_id=patient_id,
            booking_id=booking_id,
        )


def after_still(messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:  # noqa: ARG001
    """Still recorded as given, and no hospital; one query."""
    ids = [message.booking_id for message in messages]
    rows = InfusionVisit.objects.filter(booking__in=ids, outcome=VisitOutcome.GIVEN).exclude(_in_hospital())
    given = set(rows.values_list("booking_id", flat=True))
    said = "The infusion is no longer recorded as given, or the patient went to a hospital."
    return {message.pk: said for message in messages if message.booking_id not in given}


# -- parts -------------------------------------------------------------------------------------------------------------


def _within(rows: QuerySet[InfusionVisit], scope: Scope, since: datetime, until: datetime) -> QuerySet[InfusionVisit]:
    rows = rows.filter(booking__span__startswith__gte=since, booking__span__startswith__lt=until)
    if scope.patient_ids is not None:
        rows = rows.filter(infusion__phase__course__patient__in=scope.patient_ids)
    if scope.booking_ids is not None:
        rows = rows.filter(booking__in=scope.booking_ids)
    return rows.order_by("booking_id")


def _in_hospital() -> Exists:
    events = AdverseEvent.objects.filter(record__visit=OuterRef("pk"), outcome=AdverseOutcome.TRANSFERRED)
    return Exists(events.filter(struck_at__isnull=True))


def booked_visits(course_ids: Collection[int], now: datetime) -> QuerySet[InfusionVisit]:
    """The visits to come of these courses, the soonest first."""
    rows = InfusionVisit.objects.filter(outcome=VisitOutcome.OPEN, infusion__phase__course__in=course_ids)
    ahead = rows.filter(booking__status__in=UPCOMING_STATUSES, booking__span__startswith__gt=now)
    return ahead.order_by("booking__span")


def read_bookings(messages: Sequence[Message]) -> dict[int, Booking]:
    """As they stand now, with their location, whatever the messages bring along; one query."""
    rows = Booking.objects.filter(pk__in={one.booking_id for one in messages if one.booking_id is not None})
    return {row.pk: row for row in rows.select_related("location")}
