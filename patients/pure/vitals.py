"""Vital signs as numbers: what is possible, what is so unusual that it is asked twice, and pounds as kilograms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

KG_PER_LB = Decimal("0.45359237")
"""Source: clinical.md H0 R7 (the international pound)."""
POSSIBLE: dict[str, tuple[Decimal, Decimal]] = {
    "weight_kg": (Decimal(20), Decimal(400)),
    "systolic_mmhg": (Decimal(40), Decimal(300)),
    "diastolic_mmhg": (Decimal(20), Decimal(200)),
    "heart_rate_bpm": (Decimal(20), Decimal(300)),
}
"""Outside these a value is a slip of the keyboard; the table refuses it too (``vitalsigns_possible``)."""
USUAL: dict[str, tuple[Decimal, Decimal]] = {
    "weight_kg": (Decimal(40), Decimal(180)),
    "systolic_mmhg": (Decimal(85), Decimal(180)),
    "diastolic_mmhg": (Decimal(45), Decimal(110)),
    "heart_rate_bpm": (Decimal(45), Decimal(130)),
}
"""[D] Outside these a person is asked to read the display again; what it means for treatment is not said here."""
WEIGHT_STEP = Decimal("0.10")
"""[D] A weight that differs from the last one by more than this share is asked twice: the dose hangs on it."""
NARROWEST_PULSE_PRESSURE_MMHG = 15
WORDS = {
    "weight_kg": ("Weight", "kg"),
    "systolic_mmhg": ("Systolic pressure", "mmHg"),
    "diastolic_mmhg": ("Diastolic pressure", "mmHg"),
    "heart_rate_bpm": ("Heart rate", "a minute"),
}


@dataclass(frozen=True, slots=True)
class Vitals:
    """What one look at a patient gave; None: not measured."""

    weight_kg: Decimal | None = None
    systolic_mmhg: int | None = None
    diastolic_mmhg: int | None = None
    heart_rate_bpm: int | None = None

    def values(self) -> Iterator[tuple[str, Decimal | int]]:
        """The fields that were measured."""
        for name in POSSIBLE:
            value = getattr(self, name)
            if value is not None:
                yield name, value


@dataclass(frozen=True, slots=True)
class Remark:
    """What is wrong, or only odd, about one field."""

    field: str
    text: str


def kg_from_lb(pounds: Decimal) -> Decimal:
    """Pounds as kilograms, rounded half-up to 0.1 kg.

    Source: clinical.md H0 R7.
    """
    return (pounds * KG_PER_LB).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)


def impossible(vitals: Vitals) -> tuple[Remark, ...]:
    """What cannot be saved: nothing measured, half a pressure, values that no patient has."""
    measured = dict(vitals.values())
    if not measured:
        return (Remark("", "Give a weight, a blood pressure or a heart rate."),)
    found = []
    if (vitals.systolic_mmhg is None) != (vitals.diastolic_mmhg is None):
        missing = "systolic_mmhg" if vitals.systolic_mmhg is None else "diastolic_mmhg"
        found.append(Remark(missing, "Give both pressures, or neither."))
    for name, value in measured.items():
        low, high = POSSIBLE[name]
        if not low <= value <= high:
            what, unit = WORDS[name]
            found.append(Remark(name, f"{what} must be between {low} and {high} {unit}."))
    if (
        vitals.systolic_mmhg is not None
        and vitals.diastolic_mmhg is not None
        and vitals.systolic_mmhg <= vitals.diastolic_mmhg
    ):
        found.append(Remark("diastolic_mmhg", "The diastolic pressure is below the systolic. Were they swapped?"))
    return tuple(found)


def unusual(vitals: Vitals, *, last_weight_kg: Decimal | None = None) -> tuple[Remark, ...]:
    """What is possible but rare enough to read the display again before it is saved.

    Args:
        last_weight_kg: the weight before this one, where there is one.
    """
    found = []
    for name, value in vitals.values():
        low, high = USUAL[name]
        if not low <= value <= high:
            what, unit = WORDS[name]
            found.append(Remark(name, f"{what} {value} {unit} is unusual."))
    if (
        vitals.systolic_mmhg is not None
        and vitals.diastolic_mmhg is not None
        and 0 < vitals.systolic_mmhg - vitals.diastolic_mmhg < NARROWEST_PULSE_PRESSURE_MMHG
    ):
        found.append(Remark("diastolic_mmhg", "The two pressures are unusually close."))
    weight = vitals.weight_kg
    if weight is not None and last_weight_kg and abs(weight - last_weight_kg) > last_weight_kg * WEIGHT_STEP:
        found.append(Remark("weight_kg", f"The last weight was {last_weight_kg} kg: more than 10 % apart."))
    return tuple(found)
