"""Who a patient is and how to reach them: registered, changed, made inactive or deceased. Nothing is changed unseen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection

from clinic.models import Booking, Resource, ResourceKind, User
from clinic.services.recorded import recorded
from patients.models import Patient, PatientStatus, Phone, Sex
from patients.models.registry import PhoneKind
from patients.services.history import changes_since_version
from patients.services.search import refresh_search


@dataclass(frozen=True, slots=True)
class PhoneData:
    """One telephone number, in E.164."""

    number: str
    kind: str = PhoneKind.MOBILE
    is_primary: bool = False


@dataclass(frozen=True, slots=True)
class PatientData:
    """Everything that the registry asks for. Names of the fields are those of `Patient`."""

    given_name: str
    family_name: str
    birth_date: date
    preferred_name: str = ""
    pronouns: str = ""
    sex: str = Sex.UNKNOWN
    email: str = ""
    address: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""
    language: str = "en"
    preferred_channel: str = ""
    time_zone: str = ""
    home_location_id: int | None = None
    emergency_name: str = ""
    emergency_relation: str = ""
    emergency_phone: str = ""
    insurance_note: str = ""
    referrer: str = ""
    phones: tuple[PhoneData, ...] = field(default=())


COLUMNS = tuple(one.name for one in fields(PatientData) if one.name != "phones")


class StalePatientError(Exception):
    """The record changed after the page was opened; nothing was saved.

    `changes` says what and by whom, oldest first; `current` is the record as it stands; `base` has the values that the
    person saw (name of the field -> value), for `reconcile`.
    """

    def __init__(self, patient: Patient, *, expected_version: int) -> None:
        self.current = patient
        self.changes = tuple(changes_since_version(patient, expected_version))
        seen = patient.events.filter(version=expected_version).order_by("-pgh_id").first()  # type: ignore[attr-defined]
        self.base = {name: getattr(seen, name) for name in COLUMNS} if seen else {}
        super().__init__("Somebody else changed this record while this page was open.")


class MergedPatientError(Exception):
    """The record was merged into another one and is no longer edited."""

    def __init__(self, kept_id: int) -> None:
        self.kept_id = kept_id
        super().__init__("This record was merged into another one. Change that one.")


def lock_patient(patient_id: int) -> Patient:
    """The patient, the row held until the transaction ends: whoever records about a patient waits for the one before.

    Raises:
        MergedPatientError: the record was merged away.
        Patient.DoesNotExist: there is none.
    """
    patient = Patient.objects.select_for_update(of=("self",), no_key=True).get(pk=patient_id)
    if patient.merged_into_id:
        raise MergedPatientError(patient.merged_into_id)
    return patient


class BookingsStandError(Exception):
    """The patient still has visits ahead; nothing was saved."""

    def __init__(self, bookings: Sequence[Booking]) -> None:
        self.bookings = tuple(bookings)
        said = "1 booked visit is" if len(self.bookings) == 1 else f"{len(self.bookings)} booked visits are"
        super().__init__(f"{said} still ahead. Cancel what shall not take place, or keep it knowingly.")


def issue_mrn() -> str:
    """A medical record number that nobody has: 10001 and upwards. A number is not given out again, even if unused."""
    return issue_mrns(1)[0]


def issue_mrns(count: int) -> list[str]:
    """`count` new medical record numbers, ascending, in one query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('patients_mrn') FROM generate_series(1, %s)", [count])
        return [str(number) for (number,) in cursor.fetchall()]


def register_patient(*, data: PatientData, by: User, now: datetime) -> Patient:
    """The patient is in the registry, has an MRN, can be booked and can be found.

    Raises:
        ValidationError: when a value does not fit its field.
    """
    with recorded(by=by, now=now):
        mrn = issue_mrn()
        patient = Patient(mrn=mrn, created_at=now, **{name: getattr(data, name) for name in COLUMNS})
        patient.full_clean(exclude=["resource", "mrn"])
        patient.resource = Resource.objects.create(kind=ResourceKind.PATIENT, name=f"MRN {mrn}")
        patient.save()
        _set_phones(patient, data.phones)
        refresh_search([patient])
        return patient


def update_patient(*, patient_id: int, data: PatientData, expected_version: int, by: User, now: datetime) -> Patient:
    """The record says what `data` says. Only what differs is written; when nothing does, the version stays.

    Args:
        expected_version: the version that the person saw when they began to type.

    Raises:
        StalePatientError: when somebody else saved in the meantime; carries what they changed.
        MergedPatientError: when the record was merged away.
        ValidationError: when a value does not fit its field.
    """
    with recorded(by=by, now=now):
        patient = _locked(patient_id, expected_version)
        changed = [name for name in COLUMNS if getattr(patient, name) != getattr(data, name)]
        for name in changed:
            setattr(patient, name, getattr(data, name))
        if changed:
            patient.full_clean(exclude=["resource", "mrn"], validate_unique=False)
        phones_changed = _set_phones(patient, data.phones)
        if changed or phones_changed:
            patient.version += 1
            patient.save(update_fields=[*changed, "version"])
            refresh_search([patient])
        return patient


