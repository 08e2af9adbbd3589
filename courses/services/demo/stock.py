"""The shelf of the demo clinic: what was bought, received and counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from clinic.models import Location, User
from courses.models import Drug, DrugLot
from courses.services.stock_shelf import add_lot, count_lot, receive

TEN, FIFTY = Decimal(10), Decimal(50)


@dataclass(frozen=True, slots=True)
class Shelf:
    """The lots of one location, to draw from: 10 and 50 mg/mL ketamine, nasal devices, and one that expires soon."""

    ten: DrugLot
    fifty: DrugLot
    devices: DrugLot
    expiring: DrugLot


LOTS = (  # number, drug, mg/mL, mg in each, days until it expires, how many
    ("K10-7731", Drug.KETAMINE, TEN, Decimal(200), 540, 60),
    ("K50-2290", Drug.KETAMINE, FIFTY, Decimal(500), 480, 20),
    ("S28-0417", Drug.ESKETAMINE, None, Decimal(28), 400, 40),
    ("K10-6105", Drug.KETAMINE, TEN, Decimal(200), 75, 3),
)


def stock_up(
    location: Location, by: User, witness: User, when: datetime, *, expiring_on: date | None = None, packs: int = 1
) -> Shelf:
    """Four lots were received at ``when``; an hour later ``witness`` counted all of them, and the counts agreed.

    Args:
        expiring_on: the day of the lot that expires first; 75 days after ``when`` unless said otherwise.
        packs: how many times the usual delivery of all lots but that one.
    """
    today = location.local(when).date()
    mark = location.short_name[:1].upper() or "X"
    made: list[DrugLot] = []
    for index, (number, drug, strength, content, days, units) in enumerate(LOTS):
        is_first = index == len(LOTS) - 1
        lot = add_lot(
            location=location,
            drug=drug,
            lot_number=f"{mark}{number}",
            manufacturer="Fictional Pharma",
            content_mg=content,
            concentration_mg_per_ml=strength,
            expires_on=expiring_on if is_first and expiring_on else today + timedelta(days=days),
            by=by,
            now=when,
        )
        got = receive(
            lot_id=lot.pk, units=units if is_first else units * packs, invoice=f"Invoice {mark}-2041", by=by, now=when
        )
        count_lot(lot_id=lot.pk, counted_mg=got.balance_mg, by=witness, now=when + timedelta(hours=1))
        made.append(lot)
    return Shelf(*made)
