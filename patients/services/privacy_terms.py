"""How long records are kept, what is due, and what forbids to erase one now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.module_loading import import_string

from clinic.models import Booking, User
from clinic.models.bookings import RELEASED_STATUSES
from clinic.services.recorded import recorded
from patients.models import (
    Assessment,
    ConsultationRequest,
    DangerAlert,
    Erasure,
    IncomingMessage,
    LegalHold,
    Patient,
    RetentionTerm,
)
from patients.models.requests import OPEN_REQUEST_STATUSES
from patients.pure.privacy import TERM_OF, TERMS, Basis, Kept, kept_until, years_after
from patients.services.privacy_rows import people

_obstacles: list[str] = []


def register_obstacles(function: str) -> None:
    """The dotted name of a function ``(patients, terms, now) -> Iterable[str]``: what else forbids an erasure."""
    if function not in _obstacles:
        _obstacles.append(function)


@dataclass(frozen=True, slots=True)
class Keeping:
    """When the record may be erased, and from what that follows."""

    last_contact: date
    until: date

    def is_over(self, day: date) -> bool:
        return day > self.until


def terms() -> dict[Kept, int]:
    """What holds: the clinic's figure, else the shipped one. One query."""
    own = {row.kept: row.amount for row in RetentionTerm.objects.all()}
    return {one.kept: own.get(one.kept.value, one.usual) for one in TERMS}


def set_terms(*, amounts: Mapping[Kept, int], by: User, now: datetime) -> None:
    """These figures hold from now on. Raises ValueError below the least that the law names."""
    with recorded(by=by, now=now):
        for kept, amount in amounts.items():
            term = TERM_OF[kept]
            if not term.least <= amount <= term.most:
                raise ValueError(f"{term.title}: from {term.least} to {term.most} {term.unit}.")
            row, is_new = RetentionTerm.objects.get_or_create(kept=kept.value, defaults={"amount": amount})
            if not is_new and row.amount != amount:
                row.amount = amount
                row.save(update_fields=["amount"])


def kept_of(patient: Patient, known: Mapping[Kept, int]) -> Keeping:
    """Until when this record must be kept, with all records that were merged into it."""
    rows = people(patient)
    first = min(timezone.localdate(row.created_at) for row in rows)
    last = max(_last_contact(row) for row in rows)
    until = kept_until(
        last_contact=last,
        first_contact=first,
        born=patient.birth_date,
        medical_years=known[Kept.MEDICAL],
        minor_age=known[Kept.MINOR],
    )
    return Keeping(last, until)


def _last_contact(patient: Patient) -> date:
    """The latest day on which the clinic and the patient had to do with each other."""
    visits = Booking.objects.filter(subject=patient.resource_id).exclude(status__in=RELEASED_STATUSES)
    spans = visits.order_by("-span").values_list("span", flat=True)[:1]
    moments = [patient.created_at, *(span.upper for span in spans)]
    for rows, name in (
        (Assessment.objects.filter(patient=patient), "taken_at"),
        (IncomingMessage.objects.filter(patient=patient), "received_at"),
        (ConsultationRequest.objects.filter(patient=patient), "received_at"),
    ):
        moments += rows.order_by(f"-{name}").values_list(name, flat=True)[:1]
    return timezone.localdate(max(moments))


def due(known: Mapping[Kept, int], *, today: date) -> QuerySet[Patient]:
    """Records whose time is over and that nothing holds, the oldest first; erasing one still needs two people."""
    cutoff = years_after(today, -known[Kept.MEDICAL])
    born = years_after(today, -known[Kept.MINOR])
    since = timezone.make_aware(datetime.combine(cutoff, datetime.min.time()))
    mine = {"patient": OuterRef("pk")}
    visits = Booking.objects.filter(subject=OuterRef("resource_id"), span__endswith__gte=since)
    recent = (
        Exists(visits.exclude(status__in=RELEASED_STATUSES))
        | Exists(Assessment.objects.filter(**mine, taken_at__gte=since))
        | Exists(IncomingMessage.objects.filter(**mine, received_at__gte=since))
        | Exists(ConsultationRequest.objects.filter(**mine, received_at__gte=since))
    )
    return (
        Patient.objects.current()
        .filter(created_at__lt=since, birth_date__lt=born, erasure__isnull=True)
        .exclude(Exists(LegalHold.objects.filter(**mine, lifted_at=None)))
        .exclude(recent)
        .order_by("created_at", "pk")
    )


