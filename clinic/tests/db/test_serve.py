"""`manage.py serve`: its refusals, its programs, and the supervisor that runs them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management.base import CommandError
from pytest_django import Settings

from clinic.management.commands import serve

ROOT = Path(__file__).resolve().parents[3]
SUPERVISE = """
import sys
from clinic.adapters.supervisor import Program, Supervisor
programs = [Program(n, [sys.executable, "-u", "-c", c]) for n, c in zip(sys.argv[1::2], sys.argv[2::2])]
sys.exit(Supervisor(programs).run(when_started=lambda: None))
"""
SLEEPS = "import time; print('up'); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); time.sleep(60)"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as taken:
        taken.bind((serve.HOST, 0))
        taken.listen()
        yield taken


def test_a_taken_port_is_refused_with_what_to_do(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(CommandError, match=f"Port {port} is taken .* PORT={port + 1} make start"):
        serve.refuse_taken(port)


def test_a_free_port_is_not_refused(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(CommandError):
        serve.refuse_taken(port)
    listener.close()
    serve.refuse_taken(port)  # the same port, free now


@pytest.mark.django_db
def test_a_redis_that_does_not_answer_is_refused_by_the_name_of_its_variable(settings: Settings) -> None:
    serve.refuse_unreachable()
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(CommandError, match=r"^The Redis of REDIS_URL does not answer: "):
        serve.refuse_unreachable()


@pytest.mark.slow
def test_a_database_that_does_not_answer_is_refused_by_the_name_of_its_variable() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "serve"],
        cwd=ROOT,
        env=os.environ
        | {"DATABASE_URL": "postgres://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0", "PORT": "48731"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("CommandError: The PostgreSQL of DATABASE_URL does not answer: ")
    assert done.stderr.count("\n") == 1


def test_the_programs_listen_on_this_machine_only() -> None:
    web, worker, messages, beat = serve.programs(8123)
    assert [web.name, worker.name, messages.name, beat.name] == ["web", "worker", "messages", "beat"]
    assert "127.0.0.1:8123" in web.command


def test_every_queue_has_one_worker_and_messages_wait_for_nothing_else() -> None:
    _, worker, messages, _ = serve.programs(8123)
    queues = [program.command[program.command.index("-Q") + 1] for program in (worker, messages)]
    assert queues == ["default,slow", "messages"]
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()} | {settings.CELERY_TASK_DEFAULT_QUEUE}
    assert routed == set(",".join(queues).split(","))


def test_the_greeting_says_where_to_click_and_who_can_sign_in(tmp_path: Path) -> None:
    sign_ins = tmp_path / "demo-sign-ins.txt"
    assert serve.greeting(8123, sign_ins) == ["Cadence is at http://127.0.0.1:8123/ (Ctrl-C stops it)"]
    sign_ins.write_text("Demo sign-ins: desk, nurse\n\n", encoding="utf-8")
    assert serve.greeting(8123, sign_ins)[1:] == ["Demo sign-ins: desk, nurse"]


def supervise(*programs: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, *programs],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def read_until(process: subprocess.Popen[str], *wanted: str) -> list[str]:
    """Lines up to the one that completes `wanted`."""
    assert process.stdout
    left = set(wanted)
    lines: list[str] = []
    while left:
        line = process.stdout.readline()
        assert line, f"ended without {left}: {lines}"
        lines.append(line.rstrip("\n"))
        left.discard(lines[-1])
    return lines


@pytest.mark.slow
def test_ctrl_c_stops_all_programs_and_is_no_failure() -> None:
    process = supervise("web", SLEEPS, "worker", SLEEPS)
    read_until(process, "web     | up", "worker  | up")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert "cadence | stopping" in output
    assert process.returncode == 0


@pytest.mark.slow
def test_when_one_program_ends_the_others_are_stopped_and_it_is_a_failure() -> None:
    process = supervise("web", "print('oops'); raise SystemExit(3)", "worker", SLEEPS)
    output, _ = process.communicate(timeout=20)
    assert "web     | oops" in output
    assert "cadence | web ended by itself (exit status 3); stopping the others" in output
    assert process.returncode == 1


@pytest.mark.slow
def test_a_second_ctrl_c_does_not_wait_for_a_stubborn_program() -> None:
    process = supervise("web", STUBBORN)
    read_until(process, "web     | up")
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    read_until(process, "cadence | stopping")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert time.monotonic() - began < 10
    assert process.returncode == 0


@pytest.mark.slow
def test_what_a_program_started_itself_is_stopped_too(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    child = f"import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); open({str(pid_file)!r}, 'w').write(str(p.pid)); print('up'); time.sleep(60)"
    process = supervise("web", child)
    read_until(process, "web     | up")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    deadline = time.monotonic() + 5
    while is_alive(int(pid_file.read_text(encoding="utf-8"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(int(pid_file.read_text(encoding="utf-8")))


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
