"""One review: the facts for everybody who reads clinical notes, the decision for prescribers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from clinic.edge.access import requires, staff
from clinic.edge.htmx import go, is_fragment
from clinic.pure.roles import Can
from courses.forms.course import NumberForm
from courses.forms.moves import ConfirmForm
from courses.forms.reviews import NewDoseForm, NoteForm, ReasonedForm, RhythmChoiceForm, TreatmentForm
from courses.models import CourseStatus, Task, TaskKind
from courses.planning.checks import note_number
from courses.pure.reviews import OF_SERIES, PointKind, Rhythm
from courses.services import reviews as service
from courses.services.courses import preview_number
from courses.services.planning_input import Team, team_at
from courses.services.reviews import AlreadyDecidedError, Due, Review
from courses.services.series_changes import ChangedMeanwhileError, ChangeRefusedError, Preview
from courses.services.series_state import names_in
from courses.views.following.frame import frame_of, note_reading
from courses.views.moves import lines_of
from patients.pure.measures import MEASURES

CHOICES = {
    "continue": ("Go on as planned", "player-play"),
    "dose": ("Another dose", "droplet"),
    "number": ("Another number of infusions", "numbers"),
    "rhythm": ("Another rhythm", "calendar-repeat"),
    "treatment": ("Other treatment", "pill"),
    "stop": ("Stop", "player-stop"),
}
OVERTAKEN = 409
PREVIEWED = ("number", "rhythm")
"""Choices that are confirmed by the token of a preview; the others by a form."""


@dataclass(slots=True)
class Deciding:
    """What the decision part of the page shows."""

    choice: str = ""
    form: Form | None = None
    offer: Preview | None = None
    team: Team | None = None
    notes: tuple[str, ...] = ()
    problem: str = ""
    status: int = 200


@requires(Can.VIEW_CLINICAL)
@require_http_methods(["GET", "POST"])
def review(request: HttpRequest, pk: int, task_id: int) -> HttpResponseBase:
    """The facts of the series, and what a prescriber decides on them; a nurse reads.

    The preview of a change comes without the facts: htmx puts it below them, and without scripts a link leads back.
    """
    if request.method == "POST":
        return _post(request, pk, task_id)
    task = _task(pk, task_id)
    may_decide = staff(request).can(Can.DECIDE_COURSE) and task.closed_at is None
    is_preview = may_decide and bool(request.GET.get("n") or request.GET.get("rhythm"))
    found = _read(task, has_facts=not is_preview)
    deciding = Deciding(choice=_choice(request, found))
    if may_decide:
        _ask(request, found, deciding)
    return _page(request, found, deciding)


def _post(request: HttpRequest, pk: int, task_id: int) -> HttpResponseBase:
    if not staff(request).can(Can.DECIDE_COURSE):
        raise PermissionDenied("Only a prescriber decides at a review.")
    found = _read(_task(pk, task_id))
    deciding = Deciding(choice=_choice(request, found))
    answer = _decide(request, found, deciding)
    if answer is not None:
        return answer
    if deciding.status == OVERTAKEN:
        found = _read(_task(pk, task_id))  # as it stands now
    return _page(request, found, deciding)


def _read(task: Task, *, has_facts: bool = True) -> Due:
    try:
        return service.read_review(task, timezone.now()) if has_facts else service.read_due(task)
    except Task.DoesNotExist as error:
        raise Http404 from error


def _page(request: HttpRequest, found: Due, deciding: Deciding) -> HttpResponseBase:
    may_decide = staff(request).can(Can.DECIDE_COURSE) and found.is_open
    if isinstance(found, Review):
        note_reading(request, found.course, page="Review")
    context = {
        **frame_of(request, found.course),
        "review": found,
        "has_facts": isinstance(found, Review),
        "measure": _measure(found) if isinstance(found, Review) else "",
        "decided": found.task if not found.is_open else None,
        "may_decide": may_decide,
        "choices": _choices(request, found, deciding) if may_decide else [],
        **_decision_context(request, found, deciding),
    }
    template = "_review_decision.html" if is_fragment(request) else "review.html"
    return render(request, f"courses/following/{template}", context, status=deciding.status)


def _task(pk: int, task_id: int) -> Task:
    rows = Task.objects.select_related("course__patient", "course__location", "closed_by", "revision")
    task = rows.filter(pk=task_id, course=pk, kind=TaskKind.REVIEW).first()
    if task is None:
        raise Http404
    return task


def _measure(found: Review) -> str:
    """What the scores are of, as people say it."""
    measure = MEASURES.get(found.measure)
    return measure.short_name if measure is not None else found.measure


# -- choices -----------------------------------------------------------------------------------------------------------


def _offered(found: Due) -> list[str]:
    """What can be chosen here: where nothing is to come there is no rhythm; an interrupted series does not change."""
    names = list(CHOICES)
    if not found.left:
        names.remove("rhythm")
    if found.course.status == CourseStatus.INTERRUPTED:
        names = [name for name in names if name not in PREVIEWED]
    return names


def _choice(request: HttpRequest, found: Due) -> str:
    asked = request.POST.get("choice") or request.GET.get("choice", "")
    if asked in _offered(found):
        return asked
    return "rhythm" if found.point.kind is PointKind.RETURN and "rhythm" in _offered(found) else ""


def _choices(request: HttpRequest, found: Due, deciding: Deciding) -> list[dict[str, Any]]:
    labels = {"stop": "Stop, or close the course" if found.left else "Close the course"}
    if not found.left:
        labels["continue"] = "Nothing to change: what follows is next"
    if found.point.kind not in OF_SERIES:
        labels["continue"] = "Keep the schedule as it is"
    return [
        {
            "name": name,
            "label": labels.get(name, CHOICES[name][0]),
            "symbol": CHOICES[name][1],
            "url": f"{request.path}?choice={name}#decision",
            "fragment": f"{request.path}?choice={name}",
            "is_current": name == deciding.choice,
        }
        for name in _offered(found)
    ]


def _form(name: str, request: HttpRequest, found: Due) -> Form | None:
    data = request.POST if request.method == "POST" else None
    makers: dict[str, Callable[[], Form]] = {
        "continue": lambda: NoteForm(data),
        "dose": lambda: NewDoseForm(data, is_nasal=found.is_nasal),
        "treatment": lambda: TreatmentForm(data, initial={"responsible": found.course.prescriber.display_name}),
        "stop": lambda: ReasonedForm(data),
    }
    return makers[name]() if name in makers else None


def _ask(request: HttpRequest, found: Due, deciding: Deciding) -> None:
    """The form of the choice, or the preview of a change."""
    if deciding.choice not in PREVIEWED:
        deciding.form = _form(deciding.choice, request, found)
        return
    try:
        _preview(request, found, deciding)
    except (ChangeRefusedError, ValueError) as refusal:
        deciding.problem, deciding.status = deciding.problem or str(refusal), max(422, deciding.status)


def _preview(request: HttpRequest, found: Due, deciding: Deciding) -> None:
    now, series = timezone.now(), found.series
    version = series.phase.protocol_version
    if deciding.choice == "number":
        form = NumberForm(request.GET if request.GET.get("n") else None, initial={"n": series.settings.n})
        form.fields["n"].widget.attrs["class"] = "form-control"
        deciding.form = form
        if form.is_bound and form.is_valid() and form.cleaned_data["n"] != series.settings.n:
            n = form.cleaned_data["n"]
            deciding.team = team_at(series.location)
            deciding.offer = preview_number(series, n=n, now=now, team=deciding.team)
            note = note_number(n, n_min=version.n_min, n_max=version.n_max)
            deciding.notes = (note,) if note else ()
        return
    asked = {"rhythm": request.GET["rhythm"]} if request.GET.get("rhythm") else None
    is_return = found.point.kind is PointKind.RETURN  # case 27c: what the label considers
    deciding.form = rhythm_form = RhythmChoiceForm(asked, initial={"rhythm": Rhythm.TWO} if is_return else None)
    if rhythm_form.is_bound and rhythm_form.is_valid():
        deciding.team = team_at(series.location)
        rhythm = rhythm_form.cleaned_data["rhythm"]
        deciding.offer = service.preview_rhythm(series, rhythm, now=now, team=deciding.team)


def _decision_context(request: HttpRequest, found: Due, deciding: Deciding) -> dict[str, Any]:
    offer, names = deciding.offer, {}
    if offer is not None and deciding.team is not None:
        names = names_in(found.series) | deciding.team.names()
    asked = request.GET.copy()
    asked["choice"] = deciding.choice
    return {
        "series": found.series,
        "choice": deciding.choice,
        "form": deciding.form,
        "offer": offer,
        "lines": lines_of(offer, names) if offer else [],
        "may_confirm": bool(offer and offer.may_confirm(staff(request))),
        "notes": deciding.notes,
        "problem": deciding.problem,
        "reason": request.POST.get("reason", ""),
        "action": f"{request.path}?{asked.urlencode()}",
        "leave": request.path,
    }


# -- deciding ----------------------------------------------------------------------------------------------------------


def _decide(request: HttpRequest, found: Due, deciding: Deciding) -> HttpResponseBase | None:
    """The answer after a decision; None where it was refused, and ``deciding`` says why."""
    if not deciding.choice:
        deciding.problem, deciding.status = "Choose how to go on.", 422
        return None
    form = ConfirmForm(request.POST) if deciding.choice in PREVIEWED else _form(deciding.choice, request, found)
    if form is None or not form.is_valid():
        deciding.form, deciding.status = form, 422
        if deciding.choice in PREVIEWED:
            deciding.problem = "This confirmation could not be read. Look at the preview again."
            _ask(request, found, deciding)
        return None
    try:
        notice = _act(request, found, deciding.choice, form)
    except AlreadyDecidedError as refusal:
        deciding.problem, deciding.status = str(refusal), OVERTAKEN
        return None
    except ValidationError as error:
        deciding.form, deciding.status = form, 422
        form.add_error(None, error)
        return None
    except ChangeRefusedError as refusal:
        deciding.form, deciding.problem = form, str(refusal)
        deciding.status = OVERTAKEN if isinstance(refusal, ChangedMeanwhileError) else 422
        if deciding.choice in PREVIEWED:
            _ask(request, found, deciding)
        return None
    messages.success(request, notice)
    return go(request, "courses:course", found.course.pk)


def _act(request: HttpRequest, found: Due, choice: str, form: Form) -> str:
    """Carries the choice out; returns what the notice says."""
    by, now, pk, data = staff(request), timezone.now(), found.task.pk, form.cleaned_data
    if choice == "continue":
        service.continue_as_planned(pk, note=data["note"], by=by, now=now)
        return "Reviewed: the course goes on as planned."
    if choice == "dose" and isinstance(form, NewDoseForm):
        service.change_dose(pk, basis=form.unit, amount=data["amount"], reason=data["reason"], by=by, now=now)
        return "The next dose order shows the new dose as decided at the review."
    if choice == "treatment":
        care = service.Beside(data["responsible"]) if data["beside"] else None
        service.change_treatment(pk, what=data["what"], reason=data["reason"], care=care, by=by, now=now)
        return "The change of other treatment stands in the history."
    if choice == "stop":
        service.stop(pk, reason=data["reason"], by=by, now=now)
        return "The course is closed and its bookings are released."
    revision = service.commit_change(pk, data["token"], reason=data["reason"], by=by, now=now)
    return f"Decided: {revision.summary}"
