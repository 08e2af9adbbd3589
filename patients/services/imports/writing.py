"""Puts sorted rows into the registry, a batch at a time; each new patient is what `register_patient` would make."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from clinic.models import Booking, Resource, ResourceKind
from patients.models import ExternalId, Patient, PatientStatus, Phone
from patients.pure.names import search_columns
from patients.pure.people import PHONE_KINDS, Person
from patients.services.imports.bulk import copy_rows, new_ids, update_rows
from patients.services.imports.job import Job, Note, Outcome
from patients.services.imports.matching import Changed
from patients.services.registry import issue_mrns
from patients.services.search_columns import write_columns

Line = tuple[int, Person]


def create_patients(job: Job, new: Sequence[Line], *, now: datetime) -> None:
    """The persons are in the registry with MRN, bookable resource, telephone numbers and search columns."""
    if not new:
        return
    resource_ids, patient_ids = new_ids(Resource, len(new)), new_ids(Patient, len(new))
    mrns = issue_mrns(len(new))
    resources, patients, phones, ids = [], [], [], []
    for (_, person), resource_id, patient_id, mrn in zip(new, resource_ids, patient_ids, mrns, strict=True):
        has_died = bool(person.values.get("deceased_on"))
        resources.append(
            {"id": resource_id, "kind": ResourceKind.PATIENT.value, "name": f"MRN {mrn}", "is_active": not has_died}
        )
        patients.append(_patient_row(person, now) | {"id": patient_id, "resource_id": resource_id, "mrn": mrn})
        for place, (kind, number) in enumerate(person.phones):
            phones.append({"patient_id": patient_id, "number": number, "kind": kind, "is_primary": place == 0})
        ids.append(
            {"patient_id": patient_id, "source": job.system, "value": person.external_id, "imported": person.said}
        )
        columns = search_columns(
            given_name=patients[-1]["given_name"],
            family_name=patients[-1]["family_name"],
            preferred_name=patients[-1].get("preferred_name", ""),
            mrn=mrn,
            phones=[number for _, number in person.phones],
        )
        patients[-1] |= {"search_name": columns.text, "search_keys": columns.keys}
    copy_rows(Resource, resources)
    copy_rows(Patient, patients)
    copy_rows(Phone, phones)
    copy_rows(ExternalId, ids)


def _patient_row(person: Person, now: datetime) -> dict[str, Any]:
    values: dict[str, Any] = {name: value for name, value in person.values.items() if value not in ("", None)}
    if values.get("deceased_on"):
        values["status"] = PatientStatus.DECEASED.value
    return values | {"created_at": now}


@dataclass(slots=True)
class _Update:
    """One patient on the way to what the source says now."""

    line: int
    person: Person
    known: ExternalId
    patient: Patient
    fields: dict[str, Any]  # fields of Patient that will differ
    phones_differ: bool

    @property
    def is_death(self) -> bool:
        return "status" in self.fields


def update_patients(job: Job, changed: Sequence[Changed], outcome: Outcome, *, now: datetime) -> None:
    """Each patient has what the source says anew; what it says as before stays as the clinic has it.

    A patient who has died but has visits ahead is refused: nothing is stranded unseen.
    """
    if not changed:
        return
    rows = Patient.objects.all() if job.is_dry_run else Patient.objects.select_for_update(of=("self",))
    locked = rows.in_bulk([one.known.patient_id for one in changed])
    updates = [_update(one, locked[one.known.patient_id]) for one in changed]
    updates = _without_contradictions(job, updates, outcome, now)
    outcome.unchanged += sum(not one.fields and not one.phones_differ for one in updates)
    touched = [one for one in updates if one.fields or one.phones_differ]
    outcome.updated += len(touched)
    if job.is_dry_run:
        return
    update_rows(ExternalId, [{"id": one.known.pk, "imported": one.person.said} for one in updates], ["imported"])
    _write_patients(touched)
    _write_phones([one for one in touched if one.phones_differ])
    write_columns([one.patient for one in touched])


def _update(one: Changed, patient: Patient) -> _Update:
    anew = {name for name, said in one.person.said.items() if one.known.imported.get(name) != said}
    values = {name: one.person.values[name] or _default(name) for name in anew if name in one.person.values}
    fields = {name: value for name, value in values.items() if _plain(getattr(patient, name)) != _plain(value)}
    if fields.get("deceased_on") and patient.status != PatientStatus.DECEASED:
        fields["status"] = PatientStatus.DECEASED.value
    elif "deceased_on" in fields and patient.status == PatientStatus.DECEASED:
        fields["status"] = PatientStatus.ACTIVE.value  # the source takes the death back
    return _Update(one.line, one.person, one.known, patient, fields, bool(anew & PHONE_KINDS.keys()))


def _default(name: str) -> Any:  # noqa: ANN401 (a field has its own type)
    return Patient._meta.get_field(name).get_default()  # type: ignore[union-attr]


def _plain(value: Any) -> str:  # noqa: ANN401 (a field has its own type)
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, date) else str(getattr(value, "as_e164", value))


def _without_contradictions(job: Job, updates: Sequence[_Update], outcome: Outcome, now: datetime) -> list[_Update]:
    dead = {one.patient.resource_id for one in updates if one.fields.get("status") == PatientStatus.DECEASED}
    ahead = set(Booking.objects.upcoming(now).filter(subject_id__in=dead).values_list("subject_id", flat=True))
    kept = []
    for one in updates:
        born = one.fields.get("birth_date", one.patient.birth_date)
        died = one.fields.get("deceased_on", one.patient.deceased_on)
        if one.patient.resource_id in ahead and one.is_death:
            name, reason = "deceased_on", "has visits ahead; cancel them or record the death on the patient's page"
        elif died and died < born:
            name, reason = "birth_date", f"is recorded as having died on {died.isoformat()}, before this birth date"
        else:
            kept.append(one)
            continue
        outcome.refused += 1
        value = one.person.said.get(name, "")
        outcome.note(Note(one.line, job.column(name), value, f"MRN {one.patient.mrn} {reason}"))
    return kept


def _write_patients(touched: Sequence[_Update]) -> None:
    """Grouped by the columns that differ, so that each group is one statement."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for one in touched:
        for name, value in one.fields.items():
            setattr(one.patient, name, value)
        one.patient.version += 1
        groups[tuple(sorted(one.fields))].append(one.fields | {"id": one.patient.pk, "version": one.patient.version})
    for columns, rows in groups.items():
        update_rows(Patient, rows, [*columns, "version"])
    for is_active in (True, False):
        status = PatientStatus.ACTIVE if is_active else PatientStatus.DECEASED
        resources = [one.patient.resource_id for one in touched if one.fields.get("status") == status.value]
        if resources:
            Resource.objects.filter(pk__in=resources).update(is_active=is_active)


