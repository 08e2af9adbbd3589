"""Times at a chair that became free before they began: written down once, with one task, and read with their offers.

For whom one would be better stands in ``freed_for``; offering and booking in ``offers``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import DateTimeRangeField
from django.db.models import (
    Case,
    CharField,
    Exists,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Cast, Concat, JSONObject

from clinic.models import Allocation, Location, User
from clinic.models.moments import Moment
from clinic.services.bookings import GivenBack
from courses.models import (
    FollowUpSettings,
    FreedSlot,
    OfferState,
    SlotOffer,
    Task,
    TaskEnd,
    TaskKind,
)
from courses.planning.words import say_moment
from courses.services.messages.offers import announce_gone, message_states
from patients.models import MessageState

SOONEST = timedelta(hours=1)
"""[D] A time that begins sooner is not offered: nobody could come."""
MOST = 20
"""So many free times of a day are counted for Today; for how many the first one fits, Today asks a moment later."""
PASSED = "The time has passed; nobody took it."
TAKEN = "Another visit was booked at this time."


# -- a time becomes free -----------------------------------------------------------------------------------------------


def follow_freed(given_back: Sequence[GivenBack], *, by: User | None, now: datetime) -> None:  # noqa: ARG001
    """Each time that can still be offered stands in the list, with its task; ``clinic.services.bookings`` calls this.

    Two queries, however many there are; none when nothing is far enough ahead. A visit that is moved, and later moved
    or cancelled again, leaves a time each time; one that is open already is not written down twice.
    """
    ahead = [one for one in given_back if one.start > now + SOONEST]
    if not ahead:
        return
    # Without waiting for a row that is there already: whoever accepts an offer holds its slot and then moves a visit.
    FreedSlot.objects.bulk_create(
        [
            FreedSlot(
                booking_id=one.booking_id,
                location=one.location,
                chair_id=one.station_id,
                start=one.start,
                end=one.end,
                freed_at=now,
            )
            for one in ahead
        ],
        ignore_conflicts=True,
    )
    Task.objects.bulk_create([_task(one, now) for one in ahead], ignore_conflicts=True)


def _task(one: GivenBack, now: datetime) -> Task:
    rows = FreedSlot.objects.filter(booking=one.booking_id, chair=one.station_id, start=one.start)
    # The open one, which was written a statement ago; closed in between, its own task is found and nothing is added.
    slot = rows.order_by(F("closed_at").desc(nulls_first=True), "-pk").values("pk")[:1]
    key: Any = Concat(Value(KEY), Cast(Subquery(slot), CharField()))
    local = one.location.local(one.start)
    return Task(
        kind=TaskKind.FREED_SLOT,
        key=key,
        location=one.location,
        text=text_of(local, one.station_name),
        due_on=local.date(),
        opened_at=now,
    )


KEY = "freed:"


def key_of(slot_id: int) -> str:
    """The key of a freed time's task."""
    return f"{KEY}{slot_id}"


def slot_id_of(key: str) -> int:
    """The freed time to which a task belongs."""
    return int(key.removeprefix(KEY))


def text_of(local: datetime, chair: str) -> str:
    """What the task says: "Thu 14 Jan, 14:00, Chair 2 became free"."""
    return f"{say_moment(local)}, {chair} became free"


def is_taken(slot: str = "") -> Exists:
    """An annotation of a freed time: something else holds its chair by now."""
    chair, start, end = (OuterRef(f"{slot}{name}") for name in ("chair", "start", "end"))
    span = Func(start, end, function="tstzrange", output_field=DateTimeRangeField())
    return Exists(Allocation.objects.held().of(chair).filter(span__overlap=span))


def close_slot(slot: FreedSlot, text: str, *, now: datetime, how: TaskEnd, by: User | None = None) -> None:
    """The time is offered no more, its open offers are gone, its task is over; in the caller's transaction."""
    slot.closed_at, slot.closed_text = now, text[:200]
    slot.save(update_fields=["closed_at", "closed_text"])
    _let_go(SlotOffer.objects.filter(slot=slot), now)
    Task.objects.open().filter(key=key_of(slot.pk)).update(
        closed_at=now, closed_by=by, closed_how=how, closed_text=text[:300]
    )


def close_spent(now: datetime) -> int:
    """Times that have passed, or that another visit took, are closed and say so; their offers are gone.

    Three queries at most; returns how many there were. Tasks are settled by the sweep.
    """
    rows = FreedSlot.objects.filter(closed_at__isnull=True).annotate(is_taken=is_taken())
    spent = (
        rows.filter(Q(start__lte=now) | Q(is_taken=True)).order_by("pk").select_for_update(no_key=True, of=("self",))
    )
    pks = [slot.pk for slot in spent]
    if pks:
        text = Case(When(start__lte=now, then=Value(PASSED)), default=Value(TAKEN))
        FreedSlot.objects.filter(pk__in=pks).update(closed_at=now, closed_text=text)
        _let_go(SlotOffer.objects.filter(slot__in=pks), now)
    return len(pks)


