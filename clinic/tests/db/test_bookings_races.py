"""Real connections at the same instant: first the race without the guard, then that it cannot happen.

Every test commits, in threads of its own. Reading the calendar before writing is not enough, as the first two tests show:
between the reading and the writing somebody else has read the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from django.db import OperationalError, connection, connections, transaction

from clinic.models import Allocation, AllocationRole, Booking, BookingStatus
from clinic.models.bookings import ATTENTION_LANE
from clinic.services import bookings
from clinic.services.bookings import (
    BookingRefusedError,
    Move,
    StaleBookingError,
    StepRefusedError,
    TimeTakenError,
    Wanted,
    advance,
    book,
    rebook,
    release,
)
from clinic.tests.bookings_kit import NOW, THURSDAY_AT_TEN, Clinic, make_clinic

if TYPE_CHECKING:
    from clinic.tests.fixtures.parallel import Outcome, Parallel

WRITERS = 50
DAY, QUARTER = timedelta(days=1), timedelta(minutes=15)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def scratch() -> Iterator[str]:
    """A copy of the allocation table without its constraint."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE scratch_allocation (LIKE clinic_allocation INCLUDING IDENTITY)")
    yield "scratch_allocation"
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE scratch_allocation")


def look_then_take(table: str, after_looking: Callable[[], Any] = lambda: None) -> bool:
    """What careful code does that knows neither lock nor constraint. True when it believes to have the slot."""
    span = ("2027-01-07 15:00+00", "2027-01-07 17:00+00")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table} WHERE resource_id = 1 AND span && tstzrange(%s, %s)", span)  # noqa: S608
        if cursor.fetchone()[0]:
            return False
        after_looking()
        cursor.execute(
            f"INSERT INTO {table} (booking_id, resource_id, role, lane, span, released)"  # noqa: S608
            " VALUES (1, 1, 'station', 0, tstzrange(%s, %s), false)",
            span,
        )
        return True


def book_nth(requests: Sequence[Sequence[Wanted]], number: int) -> list[Booking]:
    return book(requests[number], by=None, now=NOW)


def errors(outcomes: list[Outcome]) -> list[Exception]:
    return [outcome.error for outcome in outcomes if outcome.error]


def test_without_a_guard_two_people_get_the_same_slot(scratch: str, parallel: Parallel) -> None:
    """Both look before either writes: the plain proof that reading first guards nothing."""
    both_looked = threading.Barrier(2)
    outcomes = parallel(2, lambda _: look_then_take(scratch, both_looked.wait))
    assert [outcome.value for outcome in outcomes] == [True, True]


def test_without_a_guard_a_crowd_overbooks_by_itself(scratch: str, parallel: Parallel) -> None:
    """No barrier inside: only fifty people who click at the same moment, in as many rounds as it takes (at most 20)."""
    for _ in range(20):
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE scratch_allocation")
        outcomes = parallel(WRITERS, lambda _: look_then_take(scratch))
        assert errors(outcomes) == []
        if sum(outcome.value for outcome in outcomes) > 1:
            return
    pytest.fail("the race did not show; this test then proves nothing about the guard")


def test_with_the_constraint_the_table_itself_refuses_the_second(clinic: Clinic, parallel: Parallel) -> None:
    """The same careful code on the real table, without the lock of the service."""
    booking = book([clinic.consultation()], by=clinic.desk, now=NOW)[0]
    chair = clinic.chairs[0]

    def insert(_: int) -> None:
        Allocation.objects.create(
            booking=booking, resource=chair, role=AllocationRole.STATION, span=(THURSDAY_AT_TEN, THURSDAY_AT_TEN + DAY)
        )

    outcomes = parallel(10, insert)
    assert len(errors(outcomes)) == 9
    assert Allocation.objects.filter(resource=chair).count() == 1


