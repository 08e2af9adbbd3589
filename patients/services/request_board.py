"""The desk's board of requests: five columns, who owes the next step and since when; and who may be meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import (
    Case,
    Count,
    DurationField,
    ExpressionWrapper,
    F,
    Prefetch,
    Q,
    QuerySet,
    TextField,
    Value,
    When,
    Window,
)
from django.db.models.functions import Cast, RowNumber

from clinic.models import User
from clinic.pure.roles import PERMISSIONS, Can
from patients.models import Consultation, ConsultationRequest, Patient, RequestContact, RequestStatus
from patients.models.requests import OPEN_REQUEST_STATUSES
from patients.pure.names import tokens
from patients.pure.requests import DECIDED_SHOWN_DAYS, NEW_IS_LATE_AFTER_H, waited
from patients.services.duplicates import SHOWN, Reason, Similar, similar_patients
from patients.services.search import search_patients

CARDS_A_COLUMN = 40
"""More are counted, not drawn: the oldest and the urgent ones are on top anyway, the filters find the rest."""
COLUMNS = (*OPEN_REQUEST_STATUSES, RequestStatus.DECIDED)
MINE, NOBODY = "mine", "nobody"
PHONE_DIGITS = 3
"""So many digits in a search mean a telephone number."""
SAME_PERSON_SHOWN = 5
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardFilter:
    """What the board is narrowed to; empty values narrow nothing."""

    location_id: int | None = None
    owner: str = ""  # MINE, NOBODY or the id of a user
    text: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One request on the board, with what is shown about it."""

    request: ConsultationRequest
    now: datetime

    @property
    def age(self) -> str:
        """Since the request came in."""
        return self._waited(self.request.received_at)

    @property
    def here(self) -> str:
        """Since it stands in this column."""
        return self._waited(self.request.status_since)

    @property
    def tries(self) -> list[RequestContact]:
        return list(self.request.contacts.all())

    @property
    def consultation(self) -> Consultation | None:
        """The latest one that has a booking."""
        rows = [row for row in self.request.consultations.all() if row.booking_id is not None]
        return rows[0] if rows else None

    @property
    def owes(self) -> str:
        """Who owes the next step: the clinician once a consultation is booked, before that the owner, or nobody yet."""
        status = self.request.status
        if status in (RequestStatus.BOOKED, RequestStatus.SEEN) and self.consultation is not None:
            return str(self.consultation.clinician)
        if status == RequestStatus.DECIDED:
            return ""
        owner = self.request.owner
        return (owner.get_full_name() or str(owner)) if owner else "Nobody yet"

    @property
    def is_due(self) -> bool:
        """The day of the next try has come."""
        day = self.request.next_act_on
        return day is not None and day <= self.today

    @property
    def is_late(self) -> bool:
        """Nobody has answered a new request for too long, or the day of the next try has passed."""
        day = self.request.next_act_on
        if day is not None:
            return day < self.today
        is_new = self.request.status == RequestStatus.NEW
        return is_new and self.now - self.request.status_since > timedelta(hours=NEW_IS_LATE_AFTER_H)

    @property
    def today(self) -> date:
        return self.request.location.local(self.now).date()

    def _waited(self, since: datetime) -> str:
        return waited((self.now - since).total_seconds() / 60)


@dataclass(frozen=True, slots=True)
class Column:
    """One step of the way, its cards (urgent first, then the longest wait) and how many there are in all."""

    status: RequestStatus
    cards: tuple[Card, ...]
    count: int

    @property
    def urgent(self) -> int:
        return sum(card.request.is_urgent for card in self.cards)

    @property
    def hidden(self) -> int:
        return self.count - len(self.cards)


def board(wanted: BoardFilter, *, by: User, now: datetime) -> list[Column]:
    """The five columns, in three queries. What was decided stays for two weeks, newest first."""
    recent = Q(status=RequestStatus.DECIDED, status_since__gte=now - timedelta(days=DECIDED_SHOWN_DAYS))
    rows = narrowed(ConsultationRequest.objects.filter(Q(status__in=OPEN_REQUEST_STATUSES) | recent), wanted, by=by)
    order = (F("is_urgent").desc(), F("turn").asc(), F("id").asc())
    rows = (
        rows.annotate(
            turn=Case(
                When(status=RequestStatus.DECIDED, then=_between(F("status_since"), Value(now))),
                default=_between(Value(LONG_AGO), F("status_since")),
            )
        )
        .annotate(
            place=Window(RowNumber(), partition_by=F("status"), order_by=order),
            in_column=Window(Count("pk"), partition_by=F("status")),
        )
        .filter(place__lte=CARDS_A_COLUMN)
    )
    found = list(with_card_facts(rows).order_by(*order))
    columns = []
    for status in COLUMNS:
        cards = [Card(row, now) for row in found if row.status == status]
        columns.append(Column(status, tuple(cards), cards[0].request.in_column if cards else 0))  # type: ignore[attr-defined]
    return columns


