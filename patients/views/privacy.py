"""Privacy of one person: everything as a file, Part 2, legal hold, erasure; and to whom the record was given."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.htmx import go
from clinic.forms.errors import show_refusal
from clinic.pure.roles import Can
from patients.adapters.record_pdf import record_pdf
from patients.forms.privacy import DisclosureConsentForm, EverythingForm, MarkForm, ProposeForm, ReasonForm
from patients.models import DisclosureConsent, ErasureProposal, LegalHold, Patient
from patients.pure.privacy import Audience, Basis
from patients.pure.record_paper import paper_of
from patients.services.privacy import ErasureRefusedError, confirm_erasure, propose_erasure, take_back
from patients.services.privacy_export import everything_of, record_disclosure
from patients.services.privacy_part2 import (
    ConsentMissingError,
    check_disclosure,
    mark_part_two,
    part_two_of,
    record_disclosure_consent,
    revoke_disclosure_consent,
)
from patients.services.privacy_terms import kept_of, lift_hold, place_hold, terms
from patients.views.record import Head, moment_of, open_record

HERE = "patients:privacy"
PAGE = "Privacy"


@never_cache
@require_http_methods(["GET", "POST"])
@requires(Can.EXPORT_PATIENT)
def everything(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Asks for whom and why; posted, the file. It is written down before it leaves."""
    head = open_record(request, pk, tab=HERE, page="Everything about one person")
    if isinstance(head, HttpResponseBase):
        return head
    part_two = part_two_of(head.patient)
    initial = {"audience": Audience.PATIENT.value, "recipient": head.patient.legal_name}
    form = EverythingForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_bound and form.is_valid():
        try:
            return _file(request, head, form.cleaned_data)
        except ConsentMissingError as refusal:
            form.add_error("override_reason", str(refusal))
    context = {"head": head, "patient": head.patient, "form": form, "part_two": part_two}
    return render(request, "patients/privacy/everything.html", context, status=422 if form.is_bound else 200)


def _file(request: HttpRequest, head: Head, asked: dict[str, Any]) -> HttpResponse:
    patient, now, place = head.patient, head.moment.now, current_location(request)
    part_two, audience = part_two_of(patient), Audience(asked["audience"])
    check_disclosure(part_two, audience=audience, day=head.moment.today, override_reason=asked["override_reason"])
    record = everything_of(
        patient,
        clinic=place.name if place else "Cadence",
        now=now,
        with_history=asked["with_history"],
        with_readings=asked["with_readings"],
    )
    data, is_pdf = record.as_data(), asked["kind"] == "pdf"
    if is_pdf:
        zone = place.time_zone if place else "UTC"
        content = record_pdf(paper_of(data, zone=zone), at=now.astimezone(UTC))
    else:
        content = json.dumps(data, ensure_ascii=False, indent=1).encode()
    extras = [
        word for word, is_on in (("history", asked["with_history"]), ("readers", asked["with_readings"])) if is_on
    ]
    record_disclosure(
        patient=patient,
        content=content,
        what=", ".join(["Everything", "PDF" if is_pdf else "JSON", *(f"with {one}" for one in extras)]),
        audience=audience,
        recipient=asked["recipient"],
        reason=asked["reason"],
        part_two=part_two,
        path=request.path,
        by=staff(request),
        now=now,
        day=head.moment.today,
        override_reason=asked["override_reason"],
    )
    answer = HttpResponse(content, content_type="application/pdf" if is_pdf else "application/json")
    answer["Content-Disposition"] = f'attachment; filename="record-{patient.pk}.{asked["kind"]}"'
    answer["Cache-Control"] = "no-store, private"
    return answer


# --- the page ---------------------------------------------------------------------------------------------------------
@require_GET
@requires(Can.ERASE_PATIENT, Can.EDIT_RETENTION)
def privacy(request: HttpRequest, pk: int) -> HttpResponseBase:
    """To whom the record was given, what protects it, until when it is kept, and whether somebody wants it erased."""
    return _page(request, pk)


def _page(request: HttpRequest, pk: int, **forms: Form) -> HttpResponseBase:
    head = open_record(request, pk, tab=HERE, page=PAGE)
    if isinstance(head, HttpResponseBase):
        return head
    patient, today = head.patient, head.moment.today
    part_two = part_two_of(patient) if head.is_clinical else None
    kept = kept_of(patient, terms())
    holds = list(LegalHold.objects.filter(patient=patient).select_related("placed_by", "lifted_by"))
    context = {
        "head": head,
        "patient": patient,
        "part_two": part_two,
        "consents": [(one, one.is_valid_on(today)) for one in part_two.consents] if part_two else [],
        "disclosures": patient.disclosures.select_related("by", "consent"),
        "holds": holds,
        "is_held": any(one.lifted_at is None for one in holds),
        "proposal": ErasureProposal.objects.filter(patient=patient, closed_at=None)
        .select_related("proposed_by")
        .first(),
        "kept": kept,
        "is_over": kept.is_over(today),
        "mark_form": MarkForm(initial={"is_protected": "1"}),
        "consent_form": DisclosureConsentForm(
            initial={"signed_on": today, "signer_name": patient.legal_name}, today=today
        ),
        "hold_form": ReasonForm(),
        "propose_form": ProposeForm(),
        "may_confirm": staff(request).can(Can.ERASE_PATIENT),
        **forms,
    }
    return render(request, "patients/privacy/privacy.html", context, status=422 if forms else 200)


