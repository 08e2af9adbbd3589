"""Course reports: a list to tick, and the story of each ticked course on paper."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from clinic.edge.access import requires, staff
from clinic.edge.lists import listing
from clinic.pure.roles import Can
from courses.forms.course_reports import ChosenForm
from courses.pure.course_page import Audience
from courses.pure.outcomes.terms import End
from courses.reports.filtering import results, said
from courses.services.course_reports import MOST, NotChosenError, print_courses
from courses.services.results import bring_up_to_date
from courses.views.reports.files import ROWS, as_file
from courses.views.reports.frame import asked_filters, bar_of, choices_of, kinds_of

SORTS = {"started": ("started_on", "course"), "patient": ("patient__family_name", "patient__given_name", "course")}


@requires(Can.PRINT_COURSE_REPORTS)
@require_http_methods(["GET", "POST"])
def courses(request: HttpRequest) -> HttpResponseBase:
    """The courses that the filters of the address choose, to tick; posted, one PDF with the story of each."""
    now = timezone.now()
    form = ChosenForm(
        request.POST if request.method == "POST" else None,
        ticked=request.POST.getlist("course"),
        initial={"audience": Audience.REFERRER.value},
    )
    if form.is_bound and form.is_valid():
        audience = Audience(form.cleaned_data["audience"])
        try:
            content, _ = print_courses(
                form.cleaned_data["course"], audience=audience, path=request.path, by=staff(request), now=now
            )
        except NotChosenError as refusal:
            form.add_error(None, str(refusal))
        else:
            return as_file(HttpResponse(content, content_type="application/pdf"), f"course-reports-{audience}.pdf")
    return _page(request, form)


def _page(request: HttpRequest, form: ChosenForm) -> HttpResponse:
    now = timezone.now()
    filters, problems = asked_filters(request, request.GET, now)
    filters = filters.alone
    bring_up_to_date(now)
    known = choices_of(request)
    rows = results(filters).select_related("patient", "location", "protocol_version")
    listed = listing(request, rows, sorts=SORTS, default="-started", size=MOST)
    ticked = set(form.data.getlist("course")) if form.is_bound else set()  # type: ignore[attr-defined]
    context = {
        "tabs": kinds_of(staff(request)),
        "bar": bar_of(ROWS, filters, known, problems),
        "problems": problems,
        "about": said(filters, known),
        "form": form,
        "listing": listed,
        "lines": [(row, End[row.end].value, str(row.course_id) in ticked) for row in listed.rows],
        "most": MOST,
    }
    return render(request, "courses/reports/courses.html", context, status=422 if problems or form.is_bound else 200)
