"""One course on the waiting list: when the patient could come earlier, or that they wait no longer."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from clinic.edge.access import requires, staff
from clinic.edge.htmx import go, is_fragment
from clinic.pure.roles import Can
from courses.forms.offers import WaitingForm, initial_of
from courses.models import WaitingEntry
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.services.waiting import WaitingRefusedError, put_on_list, take_off_list
from courses.views.following.frame import open_course


@requires(Can.MOVE_INFUSION)
@require_http_methods(["GET", "POST"])
def waiting(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Put on the list, changed, or taken off."""
    course, context = open_course(request, pk, page="Waiting list")
    entry = WaitingEntry.objects.filter(course=course, closed_at__isnull=True).select_related("opened_by").first()
    is_off = request.POST.get("act") == "off"
    form = WaitingForm(request.POST if request.method == "POST" and not is_off else None, initial=initial_of(entry))
    by, now, problem = staff(request), context["now"], ""
    if request.method == "POST":
        try:
            if is_off:
                reason = request.POST.get("reason", "").replace("\x00", "")[:200]
                take_off_list(pk, reason=reason, by=by, now=now)
                messages.success(request, f"{course.patient.name} is no longer on the waiting list.")
                return go(request, "courses:course", pk)
            if form.is_valid():
                put_on_list(pk, **form.cleaned_data, by=by, now=now)
                messages.success(request, f"{course.patient.name} is on the waiting list.")
                return go(request, "courses:course", pk)
        except WaitingRefusedError as refusal:
            problem = str(refusal)
    context |= {
        "entry": entry,
        "form": form,
        "problem": problem,
        "is_running": course.status in OPEN_COURSE_STATUSES,
    }
    template = "courses/following/_waiting.html" if is_fragment(request) else "courses/following/waiting.html"
    return render(request, template, context, status=422 if request.method == "POST" else 200)
