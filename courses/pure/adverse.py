"""Side effects of ketamine as a coded list, each with where it is named and, where known, how often it was seen.

Frequencies are those of the source beside them, in its setting; they are never shown without it (clinical.md F2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

OTHER = "other"


@dataclass(frozen=True, slots=True)
class Effect:
    """One code. ``source`` names the facts of clinical.md; ``expected`` says how often, with the study it is from."""

    code: str
    label: str
    group: str
    source: str
    expected: str = ""


DURING, LATER = "During the session or soon after", "With repeated treatment"
IV_20 = "20 % or more (intravenous, P4)"
EFFECTS = (
    Effect("nausea", "Nausea", DURING, "A 118; F2", IV_20),
    Effect("dizziness", "Dizziness", DURING, "A 119; F2", IV_20),
    Effect("dissociation", "Dissociation that troubled them", DURING, "F2", "61–75 % (esketamine, L1); " + IV_20),
    Effect("sedation", "Sedation", DURING, "F2", "48–61 % (esketamine, L1)"),
    Effect("drowsiness", "Drowsiness or disorientation", DURING, "A 125"),
    Effect("headache", "Headache", DURING, "F2", IV_20),
    Effect("anxiety", "Anxiety", DURING, "F2", IV_20),
    Effect("raised_pressure", "Raised blood pressure", DURING, "F2", "among the most common in 60 studies (P32)"),
    Effect("blurred_vision", "Blurred vision", DURING, "F2", "among the most common in 60 studies (P32)"),
    Effect("heart_rate", "Increased heart rate", DURING, "A 122"),
    Effect("hallucinations", "Hallucinations", DURING, "A 123"),
    Effect("taste", "Change in taste", DURING, "A 120"),
    Effect("fatigue", "Fatigue", DURING, "A 121"),
    Effect("brain_fog", "Brain fog", DURING, "A 124"),
    Effect("unconscious", "Loss of consciousness", DURING, "F2; D4", "0.3–0.4 % (esketamine, L1)"),
    Effect("memory", "Memory or thinking", LATER, "A 128"),
    Effect("bladder", "Bladder symptoms", LATER, "A 129"),
    Effect("craving", "Craving or dependence", LATER, "A 130"),
    Effect(OTHER, "Something else", "Other", "C9"),
)
BY_CODE = {one.code: one for one in EFFECTS}
_WORST_FIRST = ("severe", "moderate", "mild")


def label_of(code: str, text: str = "") -> str:
    """How the clinic calls it; what was written in words for something else."""
    known = BY_CODE.get(code)
    if known is None or code == OTHER:
        return text or (known.label if known else code)
    return known.label


def said_effects(effects: Sequence[tuple[str, str, str]]) -> str:
    """Several effects, each (code, text, severity), in a few words, the worst first: "Nausea (moderate), 1 more"."""
    if not effects:
        return ""
    worst = min(effects, key=lambda one: _WORST_FIRST.index(one[2]))
    said = f"{label_of(worst[0], worst[1])} ({worst[2]})"
    return f"{said}, {len(effects) - 1} more" if len(effects) > 1 else said


@dataclass(frozen=True, slots=True)
class How:
    """How an effect went on: what may be completed later, while code and onset stay as they are."""

    severity: str
    is_serious: bool
    outcome: str
    action: str = ""
    medicine: str = ""
    medicine_dose: str = ""
    medicine_at: datetime | None = None
    medicine_effect: str = ""
    resolved_at: datetime | None = None
