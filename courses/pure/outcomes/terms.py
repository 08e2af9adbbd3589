"""What response, remission and relapse mean: one version of a clinic's terms (clinical.md F1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Terms:
    """The numbers behind every outcome; those without a source are clinic settings [D]. Percentages of the baseline."""

    number: int = 0  # of the clinic's version; 0 is the shipped one
    baseline_days: int = 14
    after_hours: int = 20
    last_days: int = 14
    improvement_percent: int = 20  # P25
    partial_percent: int = 30  # P25
    response_percent: int = 50
    remission_max: Mapping[str, Decimal] = field(
        default_factory=lambda: {"phq9": Decimal(4), "qids16": Decimal(5), "madrs": Decimal(10)}  # P20, P13, P8
    )
    evaluable_min: Mapping[str, Decimal] = field(default_factory=lambda: {"phq9": Decimal(10)})
    worsening_points: Mapping[str, Decimal] = field(default_factory=lambda: {"phq9": Decimal(5)})  # M4
    early_last: int = 2
    gradual_last: int = 4
    relapse_readings: int = 2
    relapse_apart_days: int = 5
    relapse_scores: Mapping[str, Decimal] = field(default_factory=dict)  # optional, for example MADRS 22 (P24)
    review_after: int = 4  # P25

    @property
    def name(self) -> str:
        """As pages call the version: "shipped terms", "terms, version 3"."""
        return f"terms, version {self.number}" if self.number else "shipped terms"


SHIPPED = Terms()


class Speed(StrEnum):
    """When response came first: disjoint classes (clinical.md C4)."""

    EARLY = "early"
    GRADUAL = "gradual"
    LATE = "late"


class End(StrEnum):
    """How a series ended."""

    RESPONSE = "response"
    PARTIAL = "partial response"
    NON_RESPONSE = "non-response"
    NOT_EVALUABLE = "not evaluable for response"  # the baseline is too low
    NO_BASELINE = "no baseline"
    NO_SCORE = "no score at the end of the series"
    RUNNING = "still in the series"
    NOT_BEGUN = "nothing given yet"
