"""A message that failed is a task at its location until the patient has it, or somebody called (issue 6, "Outbox")."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied

from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.parallel import Parallel
from courses.models import Task, TaskEnd, TaskKind
from courses.services.messages.failed import say_called, try_again
from courses.services.worklists.engine import TaskClosedError, end_task, sweep
from patients.models import Message, MessageState, MessageStep
from patients.services.messages.sending import MessageRefusedError
from patients.tests.factories import make_patient
from patients.tests.messages_kit import NOW, make_message

pytestmark = pytest.mark.django_db
KIND = (TaskKind.MESSAGE,)
LATER = NOW + timedelta(minutes=30)


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def failed(clinic: Clinic, name: str = "Ada") -> Message:
    return make_message(
        make_patient(name),
        clinic.location,
        state=MessageState.FAILED,
        channel="sms",
        error="The number does not exist or is not in use.",
    )


def now_is(message: Message, state: MessageState, when: object = LATER) -> None:
    sent = {"sent_at": when, "to": "+12125550123", "channel": "sms"} if state == MessageState.SENT else {}
    Message.objects.filter(pk=message.pk).update(state=state, state_at=when, **sent)


def task() -> Task:
    return Task.objects.open().get(kind=TaskKind.MESSAGE)


def test_a_failure_opens_one_task_at_its_location_and_says_why(clinic: Clinic) -> None:
    message = failed(clinic)
    assert sweep(NOW, kinds=KIND).opened == 1
    assert sweep(LATER, kinds=KIND).opened == 0
    assert (task().location_id, task().patient_id) == (clinic.location.pk, message.patient_id)
    assert task().text.startswith("A text message did not arrive")
    assert "number does not exist" in task().text


@pytest.mark.parametrize("state", [MessageState.SENT, MessageState.CALLED, MessageState.WITHDRAWN])
def test_it_is_settled_when_it_is_sent_called_or_not_needed_any_more(clinic: Clinic, state: MessageState) -> None:
    message = failed(clinic)
    sweep(NOW, kinds=KIND)
    now_is(message, state)
    assert sweep(LATER, kinds=KIND).settled == 1


@pytest.mark.parametrize("state", [MessageState.PLANNED, MessageState.SKIPPED, MessageState.TO_CALL])
def test_it_stays_while_nobody_has_it(clinic: Clinic, state: MessageState) -> None:
    message = failed(clinic)
    sweep(NOW, kinds=KIND)
    now_is(message, state)
    assert sweep(LATER, kinds=KIND).settled == 0
    assert task().closed_at is None


def test_a_second_failure_has_no_second_task_while_the_first_is_open_and_a_new_one_after_it(clinic: Clinic) -> None:
    message = failed(clinic)
    sweep(NOW, kinds=KIND)
    now_is(message, MessageState.FAILED)
    assert sweep(LATER, kinds=KIND).opened == 0
    now_is(message, MessageState.SENT)
    sweep(LATER, kinds=KIND)
    now_is(message, MessageState.FAILED, LATER + timedelta(hours=1))  # it bounced
    assert sweep(LATER + timedelta(hours=1), kinds=KIND).opened == 1


def test_what_a_person_set_aside_stays_aside(clinic: Clinic) -> None:
    failed(clinic)
    sweep(NOW, kinds=KIND)
    end_task(task().pk, how=TaskEnd.DECLINED, text="Told at the desk", by=clinic.desk, now=NOW)
    assert sweep(LATER, kinds=KIND).opened == 0


# -- the acts ----------------------------------------------------------------------------------------------------------


def test_trying_again_makes_it_due_and_the_task_waits_for_it(clinic: Clinic) -> None:
    message = failed(clinic)
    sweep(NOW, kinds=KIND)
    try_again(task().pk, by=clinic.desk, now=LATER)
    message.refresh_from_db()
    assert (message.state, message.due_at) == (MessageState.PLANNED, LATER)
    assert task().closed_at is None
    with pytest.raises(MessageRefusedError):
        try_again(task().pk, by=clinic.desk, now=LATER)


def test_calling_ends_it_and_stands_with_the_message(clinic: Clinic) -> None:
    message = failed(clinic)
    sweep(NOW, kinds=KIND)
    pk = task().pk
    say_called(pk, said="  Comes on\x00 Thursday ", by=clinic.nurse, now=LATER)
    message.refresh_from_db()
    assert message.state == MessageState.CALLED
    step = MessageStep.objects.filter(message=message).latest("pk")
    assert (step.text, step.by) == ("Called instead: Comes on Thursday", clinic.nurse)
    assert Task.objects.get(pk=pk).closed_text == "Called instead: Comes on Thursday"
    with pytest.raises(TaskClosedError):
        say_called(pk, said="", by=clinic.nurse, now=LATER)


def test_a_manager_sends_and_calls_nothing(clinic: Clinic) -> None:
    message = failed(clinic)
    sweep(NOW, kinds=KIND)
    for act in (lambda: try_again(task().pk, by=clinic.manager, now=LATER), lambda: call(clinic)):
        with pytest.raises(PermissionDenied):
            act()
    message.refresh_from_db()
    assert message.state == MessageState.FAILED


def call(clinic: Clinic) -> None:
    say_called(task().pk, said="", by=clinic.manager, now=LATER)


def test_one_that_arrived_meanwhile_is_not_called_about(clinic: Clinic) -> None:
    message = failed(clinic)
    sweep(NOW, kinds=KIND)
    now_is(message, MessageState.SENT)
    with pytest.raises(MessageRefusedError):
        say_called(task().pk, said="", by=clinic.desk, now=LATER)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_who_call_at_once_call_once(parallel: Parallel) -> None:
    clinic = make_clinic()
    message = failed(clinic)
    sweep(NOW, kinds=KIND)
    pk = task().pk
    done = parallel(5, lambda _: say_called(pk, said="Reached", by=clinic.desk, now=LATER))
    assert sum(one.error is None for one in done) == 1
    assert {type(one.error) for one in done if one.error} == {TaskClosedError}
    assert MessageStep.objects.filter(message=message, state=MessageState.CALLED).count() == 1
