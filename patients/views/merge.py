"""Two records of one person: find the other one, compare, make them one; and undo that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from clinic.edge.access import requires, staff
from clinic.edge.htmx import go
from clinic.models import Location
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from patients.forms.merge import MergeForm
from patients.models import Merge, Patient
from patients.services.merge import (
    Difference,
    MergeRefusedError,
    differences,
    merge_patients,
    piles,
    undo_merge,
    why_not_undoable,
)
from patients.services.reach import mark_reach
from patients.services.search import search_patients, similar_patients
from patients.templatetags.people import country_name, language_name, phone_words
from patients.views.record import moment_of, to_kept

FOUND_AT_MOST = 12


@dataclass(frozen=True, slots=True)
class Choice:
    """One row of the comparison: what each record says, and which side is marked."""

    name: str
    label: str
    kept: str
    duplicate: str
    marked: str
    is_conflict: bool


@require_GET
@requires(Can.MERGE_PATIENTS)
def merge_choose(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Which other record is the same person? The likely ones are offered, any other can be searched."""
    patient = get_object_or_404(Patient, pk=pk)
    if patient.merged_into_id:
        return to_kept(request, patient, "patients:merge_choose")
    text = request.GET.get("q", "")[:80]
    likely = [
        (one.patient, one.reason.value)
        for one in similar_patients(
            given=patient.given_name, family=patient.family_name, birth_date=patient.birth_date, exclude=pk
        )
    ]
    found = [
        hit.patient
        for hit in (search_patients(text, today=moment_of(request).today, limit=FOUND_AT_MOST) if text else [])
        if hit.patient.pk != pk
    ]
    mark_reach([*(one for one, _ in likely), *found], person=staff(request), now=timezone.now())
    return render(
        request, "patients/merge_choose.html", {"patient": patient, "likely": likely, "found": found, "q": text}
    )


@require_http_methods(["GET", "POST"])
@requires(Can.MERGE_PATIENTS)
def merge_compare(request: HttpRequest, pk: int, other_pk: int) -> HttpResponseBase:
    """Both records side by side; the first is kept, the other one is given up when the form is sent."""
    kept, duplicate = get_object_or_404(_full(), pk=pk), get_object_or_404(_full(), pk=other_pk)
    for row in (kept, duplicate):
        if row.merged_into_id:
            return to_kept(request, row, "patients:merge_choose")
    moment = moment_of(request)
    for row in (kept, duplicate):
        record_reading(by=staff(request), subject_id=row.resource_id, page="Merge", path=request.path, now=moment.now)
    found = differences(kept, duplicate)
    form = MergeForm(request.POST or None, differing=[(one.name, one.suggested) for one in found])
    refused: tuple[str, ...] = ()
    if request.POST and form.is_valid():
        try:
            merge_patients(
                kept_id=pk,
                duplicate_id=other_pk,
                take=form.taken(),
                reason=form.cleaned_data["reason"],
                by=staff(request),
                now=moment.now,
            )
        except MergeRefusedError as error:
            refused = error.reasons
        else:
            messages.success(request, f"MRN {duplicate.mrn} is part of this record now. History can undo it.")
            return go(request, "patients:detail", pk)
    context = {
        "kept": kept,
        "duplicate": duplicate,
        "form": form,
        "choices": _choices(found, form),
        "piles": piles(duplicate),
        "refused": refused,
    }
    return render(request, "patients/merge_compare.html", context, status=422 if request.POST else 200)


@require_http_methods(["GET", "POST"])
@requires(Can.MERGE_PATIENTS)
def merge_undo(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Make the two records two again, if that can still be exact."""
    merge = get_object_or_404(Merge.objects.select_related("kept", "duplicate", "by"), pk=pk)
    reasons = why_not_undoable(merge)
    if request.method == "POST":
        try:
            undo_merge(merge_id=pk, by=staff(request), now=moment_of(request).now)
        except MergeRefusedError as error:
            reasons = list(error.reasons)
        else:
            messages.success(request, f"MRN {merge.kept.mrn} and MRN {merge.duplicate.mrn} are two records again.")
            return go(request, "patients:detail", merge.duplicate_id)
    for row in (merge.kept, merge.duplicate):
        record_reading(
            by=staff(request), subject_id=row.resource_id, page="Merge", path=request.path, now=moment_of(request).now
        )
    context = {"merge": merge, "reasons": reasons, "patient": merge.kept}
    return render(request, "patients/merge_undo.html", context, status=422 if request.method == "POST" else 200)


def _full() -> Any:  # noqa: ANN401 (a queryset)
    return Patient.objects.select_related("home_location").prefetch_related("phones")


def _choices(found: list[Difference], form: MergeForm) -> list[Choice]:
    return [
        Choice(
            name=f"take_{one.name}",
            label=one.label,
            kept=_said(one.name, one.kept),
            duplicate=_said(one.name, one.duplicate),
            marked=str(form[f"take_{one.name}"].value()),
            is_conflict=one.is_conflict,
        )
        for one in found
    ]


def _said(name: str, value: Any) -> str:  # noqa: ANN401 (a field's value)
    """A field's value as the comparison shows it."""
    if value is None or value == "":
        return "(empty)"
    if name == "birth_date":
        return f"{value.day} {value:%b %Y}"
    if name == "home_location_id":
        return str(Location.objects.filter(pk=value).first() or "")
    column: Any = Patient._meta.get_field(name)
    if column.choices:
        return str(dict(column.flatchoices).get(value, value))
    words = {"emergency_phone": phone_words, "language": language_name, "country": country_name}
    return str(words[name](value)) if name in words else str(value)
