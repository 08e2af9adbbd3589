"""The doors through which a message leaves: e-mail through Django's backend, text messages through Twilio.

Whoever sends asks `provider_for(channel)` and calls `send`. It answers with a receipt or raises one of three refusals,
which differ in what may be done next: try again later, tell a person, or find out first whether it went.
"""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from email.utils import make_msgid, parseaddr
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import requests
from anymail.exceptions import AnymailError, AnymailRecipientsRefused
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.core.validators import validate_email
from django.utils import timezone
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NameResolutionError, NewConnectionError

from clinic.adapters.catcher import catch
from patients.models import Channel

logger = logging.getLogger(__name__)

TIMEOUT_S = 10
"""How long a provider may take to answer. A worker's time limit is far beyond it."""
SMS_MAX_CHARS = 1600
"""Twilio refuses more (error 21617); our own texts are far below (``wording``)."""
REASON_MAX, PROVIDER_ID_MAX = 280, 80
"""What the table holds."""
BUSY = 429
UNAUTHORISED = (401, 403)
GATEWAY = (502, 504)
"""A gateway in front did not get an answer; whether what is behind it acted, nobody knows."""

TWILIO_REASONS = {
    21211: "The number is not a telephone number.",
    21214: "The number cannot be reached.",
    21408: "Text messages to this country are switched off at the provider.",
    21610: "This number has answered STOP.",
    21612: "The provider cannot reach this number.",
    21614: "The number cannot get text messages: it is not a mobile number.",
    21617: "The text is too long.",
}
"""What Twilio's own numbers mean (twilio.com/docs/api/errors), in words that staff can act on."""
OPTED_OUT = 21610


class ProviderError(Exception):
    """The message was not handed over; ``reason`` is fit to be read by staff and names no person.

    Attributes:
        was_accepted: False when the provider surely does not have it; None when nobody knows.
    """

    was_accepted: bool | None = False

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = " ".join(reason.split())[:REASON_MAX]


