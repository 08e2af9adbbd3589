"""Resend through django-anymail, with the key that makes the same message sent twice one message.

django-anymail has no word for it (15.2); Resend takes it as an HTTP header (resend.com/docs, "Idempotency keys").
"""

from __future__ import annotations

from typing import Any

from anymail.backends import resend
from django.core.mail import EmailMessage

HEADER = "Resend-Idempotency-Key"


class EmailBackend(resend.EmailBackend):
    """As django-anymail's; the header ``Resend-Idempotency-Key`` of a message goes where Resend's API looks for it."""

    def build_message_payload(self, message: EmailMessage, defaults: Any) -> Any:  # noqa: ANN401 (as in anymail)
        payload = super().build_message_payload(message, defaults)
        key = message.extra_headers.get(HEADER)
        if key:
            payload.headers["Idempotency-Key"] = key
        return payload
