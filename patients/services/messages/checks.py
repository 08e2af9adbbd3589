"""Looked at once more right before it goes out: may each message still be sent, now, to this person?

What was true when it was planned need not be true when it is due: the visit moved, consent was withdrawn, the patient
confirmed meanwhile, the workers stood still over night. The answer is a verdict in words for staff, or none.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import Q

from clinic.models import BookingStatus, Restoration
from patients.models import Message, MessageEvent, MessageState, PatientStatus
from patients.models.messages import GONE_OUT
from patients.pure.messages.timing import day_of, is_quiet, out_of_quiet_hours
from patients.services.messages.addressing import Address
from patients.services.messages.kinds import Kind, kind_of
from patients.services.messages.planning import BY_HAND, DECEASED, RULE_GONE, RULE_OFF

logger = logging.getLogger(__name__)

T = TypeVar("T")
OFTEN = frozenset({MessageEvent.MANUAL, MessageEvent.QUESTIONNAIRE, MessageEvent.SHEET})
"""Somebody pressed a button for each of these: no limit for a day."""
WAIT_FOR_OTHER = timedelta(minutes=2)
PEOPLE_LOCK = 0x_CADE
"""Our class of PostgreSQL's two-part advisory locks: the second part is the patient's id."""

CONFIRMED = "Confirmed already."
QUIET = "Waits for the morning: 21:00 to 08:00 on the patient's clocks are quiet."
TOO_QUIET = "Would have gone out between 21:00 and 08:00 on the patient's clocks, and is of no use in the morning."
ANOTHER_TODAY = "Another one of this kind went out today."
SECOND_CHANGE = "A second notice on the same day: please call."
OTHER_GOES_FIRST = "Waits for another message of this kind to the same person."
MERGED = "The record was merged into another one."
RESTORED = (
    "These records were restored from a backup on {at}, and this may have gone out before: look at what the provider "
    "sent, or ask. Then try again, or leave it."
)
ODD = "This kind of message could not be checked; an error is in the log."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a message instead of being sent now. ``due_at``: when it is looked at again (PLANNED only)."""

    state: MessageState
    reason: str
    due_at: datetime | None = None
    is_failure: bool = False  # counts as an attempt


def verdicts(messages: Sequence[Message], addresses: Mapping[int, Address], *, now: datetime) -> dict[int, Verdict]:
    """Message id -> why it does not go out now; those without a verdict may.

    Call it in the transaction of ``lock_people``. Two queries, and those of the kinds among the messages.
    """
    found: dict[int, Verdict] = {}
    for ask in (_by_itself, _by_restoration, _by_kind):
        rest = [one for one in messages if one.pk not in found]
        found |= ask(rest, now=now)
    rest = [one for one in messages if one.pk not in found]
    found |= _by_day(rest, addresses, now=now)
    for one in messages:
        if one.pk not in found and (verdict := _by_address(one, addresses[one.pk], now)):
            found[one.pk] = verdict
    return found


def lock_people(messages: Iterable[Message]) -> None:
    """Until the end of the transaction no other worker decides about messages to these patients."""
    ids = sorted({one.patient_id for one in messages if one.patient_id is not None})
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, (id %% 2147483647)::int) FROM unnest(%s::bigint[]) AS id",
            [PEOPLE_LOCK, ids],
        )


# --- the message by itself --------------------------------------------------------------------------------------------
def _by_itself(messages: Sequence[Message], *, now: datetime) -> dict[int, Verdict]:
    found = {one.pk: _late(one, now) or _person(one) or _rule(one) for one in messages}
    return {pk: verdict for pk, verdict in found.items() if verdict is not None}


def _late(one: Message, now: datetime) -> Verdict | None:
    if now < one.useful_until:
        return None
    due, until = one.location.local(one.due_at), one.location.local(one.useful_until)
    said = f"Too late: it was due on {due:%a %-d %b, %H:%M} and of use until {until:%a %-d %b, %H:%M}."
    return Verdict(MessageState.SKIPPED, said)


def _person(one: Message) -> Verdict | None:
    if one.patient is None:
        return None
    if one.patient.status == PatientStatus.DECEASED:
        return Verdict(MessageState.WITHDRAWN, DECEASED)
    return Verdict(MessageState.WITHDRAWN, MERGED) if one.patient.merged_into_id else None


def _rule(one: Message) -> Verdict | None:
    if one.rule is not None:
        return None if one.rule.is_on else Verdict(MessageState.WITHDRAWN, RULE_OFF)
    is_written = one.created_by_id is not None and one.text
    return None if is_written else Verdict(MessageState.WITHDRAWN, RULE_GONE)


# --- records that came out of a backup --------------------------------------------------------------------------------
def _by_restoration(messages: Sequence[Message], *, now: datetime) -> dict[int, Verdict]:  # noqa: ARG001 (as the others)
    """What was due before the restore may have gone out after the backup: a person decides.

    Also what a sweep plans after the restore for a time before it; not what somebody does anew after it.
    """
    last = Restoration.objects.filter(messages_held_until__isnull=False).first()
    if last is None or last.messages_held_until is None:
        return {}
    until = last.messages_held_until
    held = [one for one in messages if one.due_at <= until and not one.facts.get(BY_HAND)]
    held = [one for one in held if one.created_at <= last.at or _kind(one.event).find]
    said = {one.pk: RESTORED.format(at=f"{one.location.local(last.at):%-d %b, %H:%M}") for one in held}
    return {pk: Verdict(MessageState.FAILED, why) for pk, why in said.items()}


