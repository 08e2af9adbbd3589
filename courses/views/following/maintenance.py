"""How the course goes on after its series: the plan, what is next of it, its interval, its review."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from clinic.edge.access import requires, staff
from clinic.edge.htmx import go, is_fragment
from clinic.pure.roles import Can
from courses.forms.maintenance import (
    GOES_ON,
    KEEP,
    RELEASE,
    REST,
    STEP,
    DatesForm,
    IntervalForm,
    NextForm,
    PlanForm,
    ReviewForm,
)
from courses.forms.moves import ConfirmForm
from courses.models import Course, MaintenanceWay, ProtocolVersion
from courses.planning.dates import NoOpenDayError, gap_days
from courses.planning.protocols import Step, say_steps
from courses.planning.rules import gap_limits
from courses.planning.types import GapRule, Placed
from courses.pure.maintenance import Window, gap_words
from courses.services import maintenance as service
from courses.services import maintenance_next as ahead
from courses.services import maintenance_plan as deciding
from courses.services.maintenance import Maintenance
from courses.services.maintenance_plan import Decision
from courses.services.planning_input import Team, team_at
from courses.services.refusals import SeriesRefusedError
from courses.services.series_changes import ChangedMeanwhileError, ChangeRefusedError, Preview
from courses.services.series_state import names_in
from courses.views.following.frame import frame_of, note_reading, open_course, tabs_of
from courses.views.moves import lines_of

WAYS = {"as-needed": MaintenanceWay.AS_NEEDED, "none": MaintenanceWay.NONE, "booked": MaintenanceWay.STEPS}


def _read(pk: int, *, dated: bool) -> Maintenance:
    try:
        return service.read_maintenance(pk, timezone.now(), dated=dated)
    except Course.DoesNotExist as error:
        raise Http404 from error


def _open(request: HttpRequest, pk: int, page: str, *, dated: bool = False) -> tuple[Maintenance, dict[str, Any]]:
    """The course with its plan, its reading noted, and what every page of it shows."""
    _course, context = open_course(request, pk, page=page)
    found = _read(pk, dated=dated)
    return found, context | _shown(request, found)


def _open_to_change(request: HttpRequest, pk: int, page: str) -> tuple[Maintenance, dict[str, Any]]:
    """The same for a page that asks the calendar: the course comes with its plan, which is a query less."""
    found = _read(pk, dated=False)
    note_reading(request, found.course, page=page)
    return found, frame_of(request, found.course) | _shown(request, found)


def _shown(request: HttpRequest, found: Maintenance) -> dict[str, Any]:
    """Scores only for those who read clinical notes."""
    course, plan = found.course, found.plan
    today, home = course.location.local(timezone.now()).date(), course.get_absolute_url()
    return {
        "tabs": [
            replace(tab, is_current=request.path.startswith(tab.url) and tab.url != home)
            for tab in tabs_of(request, course)
        ],
        "found": found,
        "plan": plan,
        "today": today,
        "review_is_due": plan is not None and plan.review_on <= today,
        "scores": service.latest_scores(found.scores) if staff(request).can(Can.VIEW_CLINICAL) else (),
        "is_open": course.status in service.OPEN_FOR_CHANGE,
    }


def _status(refusal: Exception) -> int:
    return 409 if isinstance(refusal, ChangedMeanwhileError) else 422


def _dressed(request: HttpRequest, name: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """The page, or for the side sheet what stands on it."""
    prefix = "_" if is_fragment(request) else ""
    return render(request, f"courses/following/{prefix}maintenance_{name}.html", context, status=status)


# -- the plan ----------------------------------------------------------------------------------------------------------


@requires(Can.VIEW_COURSE)
@require_GET
def maintenance(request: HttpRequest, pk: int) -> HttpResponse:
    """The plan step by step: windows, bookings, what is due."""
    found, context = _open(request, pk, "Maintenance", dated=True)
    context |= {
        "past": [plan for plan in found.plans if plan.ended_at is not None],
        "may_step_back": ahead.can_step_back(found),
        "rows": [(step, gap_words(step.step)) for step in found.steps],
    }
    return render(request, "courses/following/maintenance.html", context)


@requires(Can.DECIDE_COURSE)
@require_http_methods(["GET", "POST"])
def plan(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The prescriber decides how the course goes on; the way and the protocol stand in the address."""
    found, context = _open(request, pk, "Maintenance: decide")
    versions = list(deciding.protocols_for(found))
    way, version = _chosen(request, versions)
    adopts = way == MaintenanceWay.STEPS and version is None
    if adopts and (found.adoptable is None or found.plan is not None):
        raise Http404
    steps = deciding.steps_for(version, found) if version is not None else ()
    form = PlanForm(
        request.POST if request.method == "POST" else None,
        steps=steps,
        initial={
            "review_on": deciding.first_review(found, context["today"]),
            "reconsent_on": deciding.first_reconsent(found, context["today"]),
            "release": KEEP,
            "seen": found.plan.pk if found.plan else 0,
        },
    )
    problem, status = "", 200
    if request.method == "POST" and way is not None:
        status = 200 if request.POST.get("look") else 422
        if form.is_valid() and not request.POST.get("look"):
            try:
                return _decided(request, pk, way, version, form)
            except (ChangeRefusedError, SeriesRefusedError) as refusal:
                problem, status = str(refusal), _status(refusal)
    readable = form.is_bound and all(one.is_valid() for one in form.steps)
    sketched = tuple(one.changed_step for one in form.steps) if readable else steps
    context |= {
        "form": form,
        "problem": problem,
        "way": way,
        "version": version,
        "options": [(one, say_steps(deciding.steps_for(one, found))) for one in versions],
        "dates": _sketch(sketched, found, context) if version is not None else (),
        "ready": deciding.readiness_for_plan(found, context["now"]) if version is not None else None,
        "adopts": adopts,
        "adopted": say_steps(found.adoptable.settings.steps) if found.adoptable and not found.plan else "",
        "kept": [] if adopts or found.running is None else [row for row in found.running.booked if row.booking],
    }
    return render(request, "courses/following/maintenance_plan.html", context, status=status)


