"""The planning schema: what goes in and what comes out. Frozen, plain, with units in the names.

Days are *local calendar dates of the location*; times of day are minutes after local midnight; a gap is a difference of
dates, never of instants (clinical.md H0, R1). Whoever builds these values converts from instants, and whoever books
converts back: nothing in here knows a time zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class GapRule:
    """The interval that leads *into* one infusion.

    Args:
        min_days: smallest legal difference of dates to the infusion before, at least 1.
        max_days: largest legal difference, at least ``min_days``.
        weekdays: the rhythm, Monday = 0; empty when the rhythm is a plain interval.
        target_days: the wished interval when there is no weekday rhythm.
    """

    min_days: int
    max_days: int
    weekdays: frozenset[int] = frozenset()
    target_days: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.min_days <= self.max_days:
            raise ValueError(f"gap limits must satisfy 1 <= min <= max, not {self.min_days}..{self.max_days}")
        if not self.weekdays and self.target_days is None:
            raise ValueError("a gap rule needs a weekday rhythm or a target interval")
        if not self.weekdays <= frozenset(range(7)):
            raise ValueError("weekdays are 0 (Monday) to 6 (Sunday)")


@dataclass(frozen=True, slots=True)
class SeriesRule:
    """How many infusions, and the gap that leads into each of them.

    ``gaps[k - 2]`` leads into infusion ``k``; the first infusion has no gap inside the series. ``entry`` is the gap
    from an earlier phase's last infusion into the first one here (maintenance after a series), where there is one.
    ``start_weekdays`` are the rhythm's weekdays for the first infusion; empty means any day.
    """

    gaps: tuple[GapRule, ...]
    start_weekdays: frozenset[int] = frozenset()
    entry: GapRule | None = None
    span_warn_days: int | None = None
    interrupted_after_days: int = 14  # R6

    @property
    def count(self) -> int:
        return len(self.gaps) + 1

    def into(self, number: int) -> GapRule | None:
        """The rule that leads into infusion ``number`` (1-based)."""
        return self.entry if number == 1 else self.gaps[number - 2]


@dataclass(frozen=True, slots=True)
class VisitShape:
    """The minutes of one visit, in the order in which they happen."""

    preparation_min: int
    infusion_min: int
    observation_min: int
    turnaround_min: int

    @property
    def patient_min(self) -> int:
        """How long the patient is there."""
        return self.preparation_min + self.infusion_min + self.observation_min

    @property
    def chair_min(self) -> int:
        """How long the chair is taken: the patient's time and the turnaround after it."""
        return self.patient_min + self.turnaround_min


