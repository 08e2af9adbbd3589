"""The worklists: what waits at this location, with owner, age and the one act that settles it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from clinic.edge.access import requires, staff
from clinic.edge.context import active_locations, alert_counts, current_location, rail_count
from clinic.edge.htmx import go, is_fragment
from clinic.edge.links import own_page
from clinic.edge.lists import listing
from clinic.edge.numbers import number_in
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from courses.forms.worklists import EndForm, PutOffForm
from courses.models import Task, TaskEnd, TaskKind
from courses.services.messages import failed
from courses.services.worklists import page as service
from courses.services.worklists.engine import (
    TaskClosedError,
    TaskRefusedError,
    TaskTakenError,
    end_task,
    give_back,
    put_off,
    take_task,
)
from patients.services.messages.sending import MessageRefusedError

EVERYWHERE = "all"
LATER, CLOSED = "later", "closed"
LISTS = (*TaskKind.values, LATER, CLOSED)
"""The last part of the address of a list."""
SORTS = {
    "due": ["due_on"],
    "opened": ["opened_at"],
    "patient": ["patient__family_name", "patient__given_name"],
    "owner": ["owner__last_name", "owner__first_name"],
}
MORE_SORTS = {LATER: {"until": ["later_until"]}, CLOSED: {"closed": ["closed_at"]}}
FIRST = {LATER: "until", CLOSED: "-closed"}


# -- the lists ---------------------------------------------------------------------------------------------------------


@requires(Can.VIEW_WORKLISTS)
@require_GET
def all_lists(request: HttpRequest) -> HttpResponse:
    """Every list with its count and its first rows, what waits for a later day, and what was closed lately."""
    user, now = staff(request), timezone.now()
    chosen, stamp = _chosen(request), _stamp(request, timezone.now())
    if _has_seen(request, stamp):
        return HttpResponse(status=204)
    lists = service.all_lists(active_locations(request), chosen, user=user, now=now)
    counts = alert_counts(request) if user.can(Can.VIEW_ALERT) else None
    context = {"lists": lists, "alerts": counts, "kinds": TaskKind.choices, **_shared(request, chosen, stamp)}
    name = "_all" if is_fragment(request) else "all"
    return render(request, f"courses/worklists/{name}.html", context)


@requires(Can.VIEW_WORKLISTS)
@require_GET
def one_list(request: HttpRequest, kind: str) -> HttpResponse:
    """One list, page by page: a kind, what waits for a later day, or what was closed lately."""
    if kind not in LISTS:
        raise Http404
    user, now, places, chosen = staff(request), timezone.now(), active_locations(request), _chosen(request)
    which, stamp = TaskKind(kind) if kind in TaskKind.values else None, _stamp(request, now)
    if _has_seen(request, stamp):
        return HttpResponse(status=204)
    if kind == CLOSED:
        rows = service.closed_lately(chosen, user, now)
    else:
        rows = service.one_list(which, places, chosen, user=user, now=now)
    found = listing(request, rows, sorts=SORTS | MORE_SORTS.get(kind, {}), default=FIRST.get(kind, "due"))
    context = {
        "listing": found,
        "lines": [service.line_of(task, user=user, now=now) for task in found.rows],
        "kind": kind,
        "which": which,
        "look": service.KINDS[which] if which else None,
        "closed_days": service.CLOSED_DAYS,
        **_shared(request, chosen, stamp),
    }
    return render(request, f"courses/worklists/{'_list' if is_fragment(request) else 'list'}.html", context)


def _stamp(request: HttpRequest, now: datetime) -> str:
    """What these pages show hangs on the tasks, the day and the danger signals; the browser sends it back."""
    return f"{service.lists_stamp(active_locations(request), now)}.{alert_counts(request).seen}"


def _has_seen(request: HttpRequest, stamp: str) -> bool:
    """The browser asks again, and nothing has changed."""
    return is_fragment(request) and request.headers.get("X-Cadence-Seen") == stamp


def _chosen(request: HttpRequest) -> service.Chosen:
    """The filters of the address; odd values are ignored. Without a location it is where this person works."""
    asked, owner, kind = (request.GET.get(name, "") for name in ("location", "owner", "kind"))
    places = active_locations(request)
    wanted = next((place for place in places if place.pk == number_in(asked)), None)
    return service.Chosen(
        place=None if asked == EVERYWHERE else wanted or current_location(request),
        owner=service.Owner(owner) if owner in set(service.Owner) else service.Owner.ALL,
        kind=TaskKind(kind) if kind in TaskKind.values else None,
    )


def _shared(request: HttpRequest, chosen: service.Chosen, stamp: str) -> dict[str, object]:
    kept = request.GET.copy()
    for name in ("sort", "page", "kind"):
        kept.pop(name, None)
    count, counted = rail_count("worklists:all", current_location(request))
    return {
        "stamp": stamp,
        "address": request.get_full_path(),  # to ask again and to come back to
        "count": count,
        "counted": counted,
        "chosen": chosen,
        "may_read": staff(request).can(Can.VIEW_CLINICAL),
        "is_filtered": chosen.owner is not service.Owner.ALL or chosen.kind is not None,
        "kept": f"?{kept.urlencode()}" if kept else "",
    }


# -- one task ----------------------------------------------------------------------------------------------------------


@requires(Can.VIEW_WORKLISTS)
@require_GET
def task(request: HttpRequest, task_id: int) -> HttpResponse:
    """One task: what it is about, who looks after it, what was tried, and how it can end."""
    return _page(request, _read(task_id), timezone.now())


@requires(Can.WORK_TASKS)
@require_POST
def take(request: HttpRequest, task_id: int) -> HttpResponseBase:
    """The signed-in person looks after it."""
    row, now = _read(task_id), timezone.now()
    try:
        take_task(row.pk, by=staff(request), now=now, expected_owner=number_in(request.POST.get("owner")))
    except (TaskClosedError, TaskTakenError) as refusal:
        return _page(request, _read(task_id), now, problem=str(refusal), status=409)
    return _back(request, "It is yours.")


@requires(Can.WORK_TASKS)
@require_POST
def back(request: HttpRequest, task_id: int) -> HttpResponseBase:
    """The signed-in person does not look after it any more."""
    row, now = _read(task_id), timezone.now()
    try:
        give_back(row.pk, by=staff(request), now=now)
    except (TaskClosedError, TaskTakenError) as refusal:
        return _page(request, _read(task_id), now, problem=str(refusal), status=409)
    return _back(request, "Given back: nobody looks after it now.")


@requires(Can.WORK_TASKS)
@require_POST
def later(request: HttpRequest, task_id: int) -> HttpResponseBase:
    """It waits until a day, with a reason."""
    row, now = _read(task_id), timezone.now()
    form = _put_off_form(row, now, request)
    if not form.is_valid():
        return _page(request, row, now, put_off_form=form, status=422)
    data = form.cleaned_data
    try:
        put_off(row.pk, until=data["until"], reason=data["reason"], by=staff(request), now=now)
    except TaskClosedError as refusal:
        return _page(request, _read(task_id), now, put_off_form=form, problem=str(refusal), status=409)
    except TaskRefusedError as refusal:
        form.add_error("until", str(refusal))
        return _page(request, row, now, put_off_form=form, status=422)
    return _back(request, "It waits under “Later” and comes up again by itself.")


@requires(Can.WORK_TASKS)
@require_POST
def end(request: HttpRequest, task_id: int, how: str) -> HttpResponseBase:
    """It is over: done by a word (the radar), or set aside with a reason."""
    if how not in (TaskEnd.DONE, TaskEnd.DECLINED):
        raise Http404
    row, now = _read(task_id), timezone.now()
    may = dict(zip(("later", TaskEnd.DECLINED, TaskEnd.DONE), service.ways_to_end(row, staff(request)), strict=True))
    if row.closed_at is None and how == TaskEnd.DONE and not may[TaskEnd.DONE]:
        raise Http404
    form = EndForm(request.POST, how=how, read_by_desk=row.kind in service.DESK_KINDS)
    forms: dict[str, Any] = {"done_form" if how == TaskEnd.DONE else "aside_form": form}
    if not form.is_valid():
        return _page(request, row, now, status=422, **forms)
    try:
        end_task(row.pk, how=TaskEnd(how), text=form.cleaned_data["text"], by=staff(request), now=now)
    except TaskClosedError as refusal:
        return _page(request, _read(task_id), now, problem=str(refusal), status=409, **forms)
    return _back(request, "Done." if how == TaskEnd.DONE else "Set aside. It stands under “Closed lately”.")


@requires(Can.SEND_MESSAGES)
@require_POST
def try_again(request: HttpRequest, task_id: int) -> HttpResponseBase:
    """The message that failed goes out once more."""
    row, now = _read_failed(task_id), timezone.now()
    try:
        failed.try_again(row.pk, by=staff(request), now=now)
    except (TaskClosedError, MessageRefusedError) as refusal:
        return _page(request, _read(task_id), now, problem=str(refusal), status=409)
    return _back(request, "It goes out again. The task ends when it has arrived.")


@requires(Can.SEND_MESSAGES)
@require_POST
def called(request: HttpRequest, task_id: int) -> HttpResponseBase:
    """Somebody called instead of the message that failed."""
    row, now = _read_failed(task_id), timezone.now()
    try:
        failed.say_called(row.pk, said=request.POST.get("said", ""), by=staff(request), now=now)
    except (TaskClosedError, MessageRefusedError) as refusal:
        return _page(request, _read(task_id), now, problem=str(refusal), status=409)
    return _back(request, "Noted: the patient was called.")


def _read_failed(task_id: int) -> Task:
    return get_object_or_404(Task, pk=task_id, kind=TaskKind.MESSAGE)


def _read(task_id: int) -> Task:
    return get_object_or_404(Task.objects.select_related(*service.READ, "course", "infusion"), pk=task_id)


def _back(request: HttpRequest, said: str) -> HttpResponseBase:
    messages.success(request, said)
    return go(request, own_page(request, request.POST.get("next", ""), reverse("worklists:all")))


def _put_off_form(row: Task, now: datetime, request: HttpRequest | None = None) -> PutOffForm:
    today = row.location.local(now).date()
    data = request.POST if request is not None else None
    return PutOffForm(data, kind=row.kind, today=today, read_by_desk=row.kind in service.DESK_KINDS)


def _page(
    request: HttpRequest, row: Task, now: datetime, *, problem: str = "", status: int = 200, **forms: Any
) -> HttpResponse:
    user = staff(request)
    if row.patient is not None and request.method == "GET":
        subject = row.patient.resource_id
        record_reading(by=user, subject_id=subject, page="Task", path=request.path, now=now)
    may_read = user.can(Can.VIEW_CLINICAL) or row.kind in service.DESK_KINDS
    may_put_off, may_set_aside, may_finish = service.ways_to_end(row, user)
    for_desk = row.kind in service.DESK_KINDS
    context = {
        "line": service.line_of(row, user=user, now=now),
        "task": row,
        "place": row.location,
        "look": service.KINDS[TaskKind(row.kind)],
        "is_waiting": row.later_until is not None and row.later_until > row.location.local(now).date(),
        "tried": service.tried(row) if may_read else [],
        "problem": problem,
        "may_put_off": may_put_off,
        "may_set_aside": may_set_aside,
        "may_finish": may_finish,
        "message": failed.message_of(row),
        "next": own_page(request, request.POST.get("next", request.GET.get("next", "")), reverse("worklists:all")),
        "put_off_form": _put_off_form(row, now),
        "aside_form": EndForm(how="declined", read_by_desk=for_desk),
        "done_form": EndForm(how="done", read_by_desk=for_desk),
    } | forms
    template = "courses/worklists/_task.html" if is_fragment(request) else "courses/worklists/task.html"
    return render(request, template, context, status=status)
