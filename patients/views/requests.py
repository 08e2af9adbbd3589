"""One request: the sheet with what the person wrote, and each act on it.

Every act sends the version that the person saw. Where somebody else was faster, the sheet comes back as it stands now,
with what was typed still in it (409).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.htmx import announce, go, is_fragment
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from patients.forms.requests import CardForm, CloseForm, ContactForm, LinkForm, OwnerForm, RegisterForm
from patients.models import CloseReason, ConsultationRequest, ContactOutcome, Patient, RequestStatus
from patients.models.background import INDICATION_CHOICES
from patients.models.requests import OPEN_REQUEST_STATUSES
from patients.pure.requests import ASKED_ABOUT
from patients.services import requests as services
from patients.services.intake_settings import worded
from patients.services.reach import mark_reach
from patients.services.request_board import Card, asked_also, owners, patients_like, with_card_facts
from patients.services.requests import CLOSABLE, RequestRefusedError, StaleRequestError
from patients.views.record import Moment, moment_of

CHANGED = "requests-changed"
"""The board listens for it and fetches itself again."""
SLOTS = ("patients/intake/_slots_for_request.html", "patients/intake/_find_a_time.html")
"""The slot finder's own part of the sheet where there is one, else the way to it."""
HELP_WORDS = dict(INDICATION_CHOICES) | ASKED_ABOUT
WEEKDAY_WORDS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an act was refused, and what was typed."""

    text: str
    status: int
    typed: dict[str, Any]


@require_GET
@requires(Can.VIEW_REQUESTS)
def request_page(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What the person wrote, whom it may be, what was done, what is next."""
    return sheet_of(request, pk)


