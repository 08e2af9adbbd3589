"""The infusion itself: taps with their time, what was delivered, corrections that stay visible."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_POST

from clinic.edge.access import requires, staff
from clinic.edge.numbers import number_in
from clinic.models import User
from clinic.pure.roles import Can
from courses.forms.run import CorrectForm, TapForm
from courses.models import RunEvent, RunKind
from courses.pure.doses import plain
from courses.pure.running import DEVICE_REST
from courses.services.dosing import BEFORE_THE_START
from courses.services.infusion_desk import Desk
from courses.services.infusion_record import DayRefusedError
from courses.services.running import EARLY_END, Tapped, correct_tap, lacking, needs_prescriber, tap, tap_id
from courses.views.infusion.dose import status_of
from courses.views.infusion.frame import Section, State, desk_or_404, done, refused

ICONS = {
    RunKind.START: "player-play",
    RunKind.PAUSE: "player-pause",
    RunKind.RESUME: "player-play",
    RunKind.STOP: "player-stop",
    RunKind.END: "flag",
    RunKind.DEVICE: "spray",
}


# -- the section -------------------------------------------------------------------------------------------------------
def section(desk: Desk, user: User, **bound: Any) -> Section:
    """How far it is, what may be tapped next, and every tap with its corrections."""
    run = desk.run
    may_run = user.can(Can.RUN_INFUSION) and not desk.is_signed and not desk.is_ended
    is_before = desk.booking.status in BEFORE_THE_START and not run.is_started
    missing = lacking(desk) if is_before else []
    alarm = needs_prescriber(desk) if run.is_paused else None
    may_resume = run.is_paused and (alarm is None or user.can(Can.ORDER_DOSE))
    remaining = run.remaining(desk.now)
    context: dict[str, Any] = {
        "run": run,
        "may_run": may_run,
        "is_before": is_before,
        "missing": missing,
        "may_start": is_before and not missing,
        "alarm": alarm,
        "may_resume": may_resume,
        "is_due": run.is_running and remaining <= EARLY_END,
        "numbers": _numbers(desk),
        "device": _device(desk),
        "taps": _shown(desk),
        "uids": {kind.value: tap_id(desk, kind.value, user) for kind in RunKind},
        "problem": bound.get("problem", ""),
        "problem_at": bound.get("kind", ""),
        "reason": bound.get("reason", ""),
        "event": bound.get("event"),
    }
    state, summary, act = _standing(desk, context, remaining)
    return Section(state, summary, context, act if may_run else "")


def _standing(desk: Desk, context: dict[str, Any], remaining: timedelta) -> tuple[State, str, str]:
    run, device = desk.run, context["device"]
    if run.is_over:
        numbers = context["numbers"]
        rest = "not given" if desk.is_nasal else "to waste"
        given = f"{numbers['delivered']} of {numbers['dose']} mg delivered"
        early = f"stopped early, {given}, {numbers['waste']} {rest}" if run.stopped_early else ""
        return State.DONE, early or f"{numbers['delivered']} mg delivered", ""
    if not run.is_started and not context["may_start"]:
        return State.WAITING, f"{len(context['missing'])} still missing" if context["missing"] else "", ""
    if not run.is_started:
        return State.NOW, "", device["label"] if desk.is_nasal else "Start the infusion"
    if desk.is_nasal:
        is_resting = device["rest_until"] is not None and device["rest_until"] > desk.now
        act = "" if is_resting else device["label"]
        return State.NOW, f"device {device['used']} of {device['ordered']} used", act
    if run.is_paused:
        return State.ASKS, "paused", "Resume the infusion" if context["may_resume"] else ""
    return State.NOW, "running", "End the infusion" if remaining <= EARLY_END else ""


def _numbers(desk: Desk) -> dict[str, Any]:
    """What was delivered and what is left over, by R8; nothing before the start."""
    given, run = desk.order_given, desk.run
    if given is None:
        return {}
    delivered = desk.delivered_mg or given.contains_mg * 0
    return {
        "dose": plain(given.contains_mg),
        "contains": str(given.contains_mg),
        "delivered": plain(delivered),
        "waste": plain(given.contains_mg - delivered),
        "has_waste": run.is_over and given.contains_mg > delivered,
        "planned_s": run.planned_min * 60,
        "ran_s": int(run.run_for(desk.now).total_seconds()),
        "ran": _clock(run.run_for(desk.now)),
        "before_ms": int(run.ran.total_seconds() * 1000),
        "ends_at": run.running_since + timedelta(minutes=run.planned_min) - run.ran if run.running_since else None,
    }


def _clock(span: timedelta) -> str:
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    return f"{minutes}:{seconds:02d}"


def _device(desk: Desk) -> dict[str, Any]:
    """Which nasal device comes next, and until when the nose rests."""
    order = desk.order_given or desk.order
    used = desk.run.devices
    return {
        "used": len(used),
        "next": len(used) + 1,
        "label": f"Device {len(used) + 1} used",
        "ordered": (order.devices if order else None) or 1,
        "rest_until": max(used) + DEVICE_REST if used else None,
    }


def _shown(desk: Desk) -> list[dict[str, Any]]:
    """Every tap in the order of its instant, struck ones too; what only accompanies a nasal device is left out."""
    shown = [one for one in desk.all_taps if not (desk.is_nasal and one.kind in (RunKind.START, RunKind.END))]
    return [
        {
            "event": one,
            "label": one.get_kind_display(),
            "icon": ICONS[RunKind(one.kind)],
            "by": desk.name(one.by_id),
            "struck_by": desk.name(one.struck_by_id),
            "is_late": one.received_at - one.at > timedelta(minutes=2) and one.corrects_id is None,
        }
        for one in sorted(shown, key=lambda one: (one.at, one.pk))
    ]


# -- taps --------------------------------------------------------------------------------------------------------------
@requires(Can.RUN_INFUSION)
@require_POST
def record_tap(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """The tap is on record; or nothing is, and the page says how it stands."""
    desk, form = desk_or_404(booking_id), TapForm(request.POST)
    if not form.is_valid():
        problem = " ".join(str(text) for texts in form.errors.values() for text in texts)
        return refused(request, booking_id, "run", problem=problem, kind=request.POST.get("kind", ""))
    values = form.cleaned_data
    tapped = Tapped(
        kind=values["kind"],
        uid=values["uid"] or values["once"] or uuid4(),
        at=values["at"] or desk.now,
        reason=values["reason"],
        for_adverse_event=values["for_adverse_event"],
        order=values["order"],
        number=values["number"],
    )
    typed: dict[str, Any] = {"kind": tapped.kind, "reason": tapped.reason}
    try:
        event = tap(booking_id=booking_id, tapped=tapped, by=staff(request), now=desk.now)
    except ValidationError as error:
        return refused(request, booking_id, "run", problem=" ".join(error.messages), **typed)
    except DayRefusedError as refusal:
        return refused(request, booking_id, "run", status=status_of(refusal), problem=str(refusal), **typed)
    return done(request, booking_id, notice=_notice(desk, event))


def _notice(desk: Desk, event: RunEvent) -> str:
    return f"{event.get_kind_display()} at {desk.place.local(event.at):%H:%M}."


@requires(Can.RUN_INFUSION)
@require_POST
def correct(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """The tap has its right time, or is taken out; the old one stays visible, struck, with the reason."""
    desk, form = desk_or_404(booking_id), CorrectForm(request.POST)
    event = number_in(request.POST.get("event"))
    if not form.is_valid() or event is None:
        problem = " ".join(str(text) for texts in form.errors.values() for text in texts)
        return refused(request, booking_id, "run", problem=problem or "Load the page again.", event=event)
    values = form.cleaned_data
    at: datetime | None = None
    if not values["is_removed"]:
        at = desk.place.at(desk.place.local(desk.booking.start).date(), values["clock"])
    try:
        correct_tap(
            booking_id=booking_id, event_id=event, at=at, reason=values["reason"], by=staff(request), now=desk.now
        )
    except ValidationError as error:
        return refused(request, booking_id, "run", problem=" ".join(error.messages), event=event)
    except DayRefusedError as refusal:
        return refused(request, booking_id, "run", status=status_of(refusal), problem=str(refusal), event=event)
    return done(request, booking_id, notice="Corrected.")