@dataclass(frozen=True, slots=True)
class FreeStarts:
    """When a visit of one shape could really start, and with whom.

    ``chairs[d, t, c]`` is true when chair ``chair_ids[c]`` is free for the whole visit that starts on ``days[d]`` at
    ``minutes[t]``; the same for nurses and clinicians. The patient's own bookings (except those that the question may
    move), the opening hours and closures are already taken out. The patient's hard limits of ``Wishes`` may be left in:
    the planner applies them itself, and can then say what an exception would make possible.
    ``clinician_ids`` may be empty: then no clinician is needed.
    ``load[d, t]`` is the share (0..1) of the chairs in use then, for drawing and for preferring fewer leftovers.
    """

    days: tuple[date, ...]
    minutes: tuple[int, ...]
    chair_ids: tuple[int, ...]
    nurse_ids: tuple[int, ...]
    clinician_ids: tuple[int, ...]
    chairs: BoolArray
    nurses: BoolArray
    clinicians: BoolArray
    load: npt.NDArray[np.float32]
    open_days: frozenset[date]

    @property
    def possible(self) -> BoolArray:
        """``[day, time]``: a chair, a nurse and (where needed) a clinician are free together."""
        roles = [self.chairs, self.nurses, *([self.clinicians] if self.clinician_ids else [])]
        possible: BoolArray = np.logical_and.reduce([free.any(axis=2) for free in roles])
        return possible


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is preferred (soft) and what is excluded (hard) for one patient."""

    earliest_min: int | None = None  # hard: no start before this minute of the day
    latest_min: int | None = None  # hard: no start after this minute of the day
    preferred_min: int | None = None  # soft: the time of day to stay near
    clinician_id: int | None = None
    nurse_id: int | None = None
    chair_id: int | None = None
    unavailable: frozenset[date] = frozenset()  # hard, whole days


@dataclass(frozen=True, slots=True)
class Placed:
    """One infusion on a day. ``start_min`` and the people are absent while only dates are known."""

    number: int
    day: date
    start_min: int | None = None
    chair_id: int | None = None
    nurse_id: int | None = None
    clinician_id: int | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """One question to the planner."""

    rule: SeriesRule
    not_before: date
    free: FreeStarts
    wishes: Wishes = Wishes()
    fixed: Mapping[int, Placed] = field(default_factory=dict)  # number -> given, or booked and to be kept
    before: date | None = None  # the last infusion of an earlier phase, for ``rule.entry``
    missed: Mapping[int, date] = field(default_factory=dict)  # number -> latest date it was missed or held on (R5)


class Severity(StrEnum):
    BLOCK = "block"  # cannot be booked at all
    BREACH = "breach"  # against the protocol: a clinician may override it with a reason
    NOTE = "note"  # legal, worth knowing


class Rule(StrEnum):
    """What the judge knows. One name per rule, used by pages, overrides and tests."""

    GAP_TOO_SHORT = "gap_too_short"
    GAP_TOO_LONG = "gap_too_long"
    INTERRUPTED = "interrupted"
    OUT_OF_ORDER = "out_of_order"
    IN_THE_PAST = "in_the_past"
    CLOSED_DAY = "closed_day"
    PATIENT_UNAVAILABLE = "patient_unavailable"
    OUTSIDE_WISHED_HOURS = "outside_wished_hours"
    NOT_FREE = "not_free"
    OFF_RHYTHM = "off_rhythm"
    SPAN_TOO_LONG = "span_too_long"


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark of the judge about one infusion (or, with ``number`` 0, about the whole series)."""

    rule: Rule
    severity: Severity
    number: int
    message: str  # plain English, complete sentence, with the numbers in it
    actual: int | None = None  # days or minutes, as the rule speaks
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judge's answer about a complete or partial series."""

    findings: tuple[Finding, ...]
    gaps_days: tuple[int, ...]
    span_days: int
    on_window: int  # gaps inside their limits

    @property
    def is_legal(self) -> bool:
        return not any(f.severity in (Severity.BLOCK, Severity.BREACH) for f in self.findings)

    @property
    def is_bookable(self) -> bool:
        """True when nothing blocks; a breach then still needs a clinician's override."""
        return not any(f.severity is Severity.BLOCK for f in self.findings)

    @property
    def needs_override(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity is Severity.BREACH)


@dataclass(frozen=True, slots=True)
class ReferenceDate:
    """Where an infusion should be by R1-R6, and why it is not where the rhythm alone would put it."""

    number: int
    day: date
    target: date  # where the rhythm alone would put it
    gap_days: int | None
    is_done: bool = False
    moved: bool = False
    is_breach: bool = False  # R3c: no open day inside the limits
    out_of_window: bool = False  # R5: no open day inside the limits after the missed date
    interrupted: bool = False  # R6: the prescriber chooses to continue, restart or close


class Status(StrEnum):
    OPTIMAL = "optimal"
    PARTIAL = "partial"  # some infusions have no legal free time: ``missing`` says which and why
    NEEDS_OVERRIDE = "needs_override"  # all placed, but only with a breach that a clinician must allow (R3c, R5, R6)
    INFEASIBLE = "infeasible"


@dataclass(frozen=True, slots=True)
class WayOut:
    """Something that would make a missing infusion fit."""

    number: int
    message: str  # "Thu 14:00 or 16:00 would need a chair other than ..." / "a gap of 5 days would allow Mon 09:30"
    day: date | None = None
    start_min: int | None = None
    needs: Rule | None = None  # the rule that a clinician would have to override; None for a plain change of wish


@dataclass(frozen=True, slots=True)
class Proposal:
    """One complete answer. ``label`` is short ("best fit"); ``costs`` says what it costs against the first proposal."""

    key: str
    label: str
    placed: tuple[Placed, ...]
    verdict: Verdict
    costs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    status: Status
    proposals: tuple[Proposal, ...]
    reference: tuple[ReferenceDate, ...]
    missing: tuple[WayOut, ...] = ()
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Zone:
    """Where one infusion may be dropped on one day: the starts that are free, and what the judge says of the day.

    ``severity`` is absent for a legal day; ``BLOCK`` comes with no minutes. ``message`` is for the page to show.
    """

    day: date
    minutes: tuple[int, ...]
    severity: Severity | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What moving one infusion does to one infusion of the series, for the before-and-after the person agrees to."""

    number: int
    was: Placed | None
    becomes: Placed | None


@dataclass(frozen=True, slots=True)
class Replan:
    """One way to carry out a move: ``only this`` or ``shift the rest``, judged, with what changes.

    ``missing`` are the infusions that found no legal free time; then ``explanation`` says so.
    """

    key: str
    label: str
    placed: tuple[Placed, ...]
    verdict: Verdict
    changes: tuple[Change, ...]
    missing: tuple[int, ...] = ()
    explanation: str = ""
