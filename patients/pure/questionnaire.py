"""A questionnaire as a patient meets it: one question after another, over one or several measures.

A draft holds the answers so far by measure and item, ``{"phq9": {"1": 2, "2": None}}``: a number is an answer, None was
skipped, and what is not there was not reached yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from patients.pure.measures import DANGER_FLAGS, Flag, Item, Measure, measure, rules

Draft = Mapping[str, Mapping[str, int | None]]

SECONDS_A_QUESTION = 10
"""[D] For "about 3 minutes" on the first page; nobody is stopped by it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One question. ``number`` counts from 1 over all measures, ``total`` is how many there are."""

    measure: Measure
    item: Item
    number: int
    total: int

    @property
    def is_first_of_measure(self) -> bool:
        return self.item is self.measure.items[0]

    @property
    def is_danger_item(self) -> bool:
        return self.item.number == self.measure.danger_item

    def answer(self, draft: Draft) -> int | None:
        """The value that was chosen; None when it was skipped or not reached yet."""
        return draft.get(self.measure.code, {}).get(str(self.item.number))

    def is_reached(self, draft: Draft) -> bool:
        """Answered or skipped."""
        return str(self.item.number) in draft.get(self.measure.code, {})

    def said(self, draft: Draft) -> str:
        """The answer in the words of the instrument; empty without one."""
        value = self.answer(draft)
        return "" if value is None else self.item.label_of(value)

    def dangers(self, draft: Draft) -> tuple[Flag, ...]:
        """The danger signals in the answer to this question."""
        if not self.is_danger_item:
            return ()
        return tuple(flag for flag in rules.danger_flags(self.measure, self.answer(draft)) if flag in DANGER_FLAGS)


def steps_of(codes: Iterable[str]) -> list[Step]:
    """All questions of these measures, in order. Raises: LookupError: no such measure."""
    pairs = [(one, item) for one in map(measure, codes) for item in one.items]
    return [Step(one, item, number, len(pairs)) for number, (one, item) in enumerate(pairs, 1)]


def find_step(steps: Iterable[Step], code: str, number: int) -> Step | None:
    return next((step for step in steps if (step.measure.code, step.item.number) == (code, number)), None)


def first_open(steps: Iterable[Step], draft: Draft) -> Step | None:
    """Where somebody who comes back goes on; None when each question was answered or skipped."""
    return next((step for step in steps if not step.is_reached(draft)), None)


def answered(steps: Iterable[Step], draft: Draft) -> int:
    return sum(step.answer(draft) is not None for step in steps)


def shows_danger(steps: Iterable[Step], draft: Draft) -> bool:
    return any(step.dangers(draft) for step in steps)


def minutes_for(steps: Iterable[Step]) -> int:
    """About how long it takes, in whole minutes, never zero."""
    return max(1, round(len(list(steps)) * SECONDS_A_QUESTION / 60))
