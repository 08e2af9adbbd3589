"""What the database itself refuses of the ketamine log, written past every service (invariant 9 of design.md).

Each refusal is followed by the same write done right, so that a test fails when the database refuses for another reason.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from clinic.models import User
from courses.models import Discrepancy, DrugDraw, DrugLot, StockEntry
from courses.tests.day_kit import in_chair, infusing, ten
from courses.tests.stock_kit import Stocked, make_lot, stocked

pytestmark = pytest.mark.django_db
ZERO = Decimal("0.0")


def mg(text: str) -> Decimal:
    return Decimal(text)


def refused(write: Callable[[], Any], says: str = "pgtrigger") -> str:
    """The database refuses this, at once or when the transaction ends, in words with ``says``; returns its words."""
    with pytest.raises(DatabaseError, match=says) as refusal, transaction.atomic():
        write()
        check_now()
    return str(refusal.value)


def check_now() -> None:
    """What waits for the end of the transaction is asked now."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def line(made: Stocked, kind: str, amount: str, change: str, balance: str, **fields: Any) -> StockEntry:
    """The next line of the log as the fields say, past the service."""
    values = {"number": StockEntry.objects.filter(lot=made.lot).count() + 1, "at": ten(), "by": made.nurse} | fields
    return StockEntry.objects.create(
        lot=made.lot, kind=kind, amount_mg=mg(amount), change_mg=mg(change), balance_mg=mg(balance), **values
    )


def put_draw(made: Stocked, amount: str = "100.0") -> DrugDraw:
    """A draw and its line: 400.0 mg before it, and nothing accounted for."""
    drawn = DrugDraw.objects.create(
        record=made.day.record, lot=made.lot, drawn_mg=mg(amount), drawn_at=ten(), drawn_by=made.nurse
    )
    line(made, "drawn", amount, f"-{amount}", str(mg("400.0") - mg(amount)), draw=drawn)
    check_now()
    return drawn


def write_parts(made: Stocked, drawn: DrugDraw, parts: tuple[str, str, str], witness: User | None) -> None:
    """The draw is closed; the log says nothing of it yet."""
    given, wasted, returned = parts
    DrugDraw.objects.filter(pk=drawn.pk).update(
        given_mg=mg(given),
        wasted_mg=mg(wasted),
        returned_mg=mg(returned),
        closed_at=ten(50),
        closed_by=made.nurse,
        witness=witness,
    )


def close(made: Stocked, drawn: DrugDraw, parts: tuple[str, str, str], witness: User | None) -> None:
    """The same, with its lines."""
    write_parts(made, drawn, parts, witness)
    balance = StockEntry.objects.filter(lot=made.lot).order_by("-number")[0].balance_mg
    for kind, part in zip(("given", "wasted", "returned"), parts, strict=True):
        if mg(part):
            change = part if kind == "returned" else "0.0"
            balance += mg(change)
            line(made, kind, part, change, str(balance), draw=drawn, witness=witness if kind == "wasted" else None)


# -- drawn = given + wasted + returned ---------------------------------------------------------------------------------
def test_a_draw_that_does_not_add_up_is_refused_to_a_tenth() -> None:
    made = stocked(infusing())
    drawn = put_draw(made)
    for parts in (("41.2", "58.7", "0.0"), ("41.2", "58.8", "0.1"), ("-1.2", "101.2", "0.0")):
        assert refused(lambda parts=parts: close(made, drawn, parts, made.witness), "drugdraw_adds_up")
    close(made, drawn, ("41.2", "58.8", "0.0"), made.witness)


def test_a_draw_is_closed_whole_or_not_at_all() -> None:
    made = stocked(infusing())
    drawn = put_draw(made)
    assert refused(lambda: DrugDraw.objects.filter(pk=drawn.pk).update(given_mg=mg("41.2")), "drugdraw_adds_up")
    assert refused(lambda: DrugDraw.objects.filter(pk=drawn.pk).update(closed_at=ten()), "drugdraw_adds_up")


