"""How long what is kept, what is due, what was erased, what tidies itself; and to whom records were given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.htmx import go
from clinic.edge.lists import listing
from clinic.models import Beat, Location
from clinic.pure.roles import Can
from patients.forms.privacy import TermsForm
from patients.models import DisclosureTaken, Erasure, ErasureProposal, PrivacySettings
from patients.pure.privacy import TERMS
from patients.services.privacy_part2 import set_program
from patients.services.privacy_terms import backups_until, due, set_terms, terms

HERE = "retention:page"
DUE_SHOWN = 25
TIDIED = (
    (
        "patients.tasks.measures.forget_drafts",
        "Answers of questionnaires that were never sent",
        "once the link has run out",
    ),
    ("patients.tasks.imports.forget_files", "Uploaded lists of patients", "a week after nobody imported them"),
    ("clinic.tasks.housekeeping.clear_sessions", "Sessions of people who signed in", "once they have run out"),
    ("clinic.tasks.housekeeping.forget_caught_mail", "Messages that were caught instead of sent", "after 30 days"),
)
"""What is no record and goes by itself: task, what, when."""


@dataclass(frozen=True, slots=True)
class Tidied:
    what: str
    when: str
    ran_at: datetime | None


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_RETENTION)
def page(request: HttpRequest) -> HttpResponseBase:
    """The terms, shown and changed; what is due is never erased by itself."""
    known = terms()
    form = TermsForm(request.POST or None, known=known)
    if form.is_bound and form.is_valid():
        set_terms(amounts=form.amounts(), by=staff(request), now=timezone.now())
        messages.success(request, "Saved.")
        return go(request, HERE)
    rows = due(known, today=timezone.localdate())
    programs = set(PrivacySettings.objects.filter(is_part_2_program=True).values_list("location", flat=True))
    ran = dict(Beat.objects.filter(name__in=[task[:60] for task, _, _ in TIDIED]).values_list("name", "at"))
    proposals = ErasureProposal.objects.filter(closed_at=None).select_related("patient", "proposed_by")
    erasures = Erasure.objects.select_related("by", "proposed_by")[:DUE_SHOWN]
    context = {
        "form": form,
        "fields": [(form[term.kept.value], term, known[term.kept]) for term in TERMS],
        "due": rows[:DUE_SHOWN],
        "due_count": rows.count(),
        "due_shown": DUE_SHOWN,
        "proposals": proposals,
        "erasures": [(one, backups_until(one.at, known)) for one in erasures],
        "places": [(place, place.pk in programs) for place in Location.objects.order_by("name")],
        "tidied": [Tidied(what, when, ran.get(task[:60])) for task, what, when in TIDIED],
        "place": current_location(request),
        "list_file": settings.ERASURES_FILE.name,
    }
    return render(request, "patients/privacy/retention.html", context, status=422 if form.is_bound else 200)


@require_POST
@requires(Can.EDIT_RETENTION)
def program(request: HttpRequest, location_pk: int) -> HttpResponseBase:
    """The location is (part of) a Part 2 program from now on, or is none."""
    place = get_object_or_404(Location, pk=location_pk)
    is_one = request.POST.get("is_part_2_program") == "1"
    set_program(location=place, is_part_2_program=is_one, by=staff(request), now=timezone.now())
    said = "counts as a Part 2 program" if is_one else "counts as no Part 2 program"
    messages.success(request, f"{place.name} {said} from now on.")
    return go(request, HERE)


@require_GET
@requires(Can.VIEW_AUDIT)
def disclosures(request: HttpRequest) -> HttpResponse:
    """Whose record was given to whom, by whom, why. The list names patients by number, as the read log does."""
    rows = DisclosureTaken.objects.select_related("by", "patient")
    listed = listing(request, rows, sorts={"at": ("at",)}, default="-at")
    return render(request, "patients/privacy/disclosures.html", {"listing": listed, "place": current_location(request)})
