"""The plan: rules × occasions -> rows of the outbox, which follow what is on record.

A standing message (a reminder of a visit) is reckoned anew by each sweep: a row whose occasion is gone is withdrawn,
and planned again when it comes back. What a sweep does not touch: rows that a worker holds, that went out, that were
skipped or failed, and those that staff wrote. Sweeps may run at the same time, and beside bookings: a row is inserted
once whoever comes first (unique key), and changed only while nobody else holds it.

Reasons for which a row is not to be sent are written into ``error``, in words for staff.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import islice
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import QuerySet

from clinic.models import Booking, Location, User
from clinic.services.jobs import enqueue_if_possible
from patients.models import Message, MessageEvent, MessageRule, MessageState, MessageStep, Patient, PatientStatus
from patients.pure.messages.timing import NEAR, Due, Offset, due, out_of_quiet_hours
from patients.services.messages.addressing import WISHED, zone_of
from patients.services.messages.kinds import EVERYBODY, Kind, Occasion, Scope, kinds, rules_in_force

logger = logging.getLogger(__name__)

HORIZON = timedelta(days=60)
"""Rows are there so long before they are due: for the pages; whatever is due later is planned later."""
LATE = timedelta(minutes=15)
"""What would have been due longer ago than that when its visit was booked is not sent after the event."""
CHUNK = 1000
DUE = "_due"
"""Where ``Message.facts`` keeps for when the rule planned it; ``due_at`` moves with retries and quiet hours."""
BY_HAND = "_by_hand"
"""Is true there of a message that somebody wants sent all the same: sweeps leave its time alone."""
MANUAL = "manual"
MANUAL_USEFUL = timedelta(days=1)
SEND_SOON = "patients.tasks.messages.send_batch"

NOT_WANTED = "It is not needed any more."
RULE_OFF = "The rule was switched off."
RULE_GONE = "The rule was deleted."
DECEASED = "The patient has died."
NOT_CALLED = "Nobody called while it was of use."


@dataclass(frozen=True, slots=True)
class Swept:
    """How many rows were planned (or planned again), given another time, withdrawn."""

    planned: int = 0
    moved: int = 0
    withdrawn: int = 0

    def __add__(self, other: Swept) -> Swept:
        return Swept(self.planned + other.planned, self.moved + other.moved, self.withdrawn + other.withdrawn)


@dataclass(frozen=True, slots=True)
class Planned:
    """What one rule wants for one occasion."""

    rule: MessageRule
    occasion: Occasion
    due: Due
    zone: tzinfo

    @property
    def key(self) -> str:
        return f"{self.rule.key} {self.occasion.key}"

    @property
    def facts(self) -> dict[str, Any]:
        return {**self.occasion.facts, DUE: self.due.at.isoformat()}

    def is_in_time(self, now: datetime) -> bool:
        """A reminder of something to come that is booked after its time is none; what follows an event still goes."""
        return self.due.at > now - LATE or self.due.at >= self.occasion.anchor

    def row(self, now: datetime, by: User | None) -> Message:
        one = self.occasion
        return Message(
            key=self.key,
            event=one.event,
            rule=self.rule,
            location_id=one.location_id,
            patient_id=one.patient_id,
            request_id=one.request_id,
            booking_id=one.booking_id,
            about=one.about,
            facts=self.facts,
            due_at=self.due.at,
            useful_until=self.due.useful_until,
            state_at=now,
            created_at=now,
            created_by=by,
        )


# --- standing messages ------------------------------------------------------------------------------------------------
def sweep(scope: Scope = EVERYBODY, *, now: datetime, horizon: timedelta = HORIZON) -> Swept:
    """Every standing message that the rules want until ``now + horizon`` is planned, at its time; no other is.

    Calls that nobody needs to make any more leave the call list. Queries do not grow with the rows of a chunk. A kind
    that fails does not keep the others from being planned; its error is raised in the end.
    """
    rules = rules_by_event()
    total, failure = Swept(), None
    for kind in kinds():
        if not kind.find:
            continue
        try:
            total += _sweep_kind(kind, rules[kind.event], scope, now=now, until=now + horizon)
        except Exception as error:
            logger.exception("Messages of the kind %s could not be planned", kind.event)
            failure = failure or error
    total += _sweep_calls(scope, now=now)
    if failure is not None:
        raise failure
    return total


def sweep_after(scope: Scope, *, now: datetime) -> None:
    """As ``sweep``, after the current transaction commits; what goes wrong is logged, and the next sweep repairs it.

    Visits that change in one transaction are swept together, at its latest moment, however many calls there were.
    """
    if scope.booking_ids is None or scope.patient_ids is not None:

        def look() -> None:  # a function with a name: Django writes it into the log
            sweep(scope, now=now)

        transaction.on_commit(look, robust=True)
        return
    waiting = _waiting(now)
    waiting.booking_ids |= scope.booking_ids
    waiting.now = max(waiting.now, now)

    def look_once() -> None:
        ids, waiting.booking_ids = frozenset(waiting.booking_ids), set()
        if ids:  # else an earlier one of this transaction has looked at them all
            sweep(Scope(booking_ids=ids), now=waiting.now)

    look_once.waiting = waiting  # type: ignore[attr-defined]
    transaction.on_commit(look_once, robust=True)


@dataclass(slots=True)
class _Waiting:
    """The visits that are swept after the commit."""

    booking_ids: set[int]
    now: datetime


def _waiting(now: datetime) -> _Waiting:
    """Those of the transaction that is going on."""
    for entry in reversed(connection.run_on_commit):
        known = getattr(entry[1], "waiting", None)
        if isinstance(known, _Waiting):
            return known
    return _Waiting(set(), now)


def rules_by_event(location_ids: Iterable[int] | None = None) -> dict[str, list[MessageRule]]:
    """The rules in force; an event without any has an empty list."""
    found: dict[str, list[MessageRule]] = defaultdict(list)
    for rule in rules_in_force(location_ids):
        found[rule.event].append(rule)
    return found


def wanted_for(occasions: Iterable[Occasion], rules: Iterable[MessageRule]) -> list[Planned]:
    """What the rules want for the occasions of their event, in the order of the occasions; one query.

    Nothing for somebody who has died, or whose record was merged into another (visits and rows move along with it).
    """
    at_location: dict[int, list[MessageRule]] = defaultdict(list)
    for rule in rules:
        at_location[rule.location_id].append(rule)
    here = [one for one in occasions if one.location_id in at_location]
    zones = _zones(here)
    return [
        planned_by(rule, one, zones[one.patient_id] or rule.location.tz)
        for one in here
        if one.patient_id is None or one.patient_id in zones
        for rule in at_location[one.location_id]
    ]


def planned_by(rule: MessageRule, occasion: Occasion, zone: tzinfo) -> Planned:
    """When the rule wants it: the first number of minutes it is of use are the rule's, cut where the occasion ends."""
    when = due(
        occasion.anchor,
        offset_of(rule),
        zone=zone,
        useful=timedelta(minutes=rule.useful_min),
        ends_at=occasion.ends_at,
    )
    return Planned(rule, occasion, when, zone)


