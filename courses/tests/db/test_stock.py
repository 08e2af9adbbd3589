"""The ketamine log: received, drawn, given, wasted, returned, counted, settled; and each refusal from the same set-up."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from clinic.models import BookingStatus
from clinic.services import bookings
from clinic.tests.factories import make_location, make_user
from clinic.tests.fixtures.ledger import Queries
from courses.models import Discrepancy, DrugDraw, DrugLot, Protocol, StockEntry
from courses.pure.stock import Split
from courses.services import stock, stock_shelf
from courses.services.demo.stock import stock_up
from courses.services.infusion_record import ChangedMeanwhileError, RecordSignedError
from courses.services.stock_pages import read_inventory
from courses.services.stock_shelf import StockRefusedError
from courses.tests.day_kit import DAY, Day, in_chair, infusing, make_day, observing, put_order, put_tap, ten
from courses.tests.stock_kit import Stocked, make_devices, make_lot, stocked

pytestmark = pytest.mark.django_db
R8 = Split(Decimal("41.2"), Decimal("58.8"), Decimal("0.0"))  # case 28 drawn as 100 mg


def draw(made: Stocked, amount: str = "100.0", at: int = -1) -> DrugDraw:
    return stock.draw(booking_id=made.day.pk, lot_id=made.lot.pk, amount_mg=Decimal(amount), by=made.nurse, now=ten(at))


def close(made: Stocked, drawn: DrugDraw, split: Split = R8, *, at: int = 50, **fields: object) -> DrugDraw:
    values = {"witness": made.witness, "by": made.nurse, "now": ten(at)} | fields
    return stock.close_draw(draw_id=drawn.pk, split=split, **values)


# -- lots --------------------------------------------------------------------------------------------------------------
def test_what_is_received_stands_in_the_log_in_whole_vials() -> None:
    made = stocked(in_chair())
    stock_shelf.receive(lot_id=made.lot.pk, units=3, seen=1, invoice="INV-7", by=made.nurse, now=ten())
    assert made.lines == [
        ("received", Decimal("400.0"), Decimal("400.0")),
        ("received", Decimal("600.0"), Decimal("1000.0")),
    ]
    assert made.entries[1].reason == "INV-7"


def test_a_second_click_on_receive_finds_that_the_log_has_moved_on() -> None:
    made = stocked(in_chair())
    stock_shelf.receive(lot_id=made.lot.pk, units=3, seen=1, by=made.nurse, now=ten())
    with pytest.raises(ChangedMeanwhileError, match="Nothing was saved"):
        stock_shelf.receive(lot_id=made.lot.pk, units=3, seen=1, by=made.nurse, now=ten())
    assert len(made.entries) == 2


def test_a_lot_is_put_on_the_list_once_and_not_after_it_has_expired() -> None:
    made = stocked(in_chair(), lot_number="K10-7731")
    with pytest.raises(ValidationError, match="on the list already"):
        make_lot(made.day.booking.location, made.nurse, lot_number="K10-7731")
    with pytest.raises(ValidationError, match="Expired stock"):
        make_lot(made.day.booking.location, made.nurse, expires_on=date(2027, 4, 3))
    assert DrugLot.objects.count() == 1


def test_only_who_handles_the_drug_writes_into_its_log() -> None:
    made = stocked(infusing())
    for person in (made.day.clinic.desk, made.day.clinic.manager):
        with pytest.raises(PermissionDenied):
            stock_shelf.receive(lot_id=made.lot.pk, units=1, by=person, now=ten())
        with pytest.raises(PermissionDenied):
            stock.draw(booking_id=made.day.pk, lot_id=made.lot.pk, units=1, by=person, now=ten())
    assert len(made.entries) == 1


# -- draws -------------------------------------------------------------------------------------------------------------
def test_a_draw_leaves_the_shelf_and_grows_the_version_of_the_record() -> None:
    made = stocked(infusing())
    before = made.day.record.version
    drawn = draw(made)
    assert made.lines[-1] == ("drawn", Decimal("100.0"), Decimal("300.0"))
    assert (drawn.drawn_mg, drawn.drawn_by, made.day.record.version) == (Decimal("100.0"), made.nurse, before + 1)


def test_whole_vials_are_drawn_by_their_content() -> None:
    made = stocked(infusing())
    drawn = stock.draw(booking_id=made.day.pk, lot_id=made.lot.pk, units=1, by=made.nurse, now=ten())
    assert (drawn.drawn_mg, made.lines[-1]) == (Decimal("200.0"), ("drawn", Decimal("200.0"), Decimal("200.0")))


def test_nothing_is_drawn_before_a_dose_is_ordered() -> None:
    made = stocked(in_chair())
    with pytest.raises(StockRefusedError, match="No dose is ordered"):
        draw(made)
    put_order(made.day, ten(-3))
    assert draw(made).pk


def refuse(made: Stocked, lot: DrugLot, said: str, amount: str = "41.2") -> None:
    with pytest.raises(StockRefusedError, match=said):
        stock.draw(booking_id=made.day.pk, lot_id=lot.pk, amount_mg=Decimal(amount), by=made.nurse, now=ten())


def test_a_draw_is_refused_from_what_does_not_fit_the_order() -> None:
    made = stocked(infusing())
    place = made.day.booking.location
    refuse(made, make_lot(make_location("Lakeside"), made.nurse), "another location")
    refuse(made, make_lot(place, made.nurse, expires_on=date(2027, 4, 4)), "expired on 4 Apr 2027")
    refuse(
        made, make_lot(place, made.nurse, concentration_mg_per_ml=Decimal(50)), "order is for 10 mg/mL.*has 50 mg/mL"
    )
    refuse(made, make_devices(place, made.nurse), "ketamine vials", "28.0")
    refuse(made, made.lot, "400.0 mg are left", "400.1")
    assert not DrugDraw.objects.exists()
    assert draw(made, "400.0").drawn_mg == Decimal("400.0")


def test_a_nasal_visit_draws_devices_and_accounts_for_each_of_them() -> None:
    day = in_chair()
    Protocol.objects.update(route="nasal")
    order = put_order(
        day,
        ten(-3),
        basis="total_mg",
        amount=Decimal(56),
        dose_mg=Decimal(56),
        contains_mg=Decimal(56),
        devices=2,
        **dict.fromkeys(("concentration_mg_per_ml", "volume_ml", "bag_ml", "rate_ml_h", "weight_kg", "weight_on")),
    )
    made = stocked(day)
    made.lot = make_devices(day.booking.location, day.nurse)
    drawn = stock.draw(booking_id=day.pk, lot_id=made.lot.pk, units=2, by=day.nurse, now=ten(-2))
    put_tap(day, "device", ten(), order=order)
    with pytest.raises(StockRefusedError, match="still going on"):
        close(made, drawn, Split(Decimal("28.0"), Decimal("0.0"), Decimal("28.0")), at=5)
    put_tap(day, "device", ten(5), order=order)
    close(made, drawn, Split(Decimal("56.0"), Decimal("0.0"), Decimal("0.0")), at=6, witness=None)
    assert made.lines[1:] == [("drawn", Decimal("56.0"), Decimal("28.0")), ("given", Decimal("56.0"), Decimal("28.0"))]


def test_a_second_click_on_draw_takes_nothing() -> None:
    made = stocked(infusing())
    known = {
        "booking_id": made.day.pk,
        "lot_id": made.lot.pk,
        "amount_mg": Decimal("41.2"),
        "by": made.nurse,
        "seen": 0,
    }
    stock.draw(**known, now=ten())
    with pytest.raises(ChangedMeanwhileError):
        stock.draw(**known, now=ten())
    assert DrugDraw.objects.count() == 1


# -- where it went -----------------------------------------------------------------------------------------------------
def test_case_28_drawn_as_100_mg_is_41_2_given_and_58_8_wasted_before_a_witness() -> None:
    made = stocked(infusing())
    drawn = draw(made)
    put_tap(made.day, "end", ten(40))
    desk = made.day.desk(ten(50))
    assert stock.suggestion(desk, drawn) == R8
    close(made, drawn)
    assert made.lines[1:] == [
        ("drawn", Decimal("100.0"), Decimal("300.0")),
        ("given", Decimal("41.2"), Decimal("300.0")),
        ("wasted", Decimal("58.8"), Decimal("300.0")),
    ]
    assert [one.witness for one in made.entries[1:]] == [None, None, made.witness]


def test_stopped_at_half_time_half_is_waste_by_r8() -> None:
    made = stocked(infusing())
    drawn = draw(made, "41.2")
    put_tap(made.day, "stop", ten(20), reason="Anxious")
    assert stock.suggestion(made.day.desk(ten(30)), drawn) == Split(Decimal("20.6"), Decimal("20.6"), Decimal("0.0"))


def test_what_is_returned_is_on_the_shelf_again() -> None:
    made = stocked(observing())
    drawn = stock.draw(booking_id=made.day.pk, lot_id=made.lot.pk, units=2, by=made.nurse, now=ten(41))
    close(made, drawn, Split(Decimal("41.2"), Decimal("158.8"), Decimal("200.0")))
    assert made.lines[-1] == ("returned", Decimal("200.0"), Decimal("200.0"))


def test_waste_needs_a_witness_who_is_somebody_else_and_handles_the_drug() -> None:
    made = stocked(observing())
    drawn = draw(made, at=41)
    for nobody in (None, made.nurse, made.day.clinic.desk):
        with pytest.raises(StockRefusedError):
            close(made, drawn, witness=nobody)
    assert not DrugDraw.objects.filter(closed_at__isnull=False).exists()
    assert close(made, drawn).witness == made.witness


def test_what_does_not_add_up_is_refused_and_nothing_is_written() -> None:
    made = stocked(observing())
    drawn = draw(made, at=41)
    with pytest.raises(StockRefusedError, match=r"99\.9 mg, but 100\.0 mg were drawn"):
        close(made, drawn, Split(Decimal("41.2"), Decimal("58.7"), Decimal("0.0")))
    with pytest.raises(StockRefusedError, match="Say why") as refusal:
        close(made, drawn, Split(Decimal("41.0"), Decimal("59.0"), Decimal("0.0")))
    assert refusal.value.field == "reason"
    assert len(made.entries) == 2


def test_nothing_is_accounted_for_while_the_infusion_goes_on_and_only_once_after_it() -> None:
    made = stocked(infusing())
    drawn = draw(made)
    with pytest.raises(StockRefusedError, match="still going on"):
        close(made, drawn, at=10)
    put_tap(made.day, "end", ten(40))
    close(made, drawn)
    with pytest.raises(ChangedMeanwhileError):
        close(made, drawn)


def test_a_draw_for_a_visit_that_was_withheld_is_accounted_for_all_the_same() -> None:
    day = in_chair()
    put_order(day, ten(-3))
    made = stocked(day)
    drawn = draw(made, "41.2")
    bookings.release([day.pk], status=BookingStatus.WITHHELD, reason="Pressure", by=day.nurse, now=ten(2))
    version = day.record.version
    with pytest.raises(StockRefusedError, match="not started"):
        close(made, drawn, Split(Decimal("41.2"), Decimal("0.0"), Decimal("0.0")))
    close(made, drawn, Split(Decimal("0.0"), Decimal("41.2"), Decimal("0.0")))
    assert made.lines[-1] == ("wasted", Decimal("41.2"), Decimal("358.8"))
    assert day.record.version == version + 1
    with pytest.raises(PermissionDenied):
        close(made, drawn, by=day.clinic.desk)


def test_a_signed_record_takes_no_account_any_more() -> None:
    made = stocked(observing())
    drawn = draw(made, at=41)
    type(made.day.record).objects.update(
        completed_at=ten(45), completed_by=made.nurse, signed_at=ten(45), signed_by=made.day.clinician
    )
    with pytest.raises(RecordSignedError):
        close(made, drawn)


def test_an_open_draw_is_said_in_a_sentence_until_it_is_accounted_for() -> None:
    made = stocked(observing())
    assert stock.missing_draw(made.day.desk(ten(41)))
    drawn = draw(made, at=41)
    (said,) = stock.unaccounted(made.day.desk(ten(42)))
    assert said.startswith("100.0 mg drawn at 10:41 are not accounted for")
    assert stock.missing_draw(made.day.desk(ten(42))) == ""
    close(made, drawn)
    assert stock.unaccounted(made.day.desk(ten(51))) == ()


# -- destruction, counts, discrepancies --------------------------------------------------------------------------------
def test_expired_stock_goes_with_a_reason_and_a_witness() -> None:
    made = stocked(in_chair(), expires_on=date(2027, 4, 4))
    known = {"lot_id": made.lot.pk, "amount_mg": Decimal("400.0"), "by": made.nurse, "now": ten()}
    for bad in (
        {"reason": "", "witness": made.witness},
        {"reason": "Expired", "witness": None},
        {"reason": "Expired", "witness": made.nurse},
        {"reason": "Expired", "witness": made.witness, "amount_mg": Decimal("400.1")},
    ):
        with pytest.raises(StockRefusedError):
            stock_shelf.destroy(**(known | bad))
    stock_shelf.destroy(**known, reason="Expired; Form 41 no. 12", witness=made.witness)
    assert made.lines[-1] == ("destroyed", Decimal("400.0"), Decimal("0.0"))


def count(made: Stocked, counted: str, at: int = 0) -> Discrepancy | None:
    return stock_shelf.count_lot(lot_id=made.lot.pk, counted_mg=Decimal(counted), by=made.nurse, now=ten(at))[1]


def test_a_count_that_agrees_is_a_line_and_nothing_else() -> None:
    made = stocked(in_chair())
    assert count(made, "400.0") is None
    assert made.lines[-1] == ("counted", Decimal("400.0"), Decimal("400.0"))


def sign(found: Discrepancy, made: Stocked, explanation: str = "One vial broke") -> Discrepancy:
    return stock_shelf.sign_discrepancy(
        discrepancy_id=found.pk, explanation=explanation, is_loss_reported=True, by=made.nurse, now=ten(5)
    )


def test_a_count_that_differs_waits_for_two_people_and_then_the_log_is_corrected() -> None:
    made = stocked(in_chair())
    found = count(made, "200.0")
    assert found is not None
    assert made.lines[-1] == ("counted", Decimal("200.0"), Decimal("400.0"))  # the count itself changes nothing
    with pytest.raises(StockRefusedError, match="Nobody has explained"):
        stock_shelf.settle(discrepancy_id=found.pk, by=made.witness, now=ten(5))
    with pytest.raises(StockRefusedError):
        sign(found, made, " ")
    sign(found, made)
    with pytest.raises(StockRefusedError, match="somebody else"):
        stock_shelf.settle(discrepancy_id=found.pk, by=made.nurse, now=ten(6))
    stock_shelf.settle(discrepancy_id=found.pk, by=made.witness, now=ten(6))
    last = made.entries[-1]
    assert made.lines[-1] == ("corrected", Decimal("200.0"), Decimal("200.0"))
    assert (last.by, last.witness, last.reason) == (made.witness, made.nurse, "One vial broke")
    with pytest.raises(ChangedMeanwhileError):
        stock_shelf.settle(discrepancy_id=found.pk, by=made.witness, now=ten(7))


def test_a_correction_keeps_what_was_drawn_since_the_count() -> None:
    made = stocked(infusing())
    found = count(made, "410.0")
    assert found is not None
    draw(made, "100.0", at=1)
    sign(found, made)
    stock_shelf.settle(discrepancy_id=found.pk, by=made.witness, now=ten(6))
    assert made.lines[-1] == ("corrected", Decimal("10.0"), Decimal("310.0"))


def test_a_recount_that_agrees_settles_without_a_correction_and_asks_the_first_person_again() -> None:
    made = stocked(in_chair())
    found = count(made, "200.0")
    assert found is not None
    sign(found, made)
    assert count(made, "400.0", at=6) == found
    assert Discrepancy.objects.get().first_by is None
    sign(found, made, "Miscounted: one vial stood behind")
    stock_shelf.settle(discrepancy_id=found.pk, by=made.witness, now=ten(7))
    assert made.lines[-1] == ("counted", Decimal("400.0"), Decimal("400.0"))
    assert Discrepancy.objects.get().settled_by == made.witness


def test_a_correction_that_the_shelf_cannot_bear_asks_for_a_new_count() -> None:
    made = stocked(infusing())
    found = count(made, "100.0")
    assert found is not None
    draw(made, "200.0", at=1)
    sign(found, made)
    with pytest.raises(StockRefusedError, match="Count the lot again"):
        stock_shelf.settle(discrepancy_id=found.pk, by=made.witness, now=ten(6))


# -- what others ask ---------------------------------------------------------------------------------------------------
def test_tasks_are_open_discrepancies_and_draws_of_earlier_days_in_one_query(queries: Queries) -> None:
    made = stocked(infusing())
    draw(made)
    assert stock.stock_tasks(made.day.booking.location, ten(60)) == []  # the same day is the infusion page's matter
    found = count(made, "299.0")
    tomorrow = ten(60) + timedelta(days=1)
    with queries("stock tasks", at_most=1):
        tasks = stock.stock_tasks(made.day.booking.location, tomorrow)
    assert [one.kind for one in tasks] == ["draw", "discrepancy"]
    assert tasks[0].title == "100.0 mg of ketamine not accounted for"
    assert "Ada" in tasks[0].detail
    assert tasks[1].title.endswith("1.0 mg missing at the count")
    assert str(found and found.pk) in tasks[1].url
    assert stock.stock_tasks(make_location("Lakeside"), tomorrow) == []


def test_the_inventory_of_a_day_is_what_was_there_when_it_ended_on_the_clinics_clocks() -> None:
    made = stocked(infusing())
    place = made.day.booking.location
    draw(made, "100.0")
    stock_shelf.receive(lot_id=made.lot.pk, units=1, by=made.nurse, now=place.at(DAY, ten().time()) + timedelta(days=1))
    assert read_inventory(place, DAY - timedelta(days=2)).rows == []
    assert [row.balance_mg for row in read_inventory(place, DAY - timedelta(days=1)).rows] == [Decimal("400.0")]
    today = read_inventory(place, DAY)
    assert ([row.balance_mg for row in today.rows], today.drawn_mg) == ([Decimal("300.0")], Decimal("100.0"))
    assert read_inventory(place, DAY + timedelta(days=1)).totals == [("Ketamine", Decimal("500.0"))]


def test_the_demo_shelf_stands_with_four_lots_each_counted() -> None:
    day: Day = make_day()
    witness = make_user(*(), username="w")
    witness.roles = ["nurse"]
    witness.save()
    shelf = stock_up(day.booking.location, day.nurse, witness, ten())
    assert DrugLot.objects.count() == 4
    balances = {one.lot_id: one.balance_mg for one in StockEntry.objects.filter(kind="counted")}
    assert balances[shelf.ten.pk] == Decimal("12000.0")
    assert not Discrepancy.objects.exists()
