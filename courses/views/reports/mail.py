"""The monthly e-mail about a report: asked for and taken back."""

from __future__ import annotations

from datetime import date

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import active_locations, current_location
from clinic.models import Location
from courses.forms.report_mail import MailForm
from courses.models import ReportMail
from courses.reports.filtering import Choices, choices, said
from courses.services.report_mail import MailRefusedError, filters_of, standing_query, subscribe, unsubscribe
from courses.views.reports.frame import ANY_REPORT, asked_filters, kind_or_404, kinds_of, today_of


@requires(*ANY_REPORT)
@require_http_methods(["GET", "POST"])
def mails(request: HttpRequest) -> HttpResponseBase:
    """What this person is told of each month, and one more asked for: a report, with the filters it was opened with."""
    by = staff(request)
    kinds, places = kinds_of(by), active_locations(request)
    form = MailForm(
        request.POST if request.method == "POST" else None,
        kinds=[(kind.key, kind.title) for kind in kinds],
        places=[(place.pk, place.name) for place in places],
        initial=_initial(request, now_place=current_location(request)),
    )
    if form.is_bound and form.is_valid() and _asked(request, form, places):
        return redirect("reports:mail")
    known, today = choices(), today_of(request, timezone.now())
    rows = ReportMail.objects.filter(owner=by, is_active=True).select_related("location").order_by("report", "pk")
    titles = {kind.key: kind.title for kind in kinds}
    context = {
        "form": form,
        "rows": [(row, titles.get(row.report, ""), _words(row, known, today)) for row in rows],
        "about": _about(request, form, known),
        "tabs": kinds,
    }
    return render(request, "courses/reports/mail.html", context, status=422 if form.is_bound else 200)


def _asked(request: HttpRequest, form: MailForm, places: list[Location]) -> bool:
    """It is asked for; else the form says why not."""
    now, by = timezone.now(), staff(request)
    kind = kind_or_404(request, form.cleaned_data["report"])
    filters, problems = asked_filters(request, QueryDict(form.cleaned_data["query"]), now)
    if problems:
        form.add_error(None, " ".join(problems.values()))
        return False
    place = next(one for one in places if one.pk == int(form.cleaned_data["location"]))
    try:
        subscribe(report=kind.key, can=kind.can, query=standing_query(filters), location=place, by=by, now=now)
    except MailRefusedError as refusal:
        form.add_error(None, str(refusal))
        return False
    messages.success(request, f"You are told of “{kind.title}” on the first of each month.")
    return True


@requires(*ANY_REPORT)
@require_POST
def off(request: HttpRequest, mail_id: int) -> HttpResponseBase:
    """This person is told of it no more."""
    row = get_object_or_404(ReportMail, pk=mail_id, owner=staff(request))
    unsubscribe(row, by=staff(request), now=timezone.now())
    messages.success(request, "You get no more e-mails about this report.")
    return redirect("reports:mail")


def _initial(request: HttpRequest, *, now_place: Location | None) -> dict[str, object]:
    """What the page was opened with: the report, and its filters but for the period."""
    query = request.GET.copy()
    report = query.get("report", "")
    for name in ("report", "period", "since", "until"):
        query.pop(name, None)
    return {"report": report, "query": query.urlencode()[:600], "location": now_place.pk if now_place else None}


def _about(request: HttpRequest, form: MailForm, known: Choices) -> str:
    """The filters that the e-mail would keep, in words; "" without any."""
    query = QueryDict(str(form["query"].value() or ""))
    if not query:
        return ""
    filters, _ = asked_filters(request, query, timezone.now())
    return said(filters.without_period(), known)


def _words(row: ReportMail, known: Choices, today: date) -> str:
    filters = filters_of(row, today)
    return said(filters.without_period(), known).removesuffix(" · all time")
