"""Beginning a consultation's record, signing it, adding to it; the list of a patient's consultations."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db.models import F
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.htmx import go, is_fragment
from clinic.edge.lists import listing
from clinic.models import Booking
from clinic.pure.roles import Can
from patients.forms.consultation import AmendForm, SignForm
from patients.models import Consultation, Patient
from patients.services.consultation_record import (
    StaleRecordError,
    amend_consultation,
    completeness,
    open_for_booking,
    sign_consultation,
    start_consultation,
)
from patients.services.registry import MergedPatientError
from patients.views.consultation import read
from patients.views.record import open_record, to_kept
from patients.views.refusals import refuse

TAB = "intake:consultations"


@require_GET
@requires(Can.VIEW_CLINICAL)
def consultations(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Every consultation of the patient, the latest first."""
    head = open_record(request, pk, tab=TAB, page="Consultations")
    if isinstance(head, HttpResponseBase):
        return head
    rows = Consultation.objects.filter(patient=head.patient).select_related("clinician", "location", "booking")
    rows = rows.annotate(held=Coalesce(F("booking__span__startswith"), F("created_at")))
    page = listing(request, rows, sorts={"when": ["held"]}, default="-when")
    context = {"head": head, "patient": head.patient, "listing": page}
    return render(request, "patients/consultation/list.html", context)


@require_POST
@requires(Can.EDIT_CLINICAL)
def consultation_start(request: HttpRequest, patient_id: int) -> HttpResponseBase:
    """A record for somebody who came without a booking."""
    patient, place = get_object_or_404(Patient, pk=patient_id), current_location(request)
    if place is None:
        raise Http404
    try:
        record = start_consultation(patient_id=patient_id, location=place, by=staff(request), now=timezone.now())
    except MergedPatientError:
        return to_kept(request, get_object_or_404(Patient, pk=patient.pk), TAB)
    return go(request, record.get_absolute_url())


@require_POST
@requires(Can.VIEW_CLINICAL)
def consultation_of_booking(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """The record of a booked consultation; a prescriber begins it when there is none yet."""
    known = Consultation.objects.filter(booking=booking_id).first()
    if known:
        return go(request, known.get_absolute_url())
    booking = get_object_or_404(Booking.objects.select_related("subject__patient"), pk=booking_id)
    patient: Patient = get_object_or_404(Patient, resource=booking.subject_id)
    if not staff(request).can(Can.EDIT_CLINICAL):
        messages.info(request, "The record of this consultation has not been begun yet: a prescriber begins it.")
        return go(request, "patients:detail", patient.pk)
    try:
        record = open_for_booking(booking_id=booking_id, by=staff(request), now=timezone.now())
    except (ValidationError, ObjectDoesNotExist) as refused:
        messages.error(request, " ".join(getattr(refused, "messages", ["This visit no longer exists."])))
        return go(request, "patients:detail", patient.pk)
    except MergedPatientError:
        return to_kept(request, get_object_or_404(Patient, pk=patient.pk), TAB)
    return go(request, record.get_absolute_url())


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_CLINICAL)
def consultation_sign(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What is still missing, and the signature; what is signed is what the person read."""
    record = read(pk)
    form = SignForm(request.POST or None, initial={"version": record.version})
    if request.POST and form.is_valid():
        try:
            sign_consultation(
                consultation_id=pk, version=form.cleaned_data["version"], by=staff(request), now=timezone.now()
            )
        except StaleRecordError:
            form.add_error(None, "The record was changed after you had opened this page. Read it again, then sign.")
        except ValidationError as refused:
            refuse(form, refused)
        else:
            messages.success(request, "Signed. What comes later is added as an amendment.")
            return go(request, record.get_absolute_url())
    context = {"record": record, "patient": record.patient, "form": form, "missing": completeness(record)}
    template = "patients/consultation/_sign.html" if is_fragment(request) else "patients/consultation/sign.html"
    return render(request, template, context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_CLINICAL)
def consultation_amend(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Something is added to a signed record."""
    record = read(pk)
    if not record.is_signed:
        messages.info(request, "This record is not signed yet: change it directly.")
        return redirect(record)
    form = AmendForm(request.POST or None)
    if request.POST and form.is_valid():
        try:
            amend_consultation(
                consultation_id=pk,
                reason=form.cleaned_data["reason"],
                text=form.cleaned_data["text"],
                by=staff(request),
                now=timezone.now(),
            )
        except ValidationError as refused:
            refuse(form, refused)
        else:
            messages.success(request, "The amendment was added.")
            return go(request, record.get_absolute_url())
    context = {
        "patient": record.patient,
        "form": form,
        "title": "Add an amendment",
        "save": "Add amendment",
        "back": record.get_absolute_url(),
    }
    template = "_sheet_form.html" if is_fragment(request) else "sheet_page.html"
    return render(request, f"patients/consultation/{template}", context, status=422 if form.is_bound else 200)