class TryLaterError(ProviderError):
    """Not accepted, but it may be another time. ``after``: how long the provider asks us to wait, where it says so."""

    def __init__(self, reason: str, after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.after = after


class RefusedError(ProviderError):
    """Not accepted, and it would not be another time: a person has to look.

    Attributes:
        is_opted_out: the provider refuses because this number or address told *it* to stop.
    """

    def __init__(self, reason: str, *, is_opted_out: bool = False) -> None:
        super().__init__(reason)
        self.is_opted_out = is_opted_out


class UnknownOutcomeError(RefusedError):
    """The provider was asked and did not answer: it may have accepted. To be tried again only by its key.

    A refusal for whoever does not tell them apart: a message that may have arrived goes on the failure list, where a
    person decides, and not out a second time. A delivery receipt that comes later takes it off again.
    """

    was_accepted = None


class NoProviderError(RefusedError):
    """Nothing is set up for this channel."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider has accepted the message. ``provider_id``: under which number it speaks of it from now on."""

    provider_id: str


class Provider(Protocol):
    """Something that carries messages of one channel.

    Attributes:
        name: at most 20 characters, kept with the message.
        gives_idempotency: the same key twice is one message, for at least a day.
    """

    name: str
    gives_idempotency: bool

    def send(  # noqa: PLR0913 (the parts of a message)
        self, *, to: str, subject: str, text: str, html: str, key: str, reply_to: str
    ) -> Receipt:
        """The provider has accepted the message.

        Args:
            to: an e-mail address, or a number in E.164.
            subject: not used for text messages, nor are html and reply_to.
            html: the same as text for who reads it so; may be empty.
            key: names this message for good: the same at every attempt.

        Raises:
            TryLaterError: surely not accepted; another time may do.
            RefusedError: surely not accepted, and never will be.
            UnknownOutcomeError: nobody knows whether it was accepted.
        """


def provider_for(channel: str) -> Provider:
    """Who carries messages of ``channel`` in this installation.

    Raises:
        NoProviderError: nothing is set up for it.
    """
    maker = _MAKERS.get(Channel(channel))
    provider = maker() if maker else None
    if provider is None:
        raise NoProviderError(f"Nothing is set up to send by {Channel(channel).label.lower()}.")
    return provider


def can_send(channel: str) -> bool:
    """True when something is set up for ``channel``."""
    try:
        provider_for(channel)
    except NoProviderError:
        return False
    return True


# --- e-mail -----------------------------------------------------------------------------------------------------------
class MailProvider:
    """Whatever backend Django has: an SMTP server, a provider of django-anymail, the catcher."""

    gives_idempotency = False

    def __init__(self, name: str, *, gives_idempotency: bool = False) -> None:
        self.name = name
        self.gives_idempotency = gives_idempotency

    def send(  # noqa: PLR0913 (as Provider.send)
        self, *, to: str, subject: str, text: str, html: str, key: str, reply_to: str
    ) -> Receipt:
        message = _mail(to=to, subject=subject, text=text, html=html, key=key, reply_to=reply_to)
        try:
            _hand_over(message)
        except UnknownOutcomeError as problem:
            if self.gives_idempotency:  # so asking again cannot make it two
                raise TryLaterError(problem.reason) from problem
            raise
        status = getattr(message, "anymail_status", None)
        return Receipt(str((status and status.message_id) or message.extra_headers["Message-ID"])[:PROVIDER_ID_MAX])


def _hand_over(message: EmailMultiAlternatives) -> None:
    """Raises ProviderError."""
    connection: BaseEmailBackend = get_connection(fail_silently=False)
    try:
        connection.open()
    except (OSError, smtplib.SMTPException, AnymailError) as problem:  # nothing was said yet
        raise TryLaterError(f"The mail server cannot be reached: {_words(problem)}") from problem
    try:
        connection.send_messages([message])
    except AnymailError as problem:
        raise _of_anymail(problem) from problem
    except (OSError, smtplib.SMTPException, ValueError) as problem:
        raise _of_smtp(problem) from problem
    finally:
        _close(connection)


def _mail(  # noqa: PLR0913 (as Provider.send)
    *, to: str, subject: str, text: str, html: str, key: str, reply_to: str
) -> EmailMultiAlternatives:
    """The message. Its number is the same at every attempt, so that a mailbox can tell that two copies are one."""
    try:
        validate_email(to)
    except ValidationError:
        raise RefusedError("The address is not an e-mail address.") from None
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].partition("@")[2] or "localhost"
    message = EmailMultiAlternatives(
        subject=" ".join(_clean(subject).split()),
        body=_clean(text),
        to=[to],
        reply_to=[reply_to] if reply_to else None,
        headers={
            "Message-ID": make_msgid_of(key, domain),
            "Auto-Submitted": "auto-generated",  # RFC 3834: no out-of-office answers, please
            "Resend-Idempotency-Key": key,  # one provider reads it; to the others it is a header like any other
        },
    )
    if html:
        message.attach_alternative(_clean(html), "text/html")
    return message


def make_msgid_of(key: str, domain: str) -> str:
    """``<key@domain>``, or one made up where the key has what such a number may not have."""
    plain = key.replace("-", "").replace(".", "")
    return f"<{key}@{domain}>" if plain.isascii() and plain.isalnum() else make_msgid(domain=domain)


def _of_smtp(problem: Exception) -> ProviderError:
    """What the answer of an SMTP server means (RFC 5321: 4xx is not now, 5xx is no)."""
    if isinstance(problem, smtplib.SMTPRecipientsRefused):
        code, words = next(iter(problem.recipients.values()), (0, b""))
        return _of_code(code, words)
    if isinstance(problem, smtplib.SMTPAuthenticationError):
        return TryLaterError("The mail server does not accept our name and password.")
    if isinstance(problem, smtplib.SMTPResponseException):
        return _of_code(problem.smtp_code, problem.smtp_error)
    if isinstance(problem, smtplib.SMTPNotSupportedError):
        return RefusedError("The mail server cannot carry this address or text.")
    if isinstance(problem, ValueError):
        return RefusedError(f"The message cannot be put together: {_words(problem)}")
    return UnknownOutcomeError("The mail server did not answer; it may have accepted the message.")


def _of_code(code: int, words: bytes | str) -> ProviderError:
    said = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    if code // 100 == 5:  # noqa: PLR2004 (the first digit is the answer)
        return RefusedError(f"The mail server refused it ({code}).{_known(said)}")
    return TryLaterError(f"The mail server cannot take it now ({code}).{_known(said)}")


