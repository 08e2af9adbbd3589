"""Times when a patient cannot come: the front desk writes them down, the planner plans around them."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.htmx import go, is_fragment
from clinic.pure.roles import Can
from patients.forms.background import UnavailabilityForm
from patients.models import Patient
from patients.services.availability import Span, add_unavailability, remove_unavailability
from patients.services.registry import MergedPatientError
from patients.views.record import moment_of, to_kept


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_PATIENT)
def unavailable_add(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One more time when the patient cannot come. Visits that fall into it are said, and stand."""
    patient = get_object_or_404(Patient, pk=pk)
    moment = moment_of(request)
    form = UnavailabilityForm(request.POST or None, today=moment.today)
    if request.POST and form.is_valid():
        try:
            _, clashing = add_unavailability(
                patient_id=pk, span=Span(**form.cleaned_data), by=staff(request), now=moment.now
            )
        except MergedPatientError:
            return to_kept(request, patient, "patients:detail")
        except ValidationError as refused:
            form.add_error(None, refused)
        else:
            _tell(request, len(clashing))
            return go(request, "patients:detail", pk)
    template = "patients/_unavailable_form.html" if is_fragment(request) else "patients/unavailable.html"
    return render(request, template, {"form": form, "patient": patient}, status=422 if form.is_bound else 200)


@require_POST
@requires(Can.EDIT_PATIENT)
def unavailable_remove(request: HttpRequest, pk: int, unavailability_id: int) -> HttpResponseBase:
    """The patient can come in that time after all."""
    patient = get_object_or_404(Patient, pk=pk)
    moment = moment_of(request)
    remove_unavailability(patient_id=pk, unavailability_id=unavailability_id, by=staff(request), now=moment.now)
    messages.success(request, f"{patient.name} can come in that time.")
    return go(request, "patients:detail", pk)


def _tell(request: HttpRequest, clashing: int) -> None:
    if clashing:
        said = "1 booked visit falls" if clashing == 1 else f"{clashing} booked visits fall"
        messages.warning(request, f"Saved. {said} into this time and still stands: move or cancel it.")
    else:
        messages.success(request, "Saved. New plans keep this time free.")
