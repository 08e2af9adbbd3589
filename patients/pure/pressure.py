"""Blood pressure and pulse before an infusion, judged by a profile that the clinic chooses.

No published set of limits is agreed on (clinical.md D3, J 1), so a profile is data, is chosen, and its code is kept
with every decision that it led to. The limits during an infusion are another matter (D3) and do not stand here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from patients.pure.evidence import Mark


class Verdict(StrEnum):
    """What a reading means for the start; hard beats soft."""

    PROCEED = "proceed"
    SOFT = "soft"
    HARD = "hard"


VERDICT_LABELS = {Verdict.PROCEED: "Within the limits", Verdict.SOFT: "Above the soft limit", Verdict.HARD: "Hold"}
VERDICT_ASKS = {
    Verdict.PROCEED: "",
    Verdict.SOFT: "A clinician weighs it. Measure again after 10 to 15 minutes of rest.",
    Verdict.HARD: "Do not start. Only a prescriber overrides this, with a reason.",
}


class Reading(StrEnum):
    SYSTOLIC = "systolic"
    DIASTOLIC = "diastolic"
    HEART_RATE = "heart rate"


UNITS = {Reading.SYSTOLIC: "mmHg", Reading.DIASTOLIC: "mmHg", Reading.HEART_RATE: "a minute"}


@dataclass(frozen=True, slots=True)
class Limit:
    """Reached when the value is above ``value``; when ``inclusive``, also at it."""

    reading: Reading
    value: int
    inclusive: bool = False

    def is_reached_by(self, value: int) -> bool:
        return value >= self.value if self.inclusive else value > self.value

    def __str__(self) -> str:
        return f"{self.reading} {'≥' if self.inclusive else '>'} {self.value}"


@dataclass(frozen=True, slots=True)
class Profile:
    """A named set of limits. ``source`` uses the keys of `patients.pure.evidence.SOURCES`."""

    code: str
    title: str
    soft: tuple[Limit, ...]
    hard: tuple[Limit, ...]
    source: str
    mark: Mark
    note: str

    @property
    def said(self) -> str:
        """The limits in one line: "soft: systolic > 140 or diastolic > 90"."""
        parts = [("soft", self.soft), ("hold", self.hard)]
        return "; ".join(f"{name}: {' or '.join(map(str, limits))}" for name, limits in parts if limits)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the profile says: ``limits`` that were reached, as sentences; ``unjudged``, what was not measured."""

    profile: str
    verdict: Verdict
    limits: tuple[str, ...] = ()
    unjudged: tuple[Reading, ...] = ()


_S, _D, _H = Reading
DEFAULT = "default"
PROFILES = (
    Profile(
        DEFAULT,
        "Default",
        soft=(Limit(_S, 140), Limit(_D, 90)),
        hard=(Limit(_S, 160, inclusive=True), Limit(_D, 100, inclusive=True), Limit(_H, 110)),
        source="L1 (soft), E1, E2",
        mark=Mark.SETTING,
        note="The soft limit is that of the esketamine label; the hold is a clinic setting near the trials' limits.",
    ),
    Profile(
        "label",
        "Esketamine label",
        soft=(Limit(_S, 140), Limit(_D, 90)),
        hard=(),
        source="L1",
        mark=Mark.READ,
        note="Above it the label asks to weigh the benefit against the risk, or to delay.",
    ),
    Profile(
        "trial_e1",
        "Trial E1",
        soft=(),
        hard=(Limit(_S, 160), Limit(_D, 90)),
        source="E1",
        mark=Mark.READ,
        note="Above it patients were not admitted to the trial.",
    ),
    Profile(
        "trial_e2",
        "Trial E2",
        soft=(),
        hard=(Limit(_S, 150), Limit(_H, 110)),
        source="E2",
        mark=Mark.READ,
        note="Above it no dose was given on that day. It has no diastolic limit.",
    ),
    Profile(
        "swiss_label",
        "Swiss label",
        soft=(),
        hard=(Limit(_S, 180), Limit(_D, 100)),
        source="L5",
        mark=Mark.READ,
        note="Ketamine is contraindicated above it, at rest.",
    ),
)
"""Source: clinical.md C1 (uncontrolled hypertension), D3 (do not start), H0 R9."""
_BY_CODE = {profile.code: profile for profile in PROFILES}


def profile_of(code: str) -> Profile:
    """The profile of this code; the default one for a code that no longer exists, never none."""
    return _BY_CODE.get(code, _BY_CODE[DEFAULT])


def judge_pressure(profile: Profile, systolic: int, diastolic: int, heart_rate: int | None) -> Judgement:
    """Proceed, soft or hard by this profile, with the limits named that were reached. Hard beats soft.

    Args:
        systolic: mmHg.
        diastolic: mmHg.
        heart_rate: a minute; None when it was not measured, which is said and never counts as fine.

    Source: clinical.md H0 R9, case 32.
    """
    values = {Reading.SYSTOLIC: systolic, Reading.DIASTOLIC: diastolic}
    if heart_rate is not None:
        values[Reading.HEART_RATE] = heart_rate
    wanted = dict.fromkeys(limit.reading for limit in (*profile.hard, *profile.soft))
    unjudged = tuple(reading for reading in wanted if reading not in values)
    for verdict, limits in ((Verdict.HARD, profile.hard), (Verdict.SOFT, profile.soft)):
        reached = [
            _said(limit, values[limit.reading])
            for limit in limits
            if limit.reading in values and limit.is_reached_by(values[limit.reading])
        ]
        if reached:
            return Judgement(profile.code, verdict, tuple(reached), unjudged)
    return Judgement(profile.code, Verdict.PROCEED, (), unjudged)


def _said(limit: Limit, value: int) -> str:
    how = "not below" if limit.inclusive else "above"
    return f"{str(limit.reading).capitalize()} {value} {UNITS[limit.reading]} is {how} {limit.value}"
