"""The cache: Redis, and while that cannot be reached the memory of this process, so that the pages go on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import ConnectionError as RedisAwayError
from redis.exceptions import TimeoutError as RedisSilentError

logger = logging.getLogger(__name__)

Call = TypeVar("Call", bound=Callable[..., Any])

ASKED_AGAIN_S = 5.0
"""For so long nobody asks a Redis that did not answer: a server that hangs costs one wait, not one on every page."""


def _steady(ask: Call) -> Call:
    """The same, answered from memory while Redis is away."""

    @wraps(ask)
    def answered(self: SteadyRedisCache, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (whatever the cache keeps)
        if time.monotonic() >= SteadyRedisCache.asked_again_at:
            try:
                return ask(self, *args, **kwargs)
            except (RedisAwayError, RedisSilentError) as problem:
                SteadyRedisCache.asked_again_at = time.monotonic() + ASKED_AGAIN_S
                logger.error("Redis does not answer, the cache is in memory meanwhile: %s", problem)  # noqa: TRY400
        return getattr(self.memory, ask.__name__)(*args, **kwargs)

    return cast("Call", answered)


class SteadyRedisCache(RedisCache):
    """Django's Redis cache; without Redis each process remembers by itself.

    Then a lock-out counts for each web process alone, and the idle clock starts anew: both weaker, neither gone.
    """

    asked_again_at = 0.0  # of the process, so shared by its threads

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self.memory = LocMemCache("while-redis-is-away", {**params, "OPTIONS": {}})

    add = _steady(RedisCache.add)
    get = _steady(RedisCache.get)
    set = _steady(RedisCache.set)
    touch = _steady(RedisCache.touch)
    delete = _steady(RedisCache.delete)
    has_key = _steady(RedisCache.has_key)
    incr = _steady(RedisCache.incr)
    get_many = _steady(RedisCache.get_many)
    set_many = _steady(RedisCache.set_many)
    delete_many = _steady(RedisCache.delete_many)
    clear = _steady(RedisCache.clear)
