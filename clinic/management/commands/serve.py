"""`manage.py serve`: everything that a clinic needs on this machine, until Ctrl-C. `make start` calls it."""

from __future__ import annotations

import http.client
import io
import socket
import sys
import time
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connections
from redis.backoff import NoBackoff
from redis.retry import Retry

from clinic.adapters.supervisor import Program, Supervisor

HOST = "127.0.0.1"
WAIT_SECONDS = 60


def refuse_taken(port: int) -> None:
    """Nobody listens on `port` of this machine, and this user may.

    Raises:
        CommandError: with what to do instead.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
        try:
            attempt.bind((HOST, port))
        except PermissionError:
            raise CommandError(f"Port {port} needs more rights than this user has: try PORT=8000 make start") from None
        except OSError:
            free = f"PORT={port + 1} make start"
            raise CommandError(
                f"Port {port} is taken by another program (perhaps an earlier `make start`): stop that one, or use "
                f"another port: {free}"
            ) from None


def refuse_unreachable() -> None:
    """The database and Redis answer.

    Raises:
        CommandError: naming the variable whose server does not; embedded ones have been started by now.
    """
    try:
        connections["default"].ensure_connection()
    except OperationalError as problem:
        raise CommandError(f"The PostgreSQL of DATABASE_URL does not answer: {first_line(problem)}") from None
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5, retry=Retry(NoBackoff(), 0))
    try:
        client.ping()
    except redis.RedisError as problem:
        raise CommandError(f"The Redis of REDIS_URL does not answer: {first_line(problem)}") from None
    finally:
        client.close()


def first_line(problem: Exception) -> str:
    """What an error says, without the lines of advice under it."""
    return str(problem).strip().partition("\n")[0]


def programs(port: int) -> list[Program]:
    """The web server, a worker for what the product does in the background, one for messages, and their clock.

    Messages have a worker of their own: a provider that answers slowly must not keep a danger alert waiting, nor an
    import of an hour keep tomorrow's reminders.
    """
    python = [sys.executable, "-m"]
    quiet = [sys.executable, "-W", "ignore::UserWarning", "-m", "celery", "--quiet", "-A", "clinic.celery"]
    web = ["gunicorn", "-c", "python:clinic.gunicorn", "clinic.wsgi", "--bind", f"{HOST}:{port}"]
    # On one machine they have nothing to tell each other.
    alone = ["-l", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    return [
        Program("web", [*python, *web]),
        Program("worker", [*quiet, "worker", "-n", "worker@%h", "-Q", "default,slow", "-c", "2", *alone]),
        Program("messages", [*quiet, "worker", "-n", "messages@%h", "-Q", "messages", "-c", "1", *alone]),
        Program("beat", [*quiet, "beat", "-l", "WARNING"]),
    ]


def greeting(port: int, sign_ins: Path) -> list[str]:
    """Where to click, and who can sign in to the demonstration."""
    lines = [f"Cadence is at http://{HOST}:{port}/ (Ctrl-C stops it)"]
    if sign_ins.exists():
        lines += [line for line in sign_ins.read_text(encoding="utf-8").splitlines() if line.strip()]
    return lines


def answers(port: int) -> bool:
    """Whether the web server answers requests; it accepts connections well before that."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


class Log(io.TextIOBase):
    """A file for another command's output: its lines become lines of the one log."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor = supervisor

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.strip():
                self.supervisor.say(line)
        return len(text)


class Command(BaseCommand):
    help = "Migrates, loads the demonstration clinic into an empty database, and runs web, worker and beat."

    def handle(self, **_: Any) -> None:
        """All of it has run and was stopped; the exit status is 1 when a part of it failed by itself."""
        port = settings.ENVIRONMENT.port
        refuse_taken(port)
        settings.VAR_DIR.mkdir(exist_ok=True)  # beat keeps there when each job ran last
        refuse_unreachable()
        supervisor = Supervisor(programs(port))
        supervisor.say("preparing the database")
        call_command("migrate", verbosity=0)
        if not settings.PRODUCTION and not get_user_model().objects.exists():
            supervisor.say("loading the demonstration clinic (about a minute, only this once)")
            call_command("load_demo", if_empty=True, stdout=Log(supervisor))
        connections.close_all()

        def greet() -> None:
            deadline = time.monotonic() + WAIT_SECONDS
            while not answers(port) and time.monotonic() < deadline:
                time.sleep(0.1)
            for line in greeting(port, settings.VAR_DIR / "demo-sign-ins.txt"):
                supervisor.say(line)

        sys.exit(supervisor.run(when_started=greet))
