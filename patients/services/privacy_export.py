"""Everything that the clinic holds about one person, as plain data; written down for good before it leaves.

The tables are found by their foreign keys (``privacy_rows``), so a table that is added later is in the file, or stands
in ``LEFT_OUT`` with its reason.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models

from clinic.models import AccessLog, Location, Resource, User
from clinic.pure.version import VERSION
from clinic.services.access import record_reading
from clinic.services.recorded import recorded
from patients.models import DisclosureTaken, Patient
from patients.pure.privacy import Audience
from patients.services.privacy_part2 import PartTwo, check_disclosure, part_two_of
from patients.services.privacy_rows import Model, events, ids_of, people, tables

FORMAT = "cadence-patient-record/1"
LEFT_OUT = {
    "clinic.resource": "a number that stands for the patient in the calendar; it says nothing more",
    "clinic.accesslog": "who read the record: a part of its own, on request",
    "clinic.opening": "who opened the record from another location: stands with its reason among those who read it",
    "courses.stockentry": "lines of the clinic's drug log; what was drawn and given for the patient is in Drug draws",
    "courses.discrepancy": "counts of the clinic's stock",
    "courses.freedslot": "times that became free, which are offered to others",
    "courses.resultdue": "a note to work out a result anew; it holds nothing",
    "patients.legalhold": "about the keeping of the record and its legal affairs, not about the person's care",
    "patients.erasureproposal": "about the keeping of the record, not about the person's care",
    "patients.erasure": "a record that was erased cannot be exported",
}
"""Tables that lead to a patient and are not in the export, with the reason; the file repeats it."""
SECRET = frozenset({"token_hash", "claim", "search_name", "search_keys", "version", "submission"})
"""Columns that are keys, locks or derived: of no meaning to anybody outside, and never given out."""


@dataclass(frozen=True, slots=True)
class Section:
    """One table: its columns by name and label, and its rows as plain values."""

    table: str
    title: str
    labels: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Record:
    """Everything, ready to be written as JSON or set as PDF."""

    clinic: str
    mrn: str
    name: str
    made_at: datetime
    notice: str
    sections: tuple[Section, ...]
    history: tuple[Section, ...]
    readings: tuple[Mapping[str, Any], ...]
    is_with_readings: bool
    is_with_history: bool

    def as_data(self) -> dict[str, Any]:
        """The JSON file. Times are ISO 8601 with their offset from UTC, decimals are texts, a choice has its label."""
        data: dict[str, Any] = {
            "format": FORMAT,
            "made_by": f"Cadence {VERSION}",
            "made_at": self.made_at.isoformat(),
            "clinic": self.clinic,
            "patient": {"mrn": self.mrn, "name": self.name},
            "notice": self.notice or None,
            "left_out": LEFT_OUT,
            "sections": [_section(one) for one in self.sections],
        }
        if self.is_with_history:
            data["history"] = [_section(one) for one in self.history]
        if self.is_with_readings:
            data["who_read"] = list(self.readings)
        return data


def _section(one: Section) -> dict[str, Any]:
    return {"table": one.table, "title": one.title, "fields": dict(one.labels), "rows": list(one.rows)}


def everything_of(
    patient: Patient, *, clinic: str, now: datetime, with_history: bool = False, with_readings: bool = False
) -> Record:
    """All rows about this person, by table; a few queries for each table and none for a row."""
    part_two = part_two_of(patient)
    ids = ids_of(patient, with_past=with_history)
    names = _Names()
    wanted = [model for model in tables() if model._meta.label_lower not in LEFT_OUT]
    sections = [one for model in wanted if (one := _read(model, ids[model], names)).rows]
    history = [one for model in wanted if (one := _read_history(model, ids[model], names)).rows] if with_history else []
    return Record(
        clinic=clinic,
        mrn=patient.mrn,
        name=patient.legal_name,
        made_at=now,
        notice=part_two.notice,
        sections=tuple(sections),
        history=tuple(history),
        readings=tuple(_readings(patient)) if with_readings else (),
        is_with_readings=with_readings,
        is_with_history=with_history,
    )


# --- reading ----------------------------------------------------------------------------------------------------------
class _Names:
    """People and places by their names, read once."""

    def __init__(self) -> None:
        self._known: dict[type[models.Model], dict[Any, str]] = {}

    def of(self, model: type[models.Model], pk: Any) -> str | None:  # noqa: ANN401 (a key)
        if model not in (User, Location, Resource):
            return None
        if model not in self._known:
            rows: Any = model._base_manager.all()
            if model is Resource:
                rows = rows.exclude(kind="patient")
            self._known[model] = {row.pk: str(row) for row in rows}
        return self._known[model].get(pk)


def _columns(model: Model) -> list[models.Field[Any, Any]]:
    return [f for f in model._meta.concrete_fields if f.name not in SECRET]


def _labels(columns: Iterable[models.Field[Any, Any]]) -> dict[str, str]:
    labels = {f.name: str(f.verbose_name)[:1].upper() + str(f.verbose_name)[1:] for f in columns}
    return {name: "MRN" if name == "mrn" else label for name, label in labels.items()}


def _read(model: Model, ids: Iterable[int], names: _Names) -> Section:
    columns = _columns(model)
    rows = model._base_manager.filter(pk__in=list(ids)).order_by("pk").values(*(f.attname for f in columns))
    read = [_row(columns, row, names) for row in rows]
    title = str(model._meta.verbose_name_plural)
    return Section(model._meta.label_lower, title[:1].upper() + title[1:], _labels(columns), read)


def _read_history(model: Model, ids: Iterable[int], names: _Names) -> Section:
    """Each change of these rows, in order: what the row said from then on, when, and who wrote it."""
    event = events().get(model)
    title = str(model._meta.verbose_name_plural)
    if event is None:
        return Section(model._meta.label_lower, title, {}, ())
    kept = {f.name for f in event._meta.concrete_fields}
    columns = [f for f in _columns(model) if f.name in kept]
    rows = event._base_manager.filter(pgh_obj_id__in=list(ids)).order_by("pgh_id")
    found = rows.values("pgh_created_at", "pgh_label", "pgh_context__metadata", *(f.attname for f in columns))
    read = []
    for row in found:
        who = (row["pgh_context__metadata"] or {}).get("user")
        said = names.of(User, int(who)) if who else "The system"
        head = {"changed_at": _plain(row["pgh_created_at"]), "change": row["pgh_label"], "changed_by": said}
        read.append(head | _row(columns, row, names))
    return Section(model._meta.label_lower, title[:1].upper() + title[1:], _labels(columns), read)


def _row(columns: Sequence[models.Field[Any, Any]], row: Mapping[str, Any], names: _Names) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for f in columns:
        value = row[f.attname]
        if isinstance(f, models.ForeignKey):
            target: Any = f.related_model
            said[f.name] = names.of(target, value) or value
        elif f.choices and value not in (None, ""):
            said[f.name] = value
            said[f"{f.name}_label"] = str(dict(f.flatchoices).get(value, value))
        elif isinstance(f, ArrayField):
            said[f.name] = [_plain(one) for one in value] if value is not None else None
        else:
            said[f.name] = _plain(value)
    return said


def _plain(value: Any) -> Any:  # noqa: ANN401 (a column of any kind)
    """A value as JSON has it."""
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        plain: Any = value
    elif isinstance(value, datetime | date) or hasattr(value, "isoformat"):
        plain = value.isoformat()
    elif isinstance(value, memoryview | bytes):
        plain = base64.b64encode(bytes(value)).decode()
    elif hasattr(value, "lower") and hasattr(value, "upper") and not isinstance(value, Decimal):
        plain = {"from": _plain(value.lower), "to": _plain(value.upper)}  # a range
    else:
        plain = str(value)
    return plain


def _readings(patient: Patient) -> Iterable[dict[str, Any]]:
    subjects = [row.resource_id for row in people(patient)]
    for row in AccessLog.objects.filter(subject__in=subjects).select_related("user").order_by("at", "pk"):
        yield {"at": row.at.isoformat(), "who": str(row.user), "page": row.page, "reason": row.reason}


# --- giving it out ----------------------------------------------------------------------------------------------------
def record_disclosure(
    *,
    patient: Patient,
    content: bytes,
    what: str,
    audience: Audience,
    recipient: str,
    reason: str,
    part_two: PartTwo,
    path: str,
    by: User,
    now: datetime,
    day: date,
    override_reason: str = "",
) -> DisclosureTaken:
    """That this person was given this file, by whom and why, stands in the accounting of disclosures for good.

    Args:
        content: the file, of which the digest is kept and not a copy.
        day: today at the clinic, for the consent.
        override_reason: why it goes out without a consent that 42 CFR Part 2 asks for.

    Raises:
        ConsentMissingError: nothing was given out.
    """
    consent = check_disclosure(part_two, audience=audience, day=day, override_reason=override_reason)
    needs_one = part_two.is_protected and audience != Audience.PATIENT
    with recorded(by=by, now=now):
        record_reading(
            by=by, subject_id=patient.resource_id, page="Everything, exported", path=path, now=now, reason=reason
        )
        return DisclosureTaken.objects.create(
            patient=patient,
            at=now,
            by=by,
            what=what[:120],
            audience=audience.value,
            recipient=recipient[:160],
            reason=reason[:300],
            is_part_two=part_two.is_protected,
            consent=consent,
            override_reason=override_reason.strip()[:300] if needs_one and consent is None else "",
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
        )
