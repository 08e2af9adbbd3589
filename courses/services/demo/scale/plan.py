"""Which infusion of which course is on which day in which chair: planned one by one by the rules of the protocols.

Days come from the planner's reference dates (R1-R6), a day without a free chair counts as closed, and each series has
passed the judge before it is written down. Everything is drawn from one seed: every run has the same courses.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import product
from random import Random

from courses.planning.dates import reference_dates
from courses.planning.rules import judge
from courses.planning.settings import PlanSettings
from courses.planning.types import Placed
from courses.services.demo.scale.people import site_of
from courses.services.demo.scale.place import CHAIRS, Site
from courses.services.demo.scale.size import Size

TURNS, VISIT_MIN, STARTS_AT_ONCE = 4, 135, 4
SLOTS = CHAIRS * TURNS
ALL_TAKEN = (1 << SLOTS) - 1
TURN = (1 << CHAIRS) - 1

SERIES = ("T-SEED8", "T-2W6", "T-2W4W4", "T-2W6", "T-SEED8", "T-2W6", "T-2W4W4", "T-2W6", "T-MWF6", "T-2W6")
FALLBACK = "T-SEED8"
OTHER_DAYS, OTHER_OF = frozenset({1, 4}), 5
"""Two of five courses that come on two weekdays come on Tuesdays and Fridays, so that no day is crowded."""
UPKEEP = ("M-W4", "M-CANBIND", "M-W4", "M-MONTHLY", "M-W4")
FOLLOWED_DAYS = 182  # a course is closed so long after its last infusion
SECOND_COURSE_EVERY, SECOND_AFTER_DAYS = 6, 200
MISSED_EVERY, DROPPED_EVERY, LEFT_OPEN_EVERY = 9, 11, 12
LATEST_START_BEFORE_END = timedelta(weeks=4)
SETTLED_DAYS = 14
TRIES = 75  # days by which a start is put off


@dataclass(slots=True)
class Dose:
    """One infusion as it became: its day, its chair, and the attempts that failed before it (day, slot, how)."""

    number: int
    status: str
    day: date | None = None
    slot: int = -1
    failed: list[tuple[date, int, str]] = field(default_factory=list)


@dataclass(slots=True)
class Stretch:
    """A phase: the protocol by which it was planned, from which day on, and its infusions."""

    settings: PlanSettings
    not_before: date
    doses: list[Dose]


@dataclass(slots=True)
class Treatment:
    """A course with its series and, where it goes on by a plan, its maintenance."""

    number: int
    patient: int
    site: int
    series: Stretch
    status: str = "active"
    closed_on: date | None = None
    previous: int | None = None
    upkeep: Stretch | None = None

    @property
    def stretches(self) -> Iterator[Stretch]:
        yield self.series
        if self.upkeep is not None:
            yield self.upkeep

    @property
    def days(self) -> list[date]:
        """Of the infusions that were given or are booked, in order."""
        return [one.day for part in self.stretches for one in part.doses if one.day and one.status != "dropped"]


class Chairs:
    """Which of the slots (a chair, one of four turns) of each day of one location are taken."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.taken: dict[date, int] = {}

    def is_open(self, day: date) -> bool:
        """Open, and with a chair that is free."""
        return self.site.is_open(day) and self.taken.get(day, 0) != ALL_TAKEN

    def take(self, day: date, wish: int) -> int:
        """The wished slot, else another chair at the same time of day, else any."""
        taken = self.taken.get(day, 0)
        slot = wish
        if taken >> wish & 1:
            turn = wish // CHAIRS * CHAIRS
            free = ~taken & (TURN << turn) or ~taken & ALL_TAKEN
            slot = (free & -free).bit_length() - 1
        self.taken[day] = taken | 1 << slot
        return slot

    def give_back(self, day: date, slot: int) -> None:
        self.taken[day] &= ~(1 << slot)


def start_minute(slot: int) -> int:
    """When a visit in this slot begins, in minutes of the day: four chairs at once, so that each has its clinician."""
    return 8 * 60 + slot // CHAIRS * VISIT_MIN + slot % CHAIRS // STARTS_AT_ONCE * 15


