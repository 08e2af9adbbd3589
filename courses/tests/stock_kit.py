"""A shelf for tests: two vials of 10 mg/mL and three nasal devices, received on the day before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from clinic.models import Location, User
from clinic.pure.roles import Role
from clinic.tests.factories import make_user
from courses.models import DrugLot, StockEntry
from courses.services.stock_shelf import add_lot, receive
from courses.tests.day_kit import Day, ten

YESTERDAY = ten() - timedelta(days=1)
TEN, FIFTY, VIAL, DEVICE = Decimal(10), Decimal(50), Decimal(200), Decimal(28)
EXPIRES = date(2028, 3, 31)


def make_lot(place: Location, by: User, *, units: int = 2, **fields: Any) -> DrugLot:
    """Two vials of 20 mL, 10 mg/mL, unless said otherwise: 400.0 mg."""
    values: dict[str, Any] = {
        "drug": "ketamine",
        "lot_number": f"K{DrugLot.objects.count() + 1}",
        "content_mg": VIAL,
        "concentration_mg_per_ml": TEN,
        "expires_on": EXPIRES,
    }
    lot = add_lot(location=place, by=by, now=YESTERDAY, **(values | fields))
    if units:
        receive(lot_id=lot.pk, units=units, by=by, now=YESTERDAY)
    return lot


def make_devices(place: Location, by: User, *, units: int = 3, **fields: Any) -> DrugLot:
    """Three nasal devices of 28 mg: 84.0 mg."""
    values = {"drug": "esketamine", "content_mg": DEVICE, "concentration_mg_per_ml": None} | fields
    return make_lot(place, by, units=units, **values)


@dataclass
class Stocked:
    """A day with a shelf, and a second nurse to witness."""

    day: Day
    lot: DrugLot
    witness: User

    @property
    def nurse(self) -> User:
        return self.day.nurse

    @property
    def lines(self) -> list[tuple[str, Decimal, Decimal]]:
        """Kind, amount and balance of each line."""
        return [(one.kind, one.amount_mg, one.balance_mg) for one in self.entries]

    @property
    def entries(self) -> list[StockEntry]:
        return list(StockEntry.objects.filter(lot=self.lot).order_by("number"))


def stocked(day: Day, **fields: Any) -> Stocked:
    witness = make_user(Role.NURSE, username="witness", first_name="Petra", last_name="Novak")
    return Stocked(day, make_lot(day.booking.location, day.nurse, **fields), witness)
