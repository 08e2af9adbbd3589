"""How many messages may leave in a minute, counted in Redis for all workers together."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.core.cache import cache

from patients.adapters.providers import NoProviderError, provider_for
from patients.services.messages.addressing import AUTOMATIC

ALL = "all"
KEPT_S = 180


def most_a_minute() -> int:
    """What all providers of this installation may be given in a minute."""
    names = set()
    for channel in AUTOMATIC:
        try:
            names.add(provider_for(channel).name)
        except NoProviderError:
            continue
    return int(settings.MESSAGES_PER_MINUTE) * max(len(names), 1)


def granted(wanted: int, now: datetime, *, provider: str = ALL) -> int:
    """How many of ``wanted`` may go out in this minute, to one provider or to all of them together."""
    most = most_a_minute() if provider == ALL else int(settings.MESSAGES_PER_MINUTE)
    key = _key(provider, now)
    cache.add(key, 0, KEPT_S)
    try:
        taken = cache.incr(key, wanted)
    except ValueError:  # Redis went or came back between the two: this minute counts anew
        return wanted
    over = min(max(taken - most, 0), wanted)
    if over:
        cache.incr(key, -over)
    return wanted - over


def give_back(unused: int, now: datetime, *, provider: str = ALL) -> None:
    """So many of what was granted were not needed."""
    if unused:
        try:
            cache.decr(_key(provider, now), unused)
        except ValueError:  # as above
            return


def _key(provider: str, now: datetime) -> str:
    return f"messages-of-minute-{provider}-{int(now.timestamp()) // 60}"
