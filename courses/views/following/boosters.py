"""Boosters of one course: why now, legal times, one act to accept; by hand, declined; the course's own rule."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.htmx import go, is_fragment
from clinic.forms.errors import show_refusal
from clinic.pure.roles import Can
from courses.forms.follow_up_settings import AskForm, CourseRuleForm
from courses.models import Course, CourseBoosterRule, Task, TaskKind
from courses.services import boosters as service
from courses.services.booster_rules import RULE_FIELDS, clinic_rule, seen_rule, set_course_rule
from courses.services.messages.tasks import ask_about_booster, booster_messages
from courses.services.refusals import NotReadyError, SeriesRefusedError
from courses.services.series_changes import ChangedMeanwhileError
from courses.services.worklists.engine import TaskClosedError, TaskRefusedError
from courses.views.following.frame import frame_of, note_reading, open_course


@requires(Can.VIEW_COURSE)
@require_GET
def booster(request: HttpRequest, pk: int) -> HttpResponse:
    """Why a booster is asked for, and when it could be. The times come by themselves a moment later."""
    return _page(request, pk, later="times" not in request.GET)


@requires(Can.VIEW_COURSE)
@require_GET
def times(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Legal times of this moment, for the page; whoever opens the address by itself gets the page with them.

    The page has noted the reading; here stands nothing of the record.
    """
    if not is_fragment(request):
        return redirect(f"{reverse('following:booster', args=[pk])}?times=1")
    sheet = _sheet(pk)
    context = {
        "course": sheet.course,
        "place": sheet.course.location,
        "phases": len(sheet.phases),
        "offer": service.offer_for(sheet.course, sheet.phases, sheet.version, now=timezone.now()),
    }
    return render(request, "courses/following/_booster_times.html", context)