def _known(said: str) -> str:
    """The enhanced status code (RFC 3463) of an answer; its words are left out, they repeat addresses."""
    first = said.split(" ", 1)[0]
    is_code = first.replace(".", "").isdigit() and first.count(".") == 2  # noqa: PLR2004 (as in 5.1.1)
    return f" Status {first}." if is_code else ""


def _of_anymail(problem: AnymailError) -> ProviderError:
    if isinstance(problem, AnymailRecipientsRefused):
        return RefusedError("The provider does not send to this address any more.", is_opted_out=True)
    cause = problem.__cause__
    if isinstance(cause, requests.RequestException):
        return _of_connection(cause)
    status = problem.status_code
    if status is None:
        return RefusedError(f"The message cannot be put together: {type(problem).__name__}")
    return _of_status(status, getattr(problem.response, "headers", {}))


def _close(connection: BaseEmailBackend) -> None:
    """A server that is slow to say good-bye has the message all the same."""
    try:
        connection.close()
    except (OSError, smtplib.SMTPException) as problem:
        logger.info("The mail server did not say good-bye: %s", type(problem).__name__)


# --- text messages ----------------------------------------------------------------------------------------------------
class TwilioProvider:
    """Twilio's message-create call. It knows no idempotency key: asked twice, it sends twice."""

    name = "twilio"
    gives_idempotency = False

    def __init__(
        self, *, account: str, token: str, sender: str, status_url: Callable[[str], str], api: str = ""
    ) -> None:
        """``sender``: a number, or the id of a messaging service; ``api``: another server than Twilio's, for tests."""
        self._http = _Http(api)
        self._client = Client(account, token, http_client=self._http)
        self._from = {"messaging_service_sid": sender} if sender.startswith("MG") else {"from_": sender}
        self._status_url = status_url

    def send(  # noqa: PLR0913 (as Provider.send)
        self,
        *,
        to: str,
        subject: str,  # noqa: ARG002
        text: str,
        html: str,  # noqa: ARG002
        key: str,
        reply_to: str,  # noqa: ARG002
    ) -> Receipt:
        body = _clean(text)
        if not body.strip() or len(body) > SMS_MAX_CHARS:
            raise RefusedError(f"A text message has 1 to {SMS_MAX_CHARS} characters; this one has {len(body)}.")
        try:
            sent = self._client.messages.create(to=to, body=body, status_callback=self._status_url(key), **self._from)
        except TwilioRestException as problem:
            raise self._of_answer(problem) from problem
        except requests.RequestException as problem:
            raise _of_connection(problem) from problem
        except (TwilioException, ValueError, TypeError, KeyError) as problem:
            raise UnknownOutcomeError("The provider answered something that is no answer.") from problem
        if not sent.sid:
            raise UnknownOutcomeError("The provider answered without a number for the message.")
        return Receipt(str(sent.sid))

    def _of_answer(self, problem: TwilioRestException) -> ProviderError:
        if problem.status // 100 == 2:  # noqa: PLR2004 (accepted, and then something else than an answer)
            return UnknownOutcomeError("The provider answered something that is no answer.")
        known = TWILIO_REASONS.get(problem.code or 0)
        if known and problem.status < 500:  # noqa: PLR2004 (from there on it is the server's fault)
            return RefusedError(known, is_opted_out=problem.code == OPTED_OUT)
        code = f" Its number for this is {problem.code}." if problem.code else ""
        return _of_status(problem.status, self._http.last_headers, code)


class _Http(TwilioHttpClient):
    """Twilio's own client with a time limit, and able to talk to a stand-in."""

    def __init__(self, api: str) -> None:
        # A connection for each message: a second answer on one that is kept would be taken for the next message's.
        super().__init__(pool_connections=False, timeout=TIMEOUT_S)
        self.api = urlsplit(api)
        self.last_headers: Any = {}

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        self.last_headers = {}
        if self.api.netloc:
            asked = urlsplit(url)
            url = urlunsplit((self.api.scheme, self.api.netloc, asked.path, asked.query, ""))
        answer: Response = super().request(method, url, *args, **kwargs)
        self.last_headers = answer.headers or {}
        return answer


