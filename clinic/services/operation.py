"""How the machinery runs, for the page of a manager: what waits, who works, what ran when, what failed, what to do.

Other packages add their figures (``register_figures``): the place does not know what a message is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from celery.schedules import BaseSchedule, crontab
from django.conf import settings
from django.utils.module_loading import import_string

from clinic.adapters.broker import BrokerAwayError, Look, WorkerSeen, look
from clinic.adapters.metrics import Gauge
from clinic.models import Beat, TaskFailure

SEEN_EVERY = timedelta(seconds=20)
"""How often a worker says that it is there."""
SILENT_AFTER = timedelta(seconds=90)
LATE_AFTER = timedelta(minutes=3)
"""[D] A scheduled task that did not run so long after its time is late."""
FIRST_SIGN_WITHIN = timedelta(minutes=2)
"""[D] After a start: workers are there in seconds, the scheduler begins its first task at the next full minute."""
MANY_WAIT = 500
"""[D] Tasks in a queue from which on somebody should look."""
RECENT = timedelta(days=1)
FAILURES_SHOWN = 20
QUEUE_WORDS = {
    "messages": "Reminders and other messages to patients",
    "slow": "Imports, planning ahead, other work that may take minutes",
    "default": "Everything else: worklists, alerts, tidying up",
}


class Tone(StrEnum):
    """How serious it is; the page has an icon, a word and a colour for each."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class Advice:
    """Something is not as it should be: what it means for the clinic, and what to do."""

    tone: Tone
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its name, as in 12 "due now"; ``note`` stands under it. It may be an instant or a word."""

    label: str
    value: int | str | datetime | None
    tone: Tone = Tone.OK
    note: str = ""

    @property
    def is_moment(self) -> bool:
        return isinstance(self.value, datetime)


@dataclass(frozen=True, slots=True)
class Figures:
    """What another package has to say: a card with its own title."""

    title: str
    rows: tuple[Figure, ...]
    advice: tuple[Advice, ...] = ()


class FindFigures(Protocol):
    def __call__(self, *, now: datetime) -> Figures:
        """In a constant number of queries."""


class FindGauges(Protocol):
    def __call__(self, *, now: datetime) -> list[Gauge]:
        """In a constant number of queries, and without anything about a person."""


@dataclass(frozen=True, slots=True)
class Queue:
    """``waiting`` is None while Redis is away; ``workers``: how many work on it."""

    name: str
    words: str
    waiting: int | None
    workers: int


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One task of the schedule. ``ran_at`` None: not since this is kept. ``next_at``: when it is to run next."""

    title: str
    ran_at: datetime | None
    took_ms: int
    said: str
    next_at: datetime | None
    is_late: bool


@dataclass(frozen=True, slots=True)
class Worker:
    name: str
    at: datetime
    queues: str
    is_silent: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """Everything that the page shows."""

    at: datetime
    is_broker_away: bool
    queues: tuple[Queue, ...]
    in_hand: int | None
    workers: tuple[Worker, ...]
    scheduled: tuple[Scheduled, ...]
    scheduler_at: datetime | None
    failures: tuple[TaskFailure, ...]
    failures_recent: int
    figures: tuple[Figures, ...]
    advice: tuple[Advice, ...]

    @property
    def tone(self) -> Tone:
        """The most serious of all."""
        order = list(Tone)
        return max((one.tone for one in self.advice), key=order.index, default=Tone.OK)


_figures: list[str] = []
_gauges: list[str] = []


def register_figures(function: str) -> None:
    """The dotted name of a ``FindFigures`` whose card the page shows from now on."""
    if function not in _figures:
        _figures.append(function)


def register_gauges(function: str) -> None:
    """The dotted name of a ``FindGauges`` whose numbers Prometheus is told from now on."""
    if function not in _gauges:
        _gauges.append(function)


def registered_gauges() -> list[FindGauges]:
    return [import_string(name) for name in _gauges]


