"""The clinical background: four short lists, each entry added, changed and ended in the side sheet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.htmx import announce, go, is_fragment
from clinic.pure.roles import Can
from patients.forms.background import FORMS, EntryForm
from patients.models import Patient
from patients.pure.background import NONE_KNOWN, BackgroundKind, says_none
from patients.services.background import (
    COLUMNS,
    MODELS,
    EntryData,
    change_entry,
    record_entry,
    record_none,
    remove_entry,
)
from patients.services.registry import MergedPatientError
from patients.views.record import Head, moment_of, open_record, to_kept

TITLES = {
    BackgroundKind.CONDITION: ("Treated for", "target", "What this clinic treats the patient for."),
    BackgroundKind.ALLERGY: (
        "Allergies",
        "alert-triangle",
        "Medicines, latex, food: with the reaction, if it is known.",
    ),
    BackgroundKind.MEDICINE: ("Medicines", "pill", "Prescribed, over the counter, supplements; with the dose."),
    BackgroundKind.PROBLEM: ("Problems", "report-medical", "Diagnoses and earlier illnesses that matter here."),
}
NOUNS = {
    BackgroundKind.CONDITION: "condition",
    BackgroundKind.ALLERGY: "allergy",
    BackgroundKind.MEDICINE: "medicine",
    BackgroundKind.PROBLEM: "problem",
}


@dataclass(frozen=True, slots=True)
class Section:
    """One of the four lists, ready to show."""

    kind: str
    title: str
    icon: str
    hint: str
    noun: str
    current: list[models.Model]
    earlier: list[models.Model]
    none: str  # the words of "asked, and there is none"; empty where that cannot be
    says_none: bool


@require_GET
@requires(Can.VIEW_CLINICAL)
def background(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The four lists."""
    head = open_record(request, pk, tab="patients:background", page="Background")
    if isinstance(head, HttpResponseBase):
        return head
    context = {"head": head, "patient": head.patient, "sections": _sections(head)}
    return render(request, "patients/_background.html" if is_fragment(request) else "patients/background.html", context)


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_CLINICAL)
def entry_add(request: HttpRequest, pk: int, kind: str) -> HttpResponseBase:
    """One more entry; "save and add another" keeps the sheet open."""
    which, patient = _kind(kind), get_object_or_404(Patient, pk=pk)
    moment = moment_of(request)
    form = FORMS[which](request.POST or None, today=moment.today)
    if request.POST and form.is_valid():
        try:
            entry = record_entry(
                patient_id=pk, kind=which, data=_entry_data(form), today=moment.today, by=staff(request), now=moment.now
            )
        except MergedPatientError:
            return to_kept(request, get_object_or_404(Patient, pk=pk), "patients:background")
        except ValidationError as refused:
            _refuse(form, refused)
        else:
            again = FORMS[which](today=moment.today) if "another" in request.POST else None
            return _saved(request, patient, f"{entry} was added.", which, again)
    return _form_page(request, patient, which, form)


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_CLINICAL)
def entry_edit(request: HttpRequest, pk: int, kind: str, entry_id: int) -> HttpResponseBase:
    """Change or end one entry."""
    which, patient = _kind(kind), get_object_or_404(Patient, pk=pk)
    entry = get_object_or_404(MODELS[which], pk=entry_id, patient=patient)
    moment = moment_of(request)
    initial = {name: getattr(entry, name) for name in COLUMNS[which]}
    form = FORMS[which](request.POST or None, initial=initial, today=moment.today)
    if request.POST and form.is_valid():
        try:
            change_entry(
                patient_id=pk, kind=which, entry_id=entry_id, data=_entry_data(form), by=staff(request), now=moment.now
            )
        except MergedPatientError:
            return to_kept(request, get_object_or_404(Patient, pk=pk), "patients:background")
        except ValidationError as refused:
            _refuse(form, refused)
        else:
            return _saved(request, patient, "Saved.", which)
    return _form_page(request, patient, which, form, entry=entry)


