"""The controlled drug in numbers: what may be drawn, where each 0.1 mg of a draw went, what is on the shelf.

All amounts in mg, exact to 0.1 mg; concentrations in mg/mL.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

TENTH_MG = Decimal("0.1")
ZERO_MG = Decimal("0.0")
SOON = timedelta(days=60)
"""A lot that expires within this time is pointed out. Of the software's own making ([D])."""


# -- where a draw went ------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Split:
    """Given, wasted and returned, in mg."""

    given_mg: Decimal
    wasted_mg: Decimal
    returned_mg: Decimal

    @property
    def sum_mg(self) -> Decimal:
        return self.given_mg + self.wasted_mg + self.returned_mg


def suggest_split(drawn_mg: Decimal, delivered_mg: Decimal, given_before_mg: Decimal = ZERO_MG) -> Split:
    """What the pump says: given is what it delivered, the rest is waste. Never more than was drawn.

    Args:
        delivered_mg: of the whole infusion (``Run.delivered_mg``).
        given_before_mg: what other draws of the same infusion have accounted for.

    Source: clinical.md H0 R8 (waste = drawn − delivered).
    """
    left = max(ZERO_MG, delivered_mg - given_before_mg)
    given = min(drawn_mg, left).quantize(TENTH_MG, rounding=ROUND_HALF_UP)
    return Split(given, drawn_mg - given, ZERO_MG)


@dataclass(frozen=True, slots=True)
class Taken:
    """One draw as its account is judged.

    ``suggested`` is what the record of the infusion says; ``unit_mg`` the content of one nasal device, which is not
    divided, and None for vials.
    """

    drawn_mg: Decimal
    suggested: Split
    was_started: bool
    unit_mg: Decimal | None = None


def judge_split(taken: Taken, split: Split, *, reason: str = "") -> dict[str, str]:
    """What is wrong with an account of a draw, by field; empty when it stands.

    Source: invariant 9 (drawn = given + wasted + returned, to 0.1 mg); clinical.md B3 (a device is 28 mg).
    """
    parts = {"given_mg": split.given_mg, "wasted_mg": split.wasted_mg, "returned_mg": split.returned_mg}
    for name, part in parts.items():
        if part < 0 or part % TENTH_MG:
            return {name: "Enter 0 or more, to 0.1 mg."}
    if split.sum_mg != taken.drawn_mg:
        off = split.sum_mg - taken.drawn_mg
        return {
            "": f"{split.given_mg} + {split.wasted_mg} + {split.returned_mg} = {split.sum_mg} mg, but "
            f"{taken.drawn_mg} mg were drawn: {abs(off)} mg too {'much' if off > 0 else 'little'}."
        }
    if not taken.was_started and split.given_mg:
        return {"given_mg": "The infusion was not started, so nothing was given. Enter 0, and waste or return it."}
    for name, part in parts.items():
        if taken.unit_mg and part % taken.unit_mg:
            return {name: f"Devices are counted whole: a multiple of {taken.unit_mg} mg."}
    if split.given_mg != taken.suggested.given_mg and not reason.strip():
        return {
            "reason": f"By the infusion’s record {taken.suggested.given_mg} mg of this draw were given. "
            "Say why it is not the same."
        }
    return {}


# -- may it be drawn --------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class LotFacts:
    """One lot as it stands on the shelf. ``concentration_mg_per_ml`` is None for nasal devices."""

    drug: str
    is_device: bool
    content_mg: Decimal
    concentration_mg_per_ml: Decimal | None
    expires_on: date
    balance_mg: Decimal
    is_here: bool = True


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What was ordered; None for the concentration of a nasal dose."""

    is_nasal: bool
    concentration_mg_per_ml: Decimal | None


def lot_unfit(lot: LotFacts, order: OrderFacts, *, today: date) -> str:
    """Why nothing of this lot may be drawn for this order, with what to do; empty when it may.

    A lot may be used up to and including the day that is printed on it.
    """
    if wrong := _wrong_shelf(lot, order):
        return wrong
    if lot.expires_on < today:
        return f"This lot expired on {_said(lot.expires_on)}. Choose another, and send this one for destruction."
    if not order.is_nasal and lot.concentration_mg_per_ml != order.concentration_mg_per_ml:
        return (
            f"The order is for {_plain(order.concentration_mg_per_ml)} mg/mL, this lot has "
            f"{_plain(lot.concentration_mg_per_ml)} mg/mL. Choose a lot of the ordered concentration, "
            "or ask the prescriber for a new order."
        )
    if lot.balance_mg <= 0:
        return "Nothing is left of this lot by the log. Choose another, or receive and count first."
    return ""


def _wrong_shelf(lot: LotFacts, order: OrderFacts) -> str:
    if not lot.is_here:
        return "This lot stands in another location’s log. Choose a lot of this location."
    if order.is_nasal and not (lot.is_device and lot.drug == "esketamine"):
        return "A nasal dose is drawn from esketamine devices. Choose a lot of those."
    if not order.is_nasal and (lot.is_device or lot.drug != "ketamine"):
        return "An infusion is drawn from ketamine vials. Choose a lot of those."
    return ""


def amount_wrong(lot: LotFacts, amount_mg: Decimal) -> str:
    """Why this much cannot be taken from the shelf; empty when it can."""
    if amount_mg <= 0:
        return "Enter how much was taken, more than 0."
    if amount_mg % TENTH_MG:
        return "Amounts are kept to 0.1 mg."
    if lot.is_device and amount_mg % lot.content_mg:
        return f"Devices are counted whole: a multiple of {lot.content_mg} mg."
    if amount_mg > lot.balance_mg:
        return f"The log says that {lot.balance_mg} mg are left of this lot. Take less, or count the lot."
    return ""


# -- the shelf --------------------------------------------------------------------------------------------------------
def in_units(balance_mg: Decimal, content_mg: Decimal, *, is_device: bool) -> str:
    """A balance as what stands on the shelf: "2 vials + 50.0 mg", "1 device", "0 vials"."""
    whole, rest = divmod(balance_mg, content_mg)
    word = "device" if is_device else "vial"
    said = f"{int(whole)} {word}{'' if whole == 1 else 's'}"
    return f"{said} + {rest.quantize(TENTH_MG)} mg" if rest else said


def expiry_of(expires_on: date, today: date) -> str:
    """Either "expired", "soon" (within ``SOON``), or empty. The printed day itself still counts."""
    if expires_on < today:
        return "expired"
    return "soon" if expires_on - today <= SOON else ""


def _plain(value: Decimal | None) -> str:
    return f"{value.normalize():f}" if value is not None else "no"


def _said(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
