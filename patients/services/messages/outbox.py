"""The outbox as staff read it: what will be sent, was sent, failed, was skipped; one message; one patient's messages.

Nothing here changes anything. Who may not see who somebody is gets rows without names, addresses and words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce, JSONObject
from django.http import HttpRequest
from django.urls import reverse

from clinic.models import Location, User
from clinic.models.moments import Moment
from clinic.pure.roles import Can
from patients.models import Channel, IncomingMessage, Message, MessageEvent, MessageState, MessageStep, Patient
from patients.models.messages import GONE_OUT
from patients.pure.messages.timing import wall
from patients.services.messages.addressing import Address, choose
from patients.services.messages.checks import asked
from patients.services.messages.clocks import Clocks, clocks_of
from patients.services.messages.kinds import Kind, kind_of, kinds
from patients.services.messages.links import Purpose, expires_at
from patients.services.messages.rendering import KEPT_LINK, NoTextError, render
from patients.services.messages.sending import MAY_BE_HELD, MAY_BE_TRIED
from patients.services.panels import TIMELINE_LENGTH, TimelineEntry
from patients.services.search import search_patients

FAILED_LATELY = timedelta(days=7)
"""[D] So long a failure counts beside the rail; the worklist keeps its task until somebody has settled it."""
FOUND_AT_MOST = 200
MIDNIGHT = time(0)
UNDECIDED = "none"
"""Stands in the filter for messages whose channel is chosen when they go out."""
READ = ("patient", "request", "location", "rule", "booking__location")
TO_COME = (MessageState.PLANNED, MessageState.SENDING)


class Group(StrEnum):
    """What the outbox shows at a time."""

    COMING = "coming"
    CALL = "call"
    FAILED = "failed"
    SENT = "sent"
    SKIPPED = "skipped"
    ALL = "all"


GROUPS: dict[Group, tuple[str, tuple[MessageState, ...]]] = {
    Group.COMING: ("To come", TO_COME),
    Group.CALL: ("To call", (MessageState.TO_CALL,)),
    Group.FAILED: ("Failed", (MessageState.FAILED,)),
    Group.SENT: ("Sent", GONE_OUT),
    Group.SKIPPED: ("Not sent", (MessageState.SKIPPED, MessageState.WITHDRAWN)),
    Group.ALL: ("All", tuple(MessageState)),
}
"""Label and states of each."""


@dataclass(frozen=True, slots=True)
class OutboxFilter:
    """What the address of the outbox asks for; empty: anything."""

    group: Group = Group.COMING
    event: str = ""
    channel: str = ""
    day: date | None = None
    text: str = ""

    @property
    def is_narrow(self) -> bool:
        return bool(self.event or self.channel or self.day or self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One message as lists show it. ``name`` is empty for who may not see it; ``to`` and ``channel`` with it.

    Attributes:
        is_expected: channel and address are those that would be taken now; they are chosen when it goes out.
    """

    message: Message
    clocks: Clocks
    name: str
    channel: str
    to: str
    is_expected: bool
    why: str

    @property
    def when(self) -> datetime:
        """When it goes out, went out, or was to go out."""
        one = self.message
        if one.sent_at is not None:
            return one.sent_at
        return one.state_at if one.state == MessageState.CALLED else one.due_at

    @property
    def about(self) -> str:
        """What it is about; the title of its rule where that says so itself."""
        label, title = self.message.get_event_display(), self._title
        return title if title.startswith(label) else label

    @property
    def detail(self) -> str:
        """The title of its rule, where that says more."""
        return "" if self._title in {self.about, ""} else self._title

    @property
    def _title(self) -> str:
        return self.message.rule.title if self.message.rule is not None else ""

    @property
    def is_elsewhere(self) -> bool:
        """The patient's clocks show another time then than the clinic's."""
        return self.clocks.differ(self.when)


