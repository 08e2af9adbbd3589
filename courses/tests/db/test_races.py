"""The races of ``bench/races`` in small: two connections at the same instant, and the tables asked afterwards.

``python -m bench.races --rounds 10000`` runs the same 2,000 times each.
"""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection

from bench.invariants import INVARIANTS, broken
from bench.races.kinds import KINDS
from bench.races.pair import one_won
from bench.races.play import play
from clinic.models import Allocation
from clinic.services.bookings import TimeTakenError, book
from clinic.tests import bookings_kit
from clinic.tests.fixtures.parallel import Outcome

ROUNDS = 20


@pytest.mark.slow
@pytest.mark.xdist_group("parallel")
@pytest.mark.django_db(transaction=True)
def test_of_two_who_book_move_accept_sign_or_draw_at_once_one_wins_and_the_other_is_told() -> None:
    for kind, make in KINDS.items():
        played = play(make(), ROUNDS)
        assert (played.mistakes, played.rounds) == ((), ROUNDS), kind
    assert broken() == {}


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ([Outcome(value=1), Outcome(error=TimeTakenError([]))], "the loser was told nothing"),
        ([Outcome(value=1), Outcome(value=2)], "2 of 2 won"),
        ([Outcome(error=OperationalError("x")), Outcome(error=OperationalError("y"))], "0 of 2 won"),
        ([Outcome(value=1), Outcome(error=OperationalError("deadlock"))], "the loser saw OperationalError: deadlock"),
    ],
)
def test_a_race_is_wrong_when_both_won_or_none_or_the_loser_saw_an_error(outcomes: list[Outcome], said: str) -> None:
    assert one_won(outcomes, (TimeTakenError,)).startswith(said)


@pytest.mark.django_db
def test_an_overlap_that_no_constraint_stops_is_found_in_the_tables() -> None:
    clinic = bookings_kit.make_clinic()
    book([clinic.infusion()], by=clinic.desk, now=bookings_kit.NOW)
    assert broken() == {}
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what waits for the commit stands in the way of the next line
        cursor.execute("ALTER TABLE clinic_allocation DROP CONSTRAINT allocation_never_in_two_places")
    one = Allocation.objects.filter(resource=clinic.chairs[0]).get()
    one.pk = None
    one.save(force_insert=True)
    assert broken() == {next(iter(INVARIANTS)): 1}
