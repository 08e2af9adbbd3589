"""What stands at the end of a course: its summary on paper."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from clinic.edge.access import requires, staff
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from courses.adapters.course_pdf import pdf_of
from courses.pure.course_page import Audience
from courses.services.course_pdf import page_for
from courses.services.course_whole import NothingGivenError, read_whole, to_sum_up
from patients.pure.privacy import Audience as Recipient
from patients.views.disclosing import Paper, disclosed

READERS = {
    Audience.PATIENT: (Recipient.PATIENT, "The patient"),
    Audience.REFERRER: (Recipient.PROVIDER, "The referrer"),
    Audience.INSURER: (Recipient.INSURER, "The insurer"),
}


@requires(Can.VIEW_CLINICAL)
@require_http_methods(["GET", "POST"])
def summary_pdf(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The course on a page for the patient or for the referrer; the file's name tells nobody who it is about."""
    wanted = request.GET.get("for", "")
    if wanted not in set(Audience):
        raise Http404
    audience, now = Audience(wanted), timezone.now()
    course = get_object_or_404(to_sum_up(), pk=pk)
    try:
        whole = read_whole(course, now)
    except NothingGivenError as nothing:
        messages.error(request, str(nothing))
        return redirect("courses:course", pk)
    record_reading(
        by=staff(request),
        subject_id=course.patient.resource_id,
        page=f"Summary of the course for the {audience}, PDF",
        path=request.path,
        now=now,
    )
    reader, recipient = READERS[audience]
    named = course.patient.referrer if audience == Audience.REFERRER else ""
    what, near = f"Summary of the course for the {audience}, PDF", course.is_part_two_near  # type: ignore[attr-defined]
    paper = Paper(what, reader, named or recipient, course.location, now, near)
    page = page_for(audience, whole)
    content = disclosed(
        request, course.patient, paper, lambda said: pdf_of(replace(page, notice=said), at=now.astimezone(UTC))
    )
    if isinstance(content, HttpResponse):
        return content
    answer = HttpResponse(content, content_type="application/pdf")
    answer["Content-Disposition"] = f'inline; filename="course-{pk}-{audience}.pdf"'
    answer["Cache-Control"] = "no-store, private"
    return answer
