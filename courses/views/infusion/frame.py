"""The frame of an infusion day: reads the day once, lets each section show its part, and answers every act.

A section is a module with ``section(desk, user, **bound)``; what it bound (a form with errors) comes back to it alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.module_loading import import_string

from clinic.edge.access import staff
from clinic.edge.htmx import announce, go, is_fragment
from clinic.models import Booking, User
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from courses.pure.phases import PHASE_LABELS, DayPhase, phase_of
from courses.services.dosing import say_order
from courses.services.infusion_desk import Desk, read_desk


class State(StrEnum):
    """How a section stands: it waits for its turn, is the one to do now, is done, or does not apply."""

    WAITING = "waiting"
    NOW = "now"
    DONE = "done"
    ASKS = "asks"  # something in it needs an act: an alarm, a hold


@dataclass(frozen=True, slots=True)
class Section:
    """What a section says of itself. ``summary`` stands in its head; ``act`` is what the bar at the bottom offers."""

    state: State
    summary: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    act: str = ""  # the label of the one next act, where this section is the one to do now


class Builder(Protocol):
    def __call__(self, desk: Desk, user: User, **bound: Any) -> Section: ...


# name, title, icon, the function that builds it
SECTIONS = (
    ("checkin", "Check-in", "clipboard-check", "courses.views.infusion.checkin.section"),
    ("dose", "Dose", "vaccine", "courses.views.infusion.dose.section"),
    ("stock", "Drug drawn", "bottle", "courses.views.infusion.stock.section"),
    ("run", "Infusion", "droplet", "courses.views.infusion.run.section"),
    ("flowsheet", "Vital signs", "heartbeat", "courses.views.infusion.flowsheet.section"),
    ("effects", "Side effects", "mood-sick", "courses.views.infusion.effects.section"),
    ("discharge", "Leaving", "door-exit", "courses.views.infusion.discharge.section"),
    ("sign", "Signing", "signature", "courses.views.infusion.sign.section"),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One section, ready for its template ``courses/infusion/_<name>.html``."""

    name: str
    title: str
    icon: str
    section: Section

    @property
    def template(self) -> str:
        return f"courses/infusion/_{self.name}.html"

    @property
    def is_open(self) -> bool:
        return self.section.state in (State.NOW, State.ASKS)


STEPS = (
    ("Prepare", (DayPhase.ARRIVED, DayPhase.PREPARING)),
    ("Infuse", (DayPhase.INFUSING, DayPhase.PAUSED)),
    ("Observe", (DayPhase.OBSERVING,)),
    ("Leave", (DayPhase.READY,)),
)


def desk_or_404(booking_id: int) -> Desk:
    try:
        return read_desk(booking_id, now=timezone.now())
    except Booking.DoesNotExist as error:
        raise Http404 from error


def stamp_of(desk: Desk) -> str:
    """Changes with every write to the record or its booking, and with every amendment."""
    return f"{desk.version}.{desk.booking.version}.{len(desk.amendments)}"


def shown_sections(desk: Desk, user: User, bound: Mapping[str, Mapping[str, Any]]) -> list[Shown]:
    found = []
    for name, title, icon, path in SECTIONS:
        build: Builder = import_string(path)
        found.append(Shown(name, title, icon, build(desk, user, **bound.get(name, {}))))
    return found


def render_day(
    request: HttpRequest, desk: Desk, *, bound: Mapping[str, Mapping[str, Any]] | None = None, status: int = 200
) -> HttpResponse:
    """The whole page, or for htmx all its sections; the browser swaps those that changed (static/js/infusion.js).

    Whoever opens the whole page reads the record, at whichever address of the day it is asked for.
    """
    user, subject = staff(request), desk.booking.subject_id
    if request.method == "GET" and not is_fragment(request) and subject:
        record_reading(by=user, subject_id=subject, page="Infusion day", path=request.path, now=desk.now)
    sections = shown_sections(desk, user, bound or {})
    by_name = {one.name: one.section for one in sections}
    is_ready = by_name["discharge"].state is State.NOW
    phase = phase_of(desk.booking.status, desk.run, chair_until=desk.booking.end, now=desk.now, is_ready=is_ready)
    order = list(DayPhase)
    context = {
        "desk": desk,
        "place": desk.place,
        "patient": desk.patient,
        "sections": sections,
        "phase": phase,
        "phase_label": PHASE_LABELS[phase],
        "steps": [(label, _standing(phases, phase, order)) for label, phases in STEPS],
        "next": next((one for one in sections if one.section.act), None),
        "stamp": stamp_of(desk),
        "dose_said": say_order(desk.order) if desk.order else "",
        "acted": next(iter(bound), "") if bound else "",
        "may_run": user.can(Can.RUN_INFUSION) and not desk.is_signed and not desk.is_ended,
    }
    template = "courses/infusion/_day.html" if is_fragment(request) else "courses/infusion/day.html"
    return render(request, template, context, status=status)


def _standing(phases: tuple[DayPhase, ...], phase: DayPhase, order: list[DayPhase]) -> str:
    if phase in phases:
        return "now"
    return "done" if order.index(phase) > order.index(phases[-1]) else "todo"


def done(request: HttpRequest, booking_id: int, *, notice: str = "") -> HttpResponseBase:
    """What was asked for happened: the day as it stands now, with a word about it where that is not plain to see."""
    if not is_fragment(request):
        return go(request, reverse("infusion:day", args=[booking_id]))
    answer = render_day(request, desk_or_404(booking_id))
    return announce(answer, "notice", text=notice, level="success") if notice else answer


def refused(
    request: HttpRequest, booking_id: int, section: str, *, problem: str = "", status: int = 422, **bound: Any
) -> HttpResponseBase:
    """Nothing was saved: the section comes back with what was typed and what is wrong.

    Args:
        section: whose act it was; it is told ``problem`` and ``bound``.
        status: 422 for what was wrong, 409 when somebody was faster.
    """
    if problem:
        bound["problem"] = problem
    return render_day(request, desk_or_404(booking_id), bound={section: bound}, status=status)