def test_waste_without_a_witness_or_with_oneself_is_refused() -> None:
    made = stocked(infusing())
    drawn = put_draw(made)
    for witness in (None, made.nurse):
        assert refused(
            lambda witness=witness: close(made, drawn, ("41.2", "58.8", "0.0"), witness), "waste_is_witnessed"
        )
    close(made, drawn, ("41.2", "58.8", "0.0"), made.witness)


def test_without_waste_nobody_has_to_watch() -> None:
    made = stocked(infusing())
    drawn = put_draw(made, "41.2")
    close(made, drawn, ("41.2", "0.0", "0.0"), None)
    drawn.refresh_from_db()
    assert (drawn.given_mg, drawn.wasted_mg, drawn.witness) == (mg("41.2"), mg("0.0"), None)
    assert drawn.closed_at is not None


def test_a_closed_draw_stays_as_it_is_and_none_is_deleted() -> None:
    made = stocked(infusing())
    drawn = put_draw(made)
    assert refused(lambda: sql("DELETE FROM courses_drugdraw WHERE id = %s", drawn.pk))
    close(made, drawn, ("41.2", "58.8", "0.0"), made.witness)
    assert refused(lambda: close(made, drawn, ("58.8", "41.2", "0.0"), made.witness), "pgtrigger")
    assert refused(lambda: DrugDraw.objects.filter(pk=drawn.pk).update(closed_at=None), "pgtrigger")


def test_nothing_and_less_cannot_be_drawn() -> None:
    made = stocked(infusing())
    for amount in ("0.0", "-1.0"):
        assert refused(
            lambda amount=amount: DrugDraw.objects.create(
                record=made.day.record, lot=made.lot, drawn_mg=mg(amount), drawn_at=ten(), drawn_by=made.nurse
            ),
            "drugdraw_positive",
        )


def test_the_lines_of_a_draw_say_the_same_as_the_draw() -> None:
    made = stocked(infusing())
    drawn = put_draw(made)
    assert refused(lambda: line(made, "drawn", "1.0", "-1.0", "299.0", draw=drawn), "must say the same")
    assert refused(lambda: line(made, "given", "41.2", "0.0", "300.0", draw=drawn), "must say the same")

    def account(given_line: str) -> None:
        write_parts(made, drawn, ("41.2", "58.8", "0.0"), made.witness)
        line(made, "given", given_line, "0.0", "300.0", draw=drawn)
        line(made, "wasted", "58.8", "0.0", "300.0", draw=drawn, witness=made.witness)

    assert refused(lambda: account("41.1"), "must say the same")
    account("41.2")
    check_now()


# -- the running balance -----------------------------------------------------------------------------------------------
def test_a_line_that_breaks_the_running_balance_is_refused() -> None:
    made = stocked(in_chair())
    assert refused(lambda: line(made, "received", "200.0", "200.0", "599.9"), "running balance")
    assert refused(lambda: line(made, "received", "200.0", "200.0", "600.0", number=3), "running balance")
    assert refused(lambda: line(made, "received", "200.0", "200.0", "600.0", number=1), "running balance")
    line(made, "received", "200.0", "200.0", "600.0")


def test_the_first_line_of_a_log_begins_at_nothing() -> None:
    made = stocked(in_chair(), units=0)
    assert refused(lambda: line(made, "received", "200.0", "200.0", "300.0"), "running balance")
    line(made, "received", "200.0", "200.0", "200.0")


def test_no_shelf_holds_less_than_nothing() -> None:
    made = stocked(in_chair())
    known = {"reason": "Expired", "witness": made.witness}
    assert refused(lambda: line(made, "destroyed", "400.1", "-400.1", "-0.1", **known), "never_below_zero")
    line(made, "destroyed", "400.0", "-400.0", "0.0", **known)


