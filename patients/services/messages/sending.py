"""The outbox leaves: due messages are claimed by one worker, checked once more, sent, and what came of it is written.

A message belongs to the worker whose ``claim`` stands in its row: nobody else changes it, and a worker whose claim is
gone (it was taken for dead) writes nothing more. ``provider`` is set once a message has passed the checks,
``attempted_at`` right before the provider is asked.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import transaction

from clinic.models import User
from clinic.services.at_once import update_at_once
from clinic.services.jobs import enqueue_if_possible
from patients.adapters.providers import (
    NoProviderError,
    ProviderError,
    TryLaterError,
    UnknownOutcomeError,
    provider_for,
)
from patients.models import Channel, Message, MessageState, MessageStep
from patients.services.messages.addressing import Address, choose
from patients.services.messages.checks import ODD, Verdict, asked, by_kind, lock_people, verdicts
from patients.services.messages.delivering import Outcome, Ready, again_after, deliver
from patients.services.messages.pace import give_back, granted
from patients.services.messages.planning import BY_HAND, SEND_SOON
from patients.services.messages.rendering import NoTextError, language_of, render
from patients.services.messages.returning import noted

logger = logging.getLogger(__name__)

BATCH = 100
STALE_AFTER = timedelta(minutes=10)
"""A worker that has held a message for so long is dead: the time limit of its task is half of that."""
SOON = timedelta(minutes=1)
MAY_BE_TRIED = (MessageState.FAILED, MessageState.SKIPPED, MessageState.WITHDRAWN, MessageState.TO_CALL)
MAY_BE_HELD = (MessageState.PLANNED, MessageState.TO_CALL)
AGAIN_USEFUL = timedelta(days=1)

NO_ANSWER_KNOWN = "The worker was killed while the provider was asked: it may have gone out."
STOPPED = "The worker stopped before it was sent."
TOO_MANY = "Waits: the provider has got as many as it may in a minute."
NOT_IN_TIME = "It could not be sent while it was of use."


class MessageRefusedError(Exception):
    """The message is not in a state in which this can be done; nothing was changed. Says why."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of claimed messages, in numbers."""

    sent: int = 0
    put_off: int = 0
    failed: int = 0
    skipped: int = 0
    withdrawn: int = 0
    to_call: int = 0

    @classmethod
    def of(cls, states: Iterable[str]) -> Sent:
        count = Counter(states)
        return cls(
            sent=count[MessageState.SENT] + count[MessageState.DELIVERED],
            put_off=count[MessageState.PLANNED],
            failed=count[MessageState.FAILED],
            skipped=count[MessageState.SKIPPED],
            withdrawn=count[MessageState.WITHDRAWN],
            to_call=count[MessageState.TO_CALL],
        )


# --- claiming ---------------------------------------------------------------------------------------------------------
def claim_due(*, now: datetime, limit: int = BATCH) -> list[Message]:
    """Up to ``limit`` due messages, which from now on belong to this worker and no other; the longest due first.

    No more are given out in a minute, to all workers together, than all providers may get (``pace``).
    """
    may = granted(limit, now)
    if not may:
        return []
    claim = uuid4()
    with transaction.atomic():
        due = Message.objects.due(now).order_by("due_at", "pk").select_for_update(skip_locked=True)
        ids = list(due.values_list("pk", flat=True)[:may])
        Message.objects.filter(pk__in=ids).update(
            state=MessageState.SENDING, state_at=now, claim=claim, claimed_at=now, attempted_at=None, provider=""
        )
    give_back(may - len(ids), now)
    return _read(ids) if ids else []


def _read(ids: Sequence[int]) -> list[Message]:
    rows = Message.objects.filter(pk__in=ids).order_by("due_at", "pk")
    with_all = rows.select_related("patient", "request", "rule", "location", "booking")
    return list(with_all.prefetch_related("rule__texts"))


