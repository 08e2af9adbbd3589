"""Care beside the infusions: what there is, and one small form for each thing that can be written about it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from clinic.edge.access import requires
from clinic.models import User
from clinic.pure.roles import Can
from courses.forms.care import CareEditForm, CareForm, EndForm, EntryForm, StrikeForm
from courses.models import CareEntry, CareItem, CareKind, Course
from courses.services import care as service
from courses.services.following import read_following
from courses.views.following.asking import ask
from courses.views.following.frame import open_course


@requires(Can.VIEW_CLINICAL)
@require_GET
def care(request: HttpRequest, pk: int) -> HttpResponse:
    """Psychotherapy, other treatments, goals and referrals beside the infusions of one course."""
    course, context = open_course(request, pk, page="Care beside")
    board = service.board_of(read_following(course))
    return render(request, "courses/following/care.html", context | {"board": board, "kinds": CareKind.choices})


@requires(Can.EDIT_CARE)
@require_http_methods(["GET", "POST"])
def add(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Something new beside the infusions; ``?kind=`` and ``?title=`` fill in a suggestion."""
    course = get_object_or_404(Course.objects.select_related("patient", "location"), pk=pk)
    kind, title = request.GET.get("kind", ""), request.GET.get("title", "")[:120].replace("\x00", "")
    initial = {
        "kind": kind if kind in CareKind.values else CareKind.PSYCHOTHERAPY,
        "title": title,
        "started_on": _today(course),
        "responsible": course.patient.name if kind == CareKind.LIFESTYLE else "",
    }
    form = CareForm(request.POST or None, initial=initial)

    def write(data: dict[str, Any], by: User, now: datetime) -> object:
        return service.add_care(pk, values=data, by=by, now=now)

    said = {"head": "Add care beside the infusions", "button": "Add it", "done": "It stands beside the infusions now."}
    return ask(request, course, form, write, said)


@requires(Can.EDIT_CARE)
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, pk: int, item_id: int) -> HttpResponseBase:
    """Another name, another person responsible; the history keeps what stood there."""
    item = _item(pk, item_id)
    initial = {name: getattr(item, name) for name in service.EDITED} | {"expected": service.state_of(item)}
    form = CareEditForm(request.POST or None, initial=initial)

    def write(data: dict[str, Any], by: User, now: datetime) -> object:
        values = {name: data[name] for name in service.EDITED}
        try:
            return service.edit_care(item_id, values=values, expected=data["expected"], by=by, now=now)
        except service.CareChangedError:
            form.seen_again(service.state_of(item))
            raise

    said = {"head": f"{item.title}: edit", "button": "Save", "done": "Saved. The history keeps what stood there."}
    return ask(request, item.course, form, write, said)


@requires(Can.EDIT_CARE)
@require_http_methods(["GET", "POST"])
def entry(request: HttpRequest, pk: int, item_id: int) -> HttpResponseBase:
    """A session took place, a step was made, an answer came."""
    item = _item(pk, item_id)
    word = service.ENTRY_WORDS[CareKind(item.kind)]
    form = EntryForm(request.POST or None, initial={"day": _today(item.course)})

    def write(data: dict[str, Any], by: User, now: datetime) -> object:
        return service.add_entry(item_id, day=data["day"], note=data["note"], by=by, now=now)

    said = {"head": f"{item.title}: add a {word}", "button": f"Add the {word}", "done": f"The {word} is recorded."}
    return ask(request, item.course, form, write, said | {"item": item})


@requires(Can.EDIT_CARE)
@require_http_methods(["GET", "POST"])
def end(request: HttpRequest, pk: int, item_id: int) -> HttpResponseBase:
    """It ended, and why; an end that was recorded before can be corrected."""
    item = _item(pk, item_id)
    initial = {"ended_on": item.ended_on or _today(item.course), "reason": item.ended_reason}
    form = EndForm(request.POST or None, initial=initial)

    def write(data: dict[str, Any], by: User, now: datetime) -> object:
        return service.end_care(item_id, ended_on=data["ended_on"], reason=data["reason"], by=by, now=now)

    head = "correct the end" if item.ended_on else "it ended"
    said = {"head": f"{item.title}: {head}", "button": "Save the end", "done": "The end is recorded."}
    return ask(request, item.course, form, write, said | {"item": item})


@requires(Can.EDIT_CARE)
@require_http_methods(["GET", "POST"])
def strike(request: HttpRequest, pk: int, item_id: int) -> HttpResponseBase:
    """The item was entered in error; its entries count no more either."""
    item = _item(pk, item_id)
    form = StrikeForm(request.POST or None)

    def write(data: dict[str, Any], by: User, now: datetime) -> object:
        return service.strike_care(item_id, reason=data["reason"], by=by, now=now)

    said = {"head": f"{item.title}: entered in error", "button": "Strike it", "done": "It counts no more."}
    note = "It counts no more, with everything that was recorded about it. It stays readable."
    return ask(request, item.course, form, write, said | {"item": item, "note": note, "is_danger": True})


@requires(Can.EDIT_CARE)
@require_http_methods(["GET", "POST"])
def strike_entry(request: HttpRequest, pk: int, entry_id: int) -> HttpResponseBase:
    """One entry was made in error."""
    rows = CareEntry.objects.valid().select_related("item__course__patient", "item__course__location")
    row = get_object_or_404(rows, pk=entry_id, item__course=pk)
    form = StrikeForm(request.POST or None)

    def write(data: dict[str, Any], by: User, now: datetime) -> object:
        return service.strike_entry(entry_id, reason=data["reason"], by=by, now=now)

    said = {"head": f"{row.item.title}: entered in error", "button": "Strike it", "done": "It counts no more."}
    return ask(request, row.item.course, form, write, said | {"entry": row, "is_danger": True})


def _item(pk: int, item_id: int) -> CareItem:
    rows = CareItem.objects.valid().select_related("course__patient", "course__location")
    return get_object_or_404(rows, pk=item_id, course=pk)


def _today(course: Course) -> date:
    return course.location.local(timezone.now()).date()
