"""Answers by text message that wait for a person."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.htmx import go
from clinic.edge.lists import listing
from clinic.pure.roles import Can
from patients.forms.messages import HandleForm
from patients.models import IncomingMessage
from patients.services.messages.answers import AnswerHandledError, answers_handled, answers_waiting, handle_answer

HANDLED = "handled"
SORTS = {"when": ["received_at"]}


@require_GET
@requires(Can.VIEW_MESSAGES)
def answer_list(request: HttpRequest) -> HttpResponse:
    """What waits, the oldest first; or what was dealt with, the latest first."""
    return _page(request)


@require_POST
@requires(Can.SEND_MESSAGES)
def handle(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Somebody has dealt with an answer and says how."""
    answer, form = get_object_or_404(IncomingMessage, pk=pk), HandleForm(request.POST)
    if not form.is_valid():
        return _page(request, form=form, typed_for=pk, status=422)
    try:
        handle_answer(answer, note=form.cleaned_data["note"], by=staff(request), now=timezone.now())
    except AnswerHandledError as there:
        return _page(request, there=there.answer, lost=form.cleaned_data["note"], status=409)
    messages.success(request, "Handled.")
    return go(request, "outbox:answers")


def _page(request: HttpRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    place, is_handled = current_location(request), request.GET.get("show") == HANDLED
    read = answers_handled if is_handled else answers_waiting
    rows = read(place) if place else IncomingMessage.objects.none()
    context = {
        "listing": listing(request, rows, sorts=SORTS, default="-when" if is_handled else "when"),
        "is_handled": is_handled,
        "place": place,
        "may_name": staff(request).can(Can.VIEW_PATIENT),
    }
    return render(request, "patients/messages/answers.html", context | more, status=status)
