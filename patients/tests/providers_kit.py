"""Stand-ins for the providers of messages, over real sockets: one that speaks Twilio's message-create call, and a real
SMTP server.

    with sms_provider() as twilio:              # twilio.url -> settings.TWILIO_API_URL, see `use_twilio`
        twilio.next(Fail(500), Fail(429, after=3), ACCEPT_AND_HANG)   # one for each of the next requests, then ACCEPT
        twilio.each = lambda got: Fail(400, code=21614) if got.to.endswith("13") else None   # or: by what was asked
        ...
        twilio.accepted                          # what went out, oldest first; `times(key)`, `duplicates()`

    with mail_server() as smtp:                 # smtp.host, smtp.port, see `use_smtp`
        smtp.next_recipient("550 5.1.1 unknown"); smtp.next_data("451 4.3.0 later", HANG)
        smtp.received                            # EmailMessage, oldest first

`python -m patients.tests.providers_kit PORT FILE [--fail-every N] [--delay-ms N]` runs the first as a program of its own,
for benches with real workers: it appends a line of JSON for each message that it accepted, at once.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import email
import email.policy
import itertools
import json
import socket
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from twilio.request_validator import RequestValidator

ACCOUNT, TOKEN, SENDER = "AC" + "0" * 32, "token-of-the-stand-in", "+12125550100"


# --- text messages ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Asked:
    """One request for a message. ``key`` is the message's uid: the end of the address for its receipts."""

    to: str
    body: str
    key: str
    callback: str
    sender: str


@dataclass(frozen=True, slots=True)
class Accepted(Asked):
    sid: str


@dataclass(frozen=True, slots=True)
class Accept:
    """The message goes out. Before the answer the stand-in waits; it may answer twice, or with something else."""

    delay_s: float = 0.0
    hangs: bool = False  # accepts, and never answers
    breaks: bool = False  # accepts, and closes the connection without an answer
    twice: bool = False  # writes its answer twice
    says: bytes | None = None  # an answer that is none


@dataclass(frozen=True, slots=True)
class Fail:
    """The message does not go out."""

    status: int
    code: int = 0
    after: int | None = None  # Retry-After, seconds


ACCEPT, ACCEPT_AND_HANG, ACCEPT_AND_BREAK = Accept(), Accept(hangs=True), Accept(breaks=True)
ACCEPT_AND_ANSWER_TWICE = Accept(twice=True)