# --- the outbox of a location -----------------------------------------------------------------------------------------
def outbox(wanted: OutboxFilter, *, location: Location, by: User, today: date) -> QuerySet[Message]:
    """The messages of the location that the filter asks for; up to two queries to find whom the text may mean."""
    rows = Message.objects.filter(location=location)
    if wanted.group is not Group.ALL:
        rows = rows.filter(state__in=GROUPS[wanted.group][1])
    if wanted.event:
        rows = rows.filter(event=wanted.event)
    if wanted.channel:
        rows = rows.filter(channel="" if wanted.channel == UNDECIDED else wanted.channel)
    if wanted.day is not None:
        begins, ends = (wall(day, MIDNIGHT, location.tz) for day in (wanted.day, wanted.day + timedelta(days=1)))
        rows = rows.filter(due_at__gte=begins, due_at__lt=ends)
    if wanted.text:
        rows = rows.filter(_meant(wanted.text, by=by, today=today))
    return rows.select_related(*READ)


def _meant(text: str, *, by: User, today: date) -> Q:
    found = Q(pk__in=[])
    if by.can(Can.VIEW_PATIENT):
        hits = search_patients(text, today=today, limit=FOUND_AT_MOST)
        found |= Q(patient__in=[hit.patient.pk for hit in hits])
    if by.can(Can.VIEW_REQUESTS):
        mine = Q(patient__isnull=True)
        for word in text.split():
            mine &= Q(request__given_name__icontains=word) | Q(request__family_name__icontains=word)
        found |= mine
    return found


def rows_of(messages: Sequence[Message], *, by: User) -> list[Row]:
    """What lists show of messages that were read with ``READ``; one query for those that are still to come."""
    open_ones = [one for one in messages if one.state in TO_COME and not one.channel]
    expected = choose(open_ones) if open_ones else {}
    return [row_of(one, expected.get(one.pk), by=by) for one in messages]


def row_of(one: Message, expected: Address | None, *, by: User) -> Row:
    """The same of one message; ``expected``: where it would go, as long as that is not decided."""
    name = name_of(one, by)
    channel, to = (expected.channel.value, expected.to) if expected is not None else (one.channel, one.to)
    return Row(
        message=one,
        clocks=clocks_for(one),
        name=name,
        channel=channel,
        to=to if name else "",
        is_expected=expected is not None,
        why=one.error or (expected.why_not if expected is not None else ""),
    )


def name_of(message: Message, by: User) -> str:
    """Whom the message is for; empty for who may not see it."""
    if message.patient is not None:
        return message.patient.name if by.can(Can.VIEW_PATIENT) else ""
    return message.request.name if message.request is not None and by.can(Can.VIEW_REQUESTS) else ""


def clocks_for(message: Message) -> Clocks:
    """The patient's clocks; those of the location for who is no patient yet."""
    place = message.location
    return clocks_of(message.patient, place) if message.patient is not None else Clocks(place.tz, place)


def group_counts(location: Location) -> dict[Group, int]:
    """How many messages of the location wait in each group of which that matters. One query."""
    shown = (Group.COMING, Group.CALL, Group.FAILED)
    states = [state for group in shown for state in GROUPS[group][1]]
    rows = Message.objects.filter(location=location, state__in=states).order_by().values_list("state")
    count = dict(rows.annotate(n=Count("pk")))
    return {group: sum(count.get(state, 0) for state in GROUPS[group][1]) for group in shown}


def events_to_choose() -> list[tuple[str, str]]:
    """The kinds that can be in the outbox, as choices."""
    known = {kind.event for kind in kinds()} | {MessageEvent.MANUAL}
    return [choice for choice in MessageEvent.choices if choice[0] in known]


# --- what waits, beside the rail --------------------------------------------------------------------------------------
def messages_waiting(location: str = "pk") -> dict[str, ArraySubquery]:
    """Annotations of a location: messages that failed lately or that somebody has to call, and unread answers.

    Each as ``[{"n": ..}]``; read by the shell with its locations. An answer whose location nobody knows waits at each.
    """
    lately = Q(state=MessageState.TO_CALL) | Q(state=MessageState.FAILED, state_at__gte=Moment(-FAILED_LATELY))
    states = (MessageState.TO_CALL, MessageState.FAILED)  # said once more for the index
    stuck = Message.objects.filter(lately, state__in=states, location=OuterRef(location)).order_by().values("state")
    here = Q(location=OuterRef(location)) | Q(location__isnull=True)
    unread = IncomingMessage.objects.filter(here, handled_at__isnull=True).order_by().values("handled_at")
    return {
        "waiting_messages": ArraySubquery(stuck.annotate(n=Count("pk")).values(json=JSONObject(kind="state", n="n"))),
        "waiting_answers": ArraySubquery(unread.annotate(n=Count("pk")).values(json=JSONObject(n="n"))),
    }


