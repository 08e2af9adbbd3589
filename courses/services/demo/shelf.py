"""Counts of the demo's controlled drug: one difference that two people settled, and one that nobody has explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal

from courses.models import DrugLot
from courses.services.demo.place import Site
from courses.services.demo.stock import Shelf
from courses.services.stock_shelf import count_lot, settle, sign_discrepancy

At = Callable[[datetime, Callable[[datetime], None]], None]
EVENING = time(18, 5)
MISSING_MG, SPILT_MG = Decimal(10), Decimal(5)
WHY = "A syringe broke while it was drawn up; both of us saw it and wiped it up. No loss to report."
SETTLED, OPEN = 4, 1


def counts(at: At, site: Site, shelves: Mapping[int, Shelf], before: Sequence[date], *, is_home: bool) -> None:
    """At the end of clinic days a lot is counted. Differences: one that was settled, one that is open since yesterday.

    Args:
        is_home: only there something was missing.
        before: clinic days before today, the latest first.
    """
    place = site.location

    def shelf() -> Shelf:
        return shelves[place.pk]

    def miss(when: datetime) -> None:
        _off(shelf().ten, MISSING_MG, site, when)

    if len(before) < SETTLED:
        return
    at(place.at(before[OPEN], EVENING), lambda when: _agreed(shelf().fifty, site, when))
    if is_home:
        at(place.at(before[SETTLED - 1], EVENING), lambda when: _settled(shelf().ten, site, when))
        at(place.at(before[OPEN - 1], EVENING), miss)


def balance(lot: DrugLot) -> Decimal:
    """What the log says is there."""
    return lot.entries.latest("number").balance_mg


def _off(lot: DrugLot, missing: Decimal, site: Site, when: datetime) -> int | None:
    _, found = count_lot(lot_id=lot.pk, counted_mg=balance(lot) - missing, by=site.nurses[1], now=when)
    return found.pk if found else None


def _agreed(lot: DrugLot, site: Site, when: datetime) -> None:
    count_lot(lot_id=lot.pk, counted_mg=balance(lot), by=site.nurses[1], now=when)


def _settled(lot: DrugLot, site: Site, when: datetime) -> None:
    pk = _off(lot, SPILT_MG, site, when)
    if pk is not None:
        sign_discrepancy(discrepancy_id=pk, explanation=WHY, is_loss_reported=False, by=site.nurses[1], now=when)
        settle(discrepancy_id=pk, by=site.clinicians[0], now=when)
