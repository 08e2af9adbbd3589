"""The providers of messages refuse connections for a whole day (minutes of the clock are given to the services)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from bench.faults.people import Browser
from bench.faults.report import Report
from bench.faults.stage import MAIL_PORT, SMS_PORT, stage
from clinic.services.operation import operation
from patients.models import Message, MessageState, MessageStep
from patients.services.messages import planning, returning, sending
from patients.tests.providers_kit import mail_api, sms_provider

TITLE = "The providers are down for a day"
DAY, AFTER = timedelta(days=1), timedelta(hours=3)
EVERY, SWEEP_EVERY = timedelta(minutes=1), timedelta(minutes=30)
GONE = (MessageState.SENT, MessageState.DELIVERED)


def run(report: Report) -> None:
    with stage() as here:
        begun = timezone.now().replace(second=0, microsecond=0)
        last = MessageStep.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        back = begun + DAY
        _live(begun, back)
        touched = Message.objects.filter(due_at__lte=back + AFTER, steps__pk__gt=last).distinct()
        left = MessageStep.objects.filter(pk__gt=last, state__in=GONE).count()
        waiting = Message.objects.filter(state=MessageState.FAILED, state_at__gte=begun)
        report.say(f"after a day: {_states(begun)}")
        report.check("nothing left while the providers were away", holds=left == 0, seen=left)
        report.check("messages were due in that day", holds=touched.count() > 0, seen=touched.count())
        said = set(waiting.values_list("error", flat=True))
        report.check("each failure says why", holds=bool(said) and all(said), seen=sorted(said)[:3])
        titles = [one.title for one in operation(now=back).advice]
        report.check("the page of operation says so", holds=any("failed in the last 7 days" in one for one in titles))
        here.web()
        desk = Browser([here.base])
        desk.sign_in("desk")
        page = desk.get("/messages/?show=failed")
        report.check(
            "the front desk has them on its list", holds="Try again" in page.text or "cannot be reached" in page.text
        )

        failed = dict(waiting.values_list("pk", "useful_until"))
        with sms_provider(port=SMS_PORT) as sms, mail_api(port=MAIL_PORT) as mail:
            _live(back, back + AFTER)
            keys = [one.key for one in sms.accepted]
            report.say(f"three hours later: {_states(begun)}; {len(keys)} texts and {len(mail.sent)} e-mails left")
            report.check("no text left twice", holds=not sms.duplicates())
        sent = MessageStep.objects.filter(pk__gt=last, state=MessageState.SENT)
        per_message = list(sent.values_list("message", flat=True))
        report.check("each that left left once", holds=len(per_message) == len(set(per_message)), seen=len(per_message))
        late = Message.objects.filter(pk__in=per_message).exclude(sent_at__lt=back + AFTER)
        over = [
            row.pk
            for row in Message.objects.filter(pk__in=per_message)
            if row.sent_at and row.sent_at >= row.useful_until
        ]
        report.check("nothing was sent after its time", holds=not over and not late.exists(), seen=over)
        useful = [pk for pk, until in failed.items() if until > back + timedelta(hours=1)]
        gone = Message.objects.filter(pk__in=useful, state__in=GONE).count()
        settled = Message.objects.filter(pk__in=useful).exclude(state=MessageState.FAILED).count()
        report.check(
            "what failed and is still of use left by itself, or was found to be of no use",
            holds=settled == len(useful),
            seen=f"{gone} left of {len(useful)}",
        )
        ended = Message.objects.filter(state__in=[MessageState.SKIPPED, MessageState.WITHDRAWN], state_at__gte=begun)
        report.check("what was too late says so", holds=all(ended.values_list("error", flat=True)), seen=ended.count())
        open_ones = Message.objects.filter(state__in=[MessageState.PLANNED, MessageState.SENDING], due_at__lt=back)
        report.check("nothing of that day is left open", holds=not open_ones.exists(), seen=open_ones.count())


def _live(start: datetime, until: datetime) -> None:
    """What scheduler and workers do, minute by minute."""
    now = start
    while now < until:
        if (now - start) % SWEEP_EVERY == timedelta(0):
            planning.sweep(now=now, horizon=timedelta(days=3))
        returning.probe(now=now)
        while claimed := sending.claim_due(now=now):
            sending.send_claimed(claimed, now=now)
            returning.take_up(claimed, now=now)
        now += EVERY


def _states(since: datetime) -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Message.objects.filter(state_at__gte=since).values_list("state", flat=True):
        found[str(state)] = found.get(str(state), 0) + 1
    return found
