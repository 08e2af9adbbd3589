"""Redis is away: people sign in, pages open, locks hold in each process; and Redis is used again when it is back."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.cache import cache, caches
from django.test import Client, RequestFactory

from clinic.adapters import embedded_redis
from clinic.adapters.cache import SteadyRedisCache
from clinic.edge.limits import over_limit
from clinic.pure.roles import Role
from clinic.tests.factories import make_location, make_user

PASSWORD = "correct-horse-battery"


@pytest.fixture
def sockets() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cadence-redis-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def _no_redis(settings, sockets: Path) -> Iterator[None]:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": f"unix://{sockets}/nobody.sock"}}
    SteadyRedisCache.asked_again_at = 0.0
    yield
    SteadyRedisCache.asked_again_at = 0.0
    caches["default"].memory.clear()  # type: ignore[attr-defined]


@pytest.mark.django_db
@pytest.mark.usefixtures("_no_redis")
def test_people_sign_in_and_pages_open_without_redis() -> None:
    make_location()
    nurse = make_user(Role.NURSE)
    nurse.set_password(PASSWORD)
    nurse.save()
    client = Client()
    answer = client.post("/accounts/login/", {"login": nurse.username, "password": PASSWORD})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert [client.get(page).status_code for page in ("/", "/patients/", "/calendar/", "/setup/me/")] == [200] * 4


@pytest.mark.usefixtures("_no_redis")
def test_strangers_are_counted_without_redis() -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="203.0.113.7")
    assert [over_limit(request, group="a page", rate="2/d") for _ in range(3)] == [False, False, True]


@pytest.mark.django_db
@pytest.mark.usefixtures("_no_redis")
def test_the_lock_after_wrong_passwords_holds_without_redis() -> None:
    nurse = make_user(Role.NURSE)
    nurse.set_password(PASSWORD)
    nurse.save()
    for _ in range(5):
        Client().post("/accounts/login/", {"login": nurse.username, "password": "wrong"})
    answer = Client().post("/accounts/login/", {"login": nurse.username, "password": PASSWORD})
    assert "Sign-in is locked for 15 minutes" in answer.content.decode()


@pytest.mark.usefixtures("_no_redis")
def test_every_call_of_the_cache_is_answered_without_redis() -> None:
    assert cache.add("a", 1)
    assert not cache.add("a", 2)
    assert cache.incr("a") == 2
    assert cache.touch("a", 60)
    assert cache.has_key("a")
    cache.set_many({"b": 3, "c": 4})
    assert cache.get_many(["a", "b", "c"]) == {"a": 2, "b": 3, "c": 4}
    cache.delete_many(["b", "c"])
    assert cache.delete("a")
    assert cache.get("a") is None


@pytest.mark.slow
def test_redis_is_used_again_as_soon_as_it_is_back(sockets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clinic.adapters.cache.ASKED_AGAIN_S", 0.0)
    socket = sockets / "redis.sock"
    steady = SteadyRedisCache(f"unix://{socket}", {})
    steady.set("word", "in memory")
    assert steady.get("word") == "in memory"
    server = subprocess.Popen(
        [embedded_redis.program(), "--port", "0", "--unixsocket", str(socket), "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    try:
        while not socket.exists():
            assert server.poll() is None
        steady.set("word", "in Redis")
        assert SteadyRedisCache(f"unix://{socket}", {}).get("word") == "in Redis"
        assert steady.memory.get("word") == "in memory"
    finally:
        server.terminate()
        server.wait()
        SteadyRedisCache.asked_again_at = 0.0
        steady.memory.clear()