@require_POST
@requires(Can.EDIT_REQUESTS)
def contact(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One attempt to reach the person; the button says how it went."""
    form = ContactForm(request.POST)

    def act(moment: Moment) -> ConsultationRequest:
        values = form.cleaned_data
        return services.log_contact(
            request_id=pk,
            outcome=ContactOutcome(values["outcome"]),
            note=values["note"],
            next_act_on=values["next_act_on"],
            expected_version=values["version"],
            by=staff(request),
            now=moment.now,
        )

    return _acted(request, pk, form, act, said="Noted.")


@require_POST
@requires(Can.EDIT_REQUESTS)
def assign(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Somebody owes the next step, or nobody in particular."""
    form = OwnerForm(request.POST, people=owners())

    def act(moment: Moment) -> ConsultationRequest:
        return services.assign(
            request_id=pk,
            owner=form.cleaned_data["owner"],
            expected_version=form.cleaned_data["version"],
            by=staff(request),
            now=moment.now,
        )

    return _acted(request, pk, form, act, said="Saved.")


@require_POST
@requires(Can.EDIT_REQUESTS)
def link(request: HttpRequest, pk: int) -> HttpResponseBase:
    """This is that patient."""
    form = LinkForm(request.POST)

    def act(moment: Moment) -> ConsultationRequest:
        try:
            return services.link_patient(
                request_id=pk,
                patient_id=form.cleaned_data["patient"],
                expected_version=form.cleaned_data["version"],
                by=staff(request),
                now=moment.now,
            )
        except Patient.DoesNotExist as problem:
            raise RequestRefusedError("This patient is not in the registry any more.") from problem

    return _acted(request, pk, form, act, said="Linked. What was said about contact now counts for the patient.")


@require_POST
@requires(Can.EDIT_REQUESTS)
def unlink(request: HttpRequest, pk: int) -> HttpResponseBase:
    """It was somebody else after all."""
    form = CardForm(request.POST)

    def act(moment: Moment) -> ConsultationRequest:
        version = form.cleaned_data["version"]
        return services.unlink_patient(request_id=pk, expected_version=version, by=staff(request), now=moment.now)

    return _acted(request, pk, form, act, said="The link is gone; the patient's consent is what it was before.")


@require_POST
@requires(Can.EDIT_REQUESTS)
def register(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The person is new: into the registry with what they wrote."""
    form = RegisterForm(request.POST, today=moment_of(request).today)

    def act(moment: Moment) -> ConsultationRequest:
        return services.register_from_request(
            request_id=pk,
            birth_date=form.cleaned_data["birth_date"],
            expected_version=form.cleaned_data["version"],
            by=staff(request),
            now=moment.now,
        )

    return _acted(request, pk, form, act, said="Registered as a new patient.")


@require_POST
@requires(Can.EDIT_REQUESTS)
def close(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Off the board, with the reason; for spam that is one click, and one more takes it back."""
    form = CloseForm(request.POST)

    def act(moment: Moment) -> ConsultationRequest:
        return services.close_request(
            request_id=pk,
            reason=CloseReason(form.cleaned_data["reason"]),
            note=form.cleaned_data["note"],
            expected_version=form.cleaned_data["version"],
            by=staff(request),
            now=moment.now,
        )

    done = _try(request, pk, form, act)
    if isinstance(done, HttpResponse):
        return done
    said = f"{done.name}: closed, {done.get_closed_as_display().lower()}."
    if not is_fragment(request):
        messages.success(request, said)
        return go(request, "intake:request", pk)
    undo = reverse("intake:request_reopen", args=[pk])
    answer = announce(HttpResponse(status=204), "request-closed", text=said, url=undo, version=done.version)
    return announce(announce(answer, "close-sheet"), CHANGED)


@require_POST
@requires(Can.EDIT_REQUESTS)
def reopen(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Back on the board, where it stood."""
    form = CardForm(request.POST)

    def act(moment: Moment) -> ConsultationRequest:
        version = form.cleaned_data["version"]
        return services.reopen(request_id=pk, expected_version=version, by=staff(request), now=moment.now)

    return _acted(request, pk, form, act, said="The request is back on the board.")


def sheet_of(request: HttpRequest, pk: int, problem: Problem | None = None) -> HttpResponse:
    """The sheet, alone or as a page of its own; the reading is logged where the person is a patient."""
    row = get_object_or_404(with_card_facts(ConsultationRequest.objects.select_related("closed_by")), pk=pk)
    moment = moment_of(request)
    if row.patient is not None:
        record_reading(
            by=staff(request), subject_id=row.patient.resource_id, page="Request", path=request.path, now=moment.now
        )
    may_edit = staff(request).can(Can.EDIT_REQUESTS)
    is_open = row.status in OPEN_REQUEST_STATUSES
    matches = patients_like(row, today=moment.today) if is_open and row.patient is None else []
    mark_reach([one.patient for one in matches], person=staff(request), now=moment.now)
    context = {
        "row": row,
        "card": Card(row, moment.now),
        "problem": problem,
        "may_edit": may_edit,
        "is_open": is_open,
        "is_closable": row.status in CLOSABLE,
        "is_closed": row.status == RequestStatus.CLOSED,
        "matches": matches,
        "asked_also": asked_also(row, by=staff(request)) if is_open else [],
        "owners": owners() if may_edit and is_open else [],
        "outcomes": ContactOutcome.choices,
        "reasons": [choice for choice in CloseReason.choices if choice[0] != CloseReason.SPAM],
        "help_words": [HELP_WORDS.get(name, name) for name in row.seeks_help_for],
        "weekday_words": [WEEKDAY_WORDS[day] for day in row.wished_weekdays if day < len(WEEKDAY_WORDS)],
        "slots": SLOTS,
        "level": 3 if is_fragment(request) else 2,  # of the headings: under the sheet's own, or under the page's
        "crisis": worded(getattr(row.location, "intake_settings", None)).crisis_text,
        "today": moment.today,
    }
    name = "patients/intake/_request.html" if is_fragment(request) else "patients/intake/request.html"
    return render(request, name, context, status=problem.status if problem else 200)


# --- helpers of these views -------------------------------------------------------------------------------------------
def _acted(
    request: HttpRequest, pk: int, form: CardForm, act: Callable[[Moment], ConsultationRequest], *, said: str
) -> HttpResponseBase:
    """The act was done and the page says so, or the sheet says why not and keeps what was typed."""
    done = _try(request, pk, form, act)
    if isinstance(done, HttpResponse):
        return done
    if is_fragment(request):
        return announce(announce(sheet_of(request, pk), "notice", text=said), CHANGED)
    messages.success(request, said)
    return go(request, "intake:request", pk)


def _try(
    request: HttpRequest, pk: int, form: CardForm, act: Callable[[Moment], ConsultationRequest]
) -> ConsultationRequest | HttpResponse:
    """The request after the act, or the sheet with the reason why nothing was done."""
    get_object_or_404(ConsultationRequest.objects.only("pk"), pk=pk)
    problem = ""
    if not form.is_valid():
        problem = " ".join(str(error) for errors in form.errors.values() for error in errors)
    else:
        try:
            return act(moment_of(request))
        except (StaleRequestError, RequestRefusedError) as refused:
            problem, status = str(refused), 409 if isinstance(refused, StaleRequestError) else 422
            return sheet_of(request, pk, Problem(problem, status, request.POST.dict()))
        except ValidationError as refused:
            problem = " ".join(refused.messages)
    return sheet_of(request, pk, Problem(problem, 422, request.POST.dict()))
