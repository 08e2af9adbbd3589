"""The summary by e-mail that clinicians and the front desk have on each working day: numbers and links, no names.

It leaves at seven in the morning [D] on the clocks of the person's location, on days on which they work; who has no
shifts has it when the location is open. Nothing needs them: nothing is sent.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Count, Q, QuerySet
from django.urls import reverse

from clinic.models import Location, Shift, ShiftException, User
from clinic.pure.roles import DIGEST_ROLES, Can, Role
from clinic.services.freetime import open_days
from clinic.services.shifts import presence
from courses.models import InfusionRecord, Task
from courses.services.worklists.page import DESK_KINDS
from patients.models import (
    ConsultationRequest,
    DangerAlert,
    IncomingMessage,
    Message,
    MessageState,
    RequestStatus,
)

logger = logging.getLogger(__name__)

AT, UNTIL = time(7), time(10)
"""[D] It leaves at seven; after an outage until ten, and then not any more on that day."""
ACTS_ON_MESSAGES = (MessageState.FAILED, MessageState.TO_CALL)


@dataclass(frozen=True, slots=True)
class Need:
    """One line: how many, of what, and where it is done."""

    many: int
    one: str
    more: str
    path: str

    @property
    def said(self) -> str:
        return f"{self.many} {self.one if self.many == 1 else self.more}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits, counted once for everybody: by location, or by location and person."""

    alerts: Mapping[Any, int]
    requests: Mapping[Any, int]
    calls: Mapping[Any, int]
    answers: Mapping[Any, int]
    desk_tasks: Mapping[Any, int]
    own_tasks: Mapping[Any, int]  # by user
    unsigned: Mapping[Any, int]  # by user


# -- sending -----------------------------------------------------------------------------------------------------------


def send_digests(now: datetime) -> int:
    """Everybody whose morning it is has their summary, once a day however many workers look; returns how many left.

    The day is claimed by a conditional update before the e-mail leaves; a mail server that refuses gives it back.
    """
    due = list(_due(now))
    if not due:
        return 0
    waiting = count_waiting(now, {place.pk: place for _, place, _ in due})
    sent = 0
    for person, place, today in due:
        before = person.digest_on
        if not _claim(person, today):
            continue
        needs = needs_of(person, place, waiting)
        if not needs:
            continue
        if _send(person, place, needs):
            sent += 1
        else:
            User.objects.filter(pk=person.pk, digest_on=today).update(digest_on=before)
    return sent


def _claim(person: User, day: date) -> bool:
    """True for the one worker that may write to this person about this day."""
    rows = User.objects.filter(pk=person.pk, is_active=True, wants_digest=True)
    return rows.filter(Q(digest_on__isnull=True) | Q(digest_on__lt=day)).update(digest_on=day) == 1


def _due(now: datetime) -> Iterator[tuple[User, Location, date]]:
    """Whose morning it is, at which location, on which local day; not those who have it already."""
    places = list(Location.objects.active())
    if not places:
        return
    mornings = {place.pk: place for place in places if AT <= place.local(now).time() < UNTIL}
    roles = Q()
    for role in DIGEST_ROLES:
        roles |= Q(roles__contains=[role.value])
    people = list(User.objects.filter(roles, is_active=True, wants_digest=True).exclude(email="").order_by("pk"))
    at_home = [(person, mornings.get(person.home_location_id or places[0].pk)) for person in people]
    here = [(person, place, place.local(now).date()) for person, place in at_home if place is not None]
    here = [
        (person, place, today) for person, place, today in here if person.digest_on is None or person.digest_on < today
    ]
    working = _working(here)
    yield from (one for one in here if one[0].pk in working)


def _working(here: Sequence[tuple[User, Location, date]]) -> set[int]:
    """Who works on their day; who has no shifts works when their location is open."""
    if not here:
        return set()
    people, days = [person for person, _, _ in here], [today for _, _, today in here]
    there = presence(people, min(days), max(days))
    ids = [person.pk for person in people]
    rostered = set(Shift.objects.filter(user__in=ids).values_list("user_id", flat=True))
    rostered |= set(
        ShiftException.objects.filter(user__in=ids, location__isnull=False).values_list("user_id", flat=True)
    )
    is_open = {
        (place.pk, today): bool(open_days(place, today, today))
        for place, today in {(place, today) for person, place, today in here if person.pk not in rostered}
    }
    return {
        person.pk
        for person, place, today in here
        if (there[person.pk][today].stretches if person.pk in rostered else is_open[place.pk, today])
    }


