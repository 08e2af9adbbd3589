"""Messages of a stage: many that are due, who tells the workers to look, and what became of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from celery import Celery
from django.db.models import F
from django.utils import timezone

from bench.faults.stage import REDIS_URL, until
from clinic.models import Location
from patients.models import (
    ContactConsent,
    Message,
    MessageEvent,
    MessageRule,
    MessageState,
    MessageText,
    Patient,
    Phone,
)
from patients.services.messages.sending import STALE_AFTER, release_stale

OPEN = {MessageState.PLANNED, MessageState.SENDING}
STILL_S = 4.0
"""Longer than any one message takes here."""
TOLD_EVERY_S = 2.0
"""The scheduler's minute, made short."""


def zone_of_noon() -> str:
    """A zone in which it is about noon: whatever the hour of this run, nobody sleeps there."""
    behind = timezone.now().hour - 12
    return f"Etc/GMT{behind:+d}" if behind else "Etc/GMT"


def place_at_noon() -> Location:
    return Location.objects.create(name="Noon", short_name="Noon", time_zone=zone_of_noon(), phone="+12125550100")


def rule_at(place: Location, channel: str) -> MessageRule:
    """A kind of message that staff made, by one channel."""
    rule = MessageRule.objects.create(
        location=place,
        key=f"faults-{channel}",
        event=MessageEvent.MANUAL,
        title=f"Faults, {channel}",
        minutes=0,
        channels=[channel],
    )
    MessageText.objects.create(
        rule=rule,
        language="en",
        subject="From {clinic}",
        email_text="Hello {first_name}, call {clinic}.",
        sms_text="{clinic}: please call us. Reply STOP to opt out.",
    )
    return rule


def make_due(count: int, channel: str, rule: MessageRule) -> list[int]:
    """So many messages that are due since an hour, to people who agreed; their ids."""
    now = timezone.now()
    asked = ContactConsent.objects.exclude(source="Faults").values("patient")  # what they said before counts
    able = Patient.objects.filter(merged_into=None, status="active").exclude(pk__in=asked)
    people = list(able.order_by("pk")[:count])
    has_phone = set(Phone.objects.filter(patient__in=people).values_list("patient", flat=True))
    Phone.objects.bulk_create(
        Phone(patient=one, number=f"+1212556{one.pk % 10_000:04}", is_primary=True)
        for one in people
        if one.pk not in has_phone
    )
    for person in people:
        person.email = f"p{person.pk}@example.org"
        person.time_zone = ""
    Patient.objects.bulk_update(people, ["email", "time_zone"])
    ContactConsent.objects.bulk_create(
        ContactConsent(
            patient=one, channel=channel, granted=True, value="", source="Faults", at=now - timedelta(days=9)
        )
        for one in people
    )
    rows = Message.objects.bulk_create(
        Message(
            key=f"faults {channel} {one.pk}",
            event=MessageEvent.MANUAL,
            rule=rule,
            location=rule.location,
            patient=one,
            due_at=now - timedelta(hours=1),
            useful_until=now + timedelta(hours=10),
            state_at=now,
            created_at=now,
        )
        for one in people
    )
    return [row.pk for row in rows]


class Teller:
    """Tells the workers to look, as the scheduler does; a Redis that is away hears nothing of it."""

    def __init__(self, url: str = REDIS_URL) -> None:
        self.celery = Celery("teller", broker=url, set_as_current=False)
        self.celery.conf.broker_transport_options = {"global_keyprefix": "cadence:"}
        self.told = 0.0

    def tell(self) -> None:
        if time.monotonic() - self.told < TOLD_EVERY_S:
            return
        self.told = time.monotonic()
        # What waits for another try is due again: the minutes of waiting are not what is tried here.
        Message.objects.filter(state=MessageState.PLANNED, key__startswith="faults").update(
            due_at=timezone.now() - timedelta(minutes=1)
        )
        try:
            self.celery.send_task("patients.tasks.messages.dispatch", queue="messages", retry=False)
        except Exception:  # noqa: BLE001 (as the scheduler: it tells them again)
            return

    def tell_until(self, condition: Callable[[], bool], what: str) -> float:
        def look() -> bool:
            if condition():
                return True
            self.tell()
            time.sleep(0.2)
            return False

        try:
            return until(look, what)
        except TimeoutError as problem:
            rows = Message.objects.filter(key__startswith="faults")
            raise TimeoutError(f"{problem}; messages: {states(list(rows.values_list('pk', flat=True)))}") from None


def all_ended(ids: list[int]) -> bool:
    """None is planned or being sent."""
    return not Message.objects.filter(pk__in=ids, state__in=OPEN).exists()


def states(ids: list[int]) -> dict[str, int]:
    """State -> how many of these."""
    found: dict[str, int] = {}
    for state in Message.objects.filter(pk__in=ids).values_list("state", flat=True):
        found[str(state)] = found.get(str(state), 0) + 1
    return found


def only_dead(ids: list[int]) -> bool:
    """Nothing is left but what belongs to workers that are gone: none is planned, and those held do not change."""
    if Message.objects.filter(pk__in=ids, state=MessageState.PLANNED).exists():
        return False
    before = _held(ids)
    time.sleep(STILL_S)
    return before == _held(ids)


def _held(ids: list[int]) -> set[tuple[int, object]]:
    return set(Message.objects.filter(pk__in=ids, state=MessageState.SENDING).values_list("pk", "attempted_at"))


def ten_minutes_later(ids: list[int]) -> int:
    """What is held now was claimed ten minutes earlier, and is given back as the scheduler's task does; how many."""
    held = Message.objects.filter(pk__in=ids, state=MessageState.SENDING)
    held.update(claimed_at=F("claimed_at") - STALE_AFTER)
    return release_stale(now=timezone.now())
