"""A message belongs to one worker: many at once, one that was killed, and what people send by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.parallel import Parallel
from patients.adapters.providers import RefusedError
from patients.models import Message, MessageEvent, MessageState, Patient
from patients.services.messages import sending
from patients.services.messages.planning import sweep
from patients.services.messages.sending import (
    STALE_AFTER,
    MessageRefusedError,
    Sent,
    claim_due,
    hold_back,
    release_stale,
    retry,
    send_claimed,
    send_now,
)
from patients.tests.messages_kit import (
    DAY_BEFORE,
    NOW,
    NUMBER,
    VISIT,
    consultation,
    make_message,
    make_reachable,
    make_rule,
    notice,
    states,
)
from patients.tests.sending_kit import Carrier, due_visit, go, only

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


# --- many workers -----------------------------------------------------------------------------------------------------
def many(count: int) -> None:
    clinic = make_clinic()
    for number in range(count):
        make_message(make_reachable(f"P{number:02}", f"+121255503{number:02}"), clinic.location)


def test_without_the_claim_two_workers_send_the_same(parallel: Parallel, settings: Any) -> None:
    """The race that the claim is there for: everybody reads what is due and sends it."""
    settings.MESSAGES_PER_MINUTE = 1000
    many(12)

    def naive(_: int) -> list[int]:
        return list(Message.objects.due(NOW).values_list("pk", flat=True))

    outcomes = parallel(4, naive)
    assert sum(len(one.value) for one in outcomes) == 4 * 12


def test_with_it_any_number_of_workers_share_them(parallel: Parallel, settings: Any) -> None:
    settings.MESSAGES_PER_MINUTE = 1000
    many(40)

    def work(_: int) -> list[int]:
        mine: list[int] = []
        while some := claim_due(now=NOW, limit=3):
            mine += [one.pk for one in some]
        return mine

    outcomes = parallel(8, work)
    assert [one.error for one in outcomes] == [None] * 8
    claimed = [pk for one in outcomes for pk in one.value]
    assert sorted(claimed) == sorted(Message.objects.values_list("pk", flat=True))
    assert Message.objects.values("claim").distinct().count() == len(claimed) // 3 + 1


def test_workers_that_send_at_once_send_each_message_once(
    parallel: Parallel, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.MESSAGES_PER_MINUTE = 1000
    one = Carrier()
    monkeypatch.setattr(sending, "provider_for", lambda _: one)
    many(30)
    outcomes = parallel(6, lambda _: [send_claimed(claim_due(now=NOW, limit=4), now=NOW).sent for _ in range(4)])
    assert [one.error for one in outcomes] == [None] * 6
    assert states() == {"sent": 30}
    keys = [asked["key"] for asked in one.asked]
    assert len(keys) == len(set(keys)) == 30


def test_two_workers_with_a_message_each_to_one_person_send_only_one(
    parallel: Parallel, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """Both pass the check when nobody else's message is looked at; the lock on the person lets one look at a time."""
    settings.MESSAGES_PER_MINUTE = 1000
    one = Carrier()
    monkeypatch.setattr(sending, "provider_for", lambda _: one)
    clinic = make_clinic()
    rule = notice(clinic.location, MessageEvent.CONSULTATION_MISSED, sms="{clinic}: call us. STOP")
    people = [make_reachable(f"P{number}", f"+1212555017{number}") for number in range(8)]
    for _ in range(2):
        for person in people:
            make_message(person, clinic.location, rule=rule, event=MessageEvent.CONSULTATION_MISSED)
    halves = [list(Message.objects.order_by("pk").values_list("pk", flat=True))[at : at + 8] for at in (0, 8)]

    def work(number: int) -> Sent:
        claim = uuid4()
        Message.objects.filter(pk__in=halves[number]).update(state="sending", claim=claim, claimed_at=NOW)
        return send_claimed(sending._read(halves[number]), now=NOW)

    outcomes = parallel(2, work)
    assert [found.error for found in outcomes] == [None] * 2
    sent_to = [asked["to"] for asked in one.asked]
    assert sorted(sent_to) == sorted(person.phones.get().number.as_e164 for person in people)