# --- what its kind knows ----------------------------------------------------------------------------------------------
def _by_kind(messages: Sequence[Message], *, now: datetime) -> dict[int, Verdict]:
    found: dict[int, Verdict] = {}
    for kind, some in by_kind(messages):
        said = asked(lambda kind=kind, some=some: kind.still_holds(some, now=now))  # type: ignore[misc]
        for one in some:
            if said is None:
                found[one.pk] = Verdict(MessageState.PLANNED, ODD, is_failure=True)
            elif why := said.get(one.pk):
                found[one.pk] = Verdict(MessageState.WITHDRAWN, why[:300])
            elif kind.asks_to_confirm and _is_confirmed(one) and not one.facts.get(BY_HAND):
                found[one.pk] = Verdict(MessageState.SKIPPED, CONFIRMED)
    return found


def by_kind(messages: Iterable[Message]) -> list[tuple[Kind, list[Message]]]:
    """The messages of each kind; of an event that nobody registered: a kind that asks nothing."""
    ordered = sorted(messages, key=lambda one: one.event)
    return [(_kind(event), list(some)) for event, some in groupby(ordered, key=lambda one: one.event)]


def asked(ask: Callable[[], T]) -> T | None:
    """What a kind answers; None when it failed, which must not hold up the messages of other kinds."""
    try:
        with transaction.atomic():
            return ask()
    except Exception:
        logger.exception("A kind of message could not be asked")
        return None


def _kind(event: str) -> Kind:
    try:
        return kind_of(event)
    except KeyError:
        return Kind(event=MessageEvent(event))


def _is_confirmed(one: Message) -> bool:
    is_ahead = one.rule is not None and one.rule.at is not None and one.rule.days < 0
    return is_ahead and one.booking is not None and one.booking.status == BookingStatus.CONFIRMED


# --- one a day --------------------------------------------------------------------------------------------------------
def _by_day(messages: Sequence[Message], addresses: Mapping[int, Address], *, now: datetime) -> dict[int, Verdict]:
    """At most one a day for each kind and patient, on the patient's calendar; also among the messages themselves."""
    asked_for = [one for one in messages if one.patient_id is not None and one.event not in OFTEN]
    asked_for = [one for one in asked_for if not one.facts.get(BY_HAND)]
    gone, going = _others(asked_for, addresses, now=now)
    found: dict[int, Verdict] = {}
    for one in sorted(asked_for, key=lambda one: (one.due_at, one.pk)):
        mine = (one.patient_id, _sort(one))
        if mine in gone:
            is_change = _kind(one.event).is_change
            found[one.pk] = (
                Verdict(MessageState.TO_CALL, SECOND_CHANGE)
                if is_change
                else Verdict(MessageState.SKIPPED, ANOTHER_TODAY)
            )
        elif mine in going:
            found[one.pk] = Verdict(MessageState.PLANNED, OTHER_GOES_FIRST, now + WAIT_FOR_OTHER)
        elif _by_address(one, addresses[one.pk], now) is None:
            gone.add(mine)
    return found


def _sort(one: Message) -> str:
    """What counts as the same kind on one day: a notice of a change by its event, a reminder by its rule.

    Of infusions on Monday and Wednesday the first wants directions on Monday, the second its preparation.
    """
    return one.event if _kind(one.event).is_change or one.rule_id is None else f"{one.event} {one.rule_id}"


def _others(
    messages: Sequence[Message], addresses: Mapping[int, Address], *, now: datetime
) -> tuple[set[tuple[Any, str]], set[tuple[Any, str]]]:
    """(patient, sort) of what went out today, and of what another worker is sending at this moment."""
    zones = {one.patient_id: addresses[one.pk].zone for one in messages}
    rows = Message.objects.filter(patient__in=zones, event__in={one.event for one in messages})
    rows = rows.exclude(pk__in=[one.pk for one in messages]).filter(
        Q(state__in=GONE_OUT, state_at__gte=now - timedelta(days=2))
        | Q(sent_at__gte=now - timedelta(days=2))
        | Q(state=MessageState.SENDING)
    )
    gone: dict[bool, set[tuple[Any, str]]] = defaultdict(set)
    for row in rows.only("patient_id", "event", "rule_id", "state", "state_at", "sent_at", "provider"):
        begins, ends = day_of(now, zones[row.patient_id])
        if row.state == MessageState.SENDING:
            if row.provider:  # looked at and let through, by whoever holds it
                gone[True].add((row.patient_id, _sort(row)))
        elif begins <= (row.sent_at or row.state_at) < ends:
            gone[False].add((row.patient_id, _sort(row)))
    return gone[False], gone[True]


# --- to whom, and at this hour? ---------------------------------------------------------------------------------------
def _by_address(one: Message, address: Address, now: datetime) -> Verdict | None:
    if address.is_call:
        return Verdict(MessageState.TO_CALL, address.why_not)
    if not is_quiet(now, address.zone):
        return None
    morning = out_of_quiet_hours(now, address.zone)
    if morning < one.useful_until:
        return Verdict(MessageState.PLANNED, QUIET, morning)
    return Verdict(MessageState.SKIPPED, TOO_QUIET)