def test_each_kind_changes_the_balance_as_it_must() -> None:
    made = stocked(infusing())
    drawn = put_draw(made)
    wrong: tuple[tuple[str, str, str, str, dict[str, Any]], ...] = (
        ("received", "100.0", "0.0", "300.0", {}),
        ("received", "100.0", "-100.0", "200.0", {}),
        ("drawn", "100.0", "0.0", "300.0", {"draw": drawn}),
        ("given", "41.2", "-41.2", "258.8", {"draw": drawn}),
        ("wasted", "58.8", "-58.8", "241.2", {"draw": drawn, "witness": made.witness}),
        ("returned", "100.0", "0.0", "300.0", {"draw": drawn}),
        ("counted", "290.0", "-10.0", "290.0", {}),
        ("destroyed", "100.0", "0.0", "300.0", {"reason": "Expired", "witness": made.witness}),
        ("corrected", "10.0", "-5.0", "295.0", {"reason": "Broke", "witness": made.witness}),
    )
    for kind, amount, change, balance, fields in wrong:
        assert refused(
            lambda kind=kind, amount=amount, change=change, balance=balance, fields=fields: line(
                made, kind, amount, change, balance, **fields
            ),
            "changes_as_its_kind_says",
        )
    line(made, "counted", "300.0", "0.0", "300.0")


def test_what_was_drawn_or_given_belongs_to_an_infusion_and_nothing_else_does() -> None:
    made = stocked(infusing())
    assert refused(lambda: line(made, "drawn", "100.0", "-100.0", "300.0"), "belong_to_an_infusion")
    drawn = put_draw(made)
    assert refused(lambda: line(made, "received", "200.0", "200.0", "500.0", draw=drawn), "belong_to_an_infusion")


# -- two people --------------------------------------------------------------------------------------------------------
def test_what_needs_two_people_is_refused_with_one() -> None:
    made = stocked(in_chair())
    for witness in (None, made.nurse):
        for kind in ("destroyed", "corrected"):
            assert refused(
                lambda witness=witness, kind=kind: line(
                    made, kind, "100.0", "-100.0", "300.0", reason="Why", witness=witness
                ),
                "stockentry_two_people",
            )
    line(made, "destroyed", "100.0", "-100.0", "300.0", reason="Why", witness=made.witness)


def test_a_line_of_waste_is_refused_without_a_second_person() -> None:
    made = stocked(infusing())
    drawn = put_draw(made)
    for witness in (None, made.nurse):
        assert refused(
            lambda witness=witness: line(made, "wasted", "58.8", "0.0", "300.0", draw=drawn, witness=witness),
            "stockentry_two_people",
        )


def test_destruction_and_correction_say_why() -> None:
    made = stocked(in_chair())
    for kind in ("destroyed", "corrected"):
        assert refused(
            lambda kind=kind: line(made, kind, "1.0", "-1.0", "399.0", witness=made.witness), "stockentry_says_why"
        )


def put_discrepancy(made: Stocked) -> Discrepancy:
    entry = line(made, "counted", "300.0", "0.0", "400.0")
    return Discrepancy.objects.create(
        entry=entry,
        location=made.day.booking.location,
        expected_mg=mg("400.0"),
        counted_mg=mg("300.0"),
        opened_at=ten(),
    )


def test_a_discrepancy_is_settled_by_two_different_people_with_an_explanation() -> None:
    made = stocked(in_chair())
    found = Discrepancy.objects.filter(pk=put_discrepancy(made).pk)
    right: dict[str, Any] = {
        "explanation": "One vial broke",
        "first_by": made.nurse,
        "first_at": ten(),
        "settled_by": made.witness,
        "settled_at": ten(5),
    }
    for bad in (
        {"explanation": ""},
        {"first_by": None},
        {"settled_by": made.nurse},
        {"settled_by": None},
        {"settled_at": None},
    ):
        assert refused(lambda bad=bad: found.update(**(right | bad)), "settled_by_two")
    assert found.update(**right) == 1