def offset_of(rule: MessageRule) -> Offset:
    return Offset(days=rule.days, at=rule.at, minutes=rule.minutes)


def _zones(occasions: Sequence[Occasion]) -> dict[int | None, tzinfo | None]:
    """Patient id -> their zone, None where it is the location's; nobody who has died or was merged away."""
    ids = {one.patient_id for one in occasions if one.patient_id is not None}
    living = Patient.objects.current().exclude(status=PatientStatus.DECEASED).filter(pk__in=ids)
    zones: dict[int | None, tzinfo | None] = {None: None}
    for pk, name in living.values_list("pk", "time_zone") if ids else ():
        zones[pk] = ZoneInfo(name) if name else None
    return zones


def _sweep_kind(kind: Kind, rules: Sequence[MessageRule], scope: Scope, *, now: datetime, until: datetime) -> Swept:
    total, seen = Swept(), set[str]()
    if rules:
        reaches = [offset_of(rule).reach() for rule in rules]
        longest = timedelta(minutes=max(rule.useful_min for rule in rules))
        occasions = kind.occasions(
            scope, since=now - max(reaches) - longest - NEAR, until=until - min(reaches) + NEAR, now=now
        )
        for some in _chunks(occasions):
            wanted = {
                one.key: one for one in wanted_for(some, rules) if one.due.at < until and one.due.useful_until > now
            }
            seen.update(wanted)
            total += _follow(wanted, now=now)
    return total + _withdraw_others(kind, scope, seen, now=now, until=until)


def _chunks(occasions: Iterable[Occasion]) -> Iterable[list[Occasion]]:
    rest = iter(occasions)
    while some := list(islice(rest, CHUNK)):
        yield some


