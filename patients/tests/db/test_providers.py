"""What the providers make of every answer, over real sockets: accepted, not now, never, and nobody knows."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from anymail.exceptions import AnymailAPIError, AnymailRecipientsRefused
from pytest_django import Settings

from clinic.models import CaughtMail
from patients.adapters import providers
from patients.adapters.providers import (
    NoProviderError,
    ProviderError,
    RefusedError,
    TryLaterError,
    UnknownOutcomeError,
    can_send,
    provider_for,
)
from patients.models import Channel
from patients.tests.providers_kit import (
    ACCEPT_AND_ANSWER_TWICE,
    ACCEPT_AND_BREAK,
    ACCEPT_AND_HANG,
    HANG,
    SENDER,
    Accept,
    Fail,
    MailStandIn,
    SmsStandIn,
    mail_api,
    mail_server,
    sms_provider,
    use_smtp,
    use_twilio,
)

KEY = "6f1c1a3e-0f5b-4a3c-9b1e-2f6f1d0c7a11"
TO, ADDRESS = "+12125550123", "ada@example.org"


@pytest.fixture
def twilio(settings: Settings) -> Iterator[SmsStandIn]:
    with sms_provider() as stand_in:
        use_twilio(settings, stand_in)
        yield stand_in


@pytest.fixture
def smtp(settings: Settings) -> Iterator[MailStandIn]:
    with mail_server() as server:
        use_smtp(settings, server)
        yield server


def text(body: str = "Maple Clinic: your visit is on Thursday.", *, key: str = KEY, to: str = TO) -> str:
    sent = provider_for(Channel.SMS).send(to=to, subject="", text=body, html="", key=key, reply_to="")
    return sent.provider_id


def mail(
    body: str = "Your visit is on Thursday.", *, to: str = ADDRESS, subject: str = "Your visit", html: str = ""
) -> str:
    sent = provider_for(Channel.EMAIL).send(
        to=to, subject=subject, text=body, html=html, key=KEY, reply_to="desk@maple.example.org"
    )
    return sent.provider_id


def refusal(send, *, kind: type[ProviderError]) -> Any:
    """What was raised; of this very kind, since who sends acts on it."""
    with pytest.raises(ProviderError) as caught:
        send()
    assert type(caught.value) is kind
    return caught.value


# --- text messages ----------------------------------------------------------------------------------------------------
def test_a_text_message_says_where_its_receipts_are_wanted(twilio: SmsStandIn) -> None:
    number = text()
    [message] = twilio.accepted
    assert (message.to, message.sender, message.sid) == (TO, SENDER, number)
    assert message.callback == f"https://cadence.example.org/hooks/twilio/status/{KEY}/"
    assert twilio.times(KEY) == 1


def test_a_messaging_service_may_stand_for_the_number(twilio: SmsStandIn, settings: Settings) -> None:
    settings.TWILIO_FROM = "MG" + "0" * 32
    text()
    assert twilio.accepted[0].sender == "MG" + "0" * 32


@pytest.mark.parametrize(
    "body", ["Thé à 3 € für Zoë", "See you on Thursday 🙂🌿", "<script>alert(1)</script> & more", "ü" * 1600]
)
def test_a_text_arrives_letter_by_letter(twilio: SmsStandIn, body: str) -> None:
    text(body)
    assert [message.body for message in twilio.accepted] == [body]


@pytest.mark.parametrize("body", ["", "  \n", "a" * 1601, "🙂" * 1_250_000])
def test_a_text_that_no_telephone_shows_is_refused_before_anybody_is_asked(twilio: SmsStandIn, body: str) -> None:
    refusal(lambda: text(body), kind=RefusedError)
    assert twilio.asked == []


@pytest.mark.parametrize(
    ("fails", "kind"),
    [
        (Fail(500), TryLaterError),
        (Fail(503), TryLaterError),
        (Fail(429), TryLaterError),
        (Fail(401, code=20003), TryLaterError),
        (Fail(400, code=21211), RefusedError),
        (Fail(400, code=99999), RefusedError),
        (Fail(404), RefusedError),
        (Fail(502), UnknownOutcomeError),
        (Fail(504), UnknownOutcomeError),
    ],
)
def test_each_failure_of_the_provider_says_what_may_be_done_next(twilio: SmsStandIn, fails: Fail, kind) -> None:
    twilio.next(fails)
    assert refusal(text, kind=kind).reason
    assert twilio.accepted == []
    assert text()


def test_a_busy_provider_says_how_long_to_wait(twilio: SmsStandIn) -> None:
    twilio.next(Fail(429, after=90), Fail(429), Fail(503, after=10**7))
    waits = [refusal(text, kind=TryLaterError).after for _ in range(3)]
    assert waits == [timedelta(seconds=90), None, timedelta(hours=1)]


def test_a_number_that_told_the_provider_to_stop_is_known_as_such(twilio: SmsStandIn) -> None:
    twilio.next(Fail(400, code=21610), Fail(400, code=21614))
    assert refusal(text, kind=RefusedError).is_opted_out
    assert not refusal(text, kind=RefusedError).is_opted_out


@pytest.mark.parametrize("what", [ACCEPT_AND_HANG, ACCEPT_AND_BREAK, Accept(says=b"<html>"), Accept(says=b"{}")])
def test_after_an_answer_that_never_came_nobody_claims_to_know(
    twilio: SmsStandIn, what: Accept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "TIMEOUT_S", 0.3)
    providers._twilio.cache_clear()
    twilio.next(what)
    problem = refusal(text, kind=UnknownOutcomeError)
    assert problem.was_accepted is None
    assert twilio.times(KEY) == 1
    providers._twilio.cache_clear()


def test_an_answer_that_comes_twice_is_one_message_and_harms_not_the_next(twilio: SmsStandIn) -> None:
    twilio.next(ACCEPT_AND_ANSWER_TWICE)
    first = text()
    second = text("Another one.", key="another")
    assert [message.sid for message in twilio.accepted] == [first, second]
    assert twilio.duplicates() == {}


def test_a_provider_that_is_not_there_surely_has_nothing(twilio: SmsStandIn, settings: Settings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.TWILIO_API_URL = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert refusal(text, kind=TryLaterError).was_accepted is False
    settings.TWILIO_API_URL = twilio.url
    assert text()


# --- e-mail -----------------------------------------------------------------------------------------------------------
def test_an_e_mail_arrives_with_both_parts_and_a_number_of_its_own(smtp: MailStandIn) -> None:
    number = mail(html="<p>Your visit is on <b>Thursday</b>.</p>")
    [message] = smtp.received
    assert smtp.recipients == [ADDRESS]
    assert (message["Subject"], message["Reply-To"], message["Auto-Submitted"]) == (
        "Your visit",
        "desk@maple.example.org",
        "auto-generated",
    )
    assert message.get_body(("plain",)).get_content().strip() == "Your visit is on Thursday."
    assert "<b>Thursday</b>" in message.get_body(("html",)).get_content()
    assert message["Message-ID"] == number == f"<{KEY}@localhost>"


def test_a_second_attempt_has_the_same_number_so_a_mailbox_can_tell(smtp: MailStandIn) -> None:
    assert mail() == mail()
    assert len({message["Message-ID"] for message in smtp.received}) == 1


@pytest.mark.parametrize(
    "body", ["Thé à 3 € für Zoë", "See you 🙂🌿", "<script>alert(1)</script>", "Wort " * 1_000_000]
)
def test_an_e_mail_arrives_letter_by_letter(smtp: MailStandIn, body: str) -> None:
    mail(body)
    assert smtp.received[0].get_content().strip() == body.strip()


@pytest.mark.parametrize("subject", ["Cita de Zoë 🙂", "One line\r\nBcc: everybody@example.org", "<script>"])
def test_a_subject_stays_one_line_and_nothing_else(smtp: MailStandIn, subject: str) -> None:
    mail(subject=subject)
    assert smtp.received[0]["Subject"] == " ".join(subject.split())
    assert smtp.recipients == [ADDRESS]


@pytest.mark.parametrize(
    "to", ["", "nobody", "a@b", "a@example.org\r\nBcc: b@example.org", "a@example.org, b@example.org"]
)
def test_what_is_no_address_is_refused_before_anybody_is_asked(smtp: MailStandIn, to: str) -> None:
    refusal(lambda: mail(to=to), kind=RefusedError)
    assert smtp.received == []


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("550 5.1.1 ada@example.org: no such person", RefusedError),
        ("450 4.2.1 greylisted, ada@example.org", TryLaterError),
        ("421 4.7.0 too many connections", TryLaterError),
    ],
)
def test_a_recipient_that_the_server_does_not_take(smtp: MailStandIn, said: str, kind) -> None:
    smtp.next_recipient(said)
    problem = refusal(mail, kind=kind)
    assert said[:3] in problem.reason
    assert "ada@" not in problem.reason
    assert smtp.received == []


@pytest.mark.parametrize(("said", "kind"), [("554 5.7.1 spam", RefusedError), ("451 4.3.0 later", TryLaterError)])
def test_a_message_that_the_server_does_not_take(smtp: MailStandIn, said: str, kind) -> None:
    smtp.next_data(said)
    assert f"Status {said[4:9]}" in refusal(mail, kind=kind).reason
    assert mail()


def test_a_message_beyond_the_servers_size_is_refused_and_not_tried_for_ever(settings: Settings) -> None:
    with mail_server(size_limit=1000) as small:
        use_smtp(settings, small)
        refusal(lambda: mail("Wort " * 1000), kind=RefusedError)
        assert small.received == []


def test_a_server_that_falls_silent_after_the_message_may_have_it(smtp: MailStandIn, settings: Settings) -> None:
    settings.EMAIL_TIMEOUT = 0.3
    smtp.next_data(HANG)
    assert refusal(mail, kind=UnknownOutcomeError).was_accepted is None
    assert len(smtp.received) == 1


def test_a_mail_server_that_is_not_there_surely_has_nothing(smtp: MailStandIn, settings: Settings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.EMAIL_PORT = free.getsockname()[1]
    assert refusal(mail, kind=TryLaterError).was_accepted is False


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (AnymailRecipientsRefused(), RefusedError),
        (AnymailAPIError("odd"), RefusedError),
        (AnymailAPIError("busy", status_code=429), TryLaterError),
        (AnymailAPIError("down", status_code=500), TryLaterError),
        (AnymailAPIError("gateway", status_code=504), UnknownOutcomeError),
        (AnymailAPIError("no", status_code=422), RefusedError),
        (AnymailAPIError("key", status_code=401), TryLaterError),
    ],
)
def test_each_answer_of_a_mail_providers_interface(problem: AnymailAPIError, kind) -> None:
    assert type(providers._of_anymail(problem)) is kind


def test_what_is_asked_twice_by_the_same_key_is_one_e_mail_at_resend(settings: Settings) -> None:
    with mail_api() as api:
        settings.EMAIL_BACKEND, settings.EMAIL_PROVIDER = "clinic.adapters.resend.EmailBackend", "resend"
        settings.ANYMAIL = {"RESEND_API_KEY": "re_1", "RESEND_API_URL": api.url, "REQUESTS_TIMEOUT": 5}
        api.breaks_next = True
        unknown = refusal(mail, kind=TryLaterError)
        assert "may have accepted" in unknown.reason
        assert mail() == "mail-1"
        assert [message["subject"] for message in api.sent] == ["Your visit"]


# --- which one --------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_without_a_provider_messages_are_caught_and_nothing_leaves(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "clinic.adapters.catcher.EmailBackend"
    text("A text 🙂\x00")
    mail(html="<p>An e-mail</p>")
    caught = CaughtMail.objects.order_by("id").values_list("channel", "to", "subject", "text", "html")
    assert list(caught) == [
        ("sms", TO, "", "A text 🙂", ""),
        ("email", ADDRESS, "Your visit", "Your visit is on Thursday.", "<p>An e-mail</p>"),
    ]


def test_in_production_a_channel_without_a_provider_is_closed_and_says_so(settings: Settings) -> None:
    settings.PRODUCTION = True
    assert (can_send(Channel.SMS), can_send(Channel.EMAIL)) == (False, True)
    with pytest.raises(NoProviderError, match="text message"):
        provider_for(Channel.SMS)


@pytest.mark.parametrize("channel", [Channel.PHONE, Channel.LETTER])
def test_nobody_carries_calls_and_letters_but_a_person(channel: Channel) -> None:
    assert not can_send(channel)


@pytest.mark.parametrize(
    ("provider", "host", "has_keys"),
    [("", "mail.example.org", False), ("postmark", "", False), ("resend", "", True), ("", "smtp.resend.com", True)],
)
def test_only_resend_knows_a_message_that_it_is_asked_for_twice(
    settings: Settings, provider: str, host: str, has_keys: bool
) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_PROVIDER = "django.core.mail.backends.smtp.EmailBackend", provider
    settings.EMAIL_HOST = host
    assert provider_for(Channel.EMAIL).gives_idempotency is has_keys
