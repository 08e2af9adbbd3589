"""Two people at one shelf, over real connections: the last vial goes to one of them, and no line is written twice."""

from __future__ import annotations

from decimal import Decimal
from unittest.mock import patch

import pytest
from django.db import DatabaseError

from clinic.tests.fixtures.parallel import Outcome, Parallel
from courses.models import Discrepancy, DrugDraw, DrugLot, StockEntry
from courses.pure.stock import Split
from courses.services import stock, stock_shelf
from courses.services.infusion_record import ChangedMeanwhileError
from courses.services.stock_shelf import Shelf, StockRefusedError
from courses.tests.day_kit import infusing, observing, ten
from courses.tests.stock_kit import Stocked, stocked
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db(transaction=True)
VIAL = Decimal("200.0")


def two_days(*, units: int) -> tuple[Stocked, Stocked]:
    """Two patients who are being infused at the same location, over one lot."""
    first = infusing()
    made = stocked(first, units=units)
    other = infusing(clinic=first.clinic, patient=make_patient(given_name="Bo"), slug="T-OTHER")
    return made, Stocked(other, made.lot, made.witness)


def errors(outcomes: list[Outcome]) -> list[type[Exception]]:
    return [type(one.error) for one in outcomes if one.error]


def test_the_last_vial_goes_to_exactly_one_of_two_nurses(parallel: Parallel) -> None:
    days = two_days(units=1)

    def draw(index: int) -> DrugDraw:
        made = days[index]
        return stock.draw(booking_id=made.day.pk, lot_id=made.lot.pk, amount_mg=VIAL, by=made.nurse, now=ten(1))

    outcomes = parallel(2, draw)
    assert errors(outcomes) == [StockRefusedError]
    assert days[0].lines[1:] == [("drawn", VIAL, Decimal("0.0"))]


def unlocked(lot_id: int, seen: int | None = None) -> Shelf:
    """What a reader without the lock believes: the shelf as it was before either of them drew."""
    return Shelf(DrugLot.objects.select_related("location").get(pk=lot_id), 1, VIAL)


def test_without_the_lock_the_database_still_gives_it_to_one(parallel: Parallel) -> None:
    days = two_days(units=1)

    def draw(index: int) -> DrugDraw:
        made = days[index]
        return stock.draw(booking_id=made.day.pk, lot_id=made.lot.pk, amount_mg=VIAL, by=made.nurse, now=ten(1))

    with patch.object(stock, "locked_shelf", unlocked):
        outcomes = parallel(2, draw)
    (refused,) = [one.error for one in outcomes if one.error]
    assert isinstance(refused, DatabaseError)
    assert "running balance" in str(refused)
    assert days[0].lines[1:] == [("drawn", VIAL, Decimal("0.0"))]


def test_eight_draws_at_once_leave_an_unbroken_balance(parallel: Parallel) -> None:
    days = two_days(units=2)

    def draw(index: int) -> DrugDraw:
        made = days[index % 2]
        amount = Decimal("10.0")
        return stock.draw(booking_id=made.day.pk, lot_id=made.lot.pk, amount_mg=amount, by=made.nurse, now=ten(1))

    assert errors(parallel(8, draw)) == []
    assert [one.number for one in days[0].entries] == list(range(1, 10))
    assert [one.balance_mg for one in days[0].entries] == [Decimal(400 - 10 * done) for done in range(9)]


def test_a_double_click_on_receive_receives_once(parallel: Parallel) -> None:
    made = stocked(infusing())

    def receive(_: int) -> StockEntry:
        return stock_shelf.receive(lot_id=made.lot.pk, units=1, seen=1, by=made.nurse, now=ten(1))

    assert errors(parallel(2, receive)) == [ChangedMeanwhileError]
    assert made.lines[-1] == ("received", VIAL, Decimal("600.0"))


def test_two_people_account_for_one_draw_once(parallel: Parallel) -> None:
    made = stocked(observing())
    drawn = stock.draw(
        booking_id=made.day.pk, lot_id=made.lot.pk, amount_mg=Decimal("100.0"), by=made.nurse, now=ten(41)
    )
    people = ((made.nurse, made.witness), (made.witness, made.nurse))

    def close(index: int) -> DrugDraw:
        by, witness = people[index]
        split = Split(Decimal("41.2"), Decimal("58.8"), Decimal("0.0"))
        return stock.close_draw(draw_id=drawn.pk, split=split, witness=witness, by=by, now=ten(50))

    assert errors(parallel(2, close)) == [ChangedMeanwhileError]
    assert [one.kind for one in made.entries] == ["received", "drawn", "given", "wasted"]


def test_two_people_settle_one_discrepancy_once(parallel: Parallel) -> None:
    made = stocked(infusing())
    _, found = stock_shelf.count_lot(lot_id=made.lot.pk, counted_mg=VIAL, by=made.nurse, now=ten(1))
    assert found is not None
    stock_shelf.sign_discrepancy(
        discrepancy_id=found.pk, explanation="One vial broke", is_loss_reported=False, by=made.nurse, now=ten(2)
    )
    people = (made.witness, made.day.clinician)

    def settle(index: int) -> Discrepancy:
        return stock_shelf.settle(discrepancy_id=found.pk, by=people[index], now=ten(3))

    assert errors(parallel(2, settle)) == [ChangedMeanwhileError]
    assert made.lines[-1] == ("corrected", VIAL, VIAL)
    assert len(made.entries) == 3
