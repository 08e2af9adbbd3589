"""What messages can be about: each kind is registered by whoever knows when it happens.

Consultations are registered here, infusions and measures by ``courses`` (``CoursesConfig.ready``).

A kind of *standing* events (a visit on a date, a measure due) can be reckoned anew at any time from what is on record,
so its planned messages follow when a visit moves and are withdrawn when it goes. A kind of *notices* (moved,
cancelled, offered) is planned once by ``planning.announce`` when it happens. Whether a message still holds is asked
again at sending, for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.utils.module_loading import import_string

from patients.models import Message, MessageEvent, MessageRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose messages are reckoned anew; with nothing named, everybody's."""

    patient_ids: frozenset[int] | None = None
    booking_ids: frozenset[int] | None = None


EVERYBODY = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """Something that happens to one person, for which rules of its event may want messages.

    Attributes:
        key: names it, unchanged for as long as it is the same occasion: "booking 17 2027-01-10T15:00Z". A visit that
            moves is another occasion: the message for the old time is withdrawn, one for the new time planned.
        anchor: the instant from which offsets count, UTC.
        ends_at: when a message before it is of no use any more (None: the rule's ``useful_min`` alone decides).
    """

    event: MessageEvent
    key: str
    location_id: int
    anchor: datetime
    ends_at: datetime | None = None
    patient_id: int | None = None
    request_id: int | None = None
    booking_id: int | None = None
    about: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


class FindOccasions(Protocol):
    def __call__(self, scope: Scope, *, since: datetime, until: datetime, now: datetime) -> Iterable[Occasion]:
        """Those whose anchor lies in ``[since, until)``, in a constant number of queries."""


class StillHolds(Protocol):
    def __call__(self, messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:
        """Message id -> why it is not to be sent ("The visit was cancelled."); what is not named may go out."""


class FillIn(Protocol):
    def __call__(self, messages: Sequence[Message], *, now: datetime) -> Mapping[int, Mapping[str, str]]:
        """Message id -> values of the kind's own placeholders, in the message's language, on the patient's clocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of message. Functions are dotted names, imported when first needed.

    Attributes:
        placeholders: its own, beside those that every message has ({first_name} {clinic} {phone} {link}).
        purpose: what its {link} opens (``links.Purpose``); empty: it has none.
        find: ``FindOccasions`` of a standing kind; empty for a notice.
        is_change: tells of a change: a second one on the same day goes to the call list instead of being skipped.
        asks_to_confirm: reminders on the days before say nothing else that is needed: who has confirmed gets none.
    """

    event: MessageEvent
    placeholders: tuple[str, ...] = ()
    purpose: str = ""
    find: str = ""
    still: str = ""
    values: str = ""
    is_change: bool = False
    asks_to_confirm: bool = False

    def occasions(self, scope: Scope, *, since: datetime, until: datetime, now: datetime) -> Iterable[Occasion]:
        found: FindOccasions = import_string(self.find) if self.find else _none_found
        return found(scope, since=since, until=until, now=now)

    def still_holds(self, messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:
        asked: StillHolds = import_string(self.still) if self.still else _nothing
        return asked(messages, now=now)

    def fill_in(self, messages: Sequence[Message], *, now: datetime) -> Mapping[int, Mapping[str, str]]:
        asked: FillIn = import_string(self.values) if self.values else _nothing
        return asked(messages, now=now)


_kinds: dict[MessageEvent, Kind] = {}


def register_kind(kind: Kind) -> None:
    """``kind`` can be planned and sent from now on. Registering it again replaces it."""
    _kinds[kind.event] = kind


def kind_of(event: str) -> Kind:
    """Raises KeyError for an event that nobody registered."""
    return _kinds[MessageEvent(event)]


def kinds() -> tuple[Kind, ...]:
    """All kinds in the order of ``MessageEvent``."""
    return tuple(_kinds[event] for event in MessageEvent if event in _kinds)


def rules_in_force(location_ids: Iterable[int] | None = None) -> list[MessageRule]:
    """Rules that are on, of kinds that somebody registered, with their texts; two queries."""
    rows = MessageRule.objects.filter(is_on=True, event__in=[kind.event for kind in kinds()], location__is_active=True)
    if location_ids is not None:
        rows = rows.filter(location__in=list(location_ids))
    return list(rows.select_related("location").prefetch_related("texts"))


def _none_found(scope: Scope, *, since: datetime, until: datetime, now: datetime) -> Iterable[Occasion]:  # noqa: ARG001
    return ()


def _nothing(messages: Sequence[Message], *, now: datetime) -> Mapping[int, Any]:  # noqa: ARG001
    return {}
