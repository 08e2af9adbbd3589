"""How many leave in a minute: each provider has a rate of its own, and one that has got enough keeps no other waiting."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from clinic.tests.factories import make_location
from clinic.tests.fixtures.parallel import Parallel
from patients.adapters.providers import Receipt
from patients.models import Channel, Message, MessageEvent
from patients.services.messages import sending
from patients.services.messages.pace import give_back, granted, most_a_minute
from patients.services.messages.sending import Sent, claim_due, send_claimed
from patients.tests.factories import make_patient
from patients.tests.messages_kit import NOW, agree, make_message, make_reachable, make_rule

pytestmark = pytest.mark.django_db


class Counting:
    """A provider that takes everything and counts."""

    gives_idempotency = False

    def __init__(self, name: str) -> None:
        self.name, self.got = name, 0

    def send(self, **_: str) -> Receipt:
        self.got += 1
        return Receipt(f"{self.name}-{self.got}")


def go(seconds: int) -> Sent:
    now = NOW + timedelta(seconds=seconds)
    return send_claimed(claim_due(now=now), now=now)


def test_text_messages_that_have_to_wait_keep_no_mail_waiting(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MESSAGES_PER_MINUTE = 5
    texts, mails = Counting("texts"), Counting("mails")
    monkeypatch.setattr(sending, "provider_for", lambda channel: texts if channel == Channel.SMS else mails)
    place = make_location()
    rule = make_rule(place, "plain", event=MessageEvent.MANUAL, minutes=0, sms="{clinic}: call us. STOP", email="Call.")
    for number in range(8):
        make_message(make_reachable(f"P{number}", f"+1212555040{number}"), place, f"sms {number}", rule=rule)
    for number in range(2):
        person = make_patient(f"Q{number}", email=f"q{number}@example.org")
        agree(person, Channel.EMAIL, person.email)
        make_message(person, place, f"mail {number}", rule=rule)

    assert go(0) == Sent(sent=7, put_off=3)
    assert (texts.got, mails.got) == (5, 2)
    waiting = Message.objects.filter(state="planned")
    assert set(waiting.values_list("error", flat=True)) == {
        "Waits: the provider has got as many as it may in a minute."
    }
    assert set(waiting.values_list("due_at", "attempts")) == {(NOW + timedelta(minutes=1), 0)}
    assert go(59) == Sent()
    assert go(60) == Sent(sent=3)


def test_a_minute_grants_the_rate_and_the_next_one_grants_it_again(settings: Any) -> None:
    settings.MESSAGES_PER_MINUTE = 10
    assert [granted(4, NOW, provider="one") for _ in range(4)] == [4, 4, 2, 0]
    assert granted(10, NOW, provider="other") == 10
    give_back(3, NOW, provider="one")
    assert granted(4, NOW, provider="one") == 3
    assert granted(11, NOW + timedelta(minutes=1), provider="one") == 10


def test_all_together_may_get_what_each_may(settings: Any) -> None:
    settings.MESSAGES_PER_MINUTE = 10
    settings.EMAIL_BACKEND = "clinic.adapters.catcher.EmailBackend"
    settings.TWILIO_ACCOUNT_SID = ""
    assert most_a_minute() == 10  # both are caught by the same one
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert most_a_minute() == 20
    assert granted(25, NOW + timedelta(minutes=2)) == 20


def test_workers_that_ask_at_once_are_not_granted_more_together(parallel: Parallel, settings: Any) -> None:
    settings.MESSAGES_PER_MINUTE = 30
    outcomes = parallel(8, lambda _: sum(granted(3, NOW, provider="busy") for _ in range(5)))
    assert [one.error for one in outcomes] == [None] * 8
    assert sum(one.value for one in outcomes) == 30
