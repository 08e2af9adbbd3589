"""Opening, settling and working tasks. See the package for what a kind has to give."""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib import import_module
from typing import Any, Protocol, cast

from django.core.exceptions import PermissionDenied
from django.db import transaction

from clinic.models import User
from clinic.pure.roles import Can
from clinic.services.recorded import recorded
from courses.models import Revision, Task, TaskEnd, TaskKind
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.planning.words import say_day
from courses.services.worklists.once import one_sweep

logger = logging.getLogger(__name__)

MODULES = {
    TaskKind.WORSE: "courses.services.worklists.worse",
    TaskKind.REVIEW: "courses.services.worklists.reviews",
    TaskKind.INTERRUPTED: "courses.services.worklists.interrupted",
    TaskKind.DROPOUT: "courses.services.worklists.dropout",
    TaskKind.MAINTENANCE: "courses.services.worklists.maintenance",
    TaskKind.MAINTENANCE_REVIEW: "courses.services.worklists.maintenance_review",
    TaskKind.BOOSTER: "courses.services.worklists.boosters",
    TaskKind.MEASURE: "courses.services.worklists.measures",
    TaskKind.LONG_TERM: "courses.services.worklists.long_term",
    TaskKind.EXPIRING: "courses.services.worklists.expiring",
    TaskKind.FREED_SLOT: "courses.services.worklists.freed",
    TaskKind.MESSAGE: "courses.services.worklists.messages",
}
"""In the order in which the lists are shown: what endangers somebody first."""
DECIDED_KINDS = frozenset(
    {TaskKind.WORSE, TaskKind.REVIEW, TaskKind.INTERRUPTED, TaskKind.BOOSTER, TaskKind.MAINTENANCE_REVIEW}
)
"""Set aside only by who decides about a course: setting one aside is a clinical judgement."""
END_WITH_COURSE = frozenset(
    {
        *(TaskKind.REVIEW, TaskKind.INTERRUPTED, TaskKind.DROPOUT, TaskKind.BOOSTER),
        *(TaskKind.MAINTENANCE, TaskKind.MAINTENANCE_REVIEW),
    }
)
"""About how a course goes on: closing it settles them, where their module does not say so itself."""
LONGEST_WAIT = timedelta(days=180)  # clinic setting: "later" is not "never"
TEXT_MAX = 300
A_DAY = timedelta(hours=14)  # no clock of the world is further from UTC


class TaskRefusedError(Exception):
    """Nothing was changed; the message says what is wrong and what to do."""


class TaskClosedError(TaskRefusedError):
    """Somebody, or something that happened, ended the task meanwhile."""


class TaskTakenError(TaskRefusedError):
    """Somebody else looks after it by now."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A condition for which a task is to be there."""

    kind: TaskKind
    key: str
    location_id: int
    text: str  # nothing clinical: the front desk reads it
    due_on: date
    patient_id: int | None = None
    course_id: int | None = None
    infusion_id: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)  # plain JSON; for those who may read clinical notes


