"""Who plays what: which infusions of a day stand in which state when the demo is loaded. Times in, parts out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

MINUTE = timedelta(minutes=1)
HURRY, SEATED_EARLY = timedelta(minutes=8), timedelta(minutes=6)
"""How much less the preparation may have taken, and how much earlier somebody who came early may have been seated."""
LATE_BY = timedelta(minutes=14)
LINGERS = timedelta(minutes=12)
READY_SINCE, GONE_SINCE = timedelta(minutes=1), timedelta(minutes=3)  # before now, counted from the end of the watch


class Part(StrEnum):
    """What is special about an infusion; most are given as planned."""

    PLAIN = "plain"
    HALF = "half"  # the questions before the infusion are half answered
    HOLD = "hold"  # 166/98 before the start, the prescriber is asked
    LATE = "late"  # nobody has looked for too long
    PAUSED = "paused"  # 184/104, paused, to be measured again
    ALARM = "alarm"  # the same a while ago: answered, measured again, resumed
    READY = "ready"  # everything is done, they have not left yet
    STOPPED = "stopped"  # stopped early for a side effect
    UNSIGNED = "unsigned"  # complete, waiting for the prescriber
    AMENDED = "amended"  # signed, something was added later


@dataclass(frozen=True, slots=True)
class Times:
    """The plan of one infusion, as it will go unless something comes between."""

    comes: datetime
    begun: datetime
    start: datetime
    end: datetime
    leaves: datetime
    chair_until: datetime

    @property
    def in_chair(self) -> datetime:
        return self.begun + 6 * MINUTE

    @property
    def most_earlier(self) -> timedelta:
        """How much earlier all of it could have been: prepared in less time, seated as soon as they came."""
        return HURRY + min(SEATED_EARLY, self.begun - self.comes)

    def earlier(self, by: timedelta) -> Times:
        """Everything from the start on was so much earlier; what is above ``HURRY`` they were seated earlier."""
        seated = max(timedelta(), by - HURRY)
        return replace(
            self, begun=self.begun - seated, start=self.start - by, end=self.end - by, leaves=self.leaves - by
        )

    def longer(self, by: timedelta) -> Times:
        """The pump stood still for so long."""
        return replace(self, end=self.end + by, leaves=self.leaves + by)

    def stopped_after(self, ran: timedelta) -> Times:
        return replace(self, end=self.start + ran, leaves=self.leaves - (self.end - self.start - ran))


def times_of(
    comes: datetime, start: datetime, end: datetime, *, preparation_min: int, infusion_min: int, observation_min: int
) -> Times:
    """The plan of a visit that is booked from ``start`` to ``end`` by somebody who comes at ``comes``."""
    begun = max(start, comes)
    runs = begun + preparation_min * MINUTE
    stops = runs + infusion_min * MINUTE
    return Times(comes, begun, runs, stops, stops + observation_min * MINUTE, end)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One infusion of the day; ``is_home``: at the location whose people sign in to look at the demo."""

    visit: int
    times: Times
    is_home: bool = True
    is_nasal: bool = False


Give = Callable[[Candidate | None, Part, Times | None], None]


def cast_today(candidates: Sequence[Candidate], now: datetime) -> dict[int, tuple[Part, Times]]:
    """Each infusion of today with its part, so that as many states as can be are there at ``now``."""
    order = sorted(candidates, key=lambda one: (not one.is_home, one.times.comes, one.visit))
    free = {one.visit: one for one in order if one.times.comes <= now and not one.is_nasal}
    found: dict[int, tuple[Part, Times]] = {one.visit: (Part.PLAIN, one.times) for one in candidates}

    def give(one: Candidate | None, part: Part, times: Times | None = None) -> None:
        if one is not None:
            found[one.visit] = (part, times or one.times)
            free.pop(one.visit)

    _cast_leaving(list(free.values()), now, give)
    for one in list(free.values()):
        if one.times.end <= now:  # observing, turned around, or gone
            free.pop(one.visit)
    waiting = [one for one in free.values() if one.times.in_chair + 3 * MINUTE <= now <= one.times.start + LINGERS]
    coming = [one for one in free.values() if one.times.in_chair + MINUTE <= now < one.times.start]
    _cast_hold(waiting, coming, others=[one for one in order if one.is_nasal], now=now, give=give)
    give(next((one for one in coming if one.visit in free), None), Part.HALF)
    running = [one for one in free.values() if one.times.start <= now]
    for part, since in ((Part.LATE, LATE_BY), (Part.ALARM, 29 * MINUTE), (Part.PAUSED, 8 * MINUTE)):
        give(next((one for one in running if one.visit in free and one.times.start + since <= now), None), part)
    return found


def _cast_hold(
    waiting: Sequence[Candidate], coming: Sequence[Candidate], *, others: Sequence[Candidate], now: datetime, give: Give
) -> None:
    """Somebody's pressure is too high: who should have begun by now, else one of several who are being prepared."""
    late = next((one for one in waiting if one.times.start <= now), None)
    prepared = [*coming, *(one for one in others if one.times.in_chair + MINUTE <= now < one.times.start)]
    one = late or next(iter((*waiting, *coming)) if len(prepared) > 1 else iter(()), None)
    if one is None:
        return
    needed = max(timedelta(), one.times.in_chair + 3 * MINUTE - now)  # a pressure takes its minutes
    if needed <= min(SEATED_EARLY, one.times.begun - one.times.comes):
        give(one, Part.HOLD, replace(one.times, begun=one.times.begun - needed))


def _cast_leaving(here: Sequence[Candidate], now: datetime, give: Give) -> None:
    """Somebody is ready to leave, and a chair is turned around, where anybody's times allow it."""
    turned = [one for one in here if one.times.leaves + 2 * MINUTE <= now < one.times.chair_until]
    watched = [one for one in here if one.times.end <= now < one.times.leaves + 2 * MINUTE]
    may_be_ready = [one for one in watched if _shift(one, now, READY_SINCE) is not None]
    may_be_gone = [one for one in watched if _shift(one, now, GONE_SINCE) is not None]
    gone = next((one for one in may_be_gone if not turned and len(may_be_ready) > 1), None)
    ready = next((one for one in may_be_ready if one is not gone), turned[-1] if len(turned) > 1 else None)
    for one, part, since in ((gone, Part.PLAIN, GONE_SINCE), (ready, Part.READY, READY_SINCE)):
        if one is not None:
            give(one, part, one.times.earlier(_shift(one, now, since) or timedelta()))


def _shift(one: Candidate, now: datetime, since: timedelta) -> timedelta | None:
    """How much earlier it has to have been, so that the watch was over ``since`` before now; None: too much."""
    needed = max(timedelta(), one.times.leaves - now + since)
    return needed if needed <= one.times.most_earlier else None


def cast_past(candidates: Sequence[Candidate], parts: Sequence[Part]) -> dict[int, Part]:
    """The last infusions of a day that is over have these parts, in this order."""
    last = sorted((one for one in candidates if not one.is_nasal), key=lambda one: one.times.leaves, reverse=True)
    return {one.visit: part for one, part in zip(last, parts, strict=False)}