# --- sending ----------------------------------------------------------------------------------------------------------
def send_claimed(messages: Sequence[Message], *, now: datetime) -> Sent:
    """Each claimed message was sent, or its row says why not; none is left claimed.

    Args:
        messages: as ``claim_due`` gave them, all of one claim.
    """
    if not messages:
        return Sent()
    claim = messages[0].claim
    ready, too_many = _in_pace(_let_through(messages, now), now)

    def about_to_ask(some: Sequence[Ready]) -> Sequence[Ready]:
        ids = [one.message.pk for one in some]
        marked = Message.objects.filter(pk__in=ids, claim=claim).update(attempted_at=now)
        if marked == len(ids):
            return some
        mine = set(Message.objects.filter(pk__in=ids, claim=claim).values_list("pk", flat=True))
        return [one for one in some if one.message.pk in mine]

    def settle(outcomes: Sequence[Outcome]) -> None:
        _settle(outcomes, claim, now)

    settle([Outcome(one, waits_for=TOO_MANY) for one in too_many])
    deliver(ready, about_to_ask=about_to_ask, settle=settle)
    return Sent.of(one.state for one in messages)


def _in_pace(ready: Sequence[Ready], now: datetime) -> tuple[list[Ready], list[Ready]]:
    """Those that their provider may get in this minute, and those that wait for the next."""
    by_provider: dict[str, list[Ready]] = {}
    for one in ready:
        by_provider.setdefault(one.provider.name, []).append(one)
    may, wait = list[Ready](), list[Ready]()
    for name, some in by_provider.items():
        most = granted(len(some), now, provider=name)
        may += some[:most]
        wait += some[most:]
    return may, wait


def _let_through(messages: Sequence[Message], now: datetime) -> list[Ready]:
    """Those that may go out, with their words; the others have their verdict. One transaction."""
    with transaction.atomic():
        lock_people(messages)
        addresses = choose(messages)
        for one in messages:
            one.language = language_of(one, addresses[one.pk].language)
        stopped = verdicts(messages, addresses, now=now)
        passed = [one for one in messages if one.pk not in stopped]
        ready, unwritten = _worded(passed, addresses, now)
        stopped |= unwritten
        for_calls = [one for one in messages if one.pk in stopped and stopped[one.pk].state == MessageState.TO_CALL]
        _worded_for_calls(for_calls, addresses, now)
        _store(passed, ["channel", "to", "language", "subject", "text", "provider"])
        _stop(messages, stopped, now)
    return ready


def _values(messages: Sequence[Message], now: datetime) -> dict[int, dict[str, str] | None]:
    """Of each kind's own placeholders; None where the kind could not be asked."""
    found: dict[int, dict[str, str] | None] = {}
    for kind, some in by_kind(messages):
        said = asked(lambda kind=kind, some=some: kind.fill_in(some, now=now))  # type: ignore[misc]
        for one in some:
            found[one.pk] = None if said is None else dict(said.get(one.pk, {}))
    return found


def _worded(
    messages: Sequence[Message], addresses: dict[int, Address], now: datetime
) -> tuple[list[Ready], dict[int, Verdict]]:
    values = _values(messages, now)
    ready, stopped = list[Ready](), dict[int, Verdict]()
    for one in messages:
        address, known = addresses[one.pk], values[one.pk]
        if known is None:
            stopped[one.pk] = Verdict(MessageState.PLANNED, ODD, is_failure=True)
            continue
        try:
            one.channel, one.to = address.channel, address.to
            provider = provider_for(address.channel)
            rendered = render(one, known, address)
        except (NoTextError, NoProviderError) as problem:
            stopped[one.pk] = Verdict(MessageState.FAILED, str(problem))
            continue
        one.provider, one.subject, one.text = provider.name, rendered.subject, rendered.kept
        ready.append(Ready(one, provider, rendered))
    return ready, stopped


