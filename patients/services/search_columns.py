"""Keeping what the search looks at true: the derived columns of patients."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from django.db import connection, transaction

from patients.models import Patient, Phone
from patients.pure.names import SearchColumns, search_columns

BATCH = 1000


def columns_of(patient: Patient, phones: Iterable[str]) -> SearchColumns:
    """What ``patient``'s row must keep for the search, whose ``phones`` are given in E.164."""
    return search_columns(
        given_name=patient.given_name,
        family_name=patient.family_name,
        preferred_name=patient.preferred_name,
        mrn=patient.mrn,
        phones=phones,
    )


def refresh_search(patients: Iterable[Patient]) -> None:
    """The search finds ``patients`` under the names, MRN and telephone numbers that they have now.

    To be called in the transaction that changed any of these. Two queries for every thousand patients and one more; no
    history is written, because nothing that a person said has changed.
    """
    for batch in _batches(patients):
        write_columns(batch)
    settle_index()


def write_columns(batch: Sequence[Patient]) -> None:
    """The same without `settle_index`, which whoever writes many batches calls once, at the end."""
    if not batch:
        return
    phones: dict[int, list[str]] = defaultdict(list)
    for phone in Phone.objects.filter(patient__in=batch).order_by("id"):
        phones[phone.patient_id].append(str(phone.number.as_e164))
    for patient in batch:
        columns = columns_of(patient, phones[patient.pk])
        patient.search_name, patient.search_keys = columns.text, columns.keys
    _write(batch)


def settle_index() -> None:
    """The index holds every key in its place, so that no search reads the list of those not yet put there.

    Only the owner of the index may do that; for others the database does it by itself, later.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT gin_clean_pending_list(oid) FROM pg_class WHERE oid = to_regclass('patient_search_keys')"
            " AND pg_has_role(relowner, 'USAGE')"
        )


@transaction.atomic
def rebuild_search() -> int:
    """Every patient's derived columns are as this version of the product computes them. Returns how many there are."""
    count = 0
    for batch in _batches(Patient.objects.order_by("pk").iterator(BATCH)):
        refresh_search(batch)
        count += len(batch)
    return count


def _batches(patients: Iterable[Patient]) -> Iterator[list[Patient]]:
    batch: list[Patient] = []
    for patient in patients:
        batch.append(patient)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _write(batch: Sequence[Patient]) -> None:
    rows = ", ".join(["(%s::bigint, %s::text, %s::integer[])"] * len(batch))
    values = [value for patient in batch for value in (patient.pk, patient.search_name, patient.search_keys)]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE patients_patient AS kept SET search_name = fresh.name, search_keys = fresh.keys"  # noqa: S608
            f" FROM (VALUES {rows}) AS fresh (id, name, keys)"  # only placeholders are put together
            " WHERE kept.id = fresh.id AND (kept.search_name <> fresh.name OR kept.search_keys <> fresh.keys)",
            values,
        )
