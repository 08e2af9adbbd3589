"""Which measures are due, and what is done about each: sent, entered or waived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.handover import hand_over
from clinic.models import User
from clinic.pure.roles import Can
from courses.forms.follow_up import Act, ActForm, UndoForm, WaiveForm
from courses.models import Course
from courses.services.follow_up import Schedule, read_schedule
from courses.services.follow_up_acts import (
    FollowUpRefusedError,
    message_item,
    send_item,
    strike_waiver,
    waive_item,
)
from courses.services.messages.measures import messages_about
from courses.views.following.frame import open_course
from patients.adapters.qr import qr_code
from patients.models import LinkKind
from patients.services.messages.addressing import choose_for
from patients.services.registry import MergedPatientError
from patients.views.measure_links import said_of

MERGED = "This record was merged into another one. Open the patient again."


@requires(Can.VIEW_COURSE)
@require_GET
def schedule(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What is due now first, the rest of the schedule below; the front desk sees no scores and no reasons."""
    course, context = open_course(request, pk, page="Follow-up")
    return _page(request, course, context)


@dataclass(frozen=True, slots=True)
class Refused:
    """What was wrong with one act, shown beside its item."""

    act: str
    key: str
    text: str
    form: forms.Form | None = None
    act_id: int = 0


@requires(Can.SEND_MEASURE)
@require_POST
def act(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One item is sent (its address is shown in the answer, and never again), waived, or a waiver struck."""
    course, context = open_course(request, pk, page="Follow-up")
    form = ActForm(request.POST)
    if not form.is_valid():
        return _page(request, course, context, Refused("", "", "This could not be read. Load the page again."))
    what, key = Act(form.cleaned_data["act"]), form.cleaned_data["key"]
    if what in (Act.WAIVE, Act.UNDO) and not staff(request).can(Can.WAIVE_MEASURE):
        raise PermissionDenied("Your role does not include this.")
    done = {Act.WAIVE: _waive, Act.UNDO: _undo, Act.MESSAGE: _message}.get(what)
    try:
        if done is not None:
            return done(request, course, context, key)
        return _send(request, course, context, what, key)
    except FollowUpRefusedError as refusal:
        return _page(request, course, context, Refused(what, key, str(refusal)), status=409)
    except MergedPatientError:
        return _page(request, course, context, Refused(what, key, MERGED), status=409)


def _send(request: HttpRequest, course: Course, context: dict[str, Any], what: Act, key: str) -> HttpResponseBase:
    kind = LinkKind.TABLET if what is Act.TABLET else LinkKind.PHONE
    try:
        link, token = send_item(course, key=key, kind=kind, by=staff(request), now=context["now"])
    except ValidationError as refused:  # the patient has died
        return _page(request, course, context, Refused(what, key, refused.messages[0]))
    home = reverse("public:questionnaire", args=[token])
    if kind is LinkKind.TABLET:
        hand_over(request, home=home, back=reverse("following:schedule", args=[course.pk]))
        return redirect(home)
    url = request.build_absolute_uri(home)
    return _page(request, course, context | {"link": link, "url": url, "code": qr_code(url)})


def _message(request: HttpRequest, course: Course, context: dict[str, Any], key: str) -> HttpResponseBase:
    try:
        message = message_item(course, key=key, by=staff(request), now=context["now"])
    except ValidationError as refused:  # the patient has died
        return _page(request, course, context, Refused(Act.MESSAGE, key, refused.messages[0]))
    messages.success(request, said_of(message, course.patient, course.location))
    return redirect("following:schedule", course.pk)


def _waive(request: HttpRequest, course: Course, context: dict[str, Any], key: str) -> HttpResponseBase:
    form = WaiveForm(request.POST)
    if form.is_valid():
        try:
            done = waive_item(course, key=key, by=staff(request), now=context["now"], **form.cleaned_data)
        except ValidationError as refused:
            form.add_error(None, refused)
        else:
            messages.success(request, f"Waived: {len(done)} of this item. The reason stays with it.")
            return redirect("following:schedule", course.pk)
    return _page(request, course, context, Refused(Act.WAIVE, key, "", form))


def _undo(request: HttpRequest, course: Course, context: dict[str, Any], key: str) -> HttpResponseBase:
    form = UndoForm(request.POST)
    if form.is_valid():
        data = form.cleaned_data
        try:
            strike_waiver(course, act_id=data["act_id"], reason=data["reason"], by=staff(request), now=context["now"])
        except ValidationError as refused:
            form.add_error(None, refused)
        else:
            messages.success(request, "The waiver was struck: the measure is asked for again.")
            return redirect("following:schedule", course.pk)
    act_id = form.cleaned_data.get("act_id") or 0
    return _page(request, course, context, Refused(Act.UNDO, key, "", form, act_id))


def _page(
    request: HttpRequest,
    course: Course,
    context: dict[str, Any],
    refused: Refused | None = None,
    *,
    status: int = 422,
) -> HttpResponseBase:
    found = read_schedule(course, context["now"])
    _name_people(found)
    told = messages_about(found)
    context |= {
        "schedule": found,
        "address": choose_for(course.patient, course.location),
        "now_rows": [(item, told.get(item.key)) for item in found.now],
        "groups": found.groups(),
        "refused": refused,
        "first_sendable": next((item.key for item in found.now if item.sendable and not item.due.is_optional), ""),
    }
    return render(request, "courses/following/schedule.html", context, status=status if refused else 200)


def _name_people(found: Schedule) -> None:
    """Who waived what, in one query; none where nothing was waived."""
    waivers = [line.waiver for item in found.items for line in item.lines if line.waiver is not None]
    users = User.objects.in_bulk({one.by_id for one in waivers}) if waivers else {}
    for one in waivers:
        one.by = users[one.by_id]