# --- a worker that was killed -----------------------------------------------------------------------------------------
def held(clinic: Clinic, patient: Patient, **fields: Any) -> Message:
    return make_message(
        patient,
        clinic.location,
        **({"state": "sending", "claim": uuid4(), "claimed_at": NOW, "channel": "sms", "to": NUMBER} | fields),
    )


def test_what_a_killed_worker_held_is_due_again_after_some_minutes(
    clinic: Clinic, ada: Patient, carrier: Carrier
) -> None:
    held(clinic, ada)
    assert release_stale(now=NOW + STALE_AFTER - timedelta(seconds=1)) == 0
    assert release_stale(now=NOW + STALE_AFTER) == 1
    assert (only().state, only().error) == ("planned", "The worker stopped before it was sent.")
    assert go(NOW + STALE_AFTER) == Sent(sent=1)


def test_one_that_was_being_asked_for_goes_to_a_person_unless_its_key_makes_it_harmless(
    clinic: Clinic, ada: Patient, carrier: Carrier
) -> None:
    row = held(clinic, ada, attempted_at=NOW, provider="carrier")
    release_stale(now=NOW + STALE_AFTER)
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("failed", 1)
    assert row.error == "The worker was killed while the provider was asked: it may have gone out."
    carrier.gives_idempotency = True
    other = held(clinic, ada, attempted_at=NOW, provider="carrier")
    release_stale(now=NOW + STALE_AFTER)
    other.refresh_from_db()
    assert other.state == "planned"


def test_a_worker_that_was_taken_for_dead_writes_nothing_and_asks_nobody(
    clinic: Clinic, ada: Patient, carrier: Carrier
) -> None:
    make_message(ada, clinic.location)
    slow = claim_due(now=NOW)
    release_stale(now=NOW + STALE_AFTER)
    assert go(NOW + STALE_AFTER) == Sent(sent=1)
    send_claimed(slow, now=NOW + STALE_AFTER)
    assert len(carrier.asked) == 1
    assert (only().state, only().sent_at) == ("sent", NOW + STALE_AFTER)


# --- by hand ----------------------------------------------------------------------------------------------------------
def test_a_failed_message_is_sent_again_by_hand(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    row = make_message(ada, clinic.location)
    carrier.answers = [RefusedError("The provider refused it (400).")]
    go()
    late = NOW + timedelta(hours=5)
    retry(row, by=clinic.desk, now=late)
    assert go(late) == Sent(sent=1)
    assert [(step.text, step.by) for step in row.steps.all()][-2] == ("Tried again.", clinic.desk)


def test_one_that_was_skipped_for_the_day_is_sent_when_somebody_wants_it(
    clinic: Clinic, ada: Patient, carrier: Carrier
) -> None:
    make_rule(clinic.location)
    consultation(clinic, ada)
    consultation(clinic, ada, VISIT + timedelta(hours=2))
    sweep(now=NOW)
    go(DAY_BEFORE)
    retry(Message.objects.get(state="skipped"), by=clinic.desk, now=DAY_BEFORE)
    sweep(now=DAY_BEFORE)
    assert go(DAY_BEFORE) == Sent(sent=1)


def test_one_that_went_out_is_not_tried_again(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    row = make_message(ada, clinic.location)
    go()
    with pytest.raises(MessageRefusedError, match="Sent"):
        retry(row, by=clinic.desk, now=NOW)
    with pytest.raises(MessageRefusedError, match="Sent"):
        hold_back(row, reason="", by=clinic.desk, now=NOW)


def test_one_that_is_held_back_stays_so(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    due_visit(clinic, ada)
    hold_back(only(), reason="She knows", by=clinic.desk, now=NOW)
    sweep(now=NOW)
    assert go(DAY_BEFORE) == Sent()
    assert (only().state, only().error) == ("skipped", "Held back: She knows")


def test_a_planned_one_is_sent_now(clinic: Clinic, ada: Patient, carrier: Carrier) -> None:
    due_visit(clinic, ada)
    send_now(only(), by=clinic.desk, now=NOW)
    assert go() == Sent(sent=1)
    assert MessageState(only().state) == MessageState.SENT