class Planner:
    """All courses, in the order in which they begin."""

    def __init__(
        self, size: Size, sites: Sequence[Site], protocols: Mapping[str, PlanSettings], first: date, today: date
    ) -> None:
        self.size, self.today, self.first, self.last = size, today, first, size.last_day(today)
        self.protocols = protocols
        self.others: dict[str, PlanSettings] = {}
        self.chairs = [Chairs(site) for site in sites]
        self.random = Random(20_260)  # noqa: S311 (the same made-up people in every run)
        self.unseen = iter(self.random.sample(range(1, size.patients + 1), size.patients))
        self.over: deque[tuple[date, Treatment]] = deque()

    def courses(self) -> Iterator[Treatment]:
        """Raises RuntimeError when a course finds no legal dates: then there is too much for the chairs."""
        span = (self.last - LATEST_START_BEFORE_END - self.first).days
        for number in range(1, self.size.courses + 1):
            yield self._course(number, self.first + timedelta(days=span * number // (self.size.courses + 1)))

    def _course(self, number: int, wish: date) -> Treatment:
        before = None
        if number % SECOND_COURSE_EVERY == 0 and self.over and self.over[0][0] < wish:
            before = self.over.popleft()[1]
        patient = before.patient if before else next(self.unseen)
        site = site_of(patient)
        slot = self.random.randrange(SLOTS)
        wished = self._wished(number, patient)
        course = Treatment(number, patient, site, self._series(self.chairs[site], wished, wish, slot))
        course.previous = before.number if before else None
        self._attempts(course, slot)
        self._end(course)
        if course.status == "active":
            self._go_on(course, slot)
        self._close(course)
        return course

    def _wished(self, number: int, patient: int) -> tuple[PlanSettings, ...]:
        """By which protocol a series is planned; where holidays leave it no legal dates, by which instead."""
        name = SERIES[number % len(SERIES)]
        plain, fallback = self.protocols[name], self.protocols[FALLBACK]
        if len(plain.steps[0].weekdays) == len(OTHER_DAYS) and patient % OTHER_OF in {0, 1}:
            return self.others.setdefault(name, plain.adapted(weekdays=OTHER_DAYS)), plain, fallback
        return plain, fallback

    def _series(self, chairs: Chairs, wished: Sequence[PlanSettings], wish: date, slot: int) -> Stretch:
        for settings, later in product(wished, range(TRIES)):
            start = wish + timedelta(days=later)
            days = self._days(chairs, settings, start)
            if days:
                doses = [
                    Dose(number, self._status(day), day, chairs.take(day, slot)) for number, day in enumerate(days, 1)
                ]
                return Stretch(settings, start, doses)
        raise RuntimeError(f"No legal dates for a series from {wish} on: the chairs are full.")

    def _days(
        self, chairs: Chairs, settings: PlanSettings, start: date, before: date | None = None
    ) -> list[date] | None:
        """The reference dates, where the judge lets all of them pass."""
        rule = settings.rule
        found = reference_dates(rule, start, chairs.is_open, before=before)
        placed = [Placed(one.number, one.day) for one in found]
        legal = judge(placed, rule, is_open=chairs.is_open, before=before).is_legal
        return [one.day for one in found] if legal else None

    def _status(self, day: date) -> str:
        return "given" if day < self.today else "booked"

    # -- what goes otherwise than planned ------------------------------------------------------------------------------
    def _attempts(self, course: Treatment, slot: int) -> None:
        """One visit is missed or withheld, and the infusion gets the next legal time (R5)."""
        if course.number % MISSED_EVERY:
            return
        part, chairs = course.series, self.chairs[course.site]
        number = self.random.randint(2, len(part.doses))
        missed = part.doses[number - 1]
        if missed.day is None or missed.day >= self.today:
            return
        how = "withheld" if course.number % (4 * MISSED_EVERY) == 0 else "missed"
        if (self.today - missed.day).days < SETTLED_DAYS and course.number % LEFT_OPEN_EVERY == 0:
            missed.failed.append((missed.day, missed.slot, how))
            missed.status, missed.day = how, None
            return
        done = {one.number: one.day for one in part.doses[: number - 1] if one.day}
        kept = [(one.day, one.slot) for one in part.doses[number:] if one.day]
        for day, taken in kept:
            chairs.give_back(day, taken)
        rule = part.settings.rule
        again = reference_dates(rule, part.not_before, chairs.is_open, done, {number: missed.day})
        placed = [Placed(one.number, one.day) for one in again]
        if not judge(placed, rule, is_open=chairs.is_open, done=frozenset(done)).is_legal:
            for day, taken in kept:  # it cannot be made good inside the limits: then it was not missed
                chairs.take(day, taken)
            return
        missed.failed.append((missed.day, missed.slot, how))
        for dose, one in zip(part.doses[number - 1 :], again[number - 1 :], strict=True):
            dose.day, dose.slot, dose.status = one.day, chairs.take(one.day, slot), self._status(one.day)

    def _end(self, course: Treatment) -> None:
        """Some stop before the end: what was still booked is given back, and the course is closed two weeks later."""
        doses = course.series.doses
        if course.number % DROPPED_EVERY or any(one.failed for one in doses):
            return
        last = doses[self.random.randint(2, len(doses) - 1) - 1]
        if last.day is None or last.day + timedelta(days=SETTLED_DAYS) >= self.today:
            return
        for one in doses[last.number :]:
            if one.day is not None:
                self.chairs[course.site].give_back(one.day, one.slot)
            one.status, one.day, one.slot = "dropped", None, -1
        course.status = ("stopped", "lost", "transferred")[course.number % 3]
        course.closed_on = last.day + timedelta(days=SETTLED_DAYS)

    def _go_on(self, course: Treatment, slot: int) -> None:
        """Every second course whose series is over goes on by a plan; beyond the calendar its infusions have no day."""
        before = course.series.doses[-1].day
        if course.number % 2 or before is None or before >= self.today:
            return
        if any(one.day is None for one in course.series.doses):
            return
        settings = self.protocols[UPKEEP[course.number // 2 % len(UPKEEP)]]
        chairs = self.chairs[course.site]
        start = before + timedelta(days=1)
        days = self._days(chairs, settings, start, before)
        if days is None:
            return
        doses = [
            Dose(number, self._status(day), day, chairs.take(day, slot))
            if day <= self.last
            else Dose(number, "planned")
            for number, day in enumerate(days, 1)
        ]
        course.upkeep = Stretch(settings, start, doses)

    def _close(self, course: Treatment) -> None:
        days = course.days
        if course.status == "active":
            ends = days[-1] + timedelta(days=FOLLOWED_DAYS)
            if ends < self.today:
                course.status, course.closed_on = "completed", ends
            elif days[0] >= self.today:
                course.status = "planned"
        if course.closed_on is not None:
            self.over.append((course.closed_on + timedelta(days=SECOND_AFTER_DAYS - FOLLOWED_DAYS), course))
