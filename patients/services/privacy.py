"""Erasing a record: two people, a legal basis, one transaction, and honest stubs of what was there.

What identifies the person and everything clinical goes, from the rows and from their history. What remains tells of the
clinic and not of the person: that a chair was taken, that a vial was drawn from, that somebody on the staff read a
record, all of "erased record no. 3". This module is the only door through the triggers that keep the rest append-only;
a test reads every source for another one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pgtrigger
from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Case, Max, Q, Value, When
from django.utils.crypto import salted_hmac

from clinic.models import AccessLog, CaughtMail, Resource, User
from clinic.services.recorded import recorded
from patients.models import Erasure, ErasureProposal, ImportRefusal, IncomingMessage, Patient, PatientStatus, Phone, Sex
from patients.pure.privacy import ERASED, Basis
from patients.services.privacy_rows import Model, events, ids_of, owned, people, tables
from patients.services.privacy_terms import obstacles

BORN = date(1900, 1, 1)
"""Stands where a date of birth must stand."""
NEUTRAL = "other"


class Fate(StrEnum):
    """What becomes of a table's rows."""

    KEPT = "kept"
    EMPTIED = "emptied"
    REMOVED = "removed"


FATES: Mapping[str, tuple[Fate, str]] = {
    "clinic.allocation": (Fate.KEPT, "that a chair and people were taken; no word about anybody"),
    "courses.phase": (Fate.KEPT, "the skeleton that the drug log hangs on; no word about anybody"),
    "courses.phasestep": (Fate.KEPT, "steps of a protocol"),
    "courses.infusion": (Fate.KEPT, "number, day and state: counts stay true"),
    "courses.drugdraw": (Fate.KEPT, "21 CFR 1304: the drug log must add up"),
    "courses.stockentry": (Fate.KEPT, "the drug log itself"),
    "courses.discrepancy": (Fate.KEPT, "counts of the clinic's stock"),
    "patients.erasureproposal": (Fate.KEPT, "who asked for the erasure"),
    "patients.erasure": (Fate.KEPT, "the erasure itself"),
    "clinic.resource": (Fate.EMPTIED, "stands for the erased record in the calendar"),
    "clinic.booking": (Fate.EMPTIED, "anonymous occupancy"),
    "clinic.accesslog": (Fate.EMPTIED, "who read: about staff; addresses lose what was asked for, reasons their words"),
    "clinic.opening": (Fate.EMPTIED, "who opened it from another location: about staff; the reason loses its words"),
    "patients.patient": (Fate.EMPTIED, "erased record no. N"),
    "patients.legalhold": (Fate.EMPTIED, "that a hold stood"),
    "patients.disclosuretaken": (Fate.EMPTIED, "that a file was given out, without to whom"),
    "courses.course": (Fate.EMPTIED, "the skeleton that the drug log hangs on"),
    "courses.infusionvisit": (Fate.EMPTIED, "the skeleton that the drug log hangs on"),
    "courses.infusionrecord": (Fate.EMPTIED, "the skeleton that the drug log hangs on"),
    "courses.freedslot": (Fate.EMPTIED, "a time that became free"),
}
"""Every table that is not named here is removed: who adds one has to say why something of it may stay."""
KEPT_WORDS = frozenset({"page", "mrn"})
"""Texts of emptied tables that stay or have a rule of their own."""


