"""The consultation's record: begun, saved field by field without losing anybody's words, signed, added to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, OuterRef

from clinic.models import AllocationRole, Booking, BookingKind, Location, User
from clinic.services.recorded import recorded
from patients.models import (
    Allergy,
    Consultation,
    ConsultationAmendment,
    Medicine,
    Patient,
    PregnancyTest,
    PreviousTreatment,
    Problem,
    Sex,
    VitalSigns,
    YesNo,
)
from patients.models.requests import VisitMode
from patients.pure.consultation import (
    FIELDS,
    MOST_INFUSIONS,
    TO_SIGN,
    Completeness,
    Facts,
    Field,
    Kind,
    completeness_of,
    fingerprint,
    infusions_from,
    tidy,
)
from patients.services.registry import lock_patient


class SignedRecordError(Exception):
    """The record is signed: it is added to, not edited."""


class StaleRecordError(Exception):
    """The record changed after the person had read it, and before they signed it."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """One field that somebody else changed meanwhile; nothing was overwritten."""

    field: str
    theirs: str
    mine: str
    who: str  # empty when the history names nobody
    at: datetime | None
    base: str  # the fingerprint of theirs: who sends it back has seen it


class StaleFieldError(Exception):
    """Somebody else changed the field meanwhile. ``conflict`` shows both."""

    def __init__(self, conflict: Conflict) -> None:
        self.conflict = conflict
        super().__init__(f"{conflict.who or 'Somebody'} changed {FIELDS[conflict.field].label} meanwhile.")


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody typed into a field, and the fingerprint of what their page had shown there."""

    text: str
    base: str


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of each field that was sent: saved, refused with a reason, or in conflict."""

    consultation: Consultation
    saved: tuple[str, ...]
    refused: Mapping[str, str]
    conflicts: Mapping[str, Conflict]
    typed: Mapping[str, str]

    @property
    def is_whole(self) -> bool:
        return not self.refused and not self.conflicts


# --- saving -----------------------------------------------------------------------------------------------------------
def save_field(*, consultation_id: int, field: str, value: str, base: str, by: User, now: datetime) -> Consultation:
    """The field says ``value``; other fields are not touched. The same value again changes nothing.

    Args:
        base: `fingerprint` of what the person's page showed in this field when they began to type.

    Raises:
        StaleFieldError: the stored value is neither the one they saw nor the one they send.
        SignedRecordError: the record is signed.
        ValidationError: the value does not fit the field.
        KeyError: there is no such field.
    """
    done = save_fields(consultation_id=consultation_id, typed={field: Typed(value, base)}, by=by, now=now)
    if field in done.conflicts:
        raise StaleFieldError(done.conflicts[field])
    if field in done.refused:
        raise ValidationError({field: done.refused[field]})
    return done.consultation


def save_fields(*, consultation_id: int, typed: Mapping[str, Typed], by: User, now: datetime) -> Saved:
    """Each field that fits and that nobody changed meanwhile is saved; the answer names the others and why.

    Raises:
        SignedRecordError: the record is signed; nothing is saved.
        Consultation.DoesNotExist: there is no such consultation.
        KeyError: there is no such field.
    """
    definitions = {name: FIELDS[name] for name in typed}
    rows = Consultation.objects.select_related("patient", "location")
    with recorded(by=by, now=now):
        record = rows.select_for_update(of=("self",), no_key=True).get(pk=consultation_id)
        if record.is_signed:
            raise SignedRecordError
        changed, refused, conflicts = [], {}, {}
        for name, one in definitions.items():
            mine, stored = tidy(typed[name].text), text_of(record, name)
            if mine == stored:
                continue
            if fingerprint(stored) != typed[name].base:
                who, at = last_writer(record, name)
                conflicts[name] = Conflict(name, stored, mine, who, at, fingerprint(stored))
                continue
            try:
                setattr(record, name, parsed(one, mine))
            except ValidationError as refusal:
                refused[name] = " ".join(refusal.messages)
                continue
            changed.append(name)
        if changed:
            record.version += 1
            record.save(update_fields=[*changed, "version"])
        saved = tuple(name for name in typed if name not in refused and name not in conflicts)
        return Saved(record, saved, refused, conflicts, {name: one.text for name, one in typed.items()})


def text_of(record: Consultation, field: str) -> str:
    """The stored value as a page shows it and as `fingerprint` takes it."""
    value = getattr(record, field)
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else tidy(str(value))


def parsed(field: Field, text: str) -> Any:  # noqa: ANN401 (text, number or yes/no, as the field wants)
    """The value to store.

    Raises:
        ValidationError: too long, not one of the choices, or not a number in range.
    """
    if field.kind is Kind.CHECK:
        return bool(text)
    if field.kind in (Kind.LONG, Kind.SHORT):
        if len(text) > field.limit:
            over = len(text) - field.limit
            raise ValidationError(
                f"At most {field.limit:,} characters fit here; this is {over:,} too long. Nothing was saved, "
                "and what you typed is still in the field."
            )
        return text
    column: models.Field[Any, Any] = Consultation._meta.get_field(field.name)  # type: ignore[assignment]
    if field.kind is Kind.CHOICE:
        if text not in dict(column.flatchoices) and text:
            raise ValidationError("This is not one of the choices.")
        return text
    if not text:
        return None
    number = infusions_from(text)
    if number is None:
        raise ValidationError(f"A whole number between 1 and {MOST_INFUSIONS}.")
    return number


def last_writer(record: Consultation, field: str) -> tuple[str, datetime | None]:
    """Who put the present value into the field, and when; read from the history that the database writes."""
    value = getattr(record, field)
    events = record.events.order_by("-pgh_id")  # type: ignore[attr-defined]
    before = events.exclude(**_same(field, value)).values_list("pgh_id", flat=True).first()
    wrote = events.filter(pgh_id__gt=before or 0).select_related("pgh_context").last()
    if wrote is None:
        return "", None
    user_id = (wrote.pgh_context.metadata if wrote.pgh_context else {}).get("user")
    user = User.objects.filter(pk=user_id).first() if user_id else None
    return user.display_name if user else "", wrote.pgh_created_at


def _same(field: str, value: object) -> dict[str, object]:
    return {f"{field}__isnull": True} if value is None else {field: value}


# --- beginning --------------------------------------------------------------------------------------------------------
def start_consultation(
    *, patient_id: int, location: Location, by: User, now: datetime, mode: str = VisitMode.IN_PERSON
) -> Consultation:
    """A record for somebody who came without a booking; one that this clinician began there today goes on.

    Raises:
        MergedPatientError: the record was merged away.
    """
    with recorded(by=by, now=now):
        patient = lock_patient(patient_id)
        today = location.local(now).date()
        mine = Consultation.objects.filter(
            patient=patient, location=location, clinician=by, booking=None, signed_at=None
        ).first()
        if mine and location.local(mine.created_at).date() == today:
            return mine
        return Consultation.objects.create(
            patient=patient, location=location, clinician=by, mode=mode, created_at=now, created_by=by
        )


def open_for_booking(*, booking_id: int, by: User, now: datetime) -> Consultation:
    """The record of the booked consultation: the one that is there, else a new one with the booking's clinician.

    Raises:
        ValidationError: the booking is no consultation, or did not take place.
        ObjectDoesNotExist: there is no such booking of a patient.
        MergedPatientError: the record was merged away.
    """
    booking = Booking.objects.select_related("location", "subject__patient").get(pk=booking_id)
    if booking.kind != BookingKind.CONSULTATION:
        raise ValidationError("This visit is not a consultation.")
    with recorded(by=by, now=now):
        patient = lock_patient(booking.subject.patient.pk)  # type: ignore[union-attr]
        known = Consultation.objects.filter(booking=booking).first()
        if known:
            return known
        if booking.is_released:
            raise ValidationError("This visit did not take place. Begin a record without it, from the patient's page.")
        resource = booking.allocations.filter(role=AllocationRole.CLINICIAN).values("resource")[:1]
        return Consultation.objects.create(
            patient=patient,
            booking=booking,
            location=booking.location,
            clinician=User.objects.filter(resource__in=resource).first() or by,
            created_at=now,
            created_by=by,
        )


# --- signing ----------------------------------------------------------------------------------------------------------
def sign_consultation(*, consultation_id: int, version: int, by: User, now: datetime) -> Consultation:
    """The record is signed and stays as it is from now on. Signed already, it stays as it was signed.

    Args:
        version: the version that the person read; nobody signs words that they have not seen.

    Raises:
        StaleRecordError: the record was changed after they had read it.
        ValidationError: condition, or assessment and plan, is empty.
    """
    with recorded(by=by, now=now):
        record = Consultation.objects.select_for_update(no_key=True).get(pk=consultation_id)
        if record.is_signed:
            return record
        if record.version != version:
            raise StaleRecordError
        empty = [FIELDS[name].label.lower() for name in TO_SIGN if not text_of(record, name)]
        if empty:
            raise ValidationError(f"Before it can be signed, fill in: {', '.join(empty)}.")
        record.signed_at, record.signed_by = now, by
        record.version += 1
        record.save(update_fields=["signed_at", "signed_by", "version"])
        return record


def amend_consultation(
    *, consultation_id: int, reason: str, text: str, by: User, now: datetime
) -> ConsultationAmendment:
    """The amendment stands below the signed record, with author and reason. The record itself is not touched.

    Raises:
        ValidationError: the record is not signed yet, or reason or text is empty or too long.
    """
    with recorded(by=by, now=now):
        record = Consultation.objects.select_for_update(no_key=True).get(pk=consultation_id)
        if not record.is_signed:
            raise ValidationError("This record is not signed yet: change it directly.")
        limit = FIELDS["summary"].limit
        if len(tidy(text)) > limit:
            raise ValidationError({"text": f"At most {limit:,} characters fit here."})
        row = ConsultationAmendment(consultation=record, at=now, by=by, reason=tidy(reason), text=tidy(text))
        row.full_clean()
        row.save()
        return row


# --- what is missing --------------------------------------------------------------------------------------------------
def with_facts(patients: models.QuerySet[Patient]) -> models.QuerySet[Patient]:
    """The same rows, each knowing whether it has what a record needs; read by `facts_of`."""
    mine = {"patient": OuterRef("pk")}
    vitals = VitalSigns.objects.filter(**mine, struck_at__isnull=True)
    return patients.annotate(
        has_treatments=Exists(PreviousTreatment.objects.filter(**mine)),
        has_problems=Exists(Problem.objects.filter(**mine)),
        has_medicines=Exists(Medicine.objects.filter(**mine)),
        has_allergies=Exists(Allergy.objects.filter(**mine)),
        has_weight=Exists(vitals.filter(weight_kg__isnull=False)),
        has_pressure=Exists(vitals.filter(systolic_mmhg__isnull=False)),
        has_heart_rate=Exists(vitals.filter(heart_rate_bpm__isnull=False)),
        has_pregnancy_test=Exists(PregnancyTest.objects.filter(**mine, struck_at__isnull=True)),
    )


def facts_of(record: Consultation, patient: Patient) -> Facts:
    """What stands in the record and around it.

    Args:
        patient: the record's patient, through `with_facts`.
    """
    answers: dict[str, bool | None] = {YesNo.YES: True, YesNo.NO: False}
    return Facts(
        filled=frozenset(name for name in FIELDS if text_of(record, name)),
        may_be_pregnant=answers.get(record.can_be_pregnant),
        asks_pregnancy=patient.sex != Sex.MALE,
        **{name: getattr(patient, name) for name in HAS},
    )


HAS = (
    "has_treatments",
    "has_problems",
    "has_medicines",
    "has_allergies",
    "has_weight",
    "has_pressure",
    "has_heart_rate",
    "has_pregnancy_test",
)


def completeness(record: Consultation) -> Completeness:
    """What is still missing; ``str()`` of it is all that the front desk learns: "complete" or "missing"."""
    return completeness_of(facts_of(record, with_facts(Patient.objects.all()).get(pk=record.patient_id)))
