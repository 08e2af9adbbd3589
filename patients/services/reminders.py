"""The reminder plan of one visit, as pages show it: what the outbox has for it, and what the rules want beside that.

There is one truth: a visit that is booked has rows in the outbox; for one that is not (and for the moment until its
rows are there) the same rules are reckoned by the same arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from clinic.models import Booking, Location
from patients.models import Message, MessageEvent, MessageRule, MessageState, Patient
from patients.models.messages import GONE_OUT
from patients.services.messages.addressing import AUTOMATIC, Address, choose_for
from patients.services.messages.kinds import Occasion
from patients.services.messages.planning import planned_by
from patients.services.messages.visits import START, stamp

TOO_LATE = "Booked too late for it"


@dataclass(frozen=True, slots=True)
class Reminder:
    """One reminder. ``at`` is an instant in UTC, ``local`` the same on the patient's clocks; ``said``: why not."""

    title: str
    at: datetime
    local: datetime
    state: str  # of MessageState
    said: str = ""
    message_id: int | None = None

    @property
    def is_ahead(self) -> bool:
        return self.state in {MessageState.PLANNED, MessageState.SENDING}

    @property
    def label(self) -> str:
        return MessageState(self.state).label


@dataclass(frozen=True, slots=True)
class VisitReminders:
    """Soonest first, with how they reach the patient now, and on whose clocks."""

    reminders: tuple[Reminder, ...]
    address: Address
    zone: ZoneInfo
    is_away: bool  # the patient's clocks are not those of the location

    def local(self, instant: datetime) -> datetime:
        """On the patient's clocks; the name that the filters of templates call."""
        return instant.astimezone(self.zone)

    @property
    def place_name(self) -> str:
        """For example "Los Angeles"."""
        return self.zone.key.rpartition("/")[2].replace("_", " ")

    @property
    def ahead(self) -> tuple[Reminder, ...]:
        return tuple(one for one in self.reminders if one.is_ahead)


def reminders_of(
    patient: Patient,
    *,
    location: Location,
    start: datetime,
    now: datetime,
    booking: Booking | None = None,
    event: MessageEvent = MessageEvent.CONSULTATION,
) -> VisitReminders:
    """What goes out, or went out, before a visit that starts then; four queries. Source: clinical.md R11.

    Args:
        booking: the visit, once there is one.
        event: whose rules: those of its kind of visit.
    """
    rules = list(MessageRule.objects.filter(location=location, event=event, is_on=True))
    rows = _rows(booking, event, start) if booking is not None else {}
    address = choose_for(patient, location, rules[0].channels if rules else AUTOMATIC)
    key = f"booking {booking.pk} {stamp(start)}" if booking is not None else "a visit"
    visit = Occasion(event=event, key=key, location_id=location.pk, anchor=start, ends_at=start, patient_id=patient.pk)
    found = [*_wanted(rules, visit, rows, address.zone, now), *_sent_besides(rows, address.zone)]
    is_away = start.astimezone(address.zone).utcoffset() != location.local(start).utcoffset()
    return VisitReminders(tuple(sorted(found, key=lambda one: one.at)), address, address.zone, is_away)


def _rows(booking: Booking, event: MessageEvent, start: datetime) -> dict[str, Message]:
    rows = Message.objects.filter(booking=booking, event=event).select_related("rule")
    return {row.key: row for row in rows if row.facts.get(START) == stamp(start)}


def _wanted(
    rules: Iterable[MessageRule], visit: Occasion, rows: dict[str, Message], zone: ZoneInfo, now: datetime
) -> Iterable[Reminder]:
    """One for each rule; its row is taken out of ``rows``."""
    for rule in rules:
        planned = planned_by(rule, visit, zone)
        row = rows.pop(planned.key, None)
        if row is not None and row.state != MessageState.WITHDRAWN:
            yield _of_row(row, zone)
        elif planned.is_in_time(now):
            yield Reminder(rule.title, planned.due.at, planned.due.at.astimezone(zone), MessageState.PLANNED)
        else:
            local = planned.due.at.astimezone(zone)
            yield Reminder(rule.title, planned.due.at, local, MessageState.SKIPPED, TOO_LATE)


def _sent_besides(rows: dict[str, Message], zone: ZoneInfo) -> Iterable[Reminder]:
    """What went out by a rule that is off or gone by now."""
    return [_of_row(row, zone) for row in rows.values() if row.state in GONE_OUT]


def _of_row(row: Message, zone: ZoneInfo) -> Reminder:
    title = row.rule.title if row.rule is not None else row.get_event_display()
    at = row.sent_at or row.due_at
    return Reminder(title, at, at.astimezone(zone), row.state, row.error, row.pk)