def _let_go(offers: QuerySet[SlotOffer], now: datetime) -> None:
    """Those of them that are open are gone, and who had a message with one is told, while the time is still to come."""
    rows = list(offers.filter(state=OfferState.OPEN).select_related("slot__location").order_by("pk"))
    if rows:
        offers.filter(state=OfferState.OPEN).update(state=OfferState.GONE, answered_at=now)
        announce_gone([one for one in rows if one.slot.start > now], now=now)


def freed_waiting(location: str = "pk") -> dict[str, ArraySubquery]:
    """An annotation of a location: its next times to offer, for Today. ``clinic.edge.context`` reads it along."""
    soon = {"start__gt": Moment(), "start__lt": Moment(timedelta(days=1))}
    rows = FreedSlot.objects.filter(location=OuterRef(location), closed_at__isnull=True, **soon)
    key = Concat(Value(KEY), Cast(OuterRef("pk"), CharField()))
    is_asked_for = Exists(Task.objects.open().filter(key=key))  # nobody has set its task aside
    free = rows.annotate(is_taken=is_taken()).filter(is_asked_for, is_taken=False).order_by("start", "pk")
    return {"freed_next": ArraySubquery(free.values(json=JSONObject(pk="pk", start="start"))[:MOST])}


@dataclass(frozen=True, slots=True)
class TodaysGap:
    """Times of today that are free and could be offered: how many, and the first of them."""

    number: int
    slot_id: int
    start: datetime


def gap_today(location: Location, now: datetime) -> TodaysGap | None:
    """What Today says about freed times; ``location`` comes from the shell, with ``freed_waiting``. No query."""
    today = location.local(now).date()
    found = [(one["pk"], datetime.fromisoformat(one["start"])) for one in getattr(location, "freed_next", ())]
    mine = [(pk, start) for pk, start in found if location.local(start).date() == today and start > now]
    return TodaysGap(len(mine), *mine[0]) if mine else None


# -- one freed time with its offers ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody to whom the time was offered, and what came of it."""

    offer_id: int
    infusion_id: int
    patient_id: int
    name: str
    way: str
    state: str
    why: str
    offered_at: datetime
    expires_at: datetime
    answered_at: datetime | None
    told_at: datetime | None
    message: str | None  # state of the message that carried it
    now: datetime

    @property
    def is_open(self) -> bool:
        return self.state == OfferState.OPEN and self.now < self.expires_at

    @property
    def has_expired(self) -> bool:
        return self.state == OfferState.OPEN and self.now >= self.expires_at

    @property
    def message_said(self) -> str:
        return MessageState(self.message).label.lower() if self.message else ""

    @property
    def said(self) -> str:
        return "Expired" if self.has_expired else OfferState(self.state).label


ASKED = ArraySubquery(
    SlotOffer.objects.filter(slot=OuterRef("pk"))
    .order_by("offered_at", "pk")
    .values(
        json=JSONObject(
            offer_id="pk",
            infusion_id="infusion",
            patient_id="patient",
            given="patient__given_name",
            family="patient__family_name",
            way="way",
            state="state",
            why="why",
            offered_at="offered_at",
            expires_at="expires_at",
            answered_at="answered_at",
            told_at="told_at",
            message=message_states(),
        )
    )
)


@dataclass(frozen=True, slots=True)
class Freed:
    """A freed time as its page shows it."""

    slot: FreedSlot
    asked: tuple[Asked, ...]
    is_taken: bool
    offer_min: int

    @property
    def local(self) -> datetime:
        return self.slot.location.local(self.slot.start)

    @property
    def is_filled(self) -> bool:
        """Whether somebody who was asked has it."""
        return any(one.state == OfferState.ACCEPTED for one in self.asked)

    def is_open_at(self, now: datetime) -> bool:
        """Whether it can still be given to somebody."""
        return self.slot.closed_at is None and not self.is_taken and self.slot.start > now

    def why_closed(self, now: datetime) -> str:
        """What became of it; empty while it is open."""
        if self.slot.closed_at is not None:
            return self.slot.closed_text
        if self.is_taken:
            return TAKEN
        return PASSED if self.slot.start <= now else ""


def read_freed(slot_id: int, now: datetime) -> Freed:
    """One query.

    Raises:
        FreedSlot.DoesNotExist: there is no such time.
    """
    minutes = FollowUpSettings.objects.filter(location=OuterRef("location")).values("offer_min")
    rows = FreedSlot.objects.select_related("location", "chair", "booking")
    slot: Any = rows.annotate(asked=ASKED, is_taken=is_taken(), offer_min=Subquery(minutes)).get(pk=slot_id)
    usual = FollowUpSettings._meta.get_field("offer_min").get_default()
    asked = tuple(_asked(one, now) for one in slot.asked)
    return Freed(slot, asked, slot.is_taken, usual if slot.offer_min is None else slot.offer_min)


def _asked(plain: Mapping[str, Any], now: datetime) -> Asked:
    moments = {
        name: datetime.fromisoformat(plain[name]) if plain[name] else None
        for name in ("offered_at", "expires_at", "answered_at", "told_at")
    }
    kept = {name: value for name, value in plain.items() if name not in (*moments, "given", "family")}
    return Asked(name=f"{plain['family']}, {plain['given']}", now=now, **kept, **moments)  # type: ignore[arg-type]