def test_fifty_writers_for_one_slot_and_exactly_one_gets_it(clinic: Clinic, parallel: Parallel) -> None:
    wanted = [clinic.infusion(patient=clinic.patient(number)) for number in range(WRITERS)]
    outcomes = parallel(WRITERS, lambda number: book([wanted[number]], by=clinic.desk, now=NOW))
    winners = [outcome.value[0] for outcome in outcomes if outcome.value]
    assert len(winners) == 1
    assert {type(error) for error in errors(outcomes)} == {TimeTakenError}
    clashes = [clash for error in errors(outcomes) if isinstance(error, TimeTakenError) for clash in error.clashes]
    assert {clash.booking_id for clash in clashes} == {winners[0].pk}
    assert all("Chair 1 is taken Thu 7 Jan 10:00–12:15 by an infusion." in str(error) for error in errors(outcomes))
    assert Booking.objects.count() == 1
    assert Allocation.objects.count() == 4


def test_fifty_writers_for_fifty_slots_of_one_chair_all_get_in(clinic: Clinic, parallel: Parallel) -> None:
    wanted = [
        clinic.infusion(THURSDAY_AT_TEN + number * DAY, patient=clinic.patient(number)) for number in range(WRITERS)
    ]
    outcomes = parallel(WRITERS, lambda number: book([wanted[number]], by=clinic.desk, now=NOW))
    assert errors(outcomes) == []
    assert Booking.objects.count() == WRITERS


def test_two_series_that_overlap_in_opposite_order_do_not_deadlock(clinic: Clinic, parallel: Parallel) -> None:
    """One wins wholly. The second asks for the same days from the last to the first, on the chairs in reverse."""
    days = [THURSDAY_AT_TEN + number * DAY for number in range(8)]
    chairs = [clinic.chairs[number % 4] for number in range(8)]
    for first in (0, 2, 4, 6, 8):
        mine, theirs = clinic.patient(first), clinic.patient(first + 1)
        series = [clinic.infusion(day, chair=chair, patient=mine) for day, chair in zip(days, chairs, strict=True)]
        other = [clinic.infusion(day, chair=chair, patient=theirs) for day, chair in zip(days, chairs, strict=True)]
        asked = (series, other[::-1])
        outcomes = parallel(2, partial(book_nth, asked))
        assert [type(error) for error in errors(outcomes)] == [TimeTakenError]
        assert Booking.objects.real().count() == 8
        assert Booking.objects.real().values("subject").distinct().count() == 1
        everything = list(Booking.objects.real().values_list("pk", flat=True))
        release(everything, status=BookingStatus.CANCELLED, reason="", by=clinic.desk, now=NOW)


def test_two_people_want_the_same_six_slots_and_one_has_all_of_them(clinic: Clinic, parallel: Parallel) -> None:
    for number in range(10):
        start = THURSDAY_AT_TEN + 10 * number * DAY
        asked = [
            [clinic.infusion(start + day * DAY, patient=clinic.patient(person)) for day in range(6)]
            for person in (0, 1)
        ]
        outcomes = parallel(2, partial(book_nth, asked))
        assert len(errors(outcomes)) == 1
        [won] = [outcome.value for outcome in outcomes if outcome.value]
        assert len(won) == 6
        assert Booking.objects.count() == 6 * (number + 1)


def test_a_nurse_with_three_chairs_gets_three_of_four(clinic: Clinic, parallel: Parallel) -> None:
    """Starts a quarter of an hour apart, so that only the number of patients is in the way."""
    wanted = [
        clinic.infusion(THURSDAY_AT_TEN + n * QUARTER, chair=clinic.chairs[n], patient=clinic.patient(n))
        for n in range(4)
    ]
    outcomes = parallel(4, lambda number: book([wanted[number]], by=clinic.desk, now=NOW))
    [refused] = errors(outcomes)
    assert isinstance(refused, TimeTakenError)
    assert "Rosa Diaz already watches 3 patients at that time" in str(refused)
    assert set(refused.clashes[0].booking_ids) == set(Booking.objects.values_list("pk", flat=True))
    lanes = Allocation.objects.filter(role=AllocationRole.NURSE).values_list("lane", flat=True)
    assert sorted(lanes) == [0, 1, 2]


