"""Two records of one person become one, and can become two again exactly as they were.

Rows that point to the duplicate are found through Django's own list of relations, so that packages above this one
(courses) need not be known here. Visits and the time they hold are moved by the bookings service, their only writer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models
from pghistory.models import Event

from clinic.models import Booking, Resource, User
from clinic.services.bookings import TimeTakenError, reassign_subject
from clinic.services.recorded import recorded
from patients.models import Erasure, Merge, Patient, PatientStatus, Phone, Sex, TreatedCondition
from patients.services.registry import COLUMNS
from patients.services.search import refresh_search

FIELDS = COLUMNS
"""Fields of the kept record that may take the duplicate's value."""
MAY_STAY = (Phone, TreatedCondition)
"""Rows that say the same thing in both records: the duplicate's one stays where it is, nothing is lost."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A field in which the two records differ. `suggested` is the side that says more: "kept" or "duplicate"."""

    name: str
    label: str
    kept: Any
    duplicate: Any
    suggested: str
    is_conflict: bool  # both say something


@dataclass(frozen=True, slots=True)
class Pile:
    """How many rows of one kind would move."""

    label: str
    count: int


class MergeRefusedError(Exception):
    """Nothing was changed. The reasons are sentences for the person who asked."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__(" ".join(reasons))


def differences(kept: Patient, duplicate: Patient) -> list[Difference]:
    """Every field in which the records differ, real conflicts first; where one says nothing, the other is suggested."""
    found = []
    for name in FIELDS:
        mine, theirs = getattr(kept, name), getattr(duplicate, name)
        if mine == theirs or (_says_nothing(mine) and _says_nothing(theirs)):
            continue
        label = str(_column(name).verbose_name)
        label = label[:1].upper() + label[1:]
        suggested = "duplicate" if _says_nothing(mine) else "kept"
        is_conflict = not _says_nothing(mine) and not _says_nothing(theirs)
        found.append(Difference(name, label, mine, theirs, suggested, is_conflict))
    return sorted(found, key=lambda one: not one.is_conflict)


def _says_nothing(value: object) -> bool:
    return value in (None, "", Sex.UNKNOWN)


def piles(duplicate: Patient) -> list[Pile]:
    """What the duplicate holds that would move to the kept record."""
    visits = Booking.objects.filter(subject_id=duplicate.resource_id).count()
    found = [Pile("visits" if visits > 1 else "visit", visits)] if visits else []
    for relation in _relations():
        count = relation.related_model._base_manager.filter(**{relation.field.name: duplicate}).count()
        if count:
            words = relation.related_model._meta
            found.append(Pile(str(words.verbose_name_plural if count > 1 else words.verbose_name), count))
    return found


def merge_patients(
    *, kept_id: int, duplicate_id: int, take: Sequence[str] = (), reason: str = "", by: User, now: datetime
) -> Merge:
    """The duplicate's rows and visits belong to the kept record, and the duplicate's page leads there.

    Args:
        take: names of fields (`FIELDS`) whose value comes from the duplicate; all others keep theirs.

    Raises:
        MergeRefusedError: one of them is merged already, both are booked at the same time, or both have something of
            which a patient can have only one (an open course for the same condition).
    """
    with recorded(by=by, now=now):
        kept, duplicate = _both(kept_id, duplicate_id)
        _refuse_unfit(kept, duplicate)
        moved = _Moved()
        _move_visits(kept, duplicate, moved, by=by, now=now)
        _move_rows(kept, duplicate, moved)
        _take_values(kept, duplicate, take, moved)
        duplicate.merged_into = kept
        duplicate.version += 1
        duplicate.save(update_fields=["merged_into", "version"])
        moved.resource_was_active = (
            Resource.objects.filter(pk=duplicate.resource_id, is_active=True).update(is_active=False) > 0
        )
        refresh_search([kept, duplicate])
        return Merge.objects.create(kept=kept, duplicate=duplicate, moved=moved.as_json(), reason=reason, at=now, by=by)


def undo_merge(*, merge_id: int, by: User, now: datetime) -> Merge:
    """Both records stand as before the merge: each row, visit and value is back where it was.

    What was added to the kept record since stays there.

    Raises:
        MergeRefusedError: when it can no longer be exact, with every reason.
    """
    with recorded(by=by, now=now):
        merge = Merge.objects.select_for_update().get(pk=merge_id)
        kept, duplicate = _both(merge.kept_id, merge.duplicate_id)
        moved = _Moved.from_json(merge.moved)
        reasons = _why_not_exact(merge, kept, moved)
        if reasons:
            raise MergeRefusedError(reasons)
        _give_back_rows(kept, duplicate, moved)
        _give_back_visits(kept, duplicate, moved, by=by, now=now)
        before = {name: _python(name, values["before"]) for name, values in moved.fields.items()}
        for name, value in before.items():
            setattr(kept, name, value)
        kept.version += 1
        kept.save(update_fields=[*before, "version"])
        duplicate.merged_into = None
        duplicate.version += 1
        duplicate.save(update_fields=["merged_into", "version"])
        Resource.objects.filter(pk=duplicate.resource_id).update(is_active=moved.resource_was_active)
        refresh_search([kept, duplicate])
        merge.undone_at, merge.undone_by = now, by
        merge.save(update_fields=["undone_at", "undone_by"])
        return merge


def why_not_undoable(merge: Merge) -> list[str]:
    """The reasons for which `undo_merge` would refuse now; none when it would work."""
    return _why_not_exact(merge, merge.kept, _Moved.from_json(merge.moved))


# --- what moved -------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class _Moved:
    """The contents of `Merge.moved`: enough to put everything back."""

    rows: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))  # "app.Model.field" -> ids
    visits: list[int] = field(default_factory=list)
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)  # name -> {"before": ..., "after": ...}
    primary_phones: list[int] = field(default_factory=list)  # were primary in the duplicate, are not in the kept record
    resource_was_active: bool = True

    def as_json(self) -> dict[str, Any]:
        return {
            "rows": dict(self.rows),
            "visits": self.visits,
            "fields": self.fields,
            "primary_phones": self.primary_phones,
            "resource_was_active": self.resource_was_active,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> _Moved:
        return cls(**stored)


def _both(kept_id: int, duplicate_id: int) -> tuple[Patient, Patient]:
    """The two records, locked in the order of their ids, so that two merges never wait for each other in a circle."""
    if kept_id == duplicate_id:
        raise MergeRefusedError(["A record cannot be merged with itself. Choose another one."])
    rows = Patient.objects.select_for_update(of=("self",)).filter(pk__in=[kept_id, duplicate_id]).order_by("pk")
    found = {row.pk: row for row in rows}
    if len(found) != 2:  # noqa: PLR2004
        raise MergeRefusedError(["One of the two records no longer exists. Search again."])
    return found[kept_id], found[duplicate_id]


def _refuse_unfit(kept: Patient, duplicate: Patient) -> None:
    merged = [row for row in (kept, duplicate) if row.merged_into_id]
    if merged:
        raise MergeRefusedError(
            [f"MRN {row.mrn} was merged into another record before. Choose that one." for row in merged]
        )
    if Erasure.objects.filter(patient__in=[kept, duplicate]).exists():
        raise MergeRefusedError(["One of the two records was erased. It cannot be merged with anything."])
    if duplicate.status == PatientStatus.DECEASED != kept.status:
        raise MergeRefusedError(
            [f"MRN {duplicate.mrn} is recorded as deceased and MRN {kept.mrn} is not. Settle which is true first."]
        )


def _relations() -> Iterator[models.ManyToOneRel]:
    """Every table that points to a patient, hidden relations included.

    Not history, nor the record of merges itself, nor what is worked out anew from the rows that move.
    """
    for relation in Patient._meta.get_fields(include_hidden=True):
        if not isinstance(relation, models.ManyToOneRel) or not isinstance(relation.related_model, type):
            continue
        if issubclass(relation.related_model, (Event, Merge)) or getattr(relation.related_model, "is_derived", False):
            continue
        yield relation


def _move_visits(kept: Patient, duplicate: Patient, moved: _Moved, *, by: User, now: datetime) -> None:
    try:
        moved.visits = reassign_subject(
            from_resource_id=duplicate.resource_id, to_resource_id=kept.resource_id, by=by, now=now
        )
    except TimeTakenError as error:
        said = list(dict.fromkeys(clash.message for clash in error.clashes))
        raise MergeRefusedError(
            ["Both records are booked at the same time.", *said, "Cancel one of them first."]
        ) from None


def _move_rows(kept: Patient, duplicate: Patient, moved: _Moved) -> None:
    refused: list[str] = []
    has_primary = kept.phones.filter(is_primary=True).exists()
    for relation in _relations():
        for row in relation.related_model._base_manager.filter(**{relation.field.name: duplicate}).order_by("pk"):
            steps_back = isinstance(row, Phone) and row.is_primary and has_primary
            if isinstance(row, Phone) and steps_back:
                row.is_primary = False
            setattr(row, relation.field.name, kept)
            twin = _twin(row)
            if twin and not isinstance(row, MAY_STAY):
                refused.append(twin)
            elif not twin:
                row.save(update_fields=[relation.field.name, *(["is_primary"] if steps_back else [])])
                moved.rows[_key(relation)].append(row.pk)
                if steps_back:
                    moved.primary_phones.append(row.pk)
    if refused:
        raise MergeRefusedError([*dict.fromkeys(refused), "Close or remove one of them first."])


def _twin(row: models.Model) -> str:
    """Why the row cannot belong to the kept record beside what is there; empty when it can."""
    try:
        row.validate_unique()
        row.validate_constraints()
    except ValidationError as error:
        return " ".join(error.messages)
    return ""


def _take_values(kept: Patient, duplicate: Patient, take: Sequence[str], moved: _Moved) -> None:
    for name in FIELDS:
        if name in take and getattr(kept, name) != getattr(duplicate, name):
            moved.fields[name] = {"before": _plain(kept, name), "after": _plain(duplicate, name)}
            setattr(kept, name, getattr(duplicate, name))
    kept.version += 1
    kept.full_clean(exclude=["resource", "mrn"], validate_unique=False)
    kept.save(update_fields=[*moved.fields, "version"])


# --- and back ---------------------------------------------------------------------------------------------------------
def _why_not_exact(merge: Merge, kept: Patient, moved: _Moved) -> list[str]:
    if merge.undone_at:
        return ["This merge has been undone already."]
    reasons = []
    if kept.merged_into_id:
        reasons.append(f"MRN {kept.mrn} was itself merged into another record since. Undo that merge first.")
    for key, ids in moved.rows.items():
        model, name = _model_and_field(key)
        still = model._base_manager.filter(pk__in=ids, **{name: kept}).count()
        if still != len(ids):
            reasons.append(
                f"{len(ids) - still} of the {model._meta.verbose_name_plural} that moved are gone or elsewhere."
            )
    visits = Booking.objects.filter(subject_id=kept.resource_id)
    if visits.filter(pk__in=moved.visits).count() != len(moved.visits):
        reasons.append("Some of the visits that moved belong to another record now.")
    if made := visits.filter(created_at__gt=merge.at).count():
        said = "1 visit was" if made == 1 else f"{made} visits were"
        reasons.append(f"{said} booked since, and nobody can tell for which of the two.")
    reasons += [
        f"“{_column(name).verbose_name}” was changed since."
        for name, values in moved.fields.items()
        if _plain(kept, name) != values["after"]
    ]
    return reasons


def _give_back_rows(kept: Patient, duplicate: Patient, moved: _Moved) -> None:
    for key, ids in moved.rows.items():
        model, name = _model_and_field(key)
        for row in model._base_manager.filter(pk__in=ids, **{name: kept}).order_by("pk"):
            setattr(row, name, duplicate)
            if isinstance(row, Phone) and row.pk in moved.primary_phones:
                row.is_primary = True
            row.save(update_fields=[name, *(["is_primary"] if isinstance(row, Phone) else [])])


def _give_back_visits(kept: Patient, duplicate: Patient, moved: _Moved, *, by: User, now: datetime) -> None:
    if moved.visits:
        reassign_subject(
            from_resource_id=kept.resource_id,
            to_resource_id=duplicate.resource_id,
            booking_ids=moved.visits,
            by=by,
            now=now,
        )


def _key(relation: models.ManyToOneRel) -> str:
    return f"{relation.related_model._meta.label}.{relation.field.name}"


def _model_and_field(key: str) -> tuple[type[models.Model], str]:
    label, _, name = key.rpartition(".")
    return apps.get_model(label), name


def _plain(patient: Patient, name: str) -> str | int | None:
    """A field's value as JSON keeps it."""
    value = getattr(patient, name)
    return value if value is None or isinstance(value, int) else str(_column(name).get_prep_value(value))


def _python(name: str, value: object) -> Any:  # noqa: ANN401 (a field's value)
    return _column(name).to_python(value)


def _column(name: str) -> models.Field[Any, Any]:
    return next(column for column in Patient._meta.concrete_fields if column.attname == name)
