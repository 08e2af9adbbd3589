"""What one series is planned by: a protocol version's rhythm and minutes, adapted to one patient. Plain and frozen.

The page builds it from its form, a running course from its phase; planner, booking and moves all start from here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date

from courses.planning.protocols import Step, adapt, expand
from courses.planning.types import SeriesRule, VisitShape, Wishes


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """Everything that is asked for, and nothing that the calendar answers.

    Args:
        protocol_version_id: the published version that the series follows.
        location_id: where it takes place; its calendar and its clocks count.
        n: infusions in the series, at least 1.
        steps: the rhythm, adding up to ``n`` or adapted to it.
        shape: the minutes of one visit.
        clinician_min: minutes for which a clinician attends from the start; 0 books none.
        attention_min: minutes of a nurse's full attention from the start; 0 asks for none.
        not_before: the local date from which the first infusion is looked for.
        wishes: the patient's limits and preferences.
        start_weekdays: weekdays on which the series may begin; absent means those of the rhythm.
        span_warn_days: longest span from first to last day that needs no remark.
        continues: the series follows an earlier phase, so that its first infusion has a gap too.
    """

    protocol_version_id: int
    location_id: int
    n: int
    steps: tuple[Step, ...]
    shape: VisitShape
    clinician_min: int
    attention_min: int
    not_before: date
    wishes: Wishes = field(default_factory=Wishes)
    start_weekdays: frozenset[int] | None = None
    span_warn_days: int | None = None
    continues: bool = False

    @property
    def rule(self) -> SeriesRule:
        """The gap that leads into each infusion."""
        rule = expand(self.steps, self.n, span_warn_days=self.span_warn_days, continues=self.continues)
        return rule if self.start_weekdays is None else replace(rule, start_weekdays=self.start_weekdays)

    def adapted(
        self,
        *,
        n: int | None = None,
        weekdays: Iterable[int] | None = None,
        min_gap_days: int | None = None,
        max_gap_days: int | None = None,
    ) -> PlanSettings:
        """The same with another number or rhythm; what is absent stays.

        Raises:
            ValueError: the number is below 1, or the gap limits contradict each other.
        """
        count = n or self.n
        steps = adapt(self.steps, count, weekdays, min_gap_days=min_gap_days, max_gap_days=max_gap_days)
        return replace(self, n=count, steps=steps)
