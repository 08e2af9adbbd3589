"""The rows of a consultation that belong to the patient: treatments that were tried, vital signs, pregnancy tests."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.htmx import announce, is_fragment
from clinic.edge.links import own_page
from clinic.pure.roles import Can
from patients.forms.consultation import PregnancyForm, StrikeForm, TreatmentForm, VitalsForm
from patients.models import Patient, PreviousTreatment
from patients.pure.vitals import Remark
from patients.services.observations import (
    MODELS,
    ObservationKind,
    UnusualValueError,
    record_pregnancy_test,
    record_vitals,
    strike,
)
from patients.services.registry import MergedPatientError
from patients.services.treatments import TreatmentData, remove_treatment, save_treatment
from patients.views.record import moment_of, to_kept
from patients.views.refusals import refuse

TAB = "intake:consultations"


# --- treatments that were tried ---------------------------------------------------------------------------------------
@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_CLINICAL)
def treatment_add(request: HttpRequest, patient_id: int) -> HttpResponseBase:
    """One more treatment that was tried; "save and add another" keeps the sheet open."""
    return _treatment(request, get_object_or_404(Patient, pk=patient_id))


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_CLINICAL)
def treatment_edit(request: HttpRequest, patient_id: int, treatment_id: int) -> HttpResponseBase:
    """Change one of them."""
    patient = get_object_or_404(Patient, pk=patient_id)
    return _treatment(request, patient, get_object_or_404(PreviousTreatment, pk=treatment_id, patient=patient))


def _treatment(request: HttpRequest, patient: Patient, row: PreviousTreatment | None = None) -> HttpResponseBase:
    names = TreatmentForm.base_fields
    form = TreatmentForm(request.POST or None, initial={name: getattr(row, name) for name in names} if row else None)
    if request.POST and form.is_valid():
        try:
            saved = save_treatment(
                patient_id=patient.pk,
                data=TreatmentData(**form.cleaned_data),
                by=staff(request),
                now=moment_of(request).now,
                treatment_id=row.pk if row else None,
            )
        except MergedPatientError:
            return to_kept(request, get_object_or_404(Patient, pk=patient.pk), TAB)
        except ValidationError as refused:
            refuse(form, refused)
        else:
            again = _sheet(request, patient, TreatmentForm(), **_treatment_words(None, patient), another=True)
            return _saved(
                request,
                patient,
                f"{saved} was {'changed' if row else 'added'}.",
                "treatments-changed",
                again if "another" in request.POST else None,
            )
    words = _treatment_words(row, patient)
    return _sheet(request, patient, form, **words, another=row is None)


def _treatment_words(row: PreviousTreatment | None, patient: Patient) -> dict[str, str]:
    if row is None:
        here = reverse("intake:treatment_add", args=[patient.pk])
        return {"title": "Add previous treatment", "here": here, "save": "Save"}
    place = [patient.pk, row.pk]
    return {
        "title": "Change previous treatment",
        "here": reverse("intake:treatment_edit", args=place),
        "save": "Save",
        "remove": reverse("intake:treatment_remove", args=place),
    }


@require_POST
@requires(Can.EDIT_CLINICAL)
def treatment_remove(request: HttpRequest, patient_id: int, treatment_id: int) -> HttpResponseBase:
    """A row made by mistake is gone; history keeps it."""
    patient = get_object_or_404(Patient, pk=patient_id)
    try:
        said = remove_treatment(
            patient_id=patient.pk, treatment_id=treatment_id, by=staff(request), now=moment_of(request).now
        )
    except MergedPatientError:
        return to_kept(request, get_object_or_404(Patient, pk=patient.pk), TAB)
    except ObjectDoesNotExist:
        raise Http404 from None
    return _saved(request, patient, f"{said} was removed. History keeps it.", "treatments-changed")


# --- measured on the body ---------------------------------------------------------------------------------------------
@require_http_methods(["GET", "POST"])
@requires(Can.RECORD_VITALS)
def vitals_add(request: HttpRequest, patient_id: int) -> HttpResponseBase:
    """Weight, blood pressure, heart rate; what is unusual is asked twice."""
    patient, place, moment = get_object_or_404(Patient, pk=patient_id), current_location(request), moment_of(request)
    if place is None:
        raise Http404
    form = VitalsForm(request.POST or None, location=place, now=moment.now)
    odd: tuple[Remark, ...] = ()
    if request.POST and form.is_valid():
        try:
            record_vitals(
                patient_id=patient.pk,
                vitals=form.vitals,
                measured_at=form.measured_at,
                by=staff(request),
                now=moment.now,
                note=form.cleaned_data["note"],
                confirmed=form.cleaned_data.get("confirmed", False),
            )
        except UnusualValueError as asked:
            odd = asked.remarks
            form = VitalsForm(request.POST, location=place, now=moment.now, asks=True)
        except MergedPatientError:
            return to_kept(request, get_object_or_404(Patient, pk=patient.pk), TAB)
        except ValidationError as refused:
            refuse(form, _at_the_typed_fields(refused))
        else:
            return _saved(request, patient, "Vital signs were recorded.", "observations-changed")
    words = {"title": "Record vital signs", "save": "Record", "odd": odd}
    return _sheet(request, patient, form, here=reverse("intake:vitals_add", args=[patient.pk]), **words)


def _at_the_typed_fields(refused: ValidationError) -> ValidationError:
    """The form asks for a weight in either unit, and for day and time apart."""
    if not hasattr(refused, "error_dict"):
        return refused
    typed = {"weight_kg": "weight", "measured_at": "clock"}
    return ValidationError({typed.get(name, name): errors for name, errors in refused.error_dict.items()})


@require_http_methods(["GET", "POST"])
@requires(Can.RECORD_VITALS)
def pregnancy_add(request: HttpRequest, patient_id: int) -> HttpResponseBase:
    """A dated pregnancy test."""
    patient, moment = get_object_or_404(Patient, pk=patient_id), moment_of(request)
    form = PregnancyForm(request.POST or None, today=moment.today)
    if request.POST and form.is_valid():
        try:
            record_pregnancy_test(
                patient_id=patient.pk, today=moment.today, by=staff(request), now=moment.now, **form.cleaned_data
            )
        except MergedPatientError:
            return to_kept(request, get_object_or_404(Patient, pk=patient.pk), TAB)
        except ValidationError as refused:
            refuse(form, refused)
        else:
            return _saved(request, patient, "The test was recorded.", "observations-changed")
    words = {"title": "Record pregnancy test", "save": "Record"}
    return _sheet(request, patient, form, here=reverse("intake:pregnancy_add", args=[patient.pk]), **words)


@require_http_methods(["GET", "POST"])
@requires(Can.RECORD_VITALS)
def observation_strike(request: HttpRequest, patient_id: int, kind: str, record_id: int) -> HttpResponseBase:
    """What was entered in error is struck, with the reason; it stays visible."""
    if kind not in list(ObservationKind):
        raise Http404
    patient, moment, which = get_object_or_404(Patient, pk=patient_id), moment_of(request), ObservationKind(kind)
    row = get_object_or_404(MODELS[which], pk=record_id, patient=patient)
    form = StrikeForm(request.POST or None)
    if request.POST and form.is_valid():
        try:
            strike(
                patient_id=patient.pk,
                kind=which,
                record_id=row.pk,
                reason=form.cleaned_data["reason"],
                by=staff(request),
                now=moment.now,
            )
        except MergedPatientError:
            return to_kept(request, get_object_or_404(Patient, pk=patient.pk), TAB)
        except ValidationError as refused:
            refuse(form, refused)
        else:
            return _saved(request, patient, "Struck. It stays visible and counts no more.", "observations-changed")
    here = reverse("intake:observation_strike", args=[patient.pk, kind, row.pk])
    words = {"title": f"Strike {row}", "save": "Strike", "lead": "It stays visible, crossed out, and counts no more."}
    return _sheet(request, patient, form, here=here, **words)


# --- helpers ----------------------------------------------------------------------------------------------------------
def _sheet(request: HttpRequest, patient: Patient, form: forms.Form, **words: Any) -> HttpResponse:
    context = {"patient": patient, "form": form, "back": _back(request, patient)} | words
    template = "_sheet_form.html" if is_fragment(request) else "sheet_page.html"
    status = 422 if form.is_bound else 200
    return render(request, f"patients/consultation/{template}", context, status=status)


def _back(request: HttpRequest, patient: Patient) -> str:
    """The page that the form was opened from."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    return own_page(request, wanted, reverse("patients:detail", args=[patient.pk]))


def _saved(
    request: HttpRequest, patient: Patient, said: str, event: str, again: HttpResponse | None = None
) -> HttpResponseBase:
    """In the sheet: the page behind refreshes itself, and the sheet closes or offers the next. Else: back there."""
    if not is_fragment(request):
        messages.success(request, said)
        return again or redirect(_back(request, patient))
    sheet = again or announce(HttpResponse(status=204), "close-sheet")
    announce(sheet, event)
    return announce(sheet, "notice", text=said, level="success")