@require_POST
@requires(Can.EDIT_CLINICAL)
def entry_remove(request: HttpRequest, pk: int, kind: str, entry_id: int) -> HttpResponseBase:
    """An entry made by mistake is gone from the record; history keeps it."""
    which, patient = _kind(kind), get_object_or_404(Patient, pk=pk)
    get_object_or_404(MODELS[which], pk=entry_id, patient=patient)
    moment = moment_of(request)
    said = remove_entry(patient_id=pk, kind=which, entry_id=entry_id, by=staff(request), now=moment.now)
    return _saved(request, patient, f"{said} was removed. History keeps it.", which)


@require_POST
@requires(Can.EDIT_CLINICAL)
def entry_none(request: HttpRequest, pk: int, kind: str) -> HttpResponseBase:
    """Somebody asked, and there is none of this kind."""
    which, patient = _kind(kind), get_object_or_404(Patient, pk=pk)
    if which not in NONE_KNOWN:
        raise Http404
    moment = moment_of(request)
    try:
        entry = record_none(patient_id=pk, kind=which, today=moment.today, by=staff(request), now=moment.now)
    except ValidationError as refused:
        messages.error(request, " ".join(refused.messages))
        return go(request, "patients:background", pk)
    return _saved(request, patient, f"“{entry}” is on record.", which)


# --- helpers ----------------------------------------------------------------------------------------------------------
def _kind(text: str) -> BackgroundKind:
    try:
        return BackgroundKind(text)
    except ValueError:
        raise Http404 from None


def _sections(head: Head) -> list[Section]:
    found = []
    for kind, model in MODELS.items():
        rows = list(model._default_manager.filter(patient=head.patient))
        current = [row for row in rows if getattr(row, "ended_on", None) is None]
        none = NONE_KNOWN.get(kind)
        title, icon, hint = TITLES[kind]
        found.append(
            Section(
                kind=kind.value,
                title=title,
                icon=icon,
                hint=hint,
                noun=NOUNS[kind],
                current=current,
                earlier=[row for row in rows if row not in current],
                none=none.description if none else "",
                says_none=bool(current) and all(says_none(kind, str(row)) for row in current),
            )
        )
    return found


def _entry_data(form: EntryForm) -> EntryData:
    known = {field.name for field in fields(EntryData)}
    return EntryData(**{name: value for name, value in form.cleaned_data.items() if name in known})


def _refuse(form: EntryForm, refused: ValidationError) -> None:
    """The service's words beside the field that they are about."""
    errors: Mapping[str, Any] = refused.error_dict if hasattr(refused, "error_dict") else {"__all__": refused}
    for name, error in errors.items():
        form.add_error(name if name in form.fields else None, error)


def _form_page(
    request: HttpRequest, patient: Patient, kind: BackgroundKind, form: EntryForm, entry: models.Model | None = None
) -> HttpResponseBase:
    context = {"patient": patient, "kind": kind.value, "noun": NOUNS[kind], "form": form, "entry": entry}
    template = "patients/_entry_form.html" if is_fragment(request) else "patients/entry.html"
    return render(request, template, context, status=422 if form.is_bound else 200)


def _saved(
    request: HttpRequest, patient: Patient, said: str, kind: BackgroundKind, again: EntryForm | None = None
) -> HttpResponseBase:
    """In the sheet: the page behind refreshes itself, and the sheet closes or offers the next. Else: back there."""
    if not is_fragment(request):
        messages.success(request, said)
        return (
            go(request, "patients:entry_add", patient.pk, kind.value)
            if again
            else go(request, "patients:background", patient.pk)
        )
    sheet = _form_page(request, patient, kind, again) if again else announce(HttpResponse(status=204), "close-sheet")
    announce(sheet, "background-changed")
    return announce(sheet, "notice", text=said, level="success")
