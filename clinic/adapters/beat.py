"""The scheduler, on a machine whose clock is put back.

Celery's own reckons from when a task last began. After the clock was put back by three hours that moment lies three
hours ahead, and for so long nothing would be scheduled: no message would leave, no danger alert would be escalated.
"""

from __future__ import annotations

import logging
import time

from celery.beat import PersistentScheduler
from celery.utils.time import maybe_make_aware

logger = logging.getLogger(__name__)

STEP_S = 2.0
"""A clock that is only corrected goes slower for a while; one that was put back jumps."""


class SteadyScheduler(PersistentScheduler):
    """As Celery's; a task that "last began" in the future counts as begun now."""

    _seen = 0.0

    def setup_schedule(self) -> None:
        """Also what an earlier run of the scheduler left in its file is of no use when it lies ahead."""
        super().setup_schedule()
        self._forget_the_future()

    def tick(self) -> float:
        """As Celery's, which is asked at least every few minutes."""
        now = time.time()
        if now < self._seen - STEP_S:
            logger.warning("The clock was put back by %.0f s: the schedule goes on from now.", self._seen - now)
            self._forget_the_future()
        self._seen = now
        return float(super().tick())

    def _forget_the_future(self) -> None:
        for entry in self.schedule.values():
            now = maybe_make_aware(entry.default_now())
            if maybe_make_aware(entry.last_run_at) > now:
                entry.last_run_at = now
        self._heap = None  # made anew by the next tick, from these
