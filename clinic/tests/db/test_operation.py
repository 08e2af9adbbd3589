"""How the machinery runs: what workers leave behind, what the page of it says, and Redis away."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis
import time_machine
from celery.schedules import crontab, schedule
from django.db import DatabaseError
from pytest_django import Settings

from clinic import celery as wiring
from clinic.adapters import broker
from clinic.models import Beat, TaskFailure
from clinic.services import operation as operating
from clinic.services.operation import Tone, next_run, operation, queue_names
from clinic.services.pulse import (
    note_failure,
    note_run,
    note_scheduler,
    note_scheduler_start,
    note_worker,
    note_worker_gone,
    where,
)
from patients.tasks.alerts import escalate

NOW = datetime(2027, 1, 11, 16, 0, 30, tzinfo=UTC)
EVERY_MINUTE, EVERY_DAY = "patients.tasks.alerts.escalate", "clinic.tasks.housekeeping.clear_sessions"
ALL_QUEUES = ("default", "messages", "slow")


@pytest.fixture
def keys(settings: Settings) -> Iterator[redis.Redis]:
    """A name space of Redis for this test alone, and the client to look into it."""
    prefix = f"cadence-test-operation-{id(settings)}:"
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = settings.CELERY_BROKER_TRANSPORT_OPTIONS | {"global_keyprefix": prefix}
    client = redis.Redis.from_url(settings.REDIS_URL)
    yield client
    for key in client.scan_iter(f"{prefix}*"):
        client.delete(key)
    client.close()


@pytest.fixture
def _no_redis(settings: Settings, tmp_path) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"


def prefixed(settings: Settings, name: str) -> str:
    return f"{settings.CELERY_BROKER_TRANSPORT_OPTIONS['global_keyprefix']}{name}"


def all_well(now: datetime = NOW) -> None:
    note_worker("celery@one", queues=ALL_QUEUES, now=now)
    note_scheduler(now=now)


def titles(*, now: datetime = NOW, started_at: datetime | None = None) -> list[str]:
    return [advice.title for advice in operation(now=now, started_at=started_at).advice]


# --- Redis ------------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_what_waits_in_celerys_own_lists_is_counted(keys: redis.Redis, settings: Settings) -> None:
    keys.rpush(prefixed(settings, "messages"), *["{}"] * 7)
    keys.rpush(prefixed(settings, "default"), "{}")
    keys.hset(prefixed(settings, "unacked"), "tag", "[]")
    found = operation(now=NOW)
    assert {queue.name: queue.waiting for queue in found.queues} == {"messages": 7, "slow": 0, "default": 1}
    assert found.in_hand == 1


@pytest.mark.django_db
def test_tasks_of_this_celery_land_where_they_are_counted(keys: redis.Redis, settings: Settings) -> None:
    with wiring.app.connection_for_write(transport_options=settings.CELERY_BROKER_TRANSPORT_OPTIONS) as connection:
        wiring.app.send_task("patients.tasks.messages.nothing", connection=connection)
    assert {queue.name: queue.waiting for queue in operation(now=NOW).queues}["messages"] == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("_no_redis")
def test_redis_away_is_said_and_is_no_error() -> None:
    found = operation(now=NOW)
    assert (found.is_broker_away, found.tone) == (True, Tone.DANGER)
    assert [advice.title for advice in found.advice] == ["Redis does not answer"]
    assert {queue.waiting for queue in found.queues} == {None}


@pytest.mark.usefixtures("_no_redis")
def test_a_worker_goes_on_when_redis_is_away() -> None:
    note_worker("celery@one", queues=ALL_QUEUES, now=NOW)
    note_worker_gone("celery@one")
    with pytest.raises(broker.BrokerAwayError):
        broker.look(ALL_QUEUES)


@pytest.mark.django_db
def test_a_redis_that_answers_nonsense_is_not_believed(keys: redis.Redis, settings: Settings) -> None:
    all_well()
    for name, value in (
        ("a", "{"),
        ("b", "[]"),
        ("c", '{"at": "x", "queues": []}'),
        ("d", '{"at": 1e300, "queues": []}'),
    ):
        keys.hset(prefixed(settings, "seen"), name, value)
    assert [worker.name for worker in operation(now=NOW).workers] == ["celery@one"]
    keys.set(prefixed(settings, "messages"), "no list")
    assert operation(now=NOW).is_broker_away


# --- workers and scheduler --------------------------------------------------------------------------------------------
@pytest.mark.django_db
@pytest.mark.usefixtures("keys")
def test_with_a_worker_and_the_scheduler_seen_there_is_nothing_to_do() -> None:
    all_well()
    found = operation(now=NOW)
    assert ([worker.name for worker in found.workers], found.scheduler_at) == (["celery@one"], NOW)
    assert [advice for advice in found.advice if advice.tone is Tone.DANGER] == []


@pytest.mark.django_db
@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(("age_s", "is_running"), [(80, True), (100, False)])
def test_a_worker_that_was_killed_is_missed_after_a_minute_and_a_half(age_s: int, is_running: bool) -> None:
    note_worker("celery@one", queues=ALL_QUEUES, now=NOW - timedelta(seconds=age_s))
    note_scheduler(now=NOW)
    assert ("No worker is running" not in titles()) is is_running


@pytest.mark.django_db
@pytest.mark.usefixtures("keys")
def test_a_worker_that_stopped_in_good_order_is_gone_at_once() -> None:
    all_well()
    note_worker_gone("celery@one")
    assert operation(now=NOW).workers == ()


@pytest.mark.django_db
@pytest.mark.usefixtures("keys")
def test_a_worker_that_nobody_saw_for_a_day_is_forgotten() -> None:
    note_worker("celery@old", queues=ALL_QUEUES, now=NOW - timedelta(days=2))
    all_well()
    assert [worker.name for worker in operation(now=NOW).workers] == ["celery@one"]


@pytest.mark.django_db
@pytest.mark.usefixtures("keys")
def test_a_queue_that_nobody_works_on_is_named() -> None:
    note_worker("celery@one", queues=["default", "slow"], now=NOW)
    note_scheduler(now=NOW)
    assert "Nobody works on “messages”" in titles()


@pytest.mark.django_db
@pytest.mark.usefixtures("keys")
def test_a_scheduler_that_begins_nothing_is_missed() -> None:
    note_worker("celery@one", queues=ALL_QUEUES, now=NOW)
    note_scheduler(now=NOW - timedelta(minutes=4))
    assert "The scheduler is not running" in titles()


# --- the first minutes after a start ----------------------------------------------------------------------------------
WAITS, GONE = "Waiting for the first sign of the scheduler", "The scheduler is not running"
WAITS_FOR_WORKER, NO_WORKER = "Waiting for the first sign of a worker", "No worker is running"
A_DAY_AGO = NOW - timedelta(days=1)


@pytest.mark.django_db
@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("had_run", [False, True])
@pytest.mark.parametrize(("age_s", "is_waited_for"), [(0, True), (119, True), (121, False), (-1, False)])
def test_after_a_start_of_the_server_the_first_sign_is_waited_for_two_minutes_and_no_longer(
    had_run: bool, age_s: int, is_waited_for: bool
) -> None:
    if had_run:  # what an earlier run left in Redis is no sign of this one
        all_well(A_DAY_AGO + timedelta(minutes=1))
    said = titles(started_at=NOW - timedelta(seconds=age_s))  # a start that lies ahead: the clock was put back
    assert (WAITS in said, GONE in said) == (is_waited_for, not is_waited_for)
    assert (WAITS_FOR_WORKER in said, NO_WORKER in said) == (is_waited_for, not is_waited_for)


@pytest.mark.django_db
@pytest.mark.usefixtures("keys")
def test_what_is_waited_for_is_no_alarm_and_a_sign_ends_the_waiting() -> None:
    before = {one.title: one.tone for one in operation(now=NOW, started_at=NOW).advice}
    assert (before[WAITS], before[WAITS_FOR_WORKER]) == (Tone.INFO, Tone.INFO)
    all_well()
    assert not {WAITS, GONE, WAITS_FOR_WORKER, NO_WORKER} & set(titles(started_at=NOW))


@pytest.mark.django_db
@pytest.mark.usefixtures("keys")
def test_a_scheduler_that_starts_beside_a_server_that_runs_for_long_is_waited_for_too() -> None:
    with time_machine.travel(NOW, tick=False):
        all_well(A_DAY_AGO + timedelta(minutes=1))
        assert GONE in titles(started_at=A_DAY_AGO)
        wiring.watch_scheduler()
    wiring.signals.before_task_publish.disconnect(wiring._scheduled)
    assert WAITS in titles(now=NOW + timedelta(seconds=119))
    assert GONE in titles(now=NOW + timedelta(seconds=121))


@pytest.mark.django_db
@pytest.mark.usefixtures("keys")
def test_a_scheduler_that_starts_again_and_again_is_waited_for_once() -> None:
    for seconds in range(0, 300, 20):
        note_scheduler_start(now=NOW + timedelta(seconds=seconds))
        assert (WAITS in titles(now=NOW + timedelta(seconds=seconds))) is (seconds <= 120)
    note_scheduler(now=NOW + timedelta(minutes=6))
    later = NOW + timedelta(hours=1)
    note_scheduler_start(now=later)  # it did begin something meanwhile: this is a new start
    assert WAITS in titles(now=later)


@pytest.mark.usefixtures("_no_redis")
def test_a_scheduler_starts_when_redis_is_away() -> None:
    note_scheduler_start(now=NOW)
    with pytest.raises(broker.BrokerAwayError):
        broker.look(ALL_QUEUES)


def test_every_process_of_the_web_server_says_the_same_start() -> None:
    """The configuration is read by the process that forks the others, so what it has imported is theirs, too."""
    source = "import sys, clinic.gunicorn; print(sys.modules['clinic.adapters.started'].STARTED_AT.isoformat())"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert datetime.fromisoformat(done.stdout.strip()) <= datetime.now(UTC)


@pytest.mark.django_db
def test_many_waiting_tasks_are_a_word_to_the_manager(keys: redis.Redis, settings: Settings) -> None:
    all_well()
    keys.rpush(prefixed(settings, "slow"), *["{}"] * 500)
    assert "Many tasks wait in “slow”" in titles()
    keys.lpop(prefixed(settings, "slow"))
    assert "Many tasks wait in “slow”" not in titles()


def test_the_queues_are_those_that_tasks_are_routed_to(settings: Settings) -> None:
    assert queue_names() == ["messages", "slow", "default"]
    settings.CELERY_TASK_ROUTES = {"a.*": {"queue": "paper"}}
    assert queue_names() == ["paper", "default"]


# --- scheduled tasks --------------------------------------------------------------------------------------------------
@pytest.mark.django_db
@pytest.mark.usefixtures("keys")
def test_a_scheduled_task_that_ran_says_when_and_others_leave_no_trace() -> None:
    note_run(EVERY_MINUTE, took=timedelta(milliseconds=120), said="", now=NOW)
    note_run("patients.tasks.imports.run", took=timedelta(0), said="", now=NOW)
    note_run(EVERY_MINUTE, took=timedelta(milliseconds=80), said="failed", now=NOW + timedelta(minutes=1))
    assert list(Beat.objects.values_list("name", "at", "took_ms", "said")) == [
        (EVERY_MINUTE, NOW + timedelta(minutes=1), 80, "failed")
    ]


@pytest.mark.django_db
@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("task", "ran", "is_late"),
    [
        (EVERY_MINUTE, NOW - timedelta(minutes=3, seconds=20), False),
        (EVERY_MINUTE, NOW - timedelta(minutes=5), True),
        (EVERY_DAY, datetime(2027, 1, 11, 3, 20, tzinfo=UTC), False),
        (EVERY_DAY, datetime(2027, 1, 10, 3, 20, tzinfo=UTC), True),
    ],
)
def test_a_task_is_late_by_its_own_schedule(task: str, ran: datetime, is_late: bool, settings: Settings) -> None:
    all_well()
    Beat.objects.create(name=task, at=ran)
    names = {str(entry["task"]): name.capitalize() for name, entry in settings.CELERY_BEAT_SCHEDULE.items()}
    found = {row.title: row.is_late for row in operation(now=NOW).scheduled}
    assert found[names[task]] is is_late
    assert any("did not run at the time" in title for title in titles()) is is_late


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (crontab(minute=10), datetime(2027, 1, 11, 16, 10, tzinfo=UTC)),
        (crontab(hour=3, minute=20), datetime(2027, 1, 12, 3, 20, tzinfo=UTC)),
        (timedelta(minutes=5), NOW + timedelta(minutes=5)),
        (90, NOW + timedelta(seconds=90)),
        (schedule(timedelta(hours=1)), NOW + timedelta(hours=1)),
        ("whenever", None),
    ],
)
def test_the_next_run_follows_from_the_last(rule: object, expected: datetime | None) -> None:
    assert next_run(rule, NOW) == expected


def test_every_entry_of_the_schedule_has_a_next_run(settings: Settings) -> None:
    rules = {name: next_run(entry["schedule"], NOW) for name, entry in settings.CELERY_BEAT_SCHEDULE.items()}
    assert rules
    assert [name for name, at in rules.items() if at is None] == []


# --- failures ---------------------------------------------------------------------------------------------------------
def broken() -> ValueError:
    try:
        raise ValueError("Key (email)=(ada@example.org) already exists")  # noqa: TRY301 (wants a traceback)
    except ValueError as problem:
        return problem


@pytest.mark.django_db
@pytest.mark.usefixtures("keys")
def test_a_failure_says_what_and_where_and_never_about_whom() -> None:
    note_failure("patients.tasks.imports.run", task_id="t-1", problem=broken(), now=NOW)
    row = TaskFailure.objects.get()
    assert row.error.startswith("ValueError in clinic/tests/db/test_operation.py, line ")
    assert "ada" not in json.dumps([row.error, row.task, row.task_id])
    assert "1 task failed in the last 24 hours" in titles()


@pytest.mark.django_db
@pytest.mark.usefixtures("keys")
def test_yesterdays_failure_stays_on_the_list_and_an_old_one_goes() -> None:
    all_well()
    for days in (100, 2):
        note_failure("a task", task_id="t", problem=KeyError("x"), now=NOW - timedelta(days=days))
    found = operation(now=NOW)
    assert ([row.at for row in found.failures], found.failures_recent) == ([NOW - timedelta(days=2)], 0)
    assert not any("failed in the last" in title for title in titles())


def test_an_error_without_a_place_of_ours_is_its_kind() -> None:
    assert where(ZeroDivisionError("by Ada")) == "ZeroDivisionError"


@pytest.mark.django_db
def test_a_database_that_is_away_breaks_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_, **__):
        raise DatabaseError("away")

    monkeypatch.setattr(Beat.objects, "update_or_create", away)
    monkeypatch.setattr(TaskFailure, "save", away)
    note_run(EVERY_MINUTE, took=timedelta(0), said="", now=NOW)
    note_failure("a task", task_id="t", problem=broken(), now=NOW)
    assert (Beat.objects.count(), TaskFailure.objects.count()) == (0, 0)


# --- Celery's signals -------------------------------------------------------------------------------------------------
class FakeRequest:
    pass


class FakeTask:
    name = EVERY_MINUTE
    request = FakeRequest()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("state", "answered", "said"), [("SUCCESS", 12, "12"), ("SUCCESS", None, ""), ("FAILURE", broken(), "failed")]
)
def test_the_end_of_a_task_is_written_down(state: str, answered: object, said: str) -> None:
    wiring._begin(FakeTask)
    wiring._end(FakeTask, state=state, retval=answered)
    assert Beat.objects.get().said == said


@pytest.mark.django_db
def test_a_task_that_runs_in_a_web_process_or_test_leaves_no_trace() -> None:
    found = escalate.apply()
    assert found.successful()
    assert not Beat.objects.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("keys")
def test_a_worker_says_hello_again_and_again_in_its_own_loop() -> None:
    class Timer:
        calls: list = []

        def call_repeatedly(self, seconds, function):
            self.calls.append((seconds, function))

    class Consumer:
        hostname, timer = "celery@two", Timer()

    wiring.say_hello(Consumer)
    assert [worker.name for worker in broker.look(ALL_QUEUES).workers] == ["celery@two"]
    assert [seconds for seconds, _ in Timer.calls] == [operating.SEEN_EVERY.total_seconds()]
    wiring.say_goodbye(Consumer)
    assert broker.look(ALL_QUEUES).workers == ()