def _of_status(status: int, headers: Any, more: str = "") -> ProviderError:  # noqa: ANN401 (any mapping of headers)
    """What the status of an HTTP answer means."""
    if status == BUSY:
        return TryLaterError(f"The provider has too much to do just now.{more}", _wait(headers))
    if status in UNAUTHORISED:
        return TryLaterError(f"The provider does not accept our name and key ({status}).{more}")
    if status in GATEWAY:
        return UnknownOutcomeError(f"The provider did not answer ({status}); it may have accepted the message.")
    if status >= 500:  # noqa: PLR2004 (the server's fault from here on)
        return TryLaterError(f"The provider has trouble ({status}).{more}", _wait(headers))
    return RefusedError(f"The provider refused it ({status}).{more}")


def _of_connection(problem: requests.RequestException) -> ProviderError:
    """No answer: surely not accepted only when there was no connection at all."""
    reason = problem.args[0] if problem.args else None
    inner = reason.reason if isinstance(reason, MaxRetryError) else None
    if isinstance(problem, requests.ConnectTimeout | requests.exceptions.SSLError | requests.exceptions.ProxyError) or (
        isinstance(inner, NewConnectionError | ConnectTimeoutError | NameResolutionError)
    ):
        return TryLaterError("The provider cannot be reached.")
    return UnknownOutcomeError("The provider did not answer; it may have accepted the message.")


def _wait(headers: Any) -> timedelta | None:  # noqa: ANN401 (any mapping of headers)
    """Retry-After in seconds, at most an hour; its other form, a date, is not used by anybody we talk to."""
    value = str(headers.get("Retry-After", "") if headers else "").strip()
    return timedelta(seconds=min(int(value), 3600)) if value.isdigit() and len(value) < 9 else None  # noqa: PLR2004


# --- kept, not sent ---------------------------------------------------------------------------------------------------
class Catcher:
    """Text messages of an installation without a provider: they can be read on the page of caught messages."""

    name = "catcher"
    gives_idempotency = False

    def send(  # noqa: PLR0913 (as Provider.send)
        self,
        *,
        to: str,
        subject: str,
        text: str,
        html: str,
        key: str,  # noqa: ARG002
        reply_to: str,  # noqa: ARG002
    ) -> Receipt:
        row = catch(channel=Channel.SMS.value, to=to, subject=subject, text=text, html=html, now=timezone.now())
        return Receipt(f"caught-{row.pk}")


# --- what this installation has ---------------------------------------------------------------------------------------
def _mail_provider() -> Provider:
    backend = str(settings.EMAIL_BACKEND)
    names = {"clinic.adapters.catcher.EmailBackend": "catcher", "django.core.mail.backends.smtp.EmailBackend": "smtp"}
    name = settings.EMAIL_PROVIDER or names.get(backend, backend.rsplit(".", 2)[-2][:20])
    is_resend = name == "resend" or str(settings.EMAIL_HOST or "").endswith(".resend.com")
    return MailProvider(name, gives_idempotency=is_resend)


def _sms_provider() -> Provider | None:
    if settings.TWILIO_ACCOUNT_SID:
        return _twilio(
            settings.TWILIO_ACCOUNT_SID,
            settings.TWILIO_AUTH_TOKEN,
            settings.TWILIO_FROM,
            settings.TWILIO_API_URL,
            settings.CADENCE_BASE_URL,
        )
    return None if settings.PRODUCTION else Catcher()


@lru_cache(maxsize=4)
def _twilio(account: str, token: str, sender: str, api: str, base: str) -> TwilioProvider:
    """One for each process and setting."""
    return TwilioProvider(
        account=account,
        token=token,
        sender=sender,
        api=api,
        status_url=lambda key: f"{base}/hooks/twilio/status/{key}/",
    )


_MAKERS: dict[Channel, Callable[[], Provider | None]] = {
    Channel.EMAIL: _mail_provider,
    Channel.SMS: _sms_provider,
}


def _clean(text: str) -> str:
    """Without NUL and halves of characters, which nobody can send."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _words(problem: Exception) -> str:
    return type(problem).__name__ if not str(problem) else str(problem)