# -- counting ----------------------------------------------------------------------------------------------------------


def count_waiting(now: datetime, places: Mapping[int, Location]) -> Waiting:
    """What waits at these locations; eight queries, however many people are written to.

    A task belongs to whoever took it, else to the prescriber of its course; those of the desk's lists to the desk.
    """
    today = min((place.local(now).date() for place in places.values()), default=now.date())
    tasks = Task.objects.open().filter(due_on__lte=today).exclude(later_until__gt=today)
    unsigned = InfusionRecord.objects.filter(completed_at__isnull=False, signed_at__isnull=True)
    own: Counter[int] = Counter(_by(tasks.filter(owner__isnull=False), "owner"))
    own.update(
        _by(tasks.filter(owner__isnull=True, course__isnull=False).exclude(kind__in=DESK_KINDS), "course__prescriber")
    )
    return Waiting(
        alerts=_by(DangerAlert.objects.waiting(), "location"),
        requests=_by(ConsultationRequest.objects.filter(status=RequestStatus.NEW), "location"),
        calls=_by(Message.objects.filter(state__in=ACTS_ON_MESSAGES, location__in=places), "location"),
        answers=_by(IncomingMessage.objects.filter(handled_at__isnull=True), "location"),
        desk_tasks=_by(tasks.filter(kind__in=DESK_KINDS), "location"),
        own_tasks=own,
        unsigned=_by(unsigned, "visit__infusion__phase__course__prescriber"),
    )


def _by(rows: QuerySet[Any], name: str) -> dict[Any, int]:
    return dict(rows.order_by().values_list(name).annotate(n=Count("pk")))


def needs_of(person: User, place: Location, waiting: Waiting) -> list[Need]:
    """What needs this person at this location, the most urgent first; nothing that their role may not do."""
    is_desk = Role.FRONT_DESK in person.roles
    at = f"?location={place.pk}"
    found = [
        Need(
            _at(waiting.alerts, place) if person.can(Can.VIEW_ALERT) else 0,
            "danger signal waits",
            "danger signals wait",
            reverse("alerts:list"),
        ),
    ]
    if person.can(Can.SIGN_INFUSION):
        found.append(
            Need(
                waiting.unsigned.get(person.pk, 0),
                "infusion record to sign",
                "infusion records to sign",
                reverse("courses:today"),
            )
        )
    found.append(
        Need(
            waiting.own_tasks.get(person.pk, 0),
            "task of yours is due",
            "tasks of yours are due",
            f"{reverse('worklists:all')}{at}",
        )
    )
    if is_desk:
        found += [
            Need(_at(waiting.requests, place), "new request", "new requests", reverse("intake:board")),
            Need(
                _at(waiting.answers, place) + waiting.answers.get(None, 0),
                "answer by text message",
                "answers by text message",
                reverse("outbox:answers"),
            ),
            Need(
                _at(waiting.calls, place),
                "message to call about or to look at",
                "messages to call about or to look at",
                reverse("outbox:list"),
            ),
            Need(
                _at(waiting.desk_tasks, place),
                "task of the front desk is due",
                "tasks of the front desk are due",
                f"{reverse('worklists:all')}{at}",
            ),
        ]
    return [need for need in found if need.many]


def _at(counted: Mapping[Any, int], place: Location) -> int:
    return counted.get(place.pk, 0)


# -- the e-mail --------------------------------------------------------------------------------------------------------


def _send(person: User, place: Location, needs: Sequence[Need]) -> bool:
    total = sum(need.many for need in needs)
    subject = f"Cadence: {total} thing{'s need' if total != 1 else ' needs'} you today"
    mail = EmailMessage(subject, body_of(place, needs), settings.DEFAULT_FROM_EMAIL, [person.email])
    try:
        return mail.send() == 1
    except (OSError, ValueError):  # SMTPException is one; an address of two lines is the other
        logger.exception("A summary could not be sent; the next look tries again")
        return False


def body_of(place: Location, needs: Iterable[Need]) -> str:
    """Numbers and addresses; an e-mail is read by whoever holds the telephone."""
    base = str(getattr(settings, "CADENCE_BASE_URL", "")).rstrip("/")
    lines = [f"- {need.said}: {base}{need.path}" for need in needs]
    said = "\n".join(lines)
    off = f"{base}{reverse('setup:me')}"
    return f"Good morning. This needs you at {place.name} today:\n\n{said}\n\nTo have no more of these e-mails: {off}\n"
