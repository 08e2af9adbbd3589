"""gunicorn and a Celery worker with the settings of production, on the database of this process."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import psutil
from django.conf import settings
from django.db import connection

PATIENCE_S = 240


@dataclass(frozen=True)
class Server:
    web: subprocess.Popen[bytes]

    def memory_mb(self) -> int:
        """Master and workers, shared pages counted once (the kernel's PSS)."""
        processes = [psutil.Process(self.web.pid), *psutil.Process(self.web.pid).children()]
        total = 0
        for one in processes:
            text = Path(f"/proc/{one.pid}/smaps_rollup").read_text(encoding="ascii")
            found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
            total += int(found[1]) if found else 0
        return round(total / 1024)


def environment_of(port: int) -> dict[str, str]:
    """As a proxy that ends TLS in front of this machine would have it; nothing is sent to anybody."""
    known = connection.settings_dict
    people = ":".join(quote(str(known[key]), safe="") for key in ("USER", "PASSWORD") if known[key])
    host = quote(str(known["HOST"] or "localhost"), safe="")
    place = f"{people}@{host}" + (f":{known['PORT']}" if known["PORT"] else "")
    return os.environ | {
        "CADENCE_ENV": "production",
        "DEBUG": "0",
        "DATABASE_URL": f"postgres://{place}/{known['NAME']}",
        "REDIS_URL": settings.REDIS_URL,
        "ALLOWED_HOSTS": "127.0.0.1",
        "CADENCE_BASE_URL": f"https://127.0.0.1:{port}",
        "CADENCE_BEHIND_TLS_PROXY": "1",
        "EMAIL_URL": "smtp://localhost:25",
        "CADENCE_LOG_LEVEL": "WARNING",
    }


@contextmanager
def serving(*, port: int, workers: int, threads: int) -> Iterator[Server]:
    """It answers on this port of the machine; both programs have ended afterwards."""
    environment = environment_of(port)
    python = [sys.executable, "-m"]
    subprocess.run([sys.executable, "manage.py", "collectstatic", "--noinput", "-v0"], env=environment, check=True)
    web = ["gunicorn", "clinic.wsgi", "--bind", f"127.0.0.1:{port}", "--workers", str(workers), "--threads"]
    worker = ["celery", "--quiet", "-A", "clinic.celery", "worker", "-n", "load@%h", "-Q", "default,slow", "-c", "2"]
    running = [
        subprocess.Popen([*python, *web, str(threads), "--log-level", "warning"], env=environment),
        subprocess.Popen([*python, *worker, "-l", "WARNING"], env=environment),
    ]
    try:
        _wait_for(port, running[0])
        yield Server(running[0])
    finally:
        for one in running:
            one.terminate()
        for one in running:
            one.wait(PATIENCE_S)


def _wait_for(port: int, web: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if web.poll() is not None:
            raise SystemExit("gunicorn did not start; it says why above")
        server = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            server.request("GET", "/accounts/login/", headers={"X-Forwarded-Proto": "https"})
            if server.getresponse().status == HTTPStatus.OK:
                return
        except OSError:
            pass
        finally:
            server.close()
        time.sleep(0.5)
    raise SystemExit(f"gunicorn does not answer within {PATIENCE_S} seconds")
