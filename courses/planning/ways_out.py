"""Why an infusion has no legal free time, and what would give it one: real starts that fail in one thing only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from courses.planning.dates import gap_days
from courses.planning.question import allowed_starts
from courses.planning.rules import gap_limits
from courses.planning.types import BoolArray, Instance, Placed, Rule, WayOut
from courses.planning.words import say_day, say_days, say_list, say_minute

TIMES_SHOWN = 3
OPEN_END_DAYS = 14  # how far to look where nothing limits the day (a first infusion)


@dataclass(frozen=True, slots=True)
class Window:
    """The legal days of one infusion between its placed neighbours; number 0 is the phase before."""

    number: int
    earliest: date
    latest: date
    before: tuple[int, date] | None
    after: tuple[int, date] | None

    @property
    def is_empty(self) -> bool:
        """True when the neighbours leave no day at all."""
        return self.earliest > self.latest

    def holds(self, day: date) -> bool:
        """Whether the gaps to both neighbours are legal."""
        return self.earliest <= day <= self.latest


def window_of(number: int, instance: Instance, placed: Sequence[Placed], reference: Mapping[int, date]) -> Window:
    """The days on which an infusion would be legal, given what is placed around it."""
    rule = instance.rule
    lower = [(one.number, one.day) for one in placed if one.number < number]
    if instance.before is not None and rule.entry is not None:
        lower.append((0, instance.before))
    before = max(lower, default=None)
    after = min(((one.number, one.day) for one in placed if one.number > number), default=None)
    earliest, latest = instance.not_before, reference[number] + timedelta(days=OPEN_END_DAYS)
    if before is not None:
        smallest, largest = gap_limits(before[0], number, rule)
        earliest = max(earliest, before[1] + timedelta(days=smallest))
        latest = before[1] + timedelta(days=largest)
    if after is not None:
        smallest, largest = gap_limits(number, after[0], rule)
        earliest = max(earliest, after[1] - timedelta(days=largest))
        latest = min(latest, after[1] - timedelta(days=smallest))
    return Window(number, earliest, latest, before, after)


def ways_out(
    instance: Instance,
    placed: Sequence[Placed],
    missing: Sequence[int],
    reference: Mapping[int, date],
    limit: int = 4,
) -> tuple[WayOut, ...]:
    """At most ``limit`` ways, nearest first, each missing infusion served in turn."""
    search = _Search.of(instance, placed)
    queues = [search.ways(window_of(number, instance, placed, reference), reference[number]) for number in missing]
    found: list[WayOut] = []
    while any(queues) and len(found) < limit:
        found += [queue.pop(0) for queue in queues if queue]
    return tuple(found[:limit])


@dataclass(frozen=True, slots=True)
class _Search:
    instance: Instance
    usual_min: int  # the time of day to show first
    allowed: BoolArray  # [day, time], everything holds but the gaps
    any_hour: BoolArray  # all but the patient's hours
    any_day: BoolArray  # all but the patient's absence
    without: tuple[tuple[str, BoolArray], ...]  # (role, all but this role)

    @classmethod
    def of(cls, instance: Instance, placed: Sequence[Placed]) -> _Search:
        used = sorted(one.start_min for one in placed if one.start_min is not None)
        wished = instance.wishes.preferred_min
        usual = wished if wished is not None else (used[len(used) // 2] if used else 0)
        return cls(
            instance,
            usual,
            allowed_starts(instance),
            allowed_starts(instance, ignore_hours=True),
            allowed_starts(instance, ignore_absence=True),
            tuple(_all_but(instance)),
        )

    def ways(self, window: Window, wanted: date) -> list[WayOut]:
        """Every kind of way for one infusion, the nearest day of each, sorted by nearness."""
        found = [*self._inside(window, wanted), *self._outside(window)]
        return sorted(found, key=lambda way: abs(gap_days(wanted, way.day)) if way.day else 0)

    def _inside(self, window: Window, wanted: date) -> Iterator[WayOut]:
        """Legal days on which exactly one other thing is in the way."""
        kinds = (
            ("hours", self.any_hour & ~self.allowed),
            ("absence", self.any_day & ~self.allowed),
            *((role, free & ~self.allowed) for role, free in self.without),
        )
        for kind, starts in kinds:
            days = [d for d, day in enumerate(self.instance.free.days) if window.holds(day) and starts[d].any()]
            if not days:
                continue
            index = min(days, key=lambda d: abs(gap_days(wanted, self.instance.free.days[d])))
            yield self._way(window.number, index, starts[index], kind)

    def _way(self, number: int, index: int, starts: BoolArray, kind: str) -> WayOut:
        day = self.instance.free.days[index]
        nearest, times = self._times(starts)
        at = f"{say_day(day)} at {times}"
        people = "a nurse and a clinician" if self.instance.free.clinician_ids else "a nurse"
        messages = {
            "hours": f"{at} is free, but outside the patient's hours; it fits if the patient agrees.",
            "absence": f"{at} is free, but the patient said to be away that day; it fits if that changes.",
            "chair": f"{at} has {people}, but every chair is taken; it fits if a chair is freed.",
            "nurse": f"{at} has a free chair, but no nurse; it fits if a nurse is found.",
            "clinician": f"{at} has a free chair and a nurse, but no clinician; it fits if a clinician is found.",
        }
        return WayOut(number, f"Infusion {number}: {messages[kind]}", day, nearest)

    def _times(self, starts: BoolArray) -> tuple[int, str]:
        """The free start nearest to the usual time, and up to three of them in words."""
        minutes = [self.instance.free.minutes[t] for t in np.flatnonzero(starts)]
        near = sorted(minutes, key=lambda minute: (abs(minute - self.usual_min), minute))
        return near[0], say_list([say_minute(minute) for minute in sorted(near[:TIMES_SHOWN])], last="or")

    def _outside(self, window: Window) -> Iterator[WayOut]:
        """The nearest free days before and after the legal ones, which a clinician could allow."""
        days = [d for d, _ in enumerate(self.instance.free.days) if self.allowed[d].any()]
        dates = self.instance.free.days
        floor = window.before[1] if window.before else self.instance.not_before - timedelta(days=1)
        ceiling = window.after[1] if window.after else date.max
        early = [d for d in days if floor < dates[d] < min(window.earliest, ceiling)]
        late = [d for d in days if max(window.latest, floor) < dates[d] < ceiling]
        for index in (*early[-1:], *late[:1]):
            breach = self._breach(window, dates[index])
            if breach is not None:
                nearest, times = self._times(self.allowed[index])
                rule, words = breach
                message = (
                    f"Infusion {window.number}: {say_day(dates[index])} at {times} is free, but {words}; "
                    "it fits if a clinician allows it with a reason."
                )
                yield WayOut(window.number, message, dates[index], nearest, rule)

    def _breach(self, window: Window, day: date) -> tuple[Rule, str] | None:
        """The worse of the two gaps around a day, in words."""
        broken: list[tuple[int, Rule, str]] = []
        for pair in (window.before, window.after):
            if pair is None:
                continue
            first, second = sorted((pair[0], window.number))
            smallest, largest = gap_limits(first, second, self.instance.rule)
            actual = abs(gap_days(pair[1], day))
            name = f"infusion {pair[0]}" if pair[0] else "the last infusion of the phase before"
            side = "after" if pair[0] < window.number else "before"
            if actual < smallest:
                words = f"only {say_days(actual)} {side} {name} (at least {smallest})"
                broken.append((smallest - actual, Rule.GAP_TOO_SHORT, words))
            if actual > largest:
                words = f"{say_days(actual)} {side} {name} (at most {largest})"
                broken.append((actual - largest, Rule.GAP_TOO_LONG, words))
        if not broken:
            return None
        _, rule, words = max(broken)
        return rule, words


def _all_but(instance: Instance) -> Iterator[tuple[str, BoolArray]]:
    """Per role the starts where the other roles are free inside the patient's limits and this one is not."""
    free = instance.free
    roles = {"chair": free.chairs, "nurse": free.nurses}
    if free.clinician_ids:
        roles["clinician"] = free.clinicians
    ready: dict[str, BoolArray] = {role: np.logical_or.reduce(who, axis=2) for role, who in roles.items()}
    limits = _patient_limits(instance)
    for role in roles:
        others: BoolArray = np.logical_and.reduce([limits, *(ready[other] for other in roles if other != role)])
        yield role, others


def _patient_limits(instance: Instance) -> BoolArray:
    """[day, time]: inside the patient's limits and the clinic's open days, whoever is free."""
    free, wishes = instance.free, instance.wishes
    minutes = np.asarray(free.minutes)
    low = -1 if wishes.earliest_min is None else wishes.earliest_min
    high = 24 * 60 if wishes.latest_min is None else wishes.latest_min
    hours = (minutes >= low) & (minutes <= high)
    days = np.asarray(
        [day in free.open_days and day not in wishes.unavailable and day >= instance.not_before for day in free.days],
        dtype=bool,
    )
    limits: BoolArray = days[:, None] & hours[None, :]
    return limits
