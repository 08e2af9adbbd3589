"""Pages as a browser asks for them, from gunicorn with two workers; queries counted through Django's test client."""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
import time as clock
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import NoReverseMatch, reverse

from bench.dataset import Data, next_weekday
from bench.harness import Figure, Missing, of_times, queries_of
from clinic.models import Booking, User
from patients.models import Patient

TITLE = "Pages"
RUNS, WARM_UP = 60, 6
ROOT = Path(__file__).resolve().parents[2]


def measure(data: Data) -> Iterator[Figure]:
    pages = list(_addresses(data))
    if not pages:
        raise Missing("no page has an address yet")
    cookies = {user.pk: _signed_in(user) for _, _, user in pages}
    with _served() as (port, workers):
        for name, url, user in pages:
            yield _page(name, url, user, port, cookies[user.pk])
        yield Figure(
            "memory of gunicorn with 2 workers after this",
            result=f"{_memory_mb(workers)} MB (PSS); Care 393, GNU Health 145",
        )


def _addresses(data: Data) -> Iterator[tuple[str, str, User]]:
    """(name, address, who asks). An address that does not exist yet is left out."""
    busy = next_weekday(data.today, 1)
    visit = Booking.objects.filter(location=data.location, kind="infusion", span__startswith__date=busy).first()
    patient = Patient.objects.get(resource=visit.subject) if visit else Patient.objects.order_by("pk")[0]
    course = patient.courses.first() if hasattr(patient, "courses") else None
    month = (data.today + timedelta(days=7)).isoformat()
    clinician, desk = data.clinician, data.desk
    for name, view, arguments, query, user in (
        ("Today", "courses:today", [], "", desk),
        ("calendar, a day", "courses:calendar", [], f"?day={busy.isoformat()}&date={busy.isoformat()}", desk),
        ("calendar, a week", "courses:calendar", [], f"?view=week&day={month}&date={month}", desk),
        ("patients, first page", "patients:list", [], "", desk),
        ("patients, searched", "patients:list", [], "?q=mart", desk),
        ("search palette", "patients:quick", [], "?q=okaf", desk),
        ("one patient", "patients:detail", [patient.pk], "", clinician),
        ("planner", "courses:plan", [Patient.objects.filter(courses=None).order_by("-pk")[5].pk], "", clinician),
        ("courses", "courses:list", [], "", clinician),
        ("one course", "courses:course", [course.pk if course else 0], "", clinician),
        ("protocols", "courses:protocols", [], "", clinician),
        ("set-up", "setup:index", [], "", data.manager),
    ):
        try:
            yield name, reverse(view, args=arguments) + query, user
        except NoReverseMatch:
            continue


def _page(name: str, url: str, user: User, port: int, cookie: str) -> Figure:
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(user)
    shown = client.get(url)
    title = re.search(rb"<title>\s*(.*?)\s*</title>", shown.content, re.DOTALL)
    said = f"{len(shown.content) // 1024} kB" + (f", “{title[1].decode()}”" if title else "")
    if shown.status_code != 200:
        return Figure(name, result=f"answers {shown.status_code}", is_right=False)
    times = []
    server = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for number in range(WARM_UP + RUNS):
        begun = clock.perf_counter()
        server.request("GET", url, headers={"Cookie": cookie, "Host": "127.0.0.1"})
        answer = server.getresponse()
        answer.read()
        if answer.status != 200:
            return Figure(name, result=f"gunicorn answers {answer.status}", is_right=False)
        if number >= WARM_UP:
            times.append((clock.perf_counter() - begun) * 1000)
    queries = queries_of(lambda: client.get(url))
    return of_times(name, times, queries=queries, bar_ms=100, bar_on="p95", bar_queries=12, result=said)


def _signed_in(user: User) -> str:
    client = Client()
    client.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


@contextmanager
def _served() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The product behind gunicorn on a free port of this machine, with this run's database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"BENCH_DATABASE": str(connection.settings_dict["NAME"])}
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--workers",
        "2",
        "--bind",
        f"127.0.0.1:{port}",
        "--log-level",
        "warning",
        "bench.wsgi",
    ]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, server)
        yield port, server
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(150):
        if server.poll() is not None:
            raise Missing("gunicorn does not start here")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        clock.sleep(0.2)
    raise Missing("gunicorn does not answer within 30 seconds")


def _memory_mb(server: subprocess.Popen[bytes]) -> int:
    """Master and workers, shared pages counted once (the kernel's PSS)."""
    pids = [server.pid]
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    if children.exists():
        pids += [int(pid) for pid in children.read_text(encoding="ascii").split()]
    total = 0
    for pid in pids:
        found = re.search(
            r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii"), re.MULTILINE
        )
        total += int(found[1]) if found else 0
    return round(total / 1024)
