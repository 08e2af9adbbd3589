"""Definitions of the outcome figures in the words of the terms by which the courses of a group were judged.

A course keeps the version of the clinic's terms with which it began, so a group may hold several: then each number is
said for each version. Source of the terms: clinical.md F1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from courses.pure.outcomes.terms import Terms

NAMES = {"phq9": "PHQ-9", "qids16": "QIDS-SR16", "madrs": "MADRS", "pcl5": "PCL-5"}


@dataclass(frozen=True, slots=True)
class TermWords:
    """The versions in a group, ascending by number; ``at``: by which score, "end" of the series or "later"."""

    versions: Sequence[Terms]
    at: str = "end"

    @property
    def source(self) -> str:
        """As figures name their source; the shipped terms are version 0."""
        names = ["shipped" if one.number == 0 else f"version {one.number}" for one in self.versions]
        if not names:
            return "Outcome terms"
        return "Outcome terms, " + (" and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0])

    @property
    def are_several(self) -> bool:
        return len(self.versions) > 1

    @property
    def response(self) -> str:
        return f"{self.end} at least {self._each(lambda one: f'{one.response_percent} %')} below the baseline."

    @property
    def partial(self) -> str:
        return (
            f"{self.end} at least {self._each(lambda one: f'{one.partial_percent} %')} below the baseline, but less "
            f"than a response."
        )

    @property
    def non_response(self) -> str:
        return f"{self.end} less than {self._each(lambda one: f'{one.partial_percent} %')} below the baseline."

    @property
    def end(self) -> str:
        return f"{self.score} is"

    @property
    def score(self) -> str:
        """Of the judgement."""
        if self.at == "later":
            return "The first score 14 to 31 days after the last infusion of the series (as McInnes 2022)"
        hours = self._each(lambda one: f"{one.after_hours} hours")
        days = self._each(lambda one: f"{one.last_days} days")
        return f"The first score at least {hours} and at most {days} after the last infusion of the series"

    @property
    def baseline(self) -> str:
        return (
            f"The baseline is the last score of at most {self._each(lambda one: f'{one.baseline_days} days')} before "
            "the first infusion."
        )

    @property
    def evaluable(self) -> str:
        return f"Evaluable: {self._each(lambda one: scores_words(one.evaluable_min, 'from', 'any baseline above 0'))}."

    @property
    def remission(self) -> str:
        scores = self._each(lambda one: scores_words(one.remission_max, "at most", "not defined"))
        return f"{self.score} is in remission: {scores}, whatever the baseline."

    @property
    def early(self) -> str:
        return f"First response by infusion {self._each(lambda one: str(one.early_last))}."

    @property
    def gradual(self) -> str:
        return f"First response after infusion {self._each(lambda one: f'{one.early_last + 1} to {one.gradual_last}')}."

    @property
    def late(self) -> str:
        return f"First response after infusion {self._each(lambda one: f'{one.gradual_last + 1}')} or later."

    @property
    def worsening(self) -> str:
        points = self._each(lambda one: scores_words(one.worsening_points, "by", "by no number of points"))
        return f"A score on any day since the first infusion lies above the baseline: {points} points or more."

    @property
    def relapse(self) -> str:
        readings = self._each(
            lambda one: (
                f"{one.relapse_readings} readings in a row below response, at least {one.relapse_apart_days} days apart"
            )
        )
        return f"Lost by {readings}, dated at the first of them; or at once by a psychiatric admission or an attempt."

    def _each(self, say: Callable[[Terms], str]) -> str:
        """What all versions say, or each with its number."""
        told = {one.number: say(one) for one in self.versions or (Terms(),)}
        if len(set(told.values())) == 1:
            return next(iter(told.values()))
        return " or ".join(f"{words} ({'shipped' if n == 0 else f'version {n}'})" for n, words in told.items())


def scores_words(scores: Mapping[str, Decimal], lead: str, nothing: str) -> str:
    """Scores of several measures: "PHQ-9 at most 4, MADRS at most 10"."""
    told = [
        " ".join(part for part in (NAMES.get(code, code), lead, f"{value.normalize():f}") if part)
        for code, value in scores.items()
    ]
    return ", ".join(told) or nothing