def queue_names() -> list[str]:
    """All queues that tasks go to, the default one last."""
    routed = {str(route["queue"]) for route in settings.CELERY_TASK_ROUTES.values()}
    return [*sorted(routed - {settings.CELERY_TASK_DEFAULT_QUEUE}), settings.CELERY_TASK_DEFAULT_QUEUE]


def operation(*, now: datetime, started_at: datetime | None = None) -> Operation:
    """How things stand now; three queries, those of the figures, and one round trip to Redis.

    ``started_at``: when the server did that asks; its workers and scheduler need a moment from then on.
    """
    seen = _look()
    workers = tuple(_worker(one, now) for one in seen.workers) if seen else ()
    queues = _queues(seen, workers)
    scheduled = _scheduled(now)
    failures = tuple(TaskFailure.objects.all()[:FAILURES_SHOWN])
    recent = TaskFailure.objects.filter(at__gt=now - RECENT).count()
    figures = tuple(_asked(name, now) for name in _figures)
    advice = [*_of_machinery(seen, workers, queues, scheduled, now=now, started_at=started_at), *_of_failures(recent)]
    advice += [one for card in figures for one in card.advice]
    return Operation(
        at=now,
        is_broker_away=seen is None,
        queues=queues,
        in_hand=seen.in_hand if seen else None,
        workers=workers,
        scheduled=scheduled,
        scheduler_at=seen.scheduler_at if seen else None,
        failures=failures,
        failures_recent=recent,
        figures=figures,
        advice=tuple(sorted(advice, key=lambda one: list(Tone).index(one.tone), reverse=True)),
    )


# --- what is read -----------------------------------------------------------------------------------------------------
def _look() -> Look | None:
    try:
        return look(queue_names())
    except BrokerAwayError:
        return None


def _asked(name: str, now: datetime) -> Figures:
    found: FindFigures = import_string(name)
    return found(now=now)


def _worker(seen: WorkerSeen, now: datetime) -> Worker:
    return Worker(seen.name, seen.at, ", ".join(seen.queues), now - seen.at > SILENT_AFTER)


def _queues(seen: Look | None, workers: Iterable[Worker]) -> tuple[Queue, ...]:
    at_work = [set(worker.queues.split(", ")) for worker in workers if not worker.is_silent]
    return tuple(
        Queue(
            name,
            QUEUE_WORDS.get(name, ""),
            seen.waiting[name] if seen else None,
            sum(name in queues for queues in at_work),
        )
        for name in queue_names()
    )


def _scheduled(now: datetime) -> tuple[Scheduled, ...]:
    """In the order of the schedule's names; what is late stands first."""
    ran = {row.name: row for row in Beat.objects.all()}
    rows = []
    for title, entry in settings.CELERY_BEAT_SCHEDULE.items():
        row = ran.get(str(entry["task"])[:60])
        due = next_run(entry["schedule"], row.at) if row else None
        is_late = due is not None and now > due + LATE_AFTER
        took, said = (row.took_ms, row.said) if row else (0, "")
        rows.append(Scheduled(title.capitalize(), row.at if row else None, took, said, due, is_late))
    return tuple(sorted(rows, key=lambda one: (not one.is_late, one.title)))


def next_run(schedule: object, after: datetime) -> datetime | None:
    """When the schedule wants its next run after one at ``after``; None for a kind of schedule that we do not use."""
    if isinstance(schedule, crontab):
        last, delta, _ = schedule.remaining_delta(after)
        found: datetime = last + delta
        return found
    if isinstance(schedule, timedelta):
        return after + schedule
    if isinstance(schedule, int | float) and not isinstance(schedule, bool):
        return after + timedelta(seconds=schedule)
    run_every = getattr(schedule, "run_every", None) if isinstance(schedule, BaseSchedule) else None
    return after + run_every if isinstance(run_every, timedelta) else None