def _chosen(
    request: HttpRequest, versions: list[ProtocolVersion]
) -> tuple[MaintenanceWay | None, ProtocolVersion | None]:
    asked = request.GET.get("protocol", "")
    version = next((one for one in versions if asked == str(one.pk)), None)
    if version is not None:
        return MaintenanceWay.STEPS, version
    return WAYS.get(request.GET.get("way", "")), None


def _sketch(steps: Sequence[Step], found: Maintenance, context: dict[str, Any]) -> tuple[Window, ...]:
    try:
        return service.sketch(steps, found=found, now=context["now"])
    except (NoOpenDayError, ValueError):
        return ()


def _decided(
    request: HttpRequest, pk: int, way: MaintenanceWay, version: ProtocolVersion | None, form: PlanForm
) -> HttpResponseBase:
    data = form.cleaned_data
    decision = Decision(
        way=way,
        review_on=data["review_on"],
        reconsent_on=data["reconsent_on"],
        reason=data["reason"],
        version_id=version.pk if version is not None else None,
        steps=form.chosen_steps,
        adopt=way == MaintenanceWay.STEPS and version is None,
        release=data["release"] == RELEASE,
        override_reason=data["override_reason"],
    )
    deciding.decide_plan(pk, decision, seen_plan=data["seen"] or None, by=staff(request), now=timezone.now())
    messages.success(request, "The plan is decided.")
    return redirect("following:maintenance", pk)


# -- the next ones -----------------------------------------------------------------------------------------------------