def _write_phones(touched: Sequence[_Update]) -> None:
    """A number that the source no longer says goes, one that it says anew comes; numbers from elsewhere stay."""
    kept: dict[int, list[Phone]] = defaultdict(list)
    gone: list[int] = []
    dropped = {one.patient.pk: _numbers(one.known.imported) - _numbers(one.person.said) for one in touched}
    for phone in Phone.objects.filter(patient__in=dropped).order_by("-is_primary", "id"):
        if phone.number.as_e164 in dropped[phone.patient_id]:
            gone.append(phone.pk)
        else:
            kept[phone.patient_id].append(phone)
    Phone.objects.filter(pk__in=gone).delete()
    new: list[dict[str, Any]] = []
    for one in touched:
        theirs = kept[one.patient.pk]
        known = {phone.number.as_e164 for phone in theirs}
        has_primary = any(phone.is_primary for phone in theirs)
        if theirs and not has_primary:
            Phone.objects.filter(pk=theirs[0].pk).update(is_primary=True)
            has_primary = True
        for kind, number in one.person.phones:
            if number not in known:
                new.append(
                    {"patient_id": one.patient.pk, "number": number, "kind": kind, "is_primary": not has_primary}
                )
                has_primary = True
    copy_rows(Phone, new)


def _numbers(said: dict[str, str]) -> set[str]:
    return {said[name] for name in PHONE_KINDS if said.get(name)}
