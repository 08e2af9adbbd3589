"""What changed in a patient's record, when and by whom, in words: read from the tables that the database writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils.formats import date_format
from pghistory.models import MiddlewareEvents
from phonenumber_field.modelfields import PhoneNumberField

from clinic.models import Location
from patients.models import Patient
from patients.templatetags.people import phone_words

REGISTRY = ("Patient", "Phone", "Unavailability")
CLINICAL = (
    "TreatedCondition",
    "Allergy",
    "Medicine",
    "Problem",
    "PreviousTreatment",
    "VitalSigns",
    "PregnancyTest",
)
"""Tables whose contents only people with VIEW_CLINICAL read; others learn that something changed, not what.

A consultation's record is not among them: it saves itself every few seconds, and its hundreds of steps would bury all
else here. They stand in the set-up's history, and who wrote a field last is said where it matters, in a conflict.
"""

UNSAID = frozenset(
    {"id", "version", "created_at", "patient", "resource", "search_name", "search_grams", "search_keys", "mrn"}
)
ACTIONS = {"insert": "added", "update": "changed", "delete": "removed"}


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field before and after, as the page shows it; an empty value is an empty string."""

    name: str
    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Change:
    """One row of one table was added, changed or removed. `who` is empty when nobody was signed in."""

    at: datetime
    who: str
    action: str
    what: str
    subject: str
    fields: tuple[FieldChange, ...]
    model: str
    is_clinical: bool

    @property
    def sentence(self) -> str:
        """For example "Allergy added: Latex", or "Particulars changed: Email, City"."""
        said = self.subject or ", ".join(one.label for one in self.fields)
        return f"{self.what} {self.action}" + (f": {said}" if said else "")


def changes_of(patient: Patient, *, clinical: bool, limit: int, also: Iterable[Patient] = ()) -> list[Change]:
    """The latest changes of the patient's record, newest first; without clinical contents unless `clinical`. One query.

    Args:
        also: records that were merged into this one, whose history belongs to it.
    """
    events = _events([patient, *also], REGISTRY + CLINICAL).order_by("-pgh_created_at", "-pgh_id")[:limit]
    return [change for event in events if (change := _change(event, clinical=clinical))]


def changes_since_version(patient: Patient, version: int) -> list[Change]:
    """What was saved of the registry's part after the record had `version`, oldest first."""
    later = patient.events.filter(version__gt=version).order_by("pgh_created_at").first()  # type: ignore[attr-defined]
    if later is None:
        return []
    events = _events([patient], ("Patient", "Phone")).filter(pgh_created_at__gte=later.pgh_created_at)
    found = [_change(event, clinical=False) for event in events.order_by("pgh_created_at", "pgh_id")]
    return [change for change in found if change]


def _events(patients: Sequence[Patient], tables: Sequence[str]) -> models.QuerySet[Any]:
    labels = [f"patients.{table}Event" for table in tables]
    return MiddlewareEvents.objects.references(list(patients)).across(*labels).select_related("user")


def _change(event: MiddlewareEvents, *, clinical: bool) -> Change | None:
    """The event in words; None when nothing in it is anybody's business (a version counter)."""
    name = event.pgh_obj_model.partition(".")[2]
    model = apps.get_model(event.pgh_obj_model)
    is_clinical = name in CLINICAL
    hidden = is_clinical and not clinical
    fields = () if hidden else tuple(_field_changes(model, event.pgh_diff or {}))
    if event.pgh_label == "update" and not fields and not hidden:
        return None
    return Change(
        at=event.pgh_created_at,
        who=event.user.display_name if event.user else "",
        action=ACTIONS[event.pgh_label],
        what="Particulars" if model is Patient else str(model._meta.verbose_name).capitalize(),
        subject="" if hidden else _subject(model, event.pgh_data),
        fields=fields,
        model=name,
        is_clinical=is_clinical,
    )


def _field_changes(model: type[models.Model], diff: dict[str, list[Any]]) -> Iterable[FieldChange]:
    order = [field.column for field in model._meta.concrete_fields]
    for column in sorted(diff, key=lambda name: order.index(name) if name in order else len(order)):
        before, after = diff[column]
        field = _field(model, column)
        if field is None or field.name in UNSAID:
            continue
        label = str(field.verbose_name)
        yield FieldChange(field.name, label[:1].upper() + label[1:], _words(field, before), _words(field, after))


def _field(model: type[models.Model], column: str) -> models.Field[Any, Any] | None:
    for name in (column, column.removesuffix("_id")):
        try:
            found = model._meta.get_field(name)
        except FieldDoesNotExist:
            continue
        return found if isinstance(found, models.Field) else None
    return None


def _subject(model: type[models.Model], data: dict[str, Any]) -> str:
    """What the row is about, in a few words; nothing for the patient, whose page this is."""
    if model is Patient:
        return ""
    for column in ("description", "indication", "name", "number", "first_day"):
        field = _field(model, column) if column in data else None
        if field is not None:
            return _words(field, data[column])
    return ""


def _words(field: models.Field[Any, Any], value: object) -> str:
    """A stored value as a person writes it."""
    if value in (None, ""):
        return ""
    if field.choices:
        return str(dict(field.flatchoices).get(value, value))
    if isinstance(field, models.DateField) and isinstance(value, str):
        return date_format(date.fromisoformat(value[:10]), "j M Y")
    if isinstance(field, models.ForeignKey):
        return _row_words(field, value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return phone_words(value) if isinstance(field, PhoneNumberField) else str(value)


def _row_words(field: models.ForeignKey[Any, Any], value: Any) -> str:  # noqa: ANN401 (a key)
    if field.related_model is Location:
        return next((str(place) for place in Location.objects.all() if place.pk == value), "")
    if field.related_model is Patient:
        return next((f"MRN {row.mrn}" for row in Patient.objects.filter(pk=value).only("mrn")), "")
    return ""
