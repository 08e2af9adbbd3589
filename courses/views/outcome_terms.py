"""What the clinic means by response, remission and relapse: the version in use, and the next one."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.htmx import go
from clinic.forms.errors import show_refusal
from clinic.pure.roles import Can
from courses.forms.outcomes import TermsForm
from courses.services.outcome_terms import StaleTermsError, values_of, versions, write_next_version
from courses.services.outcomes import terms_of


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_FOLLOW_UP)
def outcome_terms(request: HttpRequest) -> HttpResponseBase:
    """The terms of the clinic; saving makes the next version."""
    if request.method == "GET":
        return _page(request, None)
    form = TermsForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    try:
        made = write_next_version(
            values=form.values(),
            reason=form.cleaned_data["reason"],
            expected=form.cleaned_data["expected"],
            by=staff(request),
            now=timezone.now(),
        )
    except StaleTermsError as stale:
        typed = request.POST.copy()
        typed["expected"] = str(stale.current.number if stale.current else 0)
        return _page(request, TermsForm(typed), status=409)
    except ValidationError as refused:
        show_refusal(form, refused)
        return _page(request, form, status=422)
    messages.success(request, f"Courses that begin from now on are judged by version {made.number}.")
    return go(request, "courses:outcome_terms")


def _page(request: HttpRequest, form: TermsForm | None, *, status: int = 200) -> HttpResponse:
    known = versions()
    current = known[0].definition if known else None
    terms = terms_of(current)
    if form is None:
        form = TermsForm(initial=TermsForm.initial_of(values_of(terms)) | {"expected": terms.number})
    context = {
        "form": form,
        "versions": known,
        "terms": terms,
        "current": current,
        "place": current_location(request),
        "is_stale": status == 409,  # noqa: PLR2004 (conflict)
    }
    return render(request, "courses/outcome_terms.html", context, status=status)
