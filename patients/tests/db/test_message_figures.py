"""The outbox in numbers on the page of operation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from clinic.services.operation import Figures, Tone
from clinic.tests.factories import make_location
from patients.models import Channel, IncomingMessage, Meaning, Message, MessageEvent, MessageState
from patients.services.messages.figures import figures
from patients.tests.factories import make_patient

NOW = datetime(2027, 1, 11, 16, 0, tzinfo=UTC)


@pytest.fixture
def outbox(db: None):
    """`outbox(state, minutes=-3)` makes a message that was due three minutes ago."""
    location, patient = make_location(), make_patient()

    def one(state: MessageState = MessageState.PLANNED, *, minutes: int, **fields) -> Message:
        due = NOW + timedelta(minutes=minutes)
        values = {
            "key": f"test {uuid4()}",
            "event": MessageEvent.MANUAL,
            "due_at": due,
            "useful_until": due,
            "state": state,
            "state_at": due,
            "created_at": due,
            "patient": patient,
            "location": location,
        }
        if state == MessageState.SENDING:
            values |= {"claim": uuid4(), "claimed_at": due}
        if state in {MessageState.SENT, MessageState.DELIVERED}:
            values |= {"sent_at": due, "to": "+12125550123", "channel": Channel.SMS}
        return Message.objects.create(**values | fields)

    return one


def numbers(found: Figures) -> dict[str, object]:
    return {row.label: row.value for row in found.rows}


def test_an_empty_outbox_has_nothing_to_say(db: None) -> None:
    found = figures(now=NOW)
    assert set(numbers(found).values()) == {0, None}
    assert found.advice == ()


def test_each_number_counts_what_it_says(outbox) -> None:
    for minutes in (-3, -2, 5):
        outbox(minutes=minutes)
    outbox(MessageState.SENDING, minutes=-1)
    for state in (
        MessageState.SENT,
        MessageState.DELIVERED,
        MessageState.FAILED,
        MessageState.TO_CALL,
        MessageState.SKIPPED,
    ):
        outbox(state, minutes=-60)
        outbox(state, minutes=-60 * 24 * 8)
    IncomingMessage.objects.create(
        provider_id="SM1", from_number="+1", to_number="+2", text="?", received_at=NOW, meaning=Meaning.OTHER
    )
    assert numbers(figures(now=NOW)) == {
        "Due now": 2,
        "Oldest of these, due since": NOW - timedelta(minutes=3),
        "Being sent": 1,
        "Sent in the last 7 days": 2,
        "Failed in the last 7 days": 1,
        "To call in the last 7 days": 1,
        "Answers that wait for a person": 1,
    }


@pytest.mark.parametrize(
    ("state", "minutes", "words"),
    [
        (MessageState.PLANNED, 16, "Messages wait longer"),
        (MessageState.SENDING, 21, "held by a worker"),
        (MessageState.FAILED, 10, "1 message failed"),
    ],
)
def test_what_is_not_as_it_should_be_says_what_to_do(outbox, state: MessageState, minutes: int, words: str) -> None:
    outbox(state, minutes=-minutes)
    [advice] = figures(now=NOW).advice
    assert (advice.tone, words in advice.title) == (Tone.WARN, True)


@pytest.mark.parametrize(("state", "minutes"), [(MessageState.PLANNED, 14), (MessageState.SENDING, 19)])
def test_what_takes_a_while_is_no_trouble_yet(outbox, state: MessageState, minutes: int) -> None:
    outbox(state, minutes=-minutes)
    assert figures(now=NOW).advice == ()


def test_the_numbers_cost_four_queries(outbox, django_assert_num_queries) -> None:
    for minutes in range(1, 20):
        outbox(minutes=-minutes)
    with django_assert_num_queries(4):
        found = figures(now=NOW)
    assert numbers(found)["Due now"] == 19
