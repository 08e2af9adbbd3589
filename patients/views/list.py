"""The list of patients, and the quick way to add one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import F, Func, IntegerField, Value
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from clinic.edge.access import requires, staff
from clinic.edge.htmx import is_fragment
from clinic.edge.lists import listing
from clinic.edge.reach import reached_by, reached_of_all
from clinic.models import Booking
from clinic.pure.roles import Can
from patients.forms.registry import ListFilterForm
from patients.models import Patient
from patients.models.background import INDICATION_CHOICES
from patients.services.reach import mark_reach
from patients.services.search import search_patients
from patients.views.record import Moment, moment_of

FOUND_AT_MOST = 200
EVERYWHERE = "all"
SORTS = {"name": ["search_name"], "born": ["birth_date", "search_name"], "added": ["created_at"]}


@require_GET
@requires(Can.VIEW_PATIENT)
def patient_list(request: HttpRequest) -> HttpResponseBase:
    """All patients, or those that the search finds, filtered and sorted."""
    moment = moment_of(request)
    is_clinical = staff(request).can(Can.VIEW_CLINICAL)
    form = ListFilterForm(request.GET)
    form.is_valid()
    wanted: dict[str, Any] = form.cleaned_data
    condition = request.GET.get("condition", "") if is_clinical else ""
    person, shows_all = staff(request), request.GET.get("reach") == EVERYWHERE
    rows, counted = Patient.objects.current(), None
    if wanted.get("status"):
        rows = rows.filter(status=wanted["status"])
    if wanted.get("location"):
        rows = rows.filter(home_location=wanted["location"])
    if condition in dict(INDICATION_CHOICES):
        rows = rows.filter(treated_conditions__indication=condition)
    sorts, default = dict(SORTS), "name"
    if wanted.get("q"):
        found = [hit.patient.pk for hit in search_patients(wanted["q"], today=moment.today, limit=FOUND_AT_MOST)]
        rows, sorts["match"], default = _in_order(rows, found), ["match"], "match"
    if not shows_all:
        counted = None if wanted.get("q") else rows.filter(reached_of_all(person, now=moment.now))
        rows = rows.filter(reached_by(person, now=moment.now))
    prefetch = ["phones", *(["treated_conditions"] if is_clinical else [])]
    page = listing(request, rows.prefetch_related(*prefetch), sorts=sorts, default=default, counted=counted)
    if shows_all:
        mark_reach(page.rows, person=person, now=moment.now)
    ahead = _next_visits(page.rows, moment)
    context = {
        "listing": page,
        "rows": [(row, row.age_on(moment.today), ahead.get(row.resource_id)) for row in page.rows],
        "form": form,
        "is_limited": person.reach is not None,
        "shows_all": shows_all,
        "everywhere": EVERYWHERE,
        "q": wanted.get("q", ""),
        "condition": condition,
        "conditions": INDICATION_CHOICES,
        "is_clinical": is_clinical,
        "is_filtered": bool(
            request.GET.keys() & {"q", "status", "location", "condition"} and any(request.GET.values())
        ),
        "is_cut": bool(wanted.get("q")) and page.total == FOUND_AT_MOST,
        "found_at_most": FOUND_AT_MOST,
    }
    return render(request, "patients/_rows.html" if is_fragment(request) else "patients/list.html", context)


def _in_order(rows: Any, ids: Sequence[int]) -> Any:  # noqa: ANN401 (querysets with annotations have no type)
    """Only these patients; `match` is their place in the answer of the search."""
    place = Func(
        Value(list(ids), output_field=ArrayField(IntegerField())),
        F("pk"),
        function="array_position",
        template="%(function)s(%(expressions)s)",
        output_field=IntegerField(),
    )
    return rows.filter(pk__in=list(ids)).annotate(match=place)


def _next_visits(patients: Sequence[Patient], moment: Moment) -> dict[int, Booking]:
    """Resource id -> the next visit of each of these patients."""
    ids = [patient.resource_id for patient in patients]
    visits = Booking.objects.upcoming(moment.now).filter(subject_id__in=ids).select_related("location")
    return {
        visit.subject_id: visit
        for visit in visits.order_by("subject_id", "span").distinct("subject_id")
        if visit.subject_id
    }