@requires(Can.DECIDE_COURSE)
@require_POST
def accept(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One of the times is booked, and what asked for it is over."""
    get_object_or_404(Course, pk=pk)
    seen, reason = request.POST.get("phases", ""), request.POST.get("override_reason", "").replace("\x00", "")
    try:
        service.accept_booster(
            pk,
            code=request.POST.get("slot", ""),
            seen_phases=int(seen) if seen.isdecimal() else -1,
            by=staff(request),
            now=timezone.now(),
            override_reason=reason,
        )
    except service.StaleBoosterError as stale:
        return _page(request, pk, problem=str(stale), status=409)
    except NotReadyError as refusal:
        ready = refusal.readiness.seen_by(staff(request))
        return _page(request, pk, problem=str(refusal), ready=ready, status=422)
    except (service.BoosterRefusedError, SeriesRefusedError) as refusal:
        return _page(request, pk, problem=str(refusal), override_reason=reason, status=422)
    messages.success(request, "The booster is booked.")
    return go(request, "following:booster", pk)


@requires(Can.WORK_TASKS)
@require_POST
def ask(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The patient asks, or a clinician judges: it waits with its reason."""
    get_object_or_404(Course, pk=pk)
    form = AskForm(request.POST)
    if not form.is_valid():
        return _page(request, pk, ask=form, status=422)
    by_clinician = request.POST.get("by_whom") == service.BY_CLINICIAN
    try:
        _, is_new = service.ask_for_booster(
            pk,
            by_whom=service.BY_CLINICIAN if by_clinician else service.BY_PATIENT,
            reason=form.cleaned_data["reason"],
            by=staff(request),
            now=timezone.now(),
        )
    except service.BoosterRefusedError as refusal:
        form.add_error("reason", str(refusal))
        return _page(request, pk, ask=form, status=422)
    said = "It is on the list of boosters now." if is_new else "It was on the list already; nothing was added."
    messages.success(request, said)
    return go(request, "following:booster", pk)


@requires(Can.DECIDE_COURSE)
@require_POST
def decline(request: HttpRequest, pk: int, task_id: int) -> HttpResponseBase:
    """No booster for now, with the reason."""
    reason = request.POST.get("reason", "")
    try:
        service.decline_booster(pk, task_id, reason=reason, by=staff(request), now=timezone.now())
    except Task.DoesNotExist as error:
        raise Http404 from error
    except TaskClosedError as closed:
        return _page(request, pk, problem=str(closed), status=409)
    except TaskRefusedError as refusal:
        return _page(request, pk, declined=task_id, decline_problem=str(refusal), status=422)
    messages.success(request, "Set aside. The same scores do not ask again.")
    return go(request, "following:booster", pk)


@requires(Can.DECIDE_COURSE)
@require_POST
def ask_patient(request: HttpRequest, pk: int, task_id: int) -> HttpResponseBase:
    """The patient is asked by message to call; nothing is said about scores or treatment."""
    get_object_or_404(Task, pk=task_id, course=pk, kind=TaskKind.BOOSTER)
    try:
        sent = ask_about_booster(task_id, by=staff(request), now=timezone.now())
    except TaskClosedError as closed:
        return _page(request, pk, problem=str(closed), status=409)
    said = "The patient is asked to call." if sent else "Nothing was sent: asked before, or switched off for messages."
    messages.success(request, said)
    return go(request, "following:booster", pk)


def _page(request: HttpRequest, pk: int, *, status: int = 200, later: bool = False, **more: Any) -> HttpResponse:
    sheet = _sheet(pk)
    course, phases = sheet.course, sheet.phases
    note_reading(request, course, page="Boosters")
    context = frame_of(request, course)
    with_times = sheet.tasks and not later
    told = booster_messages(sheet.tasks, sheet.messages)
    context |= {
        "tasks": sheet.tasks,
        "asked": [(task, told.get(task.pk)) for task in sheet.tasks],
        "offer": service.offer_for(course, phases, sheet.version, now=context["now"]) if with_times else None,
        "blocked": service.hindrance(course, phases),
        "phases": len(phases),
        "last": service.last_infusions(phases),
        "rule": sheet.rule,
        "own": sheet.own,
        "ask": AskForm(),
    }
    return render(request, "courses/following/boosters.html", context | more, status=status)


def _sheet(pk: int) -> service.Sheet:
    try:
        return service.read_sheet(pk)
    except Course.DoesNotExist as error:
        raise Http404 from error


# -- the course's own rule ---------------------------------------------------------------------------------------------


@requires(Can.DECIDE_COURSE)
@require_http_methods(["GET", "POST"])
def rule(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The course goes by a rule of its own, or by the clinic's again."""
    course, context = open_course(request, pk, page="Booster rule")
    own = CourseBoosterRule.objects.filter(course=course).first()
    clinic = clinic_rule(course.location_id)
    if request.method == "GET":
        shown = own or CourseBoosterRule(course=course, **{name: getattr(clinic, name) for name in RULE_FIELDS})
        form = CourseRuleForm(instance=shown, initial={"expected": seen_rule(own), "reason": ""})
        return _rule_page(request, context, form, clinic=clinic, own=own)
    form = CourseRuleForm(request.POST)
    is_back = request.POST.get("how") == "clinic"
    if not form.is_valid() and not (is_back and set(form.errors) <= set(RULE_FIELDS)):
        return _rule_page(request, context, form, clinic=clinic, own=own, status=422)
    try:
        set_course_rule(
            pk,
            values=None if is_back else {name: form.cleaned_data[name] for name in RULE_FIELDS},
            reason=form.cleaned_data["reason"],
            expected=form.cleaned_data["expected"],
            by=staff(request),
            now=context["now"],
        )
    except ChangedMeanwhileError as stale:
        return _rule_page(request, context, form, clinic=clinic, own=own, problem=str(stale), status=409)
    except ValidationError as refused:
        show_refusal(form, refused)
        return _rule_page(request, context, form, clinic=clinic, own=own, status=422)
    said = "The clinic’s rule counts for this course again." if is_back else "This course goes by its own rule now."
    messages.success(request, said)
    return go(request, "following:booster", pk)


def _rule_page(
    request: HttpRequest, context: dict[str, Any], form: CourseRuleForm, *, status: int = 200, **more: Any
) -> HttpResponse:
    template = "courses/following/_booster_rule.html" if is_fragment(request) else "courses/following/booster_rule.html"
    return render(request, template, context | {"form": form} | more, status=status)
