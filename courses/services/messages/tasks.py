"""What waits on the worklists and concerns the patient too: maintenance without a booking, consents, reviews, boosters.

The worklists know by themselves when such a thing begins and which act ends it, so a message hangs on the task: set
aside by a person or settled by an act, it is withdrawn. That a booster is proposed is a judgement about scores, so the
patient hears of it only when somebody of the team says so (``ask_about_booster``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time
from importlib import import_module
from typing import cast

from django.core.exceptions import PermissionDenied
from django.db.models import Q

from clinic.models import User
from clinic.pure.dates import say_day
from clinic.pure.roles import Can
from clinic.services.recorded import recorded
from courses.models import Task, TaskKind
from courses.services.messages.said import ids_of, language_of
from courses.services.worklists.engine import MODULES, Module, TaskClosedError
from patients.models import Message, MessageEvent
from patients.services.messages.kinds import Occasion, Scope
from patients.services.messages.planning import announce

MORNING = time(6)
"""Before any message leaves, and the same date on every clock of the country."""
ABOUT = "task"
SIGNED_BY_PATIENT = Q(key__startswith="consent:") | Q(key__startswith="reconsent:")
"""Of what expires; a decision is the clinician's own."""


def find_maintenance(scope: Scope, *, since: datetime, until: datetime, now: datetime) -> Iterable[Occasion]:
    return _find(TaskKind.MAINTENANCE, MessageEvent.MAINTENANCE_DUE, scope, since=since, until=until, now=now)


def find_reviews(scope: Scope, *, since: datetime, until: datetime, now: datetime) -> Iterable[Occasion]:
    return _find(TaskKind.REVIEW, MessageEvent.REVIEW_DUE, scope, since=since, until=until, now=now)


def find_consents(scope: Scope, *, since: datetime, until: datetime, now: datetime) -> Iterable[Occasion]:
    return _find(
        TaskKind.EXPIRING,
        MessageEvent.CONSENT_EXPIRING,
        scope,
        since=since,
        until=until,
        now=now,
        only=SIGNED_BY_PATIENT,
    )


def _find(
    kind: TaskKind,
    event: MessageEvent,
    scope: Scope,
    *,
    since: datetime,
    until: datetime,
    now: datetime,
    only: Q | None = None,
) -> Iterable[Occasion]:
    """One query. The anchor is the morning of the due day; a task that somebody put off is asked about later."""
    if scope.booking_ids is not None:
        return
    rows = Task.objects.open().filter(only or Q(), kind=kind, patient__isnull=False).select_related("location")
    if scope.patient_ids is not None:
        rows = rows.filter(patient__in=scope.patient_ids)
    for task in rows.order_by("pk"):
        anchor = task.location.at(task.due_on, MORNING)
        if since <= anchor < until and not _is_put_off(task, now):
            yield _occasion(task, event, anchor)


def _is_put_off(task: Task, now: datetime) -> bool:
    return task.later_until is not None and task.later_until > task.location.local(now).date()


def _occasion(task: Task, event: MessageEvent, anchor: datetime) -> Occasion:
    return Occasion(
        event=event,
        key=f"task {task.pk}",
        location_id=task.location_id,
        anchor=anchor,
        patient_id=task.patient_id,
        about=f"{ABOUT}:{task.pk}",
        facts={"due_on": task.due_on.isoformat()},
    )


# -- asked again at sending --------------------------------------------------------------------------------------------


def _still(messages: Sequence[Message], now: datetime) -> dict[int, str]:
    """The task is open, nobody put it off, and its condition holds now; the queries of the list, not of each."""
    ids = ids_of(messages, ABOUT)
    tasks = Task.objects.select_related("location", "course").in_bulk(set(ids.values()))
    ended = {pk: f"Its task is over: {task.closed_text}" for pk, task in tasks.items() if task.closed_at is not None}
    ended |= {
        pk: "Its task was put off." for pk, task in tasks.items() if task.closed_at is None and _is_put_off(task, now)
    }
    for kind in {task.kind for pk, task in tasks.items() if pk not in ended}:
        module = cast("Module", import_module(MODULES[TaskKind(kind)]))
        waiting = [task for pk, task in tasks.items() if task.kind == kind and pk not in ended]
        ended |= dict(module.settled(waiting, now))
    gone = {message.pk: "Its task is gone." for message in messages if ids.get(message.pk) not in tasks}
    return gone | {pk: ended[task_id][:300] for pk, task_id in ids.items() if task_id in ended}


def maintenance_still(messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:
    return _still(messages, now)


def reviews_still(messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:
    return _still(messages, now)


def consents_still(messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:
    return _still(messages, now)


def booster_still(messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:
    return _still(messages, now)


def consents_values(messages: Sequence[Message], *, now: datetime) -> Mapping[int, Mapping[str, str]]:  # noqa: ARG001
    """Until when the consent holds; one query."""
    ids = ids_of(messages, ABOUT)
    tasks = Task.objects.in_bulk(set(ids.values()))
    return {
        message.pk: {"until": say_day(tasks[ids[message.pk]].due_on, language_of(message))}
        for message in messages
        if ids.get(message.pk) in tasks
    }


# -- boosters ----------------------------------------------------------------------------------------------------------


def ask_about_booster(task_id: int, *, by: User, now: datetime) -> list[Message]:
    """The patient is asked by message to call about another appointment; asked once for a task.

    Raises:
        PermissionDenied: the person does not decide about courses.
        Task.DoesNotExist: no such proposal.
        TaskClosedError: it was decided meanwhile.
    """
    if not by.can(Can.DECIDE_COURSE):
        raise PermissionDenied("Only a prescriber has a patient asked about a booster.")
    with recorded(by=by, now=now):
        rows = Task.objects.select_for_update(of=("self",), no_key=True).select_related("location")
        task = rows.get(pk=task_id, kind=TaskKind.BOOSTER)
        if task.closed_at is not None:
            raise TaskClosedError(f"This is over already: {task.closed_text}")
        return announce([_occasion(task, MessageEvent.BOOSTER_DUE, now)], now=now, by=by)


def booster_messages(tasks: Iterable[Task], asked: Iterable[Message]) -> dict[int, Message]:
    """Task id -> the message that asked the patient about it, among the messages that asked about boosters."""
    wanted = {f"{ABOUT}:{task.pk}": task.pk for task in tasks}
    return {wanted[row.about]: row for row in asked if row.about in wanted}