def test_full_attention_goes_to_one_of_three_who_start_together(clinic: Clinic, parallel: Parallel) -> None:
    wanted = [clinic.infusion(chair=clinic.chairs[number], patient=clinic.patient(number)) for number in range(3)]
    outcomes = parallel(3, lambda number: book([wanted[number]], by=clinic.desk, now=NOW))
    assert len(errors(outcomes)) == 2
    assert all("Rosa Diaz is needed by another patient" in str(error) for error in errors(outcomes))
    assert Allocation.objects.filter(lane=ATTENTION_LANE).count() == 1


def test_moves_race_a_new_booking_for_one_slot(clinic: Clinic, parallel: Parallel) -> None:
    """Ten visits want to move to Thursday at ten, ten new ones want to be booked there."""
    people = [clinic.patient(number) for number in range(20)]
    elsewhere = [THURSDAY_AT_TEN + (number + 1) * DAY for number in range(10)]
    booked = book(
        [clinic.infusion(start, patient=people[number]) for number, start in enumerate(elsewhere)],
        by=clinic.desk,
        now=NOW,
    )
    target = [clinic.infusion(patient=one) for one in people]

    def try_it(number: int) -> list[Booking]:
        if number < 10:
            return rebook([Move(booked[number].pk, target[number], 1)], by=clinic.desk, now=NOW)
        return book([target[number]], by=clinic.desk, now=NOW)

    outcomes = parallel(20, try_it)
    assert len(errors(outcomes)) == 19
    assert {type(error) for error in errors(outcomes)} == {TimeTakenError}
    assert Booking.objects.overlapping(THURSDAY_AT_TEN, THURSDAY_AT_TEN + DAY / 2).count() == 1


def test_two_moves_of_one_visit_and_the_second_is_told(clinic: Clinic, parallel: Parallel) -> None:
    [booking] = book([clinic.infusion()], by=clinic.desk, now=NOW)
    targets = [clinic.infusion(THURSDAY_AT_TEN + (number + 1) * DAY) for number in range(2)]
    outcomes = parallel(
        2, lambda number: rebook([Move(booking.pk, targets[number], expected_version=1)], by=clinic.desk, now=NOW)
    )
    assert [type(error) for error in errors(outcomes)] == [StaleBookingError]
    assert Allocation.objects.count() == 4


def test_visits_trade_places_while_others_trade_them_back(clinic: Clinic, parallel: Parallel) -> None:
    """The moved rows are locked in the order of their ids, whatever the order in the request."""
    starts = [THURSDAY_AT_TEN + number * DAY for number in range(4)]
    people = [clinic.patient(number) for number in range(4)]
    booked = book(
        [clinic.infusion(start, patient=one) for start, one in zip(starts, people, strict=True)],
        by=clinic.desk,
        now=NOW,
    )
    turns = [[1, 2, 3, 0], [3, 0, 1, 2]]

    def turn(number: int) -> list[Booking]:
        moves = [Move(booked[k].pk, clinic.infusion(starts[turns[number % 2][k]], patient=people[k])) for k in range(4)]
        return rebook(moves if number % 2 else moves[::-1], by=clinic.desk, now=NOW)

    outcomes = parallel(10, turn)
    assert errors(outcomes) == []
    assert sorted(one.start for one in Booking.objects.all()) == starts
    assert {one.version for one in Booking.objects.all()} == {11}


def test_ten_click_arrived_and_one_step_is_taken(clinic: Clinic, parallel: Parallel) -> None:
    [booking] = book([clinic.infusion()], by=clinic.desk, now=NOW)
    outcomes = parallel(10, lambda _: advance(booking.pk, to=BookingStatus.ARRIVED, by=clinic.desk, now=NOW))
    assert [type(error) for error in errors(outcomes)] == [StepRefusedError] * 9
    booking.refresh_from_db()
    assert booking.version == 2


