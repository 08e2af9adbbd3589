"""What a course adds up to: actual milligrams, by the weight of each day (clinical.md case 29, R8)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from courses.pure.doses_given import Given, Order, given_from, total_of

START = datetime(2027, 4, 5, 14, 0, tzinfo=UTC)
LATER = START + timedelta(hours=3)


def order(mg: str, kg: str | None) -> Order:
    return Order(Decimal(mg), Decimal(mg), Decimal(kg) if kg else None, 40)


def whole(mg: str, kg: str | None) -> Given:
    return given_from(order(mg, kg), [("start", START), ("end", START + timedelta(minutes=40))], now=LATER)


def test_a_series_of_six_adds_up_to_271_mg_and_3_3_mg_per_kg() -> None:
    doses = [whole("41.2", "82.4")] * 3 + [whole("49.4", "82.4")] * 2 + [whole("48.6", "81.0")]
    assert [str(one.delivered_mg) for one in doses] == ["41.2", "41.2", "41.2", "49.4", "49.4", "48.6"]
    total = total_of(doses)
    assert total is not None
    assert (total.mg, total.mg_per_kg, total.infusions) == (Decimal("271.0"), Decimal("3.3"), 6)


def test_stopped_at_half_time_only_half_counts() -> None:
    taps = [("start", START), ("stop", START + timedelta(minutes=20))]
    given = given_from(order("41.2", "82.4"), taps, now=LATER)
    assert (given.delivered_mg, given.stopped_early, given.differs) == (Decimal("20.6"), True, True)
    assert given.said == "20.6 of 41.2 mg, stopped early"
    total = total_of([given])
    assert total is not None
    assert (total.mg, total.mg_per_kg) == (Decimal("20.6"), Decimal("0.3"))  # 20.6 / 82.4 = 0.25, half-up


def test_without_a_weight_there_is_no_dose_by_weight() -> None:
    total = total_of([whole("41.2", "82.4"), whole("84.0", None)])
    assert total is not None
    assert (total.mg, total.mg_per_kg) == (Decimal("125.2"), None)


def test_one_that_goes_on_says_so_and_nothing_at_all_has_no_total() -> None:
    given = given_from(order("41.2", "82.4"), [("start", START)], now=START + timedelta(minutes=20))
    assert given.is_going_on
    assert not whole("41.2", "82.4").is_going_on
    assert total_of([]) is None


def test_devices_count_twenty_eight_milligrams_each() -> None:
    taps = [("start", START), ("device", START), ("device", START + timedelta(minutes=5))]
    ended = [*taps, ("end", START + timedelta(minutes=6))]
    given = given_from(order("56", None), ended, now=LATER)
    assert (given.delivered_mg, given.is_going_on) == (Decimal("56.0"), False)