def _worded_for_calls(messages: Sequence[Message], addresses: dict[int, Address], now: datetime) -> None:
    """Whoever calls sees what the message would have said; without words the call is made all the same."""
    values = _values(messages, now)
    for one in messages:
        address = addresses[one.pk]
        one.channel, one.to = Channel.PHONE, address.to if address.is_call else ""
        try:
            rendered = render(one, values[one.pk] or {}, address)
        except NoTextError:
            continue
        one.subject, one.text = rendered.subject, rendered.kept
    _store(messages, ["channel", "to", "language", "subject", "text"])


def _stop(messages: Sequence[Message], stopped: dict[int, Verdict], now: datetime) -> None:
    mine = [one for one in messages if one.pk in stopped]
    for one in mine:
        verdict = stopped[one.pk]
        state, due_at = verdict.state, verdict.due_at
        if verdict.is_failure:
            one.attempts += 1
            wait = again_after(one.attempts, ProviderError(verdict.reason))
            state, due_at = (MessageState.PLANNED, now + wait) if wait else (MessageState.FAILED, None)
        one.state, one.state_at, one.error = state, now, verdict.reason[:300]
        one.due_at = due_at or one.due_at
    _finish(mine, now)


# --- what came of it --------------------------------------------------------------------------------------------------
def _settle(outcomes: Sequence[Outcome], claim: UUID | None, now: datetime) -> None:
    for outcome in outcomes:
        one = outcome.ready.message
        one.state_at = now
        if outcome.receipt is not None:
            one.state, one.sent_at, one.error = MessageState.SENT, now, ""
            one.provider_id = outcome.receipt.provider_id[:80]
            one.attempts += 1
        elif outcome.error is not None:
            one.attempts += 1
            one.attempted_at = now
            _after_error(one, outcome.error, now, may_repeat=outcome.ready.provider.gives_idempotency)
        else:
            one.state, one.due_at = MessageState.PLANNED, now + SOON
            one.error = outcome.waits_for
    with transaction.atomic():
        _finish([outcome.ready.message for outcome in outcomes], now, claim=claim)
        for outcome in outcomes:
            if outcome.ready.message.state == MessageState.FAILED:
                outcome.ready.message.save(update_fields=["facts"])


def _after_error(one: Message, error: ProviderError, now: datetime, *, may_repeat: bool) -> None:
    """Tried again after a while where that does no harm and is of use, else on the list of failures."""
    one.error = error.reason[:300]
    surely_not = isinstance(error, TryLaterError)
    may_be_asked = surely_not or (may_repeat and isinstance(error, UnknownOutcomeError))
    wait = again_after(one.attempts, error) if may_be_asked else None
    one.facts = noted(one.facts, is_not_taken=surely_not)
    if wait is None:
        one.state = MessageState.FAILED
    elif now + wait >= one.useful_until:
        one.state, one.error = MessageState.FAILED, f"{NOT_IN_TIME} {one.error}"[:300]
    else:
        one.state, one.due_at = MessageState.PLANNED, now + wait


def _finish(messages: Sequence[Message], now: datetime, *, claim: UUID | None = None) -> None:
    """The rows stand as the messages do, and belong to nobody; those whose claim is gone are left alone."""
    if not messages:
        return
    claim = claim or messages[0].claim
    for one in messages:
        one.claim = None
    fields = ["state", "state_at", "claim", "due_at", "attempts", "error", "sent_at", "provider_id"]
    written = update_at_once(messages, fields, only={"claim": claim})
    if written != len(messages):
        logger.error("%s messages were taken from this worker while it sent them", len(messages) - written)
    MessageStep.objects.bulk_create(_step(one, now, _said(one)) for one in messages)


def _store(messages: Sequence[Message], fields: Sequence[str]) -> None:
    if messages:
        update_at_once(messages, fields, only={"claim": messages[0].claim})


def _said(one: Message) -> str:
    if one.state == MessageState.SENT:
        return f"Sent: {Channel(one.channel).label.lower()}."
    if one.state == MessageState.PLANNED:
        return f"{one.error} Next: {one.location.local(one.due_at):%a %-d %b, %H:%M}."
    return one.error or one.get_state_display()


