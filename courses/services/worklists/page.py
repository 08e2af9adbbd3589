"""The worklists as a page shows them: what each line says to this person, how urgent it is, and the one act for it.

Who may not read clinical notes sees ``Task.text``, never ``facts``; words that somebody wrote are shown to them only on
the lists that the front desk works on (``DESK_KINDS``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, DateField, DateTimeField, F, Func, Max, OuterRef, Q, QuerySet, Window
from django.db.models.functions import Cast, JSONObject, RowNumber
from django.urls import reverse

from clinic.models import Location, User
from clinic.models.moments import Moment
from clinic.pure.roles import Can
from courses.models import Task, TaskKind
from courses.planning.words import say_days
from courses.services.freed import slot_id_of
from courses.services.worklists.engine import MODULES, may_put_off, may_set_aside

SHOWN = 6
"""Rows of each list on the page that has all of them."""
CLOSED_SHOWN = 10
CLOSED_DAYS = 14
"""So long a task that is over stands under "closed lately"; the patient's history keeps it for good."""
ON_TODAY = (TaskKind.INTERRUPTED, TaskKind.DROPOUT)
"""Today has a line of its own for each of these courses."""
DESK_KINDS = frozenset(
    {TaskKind.DROPOUT, TaskKind.MAINTENANCE, TaskKind.MEASURE, TaskKind.EXPIRING, TaskKind.FREED_SLOT, TaskKind.MESSAGE}
)
"""Worked on by the front desk: reasons written here are read by everybody, and the form says so."""


class Owner(StrEnum):
    """Whose tasks a list shows."""

    ALL = ""
    MINE = "mine"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Act:
    """Where a task is worked on. Of several the first one is taken that this person may open."""

    label: str
    name: str  # of the address
    needs: Can
    about: tuple[str, ...] = ("course_id",)  # fields of the task that the address takes; "slot": the freed time


@dataclass(frozen=True, slots=True)
class Kind:
    """How one list looks and where its tasks are worked on."""

    symbol: str
    about: str
    acts: tuple[Act, ...]


COURSE = Act("Open course", "courses:course", Can.VIEW_COURSE)
PATIENT = Act("Open record", "patients:detail", Can.VIEW_PATIENT, ("patient_id",))
KINDS: Mapping[TaskKind, Kind] = {
    TaskKind.WORSE: Kind(
        "trending-down",
        "Scores that went the wrong way. A prescriber looks.",
        (Act("See scores", "following:response", Can.VIEW_CLINICAL),),
    ),
    TaskKind.REVIEW: Kind(
        "clipboard-check",
        "Decision points of the protocol that were reached.",
        (
            Act("Review", "following:review", Can.DECIDE_COURSE, ("course_id", "pk")),
            Act("Open review", "following:review", Can.VIEW_CLINICAL, ("course_id", "pk")),
        ),
    ),
    TaskKind.INTERRUPTED: Kind(
        "player-pause",
        "Too long a pause: the prescriber continues, restarts or closes.",
        (Act("Decide", "courses:decide", Can.DECIDE_COURSE),),
    ),
    TaskKind.DROPOUT: Kind(
        "user-minus",
        "An infusion is owed and nothing is booked inside the largest gap. Call before it is over.",
        (Act("Find a time", "courses:move", Can.MOVE_INFUSION, ("infusion_id",)),),
    ),
    TaskKind.MAINTENANCE: Kind(
        "calendar-plus",
        "The next infusion of maintenance is due and has no time.",
        (
            Act("Book", "following:maintenance_next", Can.MOVE_INFUSION),
            Act("Open plan", "following:maintenance", Can.VIEW_COURSE),
        ),
    ),
    TaskKind.MAINTENANCE_REVIEW: Kind(
        "repeat",
        "Is maintenance still needed, and at this interval?",
        (
            Act("Review", "following:maintenance_review", Can.DECIDE_COURSE),
            Act("Open plan", "following:maintenance", Can.VIEW_COURSE),
        ),
    ),
    TaskKind.BOOSTER: Kind(
        "bolt",
        "The effect fades by the clinic’s own rule. The prescriber decides.",
        (
            Act("See times", "following:booster", Can.DECIDE_COURSE),
            Act("Open", "following:booster", Can.VIEW_COURSE),
        ),
    ),
    TaskKind.MEASURE: Kind(
        "forms",
        "Questionnaires that the schedule asks for and nobody has sent, entered or waived.",
        (
            Act("Send or enter", "following:schedule", Can.SEND_MEASURE),
            Act("Open schedule", "following:schedule", Can.VIEW_COURSE),
        ),
    ),
    TaskKind.LONG_TERM: Kind(
        "hourglass",
        "Cognition, bladder, cravings, and how many infusions there have been.",
        (Act("Open checks", "following:schedule", Can.VIEW_COURSE),),
    ),
    TaskKind.EXPIRING: Kind(
        "file-alert",
        "Consents and decisions that end soon.",
        (Act("Renew consent", "consents:patient", Can.RECORD_CONSENT, ("patient_id",)),),
    ),
    TaskKind.FREED_SLOT: Kind(
        "clock-pause",
        "Times that became free and can still be offered.",
        (Act("Offer it", "worklists:freed", Can.MOVE_INFUSION, ("slot",)),),
    ),
    TaskKind.MESSAGE: Kind(
        "message-x",
        "Messages that could not be delivered. Try again, or call.",
        (Act("Try again or call", "worklists:task", Can.SEND_MESSAGES, ("pk",)),),
    ),
}


