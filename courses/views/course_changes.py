"""What a prescriber changes about a running series: its number, and its rhythm, minutes, times and people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from clinic.edge.access import requires, staff
from clinic.edge.htmx import go, is_fragment
from clinic.pure.roles import Can
from clinic.services.access import record_readings
from courses.forms.course import NumberForm, RhythmForm
from courses.forms.moves import ConfirmForm
from courses.models import Phase
from courses.planning.checks import note_infusion, note_number
from courses.services import courses as service
from courses.services.planning_input import Team, team_at
from courses.services.series_changes import ChangedMeanwhileError, ChangeRefusedError, Preview
from courses.services.series_state import Series, names_in, read_latest_series
from courses.views.moves import lines_of

PEOPLE = ("clinician", "nurse", "chair")


@requires(Can.DECIDE_COURSE)
@require_http_methods(["GET", "POST"])
def change_number(request: HttpRequest, pk: int) -> HttpResponseBase:
    """More or fewer infusions: new ones get times, superfluous ones are cancelled; confirmed by POST."""
    series = latest(pk)
    problem, status = "", 200
    if request.method == "POST":
        answer, problem, status = _confirm(request, pk, "The series has its new number of infusions.")
        if answer is not None:
            return answer
    form = NumberForm(request.GET if request.GET.get("n") else None, initial={"n": series.settings.n})
    form.fields["n"].widget.attrs["class"] = "form-control"
    team = team_at(series.location)
    offer, notes = None, []
    if form.is_bound and form.is_valid() and form.cleaned_data["n"] != series.settings.n:
        n, version = form.cleaned_data["n"], series.phase.protocol_version
        try:
            offer = service.preview_number(series, n=n, now=timezone.now(), team=team)
            notes = [note_number(n, n_min=version.n_min, n_max=version.n_max)]
        except ChangeRefusedError as refusal:
            problem, status = problem or str(refusal), 422
    return _render(request, Change("number", series, team, form, offer, problem, notes), status)


@requires(Can.DECIDE_COURSE)
@require_http_methods(["GET", "POST"])
def change_rhythm(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Another rhythm, other gaps, minutes, times or people for this patient; confirmed by POST."""
    series = latest(pk)
    problem, status = "", 200
    if request.method == "POST":
        answer, problem, status = _confirm(request, pk, "The course follows its new settings.")
        if answer is not None:
            return answer
    team = team_at(series.location)
    form = RhythmForm(
        request.GET if "infusion_min" in request.GET else None,
        settings=series.settings,
        given=len(series.given),
        people=_people(series, team),
    )
    offer, notes = None, []
    if form.is_bound and form.is_valid():
        try:
            offer = _rhythm_preview(series, form, team)
            notes = [*form.notes, _long(series, form.shape.infusion_min)]
        except (ChangeRefusedError, ValueError) as refusal:
            problem, status = problem or str(refusal), 422
    return _render(request, Change("rhythm", series, team, form, offer, problem, notes), status)


def _people(series: Series, team: Team) -> dict[str, list[tuple[int, str]]]:
    """Who and what can be preferred; whoever is preferred now stays to be chosen, also when they work elsewhere."""
    phase = series.phase
    now = (phase.preferred_clinician, phase.preferred_nurse, phase.preferred_chair)
    here = (team.clinicians, team.nurses, team.chairs)
    found = {}
    for name, rows, preferred in zip(PEOPLE, here, now, strict=True):
        found[name] = [(one.pk, one.name) for one in rows]
        if preferred is not None and preferred not in rows:
            found[name].append((preferred.pk, f"{preferred.name} (not at {series.location.name} any more)"))
    return found


def _rhythm_preview(series: Series, form: RhythmForm, team: Team) -> Preview | None:
    settings, replan = form.settings, bool(form.cleaned_data["replan"])
    if settings == series.settings and not replan:
        return None
    return service.preview_settings(series, settings=settings, replan=replan, now=timezone.now(), team=team)


def _long(series: Series, infusion_min: int) -> str:
    version = series.phase.protocol_version
    return note_infusion(infusion_min, usual_min=version.infusion_min, longest_min=version.infusion_max_min)


def latest(course_id: int) -> Series:
    """The series of a course that can change."""
    try:
        return read_latest_series(course_id)
    except Phase.DoesNotExist as error:
        raise Http404 from error


def _confirm(request: HttpRequest, pk: int, done: str) -> tuple[HttpResponseBase | None, str, int]:
    form = ConfirmForm(request.POST)
    if not form.is_valid():
        return None, "This confirmation could not be read. Look at the preview again.", 422
    data = form.cleaned_data
    try:
        service.change_course(data["token"], reason=data["reason"], by=staff(request), now=timezone.now())
    except ChangeRefusedError as refusal:
        return None, str(refusal), 409 if isinstance(refusal, ChangedMeanwhileError) else 422
    messages.success(request, done)
    return go(request, "courses:course", pk), "", 200


@dataclass(frozen=True, slots=True)
class Change:
    """What the page of a change shows: the form, and what it would do."""

    what: str  # number, rhythm
    series: Series
    team: Team
    form: Form
    offer: Preview | None
    problem: str
    notes: Sequence[str]  # what is allowed and worth a second look


def _render(request: HttpRequest, change: Change, status: int) -> HttpResponse:
    offer, series = change.offer, change.series
    if request.method == "GET" and not is_fragment(request):  # each time: to look for an earlier one costs a query
        by, subject = staff(request), series.patient.resource_id
        told = {"page": f"Course, {change.what}", "path": request.path, "reason": by.opened_because.get(subject, "")}
        record_readings(by=by, subject_ids=[subject], now=timezone.now(), **told)
    context = {
        "series": series,
        "form": change.form,
        "offer": offer,
        "lines": lines_of(offer, names_in(series) | change.team.names()) if offer else [],
        "may_confirm": bool(offer and offer.may_confirm(staff(request))),
        "problem": change.problem,
        "notes": [one for one in change.notes if one],
        "away": [one for one in series.away if one.last_day >= series.today(timezone.now())],
        "reason": request.POST.get("reason", ""),
        "action": f"{request.path}?{request.GET.urlencode()}",
    }
    prefix = "_" if is_fragment(request) else ""
    return render(request, f"courses/{prefix}course_{change.what}.html", context, status=status)