def _current(pk: int) -> Patient:
    return get_object_or_404(Patient, pk=pk, merged_into=None, erasure=None)


# --- 42 CFR Part 2 ----------------------------------------------------------------------------------------------------
@require_POST
@requires(Can.EDIT_CLINICAL)
def part_two_mark(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The record counts as protected, or not."""
    patient, form = _current(pk), MarkForm(request.POST)
    if not form.is_valid():
        return _page(request, pk, mark_form=form)
    mark_part_two(patient=patient, **form.cleaned_data, by=staff(request), now=moment_of(request).now)
    messages.success(request, "Saved. It holds for everything that leaves from now on.")
    return go(request, HERE, pk)


@require_POST
@requires(Can.EDIT_CLINICAL)
def disclosure_consent_add(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A signed consent to disclosure stands in the record."""
    patient, moment = _current(pk), moment_of(request)
    form = DisclosureConsentForm(request.POST, today=moment.today)
    if form.is_valid():
        try:
            record_disclosure_consent(patient=patient, **form.cleaned_data, by=staff(request), now=moment.now)
        except ValidationError as refusal:
            show_refusal(form, refusal)
        else:
            messages.success(request, "The consent is recorded.")
            return go(request, HERE, pk)
    return _page(request, pk, consent_form=form)


@require_POST
@requires(Can.EDIT_CLINICAL)
def disclosure_consent_revoke(request: HttpRequest, pk: int, consent_id: int) -> HttpResponseBase:
    """The patient took the consent back: it covers nothing from now on."""
    get_object_or_404(DisclosureConsent, pk=consent_id, patient=_current(pk))
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Nothing was revoked: say how the patient revoked it.")
    elif revoke_disclosure_consent(
        consent_id=consent_id, reason=form.cleaned_data["reason"], by=staff(request), now=moment_of(request).now
    ):
        messages.success(request, "Revoked. What was disclosed before stays in the list.")
    else:
        messages.error(request, "It was revoked before.")
    return go(request, HERE, pk)


# --- legal hold -------------------------------------------------------------------------------------------------------
@require_POST
@requires(Can.EDIT_RETENTION)
def hold_place(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The record cannot be erased until the hold is lifted."""
    patient, form = _current(pk), ReasonForm(request.POST)
    if form.is_valid():
        try:
            place_hold(
                patient=patient, reason=form.cleaned_data["reason"], by=staff(request), now=moment_of(request).now
            )
        except ValidationError as refusal:
            form.add_error(None, refusal.messages[0])
        else:
            messages.success(request, "The record is on legal hold.")
            return go(request, HERE, pk)
    return _page(request, pk, hold_form=form)


@require_POST
@requires(Can.EDIT_RETENTION)
def hold_lift(request: HttpRequest, pk: int, hold_id: int) -> HttpResponseBase:
    """The hold holds no more."""
    get_object_or_404(LegalHold, pk=hold_id, patient=_current(pk))
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, "The hold stands: say why it may be lifted.")
    elif lift_hold(hold_id=hold_id, reason=form.cleaned_data["reason"], by=staff(request), now=moment_of(request).now):
        messages.success(request, "The hold is lifted.")
    else:
        messages.error(request, "It was lifted before.")
    return go(request, HERE, pk)


# --- erasure ----------------------------------------------------------------------------------------------------------
@require_POST
@requires(Can.EDIT_RETENTION)
def erasure_propose(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The record waits for a clinician to confirm."""
    patient, form = _current(pk), ProposeForm(request.POST)
    if form.is_valid():
        basis, reason = Basis(form.cleaned_data["basis"]), form.cleaned_data["reason"]
        try:
            propose_erasure(patient=patient, basis=basis, reason=reason, by=staff(request), now=moment_of(request).now)
        except ErasureRefusedError as refusal:
            for one in refusal.reasons:
                form.add_error(None, one)
        else:
            messages.success(request, "Proposed. Nothing is erased until a clinician confirms it.")
            return go(request, HERE, pk)
    return _page(request, pk, propose_form=form)


@require_POST
@requires(Can.ERASE_PATIENT)
def erasure_confirm(request: HttpRequest, pk: int, proposal_id: int) -> HttpResponseBase:
    """The record is erased for good; typed MRN, so that no slip of the hand does it."""
    patient = _current(pk)
    get_object_or_404(ErasureProposal, pk=proposal_id, patient=patient)
    if request.POST.get("mrn", "").strip() != patient.mrn:
        messages.error(request, "Nothing was erased: type the MRN of this record to confirm.")
        return go(request, HERE, pk)
    try:
        erasure = confirm_erasure(proposal_id=proposal_id, by=staff(request), now=moment_of(request).now)
    except ErasureRefusedError as refusal:
        messages.error(request, f"Nothing was erased. {refusal}")
        return go(request, HERE, pk)
    messages.success(request, f"{erasure} stands where the record was.")
    return go(request, "patients:detail", pk)


@require_POST
@requires(Can.ERASE_PATIENT, Can.EDIT_RETENTION)
def erasure_take_back(request: HttpRequest, pk: int, proposal_id: int) -> HttpResponseBase:
    """The record stays."""
    if not ErasureProposal.objects.filter(pk=proposal_id, patient=pk).exists():
        raise Http404
    if take_back(proposal_id=proposal_id, by=staff(request), now=moment_of(request).now):
        messages.success(request, "The proposal is closed. The record stays.")
    else:
        messages.error(request, "It was decided before.")
    return go(request, HERE, pk)
