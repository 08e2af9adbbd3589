"""What a letter to the referrer holds: only the sections that somebody ticked."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Part(StrEnum):
    """What may stand in a letter, in its order."""

    CONDITION = "condition"
    HISTORY = "history"
    TREATMENTS = "treatments"
    MEDICINES = "medicines"
    VITALS = "vitals"
    MEASURES = "measures"
    DECISION = "decision"
    PLAN = "plan"


PART_LABELS = {
    Part.CONDITION: "Condition and severity",
    Part.HISTORY: "History of the condition",
    Part.TREATMENTS: "Previous treatments",
    Part.MEDICINES: "Medicines and allergies",
    Part.VITALS: "Vital signs",
    Part.MEASURES: "Latest scores",
    Part.DECISION: "Decision",
    Part.PLAN: "Assessment and plan",
}
USUAL = (Part.CONDITION, Part.MEASURES, Part.DECISION, Part.PLAN)
"""What is ticked until somebody chooses: the least that answers a referral ([D], minimum necessary).

Substance use, family history and the safety plan cannot be ticked at all: 42 CFR Part 2 and plain discretion ask for a
consent of their own before they leave the clinic.
"""


@dataclass(frozen=True, slots=True)
class Block:
    """One section of the letter: paragraphs, then rows of a small table."""

    title: str
    paragraphs: tuple[str, ...] = ()
    rows: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Letter:
    """The whole letter in words, as the preview and the PDF show it."""

    clinic: str
    address: str
    phone: str
    day: str
    recipient: str
    patient: str
    born: str
    mrn: str
    seen: str
    is_draft: bool
    signature: str
    blocks: tuple[Block, ...] = field(default=())
    notice: str = ""  # of 42 CFR Part 2, where it protects the record

    def as_data(self) -> dict[str, Any]:
        """Plain lists and texts, for the template of the PDF."""
        return asdict(self)


def parts_from(chosen: list[str]) -> tuple[Part, ...]:
    """The parts that were ticked, in the letter's order; what is unknown is left out."""
    return tuple(part for part in Part if part in chosen)
