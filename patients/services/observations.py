"""What was measured on the body: vital signs and pregnancy tests. Nothing is edited; what is wrong is struck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from django.core.exceptions import ValidationError
from django.db import models

from clinic.models import User
from clinic.services.recorded import recorded
from patients.models import Patient, PregnancyTest, VitalSigns
from patients.models.observations import Strikeable
from patients.pure.vitals import Remark, Vitals, impossible, unusual
from patients.services.registry import lock_patient

CLOCK_SLACK = timedelta(minutes=5)
"""A tablet's clock may be ahead of the server's by this much."""


class ObservationKind(StrEnum):
    """What can be struck here."""

    VITALS = "vitals"
    PREGNANCY_TEST = "pregnancy-test"


MODELS: dict[ObservationKind, type[VitalSigns | PregnancyTest]] = {
    ObservationKind.VITALS: VitalSigns,
    ObservationKind.PREGNANCY_TEST: PregnancyTest,
}


class UnusualValueError(Exception):
    """Possible, but rare: the person is asked to read the display again. ``remarks`` says what is odd."""

    def __init__(self, remarks: Sequence[Remark]) -> None:
        self.remarks = tuple(remarks)
        super().__init__(" ".join(remark.text for remark in remarks))


def record_vitals(
    *,
    patient_id: int,
    vitals: Vitals,
    measured_at: datetime,
    by: User,
    now: datetime,
    note: str = "",
    confirmed: bool = False,
) -> VitalSigns:
    """The reading stands in the patient's record.

    Args:
        measured_at: when it was read; may lie in the past, not ahead.
        confirmed: the person was asked about unusual values and said that they are right.

    Raises:
        UnusualValueError: a value is rare and nobody has confirmed it.
        ValidationError: a value is not possible, the moment is ahead, or the same reading already stands there.
        MergedPatientError: the record was merged away.
    """
    with recorded(by=by, now=now):
        patient = lock_patient(patient_id)
        _refuse(impossible(vitals))
        if measured_at > now + CLOCK_SLACK:
            raise ValidationError({"measured_at": "This moment is in the future. Check the date and time."})
        weight_before = latest_weight(patient)
        odd = unusual(vitals, last_weight_kg=weight_before.weight_kg if weight_before else None)
        if odd and not confirmed:
            raise UnusualValueError(odd)
        values = asdict(vitals)
        if VitalSigns.objects.valid().filter(patient=patient, measured_at=measured_at, **_exactly(values)).exists():
            raise ValidationError("The same reading already stands in the record.")
        reading = VitalSigns(
            patient=patient, measured_at=measured_at, note=note, recorded_at=now, recorded_by=by, **values
        )
        reading.full_clean()
        reading.save()
        return reading


def record_pregnancy_test(
    *, patient_id: int, tested_on: date, result: str, today: date, by: User, now: datetime, note: str = ""
) -> PregnancyTest:
    """The test stands in the patient's record.

    Raises:
        ValidationError: the day is ahead, the result is none of the three, or the same test already stands there.
        MergedPatientError: the record was merged away.
    """
    with recorded(by=by, now=now):
        patient = lock_patient(patient_id)
        if tested_on > today:
            raise ValidationError({"tested_on": "This day is in the future. Check the date."})
        if PregnancyTest.objects.valid().filter(patient=patient, tested_on=tested_on, result=result).exists():
            raise ValidationError("The same test already stands in the record.")
        test = PregnancyTest(
            patient=patient, tested_on=tested_on, result=result, note=note, recorded_at=now, recorded_by=by
        )
        test.full_clean()
        test.save()
        return test


def strike(
    *, patient_id: int, kind: ObservationKind, record_id: int, reason: str, by: User, now: datetime
) -> Strikeable:
    """What was entered in error counts no more and stays visible, with who struck it, when and why.

    Struck twice it stays as it was struck first.

    Raises:
        ValidationError: no reason is given.
        ObjectDoesNotExist: the patient has no such record.
        MergedPatientError: the record was merged away.
    """
    if not reason.strip():
        raise ValidationError({"reason": "Say why this is struck."})
    with recorded(by=by, now=now):
        patient = lock_patient(patient_id)
        row: Strikeable = MODELS[kind]._default_manager.get(pk=record_id, patient=patient)
        if not row.is_struck:
            row.struck_at, row.struck_by, row.struck_reason = now, by, reason.strip()[:200]
            row.save(update_fields=["struck_at", "struck_by", "struck_reason"])
        return row


def latest_vitals(patient: Patient) -> VitalSigns | None:
    """The latest reading that was not struck, whatever it measured."""
    return _readings(patient).first()


def latest_pressure(patient: Patient) -> VitalSigns | None:
    """The latest reading with a blood pressure."""
    return _readings(patient).filter(systolic_mmhg__isnull=False, diastolic_mmhg__isnull=False).first()


def latest_weight(patient: Patient) -> VitalSigns | None:
    """The latest reading with a weight."""
    return _readings(patient).filter(weight_kg__isnull=False).first()


def latest_pregnancy_test(patient: Patient) -> PregnancyTest | None:
    """The latest test that was not struck."""
    return PregnancyTest.objects.valid().filter(patient=patient).order_by("-tested_on", "-id").first()


def _readings(patient: Patient) -> models.QuerySet[VitalSigns]:
    return VitalSigns.objects.valid().filter(patient=patient).order_by("-measured_at", "-id")


def _refuse(remarks: Sequence[Remark]) -> None:
    if remarks:
        raise ValidationError({remark.field or "__all__": remark.text for remark in remarks})


def _exactly(values: dict[str, Decimal | int | None]) -> dict[str, object]:
    return {
        (f"{name}__isnull" if value is None else name): (True if value is None else value)
        for name, value in values.items()
    }