@requires(Can.MOVE_INFUSION)
@require_http_methods(["GET", "POST"])
def book_next(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One to four infusions ahead, in whole proposals that fit the windows; booked as they were seen."""
    problem, status = "", 200
    if request.method == "POST":
        answer, problem, status = _confirm(request, pk, "Booked.")
        if answer is not None:
            return answer
    found, context = _open_to_change(request, pk, "Maintenance: book")
    form = NextForm(request.GET if request.GET.get("n") else {"n": "1"})
    count = form.cleaned_data["n"] if form.is_valid() else 1
    team = team_at(found.course.location)
    try:
        offered = ahead.offers(found, count=count, now=context["now"], team=team)
    except ChangeRefusedError as refusal:
        offered = None
        problem, status = (problem, status) if problem else (str(refusal), 422)
    names = team.names()
    context |= {
        "form": form,
        "problem": problem,
        "offered": offered,
        "offers": [(one, _rows(one, names), one.preview.may_confirm(staff(request))) for one in offered.found]
        if offered
        else [],
        "reason": request.POST.get("reason", ""),
        "action": f"{request.path}?{request.GET.urlencode()}",
    }
    return render(request, "courses/following/maintenance_next.html", context, status=status)


Place = tuple[Placed, int | None, tuple[int, int] | None, str]


def _rows(offer: ahead.Offer, names: dict[int, str]) -> list[Place]:
    """Each infusion that would be booked: where, its gap with the limits, with whom."""
    proposed = offer.preview.proposed
    day_of = {one.number: one.day for one in proposed.placed}
    if proposed.series.before is not None:
        day_of[0] = proposed.series.before
    found: list[Place] = []
    for one in offer.placed:
        earlier = max((number for number in day_of if number < one.number), default=None)
        gap = gap_days(day_of[earlier], one.day) if earlier is not None else None
        limits = gap_limits(earlier, one.number, proposed.settings.rule) if earlier is not None else None
        people = " · ".join(names[who] for who in (one.chair_id, one.nurse_id, one.clinician_id) if who in names)
        found.append((one, gap, limits, people))
    return found


def _confirm(request: HttpRequest, pk: int, done: str) -> tuple[HttpResponseBase | None, str, int]:
    form = ConfirmForm(request.POST)
    if not form.is_valid():
        return None, "This confirmation could not be read. Look at the proposal again.", 422
    data = form.cleaned_data
    try:
        ahead.save_change(pk, data["token"], reason=data["reason"], by=staff(request), now=timezone.now())
    except ChangeRefusedError as refusal:
        return None, str(refusal), _status(refusal)
    messages.success(request, done)
    return go(request, "following:maintenance", pk), "", 200


# -- another gap -------------------------------------------------------------------------------------------------------


@requires(Can.DECIDE_COURSE)
@require_http_methods(["GET", "POST"])
def interval(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The interval is stretched or shortened from the next infusion on, with the latest scores in view."""
    problem, status = "", 200
    if request.method == "POST":
        answer, problem, status = _confirm(request, pk, "The interval is changed.")
        if answer is not None:
            return answer
    found, context = _open_to_change(request, pk, "Maintenance: interval")
    gap = _gap_now(found)
    initial = {"scope": STEP, "replan": "1"} | (
        {"target": gap.target_days or gap.min_days, "low": gap.min_days, "high": gap.max_days} if gap else {}
    )
    form = IntervalForm(request.GET if "target" in request.GET else None, initial=initial)
    team, offer = team_at(found.course.location), None
    try:
        if form.is_bound and form.is_valid():
            offer = ahead.preview_interval(
                found,
                form.gap,
                throughout=form.cleaned_data["scope"] == REST,
                replan=bool(form.cleaned_data["replan"]),
                now=context["now"],
                team=team,
            )
    except ChangeRefusedError as refusal:
        problem, status = (problem, status) if problem else (str(refusal), 422)
    if gap is None and not problem:
        problem, status = "There is no infusion left whose interval could change.", 422
    context |= {"form": form, "problem": problem, "current": gap, "number": found.next_number}
    context |= _offer(request, found, offer, team)
    return render(request, "courses/following/maintenance_interval.html", context, status=status)


def _gap_now(found: Maintenance) -> GapRule | None:
    series, number = found.series, found.next_number
    return series.rule.into(number) if series is not None and number is not None else None


@requires(Can.DECIDE_COURSE)
@require_http_methods(["GET", "POST"])
def step_back(request: HttpRequest, pk: int) -> HttpResponseBase:
    """On relapse the step before the present one once more (P9): one proposal, confirmed with the reason."""
    problem, status = "", 200
    if request.method == "POST":
        answer, problem, status = _confirm(request, pk, "The plan is one step back.")
        if answer is not None:
            return answer
    found, context = _open_to_change(request, pk, "Maintenance: step back")
    team, offer = team_at(found.course.location), None
    replan = request.GET.get("replan", "1") != "0"
    try:
        offer = ahead.preview_step_back(found, replan=replan, now=context["now"], team=team)
    except ChangeRefusedError as refusal:
        problem, status = (problem, status) if problem else (str(refusal), 422)
    context |= {"problem": problem, "number": found.next_number, "replan": replan}
    context |= _offer(request, found, offer, team)
    return render(request, "courses/following/maintenance_back.html", context, status=status)


def _offer(request: HttpRequest, found: Maintenance, offer: Preview | None, team: Team) -> dict[str, Any]:
    """What a change of the plan does, for ``_maintenance_offer.html``."""
    if offer is None or found.series is None:
        return {"offer": None}
    lines = lines_of(offer, names_in(found.series) | team.names())
    return {
        "offer": offer,
        "lines": [line for line in lines if line.row.was is not None and line.row.state != "given"],
        "says": say_steps(offer.proposed.settings.steps),
        "said": say_steps(found.series.settings.steps),
        "may_confirm": offer.may_confirm(staff(request)),
        "reason": request.POST.get("reason", ""),
        "action": f"{request.path}?{request.GET.urlencode()}",
    }


# -- review and dates --------------------------------------------------------------------------------------------------


@requires(Can.DECIDE_COURSE)
@require_http_methods(["GET", "POST"])
def review(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The plan was looked at: it goes on or is changed, and the next review gets its date."""
    found, context = _open(request, pk, "Maintenance: review")
    if found.plan is None:
        raise Http404
    form = ReviewForm(
        request.POST or None,
        initial={
            "review_on": deciding.first_review(found, context["today"]),
            "reconsent_on": found.plan.reconsent_on,
            "seen": found.plan.review_on,
        },
    )
    problem, status = "", 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            data = form.cleaned_data
            goes_on = data["outcome"] == GOES_ON
            try:
                deciding.record_review(
                    found.plan.pk, goes_on=goes_on, **_dates(form), by=staff(request), now=timezone.now()
                )
            except ChangeRefusedError as refusal:
                problem, status = str(refusal), _status(refusal)
            else:
                messages.success(request, "The review is recorded.")
                has_steps = found.plan.way == MaintenanceWay.STEPS and found.next_number is not None
                change = "following:maintenance_interval" if has_steps else "following:maintenance_plan"
                return go(request, "following:maintenance" if goes_on else change, pk)
    return _dressed(request, "review", context | {"form": form, "problem": problem}, status)


@requires(Can.DECIDE_COURSE)
@require_http_methods(["GET", "POST"])
def dates(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The review or the renewal of consent is moved, with the reason."""
    found, context = _open(request, pk, "Maintenance: dates")
    if found.plan is None:
        raise Http404
    initial = {
        "review_on": found.plan.review_on,
        "reconsent_on": found.plan.reconsent_on,
        "seen": found.plan.review_on,
    }
    form = DatesForm(request.POST or None, initial=initial)
    problem, status = "", 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                deciding.move_dates(found.plan.pk, **_dates(form), by=staff(request), now=timezone.now())
            except ChangeRefusedError as refusal:
                problem, status = str(refusal), _status(refusal)
            else:
                messages.success(request, "The dates are moved.")
                return go(request, "following:maintenance", pk)
    return _dressed(request, "dates", context | {"form": form, "problem": problem}, status)


def _dates(form: Form) -> dict[str, Any]:
    data = form.cleaned_data
    seen: date = data["seen"]
    return {
        "review_on": data["review_on"],
        "reconsent_on": data["reconsent_on"],
        "reason": data["reason"],
        "seen_review_on": seen,
    }
