"""A provider was away for hours: what it never took waits on the list of failures, and goes out once when it is back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from clinic.tests.factories import Clinic, make_clinic
from patients.adapters.providers import RefusedError, TryLaterError, UnknownOutcomeError
from patients.models import Message
from patients.services.messages import sending
from patients.services.messages.returning import probe, take_up
from patients.services.messages.sending import claim_due, retry, send_claimed
from patients.tests.messages_kit import NOW, make_message, make_reachable, states
from patients.tests.sending_kit import Carrier, go

pytestmark = pytest.mark.django_db
AWAY = "The provider cannot be reached."


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def carrier(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Carrier:
    settings.MESSAGES_PER_MINUTE = 1000
    one = Carrier()
    monkeypatch.setattr(sending, "provider_for", lambda _: one)
    return one


def failed_for_long(clinic: Clinic, carrier: Carrier, number: int = 1, **fields: Any) -> Message:
    """A message that was tried until nothing more was tried."""
    made = make_message(make_reachable(f"P{number}", f"+1212555016{number}"), clinic.location, **fields)
    for _ in range(5):
        made.refresh_from_db()
        carrier.answers = [TryLaterError(AWAY)]
        go(made.due_at)
    made.refresh_from_db()
    assert (made.state, made.error) == ("failed", AWAY)
    return made


def send_another(clinic: Clinic, now: Any, number: int = 9) -> int:
    """A new message is due, and the worker's batch goes on as its task does; returns how many were taken up."""
    make_message(
        make_reachable(f"P{number}", f"+1212555016{number}"),
        clinic.location,
        due_at=now,
        useful_until=now + timedelta(hours=2),
    )
    claimed = claim_due(now=now)
    send_claimed(claimed, now=now)
    return take_up(claimed, now=now)


def test_it_goes_out_once_after_the_first_new_one_left(clinic: Clinic, carrier: Carrier) -> None:
    made = failed_for_long(clinic, carrier)
    later = NOW + timedelta(hours=4)
    asked = len(carrier.asked)
    assert send_another(clinic, later) == 1
    assert go(later).sent == 1
    assert go(later + timedelta(hours=1)).sent == 0
    assert len(carrier.asked) == asked + 2
    made.refresh_from_db()
    assert (made.state, made.sent_at) == ("sent", later)
    assert "The provider takes messages again." in [step.text for step in made.steps.all()]


def test_while_it_is_still_away_nothing_is_taken_up(clinic: Clinic, carrier: Carrier) -> None:
    failed_for_long(clinic, carrier)
    carrier.answers = [TryLaterError(AWAY)]
    assert send_another(clinic, NOW + timedelta(hours=4)) == 0
    assert states() == {"failed": 1, "planned": 1}


def test_what_is_of_no_use_any_more_stays_on_the_list(clinic: Clinic, carrier: Carrier) -> None:
    made = failed_for_long(clinic, carrier)
    assert send_another(clinic, made.useful_until) == 0
    made.refresh_from_db()
    assert made.state == "failed"


@pytest.mark.parametrize("error", [RefusedError("Not a mobile number."), UnknownOutcomeError("No answer.")])
def test_what_was_refused_or_may_have_gone_out_is_never_taken_up(
    clinic: Clinic, carrier: Carrier, error: Exception
) -> None:
    make_message(make_reachable(), clinic.location)
    carrier.answers = [error]
    assert go().failed == 1
    assert send_another(clinic, NOW + timedelta(hours=4)) == 0
    assert states() == {"failed": 1, "sent": 1}


def test_nor_is_one_that_may_have_gone_out_when_somebody_tried_it_again(clinic: Clinic, carrier: Carrier) -> None:
    made = failed_for_long(clinic, carrier)
    later = NOW + timedelta(hours=4)
    retry(made, by=clinic.desk, now=later)
    carrier.answers = [UnknownOutcomeError("No answer.")]
    assert go(later).failed == 1
    assert send_another(clinic, later) == 0
    made.refresh_from_db()
    assert (made.state, made.error) == ("failed", "No answer.")


def test_without_a_new_message_one_of_the_old_is_tried_every_quarter_of_an_hour(
    clinic: Clinic, carrier: Carrier
) -> None:
    first, second = failed_for_long(clinic, carrier), failed_for_long(clinic, carrier, 2)
    later = NOW + timedelta(hours=2)
    assert probe(now=later) == 1
    carrier.answers = [TryLaterError(AWAY)]
    assert go(later).failed == 1  # on the list again at once, not after another hour and a half
    assert probe(now=later + timedelta(minutes=14)) == 0
    later += timedelta(minutes=15)
    assert probe(now=later) == 1
    claimed = claim_due(now=later)
    assert send_claimed(claimed, now=later).sent == 1
    assert take_up(claimed, now=later) == 1
    assert go(later).sent == 1
    for one in (first, second):
        one.refresh_from_db()
        assert one.state == "sent"


def test_what_may_have_gone_out_is_no_probe(clinic: Clinic, carrier: Carrier) -> None:
    make_message(make_reachable(), clinic.location)
    carrier.answers = [UnknownOutcomeError("No answer.")]
    assert go().failed == 1
    assert probe(now=NOW + timedelta(hours=4)) == 0
