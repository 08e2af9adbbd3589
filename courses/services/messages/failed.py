"""What a person does about a message that failed: tries it again, or calls the patient and says so."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import PermissionDenied

from clinic.models import User
from clinic.pure.roles import Can
from clinic.services.recorded import recorded
from courses.models import Task, TaskEnd, TaskKind
from courses.services.worklists.engine import TaskClosedError, end_task
from courses.services.worklists.messages import message_id_of
from patients.models import Message, MessageState
from patients.services.messages.calls import CallOutcome, record_call
from patients.services.messages.sending import retry

CALLABLE = (MessageState.FAILED, MessageState.TO_CALL, MessageState.SKIPPED)
LONGEST_SAID = 200


def message_of(task: Task) -> Message | None:
    """The message that failed; None for a task of another kind. One query."""
    if task.kind != TaskKind.MESSAGE:
        return None
    rows = Message.objects.select_related("location", "patient", "request")
    return rows.filter(pk=message_id_of(task.key)).first()


def try_again(task_id: int, *, by: User, now: datetime) -> Message:
    """The message is due again now. Its task stays until it is out.

    Raises:
        PermissionDenied
        TaskClosedError: it is over already.
        MessageRefusedError: it is on its way, or out, by now.
    """
    with recorded(by=by, now=now):
        message = _message(task_id, by)
        return retry(message, by=by, now=now)


def say_called(task_id: int, *, said: str, by: User, now: datetime) -> Message:
    """Somebody called the patient instead, and what came of it stands with the message; the task is over.

    Raises:
        PermissionDenied
        TaskClosedError: it is over already.
        MessageRefusedError: the message is on its way, or out, by now.
    """
    words = " ".join(said.replace("\x00", "").split())[:LONGEST_SAID]
    with recorded(by=by, now=now):
        message = _message(task_id, by)
        text = f"Called instead: {words}" if words else "Called instead."
        message = record_call(message, outcome=CallOutcome.REACHED, among=CALLABLE, said=text, by=by, now=now)
        end_task(task_id, how=TaskEnd.DONE, text=text, by=by, now=now)
        return message


def _message(task_id: int, by: User) -> Message:
    """The message, its row and that of its task held until the transaction ends."""
    if not by.can(Can.SEND_MESSAGES):
        raise PermissionDenied("Your role does not include this.")
    task = Task.objects.select_for_update(no_key=True).get(pk=task_id, kind=TaskKind.MESSAGE)
    if task.closed_at is not None:
        raise TaskClosedError(f"This is over already: {task.closed_text}")
    return Message.objects.select_for_update(of=("self",), no_key=True).get(pk=message_id_of(task.key))
