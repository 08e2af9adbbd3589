"""Courses: the list, one course in five seconds, and what a prescriber decides about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib import messages
from django.db.models import Min, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import active_locations
from clinic.edge.htmx import go, is_fragment
from clinic.edge.lists import listing
from clinic.models import Resource
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from courses.forms.course import OPEN, CloseForm, DecideForm, FilterForm
from courses.models import Course, CourseStatus, Phase, Revision, RuleOverride, TaskKind
from courses.planning.dates import gap_days
from courses.planning.protocols import say_steps
from courses.planning.rules import gap_limits
from courses.pure.doses_given import Given, total_of
from courses.services import course_summary as summary_service
from courses.services import courses as service
from courses.services import response as response_service
from courses.services.course_summary import CLINICAL_KINDS
from courses.services.doses_given import doses_of
from courses.services.maintenance import at_a_glance
from courses.services.pencils import confirm_pencilled, readiness_now, release_pencil
from courses.services.refusals import SeriesRefusedError
from courses.services.series_changes import ChangedMeanwhileError, ChangeRefusedError
from courses.services.series_state import Row, Series, names_in
from courses.views.course_changes import latest
from courses.views.following.frame import note_reading, tabs_of

SORTS = {
    "patient": ["patient__family_name", "patient__given_name"],
    "next": ["next_day"],
    "started": ["created_at"],
    "status": ["status"],
}

HOURS_SAID_AS_DAYS = 48


# -- the list ----------------------------------------------------------------------------------------------------------


@requires(Can.VIEW_COURSE)
@require_GET
def course_list(request: HttpRequest) -> HttpResponse:
    """Courses with their dots, what is next and what is wrong."""
    form = FilterForm(request.GET or None, locations=active_locations(request))
    form.is_valid()
    now = timezone.now()
    reach = staff(request).reach
    here = Q() if reach is None else Q(location__in=reach)
    rows = listing(request, summary_service.with_series(_filtered(form).filter(here)), sorts=SORTS, default="next")
    context = {
        "form": form,
        "listing": rows,
        "summaries": summary_service.summaries(list(rows.rows), now),
        "is_filtered": form.is_bound and any(form.value(name) for name in form.fields),
        "interrupted": Course.objects.filter(here, status=CourseStatus.INTERRUPTED).count(),
    }
    return render(request, "courses/courses.html", context)


def _filtered(form: FilterForm) -> QuerySet[Course]:
    chosen = form.value if form.is_bound else (lambda _name: None)
    status = chosen("status") or OPEN
    rows = Course.objects.open() if status == OPEN else Course.objects.all()
    if status not in (OPEN, "all"):
        rows = rows.filter(status=status)
    if chosen("location"):
        rows = rows.filter(location=chosen("location"))
    if chosen("prescriber"):
        rows = rows.filter(prescriber=chosen("prescriber"))
    if chosen("protocol"):
        rows = rows.filter(phases__protocol_version__protocol=chosen("protocol"))
    return rows.annotate(next_day=Min("phases__infusions__day", filter=Q(phases__infusions__status="booked")))


# -- one course --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InfusionLine:
    """One row of the table of infusions."""

    row: Row
    chair: str
    people: str
    gap: int | None
    limits: tuple[int, int] | None
    overrides: tuple[RuleOverride, ...]
    dose: Given | None = None

    @property
    def on_window(self) -> bool:
        return self.gap is None or self.limits is None or self.limits[0] <= self.gap <= self.limits[1]


def lines_of_series(series: Series, doses: Mapping[int, Given]) -> list[InfusionLine]:
    """The infusions with chair, people, gaps and, by the id of the infusion, doses, for the page."""
    names, found = names_in(series), []
    earlier = dict(zip((one.number for one in series.plan[1:]), series.plan, strict=False))
    for row in series.rows:
        placed, previous = row.placed, earlier.get(row.number)
        gap = gap_days(previous.day, placed.day) if placed is not None and previous is not None else None
        limits = gap_limits(previous.number, row.number, series.rule) if previous is not None else None
        found.append(
            InfusionLine(
                row=row,
                chair=names.get(placed.chair_id or 0, "") if placed else "",
                people=" · ".join(names[one] for one in (placed.nurse_id, placed.clinician_id) if one in names)
                if placed
                else "",
                gap=gap,
                limits=limits,
                overrides=tuple(one for one in row.overrides if placed is None or one.day == placed.day),
                dose=doses.get(row.infusion.pk),
            )
        )
    return found


@requires(Can.VIEW_COURSE)
@require_GET
def course(request: HttpRequest, pk: int) -> HttpResponse:
    """Where a patient is in treatment, what is next and what is wrong."""
    now = timezone.now()
    found = summary_service.read_summaries(pk, now)
    row = found[0].course if found else get_object_or_404(Course.objects.select_related("patient", "location"), pk=pk)
    if row.has_lapsed_at(now) and release_pencil(pk, now=now):
        found = summary_service.read_summaries(pk, now)
        row = found[0].course if found else row
    if found and service.mark_if_interrupted(found[0].series, now):
        found[0] = summary_service.summary_of(found[0].series, now)
    record_reading(by=staff(request), subject_id=row.patient.resource_id, page="Course", path=request.path, now=now)
    return _course_page(request, found, now, row=row)


def _course_page(
    request: HttpRequest, found: list[summary_service.Summary], now: datetime, *, row: Course, problem: str = ""
) -> HttpResponse:
    doses = doses_of(row, now) if staff(request).can(Can.VIEW_INFUSION) else {}
    beside = response_service.read_beside(row) if any(one.given for one in found) else response_service.NOTHING
    context = {
        "course": row,
        "doses": doses,
        "total": total_of(one for one in doses.values() if not one.is_going_on),
        "problem": problem,
        "override_reason": request.POST.get("override_reason", ""),
        "pencil_left": _left(row.pencilled_until - now) if row.pencilled_until else "",
        "ready": readiness_now(row, now).seen_by(staff(request)) if row.status == CourseStatus.PLANNED else None,
        "started_anyway": row.readiness_overrides.select_related("by"),
        "patient": row.patient,
        "place": row.location,
        "tabs": tabs_of(request, row),
        "now": now,
        "summary": found[0] if found else None,
        "phases": [(one, lines_of_series(one.series, doses)) for one in found],
        "preferred": _preferred(found[0].series.phase) if found else [],
        "rhythm": say_steps(found[0].series.settings.steps) if found else "",
        "overrides": [(line.number, one) for each in found for line in each.series.rows for one in line.overrides],
        "revisions": _revisions(row, may_read=staff(request).can(Can.VIEW_CLINICAL)),
        "card": response_service.card_of(row, found, beside) if staff(request).can(Can.VIEW_CLINICAL) else None,
        "tasks": [task for task in beside.tasks if task.kind == TaskKind.REVIEW],
        "maintenance": at_a_glance(row, [one.series for one in found], beside.plans),
        "given": sum(one.given for one in found),
        "following": _following(row, beside),
        "is_open": row.status in (CourseStatus.PLANNED, CourseStatus.ACTIVE, CourseStatus.INTERRUPTED),
        "is_interrupted": row.status == CourseStatus.INTERRUPTED,
    }
    return render(request, "courses/course.html", context, status=422 if problem else 200)


def _following(row: Course, beside: response_service.Beside) -> Course | None:
    """The course that went on after this one was closed."""
    if row.closed_on is None:
        return None
    return row.following.order_by("pk").first() if beside is response_service.NOTHING else beside.restarted


def _left(left: timedelta) -> str:
    """How long the times are still held, as people say it."""
    hours, minutes = divmod(max(0, left // timedelta(minutes=1)), 60)
    if hours >= HOURS_SAID_AS_DAYS:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours} h {minutes:02d}" if hours else f"{minutes} min"


def _preferred(phase: Phase) -> list[Resource]:
    wished = (phase.preferred_clinician, phase.preferred_nurse, phase.preferred_chair)
    return [one for one in wished if one is not None]


def _revisions(row: Course, *, may_read: bool) -> list[tuple[Revision, str]]:
    """The latest changes, each with its reason where this person may read it."""
    found = row.revisions.select_related("by")[:50]
    return [(one, one.reason if may_read or one.kind not in CLINICAL_KINDS else "") for one in found]


@requires(Can.PLAN_SERIES)
@require_POST
def confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """A pencilled series becomes firm: ready, or let start by a clinician with a reason."""
    now, by, reason = timezone.now(), staff(request), ""
    if request.POST.get("how") == "override":
        reason = request.POST.get("override_reason", "").replace("\x00", "").strip()
        problem = "" if reason else "Give the reason for letting this series start; it stays visible on the course."
    else:
        problem = ""
    if not problem:
        try:
            confirm_pencilled(get_object_or_404(Course, pk=pk).pk, by=by, now=now, override_reason=reason)
        except (ChangeRefusedError, SeriesRefusedError) as refusal:
            problem = str(refusal)
        else:
            messages.success(request, "The series is firm: its times are booked.")
            return redirect("courses:course", pk)
    found = summary_service.read_summaries(pk, now)
    if not found:
        raise Http404
    return _course_page(request, found, now, row=found[0].course, problem=problem)


# -- decisions ---------------------------------------------------------------------------------------------------------


@requires(Can.DECIDE_COURSE)
@require_http_methods(["GET", "POST"])
def decide(request: HttpRequest, pk: int) -> HttpResponseBase:
    """An interrupted course: the prescriber continues, restarts or closes it, with a reason (R6)."""
    series = latest(pk)
    form = DecideForm(request.POST or None)
    problem, status = "", 422 if form.is_bound else 200
    if request.method == "POST" and form.is_valid():
        try:
            return _decided(request, series, form.cleaned_data)
        except ChangeRefusedError as refusal:
            problem, status = str(refusal), _status_of(refusal)
    note_reading(request, series.course, page="Course, decision")
    context = {
        "series": series,
        "course": series.course,
        "form": form,
        "problem": problem,
        "found": service.interruption_of(series, timezone.now()),
    }
    template = "courses/_course_decide.html" if is_fragment(request) else "courses/course_decide.html"
    return render(request, template, context, status=status)


def _status_of(refusal: ChangeRefusedError) -> int:
    return 409 if isinstance(refusal, ChangedMeanwhileError) else 422


def _decided(request: HttpRequest, series: Series, said: Mapping[str, str]) -> HttpResponseBase:
    by, now, pk = staff(request), timezone.now(), series.course.pk
    choice, reason = said["choice"], said["reason"]
    if choice == "continue":
        service.continue_course(pk, reason=reason, by=by, now=now)
        messages.success(request, "The course goes on.")
        waiting = series.waiting
        if waiting and by.can(Can.MOVE_INFUSION):
            return go(request, reverse("courses:move", args=[waiting[0].infusion.pk]))
        return go(request, "courses:course", pk)
    is_restart = choice == "restart"
    status = CourseStatus.STOPPED if is_restart else CourseStatus(choice)
    service.close_course(pk, status=status, reason=reason, by=by, now=now, to=said["closed_to"], restart=is_restart)
    if is_restart:
        messages.success(request, "The interrupted course is closed. Plan the new series here.")
        return go(request, f"{reverse('courses:plan', args=[series.patient.pk])}?previous={pk}")
    messages.success(request, "The course is closed.")
    return go(request, "courses:course", pk)


@requires(Can.DECIDE_COURSE)
@require_http_methods(["GET", "POST"])
def close(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The course ends; what is still booked is shown first, and released."""
    series = latest(pk)
    initial = {
        "version": series.course.version,
        "status": CourseStatus.COMPLETED if len(series.given) >= series.settings.n else CourseStatus.STOPPED,
    }
    form = CloseForm(request.POST or None, initial=initial)
    problem, status = "", 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            data = form.cleaned_data
            try:
                service.close_course(
                    pk,
                    status=CourseStatus(data["status"]),
                    reason=data["reason"],
                    by=staff(request),
                    now=timezone.now(),
                    to=data["closed_to"],
                    expected_version=data["version"],
                )
            except ChangeRefusedError as refusal:
                problem, status = str(refusal), _status_of(refusal)
            else:
                messages.success(request, "The course is closed and its bookings are released.")
                return redirect("courses:course", pk)
    note_reading(request, series.course, page="Course, closing")
    context = {"series": series, "course": series.course, "form": form, "problem": problem}
    template = "courses/_course_close.html" if is_fragment(request) else "courses/course_close.html"
    return render(request, template, context, status=status)
