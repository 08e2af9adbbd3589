"""Consent to be contacted, by channel; a page of its own, because it is no consent to treatment."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_http_methods

from clinic.edge.access import requires, staff
from clinic.edge.htmx import go, is_fragment
from clinic.pure.roles import Can
from patients.forms.consents import ContactForm
from patients.models import Channel, Patient
from patients.services.contact_consents import (
    SCOPE,
    channel_states,
    contact_history,
    on_record,
    record_contact_consent,
)
from patients.views.record import moment_of, open_record, to_kept


@require_GET
@requires(Can.RECORD_CONSENT)
def contact(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What was said about each channel, now and before."""
    head = open_record(request, pk, tab="consents:patient", page="Consent to be contacted")
    if isinstance(head, HttpResponseBase):
        return head
    states = channel_states(contact_history(head.patient), on_record(head.patient, head.phones))
    context = {"head": head, "patient": head.patient, "channels": states.values()}
    return render(request, "patients/consent/contact.html", context)


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_PATIENT)
def record(request: HttpRequest, pk: int, channel: str) -> HttpResponseBase:
    """What the patient says now about one channel."""
    if channel not in Channel.values:
        raise Http404
    which, patient = Channel(channel), get_object_or_404(Patient, pk=pk)
    if patient.merged_into_id:
        return to_kept(request, patient, "consents:contact")
    phones = list(patient.phones.values("number", "kind", "is_primary"))
    values = on_record(patient, phones)[which]
    form = ContactForm(request.POST or None, channel=which, values=values, initial={"scope": SCOPE})
    if form.is_bound and form.is_valid():
        said = form.cleaned_data
        record_contact_consent(
            patient=patient,
            channel=which,
            granted=said["granted"],
            value=said["value"],
            scope=said["scope"],
            source=said["source"],
            note=said["note"],
            by=staff(request),
            now=moment_of(request).now,
        )
        messages.success(request, f"{which.label}: {'yes' if said['granted'] else 'no'}. Recorded.")
        return go(request, "consents:contact", pk)
    template = "patients/consent/_contact_form.html" if is_fragment(request) else "patients/consent/contact_form.html"
    context = {"patient": patient, "channel": which, "form": form, "is_sms": which == Channel.SMS}
    return render(request, template, context, status=422 if form.is_bound else 200)