def act_for(task: Task, user: User) -> tuple[str, str]:
    """What the button says and where it leads."""
    for act in (*KINDS[TaskKind(task.kind)].acts, COURSE, PATIENT):
        values = [_slot_of(task) if name == "slot" else getattr(task, name) for name in act.about]
        if None not in values and user.can(act.needs):
            return act.label, reverse(act.name, args=values)
    return "", ""


def _slot_of(task: Task) -> int | None:
    try:
        return slot_id_of(task.key)
    except ValueError:
        return None


# -- one line ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One task as this person sees it."""

    task: Task
    said: str
    due: str
    is_due: bool
    is_overdue: bool
    age: str
    act: str
    act_url: str
    may_work: bool
    is_mine: bool
    reason: str  # why it was put off, where this person may read it
    ended: str  # by which act, where this person may read it
    ended_by: str

    @property
    def who(self) -> str:
        task = self.task
        return task.patient.list_name if task.patient is not None else task.location.name

    @property
    def label(self) -> str:
        return TaskKind(self.task.kind).label

    @property
    def symbol(self) -> str:
        return KINDS[TaskKind(self.task.kind)].symbol


def line_of(task: Task, *, user: User, now: datetime) -> Line:
    """No query where the task was read with ``READ``."""
    today = task.location.local(now).date()
    late = (today - task.due_on).days
    may_read, is_over = user.can(Can.VIEW_CLINICAL), task.closed_at is not None
    may_read_words = may_read or task.kind in DESK_KINDS
    act, url = act_for(task, user)
    return Line(
        task=task,
        said=said_to_clinicians(task) if may_read else task.text,
        due=_due(late),
        is_due=late >= 0,
        is_overdue=late > 0,
        age=_age((today - task.location.local(task.opened_at).date()).days),
        act=act,
        act_url=url,
        may_work=user.can(Can.WORK_TASKS) and not is_over,
        is_mine=task.owner_id == user.pk,
        reason=task.later_reason if may_read_words else "",
        ended=task.closed_text if may_read_words else "",
        ended_by=str(task.closed_by) if task.closed_by is not None else "",
    )


def said_to_clinicians(task: Task) -> str:
    """One readable line of the facts: the sentence that the kind gives, or its reasons, or the plan in question."""
    facts = task.facts
    if facts.get("said"):
        return str(facts["said"])
    if facts.get("why"):
        return "; ".join(str(one) for one in facts["why"])
    if facts.get("way"):
        return f"{task.text} {facts['way']}{': ' if facts.get('reason') else ''}{facts.get('reason', '')}"
    if facts.get("measures"):
        return f"{task.text} {', '.join(str(one) for one in facts['measures'])}"
    return task.text


def _due(late: int) -> str:
    if late > 0:
        return f"overdue by {say_days(late)}"
    if late == 0:
        return "due today"
    return "due tomorrow" if late == -1 else f"due in {say_days(-late)}"


def _age(days: int) -> str:
    return "since today" if days <= 0 else f"for {say_days(days)}"


READ = ("patient", "location", "owner", "closed_by")


# -- all lists ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the filters say. ``place`` None: every location that the reader reaches."""

    place: Location | None = None
    owner: Owner = Owner.ALL
    kind: TaskKind | None = None


@dataclass(frozen=True, slots=True)
class WorkList:
    """One kind with its first rows."""

    kind: TaskKind
    total: int
    due: int
    overdue: int
    lines: tuple[Line, ...]

    @property
    def look(self) -> Kind:
        return KINDS[self.kind]

    @property
    def more(self) -> int:
        return self.total - len(self.lines)


