"""What must be known about a patient, and how "asked, and there is none" is told from "nobody asked"."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

ADULT_FROM_YEARS = 18
"""Source: clinical.md C1, age: the trials' youngest patients are 18 (P4, P8); esketamine is not approved below 18."""


class BackgroundKind(StrEnum):
    """The four lists of a patient's background."""

    CONDITION = "condition"
    ALLERGY = "allergy"
    MEDICINE = "medicine"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class NoneKnown:
    """The entry that says: asked, and there is none."""

    description: str
    code_system: str = ""
    code: str = ""


NONE_KNOWN = {
    # Codes from SNOMED CT, International Edition: situations with explicit context.
    BackgroundKind.ALLERGY: NoneKnown("No known allergies", "snomed", "716186003"),
    BackgroundKind.PROBLEM: NoneKnown("No other current problems", "snomed", "160245001"),
    BackgroundKind.MEDICINE: NoneKnown("Takes no medicines"),
}


def says_none(kind: BackgroundKind, description: str) -> bool:
    """True when the entry says that there is none of its kind."""
    none = NONE_KNOWN.get(kind)
    return none is not None and description.strip().casefold() == none.description.casefold()
