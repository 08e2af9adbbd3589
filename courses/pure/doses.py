"""The dose of one infusion: from a basis to mg, to mL at a concentration, to the rate of the pump; and what to ask.

Units stand in the names. Nothing is a float: what is shown is rounded once, half-up, from the exact value.
Source: clinical.md H0 R7; cases 28, 28b, 29.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from courses.pure.running import DEVICE_MG

TENTH, HUNDREDTH = Decimal("0.1"), Decimal("0.01")
NEVER_UNDILUTED_MG_PER_ML = Decimal(100)
"""Source: clinical.md G (L4): 100 mg/mL is never given into a vein undiluted."""
PUBLISHED_MG_PER_KG = (Decimal("0.1"), Decimal("0.75"))
"""Source: clinical.md B1, dose review (P26a Andrade 2017): usual 0.5 mg/kg, range 0.1 to 0.75, in mood disorders."""
OLDER_FROM_YEARS = 65
"""Source: clinical.md B3 (L1, a label outside the US): from 65 on esketamine starts with 28 mg."""
MOST_DEVICES = 3
"""Source: clinical.md B3: two devices are 56 mg, three are 84 mg."""


class Basis(StrEnum):
    """What a dose is ordered by; the same values as in ``DoseBasis`` (a test compares them)."""

    MG_PER_KG = "mg_per_kg"
    MG_PER_KG_H = "mg_per_kg_h"
    TOTAL_MG = "total_mg"


UNITS = {Basis.MG_PER_KG: "mg/kg", Basis.MG_PER_KG_H: "mg/kg/h", Basis.TOTAL_MG: "mg"}
POSSIBLE = {Basis.MG_PER_KG: Decimal(10), Basis.MG_PER_KG_H: Decimal(5), Basis.TOTAL_MG: Decimal(5000)}
"""[D] Above these an amount is a slip of the keyboard, whoever ordered it."""


class DoseError(ValueError):
    """No dose can be worked out of this; ``field`` says which part of the order is wrong."""

    def __init__(self, field: str, text: str) -> None:
        self.field = field
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Ordered:
    """What a prescriber wants. Without a concentration and a bag only for nasal devices."""

    basis: str
    amount: Decimal
    infusion_min: int
    concentration_mg_per_ml: Decimal | None = None
    bag_ml: int | None = None

    @property
    def said(self) -> str:
        """The dose with its unit, for example 0.5 mg/kg."""
        return f"{plain(self.amount)} {UNITS[Basis(self.basis)]}"

    def mg_per_kg(self, weight_kg: Decimal | None) -> Decimal | None:
        """The whole dose per kilogram, unrounded; None for a total without a weight."""
        if self.basis == Basis.MG_PER_KG:
            return self.amount
        if self.basis == Basis.MG_PER_KG_H:
            return self.amount * self.infusion_min / 60
        return self.amount / weight_kg if weight_kg else None


@dataclass(frozen=True, slots=True)
class Dose:
    """What an order comes to. ``contains_mg`` is what the rounded volume really contains."""

    exact_mg: Decimal
    dose_mg: Decimal
    contains_mg: Decimal
    deviation_percent: Decimal
    volume_ml: Decimal | None = None
    mg_per_min: Decimal | None = None
    rate_ml_h: Decimal | None = None
    devices: int | None = None

    @property
    def seal(self) -> str:
        """What a person has to have seen before it is ordered."""
        return "|".join(str(one) for one in (self.dose_mg, self.volume_ml, self.rate_ml_h, self.devices))


def half_up(value: Decimal, step: Decimal) -> Decimal:
    return value.quantize(step, rounding=ROUND_HALF_UP)


def plain(value: Decimal | int | None) -> str:
    """A number as a prescriber writes it: 0.5, never .5 and never 0.50; empty for nothing."""
    if value is None:
        return ""
    text = f"{Decimal(value):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def exact_mg(ordered: Ordered, weight_kg: Decimal | None) -> Decimal:
    """The dose in mg, unrounded.

    Raises:
        DoseError: the amount is not above zero or a slip of the keyboard, or a dose by weight has no weight.
    """
    basis = Basis(ordered.basis)
    if not 0 < ordered.amount <= POSSIBLE[basis]:
        raise DoseError("amount", f"A dose lies above 0 and up to {plain(POSSIBLE[basis])} {UNITS[basis]}.")
    if ordered.infusion_min < 1:
        raise DoseError("infusion_min", "An infusion takes a minute or more.")
    if basis == Basis.TOTAL_MG:
        return ordered.amount
    if weight_kg is None:
        raise DoseError("basis", "A dose by weight needs a weight. Weigh the patient and enter it at the check-in.")
    per_kg = ordered.mg_per_kg(weight_kg)
    return weight_kg * (per_kg or Decimal(0))


def work_out(ordered: Ordered, weight_kg: Decimal | None) -> Dose:
    """An order for a bag as mg, mL, mg/min and mL/h.

    mg half-up to 0.1; mL half-up to 0.01 from the unrounded mg; the rate empties a bag *made to* ``bag_ml``.
    Source: clinical.md H0 R7, cases 28 and 28b.

    Raises:
        DoseError: as for ``exact_mg``; or volume and bag do not fit each other.
    """
    mg = exact_mg(ordered, weight_kg)
    strength = ordered.concentration_mg_per_ml
    if not strength or strength <= 0:
        raise DoseError("concentration", "Choose the concentration of the vial.")
    if not ordered.bag_ml:
        raise DoseError("bag_ml", "Give the volume of the bag.")
    volume = half_up(mg / strength, HUNDREDTH)
    if volume <= 0:
        raise DoseError("concentration", "This is less than 0.01 mL. Choose a weaker concentration.")
    if volume > ordered.bag_ml:
        raise DoseError("bag_ml", f"{plain(volume)} mL do not fit into a bag of {ordered.bag_ml} mL.")
    contains = volume * strength
    return Dose(
        exact_mg=mg,
        dose_mg=half_up(mg, TENTH),
        contains_mg=half_up(contains, TENTH),
        deviation_percent=half_up((contains - mg) / mg * 100, TENTH),
        volume_ml=volume,
        mg_per_min=half_up(mg / ordered.infusion_min, HUNDREDTH),
        rate_ml_h=half_up(Decimal(ordered.bag_ml) * 60 / ordered.infusion_min, TENTH),
    )


def devices_for(ordered: Ordered) -> Dose:
    """An order for nasal devices of 28 mg each: one, two or three.

    Source: clinical.md B3 (L1, L3).

    Raises:
        DoseError: it is not a number of whole devices.
    """
    count, rest = divmod(ordered.amount, DEVICE_MG)
    if ordered.basis != Basis.TOTAL_MG or rest or not 1 <= count <= MOST_DEVICES:
        raise DoseError("amount", "A device holds 28 mg: order 28, 56 or 84 mg.")
    mg = half_up(ordered.amount, TENTH)
    return Dose(exact_mg=ordered.amount, dose_mg=mg, contains_mg=mg, deviation_percent=Decimal(0), devices=int(count))


# --- what is to be asked before it is ordered -------------------------------------------------------------------------
class Ask(StrEnum):
    """What a remark wants of the prescriber."""

    OVERRIDE = "override"  # a reason, because the protocol's limit is passed
    CHANGE = "change"  # a reason, because the dose is another than the last one
    ACCEPT = "accept"  # a tick
    NOTE = "note"  # to be read


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark on an order. ``text`` is a whole sentence and names its source where a source speaks."""

    code: str
    ask: Ask
    text: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What the protocol says: amounts in its own ``basis``. ``last``: it goes on with the dose given last."""

    basis: str
    start: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    planned_min: int = 40
    most_min: int | None = None
    is_nasal: bool = False

    @property
    def is_per_weight_once(self) -> bool:
        """The kind of protocol of which the published range speaks."""
        return not self.is_nasal and self.basis in (Basis.MG_PER_KG, "last")


@dataclass(frozen=True, slots=True)
class For:
    """Whom an order is for. ``weight_kg`` is None where none is recent enough; ``last`` is what was given last time."""

    weight_kg: Decimal | None
    age_years: int
    last: Ordered | None = None
    is_suicidal: bool = False  # the course treats acute suicidal ideation


def judge(ordered: Ordered, limits: Limits, whom: For) -> tuple[Finding, ...]:
    """Everything that has to be said about an order before it counts.

    Source: clinical.md A 14, 15, 42, 86, 141, 142; B1 (P26a); B3 (L1); G (L4).
    """
    weight_kg = whom.weight_kg
    is_older_start = limits.is_nasal and ordered.amount == DEVICE_MG and whom.age_years >= OLDER_FROM_YEARS
    found = [
        *([] if is_older_start else _of_range(ordered, limits, weight_kg)),
        *_of_minutes(ordered, limits),
        *_of_change(ordered, limits, whom.last),
        *_of_literature(ordered, limits, weight_kg),
    ]
    if not limits.is_nasal and (ordered.concentration_mg_per_ml or 0) >= NEVER_UNDILUTED_MG_PER_ML:
        strength = plain(ordered.concentration_mg_per_ml)
        text = f"{strength} mg/mL: never IV undiluted. It goes into the bag (label, L4)."
        found.append(Finding("undiluted", Ask.ACCEPT, text))
    if is_older_start:
        text = "28 mg: a label outside the US starts with it from 65 years on; the US label does not say so (L1)."
        found.append(Finding("older", Ask.NOTE, text))
    if limits.is_nasal and whom.is_suicidal and ordered.amount != 3 * DEVICE_MG:
        text = "With acute suicidal thoughts the label gives 84 mg twice a week, 56 mg if not tolerated (L1)."
        found.append(Finding("suicidal", Ask.NOTE, text))
    return tuple(found)


def _of_range(ordered: Ordered, limits: Limits, weight_kg: Decimal | None) -> list[Finding]:
    if limits.basis not in tuple(Basis) or (limits.low is None and limits.high is None):
        return []
    unit = UNITS[Basis(limits.basis)]
    value = _in_basis(ordered, Basis(limits.basis), weight_kg)
    if value is None:
        text = f"The protocol's limits are in {unit}, and there is no recent weight to compare with."
        return [Finding("range", Ask.OVERRIDE, text)]
    shown = plain(half_up(value, HUNDREDTH))
    if limits.low is not None and value < limits.low:
        return [Finding("range", Ask.OVERRIDE, f"{shown} {unit} is below the protocol's {plain(limits.low)} {unit}.")]
    if limits.high is not None and value > limits.high:
        return [Finding("range", Ask.OVERRIDE, f"{shown} {unit} is above the protocol's {plain(limits.high)} {unit}.")]
    return []


def _in_basis(ordered: Ordered, basis: Basis, weight_kg: Decimal | None) -> Decimal | None:
    if ordered.basis == basis:
        return ordered.amount
    per_kg = ordered.mg_per_kg(weight_kg)
    if basis == Basis.TOTAL_MG:
        return per_kg * weight_kg if per_kg is not None and weight_kg else None
    if per_kg is None:
        return None
    return per_kg if basis == Basis.MG_PER_KG else per_kg * 60 / ordered.infusion_min


def _of_minutes(ordered: Ordered, limits: Limits) -> list[Finding]:
    found = []
    if limits.most_min is not None and ordered.infusion_min > limits.most_min:
        text = f"{ordered.infusion_min} minutes are longer than the protocol's {limits.most_min}."
        found.append(Finding("minutes", Ask.OVERRIDE, text))
    if not limits.is_nasal and ordered.infusion_min < limits.planned_min:
        text = f"{ordered.infusion_min} minutes are fewer than the {limits.planned_min} planned: it runs faster."
        found.append(Finding("faster", Ask.ACCEPT, text))
    return found


def _of_change(ordered: Ordered, limits: Limits, last: Ordered | None) -> list[Finding]:
    if last is None:
        if limits.basis == "last":
            text = "The protocol goes on with the last dose, and no infusion of this course is on record."
            return [Finding("change", Ask.CHANGE, text)]
        if limits.start is not None and (ordered.basis, ordered.amount) != (limits.basis, limits.start):
            start = f"{plain(limits.start)} {UNITS[Basis(limits.basis)]}"
            return [Finding("change", Ask.CHANGE, f"The protocol starts with {start}; this is {ordered.said}.")]
        return []
    is_same = (ordered.basis, ordered.amount) == (last.basis, last.amount)
    if is_same and ordered.basis == Basis.MG_PER_KG_H:
        is_same = ordered.infusion_min == last.infusion_min
    if is_same:
        return []
    return [Finding("change", Ask.CHANGE, f"The last infusion was {_over(last)}; this is {_over(ordered)}.")]


def _over(ordered: Ordered) -> str:
    over = f" over {ordered.infusion_min} min" if ordered.basis == Basis.MG_PER_KG_H else ""
    return f"{ordered.said}{over}"


def _of_literature(ordered: Ordered, limits: Limits, weight_kg: Decimal | None) -> list[Finding]:
    per_kg = ordered.mg_per_kg(weight_kg)
    if not limits.is_per_weight_once or per_kg is None:
        return []
    low, high = PUBLISHED_MG_PER_KG
    if low <= per_kg <= high:
        return []
    where = "below" if per_kg < low else "above"
    text = f"{plain(half_up(per_kg, HUNDREDTH))} mg/kg is {where} the published {low} to {high} (Andrade 2017, P26a)."
    return [Finding("published", Ask.ACCEPT, text)]
