"""What several kinds of tasks need is read once in a sweep.

Only facts that a sweep itself does not change belong here: it writes tasks, and reads everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Found = TypeVar("Found")
_read: ContextVar[dict[str, Any] | None] = ContextVar("read in this sweep", default=None)


@contextmanager
def one_sweep() -> Iterator[None]:
    """What several kinds need is read once in this block, by ``once``."""
    token = _read.set({})
    try:
        yield
    finally:
        _read.reset(token)


def once(name: str, read: Callable[[], Found]) -> Found:
    """What ``read`` gave the first time in this sweep; outside of a sweep it is read each time."""
    known = _read.get()
    if known is None:
        return read()
    if name not in known:
        known[name] = read()
    found: Found = known[name]
    return found


def read_before(name: str) -> Any:  # noqa: ANN401 (whatever was read under this name)
    """What this sweep has read under that name; None where it has not."""
    return (_read.get() or {}).get(name)