def change_status(
    *,
    patient_id: int,
    status: PatientStatus,
    deceased_on: date | None = None,
    keep_bookings: bool = False,
    expected_version: int,
    by: User,
    now: datetime,
    today: date,
) -> Patient:
    """The patient is active, inactive or deceased; only an active one can be booked.

    Args:
        deceased_on: the date of death where it is known; only together with `DECEASED`.
        keep_bookings: the person saw which visits are still ahead and lets them stand.
        today: the local date, which a date of death cannot be after.

    Raises:
        BookingsStandError: when visits are ahead and nobody said to keep them. Nothing is stranded unseen.
        StalePatientError, MergedPatientError: as for `update_patient`.
        ValidationError: for a date of death in the future, before birth, or of somebody who has not died.
    """
    with recorded(by=by, now=now):
        patient = _locked(patient_id, expected_version)
        if deceased_on and deceased_on > today:
            raise ValidationError({"deceased_on": "The date of death is in the future. Check the year."})
        ahead = upcoming_bookings(patient, now=now)
        if status != PatientStatus.ACTIVE and ahead and not keep_bookings:
            raise BookingsStandError(ahead)
        patient.status, patient.deceased_on = status, deceased_on
        patient.version += 1
        patient.full_clean(exclude=["resource", "mrn"], validate_unique=False)
        patient.save(update_fields=["status", "deceased_on", "version"])
        # The bookings service refuses new visits for a resource that is not active.
        Resource.objects.filter(pk=patient.resource_id).update(is_active=status == PatientStatus.ACTIVE)
        return patient


def upcoming_bookings(patient: Patient, *, now: datetime) -> list[Booking]:
    """The visits still ahead, soonest first, with their locations."""
    rows = Booking.objects.upcoming(now).filter(subject_id=patient.resource_id).select_related("location")
    return list(rows.order_by("span", "id"))


def _locked(patient_id: int, expected_version: int) -> Patient:
    patient = lock_patient(patient_id)
    if patient.version != expected_version:
        raise StalePatientError(patient, expected_version=expected_version)
    return patient


def reconcile(stale: StalePatientError, mine: PatientData) -> tuple[PatientData, list[str]]:
    """What `mine` becomes with the other person's changes taken over, and the fields in which both changed something.

    A field that only they changed takes their value; one that both changed keeps mine, and a person decides.
    Numbers that they added are added; numbers that they removed stay until a person removes them.
    """
    taken: dict[str, Any] = {}
    conflicts = []
    for name in COLUMNS:
        value, theirs, seen = (
            getattr(mine, name),
            getattr(stale.current, name),
            stale.base.get(name, getattr(stale.current, name)),
        )
        if theirs in (seen, value):
            continue
        if value == seen:
            taken[name] = theirs.as_e164 if hasattr(theirs, "as_e164") else theirs
        else:
            conflicts.append(name)
    known = {row.number for row in mine.phones}
    if any(change.model == "Phone" for change in stale.changes):
        added = [phone for phone in stale.current.phones.all() if phone.number.as_e164 not in known]
        taken["phones"] = (*mine.phones, *(PhoneData(phone.number.as_e164, phone.kind) for phone in added))
    return replace(mine, **taken), conflicts


def _set_phones(patient: Patient, wanted: Iterable[PhoneData]) -> bool:
    """The patient has exactly these numbers, one of them primary (the first, if none is said to be). True if new."""
    rows = _one_primary(wanted)
    before = {phone.number.as_e164: phone for phone in patient.phones.all()}
    by_number = {row.number: row for row in rows}
    gone = [phone.pk for number, phone in before.items() if number not in by_number]
    moved = [
        phone
        for number, phone in before.items()
        if number in by_number
        and (phone.kind, phone.is_primary) != (by_number[number].kind, by_number[number].is_primary)
    ]
    new = [row for row in rows if row.number not in before]
    if gone:
        patient.phones.filter(pk__in=gone).delete()
    # The old primary number steps back first: a patient never has two, not even between two statements.
    for phone in sorted(moved, key=lambda phone: by_number[phone.number.as_e164].is_primary):
        row = by_number[phone.number.as_e164]
        phone.kind, phone.is_primary = row.kind, row.is_primary
        phone.save(update_fields=["kind", "is_primary"])
    Phone.objects.bulk_create(
        Phone(patient=patient, number=row.number, kind=row.kind, is_primary=row.is_primary) for row in new
    )
    return bool(gone or moved or new)


def _one_primary(wanted: Iterable[PhoneData]) -> list[PhoneData]:
    """The same numbers, each once, exactly one of them primary (none, when there is no number)."""
    unique = list({row.number: row for row in wanted}.values())
    chosen = next((row.number for row in unique if row.is_primary), unique[0].number if unique else "")
    return [PhoneData(row.number, row.kind, is_primary=row.number == chosen) for row in unique]
