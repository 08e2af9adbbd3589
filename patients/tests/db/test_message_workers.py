"""Real workers, a real Redis and a provider over HTTP that fails, delays, answers twice, hangs, or breaks off.

One worker is killed with -9 and Redis too, in the middle. In the end every message was at the provider exactly once, or
is on the list of failures, where a person decides.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from django.conf import settings
from django.utils import timezone

from clinic.adapters.embedded_redis import program
from clinic.tests.factories import make_location
from clinic.tests.processes_kit import database_url
from patients.adapters.providers import TIMEOUT_S
from patients.models import Channel, ContactConsent, Message, MessageState, Phone
from patients.services.messages.sending import STALE_AFTER, release_stale
from patients.tests.factories import make_patient
from patients.tests.messages_kit import make_message, manual_rule, states
from patients.tests.providers_kit import (
    ACCEPT_AND_ANSWER_TWICE,
    ACCEPT_AND_BREAK,
    ACCEPT_AND_HANG,
    ACCOUNT,
    SENDER,
    TOKEN,
    Accept,
    Asked,
    Fail,
    SmsStandIn,
    sms_provider,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("parallel")]

COUNT = int(os.environ.get("CADENCE_TEST_MESSAGES", "600"))
"""The same with 10,000 takes minutes: docs/performance.md says when that was last done."""
PATIENCE_S = 240
ENDED = {MessageState.SENT, MessageState.FAILED}


class OwnRedis:
    """A Redis that keeps its queue on disk, so that it can be killed and come back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        options = ("--port", str(self.port), "--dir", str(self.folder), "--appendonly", "yes", "--save", "")
        self.server = subprocess.Popen([str(program()), *options], stdout=subprocess.DEVNULL)
        until(self.answers, "Redis answers")

    def answers(self) -> bool:
        try:
            with redis.Redis(port=self.port, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def kill(self) -> None:
        self.server.kill()
        self.server.wait()


class Workers:
    """Worker processes for the queue of messages, each in a process group of its own, and who tells them to look."""

    def __init__(self, redis_url: str, stand_in: SmsStandIn, log: Path) -> None:
        self.log, self.running = log, list[subprocess.Popen[bytes]]()
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "clinic.settings",
            "CADENCE_ENV": "development",
            "DATABASE_URL": database_url(),
            "REDIS_URL": redis_url,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_FROM": SENDER,
            "TWILIO_API_URL": stand_in.url,
            "MESSAGES_PER_MINUTE": "999999",
        }
        self.teller = Celery("teller", broker=redis_url, set_as_current=False)
        self.teller.conf.broker_transport_options = {"global_keyprefix": "cadence:"}

    def start(self, name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-W", "ignore", "-m", "celery", "--quiet", "-A", "clinic.celery", "worker"]
        command += ["-n", f"{name}@test", "-Q", "messages", "-c", "1", "--without-gossip", "--without-mingle"]
        with self.log.open("ab") as log:
            worker = subprocess.Popen(
                command, env=self.environment, cwd=settings.BASE_DIR, stdout=log, stderr=log, start_new_session=True
            )
        self.running.append(worker)
        return worker

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        self.running.remove(worker)

    def tell(self) -> None:
        """What the scheduler does every minute; a Redis that is away hears nothing of it."""
        try:
            self.teller.send_task("patients.tasks.messages.dispatch", queue="messages", retry=False)
        except Exception:  # noqa: BLE001 (as the scheduler: it tells them again)
            return


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    folder = tmp_path / "redis"
    folder.mkdir()
    server = OwnRedis(folder)
    yield server
    server.kill()


def until(condition: Callable[[], bool], what: str) -> None:
    """The condition is true; looked at often, for a while."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        threading.Event().wait(0.1)


def zone_of_noon() -> str:
    """A zone in which it is about noon now: whatever the hour of this test, nobody sleeps there."""
    behind = timezone.now().hour - 12
    return f"Etc/GMT{behind:+d}" if behind else "Etc/GMT"


def make_due(count: int) -> None:
    """That many people, each with a message that is due since an hour."""
    location, now = make_location(time_zone=zone_of_noon()), timezone.now()
    rule = manual_rule(location)
    for number in range(count):
        patient, to = make_patient(f"P{number:04}"), f"+1212556{number:04}"
        Phone.objects.create(patient=patient, number=to, is_primary=True)
        ContactConsent.objects.create(
            patient=patient, channel=Channel.SMS, granted=True, value=to, source="Test", at=now - timedelta(days=9)
        )
        make_message(
            patient,
            location,
            f"{number:04}",
            rule=rule,
            due_at=now - timedelta(hours=1),
            useful_until=now + timedelta(hours=20),
        )


ANSWERS: dict[int, Accept | Fail] = {
    3: Accept(delay_s=0.2),
    7: Fail(500),
    11: ACCEPT_AND_ANSWER_TWICE,
    19: Fail(429, after=30),
    31: Fail(400, code=21614),
    43: ACCEPT_AND_BREAK,
    57: Accept(says=b"<html>what?</html>"),
    81: Fail(500),
}
"""What the provider does with these of every hundred requests; the others it accepts."""


HANGS = {67, 333}
"""With these requests it takes the message and never answers: the worker gives up after `TIMEOUT_S`."""


def moods() -> Callable[[Asked], Accept | Fail | None]:
    numbers = itertools.count(1)

    def decide(_: Asked) -> Accept | Fail | None:
        number = next(numbers)
        return ACCEPT_AND_HANG if number in HANGS else ANSWERS.get(number % 100)

    return decide


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(900)
def test_every_message_is_at_the_provider_once_or_on_the_list_of_failures(own_redis: OwnRedis, tmp_path: Path) -> None:
    make_due(COUNT)
    with sms_provider() as provider:
        provider.each = moods()
        workers = Workers(own_redis.url, provider, tmp_path / "workers.log")
        try:
            _send_through_trouble(workers, own_redis, provider)
        finally:
            for worker in list(workers.running):
                workers.kill(worker)
        _check(provider)


def _send_through_trouble(workers: Workers, own_redis: OwnRedis, provider: SmsStandIn) -> None:
    victim, _ = workers.start("first"), workers.start("second")
    _tell_until(workers, lambda: len(provider.accepted) > COUNT // 5, "a fifth has left")
    until(lambda: Message.objects.filter(state=MessageState.SENDING).count() > 0, "messages are held")
    workers.kill(victim)
    own_redis.kill()
    own_redis.start()
    workers.start("third")
    _tell_until(workers, lambda: len(provider.accepted) > COUNT // 2, "half has left")
    _tell_until(workers, _all_ended_but_those_of_the_dead, "the living have sent everything else")
    until(lambda: not _is_busy(), "the living are done")
    dead = Message.objects.filter(state=MessageState.SENDING).count()
    assert release_stale(now=timezone.now() + STALE_AFTER) == dead
    _tell_until(workers, lambda: set(states()) <= ENDED, "everything has ended")


def _tell_until(workers: Workers, condition: Callable[[], bool], what: str) -> None:
    told = [0.0]

    def look() -> bool:
        if condition():
            return True
        if time.monotonic() - told[0] > 2:  # seconds; the scheduler's minute, made short
            told[0] = time.monotonic()
            # What waits for a retry is due again: the minutes of waiting are another test's.
            Message.objects.filter(state=MessageState.PLANNED).update(due_at=timezone.now() - timedelta(minutes=1))
            workers.tell()
        return False

    until(look, what)


def _all_ended_but_those_of_the_dead() -> bool:
    return not Message.objects.filter(state=MessageState.PLANNED).exists() and not _is_busy()


def _is_busy() -> bool:
    """Whether a worker that lives holds anything: what it holds changes as soon as it gives up a silent provider."""
    before = set(Message.objects.filter(state=MessageState.SENDING).values_list("pk", "attempted_at"))
    if not before:
        return False
    threading.Event().wait(TIMEOUT_S + 2)
    return before != set(Message.objects.filter(state=MessageState.SENDING).values_list("pk", "attempted_at"))


def _check(provider: SmsStandIn) -> None:
    assert provider.duplicates() == {}
    at_provider = {message.key for message in provider.accepted}
    rows = {str(row.uid): row for row in Message.objects.all()}
    assert len(rows) == COUNT
    sent = {uid for uid, row in rows.items() if row.state == MessageState.SENT}
    failed = {uid for uid, row in rows.items() if row.state == MessageState.FAILED}
    assert sent | failed == set(rows)
    assert sent <= at_provider <= sent | failed  # what arrived without our knowing is on the list
    assert len(sent) > COUNT * 0.9
    sids = {message.key: message.sid for message in provider.accepted}
    assert all(rows[uid].provider_id == sids[uid] for uid in sent)
    assert all(rows[uid].error for uid in failed)
    assert all(row.claim is None for row in rows.values())
    steps: Any = {row.pk: row.steps.filter(state=MessageState.SENT).count() for row in rows.values()}
    assert {steps[rows[uid].pk] for uid in sent} == {1}
    assert max(row.sent_at for row in rows.values() if row.sent_at) <= datetime.now(tz=UTC)