class Stranger:
    """A connection that knows nothing of the service: a script, psql, a restored backup."""

    def __init__(self) -> None:
        settings = connections["default"].get_connection_params()
        known = {key: settings[key] for key in ("dbname", "user", "password", "host", "port") if settings.get(key)}
        self.connection = psycopg2.connect(**known)
        self.cursor = self.connection.cursor()

    def close(self) -> None:
        self.connection.close()

    def take(self, booking: Booking, resource_id: int) -> None:
        """The chair is taken on Thursday at ten, not committed yet and without any lock on the resource."""
        self.cursor.execute(
            "INSERT INTO clinic_allocation (booking_id, resource_id, role, lane, span, released)"
            " VALUES (%s, %s, 'station', 0, tstzrange(%s, %s), false)",
            [booking.pk, resource_id, THURSDAY_AT_TEN, THURSDAY_AT_TEN + QUARTER],
        )

    def wait_until_somebody_waits(self) -> None:
        for _ in range(500):
            # Who waits for this connection, and for nobody else: other databases of the server have locks of their own.
            self.cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
            )
            if self.cursor.fetchone()[0]:
                return
            time.sleep(0.01)
        raise TimeoutError("nobody came to wait for the stranger's row")


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    one = Stranger()
    yield one
    one.close()


def test_the_constraint_stops_what_came_past_the_lock_and_the_clash_is_named(
    clinic: Clinic, stranger: Stranger, parallel: Parallel
) -> None:
    """The stranger's row is invisible when the service looks, and committed while the service inserts."""
    [other] = book([clinic.consultation(patient=clinic.patient(1))], by=clinic.desk, now=NOW)
    wanted = clinic.infusion()
    stranger.take(other, clinic.chairs[0].pk)

    def work(number: int) -> Any:
        if number == 0:
            return book([wanted], by=clinic.desk, now=NOW)
        stranger.wait_until_somebody_waits()
        return stranger.connection.commit()

    outcomes = parallel(2, work)
    [error] = errors(outcomes)
    assert isinstance(error, TimeTakenError)
    assert str(error) == "Chair 1 is taken Thu 7 Jan 10:00–10:15 by a consultation."
    assert error.clashes[0].booking_id == other.pk
    assert Booking.objects.count() == 1


@pytest.mark.parametrize(("attempts", "booked"), [(1, 0), (bookings.ATTEMPTS, 2)])
def test_a_deadlock_with_a_stranger_is_tried_again(  # noqa: PLR0917
    clinic: Clinic, stranger: Stranger, parallel: Parallel, monkeypatch: pytest.MonkeyPatch, attempts: int, booked: int
) -> None:
    """The stranger locks chairs in the wrong order, and PostgreSQL throws the service out: once is once too few."""
    monkeypatch.setattr(bookings, "ATTEMPTS", attempts)
    low, high = clinic.chairs[0], clinic.chairs[1]
    wanted = [clinic.infusion(chair=low), clinic.infusion(THURSDAY_AT_TEN + DAY, chair=high)]
    lock = "SELECT 1 FROM clinic_resource WHERE id = %s FOR UPDATE"
    stranger.cursor.execute("SET deadlock_timeout = '10s'")  # so that it is the service that finds itself the victim
    stranger.cursor.execute(lock, [high.pk])

    def work(number: int) -> Any:
        if number == 0:
            return book(wanted, by=clinic.desk, now=NOW)
        stranger.wait_until_somebody_waits()
        stranger.cursor.execute(lock, [low.pk])
        return stranger.connection.commit()

    outcomes = parallel(2, work)
    assert [type(error) for error in errors(outcomes)] == ([] if booked else [OperationalError])
    assert Booking.objects.count() == booked


def test_inside_another_transaction_a_deadlock_goes_up(clinic: Clinic) -> None:
    """What that transaction did before is rolled back too, so repeating only this part would lose it."""
    calls = []

    class DeadlockError(Exception):
        pgcode = "40P01"

    def work() -> None:
        calls.append(1)
        raise OperationalError from DeadlockError()

    with pytest.raises(OperationalError), transaction.atomic():
        bookings._whole(work)
    assert len(calls) == 1
    with pytest.raises(OperationalError):
        bookings._whole(work)
    assert len(calls) == 1 + bookings.ATTEMPTS


def test_booking_within_another_transaction_is_undone_with_it(clinic: Clinic) -> None:
    with pytest.raises(BookingRefusedError), transaction.atomic():
        book([clinic.infusion()], by=clinic.desk, now=NOW)
        raise BookingRefusedError("something else went wrong")
    assert not Booking.objects.exists()