class Module(Protocol):
    """What each kind gives."""

    def wanted(self, now: datetime, course_id: int | None) -> Iterable[Wanted]: ...

    def settled(self, tasks: Sequence[Task], now: datetime) -> Mapping[int, str]: ...


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep changed."""

    opened: int
    settled: int


def sweep(now: datetime, *, course_id: int | None = None, kinds: Iterable[TaskKind] = tuple(MODULES)) -> Swept:
    """Every condition has its task, once, and tasks whose condition went by an act are settled. Repeat freely.

    Two sweeps at once open nothing twice: the key is unique. A kind that fails leaves the others to be swept; the first
    failure is raised when all had their turn.
    """
    with one_sweep():
        return _sweep(now, course_id, kinds)


def _sweep(now: datetime, course_id: int | None, kinds: Iterable[TaskKind]) -> Swept:
    opened = settled = 0
    failures: list[Exception] = []
    for kind in kinds:
        module = cast("Module", import_module(MODULES[kind]))
        try:
            with recorded(by=None, now=now):
                here = _open(list(module.wanted(now, course_id)), now), _settle(kind, module, now, course_id)
        except Exception as error:
            logger.exception("The list %s could not be swept", kind)
            failures.append(error)
        else:
            opened, settled = opened + here[0], settled + here[1]
    if failures:
        raise failures[0]
    return Swept(opened, settled)


def _open(wanted: Sequence[Wanted], now: datetime) -> int:
    """What is wanted is there; an open task says what is true by now. Keys in order, so that sweeps cannot deadlock."""
    by_key = {one.key: one for one in wanted}
    if not by_key:
        return 0
    known = {task.key: task for task in Task.objects.filter(key__in=by_key).only("key", "closed_at", *SAID)}
    rows = [
        Task(
            kind=one.kind,
            key=key,
            patient_id=one.patient_id,
            location_id=one.location_id,
            course_id=one.course_id,
            infusion_id=one.infusion_id,
            opened_at=now,
            **_said(one),
        )
        for key, one in sorted(by_key.items())
        if key not in known
    ]
    Task.objects.bulk_create(rows, ignore_conflicts=True)
    news = {key: _news(task, by_key[key], now) for key, task in known.items() if task.closed_at is None}
    other = [key for key, said in news.items() if _differs(known[key], said)]
    if other:
        # Locked and asked again whether it is open: what somebody ended meanwhile keeps its words.
        still = Task.objects.open().filter(key__in=other).select_for_update(no_key=True).order_by("pk")
        for task in (changed := list(still)):
            for name, value in news[task.key].items():
                setattr(task, name, value)
        Task.objects.bulk_update(changed, SAID)
    return len(rows)


SAID = ("text", "facts", "due_on")
"""What a task says about its condition, which may move: an infusion that is moved moves what hangs on it."""


def _said(one: Wanted) -> dict[str, Any]:
    """As the database gives it back."""
    return {"text": one.text[:TEXT_MAX], "facts": json.loads(json.dumps(dict(one.facts))), "due_on": one.due_on}


def _news(task: Task, one: Wanted, now: datetime) -> dict[str, Any]:
    """What the open task is to say by now. A due day that is only ever today does not run away with the clock."""
    said = _said(one)
    is_today = (now - A_DAY).date() <= one.due_on <= (now + A_DAY).date()
    return said | {"due_on": task.due_on} if is_today and task.due_on < one.due_on else said


def _differs(task: Task, said: Mapping[str, Any]) -> bool:
    return any(getattr(task, name) != value for name, value in said.items())


def _settle(kind: TaskKind, module: Module, now: datetime, course_id: int | None) -> int:
    rows = Task.objects.open().filter(kind=kind).select_related("course")
    if course_id is not None:
        rows = rows.filter(course=course_id)
    tasks = list(rows)
    if not tasks:
        return 0
    said = (_closings(tasks) if kind in END_WITH_COURSE else {}) | dict(module.settled(tasks, now))
    if not said:
        return 0
    # In the order of ids, so that two sweeps wait for each other instead of dying; what a person ended meanwhile is
    # no longer among them.
    still = Task.objects.open().filter(pk__in=said).select_for_update(no_key=True).order_by("pk")
    by_text: dict[str, list[int]] = defaultdict(list)
    for pk in still.values_list("pk", flat=True):
        by_text[said[pk].strip()[:TEXT_MAX]].append(pk)
    return sum(
        Task.objects.open().filter(pk__in=pks).update(closed_at=now, closed_how=TaskEnd.SETTLED, closed_text=text)
        for text, pks in by_text.items()
    )


def _closings(tasks: Sequence[Task]) -> dict[int, str]:
    """Closing a course is the act that ends what was to be decided about how it goes on."""
    found = {}
    for task in tasks:
        course = task.course
        if course is not None and course.status not in OPEN_COURSE_STATUSES:
            on = f" on {say_day(course.closed_on)}" if course.closed_on else ""
            found[task.pk] = f"The course was closed{on}: {course.get_status_display().lower()}."
    return found


def fresh_keys(kind: TaskKind, bases: Mapping[int, str]) -> dict[int, str]:
    """The key of a condition that may come back after it was settled by what happened, by course; one query.

    While a task of this kind is open for the course its key stays, so that nothing stands there twice. Otherwise the
    key counts how often one was settled: the same condition, back again, is a new task and not the old one. What a
    person ended stays ended as long as ``base`` names the same condition.
    """
    open_keys: dict[int, str] = {}
    settled: Counter[int] = Counter()
    rows = Task.objects.filter(kind=kind, course__in=bases).values_list("course_id", "key", "closed_how")
    for course, key, how in rows:
        if not how:
            open_keys[course] = key
        elif how == TaskEnd.SETTLED:
            settled[course] += 1
    return {course: open_keys.get(course) or f"{base}:{settled[course]}" for course, base in bases.items()}


# -- what people do with them ------------------------------------------------------------------------------------------


def end_task(
    task_id: int, *, how: TaskEnd, text: str, by: User, now: datetime, revision: Revision | None = None
) -> Task:
    """The task is over, by an act of this person; belongs into the transaction of that act.

    Raises:
        PermissionDenied: the person works on no tasks, or this kind is set aside only by a prescriber.
        TaskClosedError: it is over already.
        TaskRefusedError: it does not say by which act, or why.
    """
    _demand(by)
    text = _words(text, "Say why this is set aside; it stays with the task.")
    with recorded(by=by, now=now):
        task = _locked(task_id)
        if how in (TaskEnd.DONE, TaskEnd.DECLINED):
            _demand_decision(task, by)
        task.closed_at, task.closed_by, task.closed_how, task.closed_text = now, by, how, text
        task.revision = revision
        task.save(update_fields=["closed_at", "closed_by", "closed_how", "closed_text", "revision"])
        return task


def end_tasks(
    kind: TaskKind, *, course_id: int, text: str, by: User, now: datetime, revision: Revision | None = None
) -> int:
    """All open tasks of a kind of one course are decided by one act; returns how many there were. In its transaction.

    Raises:
        TaskRefusedError: it does not say by which act.
    """
    text = _words(text, "Say by which act this is decided; it stays with the task.")
    said = {"closed_at": now, "closed_by": by, "closed_how": TaskEnd.DECIDED, "closed_text": text, "revision": revision}
    with transaction.atomic():  # locked in the order of ids, as a sweep does it
        rows = Task.objects.open().filter(kind=kind, course=course_id).select_for_update(no_key=True).order_by("pk")
        return Task.objects.open().filter(pk__in=list(rows.values_list("pk", flat=True))).update(**said)


def take_task(task_id: int, *, by: User, now: datetime, expected_owner: int | None = None) -> Task:
    """The person looks after it from now on.

    Args:
        expected_owner: whom the page showed as looking after it; taking it over from them is meant.

    Raises:
        PermissionDenied, TaskClosedError
        TaskTakenError: somebody else took it meanwhile.
    """
    _demand(by)
    with recorded(by=by, now=now):
        task = _locked(task_id)
        if task.owner_id not in (None, expected_owner, by.pk):
            raise TaskTakenError(f"{task.owner} took it meanwhile.")
        if task.owner_id != by.pk:
            task.owner = by
            task.save(update_fields=["owner"])
        return task


def give_back(task_id: int, *, by: User, now: datetime) -> Task:
    """Nobody looks after it any more; given back twice it stays given back.

    Raises:
        PermissionDenied, TaskClosedError
        TaskTakenError: somebody else looks after it.
    """
    _demand(by)
    with recorded(by=by, now=now):
        task = _locked(task_id)
        if task.owner_id not in (None, by.pk):
            raise TaskTakenError(f"{task.owner} took it meanwhile.")
        if task.owner_id is not None:
            task.owner = None
            task.save(update_fields=["owner"])
        return task


def put_off(task_id: int, *, until: date, reason: str, by: User, now: datetime) -> Task:
    """It comes up again on that day; until then it stays in the list under "later".

    Raises:
        PermissionDenied: the person works on no tasks, or somebody is worse and they are no prescriber.
        TaskClosedError
        TaskRefusedError: no reason, or a day that is not ahead, or half a year off.
    """
    _demand(by)
    reason = _words(reason, "Say why it waits; it stays with the task.")
    with recorded(by=by, now=now):
        task = _locked(task_id)
        if task.kind == TaskKind.WORSE:
            _demand_decision(task, by)
        today = task.location.local(now).date()
        if until <= today:
            raise TaskRefusedError("Choose a day after today.")
        if until > today + LONGEST_WAIT:
            raise TaskRefusedError(f"Choose a day until {say_day(today + LONGEST_WAIT)}: later is not never.")
        task.later_until, task.later_reason = until, reason
        task.save(update_fields=["later_until", "later_reason"])
        return task


def may_set_aside(task: Task, by: User) -> bool:
    """Whether this person may end the task with a reason, without doing what it asks for."""
    return by.can(Can.WORK_TASKS) and (task.kind not in DECIDED_KINDS or by.can(Can.DECIDE_COURSE))


def may_put_off(task: Task, by: User) -> bool:
    """Whether this person may let it wait; somebody who is worse waits only by a prescriber's word."""
    return by.can(Can.WORK_TASKS) and (task.kind != TaskKind.WORSE or by.can(Can.DECIDE_COURSE))


def _locked(task_id: int) -> Task:
    task = Task.objects.select_for_update(of=("self",), no_key=True).select_related("location", "owner").get(pk=task_id)
    if task.closed_at is not None:
        raise TaskClosedError(f"This is over already: {task.closed_text}")
    return task


def _demand(by: User) -> None:
    if not by.can(Can.WORK_TASKS):
        raise PermissionDenied("Your role does not include this.")


def _demand_decision(task: Task, by: User) -> None:
    if task.kind in DECIDED_KINDS and not by.can(Can.DECIDE_COURSE):
        raise PermissionDenied("Only a prescriber sets this aside.")


def _words(text: str, otherwise: str) -> str:
    found = text.replace("\x00", "").strip()[:TEXT_MAX]
    if not found:
        raise TaskRefusedError(otherwise)
    return found


def sweep_after(course_id: int, now: datetime, *, kinds: Iterable[TaskKind] = tuple(MODULES)) -> None:
    """The course's tasks fit what was just saved, as soon as it is saved."""

    def look() -> None:
        sweep(now, course_id=course_id, kinds=kinds)

    transaction.on_commit(look, robust=True)
