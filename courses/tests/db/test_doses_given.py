"""What was given at each infusion of a course, read with the infusions: case 29 exactly."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from clinic.models import BookingStatus
from clinic.services import bookings
from clinic.tests.fixtures.ledger import Queries
from courses.models import InfusionVisit
from courses.pure.doses_given import total_of
from courses.services.doses_given import doses_of
from courses.services.infusion_record import changing
from courses.services.visits import step_visit
from courses.tests.day_kit import Day, in_chair, infusing, put_order, put_tap, ten

pytestmark = pytest.mark.django_db
LATER = ten(60 * 24 * 30)
CASE_29 = (
    (("41.2", "82.4", "0.5", "4.12"),) * 3 + (("49.4", "82.4", "0.6", "4.94"),) * 2 + (("48.6", "81.0", "0.6", "4.86"),)
)


def give(day: Day, order: tuple[str, str, str, str]) -> None:
    mg, kg, amount, ml = order
    start = day.booking.start
    fields: dict[str, Any] = {
        "dose_mg": Decimal(mg),
        "contains_mg": Decimal(mg),
        "volume_ml": Decimal(ml),
        "weight_kg": Decimal(kg),
        "amount": Decimal(amount),
    }
    put_tap(day, "start", start, order=put_order(day, start - timedelta(minutes=3), **fields))
    put_tap(day, "end", start + timedelta(minutes=40))


def test_the_series_of_case_29_adds_up_to_271_mg(queries: Queries) -> None:
    first = in_chair()
    for number, order in enumerate(CASE_29, 1):
        visit = InfusionVisit.objects.get(infusion__phase__course=first.course, infusion__number=number)
        booking = visit.booking
        if number > 1:
            for minutes, step in ((-10, BookingStatus.ARRIVED), (-5, BookingStatus.IN_CHAIR)):
                when = booking.start + timedelta(minutes=minutes)
                booking = step_visit(booking_id=booking.pk, to=step, by=first.nurse, now=when)
        give(Day(first.clinic, first.patient, first.course, booking), order)
    with queries("doses of a course", at_most=1):
        doses = doses_of(first.course, LATER)
    assert [str(one.delivered_mg) for one in doses.values()] == ["41.2", "41.2", "41.2", "49.4", "49.4", "48.6"]
    total = total_of(doses.values())
    assert total is not None
    assert (total.mg, total.mg_per_kg, total.infusions) == (Decimal("271.0"), Decimal("3.3"), 6)


def test_an_infusion_that_was_stopped_counts_what_went_in() -> None:
    day = infusing()
    put_tap(day, "stop", ten(10), reason="Anxious")
    (given,) = doses_of(day.course, LATER).values()
    assert (given.ordered_mg, given.delivered_mg, given.stopped_early) == (Decimal("41.2"), Decimal("10.3"), True)
    assert given.booking_id == day.pk


def test_the_order_it_was_started_with_counts_not_a_later_one() -> None:
    day = infusing()
    put_order(day, ten(5), dose_mg=Decimal("49.4"), contains_mg=Decimal("49.4"), volume_ml=Decimal("4.94"))
    put_tap(day, "end", ten(40))
    (given,) = doses_of(day.course, LATER).values()
    assert given.delivered_mg == Decimal("41.2")


def test_taps_that_were_struck_and_visits_that_were_withheld_give_nothing() -> None:
    day = in_chair()
    put_order(day, ten(-5))
    bookings.release([day.pk], status=BookingStatus.WITHHELD, reason="166/98", by=day.nurse, now=ten())
    assert doses_of(day.course, LATER) == {}


def test_a_struck_start_gives_nothing() -> None:
    day = infusing()
    assert len(doses_of(day.course, LATER)) == 1
    with changing(day.pk, by=day.nurse, now=ten(2)) as record:
        record.run_events.update(struck_at=ten(2), struck_by=day.nurse, struck_reason="Wrong chair")
    assert doses_of(day.course, LATER) == {}
