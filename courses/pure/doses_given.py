"""What was given over a whole course: milligrams, milligrams per kilogram, infusions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from courses.pure.running import read_run

TENTH = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Order:
    """The order that an infusion was started with: mg, kg (None: not by weight), minutes."""

    dose_mg: Decimal
    contains_mg: Decimal
    weight_kg: Decimal | None
    infusion_min: int


@dataclass(frozen=True, slots=True)
class Given:
    """One infusion: what was ordered and what went in, in mg. ``is_going_on``: it has not ended yet."""

    ordered_mg: Decimal
    delivered_mg: Decimal
    weight_kg: Decimal | None
    stopped_early: bool = False
    is_going_on: bool = False
    booking_id: int = 0

    @property
    def differs(self) -> bool:
        """Less (or more) went in than was ordered."""
        return self.delivered_mg != self.ordered_mg

    @property
    def said(self) -> str:
        """As "41.2 mg", or "20.6 of 41.2 mg, stopped early"."""
        if self.stopped_early:
            return f"{self.delivered_mg} of {self.ordered_mg} mg, stopped early"
        return f"{self.delivered_mg} mg"


@dataclass(frozen=True, slots=True)
class Total:
    """What a course adds up to. ``mg_per_kg`` None: an infusion without a weight is among them."""

    mg: Decimal
    mg_per_kg: Decimal | None
    infusions: int


def given_from(order: Order, taps: Sequence[tuple[str, datetime]], *, now: datetime, booking_id: int = 0) -> Given:
    """What one infusion came to by its valid taps (R8)."""
    run = read_run(taps, planned_min=order.infusion_min)
    is_over = run.is_over or (bool(run.devices) and not run.is_running)
    return Given(
        ordered_mg=order.dose_mg,
        delivered_mg=run.delivered_mg(order.contains_mg, now),
        weight_kg=order.weight_kg,
        stopped_early=run.stopped_early,
        is_going_on=not is_over,
        booking_id=booking_id,
    )


def total_of(doses: Iterable[Given]) -> Total | None:
    """The sum of what was delivered, each infusion by the weight of its own day; None when nothing was given.

    Both half-up to 0.1. Source: clinical.md case 29 (271.0 mg, 3.3 mg/kg, 6 infusions: actual mg, not planned).
    """
    found = list(doses)
    if not found:
        return None
    by_weight = [one.delivered_mg / one.weight_kg for one in found if one.weight_kg]
    return Total(
        mg=sum((one.delivered_mg for one in found), Decimal(0)).quantize(TENTH, rounding=ROUND_HALF_UP),
        mg_per_kg=sum(by_weight, Decimal(0)).quantize(TENTH, rounding=ROUND_HALF_UP)
        if len(by_weight) == len(found)
        else None,
        infusions=len(found),
    )
