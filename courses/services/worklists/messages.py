"""Messages that failed: one task for each failure, at its location, until the patient has it or somebody called.

A message that is tried again keeps its task until it is really out: what is skipped on the second try is not lost.
One that fails anew after its task was over gets a new task; one that a person set aside stays aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db.models import QuerySet

from courses.models import Task, TaskKind
from courses.planning.words import say_moment
from courses.services.worklists.engine import Wanted
from patients.models import Channel, Message, MessageState
from patients.models.messages import GONE_OUT

KEY = "message:"


def wanted(now: datetime, course_id: int | None) -> Iterable[Wanted]:  # noqa: ARG001 (what each kind takes)
    """Two queries; a failure belongs to no course, so nothing when only one course is looked at."""
    if course_id is not None:
        return
    there = {message_id_of(key): key for key in _open().values_list("key", flat=True)}
    for message in Message.objects.filter(state=MessageState.FAILED).select_related("location").order_by("pk"):
        yield Wanted(
            kind=TaskKind.MESSAGE,
            key=there.get(message.pk) or key_of(message),
            location_id=message.location_id,
            text=text_of(message),
            due_on=message.location.local(message.state_at).date(),
            patient_id=message.patient_id,
        )


def settled(tasks: Sequence[Task], now: datetime) -> Mapping[int, str]:  # noqa: ARG001 (what each kind takes)
    """Those of which the patient has the message by now, or that is not needed any more; one query."""
    messages = Message.objects.select_related("location").in_bulk({message_id_of(task.key) for task in tasks})
    found = {}
    for task in tasks:
        message = messages.get(message_id_of(task.key))
        said = _what_happened(message) if message is not None else ""
        if said:
            found[task.pk] = said
    return found


def _what_happened(message: Message) -> str:
    at = say_moment(message.location.local(message.state_at))
    if message.state == MessageState.WITHDRAWN:
        return f"It is not needed any more: {message.error or 'withdrawn'}"
    return f"{message.get_state_display()} on {at}." if message.state in GONE_OUT else ""


def _open() -> QuerySet[Task]:
    return Task.objects.open().filter(kind=TaskKind.MESSAGE)


def key_of(message: Message) -> str:
    """Names the failure: "message:7:270110093000000000"."""
    return f"{KEY}{message.pk}:{message.state_at:%y%m%d%H%M%S%f}"


def message_id_of(key: str) -> int:
    """The message to which a task belongs."""
    return int(key.removeprefix(KEY).partition(":")[0])


def text_of(message: Message) -> str:
    """Nothing clinical: which message, by which channel, and why it failed."""
    how = {Channel.SMS: "text message", Channel.EMAIL: "e-mail"}.get(
        Channel(message.channel or Channel.PHONE), "message"
    )
    about = message.get_event_display().lower()
    return f"A {how} did not arrive ({about}). {message.error}".replace("A e-mail", "An e-mail").strip()
