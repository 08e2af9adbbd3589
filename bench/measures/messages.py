"""Messages: the plan of all visits, and due messages that leave by two worker processes.

BENCH_MESSAGES says how many are sent (10,000 unless said otherwise; the text messages a tenth of it).
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from celery import Celery
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from bench.dataset import Data
from bench.harness import Figure
from clinic.models import Location
from clinic.tests.processes_kit import database_url
from patients.models import Message, MessageEvent, MessageRule, MessageState, MessageText
from patients.services.messages.planning import sweep
from patients.tests.providers_kit import ACCOUNT, SENDER, TOKEN, mail_api, sms_provider

TITLE = "Messages"
WORKERS = 2
PLACE = "Bench messages"
STUCK_AFTER_S = 120.0

NOTHING_PLANNED = """
SET LOCAL session_replication_role = replica;
DELETE FROM patients_messagestep s USING patients_message m WHERE m.id = s.message_id AND m.state = 'planned';
DELETE FROM patients_message WHERE state = 'planned';
SET LOCAL session_replication_role = origin;
"""
LATER = """
UPDATE patients_message SET due_at = due_at + interval '1 day'
WHERE state = 'planned' AND due_at < now() + interval '2 hours'
"""
"""What is due in the data set itself is no part of what is sent here."""
DUE = """
INSERT INTO patients_message
    (uid, key, event, rule_id, location_id, patient_id, about, facts, due_at, useful_until, state, state_at, channel,
     "to", language, subject, text, attempts, provider, provider_id, error, created_at)
SELECT gen_random_uuid(), %(name)s || ' ' || patient.id, 'manual', %(rule)s, %(place)s, patient.id, '', '{}'::jsonb,
       now() - interval '1 hour', now() + interval '20 hours', 'planned', now(), '',
       '', '', '', '', 0, '', '', '', now()
FROM patients_patient AS patient
WHERE patient.email <> ''
ORDER BY patient.id LIMIT %(count)s
"""


def measure(data: Data) -> Iterator[Figure]:
    del data
    yield from _plans()
    with connection.cursor() as cursor:
        cursor.execute(LATER)
    count = int(os.environ.get("BENCH_MESSAGES", "10000"))
    with mail_api() as api:
        told = {"EMAIL_URL": f"resend://?api_key=bench&api_url={api.url}/"}
        took, left = _send(count, "email", told)
        yield _figure("e-mail, provider with keys", took, left, right=len(api.sent) == left == count)
    with sms_provider() as twilio:
        told = {
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_FROM": SENDER,
            "TWILIO_API_URL": twilio.url,
        }
        took, left = _send(count // 10, "sms", told)
        is_right = len(twilio.accepted) == left == count // 10 and not twilio.duplicates()
        yield _figure("text messages, one at a time", took, left, right=is_right)


def _plans() -> Iterator[Figure]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(NOTHING_PLANNED)
        yield _plan("plan of 60 days, first time", timedelta(days=60))
        transaction.set_rollback(True)
    yield _plan("the same, nothing to do (every night)", timedelta(days=60))
    yield _plan("plan of 3 days, nothing to do (every 5 min)", timedelta(days=3))


def _plan(name: str, horizon: timedelta) -> Figure:
    begun = time.perf_counter()
    done = sweep(now=timezone.now(), horizon=horizon)
    took = (time.perf_counter() - begun) * 1000
    rows = Message.objects.filter(state=MessageState.PLANNED).count()
    return Figure(name, took, runs=1, result=f"{done.planned:,} planned, {rows:,} rows")


def _figure(name: str, took_s: float, left: int, *, right: bool) -> Figure:
    said = f"{left / took_s:,.0f} a second with {WORKERS} workers; 100,000 in {100_000 / (left / took_s) / 60:.1f} min"
    return Figure(f"{left:,} {name}", took_s * 1000, runs=1, result=f"{said}; each once", is_right=right)


def _send(count: int, channel: str, environment: dict[str, str]) -> tuple[float, int]:
    """(seconds, how many left): from the first one claimed until nothing is due."""
    mine = _make_due(count, channel)
    with _workers(environment) as tell:
        until = time.monotonic() + STUCK_AFTER_S
        left = begun = 0.0
        while time.monotonic() < until:
            now_left = mine().exclude(state__in=[MessageState.PLANNED, MessageState.SENDING]).count()
            if now_left and not begun:
                begun = time.perf_counter()
                counted_from = now_left
            if now_left != left:
                left, until = now_left, time.monotonic() + STUCK_AFTER_S
            if now_left == count:
                break
            tell()
            threading.Event().wait(0.5)
        took = time.perf_counter() - begun
    sent = mine().filter(state=MessageState.SENT).count()
    return took * count / max(count - counted_from, 1), sent


def _make_due(count: int, channel: str) -> Callable[[], object]:
    behind = timezone.now().hour - 12  # about noon there: nobody sleeps
    zone = f"Etc/GMT{behind:+d}" if behind else "Etc/GMT"
    place, _ = Location.objects.update_or_create(name=PLACE, defaults={"short_name": PLACE[:12], "time_zone": zone})
    name = f"bench-{channel}-{int(time.time())}"
    rule = MessageRule.objects.create(
        location=place, key=name, event=MessageEvent.MANUAL, title=name, minutes=0, channels=[channel]
    )
    MessageText.objects.create(
        rule=rule,
        language="en",
        subject="From {clinic}",
        email_text="Hello {first_name}, call {clinic}.",
        sms_text="{clinic}: please call us. Reply STOP to opt out.",
    )
    with connection.cursor() as cursor:
        cursor.execute(DUE, {"name": name, "rule": rule.pk, "place": place.pk, "count": count})
        cursor.execute("ANALYZE patients_message")
    return lambda: Message.objects.filter(rule=rule)


@contextmanager
def _workers(environment: dict[str, str]) -> Iterator[Callable[[], None]]:
    """Two worker processes; yields what tells them to look, as the scheduler does."""
    told = (
        os.environ
        | environment
        | {
            "CADENCE_ENV": "development",
            "DATABASE_URL": database_url(),
            "REDIS_URL": settings.REDIS_URL,
            "MESSAGES_PER_MINUTE": "999999",
        }
    )
    command = [sys.executable, "-W", "ignore", "-m", "celery", "--quiet", "-A", "clinic.celery", "worker"]
    command += ["-Q", "messages", "-c", "1", "--without-gossip", "--without-mingle", "-l", "ERROR"]
    running = [
        subprocess.Popen([*command, "-n", f"bench{number}@bench"], env=told, cwd=settings.BASE_DIR)
        for number in range(WORKERS)
    ]
    teller = Celery("teller", broker=settings.REDIS_URL, set_as_current=False)
    teller.conf.broker_transport_options = {"global_keyprefix": "cadence:"}
    last = [0.0]

    def tell() -> None:
        if time.monotonic() - last[0] > 20:
            last[0] = time.monotonic()
            teller.send_task("patients.tasks.messages.dispatch", queue="messages")

    try:
        yield tell
    finally:
        for worker in running:
            worker.terminate()
        for worker in running:
            worker.wait()