def _follow(wanted: Mapping[str, Planned], *, now: datetime) -> Swept:
    """The rows of these keys are there and stand where they are wanted."""
    fields = ("key", "state", "facts", "rule_id", "location_id", "patient_id", "useful_until")
    known = {row[0]: row for row in Message.objects.filter(key__in=list(wanted)).values_list(*fields)}
    fresh = _insert([one for key, one in wanted.items() if key not in known and one.is_in_time(now)], now=now)
    stray = [key for key, row in known.items() if _is_stray(row, wanted[key], now)]
    again = moved = 0
    if stray:
        with transaction.atomic():
            rows = list(_free(Message.objects.filter(key__in=stray)))
            again = sum(row.state == MessageState.WITHDRAWN for row in rows)
            moved = len(rows) - again
            _put(rows, wanted, now)
    return Swept(planned=len(fresh) + again, moved=moved)


def _is_stray(row: Sequence[Any], one: Planned, now: datetime) -> bool:
    state, facts, rule_id, location_id, patient_id, useful_until = row[1:]
    if facts.get(BY_HAND):
        return False
    if state == MessageState.WITHDRAWN:
        return one.is_in_time(now)
    stands = (facts, rule_id, location_id, patient_id, useful_until)
    wanted = (one.facts, one.rule.pk, one.occasion.location_id, one.occasion.patient_id, one.due.useful_until)
    return state == MessageState.PLANNED and stands != wanted


def _put(rows: Sequence[Message], wanted: Mapping[str, Planned], now: datetime) -> None:
    """Locked rows stand where they are wanted; one that a retry put off waits on, unless its own time moved."""
    steps = []
    for row in rows:
        one = wanted[row.key]
        if row.state == MessageState.WITHDRAWN:
            row.state, row.state_at, row.error, row.attempts = MessageState.PLANNED, now, "", 0
            row.due_at = one.due.at
            steps.append(_step(row, now, "Wanted again."))
        elif row.facts.get(DUE) != one.facts[DUE]:
            row.due_at, row.attempts = one.due.at, 0
            steps.append(_step(row, now, f"Now due {one.due.at.astimezone(one.zone):%a %-d %b, %H:%M}."))
        row.facts, row.useful_until = one.facts, one.due.useful_until
        row.rule, row.location_id, row.patient_id = one.rule, one.occasion.location_id, one.occasion.patient_id
    fields = [
        "state",
        "state_at",
        "error",
        "attempts",
        "due_at",
        "facts",
        "useful_until",
        "rule",
        "location",
        "patient",
    ]
    Message.objects.bulk_update(rows, fields)
    MessageStep.objects.bulk_create(steps)


def _insert(wanted: Sequence[Planned], *, now: datetime, by: User | None = None) -> list[Message]:
    """New rows for those that have none; two who insert the same wait for each other, and one of them has it."""
    if not wanted:
        return []
    rows = [one.row(now, by) for one in sorted(wanted, key=lambda one: one.key)]
    with transaction.atomic():
        Message.objects.bulk_create(rows, ignore_conflicts=True)
        ids = dict(Message.objects.filter(uid__in=[row.uid for row in rows]).values_list("uid", "pk"))
        mine = [row for row in rows if row.uid in ids]
        for row in mine:
            row.pk = ids[row.uid]
        MessageStep.objects.bulk_create(_step(row, now, "Planned.", by) for row in mine)
    return mine


def _withdraw_others(kind: Kind, scope: Scope, seen: set[str], *, now: datetime, until: datetime) -> Swept:
    """Rows of the kind in this time that no rule wants (any more)."""
    rows = _in_scope(Message.objects.filter(event=kind.event), scope)
    rows = rows.filter(state__in=[MessageState.PLANNED, MessageState.TO_CALL], useful_until__gt=now, due_at__lt=until)
    found = rows.exclude(key__startswith=f"{MANUAL} ").values_list("pk", "key").iterator(chunk_size=10_000)
    gone = [pk for pk, key in found if key not in seen]
    return Swept(withdrawn=sum(_withdraw(kind, gone[at : at + CHUNK], now) for at in range(0, len(gone), CHUNK)))


def _withdraw(kind: Kind, ids: Sequence[int], now: datetime) -> int:
    with transaction.atomic():
        rows = list(_free(Message.objects.filter(pk__in=ids).select_related("patient", "rule", "location")))
        said = kind.still_holds(rows, now=now)
        return _end(rows, {row.pk: _why_withdrawn(row, said.get(row.pk, "")) for row in rows}, now)


def _why_withdrawn(row: Message, said: str) -> str:
    if row.patient is not None and row.patient.status == PatientStatus.DECEASED:
        return DECEASED
    if said:
        return said
    if row.rule is None:
        return RULE_GONE
    return NOT_WANTED if row.rule.is_on and row.location.is_active else RULE_OFF