# --- what to do -------------------------------------------------------------------------------------------------------
def _of_machinery(
    seen: Look | None,
    workers: Sequence[Worker],
    queues: Sequence[Queue],
    scheduled: Sequence[Scheduled],
    *,
    now: datetime,
    started_at: datetime | None,
) -> list[Advice]:
    if seen is None:
        return [AWAY]
    begins = _has_just_begun(started_at, now)
    found = _of_workers(workers, queues, begins=begins)
    if seen.scheduler_at is None or now - seen.scheduler_at > LATE_AFTER:
        waits = begins or _has_just_begun(seen.scheduler_started_at, now)
        found.append(SCHEDULER_BEGINS if waits else NO_SCHEDULER)
    elif not found and (late := [one for one in scheduled if one.is_late]):
        names = ", ".join(f"“{one.title}”" for one in late[:3])
        found.append(
            Advice(
                Tone.WARN,
                f"{len(late)} scheduled task{'s' if len(late) > 1 else ''} did not run at the time",
                f"{names}. If a failure of it stands below, hand that to whoever looks after the server; otherwise it "
                "follows as soon as the queues are empty.",
            )
        )
    return found


def _has_just_begun(started_at: datetime | None, now: datetime) -> bool:
    """Never longer than FIRST_SIGN_WITHIN, also where the clock was put back since."""
    return started_at is not None and timedelta(0) <= now - started_at <= FIRST_SIGN_WITHIN


def _of_workers(workers: Sequence[Worker], queues: Sequence[Queue], *, begins: bool) -> list[Advice]:
    if all(worker.is_silent for worker in workers):
        return [WORKER_BEGINS if begins else NO_WORKER]
    idle = [f"“{queue.name}”" for queue in queues if not queue.workers]
    full = [f"“{queue.name}”" for queue in queues if (queue.waiting or 0) >= MANY_WAIT]
    found = []
    if idle:
        found.append(
            Advice(
                Tone.DANGER,
                f"Nobody works on {' and '.join(idle)}",
                "Workers run, but none takes tasks from there. Start one with -Q and the name of the queue.",
            )
        )
    if full:
        found.append(
            Advice(
                Tone.WARN,
                f"Many tasks wait in {' and '.join(full)}",
                "If the number falls, leave it alone: after an outage work is caught up without a flood. If it grows, "
                "start a second worker; any number may run side by side.",
            )
        )
    return found


def _of_failures(recent: int) -> list[Advice]:
    if not recent:
        return []
    return [
        Advice(
            Tone.WARN,
            f"{recent} task{'s' if recent > 1 else ''} failed in the last 24 hours",
            "What was left undone is done at the next run where a task is scheduled. One that fails again and again "
            "needs whoever looks after the server: the log has the whole error under the time shown here.",
        )
    ]


AWAY = Advice(
    Tone.DANGER,
    "Redis does not answer",
    "Pages and bookings go on. Messages, worklists and alerts that start by themselves stand still until Redis is "
    "back; then what was due is caught up, and nothing is sent twice. Start Redis, or look at REDIS_URL.",
)
NO_WORKER = Advice(
    Tone.DANGER,
    "No worker is running",
    "Nothing that happens by itself happens: no reminders, no worklists, no alerts passed on. Start one: "
    "celery -A clinic.celery worker -Q default,messages,slow (“make start” does so by itself).",
)
WORKER_BEGINS = Advice(
    Tone.INFO,
    "Waiting for the first sign of a worker",
    "This server has just started. Workers say that they are there within seconds; if none does within two minutes of "
    "the start, it is said here.",
)
SCHEDULER_BEGINS = Advice(
    Tone.INFO,
    "Waiting for the first sign of the scheduler",
    "It was just started and begins its first task at the next full minute; if it has begun none within two minutes of "
    "the start, it is said here.",
)
NO_SCHEDULER = Advice(
    Tone.DANGER,
    "The scheduler is not running",
    "Nobody starts the tasks below at their times. Start it: celery -A clinic.celery beat, one only "
    "(“make start” does so by itself).",
)