def _step(one: Message, now: datetime, text: str, by: User | None = None) -> MessageStep:
    return MessageStep(message=one, at=now, state=one.state, text=text[:300], by=by)


# --- a worker that was killed -----------------------------------------------------------------------------------------
def release_stale(*, now: datetime) -> int:
    """Messages of a worker that was killed are due again; returns how many it held.

    One of which nobody knows whether the provider has it is due again only where its key makes a second time harmless;
    else it is on the list of failures, where a person decides. At any other provider that is one for each worker.
    """
    with transaction.atomic():
        held = Message.objects.filter(state=MessageState.SENDING, claimed_at__lte=now - STALE_AFTER)
        rows = list(held.select_related("location").order_by("pk").select_for_update(skip_locked=True, of=("self",)))
        for one in rows:
            is_unknown = one.attempted_at is not None and not _may_be_asked_again(one)
            one.state = MessageState.FAILED if is_unknown else MessageState.PLANNED
            one.error = NO_ANSWER_KNOWN if is_unknown else STOPPED
            one.state_at, one.claim = now, None
            one.attempts += one.attempted_at is not None
        update_at_once(rows, ["state", "error", "state_at", "claim", "attempts"])
        MessageStep.objects.bulk_create(_step(one, now, _said(one)) for one in rows)
    return len(rows)


def _may_be_asked_again(one: Message) -> bool:
    try:
        provider = provider_for(one.channel)
    except (NoProviderError, ValueError):
        return False
    return provider.name == one.provider and provider.gives_idempotency


# --- by hand ----------------------------------------------------------------------------------------------------------
def retry(message: Message, *, by: User, now: datetime) -> Message:
    """A message that failed, was skipped or withdrawn, or was to be called, is due again now.

    It is checked like any other when it goes out, but that another went out today, or that the visit is confirmed,
    does not stop it: somebody wants it sent all the same. Raises: MessageRefusedError.
    """
    with locked_in(message, MAY_BE_TRIED) as one:
        one.useful_until = max(one.useful_until, now + AGAIN_USEFUL)
        one.facts = {**one.facts, BY_HAND: True}
        _due_now(one, "Tried again.", by, now)
    return one


def send_now(message: Message, *, by: User, now: datetime) -> Message:
    """A planned message is due at once; it is checked like any other when it goes out. Raises: MessageRefusedError."""
    with locked_in(message, (MessageState.PLANNED,)) as one:
        _due_now(one, "To be sent now.", by, now)
    return one


def hold_back(message: Message, *, reason: str, by: User, now: datetime) -> Message:
    """A planned message, or a call that was to be made, is SKIPPED and stays so. Raises: MessageRefusedError."""
    with locked_in(message, MAY_BE_HELD) as one:
        one.state, one.state_at = MessageState.SKIPPED, now
        one.error = f"Held back: {reason.strip()}"[:300] if reason.strip() else "Held back."
        one.save(update_fields=["state", "state_at", "error"])
        MessageStep.objects.create(message=one, at=now, state=one.state, text=one.error, by=by)
    return one


def _due_now(one: Message, said: str, by: User, now: datetime) -> None:
    one.state, one.state_at, one.due_at, one.attempts, one.error = MessageState.PLANNED, now, now, 0, ""
    one.facts = noted(one.facts, is_not_taken=False)
    one.save(update_fields=["state", "state_at", "due_at", "useful_until", "facts", "attempts", "error"])
    MessageStep.objects.create(message=one, at=now, state=one.state, text=said, by=by)
    enqueue_if_possible(SEND_SOON)


@contextmanager
def locked_in(message: Message, states: Sequence[MessageState]) -> Iterator[Message]:
    """The message as it stands now, and nobody else's until the end of the transaction."""
    with transaction.atomic():
        one = Message.objects.select_for_update().get(pk=message.pk)
        if one.state not in states:
            raise MessageRefusedError(f"This message is “{one.get_state_display()}” by now, so this cannot be done.")
        yield one
