"""How the patient responds to the course: the trajectory, what it came to, and what was published elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from clinic.edge.access import requires, staff
from clinic.pure.roles import Can
from courses.pure.outcomes.published import ARTICLES, published_for, timings_for
from courses.services.response import read_response
from courses.views.following.frame import open_course


@dataclass(frozen=True, slots=True)
class Share:
    """The span of the published shares, for the sentence above their table."""

    low: Decimal
    high: Decimal
    count: int


@requires(Can.VIEW_CLINICAL)
@require_GET
def response(request: HttpRequest, pk: int) -> HttpResponse:
    """How the patient responds to the course."""
    course, context = open_course(request, pk, page="Response")
    found = read_response(course, context["now"])
    published = published_for(course.indication)
    context |= {
        "response": found,
        "leading": found.leading,
        "end_percent": found.leading.end_percent_shown,
        "terms": found.leading.outcome.terms,
        "definition": found.following.definition,
        "may_set_terms": staff(request).can(Can.EDIT_FOLLOW_UP),
        "published": published,
        "share": _share([one.response for one in published if one.response is not None]),
        "timings": timings_for(course.indication),
        "articles": ARTICLES,
        "has_dose": any(one.dose for one in found.infusions),
    }
    return render(request, "courses/following/response.html", context)


def _share(found: list[Decimal]) -> Share | None:
    """One number is no range: None."""
    return Share(min(found), max(found), len(found)) if len(found) > 1 else None