@dataclass(frozen=True, slots=True)
class Lists:
    """Everything that the page of all lists shows."""

    lists: tuple[WorkList, ...]  # those with a row; the others are named in ``empty``
    empty: tuple[TaskKind, ...]
    later: tuple[Line, ...] = ()
    later_total: int = 0
    closed: tuple[Line, ...] = ()

    @property
    def total(self) -> int:
        return sum(one.total for one in self.lists)

    @property
    def overdue(self) -> int:
        return sum(one.overdue for one in self.lists)


def all_lists(places: Sequence[Location], chosen: Chosen, *, user: User, now: datetime) -> Lists:
    """The first rows of each list, what waits for a later day, and what was closed lately; five queries."""
    rows = filtered(Task.objects.open(), chosen, user)
    days = _days(places, now)
    waits = _later(days)
    counted = {
        row["kind"]: row
        for row in rows.order_by()
        .values("kind")
        .annotate(
            n=Count("pk", filter=~waits),
            due=Count("pk", filter=~waits & _due_by(days)),
            overdue=Count("pk", filter=~waits & _due_by(days, before=timedelta(days=1))),
            later=Count("pk", filter=waits),
        )
    }
    number = Window(RowNumber(), partition_by=F("kind"), order_by=["due_on", "pk"])
    numbered = rows.order_by().exclude(waits).annotate(place_in_list=number).filter(place_in_list__lte=SHOWN)
    # Numbered first, joined then: the planner of PostgreSQL cannot know how few of them are left.
    first = Task.objects.filter(pk__in=list(numbered.values_list("pk", flat=True))).select_related(*READ)
    by_kind: dict[str, list[Line]] = {}
    for task in first.order_by("due_on", "pk"):
        by_kind.setdefault(task.kind, []).append(line_of(task, user=user, now=now))
    kinds = [kind for kind in MODULES if chosen.kind in (None, kind)]
    shown = [
        WorkList(
            kind=kind,
            total=counted[kind]["n"],
            due=counted[kind]["due"],
            overdue=counted[kind]["overdue"],
            lines=tuple(by_kind.get(kind, ())),
        )
        for kind in kinds
        if kind in counted and counted[kind]["n"]
    ]
    there = {one.kind for one in shown}
    later_total = sum(row["later"] for row in counted.values())
    later = rows.filter(waits).select_related(*READ).order_by("later_until", "pk")[:SHOWN] if later_total else []
    closed = closed_lately(chosen, user, now).select_related(*READ).order_by("-closed_at", "-pk")[:CLOSED_SHOWN]
    return Lists(
        lists=tuple(shown),
        empty=tuple(kind for kind in kinds if kind not in there),
        later=tuple(line_of(task, user=user, now=now) for task in later),
        later_total=later_total,
        closed=tuple(line_of(task, user=user, now=now) for task in closed),
    )


def one_list(
    kind: TaskKind | None, places: Sequence[Location], chosen: Chosen, *, user: User, now: datetime
) -> QuerySet[Task]:
    """The open tasks of one kind that wait for an act now; without a kind those that were put off."""
    rows, waits = filtered(Task.objects.open(), chosen, user).select_related(*READ), _later(_days(places, now))
    return rows.filter(waits) if kind is None else rows.filter(kind=kind).exclude(waits)


def closed_lately(chosen: Chosen, user: User, now: datetime) -> QuerySet[Task]:
    """What was over within ``CLOSED_DAYS``, so that nothing just vanishes."""
    rows = Task.objects.filter(closed_at__gt=now - timedelta(days=CLOSED_DAYS))
    return filtered(rows, chosen, user).select_related(*READ)


def lists_stamp(places: Sequence[Location], now: datetime) -> str:
    """Changes with every change of a task, anywhere, and with the day: what the lists say hangs on both. One query."""
    latest = Task.pgh_event_model.objects.aggregate(latest=Max("pgh_id"))["latest"]  # type: ignore[attr-defined]
    days = "".join(f".{day:%y%m%d}" for _, day in _days(places, now))
    return f"{latest or 0}{days}"


