"""Writing one message to one patient, with a preview that follows what is typed."""

from __future__ import annotations

from uuid import uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.htmx import go, is_fragment
from clinic.models import Location
from clinic.pure.roles import Can
from patients.forms.messages import HOW, WORDS_MAX, WriteForm
from patients.models import Channel, PatientStatus
from patients.services.messages.clocks import clocks_of
from patients.services.messages.written import Draft, Shown, send_written, show, ways_to_reach
from patients.views.messages.person import TAB
from patients.views.record import Head, open_record


@require_http_methods(["GET", "POST"])
@requires(Can.SEND_MESSAGES)
def write(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A message in one's own words; nothing goes out that may not."""
    head = open_record(request, pk, tab=TAB, page="Write a message")
    if isinstance(head, HttpResponseBase):
        return head
    place = head.patient.home_location or current_location(request)
    if place is None or head.patient.status == PatientStatus.DECEASED:
        messages.error(request, "Nobody can be written to here.")
        return go(request, TAB, pk)
    return _written(request, head, place)


def _written(request: HttpRequest, head: Head, place: Location) -> HttpResponseBase:
    ways = ways_to_reach(head.patient, place)
    usual = next((channel for channel, address in ways.items() if address.channel is channel), Channel.PHONE)
    if head.patient.preferred_channel in ways and not ways[Channel(head.patient.preferred_channel)].is_call:
        usual = Channel(head.patient.preferred_channel)
    form = WriteForm(
        request.POST if request.method == "POST" else None, initial={"channel": usual.value, "token": uuid4().hex}
    )
    draft = _draft(form, usual)
    shown = show(draft, patient=head.patient, location=place, address=ways[draft.channel], now=head.moment.now)
    status = 200
    if request.method == "POST" and "preview" not in request.POST:
        if form.is_valid() and shown.is_sendable:
            key = f"{head.patient.pk} {form.cleaned_data['token']}"
            return _send(request, head, draft, shown, key=key)
        for name, problems in shown.problems.items():
            for problem in problems:
                form.add_error(name, problem)
        status = 422
    context = {
        "head": head,
        "patient": head.patient,
        "form": form,
        "ways": [(channel, label, ways[Channel(channel)]) for channel, label in HOW],
        "draft": draft,
        "shown": shown,
        "place": place,
        "clocks": clocks_of(head.patient, place),
        "is_typed": bool(draft.text.strip()),
    }
    return _answer(request, context, status)


def _answer(request: HttpRequest, context: dict[str, object], status: int) -> HttpResponse:
    is_preview = is_fragment(request) and "preview" in request.POST
    name = "patients/messages/_write_preview.html" if is_preview else "patients/messages/write.html"
    return render(request, name, context, status=status)


def _draft(form: WriteForm, usual: Channel) -> Draft:
    """What stands in the form, also when it is not valid yet."""
    typed = {name: str(form[name].value() or "").replace("\x00", "") for name in ("channel", "subject", "text")}
    if len(typed["text"]) > WORDS_MAX:  # refused at its field; a preview of five megabytes is of no use to anybody
        typed["text"] = typed["text"].strip()[: WORDS_MAX + 1]
    channel = Channel(typed["channel"]) if typed["channel"] in dict(HOW) else usual
    return Draft(channel=channel, text=typed["text"], subject=" ".join(typed["subject"].split()))


def _send(request: HttpRequest, head: Head, draft: Draft, shown: Shown, *, key: str) -> HttpResponseBase:
    send_written(draft, shown, patient=head.patient, key=key, by=staff(request), now=head.moment.now)
    if draft.channel is Channel.PHONE:
        said = "It will stand on the call list within a minute."
    else:
        said = "It waits for the patient’s morning." if shown.waits else "It goes out within a minute."
    messages.success(request, said)
    return go(request, TAB, head.patient.pk)
