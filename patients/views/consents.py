"""Consent to treatment: what stands, signing on screen or by a scan, taking it back. No clinical fact is shown here."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.handover import hand_over as lock_device
from clinic.edge.handover import handed_over_to
from clinic.edge.htmx import go, is_fragment
from clinic.forms.errors import show_refusal
from clinic.models import Location
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from patients.forms.consents import ScanForm, SignForm, WithdrawForm
from patients.models import Consent, ConsentScan, ConsentText, Patient
from patients.pure.consent_text import blocks_of
from patients.pure.signatures import svg_paths
from patients.services.consents import (
    ConsentStateError,
    ConsentTextStateError,
    NewerTextError,
    OnPaper,
    OnScreen,
    Signer,
    consents_of,
    current_among,
    published_text,
    record_consent,
    withdraw_consent,
)
from patients.services.contact_consents import channel_states, contact_history, on_record
from patients.services.registry import MergedPatientError
from patients.views.record import Moment, moment_of, open_record, to_kept

NO_TEXT = "There is no consent text at this location yet. Publish one first."
HERE = "consents:patient"


@require_GET
@requires(Can.RECORD_CONSENT)
def overview(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Whether the patient has consented here, to treatment and to each way of contact; everything signed so far."""
    head = open_record(request, pk, tab=HERE, page="Consent")
    if isinstance(head, HttpResponseBase):
        return head
    place, consents = current_location(request), list(consents_of(head.patient))
    latest = published_text(place) if place else None
    known = on_record(head.patient, head.phones)
    context = {
        "head": head,
        "patient": head.patient,
        "place": place,
        "latest": latest,
        "state": current_among(consents, place, latest, head.moment.today) if place else None,
        "consents": [(one, one.is_valid_on(head.moment.today)) for one in consents],
        "channels": channel_states(contact_history(head.patient), known).values(),
    }
    return render(request, "patients/consent/patient.html", context)


