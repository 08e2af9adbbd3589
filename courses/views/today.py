"""Today: who comes when, where each visit is, what needs somebody, and the next step one click away."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.htmx import announce, is_fragment
from clinic.edge.links import own_page
from clinic.edge.numbers import number_in
from clinic.models import Booking, BookingKind, BookingStatus, Location, User
from clinic.pure.roles import Can
from clinic.services import bookings
from courses.services.attention import AtChairs, Need, chairs_at, needs_at, stock_needs, task_needs
from courses.services.day import VisitCard, day_span, visits_between
from courses.services.freed import gap_today
from courses.services.hours import open_days_of
from courses.services.moves import ChangeRefusedError
from courses.services.starts import Starts, starts_at
from courses.services.visits import UNDO_FOR, may_step, step_visit, undo_step
from courses.views.strip import strip
from patients.services.alerts import alerts_for_today

GROUPS: dict[str, tuple[str, frozenset[BookingStatus]]] = {
    "arriving": ("Arriving", frozenset({BookingStatus.BOOKED, BookingStatus.CONFIRMED})),
    "in": ("In clinic", frozenset({BookingStatus.ARRIVED, BookingStatus.IN_CHAIR, BookingStatus.OBSERVING})),
    "done": ("Done", frozenset({BookingStatus.DONE})),
    "off": ("Not happening", frozenset({BookingStatus.MISSED, BookingStatus.CANCELLED, BookingStatus.WITHHELD})),
}
# What comes next, and how the button says it. What follows the chair, the record of the infusion day says by itself
# (courses/services/visits.py); a consultation has no observation.
NEXT_STEP: dict[BookingStatus, tuple[BookingStatus, str]] = {
    BookingStatus.BOOKED: (BookingStatus.ARRIVED, "Arrived"),
    BookingStatus.CONFIRMED: (BookingStatus.ARRIVED, "Arrived"),
    BookingStatus.ARRIVED: (BookingStatus.IN_CHAIR, "In chair"),
}
NEXT_IN_CONSULTATION: dict[BookingStatus, tuple[BookingStatus, str]] = {
    **NEXT_STEP,
    BookingStatus.ARRIVED: (BookingStatus.IN_CHAIR, "With clinician"),
    BookingStatus.IN_CHAIR: (BookingStatus.DONE, "Done"),
}


SOON = timedelta(hours=1)
KEY = "recent_steps"  # in the session: what this person did last, so that only they are offered to take it back


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list: the visit, what to say about it now, and the step that this person may take."""

    card: VisitCard
    hint: str
    is_urgent: bool
    step: tuple[BookingStatus, str] | None
    can_confirm: bool
    can_undo: bool
    pencil: str = ""  # "Pencilled", or "Pencil ended"
    not_ready: str = ""  # what the first infusion still needs, by name
    day_url: str = ""  # the infusion's own page, once somebody is here
    due: datetime | None = None  # when vital signs are due next
    is_due_late: bool = False


@requires(Can.VIEW_CALENDAR)
@require_GET
def today(request: HttpRequest) -> HttpResponseBase:
    place = current_location(request)
    if place is None:
        return render(request, "courses/today_empty.html")
    context = _board(request, place, timezone.now())
    if not is_fragment(request):
        return render(request, "courses/today.html", context)
    if request.GET.get("seen") != context["seen"]:
        return _fragment(request, context)
    # Polling answers "nothing new" while nothing changed; when only the clock moved on, it says so, and a page whose
    # controls are being used is not swapped under somebody's hands (static/js/today.js).
    if request.GET.get("clock") == context["clock"]:
        return HttpResponse(status=204)
    answer = _fragment(request, context)
    answer["X-Board-Only-Clock"] = "1"
    return answer


