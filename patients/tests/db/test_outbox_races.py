"""Several people at once at the outbox, on real connections: first the race without the lock, then that one wins."""

from __future__ import annotations

import time

import pytest
from django.db import transaction

from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.parallel import Parallel
from patients.models import Channel, IncomingMessage, Meaning, Message, MessageState, MessageStep
from patients.services.messages.answers import AnswerHandledError, handle_answer
from patients.services.messages.calls import CallOutcome, record_call
from patients.services.messages.sending import MessageRefusedError, hold_back
from patients.tests.factories import make_patient
from patients.tests.messages_kit import NOW, NUMBER, make_message

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
PEOPLE = 6


def to_call(clinic: Clinic) -> Message:
    return make_message(make_patient(), clinic.location, state=MessageState.TO_CALL, channel=Channel.PHONE)


def test_without_the_lock_two_who_call_both_believe_that_they_were_the_one(parallel: Parallel) -> None:
    """The race itself: both read “to call”, both write that they called."""
    clinic = make_clinic()
    row = to_call(clinic)

    def careless(_: int) -> bool:
        with transaction.atomic():
            mine = Message.objects.get(pk=row.pk)
            time.sleep(0.2)  # both have read before either writes
            if mine.state != MessageState.TO_CALL:
                return False
            Message.objects.filter(pk=row.pk).update(state=MessageState.CALLED, state_at=NOW)
            MessageStep.objects.create(message=row, at=NOW, state=MessageState.CALLED, text="Called.", by=clinic.desk)
            return True

    assert [outcome.value for outcome in parallel(2, careless)] == [True, True]
    assert row.steps.count() == 2


def test_of_many_who_say_how_the_same_call_went_one_is_written_and_the_others_are_told(parallel: Parallel) -> None:
    clinic = make_clinic()
    row = to_call(clinic)
    outcomes = parallel(PEOPLE, lambda _: record_call(row, outcome=CallOutcome.REACHED, by=clinic.desk, now=NOW))
    assert sum(outcome.error is None for outcome in outcomes) == 1
    assert {type(outcome.error) for outcome in outcomes if outcome.error} == {MessageRefusedError}
    assert row.steps.count() == 1


def test_a_call_and_holding_it_back_at_once_are_not_both_done(parallel: Parallel) -> None:
    clinic = make_clinic()
    row = to_call(clinic)

    def act(number: int) -> Message:
        if number % 2:
            return hold_back(row, reason="Told in person", by=clinic.nurse, now=NOW)
        return record_call(row, outcome=CallOutcome.VOICEMAIL, by=clinic.desk, now=NOW)

    assert sum(outcome.error is None for outcome in parallel(PEOPLE, act)) == 1
    row.refresh_from_db()
    assert [step.state for step in row.steps.all()] == [row.state]


def test_of_many_who_handle_the_same_answer_one_does_and_the_others_are_told_who(parallel: Parallel) -> None:
    clinic = make_clinic()
    row = IncomingMessage.objects.create(
        provider_id="SM1", from_number=NUMBER, to_number="", text="Later?", received_at=NOW, meaning=Meaning.OTHER
    )
    outcomes = parallel(PEOPLE, lambda number: handle_answer(row, note=f"By {number}", by=clinic.desk, now=NOW))
    errors = [outcome.error for outcome in outcomes if outcome.error]
    assert len(errors) == PEOPLE - 1
    assert all(isinstance(error, AnswerHandledError) and error.answer.handled_by == clinic.desk for error in errors)