def obstacles(patient: Patient, *, basis: Basis, now: datetime) -> list[str]:
    """Why the record must not be erased now, each as a sentence; none: it may be."""
    if Erasure.objects.filter(patient=patient).exists():
        return ["This record was erased before."]
    if patient.merged_into_id:
        return ["This record was merged into another one. Erase that one: both go together."]
    known, rows = terms(), people(patient)
    return [
        *_of_law(patient, rows, known, basis=basis, now=now),
        *_of_work(rows, now=now),
        *_of_others(rows, known, now),
    ]


def _of_law(
    patient: Patient, rows: list[Patient], known: Mapping[Kept, int], *, basis: Basis, now: datetime
) -> Iterable[str]:
    if hold := LegalHold.objects.filter(patient__in=rows, lifted_at=None).first():
        yield f"A legal hold stands since {timezone.localdate(hold.placed_at):%-d %b %Y}. It must be lifted first."
    kept = kept_of(patient, known)
    if basis == Basis.OVER and not kept.is_over(timezone.localdate(now)):
        yield (
            f"The record must be kept until {kept.until:%-d %b %Y}: the last contact was on "
            f"{kept.last_contact:%-d %b %Y}. Before that only a reason of law allows it."
        )


def _of_work(rows: list[Patient], *, now: datetime) -> Iterable[str]:
    subjects = [row.resource_id for row in rows]
    ahead = Booking.objects.filter(subject__in=subjects, span__endswith__gt=now)
    if many := ahead.exclude(status__in=RELEASED_STATUSES).count():
        said = "1 visit is" if many == 1 else f"{many} visits are"
        yield f"{said} still booked. Cancel or end what is ahead."
    if ConsultationRequest.objects.filter(patient__in=rows, status__in=OPEN_REQUEST_STATUSES).exists():
        yield "A request for a consultation is open. Close it first."
    mine = Q(patient__in=rows) | Q(request__patient__in=rows)
    if DangerAlert.objects.filter(mine, acknowledged_at=None).exists():
        yield "A danger signal waits for a clinician. It must be acknowledged first."


def _of_others(rows: list[Patient], known: Mapping[Kept, int], now: datetime) -> Iterable[str]:
    for name in _obstacles:
        found: Any = import_string(name)
        yield from found(rows, known, now)


# --- legal hold -------------------------------------------------------------------------------------------------------
def place_hold(*, patient: Patient, reason: str, by: User, now: datetime) -> LegalHold:
    """The record cannot be erased until the hold is lifted. Raises ValidationError when one stands already."""
    row = LegalHold(patient=patient, reason=reason, placed_at=now, placed_by=by)
    with recorded(by=by, now=now):
        row.full_clean()
        row.save()
    return row


def lift_hold(*, hold_id: int, reason: str, by: User, now: datetime) -> bool:
    """The hold holds no more; False when it was lifted before."""
    with recorded(by=by, now=now):
        rows = LegalHold.objects.filter(pk=hold_id, lifted_at=None)
        return bool(rows.update(lifted_at=now, lifted_by=by, lifted_reason=reason))


def backups_until(at: datetime, known: Mapping[Kept, int]) -> date:
    """The day on which the last backup that still holds what was erased at that moment is gone."""
    return timezone.localdate(at + timedelta(days=known[Kept.BACKUPS]))
