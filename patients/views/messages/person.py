"""The tab “Messages” of a patient's record: everything for this patient, past and coming."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from clinic.edge.access import requires, staff
from clinic.edge.lists import listing
from clinic.pure.roles import Can
from patients.models import Channel
from patients.services.contact_consents import channel_states, contact_history, on_record
from patients.services.messages.outbox import answers_of, messages_of, rows_of
from patients.views.record import Head, open_record

TAB = "patients:messages"
ANSWERS_SHOWN = 10
SORTS = {"when": ["due_at"], "about": ["event", "due_at"], "state": ["state", "due_at"]}


@require_GET
@requires(Can.VIEW_MESSAGES)
def person(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What was said about each channel, what is to come, what was sent, what came back."""
    head = open_record(request, pk, tab=TAB, page="Messages")
    if isinstance(head, HttpResponseBase):
        return head
    page = listing(request, messages_of(head.patient), sorts=SORTS, default="-when")
    context = {
        "head": head,
        "patient": head.patient,
        "listing": page,
        "rows": rows_of(page.rows, by=staff(request)),
        "channels": channels_of(head),
        "answers": answers_of(head.patient, ANSWERS_SHOWN),
    }
    return render(request, "patients/messages/person.html", context)


def channels_of(head: Head) -> list[object]:
    """What was said about each channel that messages use. One query."""
    states = channel_states(contact_history(head.patient), on_record(head.patient, head.phones))
    return [states[channel] for channel in (Channel.SMS, Channel.EMAIL, Channel.PHONE)]
