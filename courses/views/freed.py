"""A freed time: who would be better off with it, called or asked by a link; and the waiting list of the location."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.htmx import is_fragment
from clinic.edge.lists import listing
from clinic.pure.roles import Can
from courses.forms.offers import PlanForm, ReasonForm
from courses.models import FreedSlot, SlotOffer
from courses.services import offers as service
from courses.services.freed import Freed, read_freed
from courses.services.freed_for import Found, candidates_for
from courses.services.offers import OfferRefusedError, Plan, plan_token, read_plan
from courses.services.waiting import say_wishes, waiting_at
from patients.adapters.qr import qr_code
from patients.services.messages.addressing import choose_for

WAITING_SORTS = {
    "patient": ["patient__family_name", "patient__given_name"],
    "since": ["opened_at"],
    "next": ["next_day"],
}
Act = Callable[[HttpRequest, Freed, Plan, datetime], HttpResponseBase]


@requires(Can.MOVE_INFUSION)
@require_GET
def freed(request: HttpRequest, slot_id: int) -> HttpResponse:
    """For whom the time would be better, each with the reason and the number to call."""
    now = timezone.now()
    return _page(request, _read(slot_id, now), now)


@requires(Can.MOVE_INFUSION)
@require_GET
def fit(request: HttpRequest, slot_id: int) -> HttpResponseBase:
    """For how many the time is legal and better, as Today says it; by itself the address leads to the names.

    It asks the calendar, which Today has no queries left for, so Today fetches it a moment later.
    """
    if not is_fragment(request):
        return redirect("worklists:freed", slot_id)
    now = timezone.now()
    found = _read(slot_id, now)
    who = candidates_for(found, now=now) if found.is_open_at(now) else None
    context = {"number": None if who is None else len(who.candidates), "is_most": who is not None and who.is_cut}
    return render(request, "courses/worklists/_freed_fit.html", context)


@requires(Can.MOVE_INFUSION)
@require_POST
def accepted(request: HttpRequest, slot_id: int) -> HttpResponseBase:
    """The patient on the telephone takes it: booked at once."""

    def act(request: HttpRequest, freed: Freed, plan: Plan, now: datetime) -> HttpResponseBase:
        offer = service.accept_by_call(plan, by=staff(request), now=now)
        messages.success(request, f"{offer.patient.name} has the time now.")
        return redirect("worklists:freed", freed.slot.pk)

    return _with_plan(request, slot_id, act)


@requires(Can.MOVE_INFUSION)
@require_POST
def declined(request: HttpRequest, slot_id: int) -> HttpResponseBase:
    """The patient on the telephone does not want it."""

    def act(request: HttpRequest, freed: Freed, plan: Plan, now: datetime) -> HttpResponseBase:
        said = request.POST.get("reason", "").replace("\x00", "")[:120]
        offer = service.decline_by_call(plan, reason=said, by=staff(request), now=now)
        messages.info(request, f"{offer.patient.name} is not asked again about this time.")
        return redirect("worklists:freed", freed.slot.pk)

    return _with_plan(request, slot_id, act)


@requires(Can.MOVE_INFUSION)
@require_POST
def by_link(request: HttpRequest, slot_id: int) -> HttpResponseBase:
    """A link for the patient; its address is shown in the answer to the press, and never again."""

    def act(request: HttpRequest, freed: Freed, plan: Plan, now: datetime) -> HttpResponseBase:
        offer, token = service.offer_by_link(plan, valid_min=freed.offer_min, by=staff(request), now=now)
        address = request.build_absolute_uri(reverse("offer:offer", args=[token]))
        to = choose_for(offer.patient, freed.slot.location)
        made: dict[str, Any] = {"made": offer, "address": address, "code": qr_code(address), "to": to}
        answer = _page(request, _read(slot_id, now), now, **made)
        answer["Cache-Control"] = "no-store, private"
        return answer

    return _with_plan(request, slot_id, act)


@requires(Can.MOVE_INFUSION)
@require_POST
def withdraw(request: HttpRequest, slot_id: int, offer_id: int) -> HttpResponseBase:
    """A link that is out takes nothing any more."""
    try:
        offer = service.withdraw(offer_id, slot_id=slot_id, by=staff(request), now=timezone.now())
    except (FreedSlot.DoesNotExist, SlotOffer.DoesNotExist) as error:
        raise Http404 from error
    if offer.state == "withdrawn":
        messages.success(request, "The link was withdrawn. It takes nothing any more.")
    else:
        messages.info(request, f"It was answered already: {offer.get_state_display().lower()}.")
    return redirect("worklists:freed", slot_id)


@requires(Can.MOVE_INFUSION)
@require_POST
def leave_open(request: HttpRequest, slot_id: int) -> HttpResponseBase:
    """Nobody is asked; the task is over, with the reason."""
    now = timezone.now()
    found, form = _read(slot_id, now), ReasonForm(request.POST)
    if not form.is_valid():
        return _page(request, found, now, leave=form, status=422)
    try:
        service.leave_open(slot_id, reason=form.cleaned_data["reason"], by=staff(request), now=now)
    except OfferRefusedError as refusal:
        return _refused(request, slot_id, now, refusal)
    messages.success(request, "The time stays open. Nobody is asked any more.")
    return redirect("worklists:freed", slot_id)


@requires(Can.VIEW_WORKLISTS)
@require_GET
def waiting(request: HttpRequest) -> HttpResponse:
    """Who would come earlier at this location."""
    place = current_location(request)
    context: dict[str, Any] = {"place": place}
    if place is not None:
        found = listing(request, waiting_at(place), sorts=WAITING_SORTS, default="since")
        context |= {"listing": found, "rows": [(entry, say_wishes(entry)) for entry in found.rows]}
    return render(request, "courses/worklists/waiting.html", context)


# -- parts -------------------------------------------------------------------------------------------------------------


def _read(slot_id: int, now: datetime) -> Freed:
    try:
        return read_freed(slot_id, now)
    except FreedSlot.DoesNotExist as error:
        raise Http404 from error


def _with_plan(request: HttpRequest, slot_id: int, act: Act) -> HttpResponseBase:
    """What the page showed is read from the form; a refusal is said on the page, as the calendar is now."""
    now = timezone.now()
    found, form = _read(slot_id, now), PlanForm(request.POST)
    try:
        plan = form.cleaned_data["plan"] if form.is_valid() else ""
        return act(request, found, read_plan(plan, slot_id=slot_id), now)
    except OfferRefusedError as refusal:
        return _refused(request, slot_id, now, refusal)


def _refused(request: HttpRequest, slot_id: int, now: datetime, refusal: OfferRefusedError) -> HttpResponseBase:
    status = 409 if isinstance(refusal, service.SlotGoneError) else 422
    return _page(request, _read(slot_id, now), now, problem=str(refusal), status=status)


def _page(request: HttpRequest, found: Freed, now: datetime, *, status: int = 200, **known: Any) -> HttpResponse:
    is_open = found.is_open_at(now)
    who = candidates_for(found, now=now) if is_open else Found()
    links = {one.patient_id for one in found.asked if one.is_open}
    context = {
        "freed": found,
        "slot": found.slot,
        "place": found.slot.location,
        "now": now,
        "is_open": is_open,
        "why_closed": found.why_closed(now),
        "minutes_free": (found.slot.end - found.slot.start).seconds // 60,
        "candidates": [(one, plan_token(found, one), one.patient_id in links) for one in who.candidates],
        "waiting": [(one, say_wishes(one.entry)) for one in who.waiting],
        "leave": ReasonForm(),
    } | known
    return render(request, "courses/worklists/freed.html", context, status=status)
