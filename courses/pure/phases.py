"""Where an infusion visit stands, in the words of the chair board. Nothing of it is stored."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from clinic.pure.visits import Step
from courses.pure.running import Run


class DayPhase(StrEnum):
    EXPECTED = "expected"
    ARRIVED = "arrived"
    PREPARING = "preparing"
    INFUSING = "infusing"
    PAUSED = "paused"
    OBSERVING = "observing"
    READY = "ready"
    TURNAROUND = "turnaround"
    OVER = "over"


PHASE_LABELS = {
    DayPhase.EXPECTED: "Expected",
    DayPhase.ARRIVED: "Arrived",
    DayPhase.PREPARING: "Preparing",
    DayPhase.INFUSING: "Infusing",
    DayPhase.PAUSED: "Paused",
    DayPhase.OBSERVING: "Observing",
    DayPhase.READY: "Ready to leave",
    DayPhase.TURNAROUND: "Turnaround",
    DayPhase.OVER: "Over",
}
ENDED = (Step.MISSED, Step.CANCELLED, Step.WITHHELD)


def phase_of(step: str, run: Run, *, chair_until: datetime, now: datetime, is_ready: bool = False) -> DayPhase:
    """The phase of a visit.

    Args:
        step: the status of its booking.
        chair_until: when the booked time of the chair is over.
        is_ready: all criteria of the discharge are met (``courses.pure.discharge``).
    """
    if step in ENDED:
        return DayPhase.OVER
    if step == Step.DONE:
        return DayPhase.TURNAROUND if now < chair_until else DayPhase.OVER
    if step in (Step.BOOKED, Step.CONFIRMED):
        return DayPhase.EXPECTED
    if run.is_over or step == Step.OBSERVING:
        return DayPhase.READY if is_ready else DayPhase.OBSERVING
    if run.is_started:
        return DayPhase.PAUSED if run.is_paused else DayPhase.INFUSING
    return DayPhase.ARRIVED if step == Step.ARRIVED else DayPhase.PREPARING
