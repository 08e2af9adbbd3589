"""The words and arithmetic of the safety report: findings before a start, bands of pressures, what a stop left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from courses.pure.checklist import BY_CODE
from courses.pure.doses_given import Given, Order, given_from
from courses.pure.limits import DEFAULT, profile_of
from patients.pure import pressure as before

PRESSURE_RULES = ("pressure_stop", "pressure_confirmed", "pressure_pause")
"""Alarms of ``courses.pure.limits`` that say that a pressure was too high."""
_FINDINGS = {
    "pressure": "Blood pressure or pulse before the start",
    "low_pressure": "Low blood pressure before the start",
    "spo2": "Low oxygen before the start",
    "consent": "Consent",
    "mental": "Not fully alert before the start",
    "measure": "Score or suicide item",
}
_BEGINNINGS = {"stop_": "A medicine that speaks against ketamine", "taken_": "A medicine taken today"}


def finding_label(code: str) -> str:
    """A finding of the check-in in words; ``courses.pure.checklist`` names the codes."""
    if code in _FINDINGS:
        return _FINDINGS[code]
    for beginning, label in _BEGINNINGS.items():
        if code.startswith(beginning):
            return label
    return BY_CODE[code].label if code in BY_CODE else code


# -- pressures ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class PressureBand:
    """Pressures from ``low`` on and below ``high``, in mmHg; None is open."""

    low: int | None
    high: int | None

    @property
    def title(self) -> str:
        if self.low is None:
            return f"below {self.high}"
        return f"{self.low} and more" if self.high is None else f"{self.low}–{self.high - 1}"

    def holds(self, value: int) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value < self.high)


def pressure_bands(reading: before.Reading) -> tuple[PressureBand, ...]:
    """Bands between the limits of the default profiles: soft and hold before the start, pause and stop during it.

    Source: clinical.md H0 R9, D3.
    """
    start, during = before.profile_of(before.DEFAULT), profile_of(DEFAULT)
    name = "systolic" if reading is before.Reading.SYSTOLIC else "diastolic"
    edges = [
        limit.value if limit.inclusive else limit.value + 1
        for limit in (*start.soft, *start.hard)
        if limit.reading is reading
    ]
    edges += [
        getattr(limit, name) if limit.inclusive else getattr(limit, name) + 1 for limit in (during.pause, during.stop)
    ]
    return tuple(PressureBand(low, high) for low, high in pairwise([None, *sorted(set(edges)), None]))


def in_bands(bands: Sequence[PressureBand], values: Mapping[int, int]) -> list[int]:
    """How many of the values (each with how often it was seen) lie in each band."""
    return [sum(n for value, n in values.items() if band.holds(value)) for band in bands]


@dataclass(frozen=True, slots=True)
class Reading:
    """The last signs before a start, with how many visits had just these, and what became of the visits."""

    profile: str
    systolic: int
    diastolic: int
    heart_rate: int | None
    outcome: str
    n: int


def reading_of(facts: Mapping[str, Any]) -> Reading:
    """One of them from its row."""
    return Reading(**{name: facts[name] for name in ("profile", "systolic", "diastolic", "heart_rate", "outcome", "n")})


def judged(readings: Iterable[Reading]) -> Counter[tuple[before.Verdict, str]]:
    """How many visits, by what the profile of their location says (R9) and what became of them."""
    found: Counter[tuple[before.Verdict, str]] = Counter()
    for one in readings:
        profile = before.profile_of(one.profile)
        said = before.judge_pressure(profile, one.systolic, one.diastolic, one.heart_rate)
        found[said.verdict, one.outcome] += one.n
    return found


# -- stops -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Stop:
    """An infusion that was stopped before its planned end. ``given`` None: its order is not known."""

    reason: str
    for_effect: bool
    given: Given | None

    @property
    def share(self) -> Decimal | None:
        """What was delivered of the ordered dose, in percent."""
        if self.given is None or not self.given.ordered_mg:
            return None
        return self.given.delivered_mg / self.given.ordered_mg * 100


def stop_from(facts: Mapping[str, Any], *, now: datetime) -> Stop:
    """One stop from its row: reason, whether for an effect, the order's numbers as text, the valid taps."""
    given = None
    if facts["dose_mg"] is not None:
        order = Order(
            dose_mg=Decimal(str(facts["dose_mg"])),
            contains_mg=Decimal(str(facts["contains_mg"])),
            weight_kg=None,
            infusion_min=facts["infusion_min"],
        )
        taps = [(kind, datetime.fromisoformat(at)) for kind, at in facts["taps"]]
        given = given_from(order, taps, now=now)
    return Stop(facts["reason"], facts["for_effect"], given)


# -- infusions in all --------------------------------------------------------------------------------------------------
CUMULATIVE = ((1, 3), (4, 8), (9, 16), (17, 30), (31, None))
"""Infusions in all, by patient [D]: below a series, a series (P20: 4 to 8), and maintenance of growing length."""


def cumulative_bands(patients: Mapping[int, int]) -> list[tuple[str, int]]:
    """How many patients had so many infusions in all; from how many patients had exactly ``n``."""
    return [
        (
            f"{low} and more" if high is None else f"{low}–{high}",
            sum(count for n, count in patients.items() if n >= low and (high is None or n <= high)),
        )
        for low, high in CUMULATIVE
    ]
