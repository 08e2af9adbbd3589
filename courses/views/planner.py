"""The planner: wishes in, several whole series out, one of them shaped by hand and booked at once."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods
from django_htmx.http import push_url, reswap, retarget

from clinic.edge.access import requires, staff
from clinic.edge.htmx import is_fragment
from clinic.edge.numbers import number_in
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from courses.models import Course
from courses.planning.types import Placed, Severity
from courses.planning.words import say_count, say_day, say_moment, say_numbers
from courses.services.planner import repaired
from courses.services.series import OpenCourseError, SeriesRefusedError, book_series
from courses.views.planner_page import Page, ask, context_of, move_in, open_page, plan_in, tone_of

REASON = "reason_"


@requires(Can.PLAN_SERIES)
@require_http_methods(["GET", "POST"])
@never_cache
def plan(request: HttpRequest, patient_id: int) -> HttpResponseBase:
    """Proposals for the wishes of the address, and the plan being shaped; a POST books it."""
    page = open_page(request, patient_id)
    if page.patient.merged_into_id:
        return redirect("courses:plan", page.patient.merged_into_id)
    if page.is_closed_to_new_series and page.course and (request.method == "POST" or _is_return(page)):
        messages.info(request, "This patient's series is booked; here it is.")
        return redirect("courses:course", page.course.pk)
    if request.method == "POST":
        return _book(page)
    if not is_fragment(request):
        subject = page.patient.resource_id
        record_reading(by=staff(request), subject_id=subject, page="Planner", path=request.path, now=page.now)
    ask(page, plan=plan_in(request.GET), move=move_in(request.GET))
    return _answer(page)


def _is_return(page: Page) -> bool:
    """Somebody came back to the address from which the series was booked."""
    return page.is_chosen and not is_fragment(page.request)


@requires(Can.PLAN_SERIES)
@require_GET
@never_cache
def plan_zones(request: HttpRequest, patient_id: int) -> HttpResponseBase:
    """Where one infusion of the plan may be dropped, and what the judge says of each day."""
    page = open_page(request, patient_id)
    ask(page, plan=plan_in(request.GET))
    number = number_in(request.GET.get("number"))
    if page.desk is None or page.draft is None or number is None:
        raise Http404
    zones = page.desk.zones(page.draft.placed, number, shift=request.GET.get("mode") == "shift")
    days = {
        zone.day.isoformat(): {"minutes": zone.minutes, "tone": tone_of(zone.severity), "message": zone.message}
        for zone in zones
    }
    return JsonResponse({"number": number, "days": days})


# -- booking -----------------------------------------------------------------------------------------------------------


def _book(page: Page) -> HttpResponseBase:
    data = page.request.POST
    wanted = plan_in(data)
    page.reasons = {
        int(name.removeprefix(REASON)): str(data.get(name)).replace("\x00", "")
        for name in data
        if name.startswith(REASON) and number_in(name.removeprefix(REASON)) is not None
    }
    how, page.override_reason = data.get("how", ""), data.get("override_reason", "").replace("\x00", "").strip()
    ask(page, plan=wanted)
    if page.form is None or not page.form.is_valid() or not wanted or page.draft is None:
        page.refusal = (
            "" if page.form is not None and page.form.errors else "There is no plan to book; choose one first."
        )
        return _answer(page, status=422)
    if how == "override" and not page.override_reason:
        page.refusal = "Give the reason for letting this series start; it stays visible on the course."
        return _answer(page, status=422)
    try:
        course = book_series(
            patient=page.patient,
            settings=page.form.settings,
            placed=wanted,
            indication=page.indication,
            prescriber=staff(page.request),
            by=staff(page.request),
            now=page.now,
            overrides=page.reasons,
            previous=Course.objects.get(pk=page.previous.pk) if page.previous is not None else None,
            seen_phases=number_in(data.get("phases")),
            pencil=how == "pencil",
            override_reason=page.override_reason if how == "override" else "",
        )
    except OpenCourseError as there:
        messages.info(page.request, "This series was booked already; here it is.")
        return redirect("courses:course", there.course.pk)
    except SeriesRefusedError as refused:
        return _refused(page, wanted, refused)
    first, last = wanted[0].day, wanted[-1].day
    until = course.pencilled_until
    how = f"pencilled until {say_moment(page.location.local(until))}" if until else "booked"
    booked = f"{say_count(len(wanted), 'infusion')} {how} for {page.patient.name}"
    messages.success(page.request, f"{booked}, {say_day(first)} to {say_day(last)}.")
    return redirect("courses:course", course.pk)


def _refused(page: Page, wanted: Sequence[Placed], refused: SeriesRefusedError) -> HttpResponseBase:
    """The page says what is wrong; where times are gone meanwhile, it shows the nearest plan instead."""
    page.refusal = str(refused)
    findings = refused.verdict.findings if refused.verdict is not None else ()
    page.lost = refused.taken | {one.number for one in findings if one.severity is Severity.BLOCK}
    if refused.taken:
        details = " ".join(dict.fromkeys(clash.message for clash in refused.clashes)) or page.refusal
        page.refusal = f"Somebody took the time of {say_numbers(sorted(refused.taken))} meanwhile. {details}"
    if page.desk is not None and page.lost:
        page.draft = repaired(page.desk, wanted, page.lost)
    return _answer(page, status=422)


# -- the answer --------------------------------------------------------------------------------------------------------


def _answer(page: Page, *, status: int = 200) -> HttpResponseBase:
    context = context_of(page)
    if not is_fragment(page.request):
        return render(page.request, "courses/planner.html", context, status=status)
    data = page.request.GET
    is_same_form = page.form is not None and all(
        data.get(f"of{name}") == str(value)
        for name, value in (
            ("", page.version.pk if page.version else ""),
            ("_at", page.location.pk),
            ("_treats", page.indication),
        )
    )
    if is_same_form:
        response: HttpResponse = render(page.request, "courses/_planner_answer_oob.html", context, status=status)
    else:
        response = render(page.request, "courses/_planner.html", context, status=status)
        response = reswap(retarget(response, "#planner"), "outerHTML")
    return push_url(response, f"{page.request.path}?{context['query']}{context['plan_query']}")
