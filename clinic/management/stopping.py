"""A command that is told to stop tidies up, whoever says so."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from django.core.management.base import CommandError


@contextmanager
def stopped_like_ctrl_c() -> Iterator[None]:
    """SIGTERM and SIGHUP (systemd, a closed terminal) end the block as Ctrl-C does: through every ``finally``."""

    def stop(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        raise CommandError("Stopped. Nothing half done was left behind.") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