@requires(Can.EDIT_BOOKING, Can.RUN_INFUSION)
@require_POST
def step(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    problem, status = _take_step(request, booking_id)
    return _answer(request, problem, status)


@requires(Can.EDIT_BOOKING, Can.RUN_INFUSION)
@require_POST
def step_back(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """What was just done about a visit was a mistake."""
    version = number_in(request.POST.get("version"))
    problem, status = "", 200
    try:
        if version is None:
            raise bookings.StepRefusedError("This could not be read. Load the page again.")
        undo_step(
            booking_id=get_object_or_404(Booking, pk=booking_id).pk,
            by=staff(request),
            now=timezone.now(),
            expected_version=version,
        )
    except bookings.TimeTakenError as refusal:
        problem, status = f"The time is taken by now, so this cannot be undone. {refusal}", 422
    except (bookings.BookingRefusedError, ChangeRefusedError) as refusal:
        problem, status = str(refusal), 422
    return _answer(request, problem, status)


def _answer(request: HttpRequest, problem: str, status: int) -> HttpResponseBase:
    place = current_location(request)
    if not is_fragment(request) or place is None:
        if problem:
            messages.error(request, problem)
        return redirect(safe_return(request, "courses:today"))
    answer = _fragment(request, _board(request, place, timezone.now()))
    answer.status_code = status
    return announce(answer, "notice", text=problem, level="error") if problem else answer


def safe_return(request: HttpRequest, default: str) -> str:
    """The page that a form without JavaScript came from, when it is one of ours."""
    return own_page(request, request.POST.get("next", ""), reverse(default))


def _take_step(request: HttpRequest, booking_id: int) -> tuple[str, int]:
    """An empty text and 200 when the step was taken, else what to say and the status."""
    wanted, version = request.POST.get("to", ""), number_in(request.POST.get("version"))
    if wanted not in BookingStatus.values or version is None:
        return "This step does not exist. Load the page again.", 422
    now = timezone.now()
    try:
        booking = step_visit(
            booking_id=booking_id, to=BookingStatus(wanted), by=staff(request), now=now, expected_version=version
        )
    except (bookings.BookingRefusedError, ChangeRefusedError) as refusal:
        return str(refusal), 422
    remember_step(request, booking, now)
    return "", 200


def remember_step(request: HttpRequest, booking: Booking, now: datetime) -> None:
    """For some minutes this person is offered to take it back."""
    fresh = {key: value for key, value in request.session.get(KEY, {}).items() if _is_recent(value[1], now)}
    request.session[KEY] = fresh | {str(booking.pk): [booking.version, now.isoformat()]}


def may_undo(request: HttpRequest, card: VisitCard, now: datetime) -> bool:
    """Whether this person did the last thing about the visit, a moment ago."""
    version, at = request.session.get(KEY, {}).get(str(card.booking_id), (None, ""))
    return version == card.version and _is_recent(at, now) and may_step(staff(request), card.status)


def _is_recent(at: str, now: datetime) -> bool:
    return now - datetime.fromisoformat(at) < UNDO_FOR


def _fragment(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    return render(request, "courses/_today_board.html", context)


def _board(request: HttpRequest, place: Location, now: datetime) -> dict[str, Any]:
    day = place.local(now).date()
    start, end = day_span(place, day)
    cards = visits_between(place, start, end, released=True, with_day=True)
    show = request.GET.get("show", "")
    show = show if show in GROUPS else ""
    visits = [c for c in cards if c.kind is not BookingKind.BLOCK]
    happening = [c for c in visits if c.status not in GROUPS["off"][1]]
    wanted = [c for c in visits if c.status in GROUPS[show][1]] if show else happening
    opened = open_days_of(place, day)[day]
    user = staff(request)
    may_see = user.can(Can.VIEW_CLINICAL) or user.can(Can.EDIT_BOOKING)  # complete or missing, by name
    starts = starts_at(place, happening, now=now, may_see=may_see)
    chairs = chairs_at(place, happening, user=user, now=now)
    later = [*starts.needs, *chairs.later, *stock_needs(place, user), *task_needs(place, user)]
    context: dict[str, Any] = {
        "place": place,
        "day": day,
        "opened": opened,
        "rows": [_row(request, card, now, starts, chairs) for card in wanted],
        "tabs": [("", "All", len(happening)), *((k, label, _count(visits, s)) for k, (label, s) in GROUPS.items())],
        "show": show,
        "alerts": alerts_for_today(place) if user.can(Can.VIEW_ALERT) else [],
        "needs": [*chairs.now, *needs_at(place, happening, now=now), *later],
        "strip": strip(place, [c for c in cards if c.status not in GROUPS["off"][1]], opened, now),
        "summary": _summary(happening),
        "gap": gap_today(place, now) if user.can(Can.MOVE_INFUSION) else None,
    }
    context["needs_count"] = len(context["alerts"]) + len(context["needs"])
    return context | {"seen": _digest(context), "clock": place.local(now).strftime("%H:%M")}


def _count(visits: Sequence[VisitCard], statuses: frozenset[BookingStatus]) -> int:
    return sum(card.status in statuses for card in visits)


def _digest(context: dict[str, Any]) -> str:
    """A short name for the facts that the page shows; words that only the clock changes are left out."""
    rows = [
        (
            row.card,
            row.step,
            row.can_confirm,
            row.can_undo,
            row.is_urgent,
            row.pencil,
            row.not_ready,
            row.due,
            row.is_due_late,
        )
        for row in context["rows"]
    ]
    needs = [
        (need.need, need.booking_id, need.course_id, need.who, need.text if need.need in STEADY else "")
        for need in context["needs"]
    ]
    alerts = [(one.pk, one.escalated_at, one.assigned_to_id) for one in context["alerts"]]
    facts = [context[key] for key in ("place", "day", "opened", "tabs", "summary", "gap")]
    bars = [[bar.card for bar in lane.bars] for lane in context["strip"].lanes]
    return hashlib.sha256(repr((facts, rows, needs, alerts, bars)).encode()).hexdigest()[:16]


STEADY = (Need.PENCILLED, Need.ALARM, Need.VITALS, Need.SIGN, Need.REMS, Need.STOCK, Need.TASKS)
"""Whose words do not change with the clock."""


def _row(request: HttpRequest, card: VisitCard, now: datetime, starts: Starts, chairs: AtChairs) -> Row:
    user = staff(request)
    table = NEXT_STEP if card.kind is BookingKind.INFUSION else NEXT_IN_CONSULTATION
    step = table.get(card.status)
    hint, is_urgent = _hint(card, now)
    due = chairs.due.get(card.booking_id)
    waited_for = starts.not_ready.get(card.course_id or 0) if card.number == 1 else None
    return Row(
        card=card,
        hint=hint,
        is_urgent=is_urgent,
        step=step if step and may_step(user, step[0]) else None,
        can_confirm=card.status is BookingStatus.BOOKED and may_step(user, BookingStatus.CONFIRMED),
        can_undo=may_undo(request, card, now),
        pencil=card.pencil_at(now),
        not_ready=waited_for.names if waited_for is not None else "",
        day_url=day_url_of(user, card),
        due=due,
        is_due_late=card.booking_id in chairs.late,
    )


HERE = (*GROUPS["in"][1], BookingStatus.DONE)


def day_url_of(user: User, card: VisitCard) -> str:
    """The page of the infusion day, for who may see it; empty before somebody has arrived."""
    if card.kind is not BookingKind.INFUSION or card.status not in HERE or not user.can(Can.VIEW_INFUSION):
        return ""
    return reverse("infusion:day", args=[card.booking_id])


def _hint(card: VisitCard, now: datetime) -> tuple[str, bool]:
    """What the clock says about a visit, and whether that wants an act: "in 12 min", "24 min left", "3 min late"."""
    if card.status in GROUPS["arriving"][1]:
        if now < card.start:
            return (f"in {-_whole_min(now - card.start)} min" if card.start - now < SOON else ""), False
        if now >= card.end:
            return "no arrival recorded", True
        late_min = _whole_min(now - card.start)
        return (f"{late_min} min late", True) if late_min else ("now", False)
    if card.status is BookingStatus.ARRIVED and card.since:
        return f"waiting {max(0, _whole_min(now - card.since))} min", False
    if card.status in GROUPS["in"][1]:
        left = card.leaves_at - now
        return (
            (f"{_whole_min(left)} min left", False) if left >= timedelta() else (f"{_whole_min(-left)} min over", True)
        )
    return "", False


def _whole_min(length: timedelta) -> int:
    return length // timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Summary:
    visits: int
    in_clinic: int
    unconfirmed: int
    chairs_in_use: int


def _summary(cards: Sequence[VisitCard]) -> Summary:
    inside = [c for c in cards if c.status in GROUPS["in"][1]]
    return Summary(
        visits=len(cards),
        in_clinic=len(inside),
        unconfirmed=_count(cards, frozenset({BookingStatus.BOOKED})),
        chairs_in_use=sum(c.kind is BookingKind.INFUSION and c.status is not BookingStatus.ARRIVED for c in inside),
    )
