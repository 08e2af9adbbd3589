"""Who is asked first when a time becomes free: only whom it helps, and each with the reason in plain words.

Whether the time is legal for somebody is not said here: the judge (``courses.planning.rules``) does that. The words say
nothing clinical, because the front desk reads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import IntEnum

from courses.planning.words import say_day, say_days


class Gain(IntEnum):
    """What the freed time does for a course; the smaller, the sooner its patient is asked."""

    OWED = 1  # an infusion without a time gets one
    INTO_WINDOW = 2  # a gap that is too long now would be inside its limits
    WAITING = 3  # the patient asked to come earlier, and would
    SOONER = 4  # the course would end earlier


@dataclass(frozen=True, slots=True)
class Gap:
    """Days between two infusions, and the smallest and largest that the protocol allows."""

    days: int
    low: int
    high: int

    @property
    def fits(self) -> bool:
        return self.low <= self.days <= self.high


@dataclass(frozen=True, slots=True)
class Wait:
    """When a patient on the waiting list could come. Minutes after local midnight, Monday = 0; empty means any."""

    since: date
    weekdays: frozenset[int] = frozenset()
    from_min: int | None = None  # the earliest start
    to_min: int | None = None  # the latest start
    notice_hours: int = 0

    @property
    def says_hours(self) -> bool:
        return self.from_min is not None or self.to_min is not None

    def fits(self, day: date, start_min: int, hours_ahead: float) -> bool:
        """Whether a visit that starts then suits, told about so many hours before."""
        return (
            (not self.weekdays or day.weekday() in self.weekdays)
            and (self.from_min is None or start_min >= self.from_min)
            and (self.to_min is None or start_min <= self.to_min)
            and hours_ahead >= self.notice_hours
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """One infusion of one patient, as it is and as it would be at the freed time.

    ``before`` is the gap that leads into the infusion, ``after`` the one that leads out of it; absent where there is
    no neighbour. ``wait`` is there only for a waiting list entry that fits the freed time.
    """

    patient_id: int
    infusion_id: int
    number: int
    of: int
    to: date
    day: date | None  # where it is now; None: it has no time
    before: Gap | None
    before_then: Gap | None
    after_then: Gap | None
    ends: date | None  # the last day of the series now
    ends_then: date | None
    owed_since: date | None = None  # the day on which an attempt came to nothing
    wait: Wait | None = None
    in_hours: bool = True  # inside the hours that the series was planned for, or that the waiting list says

    @property
    def keeps_the_gaps(self) -> bool:
        """Whether both gaps would be inside their limits; a first look, which the judge has to confirm."""
        return all(gap is None or gap.fits for gap in (self.before_then, self.after_then))

    @property
    def is_last(self) -> bool:
        return self.ends is not None and self.ends == self.day

    @property
    def days_earlier(self) -> int:
        return (self.day - self.to).days if self.day is not None else 0


@dataclass(frozen=True, slots=True)
class Ranked:
    """A patient whom the time would help, with the reason."""

    standing: Standing
    gain: Gain
    why: str


def gain_of(one: Standing) -> Gain | None:
    """What the freed time would do for this course; None where it does nothing good."""
    if one.day is None:
        return Gain.OWED
    if one.days_earlier <= 0:
        return None
    if one.before is not None and one.before.days > one.before.high:
        return Gain.INTO_WINDOW if one.before_then is not None and one.before_then.fits else None
    if one.wait is not None:
        return Gain.WAITING
    if one.ends is not None and one.ends_then is not None and one.ends_then < one.ends:
        return Gain.SOONER
    return None


def why(one: Standing, gain: Gain) -> str:
    """The reason as the desk may read and say it."""
    name = f"infusion {one.number} of {one.of}"
    if gain is Gain.OWED:
        return f"{name} has no time yet"
    if gain is Gain.INTO_WINDOW and one.before is not None and one.before_then is not None:
        return (
            f"{say_days(one.before_then.days)} between the visits instead of {one.before.days} "
            f"(at most {one.before.high}): {name}"
        )
    if gain is Gain.WAITING and one.wait is not None:
        return f"on the waiting list since {say_day(one.wait.since)}: {name}, {say_days(one.days_earlier)} earlier"
    if one.ends is not None and one.ends_then is not None:
        return f"the series would end on {say_day(one.ends_then)} instead of {say_day(one.ends)}"
    return name


def rank(standings: Iterable[Standing]) -> list[Ranked]:
    """Whom it helps, the one to be asked first in front; each patient once, with the best that it does for them.

    Inside a group: whose hours it suits; then who waits longest for a time, whose gap is longest over its limit, who is
    longest on the list, whose series becomes shorter by most. The ids settle what is left, so the order is stable.
    """
    found = [
        Ranked(one, gain, why(one, gain))
        for one in standings
        if one.keeps_the_gaps and (gain := gain_of(one)) is not None
    ]
    found.sort(key=_order)
    first: dict[int, Ranked] = {}
    for one in found:
        first.setdefault(one.standing.patient_id, one)
    return list(first.values())


def _order(one: Ranked) -> tuple[int, bool, int, int, int]:
    standing, weight = one.standing, 0
    if one.gain is Gain.OWED:
        weight = (standing.owed_since or date.max).toordinal()
    elif one.gain is Gain.INTO_WINDOW and standing.before is not None:
        weight = standing.before.high - standing.before.days
    elif one.gain is Gain.WAITING and standing.wait is not None:
        weight = standing.wait.since.toordinal()
    elif standing.ends is not None and standing.ends_then is not None:
        weight = (standing.ends_then - standing.ends).days
    return one.gain, not standing.in_hours, weight, standing.patient_id, standing.number
