"""One message: what it says, to whom, what happened to it; held back, sent now, tried again, called."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.htmx import announce, go, is_fragment
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from patients.forms.messages import HoldForm
from patients.models import Message, MessageState
from patients.services.messages.calls import ICONS, CallOutcome, record_call, words_to_say
from patients.services.messages.outbox import foresee, link_state, read_message, row_of, steps_of, ways
from patients.services.messages.sending import MessageRefusedError, hold_back, retry, send_now
from patients.views.messages.outbox import CHANGED

OUTCOMES = [(one.value, one.label, ICONS[one]) for one in CallOutcome]
Act = Callable[[Message, datetime], object]


@require_GET
@requires(Can.VIEW_MESSAGES)
def message(request: HttpRequest, pk: int) -> HttpResponse:
    """The message in a side sheet, or as a page of its own; the reading is logged where it is a patient's."""
    return _page(request, pk)


@require_POST
@requires(Can.SEND_MESSAGES)
def hold(request: HttpRequest, pk: int) -> HttpResponseBase:
    """It does not go out, and the reason stands with it."""
    form = HoldForm(request.POST)
    if not form.is_valid():
        return _page(request, pk, form=form, status=422)
    reason = form.cleaned_data["reason"]
    return _do(
        request,
        pk,
        lambda one, now: hold_back(one, reason=reason, by=staff(request), now=now),
        "Held back. It stands under “Not sent”.",
        form,
    )


@require_POST
@requires(Can.SEND_MESSAGES)
def send(request: HttpRequest, pk: int) -> HttpResponseBase:
    """It is due at once."""
    said = "It is due now, and goes out within a minute unless it is night for the patient."
    return _do(request, pk, lambda one, now: send_now(one, by=staff(request), now=now), said)


@require_POST
@requires(Can.SEND_MESSAGES)
def again(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What failed, was skipped or was to be called is due once more."""
    said = "It is tried again now, unless it is night for the patient."
    return _do(request, pk, lambda one, now: retry(one, by=staff(request), now=now), said)


@require_POST
@requires(Can.SEND_MESSAGES)
def called(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What came of a call."""
    said = request.POST.get("outcome", "")
    if said not in CallOutcome.values:
        return _page(request, pk, problem="Say how the call went.", status=422)
    outcome = CallOutcome(said)
    return _do(
        request,
        pk,
        lambda one, now: record_call(one, outcome=outcome, by=staff(request), now=now),
        f"Noted: {outcome.label.lower()}.",
    )


def read_or_404(pk: int) -> Message:
    """Raises Http404 for a message that is not there."""
    found = read_message(pk)
    if found is None:
        raise Http404
    return found


def _do(request: HttpRequest, pk: int, act: Act, said: str, form: HoldForm | None = None) -> HttpResponseBase:
    """The message after the act; 409 with what happened to it where somebody or something was faster."""
    try:
        act(read_or_404(pk), timezone.now())
    except MessageRefusedError as refused:
        return _page(request, pk, problem=str(refused), form=form, status=409)
    if is_fragment(request):
        return announce(announce(_page(request, pk), "notice", text=said), CHANGED)
    messages.success(request, said)
    return go(request, "outbox:message", pk)


def _page(
    request: HttpRequest, pk: int, *, problem: str = "", form: HoldForm | None = None, status: int = 200
) -> HttpResponse:
    row, by, now = read_or_404(pk), staff(request), timezone.now()
    if row.patient is not None:
        subject = row.patient.resource_id
        record_reading(by=by, subject_id=subject, page="Message", path=request.path, now=now)
    foreseen = foresee(row, now=now)
    text = foreseen.text if foreseen is not None else row.text
    if row.state == MessageState.TO_CALL:
        text = words_to_say(row)
    shown = row_of(row, foreseen.address if foreseen is not None and not row.channel else None, by=by)
    context = {
        "row": shown,
        "message": row,
        "foreseen": foreseen,
        "text": text,
        "subject": foreseen.subject if foreseen is not None else row.subject,
        "steps": steps_of(row),
        "link": link_state(row, channel=shown.channel, text=text, now=now),
        "ways": ways(row, by),
        "outcomes": OUTCOMES,
        "form": form,
        "problem": problem,
        "now": now,
    }
    name = "patients/messages/_message.html" if is_fragment(request) else "patients/messages/message.html"
    return render(request, name, context, status=status)