def _between(start: Any, end: Any) -> ExpressionWrapper:  # noqa: ANN401 (database expressions)
    return ExpressionWrapper(end - start, output_field=DurationField())


def narrowed(rows: QuerySet[ConsultationRequest], wanted: BoardFilter, *, by: User) -> QuerySet[ConsultationRequest]:
    """Only the requests of that location and owner whose name or telephone number fits the text."""
    if wanted.location_id is not None:
        rows = rows.filter(location=wanted.location_id)
    elif by.reach is not None:
        rows = rows.filter(location__in=by.reach)
    if wanted.owner == MINE:
        rows = rows.filter(owner=by)
    elif wanted.owner == NOBODY:
        rows = rows.filter(owner=None)
    elif wanted.owner.isdecimal():
        rows = rows.filter(owner=int(wanted.owner))
    digits = re.sub(r"\D", "", wanted.text)
    if len(digits) >= PHONE_DIGITS:
        return rows.annotate(number=Cast("phone", TextField())).filter(number__contains=digits)
    for word in wanted.text.split():
        rows = rows.filter(Q(given_name__icontains=word) | Q(family_name__icontains=word) | Q(email__icontains=word))
    return rows


def with_card_facts(rows: QuerySet[ConsultationRequest]) -> QuerySet[ConsultationRequest]:
    """With what a card and the sheet show, at two queries more whatever the number of rows."""
    consultations = Consultation.objects.select_related("clinician", "booking").order_by("-created_at", "-pk")
    return rows.select_related("location__intake_settings", "owner", "patient").prefetch_related(
        Prefetch("contacts", RequestContact.objects.select_related("by")), Prefetch("consultations", consultations)
    )


def owners() -> QuerySet[User]:
    """Everybody who may owe the next step, by name."""
    roles = [role.value for role in PERMISSIONS[Can.EDIT_REQUESTS]]
    people = User.objects.filter(is_active=True, roles__overlap=roles).select_related("home_location")
    return people.order_by("last_name", "first_name", "id")


def patients_like(request: ConsultationRequest, *, today: date) -> list[Similar]:
    """Patients of the registry who may have written this request, the likeliest first.

    By birth date and telephone as in the registry. Only where these find nobody: by e-mail, and by the name alone when
    no birth date was given.
    """
    found = similar_patients(
        given=request.given_name,
        family=request.family_name,
        birth_date=request.birth_date,
        phone=str(request.phone or ""),
    )
    if found or (request.birth_date and not request.email):
        return found
    hits = [hit.patient for hit in search_patients(request.name, today=today)]
    same = Patient.objects.filter(pk__in=[one.pk for one in hits], email__iexact=request.email)
    same_address = set(same.values_list("pk", flat=True)) if request.email and hits else set()
    name = tokens(request.name)
    by_address = [Similar(one, Reason.EMAIL) for one in hits if one.pk in same_address]
    by_name = [
        Similar(one, Reason.NAME)
        for one in hits
        if one.pk not in same_address and not request.birth_date and tokens(one.legal_name) == name
    ]
    return (by_address + by_name)[:SHOWN]


def asked_also(request: ConsultationRequest, *, by: User) -> Sequence[ConsultationRequest]:
    """Other open requests with the same number or address at locations that ``by`` reaches: perhaps asked twice."""
    same = Q(pk__in=[])
    if request.phone:
        same |= Q(phone=request.phone)
    if request.email:
        same |= Q(email__iexact=request.email)
    rows = ConsultationRequest.objects.open().filter(same).exclude(pk=request.pk).select_related("location")
    if by.reach is not None:
        rows = rows.filter(location__in=by.reach)
    return list(rows.order_by("received_at")[:SAME_PERSON_SHOWN])


def closed_requests(wanted: BoardFilter, *, by: User, reason: str = "") -> QuerySet[ConsultationRequest]:
    """What has left the board with a reason."""
    rows = ConsultationRequest.objects.filter(status=RequestStatus.CLOSED)
    rows = rows.filter(closed_as=reason) if reason else rows
    return narrowed(rows, wanted, by=by).select_related("location", "closed_by", "patient")
