"""What was tried before a patient came here: rows that are added, changed and removed; history keeps them all."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from clinic.models import User
from clinic.services.recorded import recorded
from patients.models import PreviousTreatment, TreatmentMethod
from patients.services.registry import lock_patient


@dataclass(frozen=True, slots=True)
class TreatmentData:
    """One treatment that was tried. Names of the fields are those of `PreviousTreatment`."""

    name: str
    method: str = TreatmentMethod.MEDICINE
    dose: str = ""
    duration_weeks: int | None = None
    adequate: str = ""
    outcome: str = ""
    note: str = ""


def save_treatment(
    *, patient_id: int, data: TreatmentData, by: User, now: datetime, treatment_id: int | None = None
) -> PreviousTreatment:
    """The row says what ``data`` says; a new one without ``treatment_id``.

    Raises:
        ValidationError: a value does not fit.
        ObjectDoesNotExist: the patient has no such row.
        MergedPatientError: the record was merged away.
    """
    with recorded(by=by, now=now):
        patient = lock_patient(patient_id)
        row = (
            PreviousTreatment.objects.get(pk=treatment_id, patient=patient)
            if treatment_id
            else PreviousTreatment(patient=patient)
        )
        for name, value in asdict(data).items():
            setattr(row, name, value)
        row.full_clean()
        row.save()
        return row


def remove_treatment(*, patient_id: int, treatment_id: int, by: User, now: datetime) -> str:
    """The row is gone; history keeps it. Returns what it said.

    Raises:
        ObjectDoesNotExist, MergedPatientError: as for `save_treatment`.
    """
    with recorded(by=by, now=now):
        row = PreviousTreatment.objects.get(pk=treatment_id, patient=lock_patient(patient_id))
        said = str(row)
        row.delete()
        return said
