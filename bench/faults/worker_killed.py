"""Celery workers are killed with -9 while they send; one provider knows keys against second copies, one does not."""

from __future__ import annotations

from bench.faults.outbox import Teller, all_ended, make_due, place_at_noon, rule_at, states, ten_minutes_later
from bench.faults.people import Browser
from bench.faults.report import Report
from bench.faults.stage import MAIL_PORT, SMS_PORT, stage
from patients.models import Channel, Message, MessageState
from patients.tests.providers_kit import Accept, mail_api, sms_provider

TITLE = "A Celery worker is killed in mid-send"
COUNT, KILLS = 150, 3


def run(report: Report) -> None:
    with stage() as here, sms_provider(port=SMS_PORT) as sms, mail_api(port=MAIL_PORT) as mail:
        sms.each = lambda _: Accept(delay_s=0.05)
        place = place_at_noon()
        texts = make_due(COUNT, Channel.SMS, rule_at(place, Channel.SMS))
        mails = make_due(COUNT, Channel.EMAIL, rule_at(place, Channel.EMAIL))
        teller = Teller()
        freed = 0
        for number in range(1, KILLS + 1):
            worker, had = here.worker(f"sender{number}"), len(sms.accepted)
            teller.tell_until(lambda had=had: len(sms.accepted) > had + 10, "some have left")  # type: ignore[misc]
            worker.kill()
            held = ten_minutes_later(texts + mails)
            freed += held
            report.say(
                f"worker {number} killed; it held {held}; {len(sms.accepted)} texts, {len(mail.sent)} e-mails left"
            )
        here.worker("sender")
        teller.tell_until(lambda: all_ended(texts + mails), "everything ended")
        _check(report, texts, mails, freed, sms, mail)
        _check_list(report, here.base, here, texts)


def _check(  # noqa: PLR0913, PLR0917 (what was sent, twice)
    report: Report,
    texts: list[int],
    mails: list[int],
    freed: int,
    sms: object,
    mail: object,
) -> None:
    report.say(f"{freed} were given back; texts: {states(texts)}, e-mails: {states(mails)}")
    rows = list(Message.objects.filter(pk__in=texts))
    report.check("no text went out twice", holds=not sms.duplicates(), seen=sms.duplicates())  # type: ignore[attr-defined]
    at_provider = {one.key for one in sms.accepted}  # type: ignore[attr-defined]
    sent = {str(row.uid) for row in rows if row.state == MessageState.SENT}
    failed = {str(row.uid) for row in rows if row.state == MessageState.FAILED}
    report.check("every text was sent or is on the list of failures", holds=len(sent | failed) == len(rows))
    report.check("what is marked as sent was at the provider", holds=sent <= at_provider)
    report.check("what the provider has is marked as sent, or on the list", holds=at_provider <= sent | failed)
    report.check("at most one for each kill is on the list", holds=len(failed) <= KILLS, seen=len(failed))
    report.check("every e-mail was sent", holds=states(mails) == {"sent": len(mails)}, seen=states(mails))
    report.check("no e-mail went out twice", holds=len(mail.sent) == len(mails), seen=len(mail.sent))  # type: ignore[attr-defined]
    steps = Message.objects.filter(pk__in=texts + mails, state=MessageState.SENT)
    once = all(row.steps.filter(state=MessageState.SENT).count() == 1 for row in steps)
    report.check("each says once that it was sent", holds=once)


def _check_list(report: Report, base: str, here: object, texts: list[int]) -> None:
    row = Message.objects.filter(pk__in=texts, state=MessageState.FAILED).first()
    if row is None:
        report.say("no kill fell between the provider's answer and our writing it down: nothing is on the list")
        return
    here.web()  # type: ignore[attr-defined]
    desk = Browser([base])
    desk.sign_in("desk")
    page = desk.get(f"/messages/{row.pk}/")
    report.check("the list says what happened", holds="it may have gone out" in page.text, seen=row.error)