# --- signing on screen ------------------------------------------------------------------------------------------------
@require_POST
@requires(Can.RECORD_CONSENT)
def hand_over(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The device shows the page to sign and nothing else until staff take it back."""
    patient = get_object_or_404(Patient, pk=pk)
    place = current_location(request)
    if place is None or published_text(place) is None:
        messages.error(request, NO_TEXT)
        return go(request, HERE, pk)
    lock_device(request, home=reverse("consents:sign", args=[patient.pk]), back=reverse(HERE, args=[patient.pk]))
    return redirect("consents:sign", patient.pk)


@never_cache
@require_http_methods(["GET", "POST"])
@requires(Can.RECORD_CONSENT)
def sign(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The text and the box to sign in, alone on the screen: this page is shown to the patient."""
    patient = get_object_or_404(Patient, pk=pk)
    if patient.merged_into_id:
        return to_kept(request, patient, HERE)
    place, moment = current_location(request), moment_of(request)
    latest = published_text(place) if place else None
    if latest is None:
        messages.error(request, NO_TEXT)
        return go(request, HERE, pk)
    record_reading(
        by=staff(request), subject_id=patient.resource_id, page="Consent to sign", path=request.path, now=moment.now
    )
    if request.method == "GET":
        return _sign_page(request, patient, latest, SignForm(initial={"text": latest.pk}))
    return _receive(request, patient, latest, moment)


def _receive(request: HttpRequest, patient: Patient, latest: ConsentText, moment: Moment) -> HttpResponseBase:
    """What the patient sent: recorded, or shown again with what is missing, or the newer text to read first."""
    texts = ConsentText.objects.filter(location=latest.location_id, published_at__isnull=False)
    shown = texts.filter(pk=_number(request.POST.get("text"))).first()
    form = SignForm(request.POST)
    if shown is None:
        return _newer_page(request, patient, latest)
    if not form.is_valid():
        return _sign_page(request, patient, shown, form, status=422)
    try:
        record_consent(
            patient_id=patient.pk,
            text=shown,
            signature=OnScreen(form.cleaned_data["strokes"], is_ticked=form.cleaned_data["typed_is_signature"]),
            signer=Signer(form.cleaned_data["signer_name"], form.cleaned_data["signer_relation"]),
            signed_on=moment.today,
            by=staff(request),
            now=moment.now,
        )
    except NewerTextError as newer:
        return _newer_page(request, patient, newer.latest)
    except ValidationError as refused:
        show_refusal(form, refused)
        return _sign_page(request, patient, shown, form, status=422)
    return redirect("consents:signed", patient.pk)


@never_cache
@require_GET
@requires(Can.RECORD_CONSENT)
def signed(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Thanks; the patient gives the device back, staff go on."""
    patient = get_object_or_404(Patient, pk=pk)
    return render(request, "patients/consent/signed.html", {"patient": patient, "place": current_location(request)})


def _sign_page(
    request: HttpRequest, patient: Patient, text: ConsentText, form: SignForm, *, status: int = 200, **more: Any
) -> HttpResponse:
    context = {
        "patient": patient,
        "place": text.location,
        "text": text,
        "blocks": blocks_of(text.body),
        "form": form,
        "signature_errors": [*form.errors.get("strokes", []), *form.errors.get("__all__", [])],
        "is_handed_over": bool(handed_over_to(request)),
    }
    return render(request, "patients/consent/sign.html", context | more, status=status)


def _newer_page(request: HttpRequest, patient: Patient, latest: ConsentText) -> HttpResponse:
    """What was signed is not what is signed now: the new text, with an empty box."""
    form = SignForm(initial={"text": latest.pk, "signer_name": request.POST.get("signer_name", "")[:160]})
    return _sign_page(request, patient, latest, form, status=409, is_newer=True)


# --- signed on paper --------------------------------------------------------------------------------------------------
@require_http_methods(["GET", "POST"])
@requires(Can.RECORD_CONSENT)
def upload(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A consent that was signed on paper, with its scan."""
    patient = get_object_or_404(Patient, pk=pk)
    if patient.merged_into_id:
        return to_kept(request, patient, HERE)
    place, moment = current_location(request), moment_of(request)
    texts = _published(place)
    if not texts:
        messages.error(request, NO_TEXT)
        return go(request, HERE, pk)
    initial = {"text": texts[0].pk, "signed_on": moment.today, "signer_name": patient.legal_name}
    form = ScanForm(request.POST or None, request.FILES or None, initial=initial, texts=texts, today=moment.today)
    if form.is_bound and form.is_valid():
        file = form.cleaned_data["scan"]
        try:
            record_consent(
                patient_id=pk,
                text=form.cleaned_data["text"],
                signature=OnPaper(file.read(), file.name or ""),
                signer=Signer(form.cleaned_data["signer_name"], form.cleaned_data["signer_relation"]),
                signed_on=form.cleaned_data["signed_on"],
                by=staff(request),
                now=moment.now,
            )
        except MergedPatientError:
            return to_kept(request, Patient.objects.get(pk=pk), HERE)
        except ConsentTextStateError as refused:
            form.add_error("text", str(refused))
        except ValidationError as refused:
            show_refusal(form, refused)
        else:
            messages.success(request, "The consent is recorded.")
            return go(request, HERE, pk)
    context = {"patient": patient, "place": place, "form": form}
    return render(request, "patients/consent/upload.html", context, status=422 if form.is_bound else 200)


def _published(place: Location | None) -> list[ConsentText]:
    """Newest first: paper may have been signed before the last version came."""
    return list(ConsentText.objects.filter(location=place, published_at__isnull=False)) if place else []


@never_cache
@require_GET
@requires(Can.RECORD_CONSENT)
def download_scan(request: HttpRequest, consent_id: int) -> HttpResponseBase:
    """The scan, to keep or to print; it is never shown inside the product, whatever is in it."""
    scan = get_object_or_404(ConsentScan.objects.select_related("consent__patient"), consent_id=consent_id)
    _log(request, scan.consent.patient, "Consent scan")
    answer = HttpResponse(bytes(scan.content), content_type=scan.content_type)
    answer["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=scan.filename)
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


# --- one consent ------------------------------------------------------------------------------------------------------
@require_GET
@requires(Can.RECORD_CONSENT)
def document(request: HttpRequest, consent_id: int) -> HttpResponseBase:
    """The text in the version that was signed, with the signature drawn from its points."""
    consent = get_object_or_404(
        Consent.objects.select_related("patient", "text__location", "recorded_by", "withdrawn_by"), pk=consent_id
    )
    _log(request, consent.patient, "Consent, signed")
    context = {
        "consent": consent,
        "patient": consent.patient,
        "place": consent.text.location,
        "blocks": blocks_of(consent.text.body),
        "paths": svg_paths(consent.signature),
        "scan": ConsentScan.objects.filter(consent=consent).defer("content").first(),
        "is_valid": consent.is_valid_on(moment_of(request).today),
    }
    return render(request, "patients/consent/document.html", context)


@require_http_methods(["GET", "POST"])
@requires(Can.RECORD_CONSENT)
def withdraw(request: HttpRequest, consent_id: int) -> HttpResponseBase:
    """The patient takes consent back: with a reason, and not to be undone."""
    consent = get_object_or_404(Consent.objects.select_related("patient", "text__location"), pk=consent_id)
    form = WithdrawForm(request.POST or None)
    if form.is_bound and form.is_valid():
        try:
            withdraw_consent(
                consent_id=consent_id,
                reason=form.cleaned_data["reason"],
                by=staff(request),
                now=moment_of(request).now,
            )
        except MergedPatientError:
            return to_kept(request, consent.patient, HERE)
        except ConsentStateError as refused:
            form.add_error(None, str(refused))
        except ValidationError as refused:
            show_refusal(form, refused)
        else:
            messages.success(request, "The consent is withdrawn from now on. Tell the clinician.")
            return go(request, HERE, consent.patient_id)
    _log(request, consent.patient, "Consent to withdraw")
    template = "patients/consent/_withdraw.html" if is_fragment(request) else "patients/consent/withdraw.html"
    context = {"consent": consent, "patient": consent.patient, "form": form}
    return render(request, template, context, status=422 if form.is_bound else 200)


def _log(request: HttpRequest, patient: Patient, page: str) -> None:
    now = moment_of(request).now
    record_reading(by=staff(request), subject_id=patient.resource_id, page=page, path=request.path, now=now)


def _number(text: str | None) -> int:
    """The number that was sent; 0, which nothing has, for anything else."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004 (int4)
