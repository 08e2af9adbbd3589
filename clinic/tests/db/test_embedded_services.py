"""The embedded PostgreSQL and Redis: started where they are wanted, shared, stopped by the last, data kept."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import redis

from clinic.adapters import embedded, embedded_postgres, embedded_redis
from clinic.adapters.embedded_postgres import EmbeddedError

ROOT = Path(__file__).resolve().parents[3]
HOLD = """
import sys, pathlib
from clinic.adapters import embedded
with embedded.running(embedded.Place.in_folder(pathlib.Path(sys.argv[1])), postgres=True, redis=True):
    print("running", flush=True)
    sys.stdin.read()
"""

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("embedded")]


@pytest.fixture
def var() -> Iterator[Path]:
    """A folder with a space in its name, below one that others can pass, as root needs for the server's account."""
    above = Path(tempfile.mkdtemp(prefix="cadence test "))
    above.chmod(0o755)
    yield above / "check out" / "var"
    place = embedded.Place.in_folder(above / "check out" / "var")
    embedded_redis.stop(place.sockets / embedded.REDIS_SOCKET)
    embedded_postgres.stop(place.data / "postgres")
    shutil.rmtree(above)
    shutil.rmtree(place.sockets, ignore_errors=True)


def ask(place: embedded.Place, sql: str) -> object:
    connection = psycopg2.connect(host=str(place.sockets), dbname="cadence", user="cadence")
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0] if cursor.description else None
    finally:
        connection.close()


def test_they_run_in_a_path_with_a_space_and_keep_their_data(var: Path) -> None:
    place = embedded.Place.in_folder(var)
    with embedded.running(place, postgres=True, redis=True):
        ask(place, "CREATE TABLE kept AS SELECT 'É' AS letter")
        assert ask(place, "SELECT lower(letter) FROM kept") == "é"
        assert ask(place, "SELECT array_agg(x ORDER BY x) = ARRAY['B', 'a', 'é'] FROM unnest(ARRAY['é', 'a', 'B']) x")
        assert int(str(ask(place, "SHOW max_connections"))) >= 200
        with redis.Redis.from_url(place.redis_url()) as client:
            client.set("kept", "yes")
    assert not embedded_postgres.answers(place.sockets)
    assert not embedded_redis.answers(place.sockets / embedded.REDIS_SOCKET)
    with embedded.running(place, postgres=True, redis=True):
        assert ask(place, "SELECT letter FROM kept") == "É"
        with redis.Redis.from_url(place.redis_url()) as client:
            assert client.get("kept") == b"yes"


def hold(var: Path) -> subprocess.Popen[str]:
    """Another process that holds the servers until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(var)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout
    assert process.stdout.readline() == "running\n"
    return process


def test_the_last_user_stops_them(var: Path) -> None:
    place = embedded.Place.in_folder(var)
    other = hold(var)
    with embedded.running(place, postgres=True, redis=True):
        pass
    assert embedded_postgres.answers(place.sockets)
    assert embedded_redis.answers(place.sockets / embedded.REDIS_SOCKET)
    other.communicate("", timeout=30)
    assert not embedded_postgres.answers(place.sockets)
    assert not embedded_redis.answers(place.sockets / embedded.REDIS_SOCKET)


def test_what_a_killed_user_left_running_is_used_and_then_stopped(var: Path) -> None:
    place = embedded.Place.in_folder(var)
    other = hold(var)
    other.send_signal(signal.SIGKILL)
    other.communicate(timeout=30)
    assert embedded_postgres.answers(place.sockets)
    with embedded.running(place, postgres=True, redis=True):
        assert ask(place, "SELECT 1") == 1
    assert not embedded_postgres.answers(place.sockets)


def test_a_cluster_of_another_postgresql_is_refused(var: Path) -> None:
    place = embedded.Place.in_folder(var)
    (place.data / "postgres").mkdir(parents=True)
    (place.data / "postgres" / "PG_VERSION").write_text("13\n", encoding="utf-8")
    with (
        pytest.raises(EmbeddedError, match=r"was made by PostgreSQL 13, .* or set DATABASE_URL"),
        embedded.running(place, postgres=True, redis=False),
    ):
        pass


def test_nothing_is_touched_when_both_are_named_elsewhere(var: Path) -> None:
    with embedded.running(embedded.Place.in_folder(var), postgres=False, redis=False):
        pass
    assert not var.exists()
