"""Staff ask a patient to fill in questionnaires: by a link on the patient's phone, or on this device."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.handover import hand_over
from clinic.edge.lists import listing
from clinic.models import Location
from clinic.pure.roles import Can
from patients.adapters.qr import qr_code
from patients.forms.measure_links import SendForm
from patients.models import LinkKind, MeasureLink, Message, Patient
from patients.pure.measures import sendable_measures
from patients.pure.questionnaire import minutes_for, steps_of
from patients.services.measure_links import create_link, links_of, progress_of, revoke
from patients.services.messages.addressing import choose_for, zone_of
from patients.services.messages.questionnaires import CannotSendError, messages_of_links, send_questionnaire
from patients.services.registry import MergedPatientError
from patients.views.record import Head, open_record, to_kept

PAGE_SIZE = 20
USUAL = {"measures": ["phq9"]}
MERGED = "This record was merged into another one. Load the page again."
NO_PLACE = "Set up a location first: the page of a questionnaire names it."


@require_http_methods(["GET", "POST"])
@requires(Can.SEND_MEASURE)
def send(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Which links this patient has, and a new one. Its address is shown in the answer to the press, and never again."""
    head = open_record(request, pk, tab="measures:send", page="Questionnaire links")
    if isinstance(head, HttpResponseBase):
        return head
    form = SendForm(request.POST if request.method == "POST" else None, initial=USUAL)
    if request.method == "POST":
        made = _make(request, head.patient, form, LinkKind.PHONE)
        if made is not None:
            link, token = made
            url = request.build_absolute_uri(reverse("public:questionnaire", args=[token]))
            return _page(request, head, SendForm(initial=USUAL), link=link, url=url, code=qr_code(url))
    return _page(request, head, form)


@require_POST
@requires(Can.SEND_MEASURE)
def send_message(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The questionnaire goes out by text or e-mail, as the patient agreed; nobody sees its link."""
    head = open_record(request, pk, tab="measures:send", page="Questionnaire links")
    if isinstance(head, HttpResponseBase):
        return head
    form = SendForm(request.POST)
    place = _place_for(request, form)
    if place is None:
        return _page(request, head, form)
    try:
        _, message = send_questionnaire(
            patient=head.patient,
            measures=form.cleaned_data["measures"],
            location=place,
            by=staff(request),
            now=timezone.now(),
        )
    except CannotSendError as refused:
        form.add_error(None, str(refused))
    except MergedPatientError:
        form.add_error(None, MERGED)
    except ValidationError as refused:
        form.add_error(None, refused.messages[0])
    else:
        messages.success(request, said_of(message, head.patient, place))
        return redirect("measures:send", pk)
    return _page(request, head, form)


def said_of(message: Message, patient: Patient, place: Location) -> str:
    """What the page says after somebody sent a message: "It goes out now." or when."""
    now = timezone.now()
    if message.due_at <= now:
        return "The questionnaire goes out now. What became of it stands below."
    local = message.due_at.astimezone(zone_of(patient, place))
    return f"It is night where the patient is: the questionnaire goes out on {local:%a %-d %b at %H:%M} there."


@require_POST
@requires(Can.SEND_MEASURE)
def hand_device_over(request: HttpRequest, pk: int) -> HttpResponseBase:
    """This browser shows the questionnaire and nothing else, until somebody of the team takes it back."""
    patient = get_object_or_404(Patient, pk=pk)
    if patient.merged_into_id:
        return to_kept(request, patient, "measures:send")
    form = SendForm(request.POST)
    made = _make(request, patient, form, LinkKind.TABLET)
    if made is None:
        head = open_record(request, pk, tab="measures:send", page="Questionnaire links")
        return head if isinstance(head, HttpResponseBase) else _page(request, head, form)
    home = reverse("public:questionnaire", args=[made[1]])
    hand_over(request, home=home, back=reverse("measures:send", args=[pk]))
    return redirect(home)


@require_POST
@requires(Can.SEND_MEASURE)
def revoke_link(request: HttpRequest, pk: int, link_id: int) -> HttpResponseBase:
    """The link opens nothing any more."""
    try:
        link = revoke(patient_id=pk, link_id=link_id, by=staff(request), now=timezone.now())
    except MeasureLink.DoesNotExist:
        messages.error(request, "This patient has no such link. Nothing was changed.")
        return redirect("measures:send", pk)
    if link.revoked_at is None:
        messages.info(request, "The patient had sent the answers already. They are in the record.")
    else:
        messages.success(request, "The link was taken back. It opens nothing any more.")
    return redirect("measures:send", pk)


# --- parts ------------------------------------------------------------------------------------------------------------
def _make(request: HttpRequest, patient: Patient, form: SendForm, kind: LinkKind) -> tuple[MeasureLink, str] | None:
    """The link and its token; None when the form says what is wrong."""
    place = _place_for(request, form)
    if place is None:
        return None
    try:
        return create_link(
            patient=patient,
            measures=form.cleaned_data["measures"],
            kind=kind,
            location=place,
            by=staff(request),
            now=timezone.now(),
        )
    except MergedPatientError:
        form.add_error(None, MERGED)
    except ValidationError as refused:
        form.add_error(None, refused.messages[0])
    return None


def _place_for(request: HttpRequest, form: SendForm) -> Location | None:
    """Where it is asked; None when the form says what is wrong."""
    if not form.is_valid():
        return None
    place = current_location(request)
    if place is None:
        form.add_error(None, NO_PLACE)
    return place


def _page(request: HttpRequest, head: Head, form: SendForm, **context: Any) -> HttpResponseBase:
    page = listing(request, links_of(head.patient), sorts={"sent": ["created_at"]}, default="-sent", size=PAGE_SIZE)
    chosen = set(form["measures"].value() or ())
    place = current_location(request)
    told = messages_of_links(page.rows)
    context |= {
        "head": head,
        "patient": head.patient,
        "form": form,
        "place": place,
        "address": choose_for(head.patient, place) if place is not None else None,
        "choices": [
            {
                "measure": one,
                "is_chosen": one.code in chosen,
                "questions": len(one.items),
                "minutes": minutes_for(steps_of([one.code])),
            }
            for one in sendable_measures()
        ],
        "listing": page,
        "rows": [(row, told.get(row.link.pk)) for row in progress_of(page.rows, now=head.moment.now)],
        "may_read": staff(request).can(Can.VIEW_CLINICAL),
    }
    return render(request, "patients/questionnaire/send.html", context, status=422 if form.errors else 200)
