"""What waits in Redis for the workers, and who was seen at work. Read in one round trip, and never waited for long.

Queues are Celery's own lists. Workers and the scheduler leave their name in a hash, because asking them (`inspect`)
would wait for an answer on every look at a page, and for the longest time when nobody is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import cast

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

TIMEOUT_S = 1
"""Redis is near; one that takes longer is as good as away."""
FORGOTTEN = timedelta(days=1)
"""A worker that was not seen for so long was taken away on purpose."""
SCHEDULER, SCHEDULER_START = "scheduler", "scheduler-start"


class BrokerAwayError(Exception):
    """Redis does not answer."""


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """One worker process: when it last said that it is there, and which queues it works on."""

    name: str
    at: datetime
    queues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """``waiting``: queue -> tasks; ``in_hand``: tasks that workers hold; ``scheduler_at``: when it last began one.

    ``scheduler_started_at``: when it started, the first time after it last began a task.
    """

    waiting: Mapping[str, int]
    in_hand: int
    workers: tuple[WorkerSeen, ...]
    scheduler_at: datetime | None
    scheduler_started_at: datetime | None


def look(queues: Sequence[str]) -> Look:
    """What Redis has of these queues, and who was seen.

    Raises:
        BrokerAwayError: at the latest after a few seconds.
    """
    try:
        with _client(settings.REDIS_URL).pipeline(transaction=False) as pipe:
            for queue in queues:
                pipe.llen(_key(queue))
            pipe.hlen(_key("unacked"))
            pipe.hgetall(_key("seen"))
            *lengths, in_hand, seen = pipe.execute()
    except (redis.RedisError, OSError) as problem:
        raise BrokerAwayError(type(problem).__name__) from problem
    rows = {row.name: row for name, value in seen.items() if (row := _read(name.decode(), value))}
    scheduler, start = rows.pop(SCHEDULER, None), rows.pop(SCHEDULER_START, None)
    return Look(
        waiting=dict(zip(queues, map(int, lengths), strict=True)),
        in_hand=int(in_hand),
        workers=tuple(sorted(rows.values(), key=lambda row: row.name)),
        scheduler_at=scheduler.at if scheduler else None,
        scheduler_started_at=start.at if start else None,
    )


def is_there() -> bool:
    """Whether Redis answers now."""
    try:
        return bool(_client(settings.REDIS_URL).ping())
    except (redis.RedisError, OSError):
        return False


@dataclass(frozen=True, slots=True)
class Server:
    """What Redis says about itself. ``keeps``: what is in it is still there after a restart."""

    version: str
    keeps: bool


def server() -> Server | None:
    """The Redis of REDIS_URL; None while it does not answer."""
    try:
        said = _client(settings.REDIS_URL).info()
    except (redis.RedisError, OSError):
        return None
    return Server(str(said.get("redis_version", "")), bool(int(said.get("aof_enabled", 0))))


def note_seen(name: str, *, queues: Iterable[str] = (), now: datetime) -> None:
    """``name`` is at work now; whoever was not seen for a day is forgotten. Raises BrokerAwayError."""
    try:
        client = _client(settings.REDIS_URL)
        client.hset(_key("seen"), name, json.dumps({"at": now.timestamp(), "queues": sorted(queues)}))
        seen = cast("dict[bytes, bytes]", client.hgetall(_key("seen")))
        rows = {key: _read(key.decode(), value) for key, value in seen.items()}
        old = [key for key, row in rows.items() if row is None or now - row.at > FORGOTTEN]
        if old:
            client.hdel(_key("seen"), *old)
    except (redis.RedisError, OSError) as problem:
        raise BrokerAwayError(type(problem).__name__) from problem


def note_scheduler_start(*, now: datetime) -> None:
    """The scheduler starts now. Raises BrokerAwayError.

    One that starts again and again and never begins a task keeps its first start: it is waited for once.
    """
    before = look([])
    start, sign = before.scheduler_started_at, before.scheduler_at
    if start is None or (sign is not None and sign >= start):
        note_seen(SCHEDULER_START, now=now)


def note_gone(name: str) -> None:
    """``name`` stopped in good order. Raises BrokerAwayError."""
    try:
        _client(settings.REDIS_URL).hdel(_key("seen"), name)
    except (redis.RedisError, OSError) as problem:
        raise BrokerAwayError(type(problem).__name__) from problem


def _read(name: str, value: bytes) -> WorkerSeen | None:
    try:
        said = json.loads(value)
        return WorkerSeen(name, datetime.fromtimestamp(float(said["at"]), UTC), tuple(map(str, said["queues"])))
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def _key(name: str) -> str:
    return f"{settings.CELERY_BROKER_TRANSPORT_OPTIONS['global_keyprefix']}{name}"


@lru_cache(maxsize=4)
def _client(url: str) -> redis.Redis:
    """One pool for each process and address. It does not try again: the page asks again by itself."""
    return redis.Redis.from_url(
        url, socket_connect_timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0)
    )
