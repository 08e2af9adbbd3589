"""Which backups are kept: the last one of each of so many days, weeks and months."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Keep:
    """So many days, ISO weeks and months with a backup in them; those without one do not count."""

    daily: int = 7
    weekly: int = 5
    monthly: int = 12


def kept(times: Iterable[datetime], keep: Keep) -> set[datetime]:
    """Those of ``times`` (UTC) to keep; the newest always is."""
    newest_first = sorted(times, reverse=True)
    found = set(newest_first[:1])
    found |= _last_of_each(newest_first, lambda at: at.date(), keep.daily)
    found |= _last_of_each(newest_first, lambda at: at.isocalendar()[:2], keep.weekly)
    found |= _last_of_each(newest_first, lambda at: (at.year, at.month), keep.monthly)
    return found


def _last_of_each(newest_first: Sequence[datetime], span: Callable[[datetime], object], count: int) -> set[datetime]:
    last: dict[object, datetime] = {}
    for at in newest_first:
        last.setdefault(span(at), at)
    return set(list(last.values())[:count])
