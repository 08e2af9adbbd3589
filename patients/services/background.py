"""What must be known about a patient before treatment: conditions, allergies, medicines, problems."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, OuterRef

from clinic.models import User
from clinic.services.recorded import recorded
from patients.models import Allergy, Medicine, Patient, Problem, TreatedCondition
from patients.models.background import AllergySeverity
from patients.pure.background import NONE_KNOWN, BackgroundKind, says_none
from patients.services.registry import lock_patient

MODELS: dict[BackgroundKind, type[models.Model]] = {
    BackgroundKind.CONDITION: TreatedCondition,
    BackgroundKind.ALLERGY: Allergy,
    BackgroundKind.MEDICINE: Medicine,
    BackgroundKind.PROBLEM: Problem,
}
_CODED = ("description", "code_system", "code", "started_on", "ended_on", "note")
COLUMNS = {
    BackgroundKind.CONDITION: ("indication", "note", "since"),
    BackgroundKind.ALLERGY: (*_CODED, "reaction", "severity"),
    BackgroundKind.MEDICINE: (*_CODED, "dose"),
    BackgroundKind.PROBLEM: _CODED,
}


@dataclass(frozen=True, slots=True)
class EntryData:
    """One entry of the background; a kind uses only its own fields (`COLUMNS`)."""

    description: str = ""
    indication: str = ""
    code_system: str = ""
    code: str = ""
    started_on: date | None = None
    ended_on: date | None = None
    since: date | None = None
    reaction: str = ""
    severity: str = AllergySeverity.UNKNOWN
    dose: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Completeness:
    """Which parts of the background somebody has asked about, without saying what the answers were."""

    condition: bool
    allergy: bool
    medicine: bool
    problem: bool

    @property
    def missing(self) -> list[str]:
        words = {"condition": "treated for", "allergy": "allergies", "medicine": "medicines", "problem": "problems"}
        return [said for name, said in words.items() if not getattr(self, name)]


def with_completeness(patients: models.QuerySet[Patient]) -> models.QuerySet[Patient]:
    """The same rows, each knowing which parts of the background have an entry; read by `completeness`."""
    return patients.annotate(
        **{f"has_{kind.value}": Exists(MODELS[kind]._default_manager.filter(patient=OuterRef("pk"))) for kind in MODELS}
    )


def completeness(patient: Patient) -> Completeness:
    """Of a patient that came through `with_completeness`."""
    return Completeness(**{kind.value: bool(getattr(patient, f"has_{kind.value}")) for kind in MODELS})


def record_entry(
    *, patient_id: int, kind: BackgroundKind, data: EntryData, today: date, by: User, now: datetime
) -> models.Model:
    """The entry stands in the patient's background; "there is none" of its kind, if that stood there, has ended.

    Raises:
        ValidationError: a value does not fit, or the same entry is already current.
        MergedPatientError: the record was merged away.
    """
    with recorded(by=by, now=now):
        patient = lock_patient(patient_id)
        entry = MODELS[kind](patient=patient, **_values(kind, data))
        _refuse_twin(kind, entry, patient)
        entry.full_clean()
        entry.save()
        if not says_none(kind, data.description):
            _end_none(patient, kind, day=today)
        return entry


def record_none(*, patient_id: int, kind: BackgroundKind, today: date, by: User, now: datetime) -> models.Model:
    """It is on record that somebody asked and there is none of this kind.

    Raises:
        ValidationError: when there are current entries, which would contradict it.
    """
    with recorded(by=by, now=now):
        none = NONE_KNOWN[kind]
        if MODELS[kind]._default_manager.filter(patient_id=patient_id, ended_on__isnull=True).exists():
            raise ValidationError(f"“{none.description}” contradicts what is on the list. End those entries first.")
        data = EntryData(none.description, code_system=none.code_system, code=none.code, started_on=today)
        return record_entry(patient_id=patient_id, kind=kind, data=data, today=today, by=by, now=now)


def change_entry(
    *, patient_id: int, kind: BackgroundKind, entry_id: int, data: EntryData, by: User, now: datetime
) -> models.Model:
    """The entry says what `data` says.

    Raises:
        ValidationError, MergedPatientError: as for `record_entry`.
        ObjectDoesNotExist: when the entry is gone.
    """
    with recorded(by=by, now=now):
        patient = lock_patient(patient_id)
        entry = MODELS[kind]._default_manager.get(pk=entry_id, patient=patient)
        values = _values(kind, data)
        changed = [name for name, value in values.items() if getattr(entry, name) != value]
        if changed:
            for name in changed:
                setattr(entry, name, values[name])
            _refuse_twin(kind, entry, patient)
            entry.full_clean()
            entry.save(update_fields=changed)
        return entry


def remove_entry(*, patient_id: int, kind: BackgroundKind, entry_id: int, by: User, now: datetime) -> str:
    """An entry made by mistake is gone from the record; history keeps it. Returns what it said."""
    with recorded(by=by, now=now):
        patient = lock_patient(patient_id)
        entry = MODELS[kind]._default_manager.get(pk=entry_id, patient=patient)
        said = str(entry)
        entry.delete()
        return said


def _values(kind: BackgroundKind, data: EntryData) -> dict[str, Any]:
    return {name: getattr(data, name) for name in COLUMNS[kind]}


def _refuse_twin(kind: BackgroundKind, entry: models.Model, patient: Patient) -> None:
    """A second current entry with the same words is a double click or an oversight."""
    others = MODELS[kind]._default_manager.filter(patient=patient).exclude(pk=entry.pk)
    if isinstance(entry, TreatedCondition):
        if others.filter(indication=entry.indication).exists():
            raise ValidationError({"indication": f"{entry} is already on the list."})
        return
    if entry.ended_on is None and others.filter(description__iexact=entry.description, ended_on__isnull=True).exists():  # type: ignore[attr-defined]
        raise ValidationError({"description": f"{entry} is already on the list."})


def _end_none(patient: Patient, kind: BackgroundKind, *, day: date) -> None:
    none = NONE_KNOWN.get(kind)
    if none is None:
        return
    current = MODELS[kind]._default_manager.filter(patient=patient, ended_on__isnull=True)
    for entry in current.filter(description__iexact=none.description):
        entry.ended_on = max(day, entry.started_on or day)  # type: ignore[attr-defined]
        entry.save(update_fields=["ended_on"])
