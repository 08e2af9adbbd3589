"""Found by Python before anything else where its folder is on PYTHONPATH: the clock of this process follows a file.

CADENCE_FAULTS_CLOCK names it; it holds by how many seconds the clock is ahead. Wall clock only: what measures the time
that has passed goes on evenly, as it does when the clock of a machine is put right.
"""

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine

FILE = Path(os.environ["CADENCE_FAULTS_CLOCK"])
LOOK_EVERY_S = 0.1
real_time = time_machine.escape_hatch.time.time


def follow() -> None:
    """Looks at the file as long as the process lives."""
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    waits = threading.Event()
    while not waits.wait(LOOK_EVERY_S):
        step_to(_wanted())


def _wanted() -> float:
    try:
        return float(FILE.read_text(encoding="ascii"))
    except (OSError, ValueError):  # it is being written
        return ahead[0]


def step_to(seconds: float) -> None:
    """The clock is ahead by so much."""
    if seconds != ahead[0]:
        ahead[0] = seconds
        clock.move_to(_now() + timedelta(seconds=seconds))


def _now() -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=real_time())


ahead = [0.0]
clock = time_machine.travel(time.time(), tick=True).start()
step_to(_wanted())
follow()
os.register_at_fork(after_in_child=follow)  # threads are not inherited, the clock is
