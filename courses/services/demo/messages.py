"""The outbox of the demo clinic: what went out in the last days, what failed, whom to call, what patients answered.

Told by the services that send, at the moments at which they would have sent: the plan of each morning, then every hour
what is due. Only where messages are caught on this machine; a demo writes to nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from courses.models import TaskKind
from courses.services.demo.place import Site
from courses.services.worklists.engine import sweep as sweep_tasks
from patients.adapters.providers import ProviderError, provider_for
from patients.models import Channel, Message, MessageState
from patients.services.messages import planning
from patients.services.messages.incoming import Answer, receive
from patients.services.messages.receipts import note_mail, note_sms
from patients.services.messages.rules import ensure_rules
from patients.services.messages.sending import claim_due, send_claimed

DAYS_BACK = 3
FIRST_HOUR, LAST_HOUR = 8, 20
NEAR = timedelta(days=1)
KEPT_HERE = {"catcher", "locmem"}
"""Names of the providers that send nothing: the catcher's, and that of Django's tests."""
UNDELIVERED, PHONE_OFF = "30005", "30003"
ONE_IN_FAILS = 40
ANSWERS = ("YES", "Can I come at 3 instead of 1? My ride is late", "STOP", "ok thank you")
"""What some of those who were written to answer, the latest first."""
BATCHES = 20


def outbox(sites: Sequence[Site], now: datetime) -> None:
    """The last days were sent, and the next weeks are planned."""
    if not _is_kept_here():
        return
    for site in sites:
        ensure_rules(site.location, now=now - timedelta(days=DAYS_BACK))
    known = Message.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    for moment in _hours(sites[0], now):
        if sites[0].location.local(moment).hour == FIRST_HOUR:
            planning.sweep(now=moment, horizon=NEAR)
        _send(moment)
    _receipts(known)
    _answers(sites[0], now)
    planning.sweep(now=now)
    _send(now)
    sweep_tasks(now, kinds=[TaskKind.MESSAGE])


def _is_kept_here() -> bool:
    try:
        return {provider_for(channel).name for channel in (Channel.SMS, Channel.EMAIL)} <= KEPT_HERE
    except ProviderError:
        return False


def _hours(site: Site, now: datetime) -> list[datetime]:
    """Each hour of the last days in which messages leave, on the clocks of the first location; up to now."""
    place, today = site.location, site.location.local(now).date()
    days = [today - timedelta(days=back) for back in range(DAYS_BACK, -1, -1)]
    found = [place.at(day, time(hour, 1)) for day in days for hour in range(FIRST_HOUR, LAST_HOUR + 1)]
    return [moment for moment in found if moment < now]


def _send(moment: datetime) -> None:
    """What is due leaves, minute by minute as far as the limit of a minute lets it."""
    for later in range(BATCHES):
        at = moment + timedelta(minutes=later)
        claimed = claim_due(now=at)
        if not claimed:
            return
        send_claimed(claimed, now=at)


def _receipts(known: int) -> None:
    """The phone company and the mail servers say what became of them a minute later: nearly all arrived."""
    for number, message in enumerate(Message.objects.filter(pk__gt=known, state=MessageState.SENT).order_by("pk"), 1):
        when = (message.sent_at or message.due_at) + timedelta(minutes=1)
        if message.channel == Channel.SMS:
            failed = number % ONE_IN_FAILS == 0
            note_sms(
                message.uid,
                provider_id=message.provider_id,
                status="undelivered" if failed else "delivered",
                code=(UNDELIVERED if number % 2 else PHONE_OFF) if failed else "",
                to=message.to,
                now=when,
            )
        elif number % 3:
            note_mail(
                provider_id=message.provider_id,
                provider=message.provider,
                event="delivered",
                to=message.to,
                why="",
                now=when,
            )


def _answers(site: Site, now: datetime) -> None:
    """Some answer by text message: a yes, a question that waits for a person, a stop, thanks."""
    told = Message.objects.filter(channel=Channel.SMS, state=MessageState.DELIVERED, location=site.location)
    numbers = list(dict.fromkeys(told.order_by("-sent_at", "-pk").values_list("to", flat=True)))
    for turn, (number, text) in enumerate(zip(numbers, ANSWERS, strict=False)):
        when = now - timedelta(minutes=25 * (turn + 1))
        answer = Answer(provider_id=f"demo-{turn}", from_number=number, to_number=str(site.location.phone), text=text)
        receive(answer, now=when)