@dataclass
class SmsStandIn:
    """What `sms_provider` gives. Everything may be used from any thread."""

    asked: list[Asked] = field(default_factory=list)
    accepted: list[Accepted] = field(default_factory=list)
    each: Callable[[Asked], Accept | Fail | None] | None = None
    on_accept: Callable[[Accepted], None] | None = None
    url: str = ""

    def __post_init__(self) -> None:
        self._next: deque[Accept | Fail] = deque()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.closing = threading.Event()

    def next(self, *what: Accept | Fail) -> None:
        """What becomes of the next requests, one after the other; after them everything is accepted."""
        with self._lock:
            self._next.extend(what)

    def times(self, key: object) -> int:
        """How many times the message with this uid went out."""
        with self._lock:
            return sum(message.key == str(key) for message in self.accepted)

    def duplicates(self) -> dict[str, int]:
        """Uid -> times, of all that went out more than once."""
        with self._lock:
            counts = Counter(message.key for message in self.accepted)
        return {key: times for key, times in counts.items() if times > 1}

    def take(self, asked: Asked) -> tuple[Accept | Fail, str]:
        """Decides, and remembers what goes out. The second is the number of the message."""
        with self._lock:
            self.asked.append(asked)
            what = (self._next.popleft() if self._next else None) or (self.each and self.each(asked)) or ACCEPT
            sid = f"SM{next(self._numbers):032x}"
            if isinstance(what, Accept):
                message = Accepted(**asdict(asked), sid=sid)
                self.accepted.append(message)
                if self.on_accept:
                    self.on_accept(message)
        return what, sid


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms for the client's delayed acknowledgement of its head
    stand_in: SmsStandIn

    def do_POST(self) -> None:
        body = self._body()
        if body is None:
            return
        form = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
        if not self._knows_us():
            self._answer(401, {"code": 20003, "message": "Authenticate", "status": 401})
            return
        callback = form.get("StatusCallback", "")
        asked = Asked(
            to=form.get("To", ""),
            body=form.get("Body", ""),
            key=urlsplit(callback).path.rstrip("/").rsplit("/", 1)[-1],
            callback=callback,
            sender=form.get("From", "") or form.get("MessagingServiceSid", ""),
        )
        what, sid = self.stand_in.take(asked)
        self._fail(what) if isinstance(what, Fail) else self._accept(what, asked, sid)

    def _body(self) -> bytes | None:
        """None: whoever asked was killed in the middle of its request, which is no request."""
        size = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(size)
        self.close_connection = self.close_connection or len(body) < size
        return body if len(body) == size else None

    def _knows_us(self) -> bool:
        wanted = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        return self.headers.get("Authorization") == f"Basic {wanted}"

    def _fail(self, what: Fail) -> None:
        headers = {} if what.after is None else {"Retry-After": str(what.after)}
        self._answer(what.status, {"code": what.code, "message": "no", "status": what.status}, headers)

    def _accept(self, what: Accept, asked: Asked, sid: str) -> None:
        if what.breaks or what.hangs:
            if what.hangs:
                self.stand_in.closing.wait()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.stand_in.closing.wait(what.delay_s)
        answer = {"sid": sid, "status": "queued", "to": asked.to, "from": asked.sender, "body": asked.body}
        for _ in range(2 if what.twice else 1):
            self._answer(201, what.says if what.says is not None else answer)

    def _answer(self, status: int, answer: dict[str, Any] | bytes, headers: Mapping[str, str] = {}) -> None:
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """A client that went away is what some tests are about."""