def filtered(rows: QuerySet[Task], chosen: Chosen, user: User) -> QuerySet[Task]:
    """Only what the filters ask for."""
    if chosen.place is not None:
        rows = rows.filter(location=chosen.place)
    elif user.reach is not None:
        rows = rows.filter(location__in=user.reach)
    if chosen.kind is not None:
        rows = rows.filter(kind=chosen.kind)
    if chosen.owner is Owner.MINE:
        rows = rows.filter(owner=user)
    if chosen.owner is Owner.NOBODY:
        rows = rows.filter(owner__isnull=True)
    return rows


Days = tuple[tuple[int | None, date], ...]


def _days(places: Iterable[Location], now: datetime) -> Days:
    """Today at each location; None stands for places that are not in use any more: their tasks stay on the lists."""
    return (*((place.pk, place.local(now).date()) for place in places), (None, now.astimezone(UTC).date()))


def _each(days: Days, name: str, *, shift: timedelta = timedelta()) -> Q:
    known = [pk for pk, _ in days if pk is not None]
    found = Q()
    for pk, day in days:
        here = Q(location=pk) if pk is not None else ~Q(location__in=known)
        found |= here & Q(**{name: day - shift})
    return found


def _later(days: Days) -> Q:
    """Put off until a day that has not come."""
    return Q(later_until__isnull=False) & _each(days, "later_until__gt")


def _due_by(days: Days, *, before: timedelta = timedelta()) -> Q:
    return _each(days, "due_on__lte", shift=before)


# -- one task ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tried:
    """One time somebody let the task wait, with what was reached."""

    at: datetime
    by: str
    reason: str
    until: date


def tried(task: Task) -> list[Tried]:
    """What was tried so far, the latest first: read from the history, since the task holds only the latest."""
    rows = task.events.exclude(later_reason="").order_by("pgh_created_at", "pgh_id")  # type: ignore[attr-defined]
    found: list[dict[str, Any]] = []
    for row in rows.values("later_reason", "later_until", "pgh_created_at", "pgh_context__metadata"):
        if not found or (row["later_reason"], row["later_until"]) != (
            found[-1]["later_reason"],
            found[-1]["later_until"],
        ):
            found.append(row)
    ids = [_context(row).get("user") for row in found]
    names = {person.pk: str(person) for person in User.objects.filter(pk__in=[pk for pk in ids if pk])} if found else {}
    return [
        Tried(
            at=_asked_at(row),
            by=names.get(_context(row).get("user", 0), ""),
            reason=row["later_reason"],
            until=row["later_until"],
        )
        for row in reversed(found)
    ]


def _context(row: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = row["pgh_context__metadata"] or {}
    return found


def _asked_at(row: Mapping[str, Any]) -> datetime:
    asked: datetime = row["pgh_created_at"]
    return datetime.fromisoformat(_context(row)["asked_at"]) if "asked_at" in _context(row) else asked


def ways_to_end(task: Task, user: User) -> tuple[bool, bool, bool]:
    """Whether this person may put it off, set it aside, and say that it is done (only the radar, by a word)."""
    if task.closed_at is not None:
        return False, False, False
    return (
        may_put_off(task, user),
        may_set_aside(task, user),
        task.kind == TaskKind.DROPOUT and user.can(Can.WORK_TASKS),
    )


# -- Today -------------------------------------------------------------------------------------------------------------


def tasks_waiting(location: str = "pk", zone: str = "time_zone") -> dict[str, ArraySubquery]:
    """Annotation of a location: how many tasks of each kind wait there now, and how many of them are due.

    As ``[{"kind": .., "n": .., "due": ..}]``, without those that were put off.
    """
    local = Func(OuterRef(zone), Moment(), function="timezone", output_field=DateTimeField())
    today = Cast(local, DateField())
    waiting = Task.objects.open().filter(location=OuterRef(location))
    waiting = waiting.exclude(later_until__isnull=False, later_until__gt=today)
    counted = waiting.order_by().values("kind").annotate(n=Count("pk"), due=Count("pk", filter=Q(due_on__lte=today)))
    return {"waiting_tasks": ArraySubquery(counted.values(json=JSONObject(kind="kind", n="n", due="due")))}


def say_waiting(waiting: Iterable[Mapping[str, Any]]) -> tuple[int, str]:
    """How many are due, and of what: (5, "reviews due 3, boosters proposed 2"). Without those ``ON_TODAY``."""
    by_kind = {row["kind"]: row["due"] for row in waiting if row["kind"] not in ON_TODAY}
    said = [f"{kind.label[:1].lower()}{kind.label[1:]} {by_kind[kind]}" for kind in MODULES if by_kind.get(kind)]
    return sum(by_kind.values()), ", ".join(said)
