"""One infusion: moved after a look at before and after, re-slotted, cancelled, missed, withheld, or made longer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.htmx import details, go, is_fragment
from clinic.pure.roles import Can
from clinic.services import bookings
from clinic.services.access import record_reading
from courses.forms.moves import ConfirmForm, EndForm, MinutesForm, MoveForm, minutes_initial
from courses.models import Infusion, InfusionVisit, Phase, VisitOutcome
from courses.planning.checks import note_infusion
from courses.planning.types import Severity, VisitShape, Zone
from courses.planning.words import say_day
from courses.services import courses as course_service
from courses.services import moves
from courses.services.moves import Mode, MoveDesk, Target
from courses.services.series_changes import Preview

WEEKS_SHOWN = 6
BACK = "calendar"
"""In the address of a move that began on the calendar: what the calendar showed, to land there on the new day."""


@requires(Can.MOVE_INFUSION)
@require_http_methods(["GET", "POST"])
def move(request: HttpRequest, infusion_id: int) -> HttpResponseBase:
    """Where could it go, and what would that do to the rest; confirmed by POST."""
    problem, status = "", 200
    if request.method == "POST":
        try:
            return _confirmed(request, infusion_id)
        except moves.ChangeRefusedError as refusal:
            problem, status = str(refusal), 409 if isinstance(refusal, moves.ChangedMeanwhileError) else 422
        except PermissionDenied as refusal:
            problem, status = str(refusal), 422
    form = MoveForm(request.GET)
    form.is_valid()
    mode = Mode(form.value("mode")) if form.value("mode") else None
    now = timezone.now()
    try:
        desk = moves.open_move(infusion_id, mode=mode, now=now, towards=form.value("day"))
        context = _context(request, desk, form)
    except Phase.DoesNotExist as error:
        raise Http404 from error
    except moves.ChangeRefusedError as refusal:
        messages.error(request, str(refusal))
        return go(request, "courses:course", _infusion(infusion_id).phase.course_id)
    record_reading(
        by=staff(request), subject_id=desk.series.patient.resource_id, page="Move infusion", path=request.path, now=now
    )
    return render(request, _move_template(request), context | {"problem": problem}, status=status)


def _move_template(request: HttpRequest) -> str:
    """The whole page; or the side sheet; or only the panel, when something in it was chosen."""
    if not is_fragment(request):
        return "courses/move.html"
    return "courses/_move.html" if details(request).target == "move-panel" else "courses/_move_sheet.html"


def _infusion(infusion_id: int) -> Infusion:
    return get_object_or_404(Infusion.objects.select_related("phase__protocol_version"), pk=infusion_id)


def _confirmed(request: HttpRequest, infusion_id: int) -> HttpResponseBase:
    infusion = _infusion(infusion_id)
    form = ConfirmForm(request.POST)
    if not form.is_valid():
        raise moves.ChangeRefusedError("This confirmation could not be read. Choose the new time again.")
    data = form.cleaned_data
    moves.move_infusion(data["token"], reason=data["reason"], by=staff(request), now=timezone.now())
    visit = infusion.visits.select_related("booking__location").filter(outcome=VisitOutcome.OPEN).first()
    if visit is None:  # the preview was about another infusion
        return go(request, "courses:course", infusion.phase.course_id)
    start = visit.booking.location.local(visit.booking.start)
    said = f"{say_day(start.date())}, {start:%H:%M}"
    messages.success(request, f"Infusion {infusion.number} has its new time: {said}.")
    if BACK in request.GET:
        return go(request, _calendar_on(start.date(), request.GET[BACK]))
    return go(request, "courses:course", infusion.phase.course_id)


def _calendar_on(day: date, shown: str) -> str:
    """The calendar as it was shown, on another day."""
    query = QueryDict(shown, mutable=True)
    query["day"] = day.isoformat()
    return f"{reverse('courses:calendar')}?{query.urlencode()}"


def _calendar_behind(request: HttpRequest) -> str | None:
    """What the calendar showed from which this move began; None when it began elsewhere.

    Either the side sheet lies on the calendar, or a link led from there to the whole page, which carries it on.
    """
    if BACK in request.GET:
        return request.GET[BACK]
    from_there = details(request).current_url if is_fragment(request) else request.headers.get("Referer")
    try:
        page = urlsplit(from_there or "")
    except ValueError:  # a header that is no address
        return None
    is_ours = page.netloc == request.get_host() and page.path == reverse("courses:calendar")
    return page.query if is_ours else None


def _context(request: HttpRequest, desk: MoveDesk, form: MoveForm) -> dict[str, Any]:
    zones = {zone.day: zone for zone in desk.zones()}
    offer = _offer(desk, form)
    chosen = _chosen(desk, form, offer)
    back = _calendar_behind(request)
    query = request.GET.copy()
    if back is not None:
        query[BACK] = back
    zone = zones.get(chosen.day) if chosen else None
    return {
        "desk": desk,
        "series": desk.series,
        "row": desk.row,
        "mode": desk.mode.value,
        "weeks": _weeks(desk, zones, chosen.day if chosen else None),
        "minutes": _minutes(zone, chosen),
        "chosen": chosen,
        "offer": offer,
        "lines": lines_of(offer, desk.names) if offer else [],
        "may_confirm": bool(offer and offer.may_confirm(staff(request))),
        "picks": _picks(desk, form),
        "reason": request.POST.get("reason", ""),
        "action": f"{request.path}?{query.urlencode()}",
        "back": back,
        "leave": f"{reverse('courses:calendar')}?{back}" if back is not None else "",
    }


def _offer(desk: MoveDesk, form: MoveForm) -> Preview | None:
    """What the page shows: the wished place, or the one that R5 proposes; nothing while a booked one has no wish."""
    day = form.value("day")
    chair, nurse, clinician = (form.value(name) for name in ("chair", "nurse", "clinician"))
    if chair is not None and chair not in {one.pk for one in desk.team.chairs}:
        # A drag on the calendar by person names the person it was dropped on.
        nurse = chair if chair in {one.pk for one in desk.team.nurses} else nurse
        clinician = chair if chair in {one.pk for one in desk.team.clinicians} else clinician
        chair = None
    if day is not None:
        return desk.preview(Target(day, form.start_min, chair, nurse, clinician))
    if desk.row.is_booked:
        if not (form.start_min is not None or chair or nurse or clinician) or desk.row.placed is None:
            return None
        return desk.preview(Target(desk.row.placed.day, form.start_min, chair, nurse, clinician))
    return desk.suggestion()


def _chosen(desk: MoveDesk, form: MoveForm, offer: Preview | None) -> Any:  # noqa: ANN401 (a Placed, or nothing)
    if offer is not None:
        placed = next((one for one in offer.proposed.placed if one.number == desk.row.number), None)
        if placed is not None:
            return placed
    return desk.row.placed if form.value("day") is None else None


@dataclass(frozen=True, slots=True)
class DayCell:
    """One day to choose, with what the judge says of it."""

    day: date
    state: str  # legal, breach, blocked, none
    words: str
    chosen: bool
    now_here: bool
    others: tuple[int, ...]  # other infusions of the series on this day

    @property
    def can_choose(self) -> bool:
        return self.state in ("legal", "breach")


def _weeks(desk: MoveDesk, zones: dict[date, Zone], chosen: date | None) -> list[list[DayCell]]:
    """The days of some weeks around today and the place of the infusion, Monday to Sunday."""
    if not zones:
        return []
    today = min(zones)
    around = chosen or (desk.row.placed.day if desk.row.placed else today)
    first = max(today, around - timedelta(days=14))
    monday = first - timedelta(days=first.weekday())
    here = desk.row.placed.day if desk.row.placed else None
    others: dict[date, tuple[int, ...]] = {}
    for one in desk.series.plan:
        if one.number != desk.row.number:
            others[one.day] = (*others.get(one.day, ()), one.number)
    days = [monday + timedelta(days=offset) for offset in range(7 * WEEKS_SHOWN)]
    last = max(zones)
    cells = [_cell(day, zones.get(day), chosen, here, others.get(day, ())) for day in days]
    weeks = [cells[start : start + 7] for start in range(0, len(cells), 7)]
    return [week for week in weeks if week[0].day <= last]


def _cell(day: date, zone: Zone | None, chosen: date | None, here: date | None, others: tuple[int, ...]) -> DayCell:
    if zone is None:
        state, words = "none", "closed or past"
    elif zone.severity is Severity.BLOCK or not zone.minutes:
        state, words = "blocked", zone.message or "no free time"
    elif zone.severity is Severity.BREACH:
        state, words = "breach", zone.message
    else:
        state, words = "legal", zone.message or "fits"
    return DayCell(day, state, words, day == chosen, day == here, others)


def _minutes(zone: Zone | None, chosen: Any) -> list[tuple[int, bool]]:  # noqa: ANN401
    start = chosen.start_min if chosen is not None else None
    found = sorted({*(zone.minutes if zone else ()), *([start] if start is not None else [])})
    return [(minute, minute == start) for minute in found]


def _picks(desk: MoveDesk, form: MoveForm) -> list[tuple[str, str, list[tuple[int, str, bool]]]]:
    team = desk.team
    rows = (
        ("chair", "Chair", team.chairs),
        ("nurse", "Nurse", team.nurses),
        ("clinician", "Clinician", team.clinicians),
    )
    return [
        (name, label, [(one.pk, one.name, one.pk == form.value(name)) for one in found])
        for name, label, found in rows
        if found and (name != "clinician" or desk.series.settings.clinician_min)
    ]


@dataclass(frozen=True, slots=True)
class Line:
    """One row of before and after, with names."""

    row: Any
    was_with: str
    now_with: str


def lines_of(offer: Preview, names: dict[int, str]) -> list[Line]:
    """The rows of a preview with the names of chairs and people."""
    return [Line(row, _with(row.was, names), _with(row.becomes, names)) for row in offer.rows]


def _with(placed: Any, names: dict[int, str]) -> str:  # noqa: ANN401
    if placed is None:
        return ""
    ids: Iterable[int | None] = (placed.chair_id, placed.nurse_id, placed.clinician_id)
    return " · ".join(names[one] for one in ids if one in names)


# -- endings -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ending:
    """One way in which a visit does not take place, as the page says it."""

    title: str
    text: str
    button: str
    needs_reason: bool
    capabilities: tuple[Can, ...]
    act: Callable[..., Any]


ENDINGS = {
    "cancel": Ending(
        "Cancel the visit",
        "The time becomes free at once. The infusion keeps its number and waits for a new time.",
        "Cancel the visit",
        True,
        (Can.MOVE_INFUSION, Can.EDIT_BOOKING),
        moves.cancel_infusion,
    ),
    "no-show": Ending(
        "Record a no-show",
        "The patient did not come. The infusion keeps its number and waits for a new time.",
        "Record the no-show",
        False,
        (Can.EDIT_BOOKING, Can.RUN_INFUSION),
        moves.record_no_show,
    ),
    "withhold": Ending(
        "Withhold the infusion",
        "A clinical hold, for example for blood pressure: nothing is given and nothing counts. "
        "The infusion keeps its number and waits for a new time.",
        "Withhold",
        True,
        (Can.RUN_INFUSION,),
        moves.withhold_infusion,
    ),
}


@requires(Can.MOVE_INFUSION, Can.EDIT_BOOKING, Can.RUN_INFUSION)
@require_http_methods(["GET", "POST"])
def end_infusion(request: HttpRequest, infusion_id: int, how: str) -> HttpResponseBase:
    """A visit that does not take place: asked first, then recorded; afterwards the new time is offered."""
    ending = ENDINGS.get(how)
    if ending is None:
        raise Http404
    if not any(staff(request).can(capability) for capability in ending.capabilities):
        raise PermissionDenied("Your role does not include this.")
    infusion = _infusion(infusion_id)
    visit = infusion.visits.select_related("booking__location").filter(outcome="open").first()
    if visit is None:
        messages.error(request, f"Infusion {infusion.number} has no booked visit any more, so nothing was changed.")
        return go(request, "courses:course", infusion.phase.course_id)
    form = EndForm(request.POST or None, initial={"version": visit.booking.version})
    problem = ""
    if request.method == "POST" and form.is_valid():
        try:
            data = form.cleaned_data
            ending.act(
                infusion_id,
                reason=data["reason"],
                by=staff(request),
                now=timezone.now(),
                expected_version=data["version"],
            )
        except moves.ChangeRefusedError as refusal:
            problem = str(refusal)
        else:
            return _after_ending(request, infusion)
    context = {"infusion": infusion, "visit": visit, "ending": ending, "form": form, "problem": problem}
    template = "courses/_move_end.html" if is_fragment(request) else "courses/move_end.html"
    return render(request, template, context, status=422 if form.is_bound else 200)


def _after_ending(request: HttpRequest, infusion: Infusion) -> HttpResponseBase:
    if staff(request).can(Can.MOVE_INFUSION):
        messages.success(request, f"Recorded. Here is the next time that fits for infusion {infusion.number}.")
        return go(request, reverse("courses:move", args=[infusion.pk]))
    messages.success(request, f"Recorded. The front desk finds a new time for infusion {infusion.number}.")
    return go(request, "courses:course", infusion.phase.course_id)


@requires(Can.RUN_INFUSION)
@require_POST
def given(request: HttpRequest, infusion_id: int) -> HttpResponseBase:
    """A past visit that nobody recorded was given after all."""
    infusion = _infusion(infusion_id)
    try:
        moves.record_given_late(infusion_id, by=staff(request), now=timezone.now())
    except (moves.ChangeRefusedError, bookings.StepRefusedError) as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"Infusion {infusion.number} is recorded as given.")
    return redirect("courses:course", infusion.phase.course_id)


@requires(Can.MOVE_INFUSION, Can.EDIT_BOOKING, Can.RUN_INFUSION)
@require_POST
def undo_visit(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """The last entry about a visit was a mistake."""
    visit = get_object_or_404(InfusionVisit.objects.select_related("infusion__phase"), booking_id=booking_id)
    try:
        undone = moves.undo_visit(booking_id=booking_id, by=staff(request), now=timezone.now())
    except bookings.TimeTakenError as refusal:
        said = " ".join(dict.fromkeys(clash.message for clash in refusal.clashes))
        messages.error(request, f"The time is taken by now, so this cannot be undone. {said}")
    except (moves.ChangeRefusedError, bookings.StepRefusedError, bookings.StaleBookingError) as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"Undone: infusion {undone.infusion.number} is booked again. {undone.numbers_stay}")
    return redirect("courses:course", visit.infusion.phase.course_id)


# -- minutes -----------------------------------------------------------------------------------------------------------


@requires(Can.DECIDE_COURSE)
@require_http_methods(["GET", "POST"])
def minutes(request: HttpRequest, infusion_id: int) -> HttpResponseBase:
    """Other minutes for one visit, at the time where it is."""
    infusion = _infusion(infusion_id)
    visit = get_object_or_404(infusion.visits.select_related("booking__location"), outcome="open")
    form = MinutesForm(request.POST or None, initial=minutes_initial(_shape(visit)))
    reason = request.POST.get("reason", "").replace("\x00", "")
    problem = ""
    if request.method == "POST" and form.is_valid():
        try:
            offer = course_service.preview_minutes(infusion_id, shape=form.shape, now=timezone.now())
            course_service.change_course(offer.token, reason=reason, by=staff(request), now=timezone.now())
        except moves.ChangeRefusedError as refusal:
            problem = str(refusal)
        else:
            note = _long(infusion, form.shape)
            messages.success(request, f"Infusion {infusion.number} has its own minutes now. {note}")
            return go(request, "courses:course", infusion.phase.course_id)
    for field in form.fields.values():
        field.widget.attrs["class"] = "form-control"
    version = infusion.phase.protocol_version
    if version.infusion_max_min is not None:
        said = f"{version.infusion_min} to {version.infusion_max_min} min by the protocol"
        form.fields["infusion_min"].help_text = said
    context = {"infusion": infusion, "visit": visit, "form": form, "reason": reason, "problem": problem}
    template = "courses/_move_minutes.html" if is_fragment(request) else "courses/move_minutes.html"
    return render(request, template, context, status=422 if form.is_bound else 200)


def _long(infusion: Infusion, shape: VisitShape) -> str:
    version = infusion.phase.protocol_version
    return note_infusion(shape.infusion_min, usual_min=version.infusion_min, longest_min=version.infusion_max_min)


def _shape(visit: InfusionVisit) -> Any:  # noqa: ANN401 (anything with the four numbers)
    return visit
