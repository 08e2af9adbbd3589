"""Mail that is kept to be looked at instead of being sent: what a development installation does by default."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.utils import parseaddr
from typing import Any

from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

from clinic.models import CaughtMail

TO_MAX, SUBJECT_MAX = 254, 200
"""What the table holds; a longer one is cut, since nobody sends from here."""


def catch(  # noqa: PLR0913 (the parts of a message)
    *, channel: str, to: str, text: str, now: datetime, subject: str = "", html: str = ""
) -> CaughtMail:
    """The message stands on the page of caught messages; nothing left this machine."""
    return CaughtMail.objects.create(
        channel=channel,
        to=_kept(to)[:TO_MAX],
        subject=_kept(subject)[:SUBJECT_MAX],
        text=_kept(text),
        html=_kept(html),
        at=now,
    )


class EmailBackend(BaseEmailBackend):
    """Django's e-mail backend that catches: one row for each person whom the message would have reached."""

    def __init__(self, fail_silently: bool = False, **_: Any) -> None:  # noqa: FBT001, FBT002 (Django's signature)
        super().__init__(fail_silently=fail_silently)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        now = timezone.now()
        sent = 0
        for message in email_messages:
            for address in message.recipients():
                to = parseaddr(address)[1] or address
                catch(
                    channel="email",
                    to=to,
                    subject=str(message.subject),
                    text=str(message.body),
                    html=_html(message),
                    now=now,
                )
            sent += bool(message.recipients())
        return sent


def _html(message: EmailMessage) -> str:
    if not isinstance(message, EmailMultiAlternatives):
        return ""
    return next((str(part) for part, kind in message.alternatives if kind == "text/html"), "")


def _kept(text: str) -> str:
    """Without what PostgreSQL does not keep: NUL, and halves of characters."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
