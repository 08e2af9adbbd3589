"""What a provider answers: refusals for now and for good, no answer, real text messages over HTTP, the rate."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from clinic.tests.factories import Clinic, make_clinic
from patients.adapters.providers import RefusedError, TryLaterError, UnknownOutcomeError
from patients.models import Message, MessageEvent, Patient
from patients.services.messages import delivering, kinds, sending
from patients.services.messages.kinds import Kind
from patients.services.messages.sending import (
    Sent,
    claim_due,
)
from patients.tests.messages_kit import (
    NOW,
    make_message,
    make_reachable,
    notice,
)
from patients.tests.providers_kit import ACCEPT_AND_BREAK, Fail, SmsStandIn, sms_provider, use_twilio
from patients.tests.sending_kit import Carrier, go, only

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def ada() -> Patient:
    return make_reachable("Ada")


@pytest.fixture
def carrier(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Carrier:
    settings.MESSAGES_PER_MINUTE = 1000
    one = Carrier()
    monkeypatch.setattr(sending, "provider_for", lambda _: one)
    return one


# --- the provider -----------------------------------------------------------------------------------------------------
def test_a_refusal_for_now_is_tried_again_after_1_5_20_and_60_minutes_and_then_fails(
    clinic: Clinic, ada: Patient, carrier: Carrier
) -> None:
    make_message(ada, clinic.location)
    moment, waits = NOW, []
    for _ in range(4):
        carrier.answers = [TryLaterError("The provider has trouble (500).")]
        assert go(moment) == Sent(put_off=1)
        waits.append((only().due_at - moment) // timedelta(minutes=1))
        moment = only().due_at
    assert waits == [1, 5, 20, 60]
    carrier.answers = [TryLaterError("The provider has trouble (500).")]
    assert go(moment) == Sent(failed=1)
    row = only()
    assert (row.state, row.attempts, row.error) == ("failed", 5, "The provider has trouble (500).")
    assert {asked["key"] for asked in carrier.asked} == {str(row.uid)}


def test_a_provider_that_asks_us_to_wait_is_waited_for(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    make_message(ada, clinic.location)
    carrier.answers = [TryLaterError("Too much to do.", after=timedelta(minutes=12))]
    go()
    assert only().due_at == NOW + timedelta(minutes=12)


def test_a_retry_that_would_come_too_late_fails_at_once(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    make_message(ada, clinic.location, useful_until=NOW + timedelta(seconds=50))
    carrier.answers = [TryLaterError("The provider cannot be reached.")]
    assert go() == Sent(failed=1)
    assert only().error == "It could not be sent while it was of use. The provider cannot be reached."


@pytest.mark.parametrize("error", [RefusedError("Not a mobile number."), UnknownOutcomeError("No answer.")])
def test_a_refusal_for_good_and_an_unknown_outcome_fail_at_once(
    clinic: Clinic, ada: Patient, carrier: Carrier, error: Exception
) -> None:
    make_message(ada, clinic.location)
    carrier.answers = [error]
    assert go() == Sent(failed=1)
    assert go(NOW + timedelta(hours=2)) == Sent()
    assert len(carrier.asked) == 1


def test_an_unknown_outcome_is_asked_again_where_the_key_makes_it_harmless(
    clinic: Clinic, ada: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Carrier(gives_idempotency=True)
    monkeypatch.setattr(sending, "provider_for", lambda _: one)
    make_message(ada, clinic.location)
    one.answers = [UnknownOutcomeError("No answer.")]
    assert go() == Sent(put_off=1)
    assert go(NOW + timedelta(minutes=1)) == Sent(sent=1)
    assert len({asked["key"] for asked in one.asked}) == 1


def test_an_error_that_nobody_expected_counts_as_unknown(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    make_message(ada, clinic.location)
    carrier.answers = [ZeroDivisionError("a bug")]
    assert go() == Sent(failed=1)
    assert only().error == "Sending ended with an error that is in the log."


def test_a_provider_that_is_away_is_not_asked_for_a_whole_batch(
    clinic: Clinic, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        make_message(make_reachable(f"P{number}", f"+1212555015{number}"), clinic.location)
    carrier.answers = [TryLaterError("The provider cannot be reached.")] * 9
    assert go() == Sent(put_off=9)
    assert len(carrier.asked) == delivering.GIVE_UP_AFTER
    assert sorted(Message.objects.values_list("attempts", flat=True)) == [0] * 4 + [1] * 5


def test_a_kind_that_fails_does_not_hold_up_the_others(
    clinic: Clinic, ada: Patient, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(kinds._kinds, MessageEvent.OFFER, Kind(event=MessageEvent.OFFER, still=f"{__name__}.broken"))
    rule = notice(clinic.location, MessageEvent.OFFER, sms="{clinic}: free. STOP")
    make_message(ada, clinic.location, rule=rule, event=MessageEvent.OFFER)
    make_message(ada, clinic.location)
    assert go() == Sent(sent=1, put_off=1)
    row = Message.objects.get(state="planned")
    assert (row.attempts, row.due_at) == (1, NOW + timedelta(minutes=1))


def broken(messages: Any, *, now: datetime) -> dict[int, str]:
    """A kind with a bug that also breaks its transaction."""
    del messages, now
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")
    return {}


# --- real text messages over HTTP -------------------------------------------------------------------------------------
@pytest.fixture
def twilio(settings: Any) -> Any:
    settings.MESSAGES_PER_MINUTE = 1000
    with sms_provider() as stand_in:
        use_twilio(settings, stand_in)
        yield stand_in


def test_each_message_is_at_the_provider_once_whatever_it_answers(clinic: Clinic, twilio: SmsStandIn) -> None:
    for number in range(5):
        make_message(make_reachable(f"P{number}", f"+1212555016{number}"), clinic.location)
    twilio.next(Fail(500), Fail(429, after=120), ACCEPT_AND_BREAK, Fail(400, code=21614))
    assert go() == Sent(sent=1, put_off=2, failed=2)
    assert go(NOW + timedelta(minutes=1)) == Sent(sent=1)
    assert go(NOW + timedelta(minutes=2)) == Sent(sent=1)
    assert twilio.duplicates() == {}
    assert len(twilio.accepted) == 4  # one of them broke off: it is on the list of failures
    assert set(Message.objects.filter(state="failed").values_list("error", flat=True)) == {
        "The provider did not answer; it may have accepted the message.",
        "The number cannot get text messages: it is not a mobile number.",
    }


# --- the rate ---------------------------------------------------------------------------------------------------------
def test_after_an_outage_no_more_leave_in_a_minute_than_allowed(
    clinic: Clinic, carrier: Carrier, settings: Any
) -> None:
    settings.MESSAGES_PER_MINUTE = 5
    for number in range(12):
        make_message(make_reachable(f"P{number:02}", f"+121255502{number:02}"), clinic.location)
    sent = [go(NOW + timedelta(seconds=second)).sent for second in (0, 20, 40, 60, 80, 120)]
    assert sent == [5, 0, 0, 5, 0, 2]


def test_what_was_granted_and_not_needed_is_given_back(
    clinic: Clinic, ada: Patient, carrier: Carrier, settings: Any
) -> None:
    settings.MESSAGES_PER_MINUTE = 2
    assert [len(claim_due(now=NOW)) for _ in range(3)] == [0, 0, 0]
    make_message(ada, clinic.location)
    assert go() == Sent(sent=1)