class ErasureRefusedError(Exception):
    """Nothing was erased. The reasons are sentences for the person who asked."""

    def __init__(self, reasons: Iterable[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__(" ".join(self.reasons))


@dataclass(frozen=True, slots=True)
class Reapplied:
    """What came of the list of erasures after a restore."""

    again: int
    known: int
    absent: int


def propose_erasure(*, patient: Patient, basis: Basis, reason: str, by: User, now: datetime) -> ErasureProposal:
    """The record waits for a clinician to confirm; nothing is erased yet.

    Raises:
        ErasureRefusedError: something forbids it now, or it is proposed already.
    """
    with recorded(by=by, now=now):
        found = obstacles(patient, basis=basis, now=now)
        if ErasureProposal.objects.filter(patient=patient, closed_at=None).exists():
            found.append("Somebody has proposed this already.")
        if found:
            raise ErasureRefusedError(found)
        return ErasureProposal.objects.create(
            patient=patient, basis=basis.value, reason=reason, proposed_at=now, proposed_by=by
        )


def take_back(*, proposal_id: int, by: User, now: datetime) -> bool:
    """The proposal is closed and the record stays; False when it was closed before."""
    with recorded(by=by, now=now):
        rows = ErasureProposal.objects.filter(pk=proposal_id, closed_at=None)
        return bool(rows.update(closed_at=now, closed_by=by))


def confirm_erasure(*, proposal_id: int, by: User, now: datetime) -> Erasure:
    """The record is erased for good, and the erasure stands in a log that nobody can change.

    Raises:
        ErasureRefusedError: the same person proposed it, it is closed, or something forbids it now.
    """
    with recorded(by=by, now=now):
        proposal = ErasureProposal.objects.select_for_update().select_related("patient").get(pk=proposal_id)
        if proposal.closed_at is not None:
            raise ErasureRefusedError(["This was decided meanwhile. Look at the record again."])
        if proposal.proposed_by_id == by.pk:
            raise ErasureRefusedError(["You proposed it. A second person must confirm."])
        _lock(proposal.patient)
        if found := obstacles(proposal.patient, basis=Basis(proposal.basis), now=now):
            raise ErasureRefusedError(found)
        proposal.closed_at, proposal.closed_by, proposal.is_confirmed = now, by, True
        proposal.save(update_fields=["closed_at", "closed_by", "is_confirmed"])
        facts = {
            "uid": str(uuid4()),
            "number": _next_number(),
            "mrn_digests": [mrn_digest(row.mrn) for row in people(proposal.patient)],
            "basis": proposal.basis,
            "reason": proposal.reason,
            "proposed_at": proposal.proposed_at.isoformat(),
            "proposed_by": proposal.proposed_by.username,
            "at": now.isoformat(),
            "by": by.username,
        }
        erasure = _erase(proposal.patient, facts, again_at=None)
        _note_outside(facts)  # last: where it cannot be written down, nothing is erased
        return erasure


def reapply(*, now: datetime, path: Path | None = None) -> Reapplied:
    """After a restore: what was erased since that backup was made is erased again. Safe to run at any time.

    Reads the list outside the database, since the rows of the erasures are gone with what was restored over them.
    """
    source = path or Path(settings.ERASURES_FILE)
    lines = source.read_text(encoding="utf-8").splitlines() if source.exists() else []
    by_digest = {mrn_digest(mrn): pk for pk, mrn in Patient.objects.values_list("pk", "mrn")} if lines else {}
    again = known = absent = 0
    for line in filter(str.strip, lines):
        facts = json.loads(line)
        if Erasure.objects.filter(uid=UUID(facts["uid"])).exists():
            known += 1
            continue
        pks = [by_digest[one] for one in facts["mrn_digests"] if one in by_digest]
        if not pks:
            absent += 1
            continue
        with recorded(by=None, now=now):
            patient = Patient.objects.get(pk=pks[0])
            _lock(patient)
            if Erasure.objects.filter(number=facts["number"]).exists():
                facts["number"] = _next_number()
            _erase(patient, facts, again_at=now)
        again += 1
    return Reapplied(again, known, absent)


def mrn_digest(mrn: str) -> str:
    """What stands for a number in the list outside: only this installation can tell whose it is."""
    return salted_hmac("patients.services.privacy.erasures", mrn, algorithm="sha256").hexdigest()


# --- how --------------------------------------------------------------------------------------------------------------
def _lock(patient: Patient) -> None:
    """Nothing can be booked for the person, nor merged with the record, until this transaction ends."""
    rows = people(patient)
    resources = [row.resource_id for row in rows]
    list(Resource.objects.select_for_update().filter(pk__in=resources).order_by("pk"))
    list(Patient.objects.select_for_update(of=("self",)).filter(pk__in=[row.pk for row in rows]).order_by("pk"))


def _next_number() -> int:
    return (Erasure.objects.aggregate(most=Max("number"))["most"] or 0) + 1


def _erase(patient: Patient, facts: Mapping[str, Any], *, again_at: datetime | None) -> Erasure:
    number, rows = int(facts["number"]), people(patient)
    ids = ids_of(patient, with_past=True)
    counts: dict[str, dict[str, int]] = {"removed": {}, "emptied": {}, "history": {}, "elsewhere": {}}
    with transaction.atomic(), pgtrigger.ignore():
        counts["elsewhere"] = _clear_elsewhere(rows)
        for model in reversed(tables()):
            fate = fate_of(model)
            if fate == Fate.REMOVED:
                _count(counts["removed"], model, _remove(model, ids[model]))
                _count(counts["history"], model, _remove_history(model, ids))
            elif fate == Fate.EMPTIED:
                _count(counts["emptied"], model, _empty(model, ids[model]))
                _count(counts["history"], model, _empty_history(model, ids[model]))
        for place, row in enumerate(rows):
            _name_stub(row, number, place)
        with connection.cursor() as cursor:  # a row that still points to one that is gone refuses the whole
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    users = {row.username: row for row in User.objects.filter(username__in=[facts["proposed_by"], facts["by"]])}
    return Erasure.objects.create(
        uid=UUID(facts["uid"]),
        number=number,
        patient=patient,
        basis=facts["basis"],
        reason=facts["reason"],
        proposed_at=datetime.fromisoformat(facts["proposed_at"]),
        proposed_by=users.get(facts["proposed_by"]),
        at=datetime.fromisoformat(facts["at"]),
        by=users.get(facts["by"]),
        again_at=again_at,
        counts=counts,
        digest=hashlib.sha256(_line(facts)).hexdigest(),
    )


def fate_of(model: Model) -> Fate:
    return FATES.get(model._meta.label_lower, (Fate.REMOVED, ""))[0]


def _count(into: dict[str, int], model: Model, many: int) -> None:
    if many:
        into[model._meta.label_lower] = many


def _remove(model: Model, ids: Iterable[int]) -> int:
    return _gone(model._base_manager.filter(pk__in=list(ids)))


def _gone(rows: models.QuerySet[Any]) -> int:
    """Straight from the table: Django's own way would load what points to the rows, which has its turn anyway."""
    return int(rows._raw_delete(rows.db) or 0)  # noqa: SLF001 (no public name)


def _remove_history(model: Model, ids: Mapping[Model, frozenset[int]]) -> int:
    event = events().get(model)
    if event is None:
        return 0
    mine = Q(pgh_obj_id__in=list(ids[model]))
    if (past := owned(model, ids, in_events=True)) is not None:
        mine |= past
    return _gone(event._base_manager.filter(mine))


def _empty(model: Model, ids: Iterable[int]) -> int:
    return model._base_manager.filter(pk__in=list(ids)).update(**_emptied(model))


def _empty_history(model: Model, ids: Iterable[int]) -> int:
    event = events().get(model)
    if event is None:
        return 0
    kept = {f.name for f in event._meta.concrete_fields}
    values = {name: value for name, value in _emptied(model).items() if name in kept}
    rows = event._base_manager.filter(pgh_obj_id__in=list(ids))
    return rows.update(**values) if values else 0


def _emptied(model: Model) -> dict[str, Any]:
    """For each column that holds words: "(erased)" where something stood, nothing where nothing did."""
    said: dict[str, Any] = {}
    for f in model._meta.concrete_fields:
        if not isinstance(f, models.CharField | models.TextField) or f.choices or f.name in KEPT_WORDS:
            continue
        word = Value("" if model is Patient and f.blank else ERASED[: f.max_length or None])
        said[f.name] = Case(When(**{f.name: ""}, then=Value("")), default=word)
    return said | dict(OWN.get(model._meta.label_lower, {}))


OWN: Mapping[str, Mapping[str, Any]] = {
    "clinic.resource": {"is_active": False},
    "patients.patient": {
        "birth_date": BORN,
        "deceased_on": None,
        "sex": Sex.UNKNOWN.value,
        "status": PatientStatus.INACTIVE.value,
        "language": "en",
        "preferred_channel": "",
        "time_zone": "",
        "home_location": None,
        "emergency_phone": "",
        "search_name": "",
        "search_keys": [],
    },
    "patients.disclosuretaken": {"consent": None},
    "courses.course": {"indication": NEUTRAL},
}
"""What else an emptied row gets, in the row and in its history."""


def _name_stub(row: Patient, number: int, place: int) -> None:
    """The row, its history and its resource are called by the number of the erasure."""
    named = {
        "mrn": f"E{number}" + (f"-{place + 1}" if place else ""),
        "given_name": "Erased",
        "family_name": f"record no. {number}",
    }
    Patient.objects.filter(pk=row.pk).update(**named, version=row.version + 1)
    events()[Patient]._base_manager.filter(pgh_obj_id=row.pk).update(**named)
    called = {"name": f"Erased record no. {number}"}
    Resource.objects.filter(pk=row.resource_id).update(**called)
    events()[Resource]._base_manager.filter(pgh_obj_id=row.resource_id).update(**called)
    AccessLog.objects.filter(subject=row.resource_id).update(path=f"/patients/{row.pk}/")


def _clear_elsewhere(rows: Iterable[Patient]) -> dict[str, int]:
    """What names the person in tables that no foreign key leads to: caught mail, refused rows, unmatched messages."""
    rows = list(rows)
    phones = {row.number.as_e164 for row in Phone.objects.filter(patient__in=rows)}
    addresses = {row.email for row in rows if row.email}
    words = {row.mrn for row in rows} | {row.family_name for row in rows} | addresses | phones
    mail = Q(to__in=phones)
    for address in addresses:
        mail |= Q(to__iexact=address)
    refused = ImportRefusal.objects.filter(value__in=words)
    unmatched = IncomingMessage.objects.filter(patient=None, from_number__in=phones)
    cleared = {
        "clinic.caughtmail": CaughtMail.objects.filter(mail).delete()[0],
        "patients.importrefusal": refused.update(value=ERASED),
    }
    numbers = list(unmatched.values_list("pk", flat=True))
    cleared["patients.incomingmessage"] = _remove(IncomingMessage, numbers)
    events()[IncomingMessage]._base_manager.filter(pgh_obj_id__in=numbers).delete()
    return {name: many for name, many in cleared.items() if many}


# --- the list outside -------------------------------------------------------------------------------------------------
def _line(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()


def _note_outside(facts: Mapping[str, Any]) -> None:
    """One line more in the list that outlives a restore, on the disk before this returns."""
    target = Path(settings.ERASURES_FILE)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, _line(facts) + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
