"""One infusion from its taps: how long it has run without the pauses, what is left, what was delivered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

TENTH_MG = Decimal("0.1")
DEVICE_MG = Decimal(28)
"""One nasal device. Source: clinical.md B3 (L1, L3)."""
DEVICE_REST = timedelta(minutes=5)
"""Between two nasal devices. Source: clinical.md B3 (L1, L3)."""


class Tap(StrEnum):
    """The same values as ``RunKind`` (a test compares them)."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    END = "end"
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class Run:
    """What the taps add up to. ``ran`` counts finished stretches only; ``running_since`` is the one that goes on."""

    planned_min: int
    started_at: datetime | None = None
    ended_at: datetime | None = None
    stopped_early: bool = False
    paused_since: datetime | None = None
    running_since: datetime | None = None
    ran: timedelta = timedelta()
    devices: tuple[datetime, ...] = ()

    @property
    def is_started(self) -> bool:
        return self.started_at is not None

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None

    @property
    def is_paused(self) -> bool:
        return self.paused_since is not None and not self.is_over

    @property
    def is_running(self) -> bool:
        return self.running_since is not None

    def run_for(self, now: datetime) -> timedelta:
        """How long the pump has run up to ``now``, without the pauses; never below zero."""
        going_on = now - self.running_since if self.running_since else timedelta()
        return self.ran + max(timedelta(), going_on)

    def remaining(self, now: datetime) -> timedelta:
        """What is left of the planned minutes; below zero when it should have ended."""
        return timedelta() if self.is_over else timedelta(minutes=self.planned_min) - self.run_for(now)

    def delivered_mg(self, dose_mg: Decimal, now: datetime) -> Decimal:
        """What went in up to ``now``, half-up to 0.1 mg: by devices, or by minutes; all of it when it ended by itself.

        Source: clinical.md H0 R8 (mg × minutes run ÷ minutes planned).
        """
        if self.devices:
            return (DEVICE_MG * len(self.devices)).quantize(TENTH_MG)
        if not self.is_started:
            return Decimal("0.0")
        if self.is_over and not self.stopped_early:
            return dose_mg.quantize(TENTH_MG, rounding=ROUND_HALF_UP)
        planned_s = Decimal(self.planned_min * 60)
        share = min(Decimal(1), Decimal(self.run_for(now).total_seconds()) / planned_s)
        return (dose_mg * share).quantize(TENTH_MG, rounding=ROUND_HALF_UP)


_AT_ONCE = (Tap.START, Tap.DEVICE, Tap.PAUSE, Tap.RESUME, Tap.STOP, Tap.END)
"""In this order when they bear the same instant: one device may be the start and the end."""


def _when(tap: tuple[str, datetime]) -> tuple[datetime, int]:
    return tap[1], _AT_ONCE.index(Tap(tap[0]))


def read_run(taps: Iterable[tuple[str, datetime]], *, planned_min: int) -> Run:
    """The run from its valid taps, each (kind, instant), in any order; what does not follow is left out."""
    facts = Run(planned_min)
    started: datetime | None = None
    ended: datetime | None = None
    early = False
    since: datetime | None = None
    paused: datetime | None = None
    ran = timedelta()
    devices: list[datetime] = []
    for kind, at in sorted(taps, key=_when):
        if kind == Tap.START and started is None:
            started = since = at
        elif kind == Tap.PAUSE and since is not None:
            ran, since, paused = ran + (at - since), None, at
        elif kind == Tap.RESUME and paused is not None and ended is None:
            since, paused = at, None
        elif kind == Tap.DEVICE:
            devices.append(at)
        elif kind in (Tap.STOP, Tap.END) and started is not None and ended is None:
            ran, since, paused = ran + (at - since if since else timedelta()), None, None
            ended, early = at, kind == Tap.STOP
    return Run(
        planned_min=facts.planned_min,
        started_at=started,
        ended_at=ended,
        stopped_early=early,
        paused_since=paused,
        running_since=since,
        ran=ran,
        devices=tuple(devices),
    )


_MAY_FOLLOW = {
    Tap.START: "it has started already",
    Tap.PAUSE: "it is not running",
    Tap.RESUME: "it is not paused",
    Tap.STOP: "it is not going on",
    Tap.END: "it is not going on",
    Tap.DEVICE: "it is over",
}


def refused_tap(run: Run, kind: str, at: datetime) -> str:
    """Why this tap cannot follow, as half a sentence; empty when it may. Gates before the start are asked elsewhere."""
    tap = Tap(kind)
    going_on = run.is_started and not run.is_over
    fits = {
        Tap.START: not run.is_started,
        Tap.PAUSE: run.is_running,
        Tap.RESUME: run.is_paused,
        Tap.STOP: going_on,
        Tap.END: going_on,
        Tap.DEVICE: not run.is_over,
    }[tap]
    if not fits:
        return _MAY_FOLLOW[tap]
    latest = max(filter(None, (run.started_at, run.paused_since, run.running_since, *run.devices)), default=None)
    if latest is not None and at < latest:
        return "something later is on record already"
    return ""


def refused_taps(taps: Iterable[tuple[str, datetime]], *, planned_min: int) -> str:
    """Why these taps, in the order of their instants, cannot all be true, as half a sentence; empty when they can."""
    so_far: list[tuple[str, datetime]] = []
    for kind, at in sorted(taps, key=_when):
        refusal = refused_tap(read_run(so_far, planned_min=planned_min), kind, at)
        if refusal:
            return refusal
        so_far.append((kind, at))
    return ""


def rest_left(devices: Iterable[datetime], at: datetime) -> timedelta:
    """How long until the next nasal device may follow; zero when it may.

    Source: clinical.md B3 (L1): five minutes of rest between devices, inclusive.
    """
    last = max(devices, default=None)
    return max(timedelta(), last + DEVICE_REST - at) if last is not None else timedelta()