@contextmanager
def sms_provider(*, port: int = 0, host: str = "127.0.0.1") -> Iterator[SmsStandIn]:
    """A provider of text messages at ``.url`` on this machine, in threads of this process."""
    stand_in = SmsStandIn()
    with _serving(type("Handler", (_Handler,), {"stand_in": stand_in}), port=port, host=host) as stand_in.url:
        try:
            yield stand_in
        finally:
            stand_in.closing.set()


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler], *, port: int, host: str = "127.0.0.1") -> Iterator[str]:
    """Its address."""
    server = _Server((host, port), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def use_twilio(settings: Any, stand_in: SmsStandIn, *, base_url: str = "https://cadence.example.org") -> None:
    """Text messages go to the stand-in; ``settings``: pytest-django's."""
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN, settings.TWILIO_FROM = ACCOUNT, TOKEN, SENDER
    settings.TWILIO_API_URL, settings.CADENCE_BASE_URL = stand_in.url, base_url


def signed(url: str, form: Mapping[str, str], *, token: str = TOKEN) -> dict[str, str]:
    """The headers with which Twilio would post ``form`` to ``url`` (for `client.post(path, form, headers=…)`)."""
    return {"X-Twilio-Signature": RequestValidator(token).compute_signature(url, dict(form))}


# --- e-mail -----------------------------------------------------------------------------------------------------------
HANG = "hang"
"""Accepts the message, and never answers."""


@dataclass
class MailStandIn:
    """What `mail_server` gives."""

    host: str
    port: int
    received: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._recipient: deque[str] = deque()
        self._data: deque[str] = deque()
        self.closing: asyncio.Event | None = None

    def next_recipient(self, *answers: str) -> None:
        """What the server says to the next RCPT commands, as in "550 5.1.1 no such person"; then it accepts."""
        self._recipient.extend(answers)

    def next_data(self, *answers: str) -> None:
        """The same for the next messages; `HANG` is possible too."""
        self._data.extend(answers)

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's names)
        self, _s: SMTP, _ses: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if self._recipient:
            return self._recipient.popleft()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        answer = self._data.popleft() if self._data else "250 accepted"
        if answer == HANG or answer.startswith("2"):
            self.received.append(email.message_from_bytes(_bytes(envelope.content), policy=email.policy.default))
            self.recipients.extend(envelope.rcpt_tos)
        if answer == HANG:
            self.closing = asyncio.Event()
            await self.closing.wait()
        return "250 accepted" if answer == HANG else answer


def _bytes(content: bytes | str | None) -> bytes:
    return content if isinstance(content, bytes) else (content or "").encode()


@contextmanager
def mail_server(*, size_limit: int = 32 * 1024 * 1024) -> Iterator[MailStandIn]:
    """An SMTP server (aiosmtpd) on this machine, in a thread of this process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stand_in = MailStandIn("127.0.0.1", port)
    controller = Controller(stand_in, hostname="127.0.0.1", port=port, data_size_limit=size_limit)
    controller.start()
    try:
        yield stand_in
    finally:
        if stand_in.closing is not None:
            controller.loop.call_soon_threadsafe(stand_in.closing.set)
        controller.stop()


def use_smtp(settings: Any, server: MailStandIn, *, timeout_s: float = 5) -> None:
    """E-mail goes to the server; ``settings``: pytest-django's."""
    settings.EMAIL_BACKEND, settings.EMAIL_PROVIDER = "django.core.mail.backends.smtp.EmailBackend", ""
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = server.host, server.port, timeout_s
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False


@dataclass
class MailApiStandIn:
    """A provider of e-mail with an interface of its own, as Resend: what comes twice with one key is one message."""

    url: str = ""
    breaks_next: bool = False
    sent: list[dict[str, Any]] = field(default_factory=list)
    numbers: dict[str, str] = field(default_factory=dict)


class _MailApiHandler(_Handler):
    api: MailApiStandIn

    def do_POST(self) -> None:
        body = self._body()
        if body is None:
            return
        message = json.loads(body)
        key = self.headers.get("Idempotency-Key") or f"none-{len(self.api.sent)}"
        if key not in self.api.numbers:
            self.api.sent.append(message)
            self.api.numbers[key] = f"mail-{len(self.api.sent)}"
        if self.api.breaks_next:
            self.api.breaks_next, self.close_connection = False, True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._answer(200, {"id": self.api.numbers[key]})


@contextmanager
def mail_api(*, port: int = 0) -> Iterator[MailApiStandIn]:
    """Resend's interface at ``.url`` on this machine (its name for ANYMAIL: RESEND_API_URL)."""
    api = MailApiStandIn()
    with _serving(type("Handler", (_MailApiHandler,), {"api": api}), port=port) as api.url:
        yield api


# --- a program of its own ---------------------------------------------------------------------------------------------
def main() -> None:
    """Serves until it is killed; each message that was accepted is a line of FILE before it is answered."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--fail-every", type=int, default=0, help="Each n-th request gets 500.")
    parser.add_argument("--delay-ms", type=int, default=0, help="Before each answer.")
    asked = parser.parse_args()
    numbers = itertools.count(1)

    def decide(_: Asked) -> Accept | Fail:
        if asked.fail_every and next(numbers) % asked.fail_every == 0:
            return Fail(500)
        return Accept(delay_s=asked.delay_ms / 1000)

    with asked.file.open("a", encoding="utf-8") as log, sms_provider(port=asked.port) as stand_in:

        def note(message: Accepted) -> None:
            log.write(json.dumps(asdict(message) | {"at": time.time()}) + "\n")
            log.flush()

        stand_in.each, stand_in.on_accept = decide, note
        told = f"TWILIO_API_URL={stand_in.url} TWILIO_ACCOUNT_SID={ACCOUNT} TWILIO_AUTH_TOKEN={TOKEN}"
        sys.stdout.write(f"{told} TWILIO_FROM={SENDER}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