def _sweep_calls(scope: Scope, *, now: datetime) -> Swept:
    """Calls whose use is over are skipped, calls of notices that hold no more are withdrawn."""
    calls = _in_scope(Message.objects.filter(state=MessageState.TO_CALL), scope)
    count = 0
    with transaction.atomic():
        rows = list(_free(calls))
        late = [row for row in rows if row.useful_until <= now]
        _end(late, dict.fromkeys((row.pk for row in late), NOT_CALLED), now, MessageState.SKIPPED)
        for kind in kinds():
            mine = [row for row in rows if row.event == kind.event and row.state == MessageState.TO_CALL]
            if mine and not kind.find:
                said = kind.still_holds(mine, now=now)
                count += _end([row for row in mine if row.pk in said], said, now)
    return Swept(withdrawn=count)


def _end(
    rows: Sequence[Message], why: Mapping[int, str], now: datetime, state: MessageState = MessageState.WITHDRAWN
) -> int:
    if not rows:
        return 0
    for row in rows:
        row.state, row.state_at, row.error = state, now, why[row.pk][:300]
    Message.objects.bulk_update(rows, ["state", "state_at", "error"])
    MessageStep.objects.bulk_create(_step(row, now, row.error) for row in rows)
    return len(rows)


def _in_scope(rows: QuerySet[Message], scope: Scope) -> QuerySet[Message]:
    if scope.patient_ids is not None:
        rows = rows.filter(patient__in=scope.patient_ids)
    if scope.booking_ids is not None:
        rows = rows.filter(booking__in=scope.booking_ids)
    return rows


def _free(rows: QuerySet[Message]) -> QuerySet[Message]:
    """Those that nobody else holds at this moment, locked; the order keeps two sweeps out of a circle."""
    changeable = rows.filter(state__in=[MessageState.PLANNED, MessageState.TO_CALL, MessageState.WITHDRAWN])
    return changeable.order_by("pk").select_for_update(skip_locked=True, of=("self",))


def _step(row: Message, now: datetime, text: str, by: User | None = None) -> MessageStep:
    return MessageStep(message=row, at=now, state=row.state, text=text[:300], by=by)


# --- notices and what staff write -------------------------------------------------------------------------------------
def announce(occasions: Iterable[Occasion], *, now: datetime, by: User | None = None) -> list[Message]:
    """The notices that the rules of the occasions' events want, planned once; returns the new rows.

    They leave soon after the commit; a broker that is away delays them until the next dispatch, nothing else.
    """
    told = list(occasions)
    if not told:
        return []
    rules = rules_by_event({one.location_id for one in told})
    wanted = [
        planned
        for event, rows in rules.items()
        for planned in wanted_for([one for one in told if one.event == event], rows)
        if planned.due.useful_until > now
    ]
    fresh = _insert(wanted, now=now, by=by)
    _send_soon(fresh, now)
    return fresh


def write(
    *,
    patient: Patient,
    location: Location,
    text: str,
    by: User,
    now: datetime,
    event: MessageEvent = MessageEvent.MANUAL,
    subject: str = "",
    booking: Booking | None = None,
    about: str = "",
    facts: Mapping[str, Any] | None = None,
    channel: str = "",
    key: str = "",
) -> Message:
    """A message in somebody's own words: due at once (in the patient's day), sent by the next worker.

    Args:
        text: may have {placeholders} of its kind, {link} among them.
        channel: "sms" or "email" if it has to be that one; empty: as for any other message.
        key: what makes it the same message when it is asked for twice; empty: each call writes another.
    """
    when = out_of_quiet_hours(now, zone_of(patient, location))
    row = Message(
        key=f"{MANUAL} {key or uuid4()}",
        event=event,
        location=location,
        patient=patient,
        booking=booking,
        about=about,
        facts={**(facts or {}), **({WISHED: channel} if channel else {})},
        due_at=when,
        useful_until=when + MANUAL_USEFUL,
        state_at=now,
        created_at=now,
        created_by=by,
        subject=subject,
        text=text,
    )
    with transaction.atomic():
        Message.objects.bulk_create([row], ignore_conflicts=True)
        stored = Message.objects.get(key=row.key)
        if stored.uid == row.uid:
            MessageStep.objects.create(message=stored, at=now, state=stored.state, text="Written.", by=by)
            _send_soon([stored], now)
    return stored


def _send_soon(rows: Sequence[Message], now: datetime) -> None:
    if any(row.due_at <= now for row in rows):
        enqueue_if_possible(SEND_SOON)