def test_a_discrepancy_without_a_difference_is_none() -> None:
    made = stocked(in_chair())
    found = put_discrepancy(made)
    assert refused(
        lambda: Discrepancy.objects.filter(pk=found.pk).update(counted_mg=mg("400.0")), "discrepancy_differs"
    )


# -- append-only -------------------------------------------------------------------------------------------------------
def test_no_line_is_changed_or_deleted_not_even_by_sql() -> None:
    made = stocked(in_chair())
    (entry,) = made.entries
    assert refused(lambda: StockEntry.objects.filter(pk=entry.pk).update(reason="Another"), "pgtrigger")
    assert refused(lambda: StockEntry.objects.filter(pk=entry.pk).delete(), "pgtrigger")
    assert refused(lambda: sql("UPDATE courses_stockentry SET amount_mg = 1 WHERE id = %s", entry.pk), "pgtrigger")
    assert refused(lambda: sql("DELETE FROM courses_stockentry WHERE id = %s", entry.pk), "pgtrigger")
    assert made.entries == [entry]


def sql(statement: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def test_a_lot_with_a_log_cannot_be_deleted() -> None:
    made = stocked(in_chair())
    with pytest.raises(IntegrityError), transaction.atomic():
        sql("DELETE FROM courses_druglot WHERE id = %s", made.lot.pk)
        check_now()


def test_vials_have_a_concentration_and_devices_have_none() -> None:
    made = stocked(in_chair())
    lot = DrugLot.objects.filter(pk=made.lot.pk)
    for bad in ({"form": "device"}, {"concentration_mg_per_ml": mg("200.1")}, {"concentration_mg_per_ml": ZERO}):
        assert refused(lambda bad=bad: lot.update(**bad), "vials_have_a_concentration")
    assert refused(lambda: lot.update(content_mg=ZERO), "contains_something")
    assert lot.update(concentration_mg_per_ml=mg("100.0")) == 1


# -- what a check would let pass, because a comparison with nothing is neither true nor false --------------------------


def test_a_vial_without_any_concentration_is_refused() -> None:
    made = stocked(in_chair())
    assert refused(lambda: DrugLot.objects.filter(pk=made.lot.pk).update(concentration_mg_per_ml=None), "concentration")


def test_a_draw_closed_without_its_parts_is_refused() -> None:
    made = stocked(infusing())
    drawn = DrugDraw.objects.filter(pk=put_draw(made).pk)
    assert refused(lambda: drawn.update(closed_at=ten(50), closed_by=made.nurse), "drugdraw_adds_up")


def test_a_draw_without_a_line_in_the_log_is_refused() -> None:
    made = stocked(infusing())
    values = {"record": made.day.record, "lot": made.lot, "drawn_at": ten(), "drawn_by": made.nurse}
    assert refused(lambda: DrugDraw.objects.create(drawn_mg=mg("100.0"), **values), "must say the same")


def test_an_open_draw_that_no_longer_says_what_the_log_says_is_refused() -> None:
    made = stocked(infusing())
    drawn = DrugDraw.objects.filter(pk=put_draw(made).pk)
    assert refused(lambda: drawn.update(drawn_mg=mg("41.2")), "must say the same")


def test_a_draw_that_is_closed_without_lines_is_refused() -> None:
    made = stocked(infusing())
    drawn = put_draw(made)
    assert refused(lambda: write_parts(made, drawn, ("41.2", "58.8", "0.0"), made.witness), "must say the same")
    close(made, drawn, ("41.2", "58.8", "0.0"), made.witness)


def test_a_draw_in_the_log_of_another_lot_is_refused() -> None:
    made = stocked(infusing())
    other = Stocked(made.day, make_lot(made.day.booking.location, made.nurse), made.witness)

    def across() -> None:
        drawn = DrugDraw.objects.create(
            record=made.day.record, lot=made.lot, drawn_mg=mg("100.0"), drawn_at=ten(), drawn_by=made.nurse
        )
        line(other, "drawn", "100.0", "-100.0", "300.0", draw=drawn)

    assert refused(across)