# --- one message ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Foreseen:
    """How a message that is still to come would read and where it would go, as things stand now."""

    address: Address
    subject: str = ""
    text: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class LinkState:
    """The link in a message: until when it opens something, and when it was first used."""

    until: datetime
    used_at: datetime | None
    is_over: bool


def read_message(pk: int) -> Message | None:
    """The message with everything that its page shows of it; one query, and one for the texts of its rule."""
    rows = Message.objects.select_related(*READ, "created_by").prefetch_related("rule__texts")
    return rows.filter(pk=pk).first()


def steps_of(message: Message) -> list[MessageStep]:
    """What happened to it, the latest first, with who did it. One query."""
    return list(message.steps.select_related("by").order_by("-at", "-pk"))


def foresee(message: Message, *, now: datetime) -> Foreseen | None:
    """For a message that is still to come; None for one whose words stand."""
    if message.state != MessageState.PLANNED:
        return None
    address = choose([message])[message.pk]
    message.language = address.language
    kind = _kind(message)
    values = asked(lambda: kind.fill_in([message], now=now)) or {}
    try:
        said = render(message, values.get(message.pk, {}), address)
    except NoTextError as problem:
        return Foreseen(address, problem=str(problem))
    return Foreseen(address, subject=said.subject, text=said.kept)


def link_state(message: Message, *, channel: str, text: str, now: datetime) -> LinkState | None:
    """None for a message without a link; whoever is called has none."""
    purpose = _kind(message).purpose
    if not purpose or channel == Channel.PHONE or KEPT_LINK not in text:
        return None
    until = expires_at(message, Purpose(purpose))
    return LinkState(until, message.opened_at, now >= until)


def _kind(message: Message) -> Kind:
    try:
        return kind_of(message.event)
    except KeyError:
        return Kind(event=MessageEvent(message.event))


def ways(message: Message, by: User) -> Mapping[str, bool]:
    """What this person may do with it now: hold, send, again, call."""
    may, state = by.can(Can.SEND_MESSAGES), message.state
    return {
        "hold": may and state in MAY_BE_HELD,
        "send": may and state == MessageState.PLANNED,
        "again": may and state in MAY_BE_TRIED,
        "call": may and state == MessageState.TO_CALL,
    }


# --- one patient ------------------------------------------------------------------------------------------------------
def messages_of(patient: Patient) -> QuerySet[Message]:
    """Everything for this patient, past and coming."""
    return Message.objects.filter(patient=patient).select_related(*READ)


def answers_of(patient: Patient, count: int) -> list[IncomingMessage]:
    """The latest answers of this patient by text message."""
    return list(patient.incoming_messages.select_related("handled_by")[:count])


def told_facts() -> dict[str, ArraySubquery]:
    """Annotation of a patient: the latest messages that went out, were called or failed, for ``timeline``."""
    told = Message.objects.filter(patient=OuterRef("pk"), state__in=(*GONE_OUT, MessageState.FAILED))
    facts = JSONObject(pk="pk", state="state", channel="channel", event="event", at=Coalesce("sent_at", "state_at"))
    return {"told_facts": ArraySubquery(told.order_by("-state_at").values(json=facts)[:TIMELINE_LENGTH])}


def timeline(request: HttpRequest, patient: Patient) -> Iterable[TimelineEntry]:  # noqa: ARG001 (as the others)
    """What went out, was called or failed, from ``told_facts``; not what is only planned. No query."""
    rows: list[dict[str, Any]] = getattr(patient, "told_facts", [])
    for one in rows:
        state, channel = MessageState(one["state"]), one["channel"]
        how = f" by {Channel(channel).label.lower()}" if channel and state != MessageState.CALLED else ""
        yield TimelineEntry(
            at=datetime.fromisoformat(one["at"]),
            icon="alert-circle" if state == MessageState.FAILED else "message",
            title=f"Message {state.label.lower()}{how}",
            text=MessageEvent(one["event"]).label,
            url=reverse("outbox:message", args=[one["pk"]]),
        )
